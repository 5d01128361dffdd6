"""The few helpers that the elementwise formulas are written with.

x, z            what a formula is computed of: numbers or arrays, real or complex
test, yes, no   of a choice: yes where the real part of test is above 0, no elsewhere

The formulas of `activations`, `losses`, `penalties`, `optimizers` and `schedules` run on real arrays, those with a
derivative on complex arrays too (the complex step proves it with them), and, one number at a time, inside compiled
programs. So they never ask for an absolute value, or for a maximum but of real parts, which would lose the imaginary
part without a word: a choice is made by `select`.
"""

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any, Generic, TypeVar

import numpy as np

Array = Any
"""A number or a NumPy array, real or complex: the formulas do not care which."""

Value = TypeVar("Value")

MANY = 500
"""Numbers from which on a choice by bits takes less time than NumPy's."""
BITS: dict[Any, type] = {np.dtype(np.float64): np.int64, np.dtype(np.float32): np.int32}
"""The whole numbers in which the bits of others are seen."""


class Fixed(Mapping[str, Value], Generic[Value]):
    """A table that nobody changes; unlike a `MappingProxyType` it can be copied and pickled.

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
    """Choose `yes` where the real part of `test` is above 0, and `no` elsewhere (also where it is NaN).

    Python numbers take the dtype of `test`, so that a formula in float32 stays in float32; where `test` holds whole
    numbers they stay what they are.

    >>> select(np.array([-1.0, 0.0, 2.0]), 1.0, 0.0)
    array([0., 0., 1.])
    """
    test = np.asarray(test)
    above, yes, no = test.real > 0, _like(yes, test), _like(no, test)
    if test.size >= MANY and test.dtype in BITS and _is_plain(yes, test.dtype) and _is_plain(no, test.dtype):
        return _of_two(above, yes, no, BITS[test.dtype])
    return np.where(above, yes, no)


def smaller(a: Array, b: Array) -> Array:
    """The smaller of two real numbers, by a choice; a NaN is passed on.

    >>> smaller(np.array([1.0, 3.0]), 2.0)
    array([1., 2.])
    """
    return select(b - a, a, b + 0 * a)


def _is_plain(value: Array, dtype: np.dtype[Any]) -> bool:
    """Whether a value is a number or an array of this dtype, and nothing that only behaves as one."""
    return type(value) in (np.ndarray, dtype.type) and value.dtype == dtype


def _of_two(above: np.ndarray, yes: Array, no: Array, whole: type) -> Array:
    """What `np.where` comes to, by bits: those in which `yes` differs from `no` are turned where `above` is true.

    NumPy asks number by number. As the signs of a network's sums cannot be foretold, a processor goes wrong at every
    other one, and takes five times as long.
    """
    other, one = no.view(whole), yes.view(whole)
    turned = np.negative(above.view(np.int8)).astype(whole) & (one ^ other)
    turned ^= other
    return turned.view(no.dtype)


def everywhere(formula: Callable[..., Any], *arrays: Array, **named: Array) -> Any:
    """A formula of real numbers at every place of arrays, whose bits depend on nothing but the numbers at the place.

    NumPy takes another way to a power where all exponents are one number in memory, as in an array of one: a square
    root, or a product. So arrays are copied to one shape where theirs is another, and a single number is doubled, so
    that NumPy always takes the same way.

    >>> powers = everywhere(lambda t, power: t**power, np.arange(1.0, 4.0)[:, None], np.array([0.5, 0.5]))
    >>> alone = everywhere(lambda t, power: t**power, np.array([3.0]), power=np.array([0.5]))
    >>> powers.shape, bool(powers[2, 0] == alone[0])
    ((3, 2), True)
    """
    shape = np.broadcast_shapes(*(np.shape(array) for array in (*arrays, *named.values())))
    size = prod(shape)

    def flat(array: Array) -> np.ndarray:
        own = np.broadcast_to(array, shape).ravel()
        return own.repeat(2) if size == 1 else own

    def shaped(found: np.ndarray) -> np.ndarray:
        return found[:size].reshape(shape)

    found = formula(*(flat(array) for array in arrays), **{name: flat(array) for name, array in named.items()})
    return tuple(shaped(one) for one in found) if isinstance(found, tuple) else shaped(found)


def erf(z: Array) -> Array:
    """The error function, for real and complex numbers.

    >>> float(erf(0.0))
    0.0
    """
    from scipy.special import erf as scipy_erf  # imported on use: `import deltarule` stays light

    return scipy_erf(z)


def log1p(x: Array) -> Array:
    """log(1 + x), to the last digits near 0 for complex numbers too, where NumPy's has only those of log.

    >>> complex(log1p(1e-20 + 1e-20j))
    (1e-20+1e-20j)
    """
    if not np.iscomplexobj(x):
        return np.log1p(x)
    real, imaginary = np.real(x), np.imag(x)
    return np.log1p(real * (2 + real) + imaginary * imaginary) / 2 + 1j * np.arctan2(imaginary, 1 + real)


def expm1(x: Array) -> Array:
    """eˣ − 1, to the last digits near 0 for complex numbers too, where NumPy's has only those of eˣ.

    >>> complex(expm1(1e-20 + 1e-20j))
    (1e-20+1e-20j)
    """
    if not np.iscomplexobj(x):
        return np.expm1(x)
    real, imaginary = np.real(x), np.imag(x)
    return np.expm1(real) * np.cos(imaginary) - 2 * np.sin(imaginary / 2) ** 2 + 1j * np.exp(real) * np.sin(imaginary)


def _like(value: Array, array: np.ndarray) -> Array:
    return array.dtype.type(value) if isinstance(value, int | float) and array.dtype.kind in "fc" else value
