"""Where the values of a block lie, and how its rows and sums are addressed: the strategies of the program in lanes.

L lanes (members of a block)

A writer of a program combines three strategies:

values      `RowValues` or `BatchValues`      one row at a time, or all rows of a batch layer by layer
rows        `SharedRows` or `OwnRows`         all lanes see the same row, or each lane a row of its own
objective   `LaneObjective` or `MemberObjective`   a sum in each lane, or the sum of a single member
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from numpy.typing import DTypeLike

STEP_VALUES = "step_values"
"""The array of numbers that belong to a step and not to a row, such as the learning rate."""


class Slot(NamedTuple):
    """The rows of a block's array that hold the values of one kind, such as z of layer 2."""

    name: str
    array: str
    start: int
    rows: int


class LaneEmitter:
    """The lines of a program, with their indentation and with loops over lanes."""

    def __init__(self, lane_count: int) -> None:
        self.lines: list[str] = []
        self.depth = 0
        self.L = lane_count

    def add(self, *lines: str) -> None:
        """Add lines at the current indentation."""
        self.lines += ["    " * self.depth + line for line in lines]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Indent what is added meanwhile below a head such as "for i in range(3)"."""
        self.add(f"{head}:")
        self.depth += 1
        yield
        self.depth -= 1

    def lanes(self, *lines: str, over: str = "") -> None:
        """Add a loop over the members of the block; `over` is a loop around it, such as "h in range(3)"."""
        if over:
            with self.block(f"for {over}"):
                self.lanes(*lines)
            return
        with self.block(f"for l in range({self.L})"):
            self.add(*lines)


class RowValues:
    """Values of a single row, which the next row overwrites: everything is written within one loop over rows."""

    def __init__(self, out: LaneEmitter) -> None:
        self.out, self.L = out, out.L

    def at(self, slot: Slot, row: int, unit: str) -> str:
        """A value in this lane: of the row-th unit, plus the unit that a loop's variable names."""
        offset = f" + {unit} * {self.L}" if unit else ""
        return f"{slot.array}[{(slot.start + row) * self.L}{offset} + l]"

    def every(self, slot: Slot) -> str:
        """A value in a loop over all elements, see `element_count`."""
        return f"{slot.array}[{slot.start * self.L} + j]"

    def element_count(self, units: int) -> str:
        """The number of values of a layer that an elementwise loop runs over."""
        return f"{units * self.L}"

    @contextmanager
    def each_row(self, rows: "SharedRows", inputs: bool) -> Iterator[None]:
        """A loop over rows: none, as the lines are within such a loop already."""
        yield

    row_range = "begin, end"
    row_index = "i"


class BatchValues(RowValues):
    """Values of all rows of a batch or a tile: every step of the program has a loop over rows of its own."""

    row_range = "count"
    row_index = "start + i"

    def at(self, slot: Slot, row: int, unit: str) -> str:
        """A value in this lane and row."""
        if slot.array == STEP_VALUES:
            return super().at(slot, row, unit)
        if self.L == 1:
            return f"{slot.name}[i * {slot.rows} + {unit or row}]"
        offset = f" + {unit} * {self.L}" if unit else ""
        return f"{slot.name}[i * {slot.rows * self.L} + {row * self.L}{offset} + l]"

    def every(self, slot: Slot) -> str:
        """A value in a loop over all rows, units and lanes."""
        return f"{slot.name}[j]"

    def element_count(self, units: int) -> str:
        """The number of values of a layer in all rows."""
        return f"count * {units * self.L}"

    @contextmanager
    def each_row(self, rows: "SharedRows", inputs: bool) -> Iterator[None]:
        """A loop over the rows."""
        with self.out.block("for i in range(count)"):
            rows.load(inputs)
            yield


