"""Clipped gradients and learning-rate factors of single entries, in every engine."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses

from deltarule.engines.reference import apply_optimizer
from deltarule.errors import BadInput
from deltarule.export.training_script import training_script
from deltarule.maths.optimizers import OPTIMIZERS
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import initial_state
from deltarule.tracing.explain import explain_update
from deltarule.training.train import train

ENGINES = ["reference", "compiled", pytest.param("autograd", marks=pytest.mark.needs("torch"))]

UPDATED = [name for name, optimizer in OPTIMIZERS.items() if optimizer.update]
X = np.random.default_rng(0).normal(size=(9, 3))


def population(**options: Any) -> Problem:
    network = Network([3, 4, 2], "tanh")
    return create_problem(network, X, X[:, :2] ** 2, **{"seeds": range(3), "learning_rate": [0.1, 0.2, 0.3], **options})


def masks(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, size=(3, 3, 4)).astype(float)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("optimizer", UPDATED)
def test_a_factor_of_0_keeps_an_entry(optimizer: str, engine: str) -> None:
    """Also from the decay of weights; a member of its own does as in the population."""
    mask = masks(0)
    given = {"optimizer": optimizer, "penalty": "l2", "strength": 0.01, "batch_size": 4}
    problem = population(learning_rate_factors={"W1": mask}, **given)
    run, before = train(problem, max_steps=7, engine=engine), train(problem, max_steps=0)
    assert np.array_equal(run.parameters["W1"] == before.parameters["W1"], mask == 0)
    assert (run.parameters["W2"] != before.parameters["W2"]).all()
    alone = train(problem.take(np.array([1])), max_steps=7, engine=engine)
    assert np.allclose(alone.state.theta[0], run.state.theta[1], rtol=1e-12, atol=0)
    shared = train(population(learning_rate_factors={"W1": mask[1]}, **given), max_steps=7, engine=engine)
    assert np.allclose(shared.state.theta[1], run.state.theta[1], rtol=1e-12, atol=0)


@pytest.mark.parametrize("optimizer", [name for name in UPDATED if name != "rprop"])
def test_equal_factors_are_one_factor(optimizer: str) -> None:
    each, one = (
        train(population(optimizer=optimizer, learning_rate_factors={"W1": factor}), max_steps=5)
        for factor in (np.full((3, 4), 0.3), 0.3)
    )
    assert np.allclose(each.state.theta, one.state.theta, rtol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
@given(st.floats(0.01, 10))
def test_a_gradient_is_shortened_to_the_norm(engine: str, norm: float) -> None:
    problem = population(clip_norm=[norm, 0.1, 1e9])
    run = train(problem, max_steps=1, engine=engine)
    start = initial_state(problem)
    whole = start.theta - train(population(), max_steps=1).state.theta
    length = np.sqrt((whole**2).sum(1)) / [0.1, 0.2, 0.3]
    step = whole * np.minimum(1, np.array([norm, 0.1, 1e9]) / length)[:, None]
    assert np.allclose(start.theta - run.state.theta, step, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "factors", [{"W1": 0.0, "b": 0}, {"W": 0, "b2": 0}, {"W1": masks(2), "W2": 0}, {"W1": masks(3)[0]}]
)
def test_what_stays_counts_in_no_length(engine: str, factors: dict[str, Any]) -> None:
    """The step is that of the gradient without the entries that stay: of the norm, as this gradient is longer."""
    problem = population(clip_norm=1e-3, learning_rate=1.0, learning_rate_factors=factors)
    before = initial_state(problem).theta
    free = train(population(learning_rate=1.0, learning_rate_factors=factors), max_steps=1).state.theta - before
    step = train(problem, max_steps=1, engine=engine).state.theta - before
    assert np.allclose(step, free * 1e-3 / np.sqrt((free**2).sum(1, keepdims=True)), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("engine", ENGINES)
def test_masked_entries_count_in_no_norm_of_an_array(engine: str) -> None:
    """A normalized step of an array has the length of the learning rate, however many of its entries stay."""
    given = {"optimizer": {"name": "normalized_gradient", "epsilon": 1e-12}, "learning_rate": 0.5}
    problem = population(learning_rate_factors={"W1": masks(4)}, **given)
    before = initial_state(problem).theta
    step = train(problem, max_steps=1, engine=engine).state.theta - before
    assert np.allclose(np.sqrt((step[:, :12] ** 2).sum(1)), 0.5, rtol=1e-6)


def test_a_gradient_of_zeros_stays_zero() -> None:
    problem = population(clip_norm=1.0)
    state = replace(initial_state(problem), theta=np.ones((3, 26)))
    assert np.array_equal(apply_optimizer(problem, state, np.zeros((3, 26)))[0], state.theta)


@pytest.mark.parametrize("options", [{"clip_norm": 1.0}, {"learning_rate_factors": {"W1": masks(1)}}])
def test_scripts_and_explanations_refuse(options: dict[str, Any]) -> None:
    problem = population(**options).take(np.array([0]))
    with refuses("script"):
        training_script(problem, steps=1, losses={})
    with refuses("explain"):
        explain_update(problem, initial_state(problem))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"learning_rate_factors": {"W1": np.ones(4)}},
            r"W1 has the shape \(4,\); give \(3, 4\), or as many",
        ),
        ({"learning_rate_factors": {"b": np.ones((1, 4))}}, r"factor of b has the shape \(1, 4\); give a number"),
        ({"learning_rate_factors": {"W1": -np.ones((3, 4))}}, "factor of W1 has -1 to -1; give a number of 0 or more"),
        ({"learning_rate_factors": {"W1": masks(0)[:2]}}, "numbers differ in length .*2 for learning_rate_factors"),
        ({"clip_norm": 0.0}, "clip_norm is 0; give a number above 0"),
    ],
)
def test_bad_factors_get_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        population(**options)
