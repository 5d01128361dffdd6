"""What a printer is asked for and what it prints: a program's form, and its text with what a call of it needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from deltarule.errors import DeltaruleError

WIDEST = 8
"""Bytes of the widest number."""


class NotPrintable(DeltaruleError):
    """Raised if a program has no form in LLVM's language; the message says what it lacks."""


class Tile(NamedTuple):
    """How many rows and units of a product are in registers."""

    rows: int
    units: int


@dataclass(frozen=True)
class Form:
    """What the text of a program depends on beside the program.

    slots : the names of the optimizer's.
    per_epoch : whether the schedule counts epochs.
    own_weights : whether each member has weights of rows for itself.
    short_tiles : whether there are batches that the rows of a tile do not divide.
    few_rows : whether a batch has no more than two tiles of rows.
    """

    lanes: int
    tile: Tile
    slots: tuple[str, ...] = ()
    per_epoch: bool = False
    own_weights: bool = False
    short_tiles: bool = True
    few_rows: bool = False


@dataclass(frozen=True)
class Printed:
    """The text of a function that runs on a block of so many lanes.

    name : of the function.
    numbers, arguments : the names of the numbers that it is given, and of the arrays whose addresses follow; then
        scratch memory, and memory for kept rows.
    each : the name of a function that calls it for several blocks, or "" if there is none. That is given the number of
        blocks, the numbers, and the addresses of two arrays: of the first block's addresses, and of their strides.
    scratch_bytes, bytes_a_row : the sizes of both, of the second for each row of a batch.
    kept : the distance of kept arrays from the first, in bytes for each row of a batch.
    """

    text: str
    name: str
    lanes: int
    numbers: tuple[str, ...]
    arguments: tuple[str, ...]
    scratch_bytes: int
    bytes_a_row: int
    kept: Mapping[str, int]
    each: str


@dataclass(frozen=True)
class PrintedUnits(Printed):
    """The text of a function; each thread also has memory for itself.

    own_bytes, line_bytes : of this memory: those of single numbers, and of each packed line of columns.
    longest : the most entries of a row that products read; so many are packed for each row, and so many columns.
    """

    own_bytes: int
    line_bytes: int
    longest: int

    def bytes_of_thread(self, rows: int) -> int:
        """Return the bytes of a thread's own memory, for batches of so many rows."""
        return self.own_bytes + max(rows, self.longest) * self.line_bytes + rows * self.longest * WIDEST
