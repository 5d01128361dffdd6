"""Custom formulas in compiled programs compute NumPy's numbers; what programs lack trains on the reference engine."""

import functools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import examples
from traceable_formulas import EXACT, formulas
from unproved import unproved

from deltarule.engines.base import Trace
from deltarule.engines.compiled.engine import CompiledEngine, warn_once
from deltarule.engines.compiled.printed import NotPrintable
from deltarule.engines.compiled.texts import printed_evaluation
from deltarule.engines.reference import ReferenceEngine
from deltarule.engines.selection import engine_for
from deltarule.maths import elementary
from deltarule.maths.activations import Activation
from deltarule.maths.losses import Loss
from deltarule.maths.optimizers import Optimizer
from deltarule.maths.penalties import Penalty
from deltarule.maths.schedules import Schedule
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem
from deltarule.problem.state import State, initial_state
from deltarule.program.program import NotTraceable
from deltarule.training.train import train

Formula = Callable[..., Any]
DTYPES = ("float32", "float64")
SCALE = 1.5


def both_engines(problem: Problem, state: State, updates: int) -> tuple[State, Trace, State, Trace]:
    """Return what the compiled engine and the reference engine make of a state."""
    return (
        *CompiledEngine().advance(problem, state, updates),
        *ReferenceEngine().advance(problem, state, updates),
    )


def applied(function: Formula, z: np.ndarray) -> np.ndarray:
    """Return what a formula gives of numbers as a compiled program's activation, behind z = 1 x + 0."""
    network = Network([1, 1], output=unproved(Activation("own", function, lambda z, a: 0 * z)))
    problem = create_problem(network, [[0.0]], [[0.0]], dtype=z.dtype.name)
    printed_evaluation(problem, False, 8, None, len(z), ("z", "a"), False)  # there is a program
    state = replace(initial_state(problem), theta=np.array([[1.0, 0.0]], z.dtype))
    return CompiledEngine().outputs(problem, state, z[:, None])[1][0, :, 0]


@given(
    st.sampled_from(DTYPES),
    formulas(("x", "y"), EXACT),
    st.lists(st.sampled_from([-2.5, -1.0, -0.3, 0.5, 0.7, 1.0, 3.2, 0.1, 1e-30]), min_size=5, max_size=5),
)
@settings(max_examples=examples(20), deadline=None)
def test_operations_that_round_once_have_the_bits_of_numpy(dtype: str, drawn: Formula, numbers: list[float]) -> None:
    z = np.array(numbers, dtype)

    def function(z: Any) -> Any:
        return drawn(z, -z) + 0 * z

    try:
        with np.errstate(all="ignore"):
            expected = function(z)
        found = applied(function, z)
    except (NotTraceable, NotPrintable, TypeError):  # a combination of types that NumPy or programs refuse
        return
    assert np.array_equal(found, expected.astype(dtype), equal_nan=True)


def made_with(c: float) -> Formula:
    def scaled(z: Any) -> Any:
        return c * np.tanh(z)

    return scaled


def scaled_by(z: Any, c: float) -> Any:
    return c * z


def of_a_loop(z: Any) -> Any:
    f, total = 1.0, 0 * z
    for k in range(1, 9):
        f = f * k
        total = total + z**k / f
    return total


def of_a_test(z: Any) -> Any:
    if SCALE > 1:
        return z
    return -z


def of_whole_powers(z: Any) -> Any:
    n = 2
    total = z + 2**-3 * z + (-0.9) ** 2 * z + n**-2 * z
    return total + (1 + z**2) ** -n + (1 + z**2) ** -2 + (z * z) ** 1.5 + z**-1


def of_truths(z: Any) -> Any:
    on = z > 0
    total = on + 0.0 * z + on / 2 + 1 - (z > 1) + z * ((z > -1) & (z < 1)) + ((z >= 1) | (z <= -1)) * z**3
    return total + on * (z < 1) * z**2 + z * ~on + (on + (z > -1)) * 1 + (z == 1) + (z != 1) * 2.0


def of_choices(z: Any) -> Any:
    total = elementary.select(z > 0, z, 0.1 * z) + elementary.select((z > -1) & (z < 1), 1.0, 0 * z)
    return total + np.where(z > 0, 1, 0) * z + np.where(z, 2, 3) + np.clip(z, -1, 0.5) + np.where(z > 0, 0.3, 0.7)


