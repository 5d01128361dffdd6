"""Print groups of operations: products in tiles with what follows them, sums over units and over rows."""

from collections.abc import Callable, Iterator, Sequence, Set
from typing import Any

import numpy as np

from deltarule.engines.compiled.arrays import Arrays, Coordinates, Row
from deltarule.engines.compiled.elementary import computed
from deltarule.engines.compiled.general_loops import GeneralLoops
from deltarule.engines.compiled.masks import keep_masks
from deltarule.engines.compiled.places import parts_of
from deltarule.engines.compiled.plan import Group
from deltarule.engines.compiled.printed import Tile
from deltarule.engines.compiled.values import KINDS, Index, Value
from deltarule.engines.compiled.views import View, without_members
from deltarule.program.program import ONE, Operand, Operation

LONG, SUMS = 128, 16
"""From so many entries on, sixteen sums run side by side: one alone would wait for each addition."""

MAX_UNROLLED, MAX_UNROLLED_LINES = 8, 4
"""Products of so many entries, and gradients of so few lines, are written without a loop: 8-3-8 takes 0.86 of the time,
others the same, and a text is little longer."""


class Groups(GeneralLoops):
    """Prints groups; `checks` are sums that are not finite if an entry of the new state is not.

    state : the names of the arrays that become the new state.
    """

    def __init__(self, arrays: Arrays, tile: Tile, state: set[str], update: Callable[[], str]) -> None:
        self.arrays = arrays
        self.plan = arrays.plan
        self.text = arrays.text
        self.tile = tile
        self.state = state
        self.update = update
        self.checks: list[Value] = []

    def group(self, group: Group, rows: int) -> None:
        """Print a group, for so many rows of a tile, or for whole arrays (0)."""
        first = group.first
        self.text.comment(first)
        if self.plan.is_general(first):
            self.general(group, rows)
        elif first.name == "concatenate":
            self._concatenate(first)
        elif first.name == "mask":
            keep_masks(self.arrays, first.result, rows, self.update())
        elif self.plan.sums_rows(first):
            self._add_rows(first, rows)
        elif first.kind == "reduction":
            self._reduce(first, rows)
        elif rows:
            units = int(first.result.axes[-1])
            self.blocks(units, lambda j, many: self._block(group, [[Row(r)] for r in range(rows)], j, many))
        else:
            self._whole(group)
        self.arrays.registers = {}

    def unit(self, j: Any, u: int) -> Any:
        """Return the coordinate of the u-th value of a block that begins at unit j, or at a row."""
        return Row(j.number + u) if isinstance(j, Row) else j + u

    def _whole(self, group: Group) -> None:
        """Elementwise operations on whole arrays."""
        *leading, last = self.plan.views[group.first.result.name].axes or (ONE,)
        checked = {operation.result.name for operation in group.operations} & self.state
        zeros = [self.text.value(0, KINDS[group.first.result.dtype.name])] * (self.tile.units if checked else 0)

        def of_line(at: Coordinates, *carried: Value) -> Sequence[Value]:
            return self.blocks(int(last), lambda j, many, *c: self._block(group, [at], j, many, c, checked), carried)

        self.checks += self.nest(leading, of_line, zeros)

    def blocks(
        self, count: int, body: Callable[..., Sequence[Value] | None], carried: Sequence[Value] = ()
    ) -> Sequence[Value]:
        """Print body(first unit, how many) over units, as many at a time as a tile has; it may carry values along."""
        many = min(self.tile.units, count)
        done = count // many
        carried = self.text.loop(done, lambda j, *c: body(j * many, many, *c), carried)
        if count % many:
            carried = body(Index(done * many), count % many, *carried) or ()
        return carried

    def _block(
        self,
        group: Group,
        lines: Sequence[Coordinates],
        j: Any,
        many: int,
        carried: Sequence[Value] = (),
        checked: Set[str] = frozenset(),
    ) -> Sequence[Value]:
        """Print some units of some lines: rows of a tile, or one line of a whole array."""
        arrays = self.arrays
        first = group.first
        checks = list(carried)
        arrays.registers = {}
        sums: dict[tuple[int, int], Value] = {}
        if first.kind == "product" and self.plan.is_general(first):
            sums = self._general_product(first, lines, j, many)
        elif first.kind == "product":
            sums = self._product(first, [line[0] for line in lines], j, many)
        width = len(self.plan.views[first.result.name].axes)
        for u in range(many):
            for r, line in enumerate(lines):
                coordinates = [*line, self.unit(j, u)][-width:] if width else []
                for operation in group.operations:
                    is_sum = operation is first and bool(sums)
                    value = sums[r, u] if is_sum else self._computed(operation, coordinates)
                    arrays.registers[arrays.key(operation.result, coordinates)] = value
                    if operation.result.name in group.needed:
                        arrays.store(value, operation.result, coordinates)
                    if operation.result.name in checked:
                        checks[u] = self.text.fma(self.text.valid(value).converted(checks[u].kind), 0.0, checks[u])
        arrays.registers = {}
        return checks

    def _computed(self, operation: Operation, coordinates: Coordinates) -> Value:
        return computed(operation, [self.arrays.load(each, coordinates) for each in operation.operands])

    def _product(
        self, operation: Operation, rows: Sequence[Index | Row], j: Index, many: int
    ) -> dict[tuple[int, int], Value]:
        """The sums of a tile: rows of the left array times columns of the right one."""
        left, right = operation.operands
        tile = [(r, u) for r in range(len(rows)) for u in range(many)]
        kind = KINDS[operation.result.dtype.name]
        zero = self.text.value(0, kind)

        def add(q: Index, *sums: Value) -> list[Value]:
            of_rows = [self.arrays.single(left, [row, q]).converted(kind) for row in rows]
            of_units = [self.arrays.load(right, [q, self.unit(j, u)]).converted(kind) for u in range(many)]
            return [self.text.fma(of_rows[r], of_units[u], sums[i]) for i, (r, u) in enumerate(tile)]

        sums = self.text.loop(int(left.axes[-1]), add, [zero] * len(tile), MAX_UNROLLED)
        return dict(zip(tile, sums, strict=True))

    def _add_rows(self, operation: Operation, rows: int) -> None:
        """Add the rows of a tile to what is summed over all rows."""
        if operation.kind == "product":
            self._add_products(operation, rows)
        elif operation.detail == (-2,):
            self._add_units(operation, rows)
        else:
            self._add_all(operation, rows)

    def _add_products(self, operation: Operation, rows: int) -> None:
        """Units times units, summed over rows: the gradient of weights."""
        left, right = operation.operands
        result = operation.result
        kind = KINDS[operation.result.dtype.name]

        def load(operand: Operand, coordinates: Coordinates) -> Value:
            return self.arrays.load(operand, coordinates).converted(kind)

        def block(j: Index, many: int) -> None:
            of_units = [[load(right, [Row(r), j + u]) for u in range(many)] for r in range(rows)]

            def line(i: Index) -> None:
                of_rows = [load(left, [i, Row(r)]) for r in range(rows)]
                for u in range(many):
                    total = load(result, [i, j + u])
                    for r in range(rows):
                        total = self.text.fma(of_rows[r], of_units[r][u], total)
                    self.arrays.store(total, result, [i, j + u])

            self.text.loop(int(result.axes[-2]), line, (), MAX_UNROLLED_LINES)

        self.blocks(int(result.axes[-1]), block)

    def _add_units(self, operation: Operation, rows: int) -> None:
        """Add the rows' values of each unit to the unit's sum."""
        [operand], result = operation.operands, operation.result

        def block(j: Index, many: int) -> None:
            for u in range(many):
                total = self.arrays.load(result, [Index(), j + u])
                for r in range(rows):
                    total = total + self.arrays.load(operand, [Row(r), j + u])
                self.arrays.store(total, result, [Index(), j + u])

        self.blocks(int(operand.axes[-1]), block)

    def _add_all(self, operation: Operation, rows: int) -> None:
        """Add the units of each row first, then the rows."""
        [operand], result = operation.operands, operation.result
        total = self.arrays.load(result, [Index(), Index()])
        for of_row in self._summed(operand, [[Row(r)] for r in range(rows)], int(operand.axes[-1])):
            total = total + of_row
        self.arrays.store(total, result, [Index(), Index()])

    def _summed(self, operand: Operand, lines: list[list[Index | Row]], count: int) -> Sequence[Value]:
        if count >= LONG:
            return [self._sum_long(operand, line, count) for line in lines]

        def add(j: Index, *sums: Value) -> list[Value]:
            return [total + self.arrays.single(operand, [*line, j]) for total, line in zip(sums, lines, strict=True)]

        return self.text.loop(count, add, [self.text.value(0, KINDS[operand.dtype.name])] * len(lines))

    def _sum_long(self, operand: Operand, line: list[Index | Row], count: int) -> Value:
        """Add every sixteenth entry, then these sums, then the entries that are left."""
        total, *others = self._sixteen_sums(operand, line, count // SUMS)
        for each in others:
            total = total + each
        for j in range(count - count % SUMS, count):
            total = total + self.arrays.single(operand, [*line, Index(j)])
        return total

    def _sixteen_sums(self, operand: Operand, line: list[Index | Row], count: int) -> Sequence[Value]:
        def add(j: Index, *sums: Value) -> list[Value]:
            return [total + self.arrays.load(operand, [*line, j * SUMS + k]) for k, total in enumerate(sums)]

        return self.text.loop(count, add, [self.text.value(0, KINDS[operand.dtype.name])] * SUMS)

    def _largest(self, operand: Operand, lines: list[list[Index | Row]], count: int) -> Sequence[Value]:
        def compare(j: Index, *values: Value) -> list[Value]:
            news = [self.arrays.single(operand, [*line, j]) for line in lines]
            return [(new > value).choose(new, value) for value, new in zip(values, news, strict=True)]

        return self.text.loop(count, compare, [self.text.value(-np.inf, KINDS[operand.dtype.name])] * len(lines))

    def _reduce(self, operation: Operation, rows: int) -> None:
        """Sum the units of each row of a tile, or an array without rows; or find the largest."""
        [operand], result = operation.operands, operation.result
        *leading, last = without_members(operand.axes)
        lines: list[list[Index | Row]] = [[Row(r)] for r in range(rows)]
        lines = lines or [[Index()] * len(leading)]
        reduce = self._summed if operation.name == "sum" else self._largest
        for line, value in zip(lines, reduce(operand, lines, int(last)), strict=True):
            self.arrays.store(value, result, [*line, Index()])

    def _concatenate(self, operation: Operation) -> None:
        """Copy the parts that were not computed in their places."""
        place = self.arrays.places[operation.result.name]
        for start, part in self.copied_parts(operation):

            def copy(j: Index, part: Operand = part, first: int = place.first + start) -> None:
                self.text.store(self.arrays.load(part, [j]), place.pointer, j + first)

            self.text.loop(int(part.axes[-1]), copy)

    def copied_parts(self, operation: Operation) -> Iterator[tuple[int, Operand]]:
        """Yield the parts of a `concatenate` that were not computed in their places, and where they begin."""
        place = self.arrays.places[operation.result.name]
        for start, part in parts_of(operation):
            view = self.plan.view(part)
            if view is None or not self._lies_at(view, place.pointer, place.first + start):
                yield start, part

    def _lies_at(self, view: View, pointer: str, first: int) -> bool:
        place = self.arrays.places.get(view.base)
        return place is not None and (place.pointer, place.first + view.first) == (pointer, first) and view.is_whole
