"""What statistics are given, as arrays of numbers."""

import reprlib
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats


def numbers(what: str, given: Any, axes: int, wanted: str) -> Floats:
    """An array of float64 with so many axes.

    Parameters: `what` it holds, in the plural, and what is `wanted`, for the sentence.
    Errors: `BadInput` for texts, also those of numbers, numbers too large for float64, rows of different lengths, and
    other shapes.

    >>> numbers("the values", ["a", 1], 1, "one row of numbers")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: the values are ['a', 1]; give one row of numbers
    """
    try:
        array = np.asarray(given)
        if array.dtype.kind in "cSU" or (array.dtype.kind == "O" and any(isinstance(one, str) for one in array.flat)):
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise BadInput(f"{what} are {reprlib.repr(given)}; give {wanted}") from None
    except OverflowError:
        raise BadInput(f"{what} hold a number beyond 1.8e308; give {wanted} that are smaller") from None
    if array.ndim != axes:
        raise BadInput(f"{what} have the shape {array.shape}; give {wanted}")
    return array
