from typing import Any

import numpy as np
import pytest
from explained_numbers import assert_formulas_give_the_numbers
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import examples
from layer_chains import CHAINS, problem_with_layers
from refusals import refuses
from unproved import unproved

import deltarule
from deltarule import register_layer, unregister
from deltarule.engines.reference import ReferenceEngine
from deltarule.errors import BadInput
from deltarule.maths.activations import Activation
from deltarule.maths.losses import Loss
from deltarule.maths.network import views
from deltarule.maths.optimizers import OPTIMIZERS, Optimizer
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.state import initial_state
from deltarule.tracing.explain import explain, explain_update

PARAMS = {"W1": [[0.5, -1.0]], "b1": [0.1, 0.2], "W2": [[1.0], [2.0]], "b2": [0.0]}
NETWORK = Network([1, 2, 1], "tanh", "sigmoid")


def hand():
    """The network above on one sample, by the equations of any textbook."""
    x, y = 2.0, 1.0
    a1 = np.tanh(np.array([0.5 * x + 0.1, -1.0 * x + 0.2]))
    a2 = 1 / (1 + np.exp(-(a1 @ [1.0, 2.0])))
    dz2 = a2 - y
    dz1 = dz2 * np.array([1.0, 2.0]) * (1 - a1**2)
    return {"a1": a1, "a2": a2, "J": -np.log(a2), "δ2": dz2, "∂J/∂W2": dz2 * a1, "δ1": dz1, "∂J/∂W1": dz1 * x}


@pytest.mark.parametrize("params", [PARAMS, [0.5, -1.0, 0.1, 0.2, 1.0, 2.0, 0.0]], ids=["arrays", "vector"])
@pytest.mark.parametrize(("x", "y"), [([[2.0]], [[1.0]]), ([2.0], [1.0])])
def test_a_network_worked_out_by_hand(params, x, y):
    explained = deltarule.explain(NETWORK, params, x, y, "binary_cross_entropy")
    for name, expected in hand().items():
        assert explained[name].ravel() == pytest.approx(np.ravel(expected), rel=1e-14), name
    assert not any(one.section == "update" for one in explained.quantities.values())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@settings(max_examples=examples(8))
@given(step=st.integers(0, 40), dtype=st.sampled_from(["float64", "float32"]))
def test_every_number_is_the_engines_own(optimizer, step, dtype):
    rng = np.random.default_rng(step)
    problem = create_problem(
        Network([3, 4, 4, 2], ["relu", "softmax"], "softmax", batch_norm=True),
        rng.normal(size=(7, 3)),
        np.eye(2)[rng.integers(0, 2, 7)],
        loss="cross_entropy",
        penalty="l2",
        strength=0.01,
        optimizer=optimizer,
        schedule="inverse_scaling",
        batch_size=3,
        dropout=[0.2, 0.0],
        seeds=[3, 4],
        data_seeds=[5, 6],
        dtype=dtype,
    )
    engine = ReferenceEngine()
    state, _ = engine.advance(problem, initial_state(problem), step)
    after, trace = engine.advance(problem, state, 1)
    explained = explain_update(problem, state.take(np.array([1])))
    assert explained["J"] == trace.objective[0, 1]
    for vector, ending in ((state.theta, ""), (after.theta, "_new")):
        for name, array in views(vector[1], problem.network.entries).items():
            assert np.array_equal(explained[name + ending], array.reshape(explained[name].shape)), name
    for slot in state.slots:
        for vector, ending in ((state.slots[slot], ""), (after.slots[slot], "_new")):
            for name, array in views(vector[1], problem.network.entries).items():
                assert np.array_equal(explained[f"{slot}_{name}{ending}"].ravel(), array.ravel())


def test_inputs_and_outputs_go_by_their_names_and_hidden_units_by_their_numbers():
    features, classes = ("length", "width", "height"), ("cat", "dog")
    network = Network([3, 2, 2], output="softmax")  # as many hidden units as classes
    problem = create_problem(network, np.eye(3), np.eye(2)[[0, 1, 1]], loss="cross_entropy")
    quantities = explain_update(problem, initial_state(problem), features=features, classes=classes).quantities
    samples = ("0", "1", "2")
    assert quantities["x"].labels == (samples, features) and quantities["y"].labels == (samples, classes)
    assert quantities["W1"].labels == (features, None) and quantities["b1"].labels == (None,)
    assert quantities["a1"].labels == quantities["δ1"].labels == (samples, None)
    assert quantities["b2"].labels == (classes,) and quantities["W2"].labels == (None, classes)
    assert quantities["a2"].labels == quantities["δ2"].labels == (samples, classes)


def test_the_update_continues_from_the_state_that_is_given():
    problem = create_problem(NETWORK, [[2.0], [1.0]], [1.0, 0.0], loss="binary_cross_entropy", optimizer="adam")
    state, _ = ReferenceEngine().advance(problem, initial_state(problem), 3)
    after, _ = ReferenceEngine().advance(problem, state, 1)
    slots = {name: slot[0] for name, slot in state.slots.items()}
    data = (NETWORK, state.theta[0], problem.x, problem.y)
    explained = explain(*data, "binary_cross_entropy", "adam", {**slots, "step": 3})
    assert np.array_equal(explained["W1_new"], views(after.theta[0], problem.network.entries)["W1"])


