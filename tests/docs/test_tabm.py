"""The members that share weights, of which the page on the estimators tells."""

import torch
from scripts import benchmark

TABM = benchmark("against_sklearn.tabm")


def test_members_of_tabm_are_networks_whose_weights_have_factors_of_rank_one() -> None:
    together = TABM.Members([3, 4, 2], 5, shares=True)
    x = torch.randn(5, 6, 3)
    (shared, heads), (first, last), ((r, s), _) = together.weights, together.biases, together.factors
    with torch.no_grad():
        for parameter in together.parameters:
            parameter.normal_()
        for member, answers in enumerate(together(x)):
            weight = r[member].T * shared[0] * s[member]
            alone = (x[member] @ weight + first[member]).relu() @ heads[member] + last[member]
            torch.testing.assert_close(answers, alone)
