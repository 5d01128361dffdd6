"""Grids: arrays of formulas, on which a layer of `maths` runs as on numbers.

So the layer gives the formula of each entry. It is made when it is asked for; a grid that has a name by then is
written by its name.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from deltarule.tracing.explanation import Quantity
from deltarule.tracing.expressions import SAMPLES, Cases, Comparison, Expression, Index, Number, Series

Entry = Callable[[Index, Index], Any]

_COMPARISONS = {"greater": ">", "less": "<", "greater_equal": "≥", "less_equal": "≤"}
_LETTERS = "dklm"
"""Of indices over which a sum runs: d for inputs of a layer, the others for units."""


class Grid(NDArrayOperatorsMixin):
    """An array [rows, columns] of formulas; `letters` are those of its axes."""

    def __init__(self, shape: tuple[int, int], letters: str, entry: Entry) -> None:
        self.shape, self.letters, self._entry = shape, letters, entry
        self.quantity: Quantity | None = None
        self.ndim, self.dtype = 2, np.dtype(float)

    def __call__(self, row: Index, column: Index) -> Any:
        """The formula of an entry, or a reference to it."""
        return self.formula(row, column) if self.quantity is None else self.quantity(*self._own_axes(row, column))

    @property
    def formula(self) -> Entry:
        """The formula of an entry, whether or not the grid has a name."""
        return self._entry

    def give_name(self, quantity: Quantity) -> None:
        """Write entries as those of a quantity from now on, which may have one axis."""
        self.quantity = quantity

    def _own_axes(self, row: Index, column: Index) -> tuple[Index, ...]:
        assert self.quantity is not None
        axes = self.quantity.axes
        return (row, column)[: len(axes)] if len(axes) != 1 or axes[0] == SAMPLES else (column,)

    @property
    def real(self) -> "Grid":
        return self

    def sum(self, axis: int, keepdims: bool = False) -> "Grid":
        length = self.shape[axis]

        def total(row: Index, column: Index) -> Expression:
            letter = _free_letter(self.letters[axis], (row, column))
            return Series((letter,), (length,), lambda k: self(k, column) if axis == -2 else self(row, k))

        shape = (1, self.shape[1]) if axis == -2 else (self.shape[0], 1)
        return Grid(shape, self.letters, total)

    def mean(self, axis: int, keepdims: bool = False) -> "Grid":
        return self.sum(axis, keepdims) / self.shape[axis]

    def where_positive(self, yes: Any, no: Any) -> "Grid":
        return _elementwise(lambda test, a, b: test.where_positive(a, b), [self, yes, no])

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> "Grid":
        if method != "__call__" or options:
            raise TypeError(f"a formula has no {ufunc.__name__}.{method}")
        if ufunc is np.matmul:
            return _product(*inputs)
        if ufunc.__name__ in _COMPARISONS:
            sign = _COMPARISONS[ufunc.__name__]
            return _elementwise(lambda a, b: Comparison(a, sign, b), inputs)
        return _elementwise(ufunc, inputs)

    def __array_function__(self, function: Any, types: Any, arguments: Sequence[Any], options: Any) -> Any:
        if function is np.swapaxes:
            return Grid(self.shape[::-1], self.letters[::-1], lambda row, column: self(column, row))
        if function is np.where:
            return _elementwise(lambda test, yes, no: Cases(((test, yes),), no), arguments)
        if function in (np.sum, np.mean):
            return getattr(self, function.__name__)(*arguments[1:], **options)
        if function is np.broadcast_to:
            return _elementwise(lambda a: a, [self], tuple(arguments[1]))
        if function is np.iscomplexobj:
            return False
        raise TypeError(f"a formula has no {function.__name__}")


def _free_letter(letter: str, used: Sequence[Index]) -> str:
    if letter == SAMPLES:
        return SAMPLES
    return next(one for one in (_LETTERS if letter == "d" else _LETTERS[1:]) if one not in used)


def _product(left: Grid, right: Grid) -> Grid:
    length, inner = left.shape[1], left.letters[1]

    def entry(row: Index, column: Index) -> Expression:
        letter = _free_letter(inner, (row, column))
        return Series((letter,), (length,), lambda k: left(row, k) * right(k, column))

    return Grid((left.shape[0], right.shape[1]), left.letters[0] + right.letters[1], entry)


def _elementwise(function: Callable[..., Any], inputs: Sequence[Any], shape: tuple[int, ...] | None = None) -> Grid:
    grids = [each for each in inputs if isinstance(each, Grid)]
    rows, columns = shape or (max(grid.shape[axis] for grid in grids) for axis in (0, 1))
    widest = max(grids, key=lambda grid: grid.shape)

    def entry(row: Index, column: Index) -> Any:
        parts = (each(row, column) if isinstance(each, Grid) else Number(float(each)) for each in inputs)
        return function(*parts)

    return Grid((rows, columns), widest.letters, entry)
