"""The scaling layer in every engine, in files and in a trace."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import examples

from deltarule.checking.problem_gradient import check_problem
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.reference import ReferenceEngine, objective_and_gradient
from deltarule.maths.network import evaluated, views, without_scaling
from deltarule.problem.batches import batch
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import State, initial_state


def population(sizes: tuple[int, ...] = (5, 4, 2), count: int = 300, **changed: Any) -> Problem:
    rng = np.random.default_rng(0)
    options = {name: changed.pop(name) for name in ("bias", "batch_norm") if name in changed}
    given: dict[str, Any] = {
        "optimizer": "adam",
        "learning_rate": 0.02,
        "learning_rate_factors": {"scale": 6.0},
        "batch_size": max(1, count - 30),
        "seeds": range(3),
        **changed,
    }
    network = Network(sizes, "tanh", scaling_layer=True, **options)
    return create_problem(network, rng.normal(size=(count, sizes[0])), rng.normal(size=(count, sizes[-1])), **given)


def started(problem: Problem, seed: int = 1) -> State:
    """The initial state, with scales of any sign, one of which is 0."""
    state = initial_state(problem)
    inputs = problem.network.inputs
    state.theta[:, :inputs] = np.random.default_rng(seed).normal(size=inputs)
    state.theta[0, 0] = 0
    return state


def test_scales_are_1_at_the_start_and_first_in_theta() -> None:
    problem = population()
    entry = problem.network.entries[0]
    assert (entry.name, entry.shape, entry.start, entry.stop) == ("scale1", (1, 5), 0, 5)
    assert (initial_state(problem).theta[:, :5] == 1).all()
    assert repr(problem.network) == "Network 5-4-2 (tanh, identity, scaling layer), 39 parameters"


@pytest.mark.needs("torch")
@settings(max_examples=examples(20))
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.booleans(), st.integers(0, 999))
def test_its_gradient_is_proved_three_ways(sizes: list[int], bias: bool, seed: int) -> None:
    problem = population(tuple(sizes), count=6, bias=bias, penalty="l2", strength=0.1)
    report = check_problem(problem, started(problem, seed))
    assert report.ok and len(report.checks) == 3


def test_a_scale_whose_gradient_is_slightly_wrong_is_named() -> None:
    problem = population(count=6)
    state = started(problem)
    gradient = objective_and_gradient(problem, state, batch(problem, state.members, 0)).gradient
    gradient[1, 3] *= 1.0005
    report = check_problem(problem, state, gradient=gradient)
    assert not report.ok and {check.name for check in report.checks} == {"scale1"}


CASES: list[tuple[tuple[int, ...], dict[str, Any], float]] = [
    ((5, 4, 2), {}, 1e-12),
    ((5, 40, 30, 2), {"batch_norm": True, "optimizer": "sgd"}, 1e-12),
    ((5, 1), {"rows_of_their_own": True, "dtype": "float32"}, 1e-6),
    ((5, 40, 30, 2), {"parametrization": "neural_tangent", "dropout": 0.3, "bias": False}, 1e-12),
]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("sizes", "given", "tolerance"), CASES, ids=str)
def test_a_compiled_program_makes_the_reference_step(
    sizes: tuple[int, ...], given: dict[str, Any], tolerance: float
) -> None:
    own = dict(given)
    if own.pop("rows_of_their_own", False):
        own["rows"] = [np.random.default_rng(member).integers(0, 300, 280) for member in range(3)]
    problem = population(sizes, **own)
    assert CompiledEngine().notes(problem) == ()
    expected, seen = ReferenceEngine().advance(problem, started(problem), 5)
    for threads in (1, 2):
        ours, trace = CompiledEngine(threads=threads).advance(problem, started(problem), 5)
        assert np.abs(ours.theta - expected.theta).max() <= tolerance
        assert np.allclose(trace.objective, seen.objective, rtol=1e3 * tolerance)
    only, _ = CompiledEngine().advance(problem, started(problem).take(np.array([2])), 5)
    assert np.array_equal(only.theta[0], ours.theta[2])


def test_folded_into_the_weights_it_is_the_same_function() -> None:
    problem = population()
    state, network = started(problem), problem.network
    arrays = views(state.theta, network.entries)
    layers, folded = without_scaling(network.layers, arrays)
    x = np.random.default_rng(3).normal(size=(7, 5))
    with_layer, without = evaluated(network.layers, arrays, x), evaluated(layers, folded, x)
    np.testing.assert_allclose(without["z2"], with_layer["z2"], rtol=1e-12, atol=1e-13)
    assert "scale1" not in folded and "scale1" in arrays
