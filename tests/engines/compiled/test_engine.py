"""The printed program of an update agrees with the reference engine, and has the same bits in every form."""

import math
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from all_engines import all_engines
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lanes import examples
from random_problems import EVERY_FORMULA, problems
from unproved import unproved

from deltarule import Network, create_problem, train
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.compiled.printed import Tile
from deltarule.engines.compiled.texts import MEMBERS, printed_update
from deltarule.engines.reference import ReferenceEngine
from deltarule.maths.activations import Activation
from deltarule.maths.losses import LOSSES
from deltarule.problem.problem import Problem
from deltarule.problem.state import State, initial_state

TOLERANCE = {"float64": 1e-12, "float32": 2e-4}


def assert_agrees(problem: Problem, updates: int = 2, **options) -> State:
    """Compare some updates with those of the reference engine."""
    state = initial_state(problem)
    own, trace = CompiledEngine(**options).advance(problem, state, updates)
    expected, expected_trace = ReferenceEngine().advance(problem, state, updates)
    tolerance = TOLERANCE[problem.dtype.name]
    pairs = [(own.theta, expected.theta), (own.buffers, expected.buffers), (trace.objective, expected_trace.objective)]
    pairs += [(own.slots[name], slot) for name, slot in expected.slots.items()]
    for array, theirs in pairs:
        largest = np.abs(theirs[np.isfinite(theirs)]).max(initial=1)
        np.testing.assert_allclose(array, theirs, rtol=100 * tolerance, atol=tolerance * largest)
    assert np.array_equal(trace.bad, expected_trace.bad)
    return own


def is_steady(problem: Problem) -> bool:
    """Whether rounding errors of a gradient stay small: not where it is divided by its own size, or counts by sign."""
    if problem.penalty is not None and problem.penalty.kinks and problem.network.buffers:
        return False  # batch norm leaves ±1e-18 where there is no gradient, and |w| counts the sign of such a weight
    return problem.optimizer.name not in ("rprop", "adagrad", "rmsprop", "adam", "adamw", "normalized_gradient")


@pytest.mark.slow
@settings(max_examples=examples(30), suppress_health_check=list(HealthCheck))
@given(problems(max_units=9, is_finite=True).filter(is_steady), st.sampled_from([4, 8]))
def test_random_problems_agree_with_the_reference_engine(problem: Problem, lanes: int) -> None:
    printed_update(MEMBERS, problem, False, lanes, None, problem.batch_rows(0))  # there is a program for each
    assert_agrees(problem, lanes=lanes)


def population(**options) -> Problem:
    """Eleven members whose gradients are not near 0, with a short last batch."""
    rng = np.random.default_rng(1)
    layers = {name: options.pop(name) for name in ("batch_norm", "scaling_layer", "bias") if name in options}
    network = Network(
        [3, 5, 4, 3], options.pop("hidden", ["tanh", "softplus"]), options.pop("output", "softmax"), **layers
    )
    given = {
        "loss": "cross_entropy",
        "learning_rate": np.linspace(0.01, 0.1, 11),
        "batch_size": 7,
        "members": 11,
    }
    x, y = rng.normal(size=(17, 3)), np.eye(3)[rng.integers(0, 3, 17)]
    return create_problem(network, x, y, **(given | options))


FORMULAS = [
    {kind: value if kind != "hidden" else value * 2}
    for kind, value in EVERY_FORMULA
    if kind in ("hidden", "optimizer", "schedule", "penalty")
]
FORMULAS += [
    {"loss": loss.name, "output": output}
    for loss in LOSSES.values()
    for output in dict.fromkeys((*loss.fused, "sigmoid" if "binary" in loss.name else "softmax"))
]


