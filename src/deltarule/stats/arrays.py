"""Check that arguments of statistics are arrays of numbers."""

import reprlib
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats


def numbers(what: str, given: Any, axes: int, wanted: str) -> Floats:
    """Convert an argument to a float64 array with a number of axes.

    Parameters: `what` (plural) and `wanted` are words for the message.
    Errors: `BadInput` for texts (of numbers, too), numbers too large for float64, ragged rows and other shapes.

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
