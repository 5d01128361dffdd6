"""A traced formula computes NumPy's own bits, in the types that NumPy chooses."""

import cProfile
import functools
import math
import pstats
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from traceable_formulas import BUILT_INS, formulas, results_of

from deltarule.maths import elementary
from deltarule.program.formula import trace
from deltarule.program.numpy_text import with_locals
from deltarule.program.program import Constant, NotTraceable, Program

DTYPES = ("float32", "float64")
FUNCTIONS = {"select": elementary.select, "erf": scipy.special.erf}


def run(program: Program, *arrays: np.ndarray) -> list[Any]:
    """Compute a program's operations in NumPy, each in the type that is recorded."""
    values: dict[Any, Any] = dict(zip(program.arguments, arrays, strict=True))

    def value(operand: Any) -> Any:
        return operand.dtype.type(operand.value) if isinstance(operand, Constant) else values[operand]

    for operation in program.operations:
        operands = [value(operand) for operand in operation.operands]
        if operation.name == "cast":
            result = np.asarray(operands[0]).astype(operation.result.dtype)
        else:
            result = FUNCTIONS.get(operation.name, getattr(np, operation.name, None))(*operands)
        assert np.asarray(result).dtype == operation.result.dtype
        values[operation.result] = result
    return [value(result) for result in program.results]


def assert_same_bits(function: Callable[..., Any], names: tuple[str, ...], *numbers: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        expected = results_of(function(*(array.copy() for array in numbers)))
        found = run(trace(function, names, numbers[0].dtype), *numbers)
    for ours, theirs in zip(found, expected, strict=True):
        dtype = np.asarray(ours).dtype
        shown = np.broadcast_to(np.asarray(ours), numbers[0].shape)
        assert isinstance(theirs, int | float) or dtype == np.asarray(theirs).dtype
        assert shown.tobytes() == np.broadcast_to(np.asarray(theirs, dtype), numbers[0].shape).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BUILT_INS)
def test_a_traced_built_in_formula_has_the_bits_of_the_formula(name: str, dtype: str) -> None:
    built_in, random = BUILT_INS[name], np.random.default_rng(0)
    signed = {"z", "g", "w"}
    numbers = [
        random.normal(0, 3, 300) if name in signed else random.uniform(1e-3, 0.999, 300) for name in built_in.arguments
    ]
    assert_same_bits(built_in.function, built_in.arguments, *(array.astype(dtype) for array in numbers))


@st.composite
def arguments(draw: Any) -> list[np.ndarray]:
    dtype = draw(st.sampled_from(DTYPES))
    numbers = st.floats(-30, 30, width=32) | st.sampled_from([0.0, -0.0, 0.1, 1e-30, math.inf, -math.inf, math.nan])
    return [draw(arrays(dtype, 7, elements=numbers)) for _ in "xy"]


@given(formulas(("x", "y")), arguments())
def test_a_traced_formula_has_the_bits_of_the_formula(function: Callable[..., Any], numbers: list[np.ndarray]) -> None:
    try:
        with np.errstate(all="ignore"):
            function(*numbers)
    except TypeError:  # a combination of types, such as −(z > 0)
        with pytest.raises(NotTraceable):
            trace(function, ["x", "y"], numbers[0].dtype)
        return
    except ValueError:  # a whole number to a negative power
        return
    assert_same_bits(function, ("x", "y"), *numbers)


def scaled_by(c: float) -> Callable[..., Any]:
    def scaled(z: Any) -> Any:
        return c * np.tanh(z)

    return scaled


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "function",
    [
        scaled_by(0.3),
        functools.partial(lambda z, c: c * z, c=0.3),
        np.tanh,
        lambda z: (z > 0).astype(z.dtype) * z,
        lambda z: (z > 0) * 0.9 + z,
        lambda z: np.where(z > 0, 1, 0) * z,
        lambda z: np.where(z, 1.0, z),
        lambda z: 1,
    ],
)
def test_closures_and_numbers_of_several_types_are_traced(function: Callable[..., Any], dtype: str) -> None:
    assert_same_bits(function, ("z",), np.array([-1.5, -0.1, 0.0, 0.3, 2.0], dtype))


def branching(z: Any) -> Any:
    if z > 0:
        return z
    return 0 * z


def changing_its_argument(z: Any) -> Any:
    z *= 2
    return z


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (branching, "it branches on an argument in line {line1} of test_formula.py: if z > 0:"),
        (changing_its_argument, "it uses multiply with out in line {line1} of test_formula.py: z *= 2"),
        (lambda z: max(z, 0), "it branches on an argument"),
        (lambda z: z - z.mean(), "it uses .mean"),
        (lambda z: z - np.sum(z), "it uses sum"),
        (lambda z: np.add.accumulate(z), "it uses add of whole arrays"),
        (lambda z: z @ z, "it uses matmul of whole arrays"),
        (lambda z: np.asarray(z), "it makes an array of an argument"),
        (lambda z: math.exp(z), "it makes a number of Python's of an argument"),
        (lambda z: z * 1j, "it uses complex 1j"),
        (lambda z: z + np.ones(3), "it uses ndarray"),
        (lambda z: z + np.random.normal(), "it computes something else each time it is called"),
        (lambda z: z + missing, "it raises NameError: name 'missing' is not defined"),  # noqa: F821
    ],
)
def test_what_cannot_be_traced_is_named_with_its_line(function: Callable[..., Any], reason: str) -> None:
    with pytest.raises(NotTraceable) as refusal:
        trace(function, ["z"], "float64")
    assert str(refusal.value).startswith(reason.format(line1=function.__code__.co_firstlineno + 1))


def test_a_value_that_is_used_twice_is_computed_once() -> None:
    program = trace(lambda z: np.exp(-z) / (1 + np.exp(-z)), ["z"], "float64")
    assert [operation.name for operation in program.operations] == ["negative", "exp", "add", "divide"]


def test_results_by_name_keep_their_names_and_no_result_has_the_name_of_an_argument() -> None:
    program = trace(lambda t0, rate: {"rate": rate * t0, "rest": 1 - rate}, ["t0"], "float64", named=["rate"])
    assert program.names == ("rate", "rest")
    assert str(program).splitlines()[0] == "t_0 = multiply(rate, t0) : float64"


def test_the_fingerprint_is_that_of_what_is_computed() -> None:
    def fingerprint(function: Callable[..., Any], dtype: str = "float64") -> str:
        return trace(function, ["z"], dtype).fingerprint

    first = fingerprint(scaled_by(0.3))
    assert first == fingerprint(lambda z: 0.3 * np.tanh(z))
    assert (
        len({first, fingerprint(scaled_by(0.4)), fingerprint(scaled_by(-0.3)), fingerprint(scaled_by(0.3), "float32")})
        == 4
    )
    assert fingerprint(lambda z: 0.0 * z) != fingerprint(lambda z: -0.0 * z)


def test_a_profiler_goes_on_after_a_formula_that_is_observed() -> None:
    def later() -> None: ...

    with cProfile.Profile() as profiler:
        assert with_locals(np.negative, 3)[0] == -3
        later()
    assert "later" in {name for _, _, name in pstats.Stats(profiler).stats}
