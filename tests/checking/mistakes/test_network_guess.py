"""Code that no tape can record is taken for a network if its gradient is that of the network."""

from typing import Any

import numpy as np
import pytest
import torch

from deltarule import check_gradient

GENERATOR = np.random.default_rng(4)
X, Y = torch.tensor(GENERATOR.normal(size=(7, 3))), torch.tensor(GENERATOR.normal(size=(7, 2)))


@pytest.mark.parametrize(("wrong", "codes"), [("", []), ("mask", ["mask_of_gradient"]), ("sum", ["upstream_ignored"])])
def test_mistake_in_pytorch_is_named_without_a_network(wrong: str, codes: list[str]) -> None:
    def both(W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
        W1, b1, W2, b2 = map(torch.tensor, (W1, b1, W2, b2))
        z = X @ W1 + b1
        a = torch.relu(z)
        error = a @ W2 + b2 - Y
        d2 = 2 * error / len(X)
        da = d2 @ W2.T
        d1 = {"": da * (z > 0), "mask": da * (da > 0), "sum": (z > 0).double()}[wrong]
        return (error**2).sum() / len(X), (X.T @ d1, d1.sum(0), a.T @ d2, d2.sum(0))

    params = [GENERATOR.normal(size=shape) for shape in ((3, 4), (4,), (4, 2), (2,))]
    report = check_gradient(both, None, params)
    assert report.ok == (not wrong) and [one.code for one in report.diagnosis] == codes
