"""What an engine promises, held against the reference engine: bit for bit, over problems that hypothesis makes."""

import gc
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import threadpoolctl
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lanes import examples

from deltarule.engines import reference
from deltarule.engines.reference import (
    ReferenceEngine,
    apply_optimizer,
    find_finite,
    first_nonfinite,
    objective_and_gradient,
    update,
    whole_objective,
)
from deltarule.maths.activations import ACTIVATIONS
from deltarule.maths.initializers import INITIALIZERS
from deltarule.maths.losses import LOSSES, meaningful
from deltarule.maths.network import views
from deltarule.maths.optimizers import OPTIMIZERS
from deltarule.maths.penalties import PENALTIES
from deltarule.maths.schedules import SCHEDULES
from deltarule.problem.batches import all_rows, batch
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import State, initial_state

ENGINE = ReferenceEngine()
STEPPING = [name for name, optimizer in OPTIMIZERS.items() if optimizer.update]
PAIRS = [(loss, output) for loss in LOSSES for output in ACTIVATIONS if meaningful(LOSSES[loss], ACTIVATIONS[output])]


@pytest.fixture(autouse=True, scope="module")
def _what_is_not_finite_needs_no_warning() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield


SMOOTH = [name for name, activation in ACTIVATIONS.items() if not activation.kinks]
SMOOTH_PAIRS = [("squared_error", output) for output in SMOOTH] + [("huber", "identity"), ("poisson", "exponential")]
SMOOTH_PAIRS += [("binary_cross_entropy", "sigmoid"), ("cross_entropy", "softmax")]


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal in every bit but those that tell one NaN from another."""
    return (
        a.dtype == b.dtype
        and a.shape == b.shape
        and np.where(a == a, a, 0).tobytes() == np.where(b == b, b, 0).tobytes()
    )


def arrays(state: State) -> dict[str, np.ndarray]:
    named = {name: getattr(state, name) for name in ("theta", "buffers", "factor", "members")}
    return named | {f"slot {name}": slot for name, slot in state.slots.items()}


def assert_same(state: State, other: State) -> None:
    assert state.step == other.step
    for name, array in arrays(state).items():
        assert same_bits(array, arrays(other)[name]), name


def members(K: int, elements: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(elements, min_size=K, max_size=K)


def random_data(seed: int, N: int, D: int, C: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of any size, targets that every loss allows."""
    generator = np.random.default_rng(seed)
    return generator.normal(size=(N, D)), generator.dirichlet(np.ones(max(C, 2)), N)[:, :C]


def weights_of(weights: Any, rows: Any, N: int, k: int) -> list[float]:
    """The weights of member k's rows, in their order."""
    own = range(N) if rows is None else rows[k]
    if weights is None:
        return [1.0 for _ in own]
    return [(weights[k] if isinstance(weights[0], list) else weights)[row] for row in own]


