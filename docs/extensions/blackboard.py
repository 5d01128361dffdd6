"""The arithmetic of a blackboard, on numbers, arrays or SymPy's expressions; what is sloppy in NumPy is refused here.

a b      of two matrices the matrix product: shapes must conform
a ⊙ b    entry by entry: shapes must be equal
a + b    shapes must be equal, or b is a row [1, H] that is added to every row of a [B, H], as biases are
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sympy
from scipy.special import erf

TOLERANCE = 1e-11


@dataclass(frozen=True)
class Values:
    """What the letters of a formula stand for.

    names   values by the name as it is printed: "z", "W^1", "hat z", "∂J/∂W"; functions may be among them
    ranges  for each letter that is an index, the last number that it takes; the first is 1
    after   values that stand left of an arrow
    """

    names: Mapping[str, Any]
    ranges: Mapping[str, int] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    def with_names(self, **names: Any) -> "Values":
        """The same with some more names, such as the number that an index is."""
        return replace(self, names={**self.names, **names})


class DoesNotConform(ValueError):
    """Arrays whose shapes do not fit are multiplied, added or set equal."""


def multiply(a: Any, b: Any) -> Any:
    """A product: of numbers, of a number and an array, or of two matrices (or a matrix and a vector).

    >>> multiply(np.ones((2, 3)), np.ones((2, 3)))  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
        ...
    DoesNotConform: there is no product of the shapes (2, 3) and (2, 3)
    """
    if not _shape(a) or not _shape(b):
        return a * b
    _need(len(_shape(a)) + len(_shape(b)) > 2 and _shape(a)[-1] == _shape(b)[0], "product", a, b)
    return a @ b


def entrywise(a: Any, b: Any) -> Any:
    """The product entry by entry."""
    _need(_shape(a) == _shape(b), "product entry by entry", a, b)
    return a * b


def divide(a: Any, b: Any) -> Any:
    """The quotient by a number."""
    _need(not _shape(b), "quotient", a, b)
    return a / b


def add(a: Any, b: Any) -> Any:
    """The sum of equal shapes, or of rows and the one row that is added to each of them."""
    _need(_shape(a) == _shape(b) or (len(_shape(a)) == 2 and _shape(b) == (1, _shape(a)[1])), "sum", a, b)
    return a + b


def subtract(a: Any, b: Any) -> Any:
    """The difference, for which the same holds."""
    return add(a, -b)


def power(a: Any, b: Any) -> Any:
    """The power of a number."""
    _need(not _shape(a), "power", a, b)
    return a**b


def where(condition: Any, yes: Any, no: Any) -> Any:
    """Where the condition holds one, elsewhere the other."""
    if is_symbolic(condition):
        return sympy.Piecewise((yes, condition), (no, True))
    return np.where(condition, yes, no) if _shape(condition) else (yes if condition else no)


def function(name: str) -> Callable[[Any], Any]:
    """The function of that name: SymPy's for expressions, NumPy's (or SciPy's) for numbers.

    >>> float(function("exp")(0.0)), function("exp")(sympy.Symbol("x"))
    (1.0, exp(x))
    """

    def applied(argument: Any) -> Any:
        if is_symbolic(argument):
            return getattr(sympy, name)(argument)
        return (erf if name == "erf" else getattr(np, name))(argument)

    return applied


def is_symbolic(one: Any) -> bool:
    """Whether it is an expression of SymPy's, or an array of such."""
    return isinstance(one, sympy.Basic) or getattr(one, "dtype", None) == np.dtype(object)


def equal(a: Any, b: Any) -> bool:
    """Whether two values are equal: expressions for every number, numbers but for rounding.

    >>> x = sympy.Symbol("x")
    >>> equal(x * (x + 1), x * x + x), equal(0.1 + 0.2, 0.3), equal(0.3, 0.30015)
    (True, True, False)
    """
    _need(_shape(a) == _shape(b), "equality", a, b)
    if is_symbolic(difference := a - b):
        return all(sympy.simplify(entry) == 0 for entry in np.ravel(difference))
    return bool((np.abs(difference) <= TOLERANCE * np.maximum(1, np.maximum(np.abs(a), np.abs(b)))).all())


def _shape(one: Any) -> tuple[int, ...]:
    return tuple(getattr(one, "shape", ()))


def _need(fitting: bool, what: str, a: Any, b: Any) -> None:
    if not fitting:
        raise DoesNotConform(f"there is no {what} of the shapes {_shape(a)} and {_shape(b)}")
