"""Where the arrays of one network lie, and how their entries become vectors: lanes are units next to each other.

Each row of a computed array has room for whole vectors; parameters lie one after another, as in the state. A vector
that an array does not fill is loaded and stored in part.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from deltarule.engines.compiled.arrays import Arrays, Coordinates
from deltarule.engines.compiled.places import Place, Places
from deltarule.engines.compiled.printed import WIDEST, NotPrintable
from deltarule.engines.compiled.values import BYTES, KINDS, FunctionText, Index, Value
from deltarule.engines.compiled.views import View, count_of_entries
from deltarule.program.program import ROWS, Axis, Constant, Operand, Variable

LINE_BYTES = 64
"""Of a processor's cache: what threads write apart from one another lies in lines of its own."""
ALIASED_BYTES = 1024
"""Rows at multiples of this distance share few places of a cache: a vector more lies between them."""


class UnitText(FunctionText):
    """Vectors of neighboring entries, of which the first `entries` are an array's."""

    def __init__(self, lanes: int) -> None:
        super().__init__(lanes)
        self.entries = lanes
        self.masked: set[tuple[str, str]] = set()  # "load" or "store" of a kind, in part

    @contextmanager
    def part(self, count: int) -> Iterator[None]:
        """Write operations on vectors that have fewer entries."""
        self.entries = count
        yield
        self.entries = self.lanes

    @property
    def mask(self) -> str:
        truths = ", ".join(f"i1 {str(lane < self.entries).lower()}" for lane in range(self.lanes))
        return f"{self.vector('i1')} <{truths}>"

    def valid(self, value: Value) -> Value:
        if self.entries == self.lanes:
            return value
        vector = self.vector(value.kind)
        return self.new(f"select {self.mask}, {vector} {value.name}, {vector} zeroinitializer", value.kind)

    def load(self, pointer: str, index: Index, kind: str) -> Value:
        place = self.address(pointer, index, kind)
        vector = self.vector(kind)
        if self.entries == self.lanes:
            return self.new(f"load {vector}, ptr {place}, align {BYTES[kind]}", kind)
        self.masked.add(("load", kind))
        given = f"ptr {place}, i32 {BYTES[kind]}, {self.mask}, {vector} zeroinitializer"
        return self.new(f"call {vector} @llvm.masked.load.{self.name_of(kind)}.p0({given})", kind)

    def store(self, value: Value, pointer: str, index: Index) -> None:
        kind = value.kind
        if self.entries == self.lanes:
            self.store_whole(value, pointer, index)
        else:
            place = self.address(pointer, index, kind)
            self.masked.add(("store", kind))
            given = f"{self.vector(kind)} {value.name}, ptr {place}, i32 {BYTES[kind]}, {self.mask}"
            self.add(f"call void @llvm.masked.store.{self.name_of(kind)}.p0({given})")

    def store_whole(self, value: Value, pointer: str, index: Index) -> None:
        place = self.address(pointer, index, value.kind)
        self.add(f"store {self.vector(value.kind)} {value.name}, ptr {place}, align {BYTES[value.kind]}")

    def store_single(self, value: Value, pointer: str, index: Index) -> None:
        self.add(f"store {value.kind} {self.lane(value, 0)}, ptr {self.address(pointer, index, value.kind)}")

    def lane(self, value: Value, number: int) -> str:
        """Return the name of the number in a lane."""
        return self.single(f"extractelement {self.vector(value.kind)} {value.name}, i32 {number}")

    def store_interleaved(self, values: list[Value], pointer: str, index: Index) -> None:
        """Store the first entries of all values, then the second ones …"""
        kind = values[0].kind
        count, parts = self.lanes, [value.name for value in values]
        while len(parts) > 1:
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = [self.shuffled(*pair, kind, count, range(2 * count)) for pair in pairs]
            count *= 2
        order = [i % len(values) * self.lanes + i // len(values) for i in range(count)]
        mixed = self.shuffled(parts[0], "poison", kind, count, order)
        self.add(f"store <{count} x {kind}> {mixed}, ptr {self.address(pointer, index, kind)}, align {BYTES[kind]}")

    def transposed(self, values: list[Value]) -> list[Value]:
        """Return as many vectors as there are lanes, rows and columns exchanged."""
        values = [*values]
        kind = values[0].kind
        lanes, distance = self.lanes, self.lanes // 2
        while distance:
            for k in range(lanes):
                if not k & distance:
                    pair = values[k].name, values[k + distance].name
                    for half, start in enumerate((0, distance)):
                        order = [(i & ~distance) + start + (lanes if i & distance else 0) for i in range(lanes)]
                        values[k + half * distance] = Value(self, self.shuffled(*pair, kind, lanes, order), kind)
            distance //= 2
        return values

    def shuffled(self, left: str, right: str, kind: str, count: int, order: Sequence[int]) -> str:
        """Return the entries of two vectors of `count` entries, in an order."""
        places = ", ".join(f"i32 {place}" for place in order)
        vector = f"<{count} x {kind}>"
        return self.single(f"shufflevector {vector} {left}, {vector} {right}, <{len(order)} x i32> <{places}>")

    def name_of(self, kind: str) -> str:
        return f"v{self.lanes}{kind if kind.startswith('i') else f'f{8 * BYTES[kind]}'}"

    def declarations(self) -> str:
        """Return the declarations of the masked loads and stores that are called."""
        lines = []
        for word, kind in sorted(self.masked):
            vector, mask = self.vector(kind), self.vector("i1")
            is_load = word == "load"
            result = vector if is_load else "void"
            given = f"ptr, i32, {mask}, {vector}" if is_load else f"{vector}, ptr, i32, {mask}"
            lines.append(f"declare {result} @llvm.masked.{word}.{self.name_of(kind)}.p0({given})\n")
        return "".join(lines)


class UnitPlaces(Places):
    """Places of one network's arrays.

    lines : by the name of a computed array of rows: the entries from one row to the next.
    own_bytes : of the memory for single numbers, which each thread computes for itself: whole lines.
    """

    def _place_results(self) -> None:
        self.lines: dict[str, int] = {}
        self._single_bytes = LINE_BYTES  # the first number counts meetings
        super()._place_results()

    @property
    def own_bytes(self) -> int:
        return -(-self._single_bytes // LINE_BYTES) * LINE_BYTES

    def _place_of(self, result: Variable, kind: str) -> Place:
        count = count_of_entries(result.axes)
        if ROWS in result.axes:
            self.lines[result.name] = self._line(result, count)
            return Place(self._for_each_row(result.name, result.axes, kind), kind, rows="all")
        if count == 1:
            self._single_bytes += WIDEST
            return Place("%own", kind, (self._single_bytes - WIDEST) // BYTES[kind])
        return Place("%scratch", kind, self._reserve(count, kind))

    def _line(self, result: Variable, count: int) -> int:
        is_mask = result.name.startswith("keep")
        if count == 1 and not is_mask:
            return 1
        whole = self.form.lanes * (4 if is_mask else 1)  # masks are drawn four vectors at a time
        line = -(-count // whole) * whole
        is_aliased = line * WIDEST % ALIASED_BYTES == 0
        return line + whole if is_aliased else line

    def _reserve(self, count: int, kind: str) -> int:
        first = self.scratch_bytes // BYTES[kind]
        self.scratch_bytes += -(-count * BYTES[kind] // LINE_BYTES) * LINE_BYTES
        return first

    def _for_each_row(self, name: str, axes: tuple[Axis, ...], kind: str) -> str:
        self.kept[name] = self.bytes_a_row
        self.bytes_a_row += -(-self.lines[name] * BYTES[kind] // LINE_BYTES) * LINE_BYTES
        return f'%"kept {name}"'

    def _joined(self) -> dict[str, tuple[str, int]]:
        return {name: at for name, at in super()._joined().items() if name not in self.plan.kept}


class UnitArrays(Arrays):
    """Loads vectors of neighboring units, and single numbers in all lanes."""

    text: UnitText
    places: UnitPlaces

    def load(self, operand: Operand, coordinates: Coordinates) -> Value:
        if isinstance(operand, Constant) or not self._has_units(operand):
            return self.single(operand, coordinates)
        if self.plan.views[operand.name].steps[-1] != 1:
            raise NotPrintable("neighboring units that do not lie side by side")
        base, entry = key = self.key(operand, coordinates)
        if key in self.registers:
            return self.registers[key]
        place = self.places[base]
        value = self.text.load(place.pointer, entry + place.first, place.kind)
        return value if operand.dtype != bool else value.converted("i1")

    def single(self, operand: Operand, coordinates: Coordinates) -> Value:
        if isinstance(operand, Constant):
            return self.text.value(operand.value, KINDS[operand.dtype.name])
        base, entry = key = self.key(operand, coordinates)
        if base in self.numbers:
            return self.numbers[base]
        if key in self.registers and not self._has_units(operand):
            return self.registers[key]
        value = self.text.everywhere(self.lane_free(operand, coordinates), self.places[base].kind)
        return value if operand.dtype != bool else value.converted("i1")

    def lane_free(self, operand: Variable, coordinates: Coordinates) -> str:
        """Load one entry, and return its name."""
        base, entry = self.key(operand, coordinates)
        place = self.places[base]
        return self.text.load_single(place.pointer, entry + place.first, place.kind)

    def store(self, value: Value, result: Variable, coordinates: Coordinates) -> None:
        place = self.places[result.name]
        _, entry = self.key(result, coordinates)
        value = value.converted(place.kind)
        entry = entry + place.first
        if self._has_units(result):
            self.text.store(value, place.pointer, entry)
        else:
            self.text.store_single(value, place.pointer, entry)

    def _has_units(self, operand: Variable) -> bool:
        """Whether neighbors along the last axis are different entries; they must lie side by side."""
        view = self.plan.views[operand.name]
        return bool(view.axes) and int(view.axes[-1]) != 1 and view.steps[-1] != 0

    def _entry(self, view: View, coordinates: Coordinates) -> Index:
        line = self.places.lines.get(view.base, 0)
        if ROWS not in view.axes or not line:
            return super()._entry(view, coordinates)
        steps = tuple(line if axis == ROWS else step for axis, step in zip(view.axes, view.steps, strict=True))
        return super()._entry(View(view.base, view.axes, steps, view.first), coordinates)