@st.composite
def problems(draw: st.DrawFn, smooth: bool = False) -> dict[str, Any]:
    """The arguments of a problem with K members that differ in whatever members may differ in.

    Smooth ones have nothing that a rounding could turn into a jump: no kink, no logarithm of a prediction near 0.
    """
    K, N = draw(st.integers(1, 4)), draw(st.integers(1, 9))
    sizes = draw(st.lists(st.integers(1, 5), min_size=2, max_size=4))
    hidden = len(sizes) - 2
    loss, output = draw(st.sampled_from(SMOOTH_PAIRS if smooth else PAIRS))
    network = Network(
        sizes,
        draw(members(hidden, st.sampled_from(SMOOTH if smooth else sorted(ACTIVATIONS)))),
        output,
        bias=draw(st.booleans()),
        batch_norm=draw(st.booleans()),
        scaling_layer=draw(st.booleans()),
        initializer={"name": "glorot_normal", "biases": draw(st.sampled_from(["zeros", "same"]))},
    )
    x, y = random_data(draw(st.integers(0, 99)), N, sizes[0], sizes[-1])
    optimizer = draw(st.sampled_from(STEPPING))
    own = {
        key: [default * share for share in draw(members(K, st.floats(0.5, 1)))]
        for key, default in OPTIMIZERS[optimizer].parameters.items()
        if key != "increase"
    }
    schedule = draw(st.sampled_from(sorted(SCHEDULES)))
    changed = {"every": 2, "steps": 7, "patience": 2} if schedule != "constant" else {}
    parameters = {key: value for key, value in changed.items() if key in SCHEDULES[schedule].parameters}
    penalty = draw(st.sampled_from([None, *PENALTIES]))
    weight = st.sampled_from([0.0, 0.5, 1.0, 2.0])
    weights = draw(st.one_of(st.none(), members(N, weight), members(K, members(N, weight))))
    rows = draw(st.one_of(st.none(), members(K, st.lists(st.integers(0, N - 1), min_size=1, max_size=9))))
    for k in range(K):
        assume(any(weights_of(weights, rows, N, k)))
    seeds = st.integers(0, 2**64 - 1)
    return {
        "network": network,
        "x": x,
        "y": y,
        "loss": loss,
        "reduction": draw(st.sampled_from(["sum", "mean_samples", "mean_elements"])),
        "penalty": penalty,
        "strength": draw(members(K, st.floats(0, 1))) if penalty else 0.0,
        "penalize_biases": draw(st.booleans()),
        "optimizer": {"name": optimizer, **own},
        "learning_rate": draw(members(K, st.floats(1e-3, 0.5))),
        "schedule": {"name": schedule, "per": draw(st.sampled_from(["step", "epoch"])), **parameters},
        "parametrization": draw(st.sampled_from(["standard", "standard", "neural_tangent"])),
        "batch_size": draw(st.one_of(st.none(), st.integers(1, 10))),
        "dropout": draw(members(K, members(hidden, st.sampled_from([0.0, 0.3, 0.7])))) if hidden else 0.0,
        "weights": weights,
        "rows": rows,
        "initial_scale": draw(members(K, st.floats(0, 2))),
        "seeds": draw(members(K, seeds)),
        "data_seeds": draw(st.one_of(seeds, members(K, st.integers(0, 2)))),
        "dropout_seeds": draw(st.one_of(st.none(), members(K, seeds))),
        "dtype": draw(st.sampled_from(["float32", "float64"])),
    }


def make(arguments: dict[str, Any]) -> Problem:
    given = dict(arguments)
    return create_problem(given.pop("network"), given.pop("x"), given.pop("y"), **given)


def of_member(arguments: dict[str, Any], k: int) -> dict[str, Any]:
    """The arguments of a problem of its own for a member: its rows, less those of weight 0, are all the data."""

    def own(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: own(one) for key, one in value.items()}
        return value[k] if isinstance(value, list) else value

    N = len(arguments["x"])
    weights = weights_of(arguments["weights"], arguments["rows"], N, k)
    rows = range(N) if arguments["rows"] is None else arguments["rows"][k]
    kept = [row for row, weight in zip(rows, weights, strict=True) if weight]
    given = {key: own(value) for key, value in arguments.items() if key not in ("x", "y", "weights", "rows")}
    given["seeds"] = [given["seeds"]]
    some = None if arguments["weights"] is None else [weight for weight in weights if weight]
    return given | {"x": arguments["x"][kept], "y": arguments["y"][kept], "weights": some}


def started(problem: Problem, data: st.DataObject) -> State:
    """An initial state somewhere in the middle of a training, as an adaptive schedule might leave it."""
    state = initial_state(problem)
    factors = data.draw(members(len(state.members), st.sampled_from([1.0, 0.5])), label="factors")
    return replace(state, factor=np.array(factors), step=data.draw(st.integers(0, 5), label="step"))


@pytest.mark.slow
@settings(max_examples=examples(150))
@given(problems(), st.integers(1, 5), st.data())
def test_a_member_is_the_same_alone_and_among_others(arguments: dict[str, Any], n: int, data: st.DataObject) -> None:
    problem = make(arguments)
    state = started(problem, data)
    after, trace = ENGINE.advance(problem, state, n)
    z, a = ENGINE.outputs(problem, after, problem.x)
    for k in range(problem.members):
        one = np.array([k])
        alone, trace_alone = ENGINE.advance(problem, state.take(one), n)
        assert_same(after.take(one), alone)
        assert same_bits(trace.objective[:, one], trace_alone.objective)
        assert trace.bad[k] == trace_alone.bad[0]
        for together, own in zip((z, a), ENGINE.outputs(problem, alone, problem.x), strict=True):
            assert same_bits(together[one], own)


