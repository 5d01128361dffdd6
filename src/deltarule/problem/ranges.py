"""Ranges of numbers, and those of the parameters of formulas."""

import math
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput, short_repr
from deltarule.maths.optimizers import HYPERPARAMETERS


class Range(NamedTuple):
    """The allowed values of a finite number: as text, and as bounds (allowed themselves unless open) or as a list."""

    words: str
    low: float = -math.inf
    high: float = math.inf
    is_low_open: bool = False
    is_high_open: bool = False
    is_whole: bool = False
    values: tuple[float, ...] = ()

    def allows(self, number: Any) -> Any:
        """Whether a number, or each of an array, is allowed; NaN never is."""
        if self.values:
            return np.isin(number, self.values)
        from_low = number > self.low if self.is_low_open else number >= self.low
        return from_low & (number < self.high if self.is_high_open else number <= self.high)

    def fits(self, value: Any) -> bool:
        """Whether a value is a finite number of Python's in this range."""
        is_number = isinstance(value, int if self.is_whole else int | float) and not isinstance(value, bool)
        return is_number and abs(value) <= sys.float_info.max and bool(self.allows(value))

    def check(self, name: str, value: Any) -> Any:
        """Return a number as Python's; `BadInput` unless it is in this range."""
        number = value.item() if isinstance(value, np.generic | np.ndarray) and np.ndim(value) == 0 else value
        if not self.fits(number):
            raise BadInput(f"{name} is {short_repr(value)}; give {self.words}")
        return number


FINITE = Range("a finite number")
NOT_NEGATIVE = Range("a number of 0 or more", 0)
POSITIVE = Range("a number above 0", 0, is_low_open=True)
SHARE = Range("a number from 0 to under 1", 0, 1, is_high_open=True)
FROM_1 = Range("a number of 1 or more", 1)
FROM_2 = Range("a number of 2 or more", 2)
WHOLE = Range("a whole number of 0 or more", 0, is_whole=True)
COUNT = Range("a whole number of 1 or more", 1, is_whole=True)


_OF_OPTIMIZERS = {
    "not negative": NOT_NEGATIVE,
    "positive": POSITIVE,
    "share": SHARE,
    "divisor": Range("a number above 0, up to 1", 0, 1, is_low_open=True),
    "factor": FROM_1,
}

PARAMETERS: Mapping[str, Range] = {
    "huber.delta": POSITIVE,
    "quantile.quantile": Range("a number between 0 and 1", 0, 1, is_low_open=True, is_high_open=True),
    "naive_binary_cross_entropy.epsilon": NOT_NEGATIVE,
    "normal.std": NOT_NEGATIVE,
    "orthogonal.gain": NOT_NEGATIVE,
    "uniform.range": NOT_NEGATIVE,
    "positive_uniform.range": NOT_NEGATIVE,
    **{
        f"{optimizer}.{name}": _OF_OPTIMIZERS[number.allowed]
        for optimizer, numbers in HYPERPARAMETERS.items()
        for name, number in numbers.items()
    },
    "step.every": FROM_1,
    "step.factor": POSITIVE,
    "exponential.factor": POSITIVE,
    "inverse_scaling.power": NOT_NEGATIVE,
    "adaptive.divide": FROM_1,
    "adaptive.tolerance": NOT_NEGATIVE,
    "adaptive.patience": FROM_1,
    "squaring.every": FROM_1,
    "squaring.at_start": Range("0 or 1", values=(0, 1)),
    "cosine.steps": FROM_1,
    "cosine.lowest": NOT_NEGATIVE,
    "cosine.warm_up": NOT_NEGATIVE,
    "coslog4.steps": FROM_1,
    "flat_cosine.steps": FROM_1,
    "flat_cosine.flat": SHARE,
    "warm_up.steps": NOT_NEGATIVE,
    "linear_ramp.steps": FROM_2,
    "linear_ramp.highest": NOT_NEGATIVE,
    "exponential_ramp.steps": FROM_2,
    "exponential_ramp.highest": POSITIVE,
}
"""The allowed values of built-in formulas' parameters, as "formula.parameter"; any finite number if not listed."""


def quoted(choices: tuple[str, ...]) -> str:
    *others, last = (f'"{choice}"' for choice in choices)
    return f"{', '.join(others)} or {last}"


def to_float64(values: Any) -> NDArray[Any] | None:
    array = to_array(values)
    return None if array is None or array.dtype.kind not in "iuf" else array.astype(np.float64)


def to_array(values: Any) -> NDArray[Any] | None:
    try:
        return None if hasattr(values, "mask") and np.ma.is_masked(values) else np.asarray(values)
    except ValueError:
        return None