@pytest.mark.sampled(8)
@pytest.mark.parametrize("formula", FORMULAS, ids=str)
def test_a_population_agrees_whatever_the_formula(formula) -> None:
    strength = {"strength": np.linspace(0, 0.1, 11)} if "penalty" in formula else {}
    assert_agrees(population(**formula, **strength), updates=5)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "options",
    [
        {"batch_norm": True, "optimizer": "momentum"},
        {"scaling_layer": True, "bias": False},
        {"dropout": np.linspace(0, 0.5, 22).reshape(11, 2), "batch_norm": True},
        {"data_seeds": range(11), "dropout": [[0.3, 0.0]] * 11},
        {"weights": np.random.default_rng(2).random(17) + 0.1},
        {"weights": np.random.default_rng(2).random((11, 17)) + 0.1},
        {"weights": np.random.default_rng(2).random((11, 17)) + 0.1, "data_seeds": range(11)},
        {"rows": [np.arange(start, start + 6) for start in range(11)]},
        {"rows": [np.arange(3 + start) for start in range(11)]},
        {"clip_norm": np.geomspace(0.01, 10, 11)},
        {"learning_rate_factors": {"W": 0.5, "b2": 0.0}, "optimizer": "momentum"},
        {"optimizer": "adamw", "parametrization": "neural_tangent"},
        {"schedule": {"name": "exponential", "per": "epoch"}},
        {"batch_size": None},
        {"batch_size": 1},
    ],
    ids=str,
)
def test_a_population_agrees_whatever_it_is_trained_with(options) -> None:
    assert_agrees(population(**options), updates=7)


@pytest.mark.sampled(20)
@pytest.mark.parametrize("formula", FORMULAS, ids=str)
def test_a_step_in_float32_is_within_a_millionth_of_the_reference_step(formula) -> None:
    problem = population(**formula, **({"strength": 0.1} if "penalty" in formula else {}), dtype="float32")
    state, _ = ReferenceEngine().advance(problem, initial_state(problem), 2)  # past the zeros of the slots
    ours, seen = CompiledEngine().advance(problem, state, 1)
    theirs, expected = ReferenceEngine().advance(problem, state, 1)
    assert ours.theta.dtype == seen.objective.dtype == np.float32 and np.array_equal(seen.bad, expected.bad)
    finite = seen.bad < 0
    ours, theirs = ours.theta[finite], theirs.theta[finite]
    assert (np.abs(ours - theirs) <= 1e-6 * np.abs(theirs).max(1, keepdims=True)).all()
    assert np.allclose(seen.objective[:, finite], expected.objective[:, finite], rtol=2e-6)


FORMS = [
    {"lanes": 2, "features": "+sse4.2"},
    {"lanes": 4, "features": "+sse4.2"},
    {"lanes": 8, "tile": Tile(1, 1), "features": "+avx2,+fma"},
    {"lanes": 16, "tile": Tile(3, 2)},
    {"tile": Tile(8, 3)},
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        ("float32", {}),
        ("float64", {}),
        ("float64", {"batch_norm": True, "dropout": 0.2, "optimizer": "adam", "penalty": "l2"}),  # half a minute
    ],
    ids=str,
)
def test_bits_are_the_same_whatever_the_lanes_the_tile_and_the_processor(dtype, options) -> None:
    problem = population(**options, dtype=dtype, **({"strength": 0.1} if options else {}))
    state = initial_state(problem)
    expected, expected_trace = CompiledEngine().advance(problem, state, 30)
    for form in FORMS:
        own, trace = CompiledEngine(**form).advance(problem, state, 30)
        assert own.theta.tobytes() == expected.theta.tobytes(), form
        assert trace.objective.tobytes() == expected_trace.objective.tobytes(), form


def test_a_member_alone_has_the_bits_that_it_has_among_others_and_in_parts() -> None:
    problem = population(data_seeds=range(11), optimizer="momentum", schedule="cosine")
    state, engine = initial_state(problem), CompiledEngine(threads=2)
    together, _ = engine.advance(problem, state, 20)
    alone, _ = engine.advance(problem, state.take(np.array([6])), 20)
    assert alone.theta.tobytes() == together.theta[6:7].tobytes()
    in_parts, _ = engine.advance(problem, engine.advance(problem, state, 7)[0], 13)
    assert in_parts.theta.tobytes() == together.theta.tobytes()