@pytest.mark.slow
@settings(max_examples=examples(150))
@given(problems(), st.integers(1, 5), st.data())
def test_a_member_is_the_same_in_a_problem_of_its_own(arguments: dict[str, Any], n: int, data: st.DataObject) -> None:
    problem = make(arguments)
    state = started(problem, data)
    after, trace = ENGINE.advance(problem, state, n)
    for k in range(problem.members):
        own = make(of_member(arguments, k))
        beginning = replace(initial_state(own), step=state.step, factor=state.factor[[k]])
        assert_same(replace(state.take(np.array([k])), members=np.arange(1)), beginning)
        alone, trace_alone = ENGINE.advance(own, beginning, n)
        assert_same(replace(after.take(np.array([k])), members=np.arange(1)), alone)
        assert same_bits(trace.objective[:, [k]], trace_alone.objective)
        assert trace.bad[k] == trace_alone.bad[0]


@given(problems(), st.integers(0, 4), st.integers(0, 4), st.data())
def test_updates_may_be_divided_into_calls(arguments: dict[str, Any], a: int, b: int, data: st.DataObject) -> None:
    problem = make(arguments)
    state = started(problem, data)
    at_once, trace = ENGINE.advance(problem, state, a + b)
    middle, first = ENGINE.advance(problem, state, a)
    # What a checkpoint keeps: the arrays' bytes, in an order of its own.
    slots = {name: np.frombuffer(middle.slots[name].tobytes(), problem.dtype) for name in sorted(middle.slots)[::-1]}
    read = replace(middle, slots={name: slot.reshape(middle.theta.shape) for name, slot in slots.items()})
    end, second = ENGINE.advance(problem, read, b)
    assert at_once.step == state.step + a + b
    assert_same(at_once, end)
    assert same_bits(trace.objective, np.concatenate([first.objective, second.objective]))
    assert trace.bad.tolist() == np.where(first.bad >= 0, first.bad, second.bad).tolist()


@given(problems(), st.data())
def test_what_is_given_is_never_changed(arguments: dict[str, Any], data: st.DataObject) -> None:
    problem = make(arguments)
    state = started(problem, data)
    given = [value for value in (*vars(problem).values(), *vars(state).values()) if isinstance(value, np.ndarray)]
    given += [*state.slots.values(), *problem.numbers.values(), *problem.schedule_numbers.values()]
    given += list(problem.rows or ())
    before = [array.copy() for array in given]
    for array in given:
        array.flags.writeable = False
    after, _ = ENGINE.advance(problem, state, 3)
    ENGINE.outputs(problem, after, problem.x)
    assert all(same_bits(array, copy) for array, copy in zip(given, before, strict=True))


NAMES = (
    [("optimizer", name) for name in STEPPING]
    + [("schedule", name) for name in SCHEDULES]
    + [("penalty", name) for name in PENALTIES]
    + [("activation", name) for name in ACTIVATIONS]
    + [("initializer", name) for name in INITIALIZERS]
    + [("pair", f"{loss} {output}") for loss, output in PAIRS]
)


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_float32_stays_float32_with_every_formula_in_every_step(kind: str, name: str) -> None:
    loss, output = name.split() if kind == "pair" else ("squared_error", "identity")
    shape = {key: name for key in ("activation", "initializer") if key == kind}
    network = Network([3, 4, 2], output=output, batch_norm=True, **shape)
    x, y = random_data(0, 6, 3, 2)
    given: dict[str, Any] = {key: name for key in ("optimizer", "schedule", "penalty") if key == kind}
    given |= {"penalty": given.get("penalty", "l2"), "strength": [0.1, 0.2], "dropout": 0.5, "batch_size": 4}
    problem = create_problem(network, x, y, loss=loss, weights=np.ones((2, 6)), dtype="float32", **given)
    state = initial_state(problem)
    done = objective_and_gradient(problem, state, batch(problem, state.members, 0))
    assert done.objective.dtype == done.gradient.dtype == done.buffers.dtype == np.float32
    assert all(taped.value.dtype == np.float32 for taped in done.tape)
    after, _ = ENGINE.advance(problem, state, 2)
    assert {array.dtype.name for array in (after.theta, after.buffers, *after.slots.values())} == {"float32"}
    assert {array.dtype.name for array in ENGINE.outputs(problem, after, problem.x)} == {"float32"}