def of_numpy(z: Any) -> Any:
    """The tanh approximation of GELU, and whatever else NumPy has and a program too."""
    gelu = 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))
    waves = np.sin(z) + np.arctan(z) + np.sinh(z) + np.cosh(z) + np.cos(z) + elementary.erf(z)
    logarithms = np.expm1(z) + np.log1p(z * z) + np.log(z * z) + np.exp(-z) + np.sqrt(z * z)
    rounded = np.floor(z) + np.ceil(z) * np.sign(z) + np.trunc(z) + np.square(z) - np.positive(z)
    chosen = np.where(z > 0, z, np.abs(z) / 2) + np.maximum(z, 0.3) * np.minimum(-z, math.e) + abs(z)
    return gelu + waves + chosen + logarithms + rounded


def shadowing(z: Any) -> Any:
    exp = np.exp(-z)
    return 1 / (1 + exp)


FUNCTIONS = [
    *(made_with(2.0), functools.partial(scaled_by, c=2.0), np.tanh, lambda z: 2 * z, of_a_loop, of_a_test),
    *(of_whole_powers, of_truths, of_choices, of_numpy, shadowing, lambda z: sum(s * z for s in (1.0, 2.0))),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_closures_loops_truths_and_functions_of_numpy_give_the_numbers_that_numpy_gives(
    function: Formula, dtype: str
) -> None:
    z = np.array([-2.5, -1.0, -0.3, 0.4, 1.0, 1.7, 3.2], dtype)
    tolerance = 1e-13 if dtype == "float64" else 2e-6
    np.testing.assert_allclose(applied(function, z), function(z), rtol=tolerance, atol=tolerance)


# --- numbers of Python's in float32 -----------------------------------------------------------------------------------


def slope_by_a_product_with_a_truth(z, a):
    high = (a > 0) * 0.9  # of float64 in NumPy, and not rounded
    return np.where(a >= high, 0 * z, 1 + 0 * z) + np.where(high >= 0.9, 1 + 0 * z, 0 * z)


def heavy(theta, g, v, learning_rate, mu):
    v = mu * v - learning_rate * g
    return theta + np.where(mu >= 0.9, mu * v - learning_rate * g, v), v


def capped(z):
    return np.where(z < 0.9, z, 0.9 + 0 * z)


HIDDEN_OF_NUMBERS = [
    unproved(Activation("capped", capped, lambda z, a: np.where(a < 0.9, 1 + 0 * z, 0 * z))),
    unproved(Activation("capped otherwise", capped, slope_by_a_product_with_a_truth)),
    unproved(
        Activation(  # 1 − rest is computed before it is rounded: of a rounded 0.99999 the rest has three digits
            "beyond",
            lambda z, rest: np.minimum(z, (1 - rest) ** 2),
            lambda z, a, rest: np.where(a < (1 - rest) ** 2, 1 + 0 * z, 0 * z),
            parameters={"rest": 0.99999},
        )
    ),
]
OF_NUMBERS = {
    "loss": unproved(
        Loss(
            "judged",
            lambda p, y: np.where(y >= 0.9, 1.0, 3.0) * (p - y) ** 2,
            lambda p, y: np.where(y >= 0.9, 2.0, 6.0) * (p - y),
        )
    ),
    "penalty": unproved(
        Penalty("bounded", lambda w: np.where(w >= 0.9, w * w, 3 * w * w), lambda w: np.where(w >= 0.9, 2 * w, 6 * w))
    ),
    "strength": 0.3,
    "schedule": unproved(Schedule("halved", lambda t, learning_rate: np.where(learning_rate >= 0.9, 0.05, 0.1))),
    "optimizer": unproved(Optimizer("heavy", heavy, ("v",), {"mu": 0.9})),
}
KEPT = unproved(
    Optimizer(
        "kept",
        lambda theta, g, rate: (theta - rate * g,),
        once_a_step=lambda t, learning_rate: {"rate": np.where(learning_rate >= 0.9, 0.1, 0.2) * learning_rate},
    )
)
QUANTILE = {"name": "quantile", "quantile": 0.99999}


@pytest.mark.parametrize("members", [1, 8])
@pytest.mark.parametrize(
    ("hidden", "given"), [(HIDDEN_OF_NUMBERS, OF_NUMBERS), (["tanh"], {"loss": QUANTILE, "optimizer": KEPT})]
)
def test_numbers_in_formulas_are_rounded_where_numpy_rounds_them(
    hidden: list[Any], given: dict[str, Any], members: int
) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)), rng.choice([0.3, 0.9], size=(30, 1))
    network = Network([4, *(6 for _ in hidden), 1], hidden)
    options = {"learning_rate": 0.9, "dtype": "float32", "seeds": range(members), **given}
    problem = create_problem(network, x, y, **options)
    state = initial_state(problem)
    theta = np.where(rng.random(state.theta.shape) < 0.2, np.float32(0.9), state.theta)
    assert CompiledEngine().notes(problem) == ()
    ours, seen, theirs, expected = both_engines(problem, replace(state, theta=theta), 1)
    assert (np.abs(ours.theta - theirs.theta) <= 1e-6 * np.abs(theirs.theta).max(1, keepdims=True)).all()
    assert np.allclose(seen.objective, expected.objective, rtol=2e-6)
    assert np.array_equal(seen.bad, expected.bad)