def test_the_first_bad_step_is_that_of_the_reference_engine() -> None:
    problem = population(
        learning_rate=np.geomspace(1e-2, 1e300, 11), hidden="relu", loss="squared_error", output="identity"
    )
    state = initial_state(problem)
    _, trace = CompiledEngine().advance(problem, state, 40)
    _, expected = ReferenceEngine().advance(problem, state, 40)
    assert np.array_equal(trace.bad, expected.bad) and (trace.bad >= 0).any() and (trace.bad < 0).any()


@pytest.mark.parametrize("lanes_are", ["members", "units"])
def test_subnormal_numbers_are_0(lanes_are: str) -> None:
    problem = population(optimizer="momentum", dtype="float32", penalty="weight_decay", strength=1.0, learning_rate=0.9)
    state = initial_state(problem)
    for array in (state.theta, *state.slots.values()):
        array[:, ::2] = 1e-39
    own, _ = CompiledEngine(lanes_are=lanes_are).advance(problem, state, 1)
    for array in (own.theta, *own.slots.values()):
        assert not ((array != 0) & (np.abs(array) < np.finfo(np.float32).tiny)).any()
    assert np.float32(1e-39) * np.float32(0.5) != 0  # outside of it the processor is as it was


def test_what_cannot_be_printed_is_noted_and_warned_of_once_by_name() -> None:
    odd = unproved(Activation("odd", lambda z: np.sort(z, -1), lambda z, a: 0 * z))
    problem = population(hidden=odd)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        runs = [train(problem, max_steps=3, engine=engine) for engine in ("compiled", "compiled", "reference")]
    [note] = runs[0].notes
    assert "sort" in note and "the reference engine trains this" in note
    assert [str(warning.message) for warning in caught] == [note]
    assert np.array_equal(runs[0].state.theta, runs[2].state.theta)


def encoder(members: int, **given) -> Problem:
    options = {"loss": "binary_cross_entropy", "learning_rate": 0.1, "seeds": range(members), **given}
    return create_problem(Network([8, 3, 8], "sigmoid", "sigmoid"), np.eye(8), np.eye(8), **options)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam"])
def test_a_hundred_steps_stay_together(optimizer: str) -> None:
    problem = encoder(20, optimizer=optimizer)
    ours, _ = CompiledEngine().advance(problem, initial_state(problem), 100)
    theirs, _ = ReferenceEngine().advance(problem, initial_state(problem), 100)
    assert np.abs(ours.theta - theirs.theta).max() <= 1e-12 * np.abs(theirs.theta).max()


@given(st.integers(0, 9), st.integers(0, 9))
@settings(max_examples=examples(20))
def test_advancing_in_two_goes_is_advancing_in_one(first: int, second: int) -> None:
    for problem in (population(optimizer="adam", schedule="cosine", data_seeds=range(11)), wide(1)):
        start, engine = initial_state(problem), CompiledEngine()
        whole, seen = engine.advance(problem, start, first + second)
        part, one = engine.advance(problem, start, first)
        part, two = engine.advance(problem, part, second)
        assert np.array_equal(whole.theta, part.theta) and whole.step == part.step
        assert all(np.array_equal(whole.slots[name], part.slots[name]) for name in whole.slots)
        assert np.array_equal(seen.objective, np.concatenate([one.objective, two.objective]))