@pytest.mark.slow
@given(problems())
def test_batch_and_state_alone_make_the_update(arguments: dict[str, Any]) -> None:
    """The update is the optimizer's, of the gradient of the batch, at the scheduled rate times training's factor."""
    problem = make(arguments | {"rows": None})
    state = initial_state(problem)
    done = objective_and_gradient(problem, state, batch(problem, state.members, 0))
    after, objective = update(problem, state)
    theta, slots = apply_optimizer(problem, state, done.gradient)
    assert same_bits(after.theta, theta) and same_bits(objective, done.objective) and after.step == 1
    halved = replace(state, factor=np.full(problem.members, 0.5))
    rates = {**problem.numbers, "learning_rate": problem.numbers["learning_rate"] / 2}
    if problem.schedule.name not in ("squaring", "linear_ramp", "exponential_ramp"):
        assert same_bits(
            apply_optimizer(problem, halved, done.gradient)[0],
            apply_optimizer(replace(problem, numbers=rates), state, done.gradient)[0],
        )


@pytest.mark.parametrize("name", PENALTIES)
def test_the_penalty_is_part_of_objective_and_gradient(name: str) -> None:
    x, y = random_data(0, 4, 2, 1)
    given: dict[str, Any] = {"weights": [1, 2, 3, 4], "seeds": [0, 1]}
    network = Network([2, 3, 1], initializer={"name": "normal", "std": 1.0, "biases": "same"})
    plain = create_problem(network, x, y, **given)
    problem = create_problem(network, x, y, penalty=name, strength=[0.5, 2.0], **given)
    state = initial_state(problem)
    rows = batch(problem, state.members, 0)
    with_penalty, without = (objective_and_gradient(one, state, rows) for one in (problem, plain))
    strength = np.array([[0.5], [2.0]]) / (10 if name.endswith("_per_sample") else 1)  # the weights' sum
    penalty, named = PENALTIES[name], views(state.theta, network.entries)
    added = [sum(penalty.value(named[W][k]).sum() for W in ("W1", "W2")) for k in range(2)]
    assert with_penalty.objective - without.objective == pytest.approx(strength[:, 0] * added, rel=1e-12)
    slope = strength * penalty.derivative(state.theta) * problem.penalized
    assert with_penalty.gradient - without.gradient == pytest.approx(slope, rel=1e-10, abs=1e-12)
    assert whole_objective(problem, state) == pytest.approx(with_penalty.objective, rel=1e-12)


def test_a_learning_rate_is_scheduled_for_each_member() -> None:
    network = Network([1, 1], bias=False, initializer="zeros")
    problem = create_problem(
        network,
        [[1.0]],
        [1.0],
        loss="half_squared_error",
        learning_rate=[0.5, 1.0],
        schedule={"name": "step", "every": [1, 2], "factor": [0.5, 0.25]},
    )
    state, trace = ENGINE.advance(problem, initial_state(problem), 3)
    # By hand: the error e = 1 − w shrinks by the factor 1 − α_t in each update.
    assert state.theta[:, 0] == pytest.approx([1 - 0.5 * 0.75 * 0.875, 1.0])
    assert trace.objective.T == pytest.approx(np.array([[0.5, 0.5 * 0.5**2, 0.5 * 0.375**2], [0.5, 0, 0]]))


