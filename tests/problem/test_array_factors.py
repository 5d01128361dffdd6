"""Learning-rate factors of arrays, and the numbers of an optimizer in the neural-tangent parametrization."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unproved import unproved

from deltarule.errors import BadInput
from deltarule.maths.optimizers import OPTIMIZERS, Optimizer, sgd
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem

NETWORK = Network([2, 3, 1], batch_norm=True)


def make(**given: Any) -> Problem:
    return create_problem(NETWORK, [[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0], **given)


def test_a_problem_without_learning_rate_factors_has_no_factors() -> None:
    assert make().factors == make(learning_rate_factors={"W": 1, "b2": 1.0}).factors == {}


def test_the_name_of_an_array_takes_precedence_over_its_symbol() -> None:
    factors = make(learning_rate_factors={"b": 0.1, "b2": 3, "gamma": 0}).factors
    names = [entry.name for entry in NETWORK.entries]
    of_arrays = dict(zip(names, factors["learning_rate"], strict=True))
    assert of_arrays == {"W1": 1, "b1": 0.1, "gamma1": 0, "beta1": 1, "W2": 1, "b2": 3}


@given(st.lists(st.integers(1, 9), min_size=2, max_size=4), st.sampled_from(sorted(OPTIMIZERS)))
def test_only_weights_have_factors_by_their_number_of_inputs(sizes: list[int], optimizer: str) -> None:
    network, x, y = Network(sizes), np.zeros((1, sizes[0])), np.zeros((1, sizes[-1]))
    factors = create_problem(network, x, y, optimizer=optimizer, parametrization="neural_tangent").factors
    for number, exponent in OPTIMIZERS[optimizer].rescaling.items():  # type: ignore[union-attr]
        found = factors.get(number, (1.0,) * len(network.entries))
        expected = [np.sqrt(e.shape[0]) ** -exponent if e.symbol == "W" else 1 for e in network.entries]
        np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_neighboring_arrays_with_equal_factors_share_a_range() -> None:
    problem = make(learning_rate_factors={"b": 0.1}, penalty="l2", strength=0.1, parametrization="neural_tangent")
    ends = [(part.start, part.stop, part.penalized) for part in problem.update_ranges]
    assert ends == [(0, 6, True), (6, 9, False), (9, 15, False), (15, 18, True), (18, 19, False)]
    assert [(part.start, part.stop) for part in make().update_ranges] == [(0, 19)]


def test_decay_keeps_its_strength_where_the_rate_has_a_factor_of_the_parametrization() -> None:
    """α λ is what V shrinks by, and so what W shrinks by."""
    problem = make(optimizer="adamw", parametrization="neural_tangent", learning_rate=0.1)
    for part in problem.update_ranges:
        numbers = problem.range_numbers(part, problem.numbers)
        expected = 0.1 * 0.01 if part.penalized else 0
        assert numbers["learning_rate"] * numbers["weight_decay"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"learning_rate_factors": {"bias": 1}}, "learning_rate_factors has 'bias', which the network lacks; its arr"),
        ({"learning_rate_factors": {"b3": 1}}, "its arrays: W, b, gamma, beta, W1, b1, gamma1, beta1, W2, b2"),
        ({"learning_rate_factors": {"b": -1}}, "the learning-rate factor of b is -1; give a number of 0 or more"),
        ({"learning_rate_factors": {"b": np.inf}}, "the learning-rate factor of b is inf; give a number of 0 or more"),
        ({"learning_rate_factors": {"b": True}}, "the learning-rate factor of b is True; give a number of 0 or more"),
        ({"parametrization": "mup"}, 'the parametrization is \'mup\'; give "standard" or "neural_tangent"'),
        (
            {"parametrization": "neural_tangent", "optimizer": unproved(Optimizer("own", sgd))},
            "the optimizer 'own' has no form for the neural-tangent parametrization; use sgd or adam, or the",
        ),
    ],
)
def test_invalid_factors_are_refused_in_one_sentence(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        make(**given)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)
