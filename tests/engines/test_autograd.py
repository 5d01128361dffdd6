import ast
import importlib.util
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import examples
from layers_of_any_form import LAYERS
from refusals import refuses
from unproved import unproved

from deltarule import register_layer, unregister
from deltarule.engines.autograd import AutogradEngine
from deltarule.engines.reference import ReferenceEngine, objective_and_gradient
from deltarule.maths.activations import ACTIVATIONS, Activation
from deltarule.maths.losses import LOSSES, REDUCTIONS, Loss, meaningful
from deltarule.maths.optimizers import OPTIMIZERS, Optimizer
from deltarule.maths.penalties import PENALTIES, Penalty
from deltarule.problem.batches import batch
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import State, initial_state

MEANINGFUL = [(a, b) for a in ACTIVATIONS.values() for b in LOSSES.values() if meaningful(b, a)]
# Outside (0, 1) the naive cross-entropy is not a number; near 0 it has a slope of any size.
PAIRS = [(a, b) for a, b in MEANINGFUL if b.exact or a.range in ("unit", "simplex")]
BY_UPDATES = [name for name, optimizer in OPTIMIZERS.items() if optimizer.update]
XOR = ([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])


def population(seed: int, **options: object) -> Problem:
    """Four members with everything that members can have of their own."""
    random = np.random.default_rng(seed)
    given: dict[str, object] = {
        "hidden": "tanh",
        "output": "sigmoid",
        "batch_norm": False,
        "loss": "binary_cross_entropy",
        "penalty": "l2",
        "strength": [0.0, 0.01, 0.1, 1.0],
        "learning_rate": [0.001, 0.01, 0.02, 0.05],
        "dropout": [[0.0], [0.2], [0.5], [0.0]],
        "weights": random.uniform(0.1, 2, (4, 7)),
        "rows": [[0, 1, 2, 3], [6, 5, 4, 3], [1, 1, 0, 2, 4], [0, 2, 4, 6]],
        "batch_size": 3,
        "seeds": [seed, seed + 1, seed + 2, seed + 3],
        "data_seeds": [1, 2, 3, 4],
    } | options
    hidden, output, batch_norm = (given.pop(name) for name in ("hidden", "output", "batch_norm"))
    # Batch norm takes the biases before it out again: their gradient is the rounding alone, and Adam makes steps of it.
    given_layers: dict[str, Any] = {"batch_norm": batch_norm, "bias": not batch_norm, "scaling_layer": seed % 3 == 1}
    network = Network([3, 4, 2], hidden, output, **given_layers)  # type: ignore[arg-type]
    return create_problem(network, random.normal(size=(7, 3)), random.uniform(size=(7, 2)), **given)  # type: ignore[arg-type]


