"""Print groups of operations for one network: the same sums as `groups.py`, whose lanes are units.

A group runs over all rows of a thread before the next one begins. Threads divide rows, what is summed over rows by the
lines of the sum, and whole arrays by entries; each computes single numbers for itself.
"""

from collections.abc import Callable, Sequence
from functools import partial

from deltarule.engines.compiled.arrays import Row
from deltarule.engines.compiled.groups import SUMS, Groups
from deltarule.engines.compiled.masks import philox
from deltarule.engines.compiled.places import pointer_of
from deltarule.engines.compiled.plan import Group
from deltarule.engines.compiled.printed import NotPrintable
from deltarule.engines.compiled.unit_arrays import UnitArrays, UnitText
from deltarule.engines.compiled.values import KINDS, Index, Value
from deltarule.engines.compiled.views import count_of_entries
from deltarule.maths.random import DROPOUT
from deltarule.program.program import ROWS, Operand, Operation, Variable

Body = Callable[..., Sequence[Value] | None]


class UnitGroups(Groups):
    """Prints groups for the rows, lines or entries of a thread.

    first_row, tiles, single_rows : of a batch: the thread's rows, as tiles and then rows one by one.
    row_count : the rows of the batch.
    packs : whether there are so many rows that it is worth packing the columns with which they are multiplied.
    """

    arrays: UnitArrays
    text: UnitText
    first_row = tiles = single_rows = row_count = is_last = ""
    is_shared = False
    packs = True
    panel = "%panel"

    def group(self, group: Group, rows: int = 0) -> None:
        first = group.first
        if self.plan.is_general(first):
            raise NotPrintable(f"{first.name} of {first.result.type}")
        self.text.comment(first)
        if first.name == "mask":
            self._rows(lambda start, rows: self._draw(first.result, start, rows))
        elif self.plan.sums_rows(first):
            self._sum_rows(first)
        elif ROWS in first.result.axes and first.kind == "reduction":
            self._rows(lambda start, rows: self._reduce(first, rows))
        elif ROWS in first.result.axes:
            most = None if first.kind == "product" else 1
            self.blocks(int(first.result.axes[-1]), lambda j, many: self._columns(group, j, many), most=most)
        else:
            self._of_whole_arrays(group)
        self.arrays.registers = {}

    def _columns(self, group: Group, j: Index, many: int) -> None:
        """Print some units of a group, for the thread's rows."""
        right = group.first.operands[-1]
        if group.first.kind == "product" and self.packs:
            self.text.loop(int(right.axes[-2]), lambda q: self._pack(right, q, j, q, many))
        self._rows(partial(self._of_rows, group, j, many))

    def _pack(self, right: Operand, line: Index | Row, j: Index, q: Index, many: int) -> None:
        """Copy columns of an array with which all rows are multiplied, so that they lie side by side."""
        for u in range(many):
            value = self.arrays.load(right, [line, self.unit(j, u)])
            self.text.store_whole(value, self.panel, (q * many + u) * self.text.lanes)

    def _packed(self, right: Operand, q: Index, many: int) -> list[Value]:
        kind = KINDS[right.dtype.name]
        return [self.text.load(self.panel, (q * many + u) * self.text.lanes, kind) for u in range(many)]

    def _product(
        self, operation: Operation, rows: Sequence[Index | Row], j: Index, many: int
    ) -> dict[tuple[int, int], Value]:
        if not self.packs:
            return super()._product(operation, rows, j, many)
        left, right = operation.operands
        kind = KINDS[operation.result.dtype.name]
        tile = [(r, u) for r in range(len(rows)) for u in range(many)]

        def add(q: Index, *sums: Value) -> list[Value]:
            of_rows = [self.arrays.single(left, [row, q]).converted(kind) for row in rows]
            of_units = [value.converted(kind) for value in self._packed(right, q, many)]
            return [self.text.fma(of_rows[r], of_units[u], sums[i]) for i, (r, u) in enumerate(tile)]

        sums = self.text.loop(int(left.axes[-1]), add, [self._zero(operation.result)] * len(tile))
        return dict(zip(tile, sums, strict=True))

    def _of_rows(self, group: Group, j: Index, many: int, start: Index, rows: int) -> None:
        self._block(group, [[Row(r)] for r in range(rows)], j, many)

    def unit(self, j: Index, u: int) -> Index:
        return j + u * self.text.lanes

    def _of_whole_arrays(self, group: Group) -> None:
        first = group.first
        self.is_shared = count_of_entries(first.result.axes) > 1
        if first.name == "turn":
            self._turn(first)
        elif first.name == "concatenate":
            self._concatenate(first)
        elif first.kind == "reduction":
            self._reduce(first, 0)
        else:
            self._whole(group)
        self.is_shared = False

    def share(self, count: int | str, body: Body, carried: Sequence[Value] = ()) -> Sequence[Value]:
        """Print a loop of which each thread does a part."""
        text = self.text
        start, stop = self.ends(count)
        length = text.single(f"sub i64 {stop}, {start}")
        return text.loop(length, lambda i, *c: body(Index(0, ((start, 1),)) + i, *c), carried)

    def ends(self, count: int | str) -> list[str]:
        """Return where this thread's part of so many begins, and where it ends."""
        products = [self.text.single(f"mul i64 {count}, {part}") for part in ("%part", "%following")]
        return [self.text.single(f"udiv i64 {product}, %parts") for product in products]

    def blocks(self, count: int, body: Body, carried: Sequence[Value] = (), most: int | None = None) -> Sequence[Value]:
        """Print body(first unit, how many vectors) over units; a vector that is not full comes last, alone."""
        text, lanes = self.text, self.text.lanes
        whole = count // lanes
        many = min(most or self.tile.units, max(1, whole))

        def rest(*carried: Value) -> Sequence[Value]:
            if whole % many:
                carried = tuple(body(Index((whole - whole % many) * lanes), whole % many, *carried) or ())
            if count % lanes:
                with text.part(count % lanes):
                    carried = tuple(body(Index(whole * lanes), 1, *carried) or ())
            return carried

        if whole // many:
            loop = self.share if self.is_shared else text.loop
            carried = loop(whole // many, lambda j, *c: body(j * (many * lanes), many, *c), carried)
        if whole % many == 0 and count % lanes == 0:
            return carried
        return text.only_if(self.is_last, rest, carried) if self.is_shared else rest(*carried)

    def _rows(self, body: Callable[[Index, int], None]) -> None:
        """Print body(first row, how many) for the thread's rows."""
        rows = self.tile.rows

        def tile(start: Index, count: int) -> None:
            self.arrays.begin_tile(start, count)
            body(start, count)
            self.arrays.registers = {}

        first = Index(0, ((self.first_row, 1),))
        self.text.loop(self.tiles, lambda i: tile(first + i * rows, rows))
        if self.single_rows:
            done = self.text.single(f"mul i64 {self.tiles}, {rows}")
            self.text.loop(self.single_rows, lambda i: tile(first + Index(0, ((done, 1),)) + i, 1))

    def _of_each_row(self, body: Body, carried: Sequence[Value]) -> Sequence[Value]:
        """Print body(row, *carried) for each row of the batch, in order."""

        def row(q: Index, *carried: Value) -> Sequence[Value] | None:
            self.arrays.begin_tile(q, 1)
            return body(q, *carried)

        return self.text.loop(self.row_count, row, carried)

    def _sum_rows(self, operation: Operation) -> None:
        [operand, *_], result = operation.operands, operation.result
        if operation.kind == "product":
            self._add_products(operation, 0)
        elif operation.name == "sum" and operation.detail == (-2,):
            self.is_shared = int(result.axes[-1]) > 1
            self._add_units(operation, 0)
            self.is_shared = False
        elif operation.name == "sum" and set(operation.detail) == {-1, -2}:
            count = int(operand.axes[-1])
            row = list[Index | Row]([Row(0)])
            [total] = self._of_each_row(
                lambda q, total: [total + self._summed(operand, [row], count)[0]], [self._zero(operand)]
            )
            self.arrays.store(total, result, [Index(), Index()])
        else:
            raise NotPrintable(f"{operation.name} over rows")

    def _sixteen_sums(self, operand: Operand, line: list[Index | Row], count: int) -> list[Value]:
        text, lanes = self.text, self.text.lanes

        def add(j: Index, *sums: Value) -> list[Value]:
            at = j * SUMS
            return [total + self.arrays.load(operand, [*line, self.unit(at, u)]) for u, total in enumerate(sums)]

        sums = text.loop(count, add, [self._zero(operand)] * (SUMS // lanes))
        return [text.everywhere(text.lane(total, k), total.kind) for total in sums for k in range(lanes)]

    def _zero(self, operand: Operand) -> Value:
        return self.text.value(0, KINDS[operand.dtype.name])

    def _add_products(self, operation: Operation, rows: int) -> None:
        """The gradient of weights: a tile of its lines and units, for all rows."""
        left, right = operation.operands
        assert isinstance(left, Variable)  # rows of activations
        result = operation.result
        lines = int(operation.result.axes[-2])
        kind, wide = KINDS[left.dtype.name], KINDS[result.dtype.name]
        rows = min(self.tile.rows, lines)

        def tile(i: Index, count: int, j: Index, many: int) -> None:
            places = [(r, u) for r in range(count) for u in range(many)]
            first = self._packed_lines(i)

            def add(q: Index, *sums: Value) -> list[Value]:
                of_units = [value.converted(wide) for value in self._packed(right, q, many)]
                singles = [self.text.load_single("%packed", first + q * count + r, kind) for r in range(count)]
                of_lines = [self.text.everywhere(single, kind).converted(wide) for single in singles]
                return [self.text.fma(of_lines[r], of_units[u], sums[k]) for k, (r, u) in enumerate(places)]

            sums = self._of_each_row(add, [self._zero(result)] * len(places))
            for (r, u), total in zip(places, sums, strict=True):
                self.arrays.store(total, result, [i + r, self.unit(j, u)])

        def of_lines(body: Callable[[Index, int], None]) -> None:
            """Print body(first line, how many) for the thread's lines."""
            self.share(lines // rows, lambda i: body(i * rows, rows))
            if lines % rows:
                self.text.only_if(self.is_last, lambda: body(Index(lines - lines % rows), lines % rows))

        def block(j: Index, many: int) -> None:
            self._of_each_row(lambda q: self._pack(right, Row(0), j, q, many), ())
            of_lines(lambda i, count: tile(i, count, j, many))

        of_lines(partial(self._pack_lines, left))
        self.blocks(int(result.axes[-1]), block)

    def _pack_lines(self, left: Variable, i: Index, count: int) -> None:
        """Copy some lines of a transposed array, row by row: every block of units reads them in this order."""
        text = self.text
        kind = KINDS[left.dtype.name]
        first = self._packed_lines(i)

        def copy(q: Index) -> None:
            for r in range(count):
                single = self.arrays.lane_free(left, [i + r, Row(0)])
                text.add(f"store {kind} {single}, ptr {text.address('%packed', first + q * count + r, kind)}")

        self._of_each_row(copy, ())

    def _packed_lines(self, i: Index) -> Index:
        """Return where the packed lines from i on begin."""
        return Index(0, ((self.text.single(f"mul i64 {self.text.count(i)}, {self.row_count}"), 1),))

    def _add_units(self, operation: Operation, rows: int) -> None:
        [operand], result = operation.operands, operation.result

        def block(j: Index, many: int) -> None:
            def add(q: Index, *sums: Value) -> list[Value]:
                return [total + self.arrays.load(operand, [Row(0), self.unit(j, u)]) for u, total in enumerate(sums)]

            for u, total in enumerate(self._of_each_row(add, [self._zero(operand)] * many)):
                self.arrays.store(total, result, [Index(), self.unit(j, u)])

        self.blocks(int(result.axes[-1]), block)

    def _concatenate(self, operation: Operation) -> None:
        """Copy the parts that were not computed in their places."""
        place = self.arrays.places[operation.result.name]
        for start, part in self.copied_parts(operation):

            def copy(j: Index, many: int, part: Operand = part, start: int = start) -> None:
                for u in range(many):
                    value = self.arrays.load(part, [self.unit(j, u)])
                    self.text.store(value, place.pointer, self.unit(j, u) + place.first + start)

            self.blocks(int(part.axes[-1]), copy)

    def _turn(self, operation: Operation) -> None:
        """Copy a transposed array, block by block, so that its lines can be loaded."""
        [operand], result, lanes = operation.operands, operation.result, self.text.lanes
        lines, count = map(int, result.axes[-2:])

        def block(i: Index, many_lines: int, j: Index, many: int) -> None:
            with self.text.part(many_lines):
                read = [self.arrays.load(operand, [j + k, i]) for k in range(many)]
            turned = self.text.transposed(read + [self._zero(result)] * (lanes - many))
            with self.text.part(many):
                for k in range(many_lines):
                    self.arrays.store(turned[k], result, [i + k, j])

        def of_lines(i: Index, many_lines: int) -> None:
            self.text.loop(count // lanes, lambda j: block(i, many_lines, j * lanes, lanes))
            if count % lanes:
                block(i, many_lines, Index(count - count % lanes), count % lanes)

        self.share(lines // lanes, lambda i: of_lines(i * lanes, lanes))
        if lines % lanes:
            self.text.only_if(self.is_last, lambda: of_lines(Index(lines - lines % lanes), lines % lanes))

    def _draw(self, result: Variable, start: Index, rows: int) -> None:
        """Draw masks as `masks.keep_masks`: each lane draws for four units."""
        text = self.text
        place, arrays = self.arrays.places[result.name], self.arrays
        layer = int(result.name.removeprefix("keep"))
        units = int(result.axes[-1])
        lanes = text.lanes
        single = [(pointer_of("limits"), layer - 1), (pointer_of("keys"), 0), (pointer_of("keys"), 1)]
        limit, *keys = (text.everywhere(text.load_single(pointer, Index(i), "i64"), "i64") for pointer, i in single)
        step = text.everywhere(self.update(), "i64")
        purpose = text.value(DROPOUT | layer << 8, "i64")
        ramp = Value(text, f"<{', '.join(f'i64 {lane}' for lane in range(lanes))}>", "i64")

        def of_row(r: Index) -> None:
            position, first = arrays.position(start + r), (start + r) * arrays.places.lines[result.name]

            def of_four(group: Index) -> None:
                counter = [ramp + text.everywhere(text.count(group * lanes), "i64"), position, step, purpose]
                drops = [word < limit for word in philox(counter, keys)]
                words = [drop.choose(text.value(0, place.kind), text.value(1, place.kind)) for drop in drops]
                text.store_interleaved(words, place.pointer, first + group * (4 * lanes))

            text.loop(-(-units // (4 * lanes)), of_four)

        text.loop(rows, of_row)
