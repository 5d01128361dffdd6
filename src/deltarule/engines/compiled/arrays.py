"""Loads and stores of a printed program's arrays, by coordinates."""

from collections.abc import Sequence
from typing import NamedTuple

from deltarule.engines.compiled.places import Place, Places, pointer_of
from deltarule.engines.compiled.plan import Plan
from deltarule.engines.compiled.values import KINDS, FunctionText, Index, Value
from deltarule.engines.compiled.views import View
from deltarule.program.program import ROWS, Constant, Operand, Variable


class Row(NamedTuple):
    """A row of a tile, as a coordinate."""

    number: int


Coordinates = Sequence[Index | Row]
"""Coordinates are aligned with the last axes of an array."""


class Arrays:
    """Loads values of arrays, and stores them.

    registers : values that need not be loaded, by the base of their array and the entry.
    numbers : those that all entries of an array have.
    batch_start : of the batch, in the order of rows.
    tile_start : of the tile, in the batch.
    """

    def __init__(self, text: FunctionText, plan: Plan, places: Places) -> None:
        self.text = text
        self.plan = plan
        self.places = places
        self.registers: dict[tuple[str, Index], Value] = {}
        self.numbers: dict[str, Value] = {}
        self.batch_start = self.tile_start = Index()
        self._data_rows: list[str] = []

    def begin_tile(self, start: Index, rows: int) -> None:
        """Look up where the data of a tile's rows lie."""
        self.tile_start = start
        self._data_rows = []
        if self.places.reads_data:
            first = self.batch_start + start
            self._data_rows = [self.text.load_single(pointer_of("order"), first + r, "i64") for r in range(rows)]

    def load(self, operand: Operand, coordinates: Coordinates) -> Value:
        text = self.text
        if isinstance(operand, Constant):
            return text.value(operand.value, KINDS[operand.dtype.name])
        base, entry = key = self.key(operand, coordinates)
        if base in self.numbers:
            return self.numbers[base]
        if key in self.registers:
            return self.registers[key]
        place = self.places[base]
        if place.is_single:
            single = text.load_single(place.pointer, entry + place.first, place.kind)
            value = text.everywhere(single, place.kind)
        else:
            value = text.load(place.pointer, entry + place.first, place.kind)
        return value if operand.dtype != bool else value.converted("i1")

    def single(self, operand: Operand, coordinates: Coordinates) -> Value:
        """Return one entry, in each lane that of its member."""
        return self.load(operand, coordinates)

    def store(self, value: Value, result: Variable, coordinates: Coordinates) -> None:
        place = self.places[result.name]
        _, entry = self.key(result, coordinates)
        self.text.store(value.converted(place.kind), place.pointer, entry + place.first)

    def key(self, operand: Variable, coordinates: Coordinates) -> tuple[str, Index]:
        """Return the base of an array, and the entry of the base."""
        view = self.plan.views[operand.name]
        return view.base, self._entry(view, coordinates)

    def position(self, row: Index) -> Value:
        """Return the position of a batch's row among the rows of each member."""
        pointer = pointer_of("positions")
        entry = self.batch_start + row
        if self.places.own_rows:
            return self.text.load(pointer, entry, "i64")
        return self.text.everywhere(self.text.load_single(pointer, entry, "i64"), "i64")

    def _entry(self, view: View, coordinates: Coordinates) -> Index:
        entry = Index(view.first)
        place = self.places.get(view.base)
        ends = map(reversed, (view.axes, view.steps, coordinates))
        for axis, step, coordinate in zip(*ends, strict=False):  # axes that are missing are of one entry
            if not isinstance(coordinate, Row):
                entry += coordinate * step
            elif axis == ROWS and place:
                entry += self._row(place, coordinate) * step
        return entry

    def _row(self, place: Place, row: Row) -> Index:
        match place.rows:
            case "tile":
                return Index(row.number)
            case "data":
                return Index(0, ((self._data_rows[row.number], 1),))
        return self.tile_start + row.number
