"""Print operations on arrays of any form: loops over the axes of the result, and within them over what is summed.

Rows are computed in tiles, wherever their axis is. Each sum is made in one order, whatever the tiles.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from deltarule.engines.compiled.arrays import Arrays, Coordinates, Row
from deltarule.engines.compiled.places import parts_of
from deltarule.engines.compiled.plan import Group, Plan
from deltarule.engines.compiled.printed import NotPrintable
from deltarule.engines.compiled.values import KINDS, FunctionText, Index, Value
from deltarule.engines.compiled.views import without_members
from deltarule.program.program import ROWS, Axis, Operand, Operation

At = list[Any]
"""Coordinates: an `Index` for each axis, and a `Row` for that of rows."""


class GeneralLoops:
    """Prints groups for which no loop is written by hand."""

    arrays: Arrays
    plan: Plan
    text: FunctionText

    def general(self, group: Group, rows: int) -> None:
        """Print a group, for so many rows of a tile, or for whole arrays (0)."""
        first = group.first
        if first.name in ("concatenate", "pad"):
            self._join(first, rows)
        elif self.plan.sums_rows(first):
            self._sum_over_rows(first, rows)
        elif first.kind == "reduction":
            self._reduce_entries(first, rows)
        else:
            self._lines(group, rows)

    def nest(self, axes: Sequence[Axis], body: Callable[..., Any], carried: Sequence[Value] = ()) -> Sequence[Value]:
        """Print body(coordinates, *carried) in a loop within a loop for each axis; rows have no loop, as a tile has."""
        if not axes:
            return body([], *carried) or ()

        def within(i: Index, *carried: Value) -> Sequence[Value]:
            return self.nest(axes[1:], lambda at, *inner: body([i, *at], *inner), carried)

        return self.text.loop(1 if axes[0] == ROWS else int(axes[0]), within, carried)

    def _rows_of(self, axes: Sequence[Axis], at: At, rows: int) -> list[At]:
        """Return coordinates for each row of a tile, or once where there are no rows."""
        if ROWS not in axes:
            return [at]
        place = axes.index(ROWS)
        return [[*at[:place], Row(r), *at[place + 1 :]] for r in range(rows)]

    def _lines(self, group: Group, rows: int) -> None:
        """Print a product or an elementwise operation, and what follows it, line by line."""
        *leading, last = without_members(group.first.result.axes)

        def of_line(at: At) -> None:
            if last == ROWS:
                self._block(group, [at], Row(0), rows)
            else:
                lines = self._rows_of(leading, at, rows)
                self.blocks(int(last), lambda j, many: self._block(group, lines, j, many))

        self.nest(leading, of_line)

    def _general_product(
        self, operation: Operation, lines: Sequence[Coordinates], j: Index | Row, many: int
    ) -> dict[tuple[int, int], Value]:
        """Return the sums of some units of some lines, of stacks of arrays."""
        left, right = operation.operands
        kind = KINDS[operation.result.dtype.name]
        tile = [(r, u) for r in range(len(lines)) for u in range(many)]
        if ROWS in left.axes[-1:]:
            raise NotPrintable("a product that mixes rows")

        def add(q: Index, *sums: Value) -> list[Value]:
            def of_units(line: Coordinates) -> list[Value]:
                return [self._number(right, [*line[:-1], q, self.unit(j, u)], kind) for u in range(many)]

            of_lines = [self._number(left, [*line, q], kind) for line in lines]
            each = [of_units(line) for line in (lines if ROWS in right.axes[:-1] else lines[:1])]
            return [self.text.fma(of_lines[r], each[r % len(each)][u], sums[i]) for i, (r, u) in enumerate(tile)]

        sums = self.text.loop(int(left.axes[-1]), add, [self.text.value(0, kind)] * len(tile))
        return dict(zip(tile, sums, strict=True))

    def _number(self, operand: Operand, at: Coordinates, kind: str) -> Value:
        return self.arrays.load(operand, at).converted(kind)

    def _sum_over_rows(self, operation: Operation, rows: int) -> None:
        """Add the rows of a tile to what is summed over all rows."""
        result = operation.result
        kind = KINDS[result.dtype.name]
        if operation.name == "max":
            raise NotPrintable("a maximum over rows")

        def add_products(at: At) -> None:
            left, right = operation.operands
            total = self._number(result, at, kind)
            for r in range(rows):
                factor = self._number(left, [*at[:-1], Row(r)], kind)
                total = self.text.fma(factor, self._number(right, [*at[:-2], Row(r), at[-1]], kind), total)
            self.arrays.store(total, result, at)

        def add_entries(at: At) -> None:
            [operand] = operation.operands
            lines = self._rows_of(without_members(operand.axes), at, rows)
            total = self.arrays.load(result, at)
            for of_row in self._reduced(operation, lines):
                total = total + of_row
            self.arrays.store(total, result, at)

        self.nest(without_members(result.axes), add_products if operation.kind == "product" else add_entries)

    def _reduce_entries(self, operation: Operation, rows: int) -> None:
        """Sum along any axes but that of rows, or find the largest."""
        axes = without_members(operation.result.axes)

        def entry(at: At) -> None:
            lines = self._rows_of(axes, at, rows)
            for line, value in zip(lines, self._reduced(operation, lines), strict=True):
                self.arrays.store(value, operation.result, line)

        self.nest(axes, entry)

    def _reduced(self, operation: Operation, lines: Sequence[At]) -> Sequence[Value]:
        """Return for each line the sum or the largest along the axes of an operation, but that of rows."""
        [operand] = operation.operands
        places = sorted(place for place in operation.detail if operand.axes[place] != ROWS)
        is_sum = operation.name == "sum"

        def reduce(inner: At, *values: Value) -> list[Value]:
            reduced = []
            for line, value in zip(lines, values, strict=True):
                at = [*line]
                for place, index in zip(places, inner, strict=True):
                    at[place] = index
                new = self.arrays.load(operand, at)
                reduced.append(value + new if is_sum else (new > value).choose(new, value))
            return reduced

        first = self.text.value(0 if is_sum else -np.inf, KINDS[operand.dtype.name])
        return self.nest([operand.axes[place] for place in places], reduce, [first] * len(lines))

    def _join(self, operation: Operation, rows: int) -> None:
        """Copy the parts of a concatenated or padded array."""
        result, axes = operation.result, without_members(operation.result.axes)
        axis, *widths = operation.detail or (-1,)
        parts: list[tuple[int, int, Operand | None]] = []
        if operation.name == "pad":
            [whole], (before, after) = operation.operands, widths
            size = int(whole.axes[axis])
            parts = [(0, before, None), (before, size, whole), (before + size, after, None)]
        else:
            parts += [(start, int(part.axes[axis]), part) for start, part in parts_of(operation, axis)]

        def copy(start: int, part: Operand | None, at: At) -> None:
            for given in self._rows_of(axes, at, rows):
                value = self.arrays.load(part, given) if part else self.text.value(0, KINDS[result.dtype.name])
                given[axis] += start
                self.arrays.store(value, result, given)

        for start, size, part in parts:
            sizes = [*axes]
            sizes[axis] = Axis("", size)
            if size:
                self.nest(sizes, lambda at, start=start, part=part: copy(start, part, [*at]))

    def blocks(self, count: int, body: Callable[..., Any], carried: Sequence[Value] = ()) -> Sequence[Value]:
        raise NotImplementedError

    def unit(self, j: Any, u: int) -> Any:
        raise NotImplementedError

    def _block(self, group: Group, lines: Sequence[Coordinates], j: Any, many: int) -> Sequence[Value]:
        raise NotImplementedError
