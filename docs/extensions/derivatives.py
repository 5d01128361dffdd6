"""Derivatives that need no formula of ours: what the formulas of the pages are held against."""

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy

_STEP = 2.0**-100


def jacobian(function: Callable[[Any], Any], x: Any) -> Any:
    """∂f/∂x of a function of an array by the complex step, exact to rounding; the indices of f come first.

    Source: Squire & Trapp 1998

    >>> jacobian(lambda x: x * x, np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])
    """
    x = np.asarray(x, complex)
    columns = []
    for i in range(x.size):
        moved = x.copy()
        moved.flat[i] += 1j * _STEP
        columns.append(np.imag(function(moved)) / _STEP)
    return np.stack(columns, -1).reshape((*np.shape(columns[0]), *x.shape))


def symbols(name: str, *shape: int) -> Any:
    """An array of real symbols.

    >>> symbols("x", 1, 2)
    array([[x_11, x_12]], dtype=object)
    """
    names = (name + "_" + "".join(str(i + 1) for i in index) for index in np.ndindex(*shape))
    return np.array([sympy.Symbol(one, real=True) for one in names], object).reshape(shape)


def gradient(expression: Any, array: Any) -> Any:
    """∂J/∂x of an expression by each symbol of an array, by SymPy.

    >>> x = symbols("x", 2)
    >>> gradient(x[0] * x[1], x)
    array([x_2, x_1], dtype=object)
    """
    return np.array([sympy.diff(expression, symbol) for symbol in array.flat], object).reshape(array.shape)
