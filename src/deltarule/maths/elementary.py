"""Functions that the elementwise formulas are built from.

x, z            arguments of a formula: numbers or arrays, real or complex
test, yes, no   a choice: yes where the real part of test is above 0, no elsewhere

The formulas of `activations`, `losses`, `penalties`, `optimizers` and `schedules` run on real arrays, those with a
derivative on complex arrays too (the complex step proves it with them), and, one number at a time, inside compiled
programs. So they use no absolute value, and no maximum except of real parts: these would lose the imaginary part
without a warning. A choice is made by `select`.
"""

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any, Generic, TypeVar

import numpy as np

Array = Any
"""A number or a NumPy array, real or complex."""

Value = TypeVar("Value")

MIN_SIZE_BY_BITS = 500
"""Size from which on a choice by bits takes less time than NumPy's."""
INTEGER_TYPES: dict[Any, type] = {np.dtype(np.float64): np.int64, np.dtype(np.float32): np.int32}
"""Integer types of the same width, in which the bits of numbers are viewed."""


class Fixed(Mapping[str, Value], Generic[Value]):
    """A read-only mapping; unlike a `MappingProxyType` it can be copied and pickled.

    >>> Fixed({"slope": 0.01})
    {'slope': 0.01}
    """

    def __init__(self, given: Mapping[str, Value] | tuple[()] = ()) -> None:
        self._given = dict(given)

    def __getitem__(self, name: str) -> Value:
        return self._given[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)

    def __repr__(self) -> str:
        return repr(self._given)


def select(test: Array, yes: Array, no: Array) -> Array:
    """Choose `yes` where the real part of `test` is above 0, and `no` elsewhere.

    Where it is NaN, `no` is chosen. Python numbers take the dtype of `test`, so that a formula in float32 stays in
    float32; where `test` holds whole numbers they stay what they are.
    """
    if hasattr(test, "where_positive"):  # a formula that is to be read: see `tracing.expressions`
        return test.where_positive(yes, no)
    test = np.asarray(test)
    above, yes, no = test.real > 0, _in_dtype_of(yes, test), _in_dtype_of(no, test)
    if (
        test.size >= MIN_SIZE_BY_BITS
        and test.dtype in INTEGER_TYPES
        and _is_plain(yes, test.dtype)
        and _is_plain(no, test.dtype)
    ):
        return _where_by_bits(above, yes, no, INTEGER_TYPES[test.dtype])
    return np.where(above, yes, no)


def smaller(a: Array, b: Array) -> Array:
    """The smaller of two real numbers, by a choice; a NaN is passed on.

    >>> smaller(np.array([1.0, 3.0]), 2.0)
    array([1., 2.])
    """
    return select(b - a, a, b + 0 * a)


def larger(a: Array, b: Array) -> Array:
    """The larger of two real numbers, by a choice; a NaN is passed on."""
    return select(a - b, a, b + 0 * a)


def _is_plain(value: Array, dtype: np.dtype[Any]) -> bool:
    return type(value) in (np.ndarray, dtype.type) and value.dtype == dtype


def _where_by_bits(condition: np.ndarray, yes: Array, no: Array, integer_type: type) -> Array:
    # np.where branches for every number: a processor cannot predict the signs of a network's sums, mispredicts every
    # other one, and takes five times as long
    no_bits, yes_bits = no.view(integer_type), yes.view(integer_type)
    flipped = np.negative(condition.view(np.int8)).astype(integer_type) & (yes_bits ^ no_bits)
    flipped ^= no_bits
    return flipped.view(no.dtype)


def everywhere(formula: Callable[..., Any], *arrays: Array, **named: Array) -> Any:
    """Apply an elementwise formula, so that bits depend only on a position's numbers.

    NumPy computes a power in another way, by a square root or a product, where all exponents are one number in memory,
    as in an array of size 1. So arrays are copied to one common shape, and a single number is doubled, so that NumPy
    always computes in the same way.
    """
    shape = np.broadcast_shapes(*(np.shape(array) for array in (*arrays, *named.values())))
    size = prod(shape)

    def flat(array: Array) -> np.ndarray:
        copied = np.broadcast_to(array, shape).ravel()
        return copied.repeat(2) if size == 1 else copied

    def shaped(flat_result: np.ndarray) -> np.ndarray:
        return flat_result[:size].reshape(shape)

    result = formula(*(flat(array) for array in arrays), **{name: flat(array) for name, array in named.items()})
    if isinstance(result, dict):
        return {name: shaped(array) for name, array in result.items()}
    return tuple(shaped(array) for array in result) if isinstance(result, tuple) else shaped(result)


def erf(z: Array) -> Array:
    """The error function, for real and complex numbers."""
    from scipy.special import erf as scipy_erf  # imported on use: `import deltarule` stays light

    return scipy_erf(z)


def log1p(x: Array) -> Array:
    """log(1 + x), to the last digits near 0 for complex numbers too."""
    if not np.iscomplexobj(x):
        return np.log1p(x)
    real, imaginary = np.real(x), np.imag(x)
    return np.log1p(real * (2 + real) + imaginary * imaginary) / 2 + 1j * np.arctan2(imaginary, 1 + real)


def expm1(x: Array) -> Array:
    """eˣ − 1, to the last digits near 0 for complex numbers too."""
    if not np.iscomplexobj(x):
        return np.expm1(x)
    real, imaginary = np.real(x), np.imag(x)
    return np.expm1(real) * np.cos(imaginary) - 2 * np.sin(imaginary / 2) ** 2 + 1j * np.exp(real) * np.sin(imaginary)


def _in_dtype_of(value: Array, array: np.ndarray) -> Array:
    return array.dtype.type(value) if isinstance(value, int | float) and array.dtype.kind in "fc" else value