def of_folds(network: Network, loss: str, **given) -> Problem:
    """Members on three sets of rows, 27 + 6 + 3 of them, as the folds of a search are."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(60, 9)), rng.uniform(size=(60, network.outputs))
    sets = [rng.permutation(60)[:48] for _ in range(3)]
    rows = [sets[0]] * 27 + [sets[1]] * 6 + [sets[2]] * 3
    options = {"batch_size": 29, "penalty": "weight_decay", "strength": 0.01, "optimizer": "adam", **given}
    return create_problem(network, x, y, loss=loss, rows=rows, seeds=range(36), data_seeds=[1] * 36, **options)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("network", "loss", "given", "tolerance"),
    [
        (
            Network([9, 8, 2], "softmax", "sigmoid", bias=False),
            "squared_error",
            {"weights": np.linspace(0.5, 2, 60)},
            1e-11,
        ),
        (Network([9, 11, 3, 1], "tanh", "sigmoid"), "binary_cross_entropy", {"dropout": 0.2, "dtype": "float32"}, 1e-4),
    ],
)
def test_members_with_the_same_rows_share_blocks_and_keep_their_bits(network, loss, given, tolerance) -> None:
    problem = of_folds(network, loss, **given)
    start = initial_state(problem)
    one, saw = CompiledEngine(threads=1).advance(problem, start, 5)
    two, seen = CompiledEngine(threads=2).advance(problem, start, 5)
    assert np.array_equal(one.theta, two.theta) and np.array_equal(saw.objective, seen.objective)
    for chosen in ([3], [35], [*range(20, 33)], [0, 1, 27, 28, 33, 34]):
        some, of_these = CompiledEngine().advance(problem, start.take(np.array(chosen)), 5)
        assert np.array_equal(some.theta, one.theta[chosen])
        assert np.array_equal(of_these.objective, saw.objective[:, chosen])
    theirs, expected = ReferenceEngine().advance(problem, start, 5)
    assert np.abs(one.theta - theirs.theta).max() <= tolerance
    assert np.allclose(saw.objective, expected.objective, rtol=tolerance)


def test_members_that_leave_a_population_between_calls_change_nothing_for_the_others() -> None:
    problem = encoder(24, dropout=0.3)
    whole, _ = CompiledEngine(threads=2).advance(problem, initial_state(problem), 8)
    chosen = np.arange(3, 24, 2)
    begun, _ = CompiledEngine(threads=1).advance(problem, initial_state(problem), 3)
    ended, _ = CompiledEngine(threads=3).advance(problem, begun.take(chosen), 5)
    assert ended.theta.tobytes() == whole.theta[chosen].tobytes()


def wide(members: int, hidden: tuple[int, ...] = (40,), **given) -> Problem:
    """Networks whose last batch has one row, less than threads."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(385, 30)), np.eye(3)[rng.integers(0, 3, 385)]
    options = {"loss": "cross_entropy", "batch_size": 384, "penalty": "weight_decay", "strength": 0.01, "dropout": 0.3}
    layers = {name: given.pop(name) for name in ("batch_norm", "bias", "scaling_layer") if name in given}
    network = Network([30, *hidden, 3], "tanh", "softmax", **layers)
    return create_problem(network, x, y, **options, learning_rate=0.1, seeds=range(members), **given)


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("members", "given"),
    [
        (1, {}),
        (3, {}),
        (1, {"batch_norm": True, "bias": False}),
        (1, {"hidden": (161, 167)}),
        (1, {"scaling_layer": True}),
    ],
)
def test_threads_that_share_a_member_change_nothing(members: int, given: dict, monkeypatch) -> None:
    monkeypatch.setattr("deltarule.engines.compiled.engine.MIN_THREAD_WORK", 1)
    problem = wide(members, optimizer="adam", **given)
    start = initial_state(problem)
    one, saw = CompiledEngine(threads=1).advance(problem, start, 6)
    for threads in (2, 3, 7):
        more, seen = CompiledEngine(threads=threads).advance(problem, start, 6)
        assert np.array_equal(one.theta, more.theta) and np.array_equal(saw.objective, seen.objective)
    theirs, expected = ReferenceEngine().advance(problem, start, 6)
    assert np.abs(one.theta - theirs.theta).max() <= 1e-10  # Adam divides rounding errors by small gradients
    assert np.allclose(saw.objective, expected.objective, rtol=1e-12)