def apart(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, as a part of the largest number; both are to be finite in the same places."""
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))
    sound = np.isfinite(expected)
    if not sound.any():
        return 0.0
    return float(np.abs(found - expected)[sound].max() / max(1.0, np.abs(expected[sound]).max()))


def difference(problem: Problem, state: State, steps: int) -> float:
    """How far the two engines are apart after some updates: θ, slots, statistics and objectives."""
    (ours, trace), (found, seen) = (e.advance(problem, state, steps) for e in (ReferenceEngine(), AutogradEngine()))
    assert found.step == ours.step
    np.testing.assert_array_equal(seen.bad, trace.bad)
    assert seen.objective.dtype == found.theta.dtype == problem.dtype
    pairs = [(found.theta, ours.theta), (found.buffers, ours.buffers), (seen.objective, trace.objective)]
    return max(apart(*pair) for pair in [*pairs, *((found.slots[name], ours.slots[name]) for name in ours.slots)])


@pytest.mark.parametrize(("output", "loss"), PAIRS, ids=lambda value: value.name)
@given(seed=st.integers(0, 10**6), hidden=st.permutations(list(ACTIVATIONS)))
@settings(max_examples=examples(2))
def test_one_step_of_everything_agrees(output: Activation, loss: Loss, seed: int, hidden: list[str]) -> None:
    for i, name in enumerate(hidden):
        options: dict[str, object] = {
            "penalty": list(PENALTIES)[i % 6],
            "reduction": REDUCTIONS[i % 3],
            "batch_norm": i % 2 == 0 and name != "exponential",
        }
        # Cross-entropy by the chain rule loses digits of 1 − p where an exponential makes p nearly 1: small weights,
        # and no batch norm, behind which a row of little weight stands out again.
        options |= {"hidden": name, "output": output, "loss": loss, "optimizer": "momentum", "initial_scale": 0.5}
        problem = population(seed + i, **options)
        state = replace(initial_state(problem), step=seed % 5)
        with np.errstate(all="ignore"):
            assert difference(problem, state, 1) <= 1e-12


@pytest.mark.parametrize("optimizer", BY_UPDATES)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=examples(5))
def test_one_step_of_every_optimizer_agrees_wherever_it_stands(optimizer: str, seed: int) -> None:
    of_arrays = {"learning_rate_factors": {"b": 0.1}, "parametrization": "neural_tangent"} if seed % 2 else {}
    problem = population(seed, optimizer=optimizer, schedule="cosine", penalize_biases=True, **of_arrays)
    random = np.random.default_rng(seed)
    start = initial_state(problem)
    slots = {name: np.abs(random.normal(size=slot.shape)) for name, slot in start.slots.items()}
    state = replace(start, slots=slots, step=seed % 40, factor=random.uniform(0.1, 1, 4))
    assert difference(problem, state, 1) <= 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam"])
@given(seed=st.integers(0, 10**6))
@settings(max_examples=examples(5))
def test_a_hundred_steps_agree(optimizer: str, seed: int) -> None:
    problem = population(seed, optimizer=optimizer)
    assert difference(problem, initial_state(problem), 100) <= 1e-10


@pytest.mark.parametrize("output", ["identity", "tanh", "relu"])
def test_where_a_loss_is_not_a_number_both_engines_say_so(output: str) -> None:
    problem = population(1, output=output, loss="naive_binary_cross_entropy", strength=0)
    (_, ours), (_, found) = (
        e.advance(problem, initial_state(problem), 2) for e in (ReferenceEngine(), AutogradEngine())
    )
    assert (ours.bad >= 0).any()
    np.testing.assert_array_equal(found.bad, ours.bad)


def test_on_a_kink_the_engines_take_the_same_side() -> None:
    for hidden in ("relu", "leaky_relu", "elu"):
        for loss in ("absolute_error", "quantile", "huber"):
            network = Network([2, 3, 1], hidden)  # biases of 0 and the input (0, 0): all units stand on their kink
            problem = create_problem(network, *XOR, loss=loss, penalty="l1", strength=0.1, penalize_biases=True)
            assert difference(problem, initial_state(problem), 1) <= 1e-12


@given(seed=st.integers(0, 10**6), batch_norm=st.booleans())
@settings(max_examples=examples(10))
def test_outputs_agree_in_evaluation_mode(seed: int, batch_norm: bool) -> None:
    problem = population(seed, batch_norm=batch_norm)
    state, _ = ReferenceEngine().advance(problem, initial_state(problem), 3)
    x = np.random.default_rng(seed).normal(size=(4, 5, 3))
    for inputs in (x, x[0], x[0].tolist()):
        ours, found = (engine.outputs(problem, state, inputs) for engine in (ReferenceEngine(), AutogradEngine()))
        np.testing.assert_allclose(found, ours, rtol=1e-12, atol=1e-13)


def test_a_member_among_others_is_the_member_alone_but_for_rounding() -> None:
    problem = population(3)
    state = initial_state(problem)
    together, _ = AutogradEngine().advance(problem, state, 20)
    for member in range(4):
        alone, _ = AutogradEngine().advance(problem, state.take(np.array([member])), 20)
        np.testing.assert_allclose(alone.theta[0], together.theta[member], rtol=1e-12, atol=1e-14)


def test_steps_may_be_divided_into_calls() -> None:
    problem = population(4, optimizer="adam")
    whole, trace = AutogradEngine().advance(problem, initial_state(problem), 7)
    first, seen = AutogradEngine().advance(problem, initial_state(problem), 3)
    second, later = AutogradEngine().advance(problem, first, 4)
    np.testing.assert_array_equal(second.theta, whole.theta)
    np.testing.assert_array_equal(np.concatenate([seen.objective, later.objective]), trace.objective)
    none, empty = AutogradEngine().advance(problem, first, 0)
    assert (none.step, empty.objective.shape, empty.bad.tolist()) == (3, (0, 4), [-1] * 4)
    np.testing.assert_array_equal(none.theta, first.theta)


def test_a_member_that_diverges_has_its_step_and_the_others_go_on() -> None:
    problem = create_problem(Network([2, 3, 1], "identity"), *XOR, learning_rate=[0.1, 1e200, 2.0], seeds=[1, 2, 4])
    state = replace(initial_state(problem), step=5)
    (found, trace), (_, ours) = (e.advance(problem, state, 20) for e in (AutogradEngine(), ReferenceEngine()))
    np.testing.assert_array_equal(trace.bad, ours.bad)
    assert trace.bad[0] == -1 and trace.bad[1] in (5, 6) and trace.bad[2] > 6
    assert np.isfinite(found.theta[0]).all()


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_float32_stays_float32(optimizer: str) -> None:
    problem = population(6, dtype="float32", optimizer=optimizer, batch_norm=True)
    assert difference(problem, initial_state(problem), 5) <= 1e-5


def test_the_gradient_is_that_of_the_reference_engine() -> None:
    problem = population(7, rows=None)
    state = initial_state(problem)
    rows = batch(problem, state.members, 0)
    J, g = AutogradEngine().objective_and_gradient(problem, state, rows)
    ours = objective_and_gradient(problem, state, rows)
    np.testing.assert_allclose(J, ours.objective, rtol=1e-14)
    np.testing.assert_allclose(g, ours.gradient, rtol=1e-12, atol=1e-15)


def test_a_published_gradient_is_followed_and_the_values_own_is_another() -> None:
    problem = population(8, loss={"name": "naive_binary_cross_entropy", "epsilon": 0.01}, rows=None)
    state = initial_state(problem)
    rows = batch(problem, state.members, 0)
    J, published = AutogradEngine().objective_and_gradient(problem, state, rows)
    value, own = AutogradEngine().objective_and_gradient(problem, state, rows, published_gradient=False)
    exact = replace(problem, loss=LOSSES["binary_cross_entropy"])
    np.testing.assert_allclose(published, objective_and_gradient(problem, state, rows).gradient, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(own, objective_and_gradient(exact, state, rows).gradient, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(J, value)
    assert np.abs(published - own).max() > 1e-3


# --- formulas of a user's own


def test_a_member_whose_penalty_counts_nothing_has_none_wherever_that_is_infinite():
    """1/w² is infinite at the biases, which are 0 in the beginning."""
    reciprocal = unproved(Penalty("reciprocal", lambda w: 1 / (w * w), lambda w: -2 / (w * w * w)))
    given = {"penalty": reciprocal, "strength": [0.0, 0.01], "penalize_biases": True, "seeds": range(2)}
    problem = create_problem(Network([2, 3, 1], "tanh"), [[0.5, 1.0], [1.0, -1.0]], [1.0, 2.0], **given)
    found, seen = AutogradEngine().advance(problem, initial_state(problem), 3)
    wanted, expected = ReferenceEngine().advance(problem, initial_state(problem), 3)
    assert seen.bad.tolist() == expected.bad.tolist() == [-1, 0]
    assert np.allclose(seen.objective[:, 0], expected.objective[:, 0], rtol=1e-12)
    assert np.allclose(found.theta[0], wanted.theta[0], rtol=1e-12)


def test_ones_own_formulas_run_on_tensors_where_they_can() -> None:
    cube = unproved(Activation("cube", lambda z: z**3, lambda z, a: 3 * z**2))
    fourth = unproved(Loss("fourth", lambda p, y: (p - y) ** 4, lambda p, y: 4 * (p - y) ** 3))
    absolute = unproved(Penalty("absolute", lambda w: abs(w), lambda w: np.sign(w), kinks=(0.0,)))
    signs = unproved(
        Optimizer(
            "signs", lambda theta, g, v, learning_rate: (theta - learning_rate * np.sign(v + g), v + g), slots=("v",)
        )
    )
    problem = population(9, hidden=cube, output=cube, loss=fourth, penalty=absolute, optimizer=signs)
    assert difference(problem, initial_state(problem), 3) <= 1e-12


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_ones_own_are_recorded_and_differentiated_by_pytorch(name: str) -> None:
    function, options, place = LAYERS[name]
    register_layer("of_any_form", function, **options)
    try:
        x = np.random.default_rng(0).normal(size=(11, 8))
        network = Network([8, {"name": "of_any_form", **place}, "tanh", 3])
        problem = create_problem(network, x, x[:, :3], batch_size=4, seeds=range(2), learning_rate=0.01)
        assert difference(problem, initial_state(problem), 3) <= 1e-12
    finally:
        unregister("layer", "of_any_form")


def halves(z: Any) -> Any:
    """z less half of each whole 2 in it: PyTorch computes the floor, and has no derivative of it."""
    return z - z // 2.0 * 0.5


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"hidden": unproved(Activation("own", np.cbrt, lambda z, a: 1 / (3 * a * a)))}, "activation"),
        ({"hidden": unproved(Activation("own", halves, lambda z, a: 1 + 0 * z))}, "activation"),
        ({"loss": unproved(Loss("own", lambda p, y: halves(p - y), lambda p, y: 1 + 0 * p))}, "loss"),
        ({"penalty": unproved(Penalty("own", halves, lambda w: 1 + 0 * w))}, "penalty"),
    ],
    ids=["NumPy", "hidden", "loss", "penalty"],
)
def test_a_formula_that_pytorch_cannot_differentiate_is_refused_in_a_sentence(
    options: dict[str, object], kind: str
) -> None:
    problem = population(1, **({"loss": "squared_error"} | options))
    with refuses(kind, "own"):
        AutogradEngine().advance(problem, initial_state(problem), 1)


def test_outputs_need_no_derivative() -> None:
    own = unproved(Activation("own", halves, lambda z, a: 1 + 0 * z))
    problem = create_problem(Network([1, 1], output=own), [[5.0]], [[0.0]], loss="squared_error")
    logits, outputs = AutogradEngine().outputs(problem, initial_state(problem, np.array([[1.0, 0.0]])), problem.x)
    assert logits == 5 and outputs == 4  # 5 − 2 · ½


# --- what it needs


def test_a_device_that_is_not_there() -> None:
    with refuses("abacus", "cpu"):
        AutogradEngine("abacus")


def in_a_process(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True).stdout


def test_without_pytorch_it_says_how_to_get_it() -> None:
    program = """
import sys
sys.modules["torch"] = None  # what Python itself does where a module is not to be found
from deltarule.engines.autograd import AutogradEngine
from deltarule.errors import BadInput
try:
    AutogradEngine()
except BadInput as error:
    print(error)
"""
    assert in_a_process(program).strip() == (
        'the engine "autograd" needs PyTorch, which is not installed; install it with: pip install "deltarule[torch]"'
    )


@pytest.mark.parametrize("module", ["autograd", "torch_reference"])
def test_nothing_of_our_derivatives_or_formulas_is_in_it(module: str) -> None:
    found = importlib.util.find_spec(f"deltarule.engines.{module}")
    assert found and found.origin
    with open(found.origin, encoding="utf-8") as file:  # noqa: PTH123
        tree = ast.parse(file.read())
    imported = {
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("deltarule.")
        for alias in node.names
    }
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    allowed = {
        "deltarule.maths.activations.Activation",  # a type
        "deltarule.maths.layers.BATCH_NORM_EPSILON",
        "deltarule.maths.layers.BATCH_NORM_MOMENTUM",
        "deltarule.maths.network.Entry",
        "deltarule.maths.update.updated",  # calls a custom optimizer, which is not differentiated
    }
    assert {name for name in imported if name.startswith("deltarule.maths")} <= allowed
    of_reference = {name for name in imported if name.startswith("deltarule.engines.reference")}
    assert of_reference <= {"deltarule.engines.reference.dropout_masks"}  # the same masks
    assert used.isdisjoint({"derivative", "backward", "forward", "fused", "once_a_step"})
