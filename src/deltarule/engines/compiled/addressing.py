"""Parts of the generator for small networks: lines, values, rows, objective.

L lanes (members of a block)

`LaneWriter` combines three strategies:

values      `RowValues` or `BatchValues`      one row at a time, or all rows of a batch layer by layer
rows        `SharedRows` or `OwnRows`         all lanes see the same row, or each lane another row
objective   `LaneObjective` or `MemberObjective`   a sum in each lane, or the sum of a single member
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from numpy.typing import DTypeLike

STEP_VALUES = "step_values"
"""The name of the array of numbers that belong to a step and not to a row, such as the learning rate."""


class ArrayRange(NamedTuple):
    """`rows` rows from `start` on of the flat array named `array`."""

    name: str
    array: str
    start: int
    rows: int


class LaneEmitter:
    """Collects the source lines of a program, with loops over lanes."""

    def __init__(self, lane_count: int) -> None:
        self.lines: list[str] = []
        self.depth = 0
        self.L = lane_count

    def add(self, *lines: str) -> None:
        """Add lines at the current indentation."""
        self.lines += ["    " * self.depth + line for line in lines]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Add `head` with a colon, and indent the lines added within this context."""
        self.add(f"{head}:")
        self.depth += 1
        yield
        self.depth -= 1

    def lanes(self, *lines: str, over: str = "") -> None:
        """Add lines in a loop over the lanes l, within a loop `over`."""
        if over:
            with self.block(f"for {over}"):
                self.lanes(*lines)
            return
        with self.block(f"for l in range({self.L})"):
            self.add(*lines)


class RowValues:
    """Writes expressions of the values of one row, which the next row overwrites."""

    def __init__(self, out: LaneEmitter) -> None:
        self.out, self.L = out, out.L

    def at(self, array_range: ArrayRange, row: int, unit: str) -> str:
        """Return the expression of a value in lane l, for unit `row` + `unit`."""
        offset = f" + {unit} * {self.L}" if unit else ""
        return f"{array_range.array}[{(array_range.start + row) * self.L}{offset} + l]"

    def every(self, array_range: ArrayRange) -> str:
        """Return the expression of value j in a loop over all elements."""
        return f"{array_range.array}[{array_range.start * self.L} + j]"

    def element_count(self, units: int) -> str:
        """Return the expression of the number of a layer's values in an elementwise loop."""
        return f"{units * self.L}"

    @contextmanager
    def each_row(self, rows: "SharedRows", inputs: bool) -> Iterator[None]:
        """Add nothing: the lines of this context are already within a loop over rows."""
        yield

    row_range = "begin, end"
    row_index = "i"


class BatchValues(RowValues):
    """Writes expressions of the values of all rows of a batch or a tile."""

    row_range = "count"
    row_index = "start + i"

    def at(self, array_range: ArrayRange, row: int, unit: str) -> str:
        """Return the expression of a value in lane l and row i."""
        if array_range.array == STEP_VALUES:
            return super().at(array_range, row, unit)
        if self.L == 1:
            return f"{array_range.name}[i * {array_range.rows} + {unit or row}]"
        offset = f" + {unit} * {self.L}" if unit else ""
        return f"{array_range.name}[i * {array_range.rows * self.L} + {row * self.L}{offset} + l]"

    def every(self, array_range: ArrayRange) -> str:
        """Return the expression of value j in a loop over all rows, units and lanes."""
        return f"{array_range.name}[j]"

    def element_count(self, units: int) -> str:
        """Return the expression of the number of a layer's values in all rows."""
        return f"count * {units * self.L}"

    @contextmanager
    def each_row(self, rows: "SharedRows", inputs: bool) -> Iterator[None]:
        """Add a loop over the rows i."""
        with self.out.block("for i in range(count)"):
            rows.load(inputs)
            yield


