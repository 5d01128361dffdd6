from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses

from deltarule import MLPRegressor, create_problem
from deltarule.estimators.mlp import fitted_network
from deltarule.estimators.mlp.fitted_network import Architecture, prior_logits
from deltarule.problem.state import initial_state
from deltarule.proofs.custom_formulas import register_activation, unregister

PARAMETERS: dict[str, Any] = {
    "solver": "adam",
    "momentum": 0.9,
    "nesterovs_momentum": True,
    "beta_1": 0.8,
    "beta_2": 0.9,
    "epsilon": 1e-3,
    "tol": 1e-2,
    "learning_rate": "constant",
    "power_t": 0.25,
}


@pytest.mark.parametrize(
    ("given", "name", "numbers"),
    [
        ({"solver": "sgd"}, "nesterov", {"momentum": 0.9}),
        ({"solver": "sgd", "nesterovs_momentum": False}, "momentum", {"momentum": 0.9}),
        ({"solver": "sgd", "momentum": 0}, "sgd", {}),
        ({"solver": "sgd", "momentum": 1}, "nesterov", {"momentum": 1.0}),
        ({"solver": "adamw"}, "adamw", {"weight_decay": 0.01, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-3}),
        ({"solver": {"name": "rmsprop", "decay": 0.5}, "epsilon": 1e-8}, "rmsprop", {"decay": 0.5, "epsilon": 1e-8}),
        ({"solver": {"name": "sgd"}}, "nesterov", {"momentum": 0.9}),
        ({"solver": {"name": "sgd"}, "nesterovs_momentum": False}, "momentum", {"momentum": 0.9}),
        ({"solver": {"name": "momentum", "momentum": 0.3}}, "momentum", {"momentum": 0.3}),
    ],
)
def test_optimizers(given: dict[str, Any], name: str, numbers: dict[str, float]) -> None:
    found = fitted_network.optimizer(PARAMETERS | given)
    assert (found.name, dict(found.parameters)) == (name, numbers)


def test_a_table_s_numbers_go_before_the_estimator_s() -> None:
    found = fitted_network.optimizer(PARAMETERS | {"solver": {"name": "adam", "beta1": 0.5}})
    assert (found.once_a_step, dict(found.parameters)) == (
        fitted_network.ADAM.once_a_step,
        {"beta1": 0.5, "beta2": 0.9, "epsilon": 1e-3},
    )
    with refuses("momentun", "momentum"):
        fitted_network.optimizer(PARAMETERS | {"solver": {"name": "momentum", "momentun": 0.5}})


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"learning_rate": "invscaling"}, "constant"),
        ({"learning_rate": "adaptive"}, "constant"),
        ({"learning_rate": "adaptive", "solver": "sgd"}, "adaptive"),
        ({"learning_rate": "adaptive", "solver": "rmsprop"}, "adaptive"),
        ({"learning_rate": "invscaling", "solver": {"name": "adam"}}, "constant"),
        ({"learning_rate": {"name": "invscaling"}}, "constant"),
        ({"learning_rate": {"name": "invscaling"}, "solver": "sgd"}, "invscaling"),
        ({"learning_rate": "cosine"}, "cosine"),
        ({"learning_rate": {"name": "step", "every": 5}}, "step"),
    ],
)
def test_schedules_and_what_adam_ignores(given: dict[str, Any], name: str) -> None:
    assert fitted_network.schedule(PARAMETERS | given, 10).name == name


@pytest.mark.parametrize(("activation", "factor"), [("relu", 6), ("logistic", 2), ("sigmoid", 2), ("tanh", 6)])
def test_weights_and_biases_start_within_scikit_learns_bounds(activation: str, factor: int) -> None:
    network = Architecture((30, 200, 100), (activation,), "identity").network
    problem = create_problem(network, np.zeros((1, 30)), np.zeros((1, 100)))
    theta, entries = initial_state(problem).theta[0], {entry.name: entry for entry in network.entries}
    for name, fans in (("W1", 230), ("b1", 230), ("W2", 300), ("b2", 300)):
        values = np.abs(theta[entries[name].start : entries[name].stop])
        bound = (factor / fans) ** 0.5
        assert 0.9 * bound < values.max() <= bound


def test_a_fitted_model_keeps_the_formula_that_it_was_fitted_with():
    x, y = np.linspace(-2, 2, 40)[:, None], np.linspace(-2, 2, 40)
    register_activation("bent", lambda z: np.tanh(z), lambda z, a: 1 - a * a)
    try:
        model = MLPRegressor(hidden_layer_sizes=(4,), activation="bent", max_iter=20, random_state=0).fit(x, y)
        before = model.predict(x)
    finally:
        unregister("activation", "bent")
    np.testing.assert_array_equal(model.predict(x), before)
    register_activation("bent", lambda z: np.sin(z), lambda z, a: np.cos(z))
    try:
        np.testing.assert_array_equal(model.predict(x), before)
    finally:
        unregister("activation", "bent")


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 20), st.booleans())
def test_prior_logits_say_what_the_targets_say(seed: int, columns: int, rows: int, weighted: bool) -> None:
    """In the mean, by weight, however small a share is; what is nowhere as if half a row were of it."""
    random = np.random.default_rng(seed)
    weights = 10 ** random.uniform(-20, 20, rows) if weighted else None
    labels = random.integers(0, 2, (rows, columns)).astype(float)
    share, rest = (np.average(each, axis=0, weights=weights) for each in (labels, 1 - labels))
    none, all_of_them = ~labels.any(axis=0), labels.all(axis=0)
    odds = np.exp(prior_logits(labels, weights, "logistic"))
    np.testing.assert_allclose(odds[none], 0.5 / rows)
    np.testing.assert_allclose(odds[all_of_them], rows / 0.5)
    there = ~none & ~all_of_them
    np.testing.assert_allclose(odds[there], share[there] / rest[there])
    classes = np.eye(columns + 1)[np.resize(np.arange(columns), rows)]
    share = np.average(classes, axis=0, weights=weights)
    there = classes.any(axis=0)
    np.testing.assert_allclose(np.exp(prior_logits(classes, weights, "softmax")), np.where(there, share, 0.5 / rows))
    numbers = random.normal(size=(rows, columns))
    expected = np.average(numbers, axis=0, weights=weights)
    np.testing.assert_allclose(prior_logits(numbers, weights, "identity"), expected)
    counts = 1e-6 * (random.poisson(3, (rows, columns)) + 1)
    expected = np.log(np.average(counts, axis=0, weights=weights))
    np.testing.assert_allclose(prior_logits(counts, weights, "exp"), expected)