# Sizes at which NumPy sums in blocks (8, 128) and in buffers (8192), and BLAS in tiles.
LARGE = [([33, 70, 10], 131), ([9, 257, 1], 300), ([1, 1, 1], 1000), ([5, 3], 9001), ([130, 8], 17)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("sizes", "N"), LARGE)
def test_large_sums_too_are_the_same_alone_and_among_others(sizes: list[int], N: int, dtype: str) -> None:
    x, y = random_data(0, N, sizes[0], sizes[-1])
    hidden = len(sizes) - 2
    given: dict[str, Any] = {"optimizer": "adam", "penalty": "l2", "strength": 0.1, "dropout": 0.2 * hidden}
    network = Network(sizes, "tanh", "softmax" if sizes[-1] > 1 else "sigmoid", batch_norm=hidden > 0)
    rows = [np.random.default_rng(k).permutation(N) for k in range(5)]
    for batch_size in (None, max(1, N // 2)):
        given |= {"batch_size": batch_size, "dtype": dtype}
        problem = create_problem(network, x, y, rows=rows, seeds=range(5), **given)
        after, trace = ENGINE.advance(problem, initial_state(problem), 2)
        for k in range(5):
            own = create_problem(network, x[rows[k]], y[rows[k]], seeds=[k], **given)
            alone, trace_alone = ENGINE.advance(own, initial_state(own), 2)
            assert_same(replace(after.take(np.array([k])), members=np.arange(1)), alone)
            assert same_bits(trace.objective[:, [k]], trace_alone.objective)


def digest_of_training() -> str:
    """The bits of a population after a few updates, at a size at which BLAS takes several threads if it may."""
    x, y = random_data(0, 256, 784, 10)
    network = Network([784, 100, 10], "relu", "softmax", batch_norm=True)
    sha = hashlib.sha256()
    for dtype in ("float32", "float64"):
        problem = create_problem(network, x, y, loss="cross_entropy", dropout=0.1, seeds=[0, 1], dtype=dtype)
        state, trace = ENGINE.advance(problem, initial_state(problem), 3)
        for array in (state.theta, state.buffers, trace.objective, *ENGINE.outputs(problem, state, problem.x)):
            sha.update(array.tobytes())
    return sha.hexdigest()


@pytest.mark.slow
def test_the_number_of_threads_changes_no_bit() -> None:
    found = {digest_of_training()}
    for threads in (1, 2):
        with threadpoolctl.threadpool_limits(threads, user_api="blas"):
            found.add(digest_of_training())
    program = f"import runpy; print(runpy.run_path({__file__!r})['digest_of_training']())"
    for threads in ("1", "2"):
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        environment = os.environ | limits | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, encoding="utf-8", check=True
        )
        found.add(done.stdout.strip())
    assert len(found) == 1


def python_calls(K: int) -> int:
    """How many functions, Python's or C's, an advance of K members calls that differ in everything."""
    x, y = random_data(0, 12, 3, 2)
    problem = create_problem(
        Network([3, 4, 2], batch_norm=True, output="softmax"),
        x,
        y,
        loss="cross_entropy",
        optimizer="adamw",
        schedule={"name": "step", "every": [1 + k % 3 for k in range(K)], "per": "epoch"},
        penalty="l1",
        strength=np.linspace(0, 1, K),
        learning_rate=np.linspace(0.01, 0.02, K),
        dropout=np.linspace(0, 0.5, K)[:, None],
        rows=[np.arange(10) + k % 3 for k in range(K)],
        weights=np.ones((K, 12)),
        seeds=range(K),
        data_seeds=range(K),
        batch_size=4,
    )
    state, _ = ENGINE.advance(problem, initial_state(problem), 1)
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    gc.disable()  # what it calls when it collects is not counted
    sys.setprofile(count)
    try:
        state, _ = ENGINE.advance(problem, state, 4)
        ENGINE.outputs(problem, state, problem.x)
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls


def test_python_does_nothing_per_member() -> None:
    few, many = 200, 600  # on one side of `elementary.MIN_SIZE_BY_BITS`, where a choice is made in another way
    for K in (few, many):
        python_calls(K)  # once for what is imported and remembered on the way
    assert python_calls(few) == python_calls(many)


def test_a_diverging_member_is_told_by_its_step_and_the_others_go_on() -> None:
    x, y = np.array([[1.0], [2.0]]), np.array([1.0, 2.0])
    rates = [0.1, 50.0, 0.1, 1e6]
    given: dict[str, Any] = {"loss": "squared_error", "seeds": range(4)}
    problem = create_problem(Network([1, 2, 1], "identity"), x, y, learning_rate=rates, **given)
    state, trace = ENGINE.advance(problem, replace(initial_state(problem), step=7), 60)
    assert trace.bad[0] == trace.bad[2] == -1
    for k in (1, 3):
        one = replace(initial_state(problem), step=7).take(np.array([k]))
        steps = 7
        while True:
            with np.errstate(all="ignore"):
                one, objective = update(problem, one)
            if not (np.isfinite(objective).all() and np.isfinite(one.theta).all()):
                break
            steps += 1
        assert trace.bad[k] == steps > 7
        assert not np.isfinite(state.theta[k]).all()
    sound = create_problem(
        Network([1, 2, 1], "identity"), x, y, learning_rate=[0.1, 0.1], loss="squared_error", seeds=[0, 2]
    )
    expected, _ = ENGINE.advance(sound, replace(initial_state(sound), step=7), 60)
    assert same_bits(state.theta[[0, 2]], expected.theta)


@pytest.mark.parametrize("what", ["objective", "theta", "buffers", "slot m"])
def test_finite_sees_every_array(what: str) -> None:
    problem = create_problem(Network([1, 1, 1], batch_norm=True), [[1.0]], [1.0], seeds=[0, 1], optimizer="adam")
    state, objective = initial_state(problem), np.zeros(2)
    assert find_finite(state, objective).tolist() == [True, True]
    for bad in (np.nan, np.inf, -np.inf):
        state, objective = initial_state(problem), np.zeros(2)
        array = objective if what == "objective" else arrays(state)[what]
        array[1] = bad
        assert find_finite(state, objective).tolist() == [True, False]


@pytest.mark.parametrize(
    ("entries", "layer", "what"),
    [
        ({"b1": np.inf}, 1, "z1"),
        ({"W1": 1e200, "W2": 1e200}, 2, "z2"),
        ({"b3": 1e200}, 3, "loss"),
        ({"W2": 1e200, "W3": 1e150, "b3": 1.0}, 1, "gradient of b1"),
        ({"b3": 1e100}, 3, "b3"),
        ({"b3": 1.0}, 3, "update"),  # nothing is wrong with it
    ],
)
def test_where_a_member_stops_being_finite(entries: dict[str, float], layer: int, what: str) -> None:
    network = Network([1, 2, 2, 1], "identity")
    problem = create_problem(network, [[1.0]], [0.0], loss="squared_error", learning_rate=1e300)
    state = initial_state(problem)
    state = replace(state, theta=np.zeros_like(state.theta))
    for name, value in entries.items():
        views(state.theta, network.entries)[name][...] = value
    assert first_nonfinite(problem, state) == (layer, what)


def test_a_logarithm_of_0_is_told_as_the_loss() -> None:
    problem = create_problem(Network([1, 1], output="sigmoid"), [[1.0]], [0.0], loss="naive_binary_cross_entropy")
    state = initial_state(problem)
    assert first_nonfinite(problem, replace(state, theta=np.full_like(state.theta, 100.0))) == (1, "loss")


def test_a_memory_that_overflows_is_told_by_its_name() -> None:
    network = Network([1, 2, 1], "identity", batch_norm=True)
    problem = create_problem(network, [[1.0], [-1.0]], [0.0, 1.0], optimizer="adam")
    state = initial_state(problem)
    views(state.theta, network.entries)["W1"][...] = 1e200
    assert first_nonfinite(problem, state) == (1, "running variance1")
    plain = create_problem(Network([1, 1]), [[1.0]], [0.0], optimizer="rmsprop", loss="absolute_error")
    state = initial_state(plain)
    steep = replace(state, slots={"s": np.full_like(state.theta, np.inf)})
    assert first_nonfinite(plain, steep) == (1, "optimizer's s of b1")


@given(problems(), st.booleans(), st.data())
def test_outputs_are_those_of_evaluation(arguments: dict[str, Any], shared: bool, data: st.DataObject) -> None:
    problem = make(arguments | {"dtype": "float64"})
    state, _ = ENGINE.advance(problem, started(problem, data), 2)
    network, K = problem.network, problem.members
    x = np.random.default_rng(1).normal(size=(4, network.inputs) if shared else (K, 4, network.inputs))
    z, a = ENGINE.outputs(problem, state, x)
    assert z.shape == a.shape == (K, 4, network.outputs)
    parameters, buffers = views(state.theta, network.entries), views(state.buffers, network.buffers)
    for k in range(K):
        with np.errstate(all="ignore"):
            value = x if shared else x[k]
            for layer in network.layers:
                n = layer.number
                if layer.symbol == "s":
                    value = value * parameters[f"scale{n}"][k]
                elif layer.symbol == "z":
                    value = value @ parameters[f"W{n}"][k] + (parameters[f"b{n}"][k] if network.has_biases else 0.0)
                elif layer.symbol == "n":
                    value = (value - buffers[f"mean{n}"][k]) / np.sqrt(buffers[f"variance{n}"][k] + 1e-5)
                    value = value * parameters[f"gamma{n}"][k] + parameters[f"beta{n}"][k]
                elif layer.symbol == "a":
                    value = layer.formula.forward(value)[0]  # type: ignore[union-attr]
            assert z[k] == pytest.approx(value, rel=1e-7, abs=1e-7, nan_ok=True)
            assert same_bits(a[k], network.output.forward(z[k])[0])


@given(problems())
def test_the_whole_objective_is_that_of_evaluation(arguments: dict[str, Any]) -> None:
    """Without dropout and batch norm, training and evaluation have one objective."""
    arguments |= {"rows": None, "dropout": 0.0, "batch_size": None, "dtype": "float64"}
    problem = make(arguments)
    state = initial_state(problem)
    if problem.network.buffers:
        return
    done = objective_and_gradient(problem, state, all_rows(problem, state.members))
    assert whole_objective(problem, state) == pytest.approx(done.objective, rel=1e-12, abs=1e-14, nan_ok=True)


@pytest.mark.slow
@settings(max_examples=examples(100))
@given(problems(smooth=True), st.data())
def test_whole_weights_are_repeated_rows_and_0_is_no_row(arguments: dict[str, Any], data: st.DataObject) -> None:
    N = len(arguments["x"])
    times = data.draw(members(N, st.integers(0, 3)).filter(any), label="times")
    arguments |= {"dropout": 0.0, "batch_size": None, "dtype": "float64", "rows": None}
    weighted = make(arguments | {"weights": times})
    repeated = make(arguments | {"weights": None, "rows": [np.repeat(np.arange(N), times)]})
    state = initial_state(weighted)
    one = objective_and_gradient(weighted, state, batch(weighted, state.members, 0))
    other = objective_and_gradient(repeated, state, batch(repeated, state.members, 0))
    assume(np.isfinite(other.gradient).all())  # exponentials of exponentials overflow
    assert one.objective == pytest.approx(other.objective, rel=1e-9, abs=1e-9)
    # Batch norm divides by the spread of a few rows, which may be only √ε: what is lost there shows a thousandfold.
    assert one.gradient == pytest.approx(other.gradient, abs=1e-7 * (1 + np.abs(other.gradient).max()))
    assert one.buffers == pytest.approx(other.buffers, rel=1e-12, abs=1e-12)
    assert whole_objective(weighted, state) == pytest.approx(whole_objective(repeated, state), rel=1e-9)


def test_dropout_masks_are_drawn_anew_in_every_update_for_every_row() -> None:
    problem = create_problem(Network([2, 50, 1]), np.ones((20, 2)), np.ones(20), dropout=0.5, batch_size=5)
    state, seen = initial_state(problem), set()
    for step in range(8):
        masks = reference.dropout_masks(problem, state, batch(problem, state.members, step))
        assert masks["dropout1"].ravel().tolist() == [0.5]
        seen |= {row.tobytes() for row in masks["keep1"][0]}
        state = replace(state, step=step + 1)
    assert len(seen) == 8 * 5
