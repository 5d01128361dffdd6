"""Elementary functions of vectors are within 2.5 units in the last place, and right at the ends."""

import mpmath
import numpy as np
import pytest

from deltarule.engines.compiled.elementary import FUNCTIONS, definitions
from deltarule.engines.compiled.machine_code import compiled
from deltarule.engines.compiled.values import KINDS, FunctionText

LANES = 4
RANGES = {
    "exp": (-80, 80),
    "expm1": (-5, 5),
    "log": (1e-30, 50),
    "log1p": (-0.9, 50),
    "tanh": (-9, 9),
    "erf": (-5, 5),
    "arctan": (-9, 9),
    "sinh": (-9, 9),
    "cosh": (-9, 9),
    "sin": (-60, 60),
    "cos": (-60, 60),
    "power": (0.01, 1),
}
"""The arguments between which a function is compared."""


def apply(name: str, *arguments: np.ndarray, features: str | None = None) -> np.ndarray:
    """Compute a function of arrays, whose sizes the lanes divide."""
    kind, text = KINDS[arguments[0].dtype.name], FunctionText(LANES)

    def one(index):
        given = [text.load(f"%x{number}", index, kind) for number in range(len(arguments))]
        text.store(text.call(name, *given), "%y", index)

    text.loop("%count", one)
    pointers = ", ".join(f"ptr %{name}" for name in [*(f"x{number}" for number in range(len(arguments))), "y"])
    head = f"define void @apply(i64 %count, {pointers}) {{"
    body = "\n".join([definitions(text.called, LANES), head, *text.lines, "  ret void", "}"])
    memory = np.zeros((len(arguments) + 1, arguments[0].size + 16), arguments[0].dtype)
    rows = [row[-row.ctypes.data % 64 // row.itemsize :][: arguments[0].size] for row in memory]
    for row, argument in zip(rows, arguments, strict=False):
        row[:] = argument
    run = compiled(body, "apply", len(rows) + 1, features)
    run.call(arguments[0].size // LANES, *(row.ctypes.data for row in rows))
    return rows[-1].copy()


def arguments_of(name: str, dtype: str) -> list[np.ndarray]:
    rng, (low, high) = np.random.default_rng(0), RANGES[name]
    x = np.concatenate([rng.uniform(low, high, 196), rng.uniform(low, high, 4) / 1000])
    exponents = [rng.uniform(-8, 8, 200)] if name == "power" else []
    return [array.astype(dtype) for array in (x, *exponents)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_accurate_to_its_last_digits(name: str, dtype: str) -> None:
    arguments = arguments_of(name, dtype)
    computed = apply(name, *arguments)
    exact = getattr(mpmath, {"arctan": "atan"}.get(name, name))
    with mpmath.workdps(50):
        for result, *given in zip(computed, *arguments, strict=True):
            expected = exact(*map(mpmath.mpf, map(float, given)))
            # exp of a product of 100 multiplies the product's own rounding error.
            allowed = 2.5 + (abs(float(mpmath.log(expected))) if name == "power" else 0)
            unit = float(np.spacing(np.dtype(dtype).type(abs(float(expected)))))
            if name in ("sin", "cos"):
                unit = max(unit, float(np.spacing(np.dtype(dtype).type(1e-3))))
            assert abs(mpmath.mpf(float(result)) - expected) <= allowed * unit, (given, result, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ends(dtype: str) -> None:
    x = np.array([np.inf, -np.inf, np.nan, 0.0], dtype)
    nan, inf = np.nan, np.inf
    expected = {
        "exp": [inf, 0, nan, 1],
        "expm1": [inf, -1, nan, 0],
        "log": [inf, nan, nan, -inf],
        "log1p": [inf, nan, nan, 0],
        "tanh": [1, -1, nan, 0],
        "erf": [1, -1, nan, 0],
        "arctan": [np.pi / 2, -np.pi / 2, nan, 0],
        "sinh": [inf, -inf, nan, 0],
        "cosh": [inf, inf, nan, 1],
    }
    for name, values in expected.items():
        np.testing.assert_array_equal(apply(name, x), np.array(values, dtype), err_msg=name)


def test_powers_of_negative_numbers_and_of_ends_are_those_of_numpy() -> None:
    bases = np.array([-2.0, -2.0, -0.5, -1.5, 0.0, 0.0, 1.0, 0.5, 0.5, np.nan, 3.0, -np.inf])
    exponents = np.array([3.0, 2.0, -3.0, 0.5, 0.0, 2.0, np.inf, np.inf, -np.inf, 2.0, np.nan, 3.0])
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(apply("power", bases, exponents), bases**exponents, rtol=1e-14)


def test_the_smallest_and_largest_numbers_have_logarithms() -> None:
    x = np.array([0.0, 2.2250738585072014e-308, 1.5, 1e308])
    np.testing.assert_allclose(apply("log", x), [-np.inf, *np.log(x[1:])], rtol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_processor_computes_the_same_bits(name: str, dtype: str) -> None:
    arguments = arguments_of(name, dtype)
    expected = apply(name, *arguments)
    for features in ("+avx2,+fma", "+sse4.2"):
        assert apply(name, *arguments, features=features).tobytes() == expected.tobytes()