# --- formulas of one's own --------------------------------------------------------------------------------------------


def scaled_tanh(scale):
    return unproved(
        Activation("scaled tanh", lambda z: scale * np.tanh(2 * z / 3), lambda z, a: 2 / 3 * (scale - a * a / scale))
    )


WITCH = unproved(Activation("witch", lambda z: z / (1 + z**2), lambda z, a: (1 - z**2) / (1 + z**2) ** 2))
BENT = unproved(
    Activation(
        "bent",
        lambda z: (z > 0) * z + (z + z**3 / 3) ** 3,
        lambda z, a: (z > 0) * 1 + 3 * (z + z**3 / 3) ** 2 * (1 + z**2),
    )
)
FOURTH = unproved(Loss("fourth", lambda p, y, power=4: (p - y) ** power, lambda p, y: 4 * (p - y) ** 3))
LATE = unproved(Schedule("late", lambda t, learning_rate, k=2: np.where(t > k, learning_rate, 0.5 * learning_rate)))
DESCENT = unproved(Optimizer("descent", lambda theta, g, learning_rate, k=2: (theta - learning_rate * g / k,)))


def test_formulas_of_ones_own_train_as_the_reference_engine_trains_them() -> None:
    rng = np.random.default_rng(0)
    network = Network([3, 3, 3, 3, 3, 1], [WITCH, scaled_tanh(1.5), scaled_tanh(0.5), BENT])
    options = {"loss": FOURTH, "optimizer": DESCENT, "schedule": LATE, "learning_rate": 0.04}
    problem = create_problem(network, rng.normal(size=(9, 3)), rng.normal(size=(9, 1)), **options)
    ours, seen, theirs, expected = both_engines(problem, initial_state(problem), 50)
    assert (expected.bad < 0).all()
    assert np.abs(ours.theta - theirs.theta).max() <= 1e-12 * np.abs(theirs.theta).max()
    assert np.allclose(seen.objective, expected.objective, rtol=1e-11)


def test_names_of_formulas_may_be_those_of_our_own() -> None:
    """An edited formula, a function that shadows NumPy's, equal closures with other numbers: each is itself."""
    z = np.array([0.3, -0.7, 1.2])
    for c in (2.0, 3.0, 2.0):
        np.testing.assert_allclose(applied(made_with(c), z), c * np.tanh(z), rtol=1e-15)


# --- what has no program ---------------------------------------------------------------------------------------------


def branching(z: Any) -> Any:
    return z if z > 0 else 0 * z


def changing(z: Any) -> Any:
    u = z * 1.0
    u += 1.0
    return u


def problem_with(function: Formula, **given: Any) -> Problem:
    rng = np.random.default_rng(0)
    network = Network([3, 3, 1], unproved(Activation("own", function, lambda z, a: 1 + 0 * a)))
    return create_problem(network, rng.normal(size=(9, 3)), rng.normal(size=(9, 1)), learning_rate=0.02, **given)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (changing, "(it uses add with out in line"),
        (branching, "(it branches on an argument in line"),
        (lambda z: z - np.sort(z, axis=-1), "(it uses np.sort in line"),
        (lambda z: np.exp(z, 0 * z), "(it uses exp with out in line"),
        (lambda z: np.fmod(z, 3.0), "(it uses fmod)"),
    ],
)
@pytest.mark.filterwarnings("ignore:the compiled engine has no program")
def test_formulas_that_are_not_compiled_train_on_the_reference_engine(function: Formula, reason: str) -> None:
    problem = problem_with(function)
    chosen = engine_for("auto", problem, 10**9)
    assert not isinstance(chosen, CompiledEngine)
    [note] = CompiledEngine().notes(problem)
    assert note == chosen.notes(problem)[0] and reason in note and note.endswith(": the reference engine trains this")
    if function is branching:  # which no engine trains
        return
    expected, _ = ReferenceEngine().advance(problem, initial_state(problem), 2)
    for engine in (chosen, "compiled"):
        run = train(problem, engine=engine, max_steps=2)
        assert np.array_equal(run.state.theta, expected.theta) and run.notes == (note,)


