"""Grids: arrays of numbers with a formula for each, on which the passes of `maths` run as on numbers alone.

The formula of an entry is made when it is asked for; a grid that has a name by then is written by its name.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from deltarule.maths.elementary import select
from deltarule.tracing.explanation import Quantity
from deltarule.tracing.expressions import SAMPLES, Cases, Comparison, Expression, Index, Number, Series

Entry = Callable[[Index, Index], Any]

_COMPARISONS = {"greater": ">", "less": "<", "greater_equal": "≥", "less_equal": "≤"}
_LETTERS = "dklm"
"""Of indices over which a sum runs: d for inputs of a layer, the others for units."""
MAX_REPEATED = 8
"""Operations and arrays of a formula that may be written in several places; a longer one gets a name."""
_numbers = count()


class Grid(NDArrayOperatorsMixin):
    """An array [.., rows, columns] of numbers and their formulas; `letters` are those of its last two axes.

    `operands` are the grids from which it was computed: an entry from one of theirs or, where it `sums`, from several.
    """

    def __init__(
        self, array: Any, letters: str, formula: Entry | None = None, operands: Sequence[Any] = (), sums: bool = False
    ) -> None:
        self.array, self.letters, self.formula, self.sums = array, letters, formula, sums
        self.number, self.is_transposed = next(_numbers), False
        self.operands = tuple(each for each in operands if isinstance(each, Grid))
        self.quantity: Quantity | None = None

    def __call__(self, row: Index, column: Index) -> Any:
        """The formula of an entry, or a reference to it."""
        if self.quantity is not None:
            axes = self.quantity.axes
            return self.quantity(*((column,) if len(axes) == 1 and axes[0] != SAMPLES else (row, column)[: len(axes)]))
        if self.formula is None:
            raise TypeError("what computed these numbers has no formula")
        return self.formula(row, column)

    def give_name(self, quantity: Quantity) -> "Grid":
        """Write entries as those of a quantity from now on."""
        self.quantity = quantity
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        return np.shape(self.array)[-2:] or (1, 1)

    @property
    def ndim(self) -> int:
        return 2

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.asarray(self.array).dtype

    @property
    def real(self) -> "Grid":
        return self

    def sum(self, axis: int, keepdims: bool = False) -> "Grid":
        length = self.shape[axis]

        def total(row: Index, column: Index) -> Expression:
            letter = _free_letter(self.letters[axis], (row, column))
            return Series((letter,), (length,), lambda k: self(k, column) if axis == -2 else self(row, k))

        return Grid(self.array.sum(axis, keepdims=True), self.letters, total, [self], sums=True)

    def mean(self, axis: int, keepdims: bool = False) -> "Grid":
        total = self.sum(axis) / self.shape[axis]
        return Grid(self.array.mean(axis, keepdims=True), self.letters, total.formula, [self], sums=True)

    def where_positive(self, yes: Any, no: Any) -> "Grid":
        return _elementwise(lambda test, a, b: test.where_positive(a, b), [self, yes, no], select)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a formula is no array")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> "Grid":
        if method != "__call__" or options:
            raise TypeError(f"a formula has no {ufunc.__name__}.{method}")
        if ufunc is np.matmul:
            return _product(*inputs)
        if ufunc.__name__ in _COMPARISONS:
            sign = _COMPARISONS[ufunc.__name__]
            return _elementwise(lambda a, b: Comparison(a, sign, b), inputs, ufunc)
        return _elementwise(ufunc, inputs)

    def __array_function__(self, function: Any, types: Any, arguments: Sequence[Any], options: Any) -> Any:
        if function is np.swapaxes:
            array = np.swapaxes(self.array, -1, -2)
            transposed = Grid(array, self.letters[::-1], lambda row, column: self(column, row), [self])
            transposed.is_transposed = True
            return transposed
        if function is np.where:
            return _elementwise(lambda test, yes, no: Cases(((test, yes),), no), arguments, np.where)
        if function in (np.sum, np.mean):
            return getattr(self, function.__name__)(*arguments[1:], **options)
        if function is np.broadcast_to:
            shape = (*np.shape(self.array)[:-2], *arguments[1])
            return _elementwise(lambda a: a, [self], lambda array: np.broadcast_to(array, shape))
        if function is np.clip and len(arguments) == 3 and not options:
            return np.minimum(np.maximum(self, arguments[1]), arguments[2])
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

    return Grid(left.array @ right.array, left.letters[0] + right.letters[1], entry, [left, right], sums=True)


def _elementwise(
    function: Callable[..., Any], inputs: Sequence[Any], of_numbers: Callable[..., Any] | None = None
) -> Grid:
    """Combine entries by a function of formulas, and one of numbers where that is another."""
    widest = max((each for each in inputs if isinstance(each, Grid)), key=lambda grid: grid.shape)
    numbers = [each.array if isinstance(each, Grid) else each for each in inputs]

    def entry(row: Index, column: Index) -> Any:
        parts = (each(row, column) if isinstance(each, Grid) else Number(float(each)) for each in inputs)
        return function(*parts)

    return Grid((of_numbers or function)(*numbers), widest.letters, entry, inputs)


def read_repeatedly(results: Sequence[Any]) -> list[Grid]:
    """The grids behind some results that need a name, in order, so that their formulas are written once.

    These are sums that a sum reads, and long formulas that are read more than once.
    """
    stack, grids = [each for each in results if isinstance(each, Grid)], dict[int, Grid]()
    of_results = {grid.number for grid in stack}
    while stack:
        grid = stack.pop()
        if grid.number not in grids:
            grids[grid.number] = grid
            stack.extend(grid.operands)
    reads: dict[int, int] = {}
    summed: set[int] = set()
    in_order = [grids[number] for number in sorted(grids)]
    for grid in in_order:
        operands = [] if grid.is_transposed else [_not_transposed(each).number for each in grid.operands]
        reads.update({number: reads.get(number, 0) + operands.count(number) for number in operands})
        summed.update(operands if grid.sums else [])
    lengths: dict[int, int] = {}
    sums: set[int] = set()
    chosen = []
    for grid in in_order:
        number = grid.number
        lengths[number] = 1 + sum(lengths[each.number] for each in grid.operands)
        if grid.sums or any(each.number in sums for each in grid.operands):
            sums.add(number)
        is_long = number in (summed & sums) or (reads.get(number, 0) > 1 and lengths[number] > MAX_REPEATED)
        is_chosen = is_long and grid.quantity is None and not grid.is_transposed and number not in of_results
        if is_chosen:
            chosen.append(grid)
        if is_chosen or grid.quantity is not None:
            lengths[number] = 1
            sums.discard(number)
    return chosen


def _not_transposed(grid: Grid) -> Grid:
    return _not_transposed(grid.operands[0]) if grid.is_transposed else grid