def test_a_sample_is_known_by_its_row_of_the_data():
    x = np.arange(10.0)[:, None]
    problem = create_problem(Network([1, 1]), x, x, batch_size=3, weights=[0, *[1] * 9], seeds=[1])
    explained = explain_update(problem, initial_state(problem))
    assert np.array_equal(explained["x"][:, 0], explained.rows)
    row = int(explained.rows[2])
    assert explained.place_of(row) == 2 and explained.place_of(None) is None
    absent = next(other for other in range(10) if other not in explained.rows)
    with refuses(absent, 0):
        explained.place_of(absent)


def test_custom_formulas_are_explained():
    square = unproved(Activation("square", lambda z: z * z, lambda z, a: 2 * z))
    cubic = unproved(Loss("cubic", lambda p, y: (p - y) ** 3, lambda p, y: 3 * (p - y) ** 2))
    own = unproved(Optimizer("own", lambda theta, g, learning_rate: (theta - learning_rate * g,)))
    explained = explain(Network([1, 1, 1], square), [1.0, 0.5, 2.0, 0.0], [[3.0]], [1.0], cubic, own)
    text = explained.text()
    assert explained["a1"] == 12.25 and "a1[0, 0] = 3.5^2 = 12.25" in text and "(24.5 - 1)^3 = 12977.875" in text
    assert "W2_new[d, j] = W2[d, j] - α · ∂J/∂W2[d, j]" in text


def test_a_formula_that_takes_arrays_alone_stands_by_its_name():
    square = unproved(Activation("square", lambda z: np.asarray(z, float) ** 2, lambda z, a: 2 * np.asarray(z, float)))
    own = unproved(Optimizer("own", lambda theta, g, learning_rate: (theta - learning_rate * g.clip(-1, 1),)))
    explained = explain(Network([1, 1, 1], square), [1.0, 0.5, 2.0, 0.0], [[3.0]], [1.0], "squared_error", own)
    assert explained["a1"] == 12.25 and "square(3.5) = 12.25" in explained.text()
    assert "square′(3.5, 12.25)" in explained.text()
    assert explained.quantities["W1_new"].rule is None


def test_parameters_of_custom_formulas_have_a_name_each():
    scaled = unproved(Activation("own", lambda z, k: k * z, lambda z, a, k: k + 0 * z, parameters={"k": 2.5}))
    cubic = unproved(
        Loss("own", lambda p, y, k: k * (p - y) ** 2, lambda p, y, k: 2 * k * (p - y), parameters={"k": 3.0})
    )
    optimizer = unproved(
        Optimizer("own", lambda w, g, learning_rate, k: (w - learning_rate * k * g,), parameters={"k": 5.0})
    )
    found = explain(Network([1, 1, 1], scaled), np.full(4, 0.5), [1.0], [1.0], cubic, optimizer)
    assert [float(found[name]) for name in ("k_activation1", "k_loss", "k_optimizer")] == [2.5, 3.0, 5.0]
    assert found["W1_new"] == found["W1"] - (found["α"] * 5) * found["∂J/∂W1"]


def test_a_bias_does_not_decay_and_a_penalty_counts_what_it_says():
    explained = explain(NETWORK, PARAMS, [[2.0]], [1.0], "squared_error", "adamw", penalty="l1", strength=0.1)
    text = explained.text()
    assert "W1_new[d, j] = W1[d, j] - α · weight_decay · W1[d, j] -" in text
    assert "b1_new[j] = b1[j] - rate" in text
    assert "the penalty l1 on W1, W2" in text


@pytest.mark.parametrize(
    ("params", "options", "sentence"),
    [
        ({"W1": [[0.5, -1.0]], "W2": [[1.0], [2.0]]}, {}, "params hold W1, W2; give exactly W1, b1, W2, b2"),
        ({**PARAMS, "W1": [[1.0], [2.0]]}, {}, "params has an array of the shape (2, 1) as W1; give (1, 2)"),
        ([1.0, 2.0], {}, "params has the shape [2]; give 7 numbers, or arrays by name"),
        (PARAMS, {"learning_rate": [0.1, 0.2], "optimizer": "sgd"}, "describe 2 networks"),
        (PARAMS, {"optimizer": "momentum", "state": {"m": [0.0]}}, "'momentum' does not have; it has step, v"),
    ],
)
def test_bad_input_is_one_sentence(params, options, sentence):
    with pytest.raises(BadInput) as told:
        explain(NETWORK, params, [[2.0]], [1.0], "squared_error", **options)
    assert sentence in str(told.value)


def test_a_state_of_something_else_is_refused():
    other = create_problem(Network([1, 1]), [[1.0]], [1.0], seeds=[0, 1])
    with refuses(2):
        explain_update(other, initial_state(other))
    with refuses([1, 2, 1], "Network"):
        explain([1, 2, 1], PARAMS, [[2.0]], [1.0], "squared_error")