class SharedRows:
    """Writes expressions of the row that all lanes share."""

    def __init__(self, values: RowValues, weights: str, input_range: ArrayRange, gathered: bool) -> None:
        self.values, self.weights, self.input_range = values, weights, input_range
        self.gathered = gathered
        """Whether the inputs of all rows were gathered before, as they are for tiles."""

    def load(self, inputs: bool = True) -> None:
        """Add the lines that read the row's index, and its inputs if `inputs` is True."""
        count = self.input_range.rows if inputs and not self.gathered else 0
        self.values.out.add(f"r = ids[epoch, {self.values.row_index}]", *(f"x{d} = x[r, {d}]" for d in range(count)))

    def input(self, d: int) -> str:
        """Return the expression of the row's input d."""
        return f"x{d}"

    def index(self) -> str:
        """Return the expression of the row's index in x, y and the weights."""
        return "r"

    def position(self) -> str:
        """Return the expression of the row's position in the epoch."""
        return f"positions[epoch, {self.values.row_index}]"

    def weight(self) -> str:
        """Return the expression of the row's weight."""
        return {"none": "1.0", "shared": f"w[{self.index()}, 0]", "own": f"w[{self.index()}, l]"}[self.weights]


class OwnRows(SharedRows):
    """Writes expressions of rows that differ from lane to lane."""

    def load(self, inputs: bool = True) -> None:
        """Add the lines that copy the inputs of each lane's row if `inputs` is True."""
        for d in range(self.input_range.rows if inputs else 0):
            self.values.out.lanes(f"{self.input(d)} = x[{self.index()}, {d}]")

    def input(self, d: int) -> str:
        """Return the expression of input d of the lane's row."""
        return self.values.at(self.input_range, d, "")

    def index(self) -> str:
        """Return the expression of the index of the lane's row."""
        return f"ids[epoch, {self._lane_index()}]"

    def position(self) -> str:
        """Return the expression of the position of the lane's row in the epoch."""
        return f"positions[epoch, {self._lane_index()}]"

    def _lane_index(self) -> str:
        return f"i * {self.values.L} + l"


class LaneObjective:
    """Writes the lines that sum and check each lane's objective."""

    def __init__(self, out: LaneEmitter, check: str) -> None:
        self.out, self.check = out, check
        self.value = f"objective[s * {out.L} + l]"

    def start(self) -> str:
        """Return the line that sets the objective to 0."""
        return f"{self.value} = 0.0"

    def add(self, value: str) -> str:
        """Return the line that adds a value to the objective."""
        return f"{self.value} += {value}"

    def start_check(self) -> str:
        """Return the line that begins the check of a step."""
        return f"{self.check} = 0.0"

    def check_finite(self, names: list[str]) -> list[str]:
        """Return the lines that check that the variables `names` are finite, by a sum."""
        return [f"{self.check} += {' + '.join(f'({name} - {name})' for name in names)}"]

    def finish(self) -> None:
        """Add the lines that record in `bad` each lane's first nonfinite step."""
        self.out.lanes(
            f"checked = {self.check} + ({self.value} - {self.value})",
            "bad[l] = step if bad[l] < 0 and not checked == 0 else bad[l]",
        )


class MemberObjective(LaneObjective):
    """Writes the lines that sum and check a single member's objective."""

    def __init__(self, out: LaneEmitter, check: str, dtype: DTypeLike) -> None:
        super().__init__(out, check)
        self.value, self.dtype = "value", dtype

    def add(self, value: str) -> str:
        """Return the line that adds a value to the objective."""
        return f"value = np.{self.dtype}(value + {value})"

    def start_check(self) -> str:
        """Return the line that begins the check of a step."""
        return "nonfinite = 0"

    def check_finite(self, names: list[str]) -> list[str]:
        """Return the lines that check that the variables `names` are finite, by a count."""
        return [f"nonfinite += 1 if {name} - {name} != 0 else 0" for name in names]

    def finish(self) -> None:
        """Add the lines that store the objective and the first nonfinite step."""
        self.out.add(
            "objective[s] = value",
            "if bad[0] < 0 and (nonfinite > 0 or objective[s] - objective[s] != 0):",
            "    bad[0] = step",
        )