@pytest.mark.parametrize("name", ["auto", "compiled"])
def test_what_is_not_compiled_is_warned_of_once(name: str) -> None:
    problem = problem_with(lambda z: np.fmod(z, 3.0), dtype="float32")
    warn_once.cache_clear()
    with pytest.warns(UserWarning, match=r"fmod.*the reference engine trains this") as warned:
        for _ in range(2):
            engine_for(name, problem, 10**9).advance(problem, initial_state(problem), 1)
    assert len(warned) == 1


class Scale:
    """A callable whose attribute is read at each call."""

    def __init__(self) -> None:
        self.top = 1.5

    def value(self, z: Any, *_: Any) -> Any:
        return self.top * z * z

    __call__ = value


SCALE_OF_MODULE = Scale()


def square(z: Any, *_: Any, **numbers: Any) -> Any:
    return SCALE * z * z


def square_by_attribute(z: Any, *_: Any) -> Any:
    return SCALE_OF_MODULE.top * z * z


@functools.wraps(elementary.select)  # takes over the name of our module
def square_that_is_wrapped(z: Any, *_: Any) -> Any:
    return SCALE * z * z


def descent(theta: Any, g: Any, learning_rate: float) -> Any:
    return (theta - SCALE * learning_rate * g,)


READING = {
    "activation": lambda: {"activation": unproved(Activation("read", square, lambda z, a: 2 * SCALE * z))},
    "attribute": lambda: {"activation": unproved(Activation("read", square_by_attribute, lambda z, a: 3 * z))},
    "method": lambda: {"activation": unproved(Activation("read", SCALE_OF_MODULE.value, lambda z, a: 3 * z))},
    "object": lambda: {"activation": unproved(Activation("read", SCALE_OF_MODULE, lambda z, a: 3 * z))},
    "partial": lambda: {"activation": unproved(Activation("read", functools.partial(square, k=1), lambda z, a: 3 * z))},
    "wrapped": lambda: {"activation": unproved(Activation("read", square_that_is_wrapped, lambda z, a: 3 * z))},
    "derivative alone": lambda: {"activation": unproved(Activation("read", lambda z: z * z, lambda z, a: SCALE * z))},
    "loss": lambda: {
        "loss": unproved(Loss("read", lambda p, y: SCALE * (p - y) ** 2, lambda p, y: 2 * SCALE * (p - y)))
    },
    "penalty": lambda: {"penalty": unproved(Penalty("read", square, lambda w: 2 * SCALE * w)), "strength": 0.1},
    "optimizer": lambda: {"optimizer": unproved(Optimizer("read", descent))},
    "once a step": lambda: {
        "optimizer": unproved(
            Optimizer(
                "read",
                lambda theta, g, rate: (theta - rate * g,),
                once_a_step=lambda t, learning_rate: {"rate": SCALE * learning_rate},
            )
        )
    },
    "schedule": lambda: {"schedule": unproved(Schedule("read", lambda t, learning_rate: SCALE * learning_rate))},
}
"""Formulas that read a number that can be set anew."""


@pytest.mark.parametrize("case", READING)
def test_a_number_that_a_formula_reads_counts_from_when_it_is_set(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = READING[case]()
    network = Network([2, 3, 1], given.pop("activation", "tanh"))
    x, y = np.eye(2), np.array([0.0, 1.0])
    problem = create_problem(network, x, y, **{"loss": "squared_error", "learning_rate": 0.1} | given)
    engine, start = CompiledEngine(), initial_state(problem)
    assert engine.notes(problem) == ()
    for number in (1.5, 2.5):
        monkeypatch.setitem(globals(), "SCALE", number)
        monkeypatch.setattr(SCALE_OF_MODULE, "top", number)
        ours, trace, theirs, expected = both_engines(problem, start, 3)
        assert np.allclose(ours.theta, theirs.theta, rtol=1e-12, atol=0)
        assert np.allclose(trace.objective, expected.objective, rtol=1e-12, atol=0)
        outputs = engine.outputs(problem, ours, x), ReferenceEngine().outputs(problem, theirs, x)
        for one, other in zip(*outputs, strict=True):
            assert np.allclose(one, other, rtol=1e-12, atol=0)