def test_an_unknown_name_and_a_layer_too_far_get_a_sentence():
    explained = explain(NETWORK, PARAMS, [[2.0]], [1.0], "squared_error")
    with refuses("z9"):
        explained["z9"]
    with refuses("layer", 3, 1, 2):
        explained.of_layer(3)


def test_what_an_own_layer_computes_on_the_way_has_the_names_of_its_variables() -> None:
    def gate(x: Any, W: Any, V: Any) -> Any:
        content = x @ W
        opening = 1 / (1 + np.exp(-x @ V))
        return content * opening

    register_layer("own_gate", gate, arrays={"W": "D H", "V": "D H"})
    register_layer("own_sorting", lambda x: (np.sort(x, -1) * 0 + x, lambda upstream: upstream))
    try:
        x = np.random.default_rng(0).normal(size=(1, 3))
        for rows in (x, np.vstack([x, -x])):
            layers = [3, {"name": "own_gate", "units": 2}, "own_sorting", 2]
            problem = create_problem(Network(layers), rows, rows[:, :2])
            explained = explain_update(problem, initial_state(problem))
            assert "opening1[i, j] = 1 / (1 + exp(" in explained.text(layer=1)
            assert "z1[i, j] = content1[i, j] · opening1[i, j]" in explained.text(layer=1)
            assert explained.quantities["h1"].rule is None and explained.quantities["∂J/∂W1"].rule is not None
    finally:
        unregister("layer", "own_gate")
        unregister("layer", "own_sorting")


def splines(x: Any, P: Any, Q: Any) -> Any:
    return sum(np.maximum(1 - abs(x - knot), 0) ** 3 @ weights for knot, weights in ((-0.5, P), (0.5, Q)))


def clipped(x: Any, P: Any, Q: Any) -> Any:
    return np.minimum(x @ P, 0.4) * np.maximum(-0.2, x @ Q)


def standardized(x: Any, P: Any, Q: Any) -> Any:
    centered = P - P.mean(-2, keepdims=True)
    return x @ (centered / np.sqrt((centered * centered).mean(-2, keepdims=True) + 1e-5)) + x @ Q


def spread(x: Any, P: Any, Q: Any) -> Any:
    return np.log(1 + np.exp(x @ P)) * np.sqrt(1 + (x @ P) ** 2 + np.exp(x @ Q)) / (2 + np.exp(x @ Q))


@pytest.mark.parametrize("function", [splines, clipped, standardized, spread])
@pytest.mark.parametrize("sizes", [(4, 3), (2, 2)])  # the second has as many rows as units and inputs
def test_formulas_of_an_own_layer_give_its_numbers(function: Any, sizes: tuple[int, int]) -> None:
    inputs, units = sizes
    register_layer("own_mixed", function, arrays={"P": "D H", "Q": "D H"})
    try:
        x = np.random.default_rng(1).normal(size=(2, inputs))
        problem = create_problem(Network([inputs, 2, "tanh", {"name": "own_mixed", "units": units}, 1]), x, x[:, :1])
        explained = explain_update(problem, initial_state(problem), features=list("abcd"[:inputs]))
        assert_formulas_give_the_numbers(explained)
        text = explained.text()
        names = [name for name in explained.quantities if name.startswith(("v", "g")) and name.endswith("_z2")]
        assert all(text.count(name) >= 2 for name in names)
    finally:
        unregister("layer", "own_mixed")


def test_what_a_layer_computes_repeatedly_is_written_once() -> None:
    """The text grows with the steps of a recurrent layer, not with their powers."""
    lengths = []
    for steps in (4, 8):

        def recurrent(x: Any, W: Any, R: Any, steps: int = steps) -> Any:
            u = x @ W
            h = np.tanh(u)
            for _ in range(steps):
                h = np.tanh(u + h @ R)
            return h

        register_layer("own_recurrent", recurrent, arrays={"W": "D H", "R": "H H"})
        try:
            x = np.random.default_rng(0).normal(size=(2, 3))
            problem = create_problem(Network([3, {"name": "own_recurrent", "units": 4}, 1]), x, x[:, :1])
            explained = explain_update(problem, initial_state(problem))
            lengths.append(len(explained.text(layer=1)))
            order = [name for name, each in explained.quantities.items() if each.section == "forward"]
            assert order[:2] == ["u1", "v1_z1"] and order[steps:][:1] == ["z1"]
        finally:
            unregister("layer", "own_recurrent")
    assert lengths[1] < 2 * lengths[0] < 40_000


def test_a_gradient_that_several_layers_give_names_each_part_in_the_order_of_training() -> None:
    problem = problem_with_layers(CHAINS["residual"])
    explained = explain_update(problem, initial_state(problem))
    assert "∂J/∂a1[i, j] = Σ_k δ2[i, k] · W2[j, k] + ∂J/∂r3[i, j] + ∂J/∂r2[i, j]\n" in explained.text(width=200)
    gradient = ReferenceEngine().advance(problem, initial_state(problem), 1)[0].slots["v"]
    arrays = {name: explained[f"v_{name}_new"] for name in views(gradient[0], problem.network.entries)}
    assert np.array_equal(np.concatenate([array.ravel() for array in arrays.values()]), gradient[0])