def test_trainings_at_the_same_time_do_not_wait_for_each_other(monkeypatch) -> None:
    monkeypatch.setattr("deltarule.engines.compiled.engine.MIN_THREAD_WORK", 1)
    problem = wide(1)
    expected, _ = CompiledEngine(threads=1).advance(problem, initial_state(problem), 30)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(CompiledEngine(threads=3).advance, problem, initial_state(problem), 30) for _ in range(8)]
        assert all(np.array_equal(job.result(timeout=60)[0].theta, expected.theta) for job in jobs)


@pytest.mark.parametrize("optimizer", ["adam", "rprop"])
def test_rounding_moves_the_biases_that_batch_norm_takes_out_and_nothing_else_of_a_step(optimizer: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 2))
    network = Network([3, 6, 5, 2], ["tanh", "sigmoid"], batch_norm=True)
    problem = create_problem(network, x, y, optimizer=optimizer, seeds=range(4))
    state, _ = ReferenceEngine().advance(problem, initial_state(problem), 2)
    ours, seen = CompiledEngine().advance(problem, state, 3)
    theirs, expected = ReferenceEngine().advance(problem, state, 3)
    difference = np.abs(ours.theta - theirs.theta).max(0) / np.abs(theirs.theta).max()
    apart = {entry.name for entry in network.entries if difference[entry.start : entry.stop].max() > 1e-12}
    assert apart <= {"b1", "b2"} and np.allclose(seen.objective, expected.objective, rtol=1e-12)
    for entry in network.buffers:
        if entry.name.startswith("variance"):
            part = slice(entry.start, entry.stop)
            assert np.allclose(ours.buffers[:, part], theirs.buffers[:, part], rtol=1e-12)


@pytest.mark.parametrize("members", [1, 8])
@pytest.mark.parametrize("largest", [0.0, 1e4, 1e8, 1e16])
def test_a_cross_entropy_is_exact_however_large_the_logits(largest: float, members: int) -> None:
    """By hand: log(1 + e⁻²) for logits 2 apart, wherever they are."""
    given = {"loss": "cross_entropy", "learning_rate": 0.0, "seeds": range(members)}
    problem = create_problem(Network([1, 2], output="softmax"), [[0.0]], [[1.0, 0.0]], **given)
    state = replace(initial_state(problem), theta=np.tile([0.0, 0.0, largest, largest - 2], (members, 1)))
    for engine in all_engines().values():
        objective = engine.advance(problem, state, 1)[1].objective
        assert objective == pytest.approx(np.full((1, members), math.log1p(math.exp(-2))), rel=1e-14)


@pytest.mark.parametrize("rest", [0.01, 1e-4, 1e-6, 1e-9])
def test_what_rmsprop_adds_of_each_gradient_keeps_its_digits_in_float32(rest: float) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(10, 5)), rng.normal(size=(10, 1))
    optimizer = {"name": "rmsprop", "decay": 1 - rest, "epsilon": 1e-8}
    single, double = (
        create_problem(Network([5, 1], bias=False), x, y, optimizer=optimizer, dtype=dtype)
        for dtype in ("float32", "float64")
    )
    expected, _ = ReferenceEngine().advance(double, initial_state(double), 1)
    for engine in all_engines().values():
        found, _ = engine.advance(single, initial_state(single), 1)
        assert np.abs(found.theta - expected.theta).max() <= 1e-6 * np.abs(expected.theta).max()


def test_workers_of_a_pool_do_not_take_more_processors_than_they_are_given(monkeypatch) -> None:
    for least in ("0", "1"):
        monkeypatch.setenv("OMP_NUM_THREADS", least)
        assert CompiledEngine().threads == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "1000")
    everything = CompiledEngine().threads
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert CompiledEngine().threads == everything >= 1


def test_the_state_that_is_given_stays() -> None:
    for problem in (encoder(5, optimizer="adam"), wide(1)):
        state = initial_state(problem)
        for array in (state.theta, *state.slots.values(), problem.x, problem.y):
            array.setflags(write=False)
        CompiledEngine().advance(problem, state, 3)
