"""Printed formulas compute NumPy's numbers; what programs lack is refused, and trains on the reference engine."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import examples
from traceable_formulas import EXACT, formulas

from deltarule.engines.compiled.cache import load
from deltarule.engines.compiled.codegen_formulas import read_program_sources
from deltarule.engines.compiled.codegen_large import not_fusible
from deltarule.engines.compiled.codegen_small import not_compilable
from deltarule.engines.compiled.engine import CompiledEngine
from deltarule.engines.compiled.formula_printer import Formulas, NotCompilable
from deltarule.engines.compiled.structure_cache import structure_of
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
from deltarule.problem.state import initial_state
from deltarule.training.train import train

Formula = Callable[..., Any]
DTYPES = ("float32", "float64")
SCALE = 1.5


def in_a_program(functions: Sequence[Formula], dtype: str, *numbers: Any) -> np.ndarray:
    """The values of formulas in one compiled program, [formulas, numbers]."""
    printed = Formulas(dtype)
    names = [f"x{index}" for index in range(len(numbers))]
    calls = [printed.call(function, *names) for function in functions]
    entry = f"@entry\ndef advance({', '.join(names)}):\n    return ({', '.join(calls)},)"
    sources = read_program_sources("linking.py", "simd_math.py", "simd_math_float32.py")
    advance = load("\n\n".join([*sources, *printed.texts, entry]))
    arrays = [np.asarray(array, dtype) for array in numbers]
    return np.array([advance(*row) for row in zip(*arrays, strict=True)]).T


ELEMENTS = st.sampled_from([-2.5, -1.0, -0.3, 0.5, 0.7, 1.0, 3.2, 0.1, 1e-30, math.inf, math.nan])


@given(
    st.sampled_from(DTYPES),
    st.lists(formulas(("x", "y"), EXACT), min_size=6, max_size=6),
    st.lists(st.tuples(ELEMENTS, ELEMENTS), min_size=5, max_size=5),
)
@settings(max_examples=examples(5))
def test_operations_that_round_once_have_the_bits_of_numpy(
    dtype: str, drawn: list[Formula], rows: list[tuple[float, float]]
) -> None:
    numbers = [np.array(column, dtype) for column in zip(*rows, strict=True)]
    for function in drawn:
        try:
            Formulas(dtype).call(function, "x", "y")
            with np.errstate(all="ignore"):
                function(*numbers)
        except (NotCompilable, TypeError):  # a combination of types that NumPy refuses
            drawn = [other for other in drawn if other is not function]
    with np.errstate(all="ignore"):
        expected = [np.broadcast_to(function(*numbers), 5) for function in drawn]
    if drawn:
        for ours, theirs in zip(in_a_program(drawn, dtype, *numbers), expected, strict=True):
            assert np.array_equal(ours, theirs.astype(float), equal_nan=True)


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


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_closures_loops_truths_and_functions_of_numpy_give_the_numbers_that_numpy_gives(dtype: str) -> None:
    functions = [
        *(made_with(2.0), functools.partial(scaled_by, c=2.0), np.tanh, lambda z: 2 * z, of_a_loop, of_a_test),
        *(of_whole_powers, of_truths, of_choices, of_numpy, shadowing, lambda z: sum(s * z for s in (1.0, 2.0))),
    ]
    z = np.array([-2.5, -1.0, -0.3, 0.4, 1.0, 1.7, 3.2], dtype)
    with np.errstate(divide="ignore"):
        expected = np.array([function(z) for function in functions])
    tolerance = 1e-13 if dtype == "float64" else 2e-6
    assert np.allclose(in_a_program(functions, dtype, z), expected, rtol=tolerance, atol=tolerance)


def test_an_argument_may_have_the_name_of_a_function_or_of_a_result() -> None:
    printed = Formulas()
    numbers = {"exp": "1.0", "t0": "2.0", "np": "3.0"}
    printed.call(lambda z, exp, t0, np: z * 2 + exp * t0 * np, "z", numbers=numbers)
    (text,) = printed.texts
    assert text.splitlines()[1] == "def formula0__lambda_(x0, exp_, t0_, np_):"


# --- what has no program ---------------------------------------------------------------------------------------------


def branching(z: Any) -> Any:
    return z if z > 0 else 0 * z


def changing(z: Any) -> Any:
    u = z * 1.0
    u += 1.0
    return u


def problem_with(function: Formula, **given: Any) -> Problem:
    rng = np.random.default_rng(0)
    network = Network([3, 3, 1], Activation("own", function, lambda z, a: 1 + 0 * a))
    return create_problem(network, rng.normal(size=(9, 3)), rng.normal(size=(9, 1)), learning_rate=0.02, **given)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (changing, "the formula 'changing' (it uses add with out in line"),
        (lambda z: z - np.sum(z, axis=-1, keepdims=True), "(it uses sum in line"),
        (lambda z: np.exp(z, 0 * z), "(it uses exp with out in line"),
        (lambda z: np.logaddexp(z, 0.0), "(it uses logaddexp, which programs lack)"),
    ],
)
def test_formulas_that_are_not_compiled_train_on_the_reference_engine(function: Formula, reason: str) -> None:
    problem = problem_with(function)
    assert reason in not_compilable(problem) and reason in not_fusible(problem)
    chosen = engine_for("auto", problem, 10**9)
    assert isinstance(chosen, ReferenceEngine)
    expected, _ = ReferenceEngine().advance(problem, initial_state(problem), 2)
    for engine in (chosen, "compiled"):
        run = train(problem, engine=engine, max_steps=2)
        assert np.array_equal(run.state.theta, expected.theta)
        (note,) = run.notes
        assert reason in note and note.endswith(": the reference engine trains this")


def test_a_branch_on_a_number_is_named_with_its_line() -> None:
    assert "(it branches on an argument in line" in not_compilable(problem_with(branching))


@pytest.mark.parametrize(
    ("optimizer", "reason"),
    [
        (Optimizer("short", lambda theta, g, v, learning_rate: (theta,), ("v",)), "it returns 1 numbers instead of 2"),
        (
            Optimizer(
                "choosing",
                lambda theta, g, rate: (theta - rate * g,),
                once_a_step=lambda t, learning_rate: {"rate": max(t, learning_rate)},
            ),
            "the optimizer 'choosing' (it branches on an argument",
        ),
    ],
)
def test_an_optimizer_without_a_program_is_refused_with_its_reason(optimizer: Optimizer, reason: str) -> None:
    problem = problem_with(np.tanh, optimizer=optimizer)
    assert reason in structure_of(problem).reason_against


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
    "activation": lambda: {"activation": Activation("read", square, lambda z, a: 2 * SCALE * z)},
    "attribute": lambda: {"activation": Activation("read", square_by_attribute, lambda z, a: 3 * z)},
    "method": lambda: {"activation": Activation("read", SCALE_OF_MODULE.value, lambda z, a: 3 * z)},
    "object": lambda: {"activation": Activation("read", SCALE_OF_MODULE, lambda z, a: 3 * z)},
    "partial": lambda: {"activation": Activation("read", functools.partial(square, k=1), lambda z, a: 3 * z)},
    "wrapped": lambda: {"activation": Activation("read", square_that_is_wrapped, lambda z, a: 3 * z)},
    "derivative alone": lambda: {"activation": Activation("read", lambda z: z * z, lambda z, a: SCALE * z)},
    "loss": lambda: {"loss": Loss("read", lambda p, y: SCALE * (p - y) ** 2, lambda p, y: 2 * SCALE * (p - y))},
    "penalty": lambda: {"penalty": Penalty("read", square, lambda w: 2 * SCALE * w), "strength": 0.1},
    "optimizer": lambda: {"optimizer": Optimizer("read", descent)},
    "once a step": lambda: {
        "optimizer": Optimizer(
            "read",
            lambda theta, g, rate: (theta - rate * g,),
            once_a_step=lambda t, learning_rate: {"rate": SCALE * learning_rate},
        )
    },
    "schedule": lambda: {"schedule": Schedule("read", lambda t, learning_rate: SCALE * learning_rate)},
}
"""Formulas that read a number that can be set anew."""


@pytest.mark.slow
@pytest.mark.parametrize(("case", "own_shape"), [*((case, True) for case in READING), ("activation", False)])
def test_a_number_that_a_formula_reads_counts_from_when_it_is_set(
    case: str, own_shape: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = READING[case]()
    network = Network([2, 3, 1], given.pop("activation", "tanh"))
    x, y = np.eye(2), np.array([0.0, 1.0])
    problem = create_problem(network, x, y, **{"loss": "squared_error", "learning_rate": 0.1} | given)
    engine, start, structure = CompiledEngine(own_shape=own_shape), initial_state(problem), structure_of(problem)
    assert structure.reason_against == "" and structure.computed is structure_of(problem).computed
    for number in (1.5, 2.5):
        monkeypatch.setitem(globals(), "SCALE", number)
        monkeypatch.setattr(SCALE_OF_MODULE, "top", number)
        ours, trace = engine.advance(problem, start, 3)
        theirs, expected = ReferenceEngine().advance(problem, start, 3)
        assert np.allclose(ours.theta, theirs.theta, rtol=1e-12, atol=0)
        assert np.allclose(trace.objective, expected.objective, rtol=1e-12, atol=0)
        for one, other in zip(
            engine.outputs(problem, ours, x), ReferenceEngine().outputs(problem, theirs, x), strict=True
        ):
            assert np.allclose(one, other, rtol=1e-12, atol=0)


def test_equal_closures_share_a_structure_and_others_do_not() -> None:
    first, same, other, wide = (
        structure_of(problem_with(made_with(c), dtype="float32")).computed for c in (2.0, 2.0, 3.0, np.float64(2.0))
    )
    assert first is same and first is not other
    assert first is not wide, "NumPy computes in float64 beside its own float64"