class SharedRows:
    """All lanes see the same row `r`, whose inputs are the variables x0, x1 …"""

    def __init__(self, values: RowValues, weights: str, input_slot: Slot, gathered: bool) -> None:
        self.values, self.weights, self.input_slot = values, weights, input_slot
        self.gathered = gathered
        """Whether the inputs of all rows were gathered before, as for tiles."""

    def load(self, inputs: bool = True) -> None:
        """Read the row's index, and its inputs if these are asked for."""
        count = self.input_slot.rows if inputs and not self.gathered else 0
        self.values.out.add(f"r = ids[epoch, {self.values.row_index}]", *(f"x{d} = x[r, {d}]" for d in range(count)))

    def input(self, d: int) -> str:
        """The d-th input of the row."""
        return f"x{d}"

    def index(self) -> str:
        """The index of the row in x, y and the weights."""
        return "r"

    def position(self) -> str:
        """The row's position in the epoch, which decides what dropout draws."""
        return f"positions[epoch, {self.values.row_index}]"

    def weight(self) -> str:
        """The row's weight."""
        return {"none": "1.0", "shared": f"w[{self.index()}, 0]", "own": f"w[{self.index()}, l]"}[self.weights]


class OwnRows(SharedRows):
    """Each lane sees a row of its own."""

    def load(self, inputs: bool = True) -> None:
        """Copy each lane's inputs, if they are asked for."""
        for d in range(self.input_slot.rows if inputs else 0):
            self.values.out.lanes(f"{self.input(d)} = x[{self.index()}, {d}]")

    def input(self, d: int) -> str:
        """The d-th input of the lane's row."""
        return self.values.at(self.input_slot, d, "")

    def index(self) -> str:
        """The index of the lane's row."""
        return f"ids[epoch, {self._lane_index()}]"

    def position(self) -> str:
        """The position of the lane's row in the epoch."""
        return f"positions[epoch, {self._lane_index()}]"

    def _lane_index(self) -> str:
        return f"i * {self.values.L} + l"


class LaneObjective:
    """The objective and the check for numbers that are not finite, in each lane."""

    def __init__(self, out: LaneEmitter, check: str) -> None:
        self.out, self.check = out, check
        self.value = f"objective[s * {out.L} + l]"

    def start(self) -> str:
        """The line that sets the objective to 0."""
        return f"{self.value} = 0.0"

    def add(self, value: str) -> str:
        """The line that adds to the objective."""
        return f"{self.value} += {value}"

    def start_check(self) -> str:
        """The line that begins the check of a step."""
        return f"{self.check} = 0.0"

    def check_finite(self, names: list[str]) -> list[str]:
        """The lines that check new numbers: q − q is 0 for a finite number and NaN for any other."""
        return [f"{self.check} += {' + '.join(f'({name} - {name})' for name in names)}"]

    def finish(self) -> None:
        """Record the first step at which a member is not finite."""
        self.out.lanes(
            f"checked = {self.check} + ({self.value} - {self.value})",
            "bad[l] = step if bad[l] < 0 and not checked == 0 else bad[l]",
        )


class MemberObjective(LaneObjective):
    """The objective and the check of a single member, in scalars."""

    def __init__(self, out: LaneEmitter, check: str, dtype: DTypeLike) -> None:
        super().__init__(out, check)
        self.value, self.dtype = "value", dtype

    def add(self, value: str) -> str:
        """The line that adds to the objective, rounded as it would be in an array."""
        return f"value = np.{self.dtype}(value + {value})"

    def start_check(self) -> str:
        """The line that begins the check of a step."""
        return "nonfinite = 0"

    def check_finite(self, names: list[str]) -> list[str]:
        """The lines that check new numbers: a count, unlike a sum, does not depend on its order."""
        return [f"nonfinite += 1 if {name} - {name} != 0 else 0" for name in names]

    def finish(self) -> None:
        """Store the objective, and record the first step at which the member is not finite."""
        self.out.add(
            "objective[s] = value",
            "if bad[0] < 0 and (nonfinite > 0 or objective[s] - objective[s] != 0):",
            "    bad[0] = step",
        )
