"""The printed program of an update agrees with the reference engine, and has the same bits in every form."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lanes import examples
from random_problems import EVERY_FORMULA, problems

from deltarule import Network, create_problem, train
from deltarule.engines.llvm.engine import LlvmEngine
from deltarule.engines.llvm.places import Tile
from deltarule.engines.llvm.texts import printed_update
from deltarule.engines.reference import ReferenceEngine
from deltarule.maths.activations import Activation
from deltarule.maths.losses import Loss
from deltarule.maths.optimizers import Optimizer
from deltarule.maths.schedules import Schedule
from deltarule.problem.problem import Problem
from deltarule.problem.state import State, initial_state

TOLERANCE = {"float64": 1e-12, "float32": 2e-4}


def assert_agrees(problem: Problem, updates: int = 2, **options) -> State:
    """Compare some updates with those of the reference engine."""
    state = initial_state(problem)
    own, trace = LlvmEngine(**options).advance(problem, state, updates)
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
    return problem.optimizer.name not in ("rprop", "adagrad", "rmsprop", "adam", "adamw", "normalized_gradient")


@settings(max_examples=examples(50), suppress_health_check=list(HealthCheck))
@given(problems(max_units=9, is_finite=True).filter(is_steady), st.sampled_from([4, 8]))
def test_random_problems_agree_with_the_reference_engine(problem: Problem, lanes: int) -> None:
    printed_update(problem, False, lanes, None, problem.batch_rows(0))  # there is a program for each
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


@pytest.mark.sampled(6)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("formula", FORMULAS, ids=str)
def test_a_population_agrees_whatever_the_formula(formula, dtype) -> None:
    strength = {"strength": np.linspace(0, 0.1, 11)} if "penalty" in formula else {}
    assert_agrees(population(**formula, **strength, dtype=dtype), updates=5)


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


FORMS = [
    *({"lanes": lanes} for lanes in (4, 8, 16)),
    *({"tile": tile} for tile in (Tile(1, 1), Tile(3, 2), Tile(8, 3))),
    *({"features": features, "lanes": 4} for features in ("+avx2,+fma", "+sse4.2")),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "options", [{}, {"batch_norm": True, "dropout": 0.2, "optimizer": "adam", "penalty": "l2"}], ids=str
)
def test_bits_are_the_same_whatever_the_lanes_the_tile_and_the_processor(options, dtype) -> None:
    problem = population(**options, dtype=dtype, **({"strength": 0.1} if options else {}))
    state = initial_state(problem)
    expected, expected_trace = LlvmEngine().advance(problem, state, 30)
    for form in FORMS:
        own, trace = LlvmEngine(**form).advance(problem, state, 30)
        assert own.theta.tobytes() == expected.theta.tobytes(), form
        assert trace.objective.tobytes() == expected_trace.objective.tobytes(), form


def test_a_member_alone_has_the_bits_that_it_has_among_others_and_in_parts() -> None:
    problem = population(data_seeds=range(11), optimizer="momentum", schedule="cosine")
    state, engine = initial_state(problem), LlvmEngine(threads=2)
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
    _, trace = LlvmEngine().advance(problem, state, 40)
    _, expected = ReferenceEngine().advance(problem, state, 40)
    assert np.array_equal(trace.bad, expected.bad) and (trace.bad >= 0).any() and (trace.bad < 0).any()


def test_subnormal_numbers_are_flushed_at_the_steps_of_the_reference_engine() -> None:
    problem = population(optimizer="momentum", dtype="float32", penalty="weight_decay", strength=1.0, learning_rate=0.9)
    state = initial_state(problem)
    for slot in state.slots.values():
        slot[:] = 1e-39
    own, _ = LlvmEngine().advance(problem, state, 100)
    for array in (own.theta, *own.slots.values()):
        assert not ((array != 0) & (np.abs(array) < np.finfo(np.float32).tiny)).any()


def test_the_engine_goes_by_a_name() -> None:
    problem = population()
    run = train(problem, max_steps=3, engine="llvm")
    np.testing.assert_allclose(run.state.theta, train(problem, max_steps=3, engine="reference").state.theta, rtol=1e-9)


def test_what_cannot_be_printed_is_noted_and_warned_of_once_by_name() -> None:
    odd = Activation("odd", lambda z: np.roll(z, 1, -1), lambda z, a: 0 * z)
    problem = population(hidden=odd)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        runs = [train(problem, max_steps=3, engine=engine) for engine in ("llvm", "llvm", "reference")]
    [note] = runs[0].notes
    assert "roll" in note and "the reference engine trains this" in note
    assert [str(warning.message) for warning in caught] == [note]
    assert np.array_equal(runs[0].state.theta, runs[2].state.theta)


SCALE = 1.0
READING = {
    "activation": lambda: {"activation": Activation("read", lambda z: SCALE * z * z, lambda z, a: 2 * SCALE * z)},
    "derivative alone": lambda: {"activation": Activation("read", lambda z: z * z, lambda z, a: SCALE * z)},
    "loss": lambda: {"loss": Loss("read", lambda p, y: SCALE * (p - y) ** 2, lambda p, y: 2 * SCALE * (p - y))},
    "optimizer": lambda: {
        "optimizer": Optimizer("read", lambda theta, g, learning_rate: (theta - SCALE * learning_rate * g,))
    },
    "schedule": lambda: {"schedule": Schedule("read", lambda t, learning_rate: SCALE * learning_rate)},
}


@pytest.mark.parametrize("case", READING)
def test_a_number_that_a_formula_reads_counts_from_when_it_is_set(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = READING[case]()
    network = Network([2, 3, 1], given.pop("activation", "tanh"))
    options = {"loss": "squared_error", "learning_rate": 0.1} | given
    problem = create_problem(network, np.eye(2), np.array([0.0, 1.0]), **options)
    engine, start = LlvmEngine(), initial_state(problem)
    for number in (1.5, 2.5):
        monkeypatch.setitem(globals(), "SCALE", number)
        ours, theirs = (each.advance(problem, start, 3)[0] for each in (engine, ReferenceEngine()))
        np.testing.assert_allclose(ours.theta, theirs.theta, rtol=1e-12)
        outputs, expected = (each.outputs(problem, ours, problem.x) for each in (engine, ReferenceEngine()))
        for one, other in zip(outputs, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)
