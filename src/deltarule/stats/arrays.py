"""Convert arguments to arrays of numbers, or report what is wrong with them."""

import reprlib
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats


def float_array(plural_name: str, values: Any, ndim: int, expected: str) -> Floats:
    """Convert `values` to a float64 array with `ndim` axes.

    Raises
    ------
    BadInput
        For texts, ragged rows and other shapes.

    Examples
    --------
    >>> float_array("the values", ["a", 1], 1, "one row of numbers")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: the values are ['a', 1]; give one row of numbers
    """
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise BadInput(f"{plural_name} are {reprlib.repr(values)}; give {expected}") from None
    if array.ndim != ndim:
        raise BadInput(f"{plural_name} have the shape {array.shape}; give {expected}")
    return array
