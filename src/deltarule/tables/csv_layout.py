"""The layout of a CSV file: its separator, its header, and rows of uneven length."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import TextIO

from deltarule.errors import BadInput, count_of
from deltarule.tables.cell_parsing import shorten_repr

# Of a table with more of them rows and columns are confused, or it is meant to fill the memory.
MAX_COLUMNS = 100_000
WITHOUT_NAME = "Unnamed: 0"
"""What pandas calls a first column without a name, as it and R write the rows' numbers."""
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}


QUOTED = re.compile('"[^"]*"')


SEPARATOR_TOLD = re.compile(r'"?sep=([^\r\n])"?\s*', re.IGNORECASE)


def read_header(
    path: Path, reader: Iterator[list[str]], is_used: Callable[[str], bool] | None = None, takes_index: bool = False
) -> list[str]:
    """The names in the first line that is not blank, each of those that are used different.

    Where `takes_index` says so, the first of several columns may have none, and gets that of `WITHOUT_NAME`; where
    there is one of this name, with a number behind it, as pandas has it.

    Errors: `BadInput` where there are none, or one twice.
    """
    header = next((row for row in reader if not is_blank(row)), None)
    if header is None:
        raise BadInput(f"{path} is empty; give a table whose first line names the columns")
    if len(header) > MAX_COLUMNS:
        raise BadInput(
            f"{path} has {len(header):,} columns; give a table of {MAX_COLUMNS:,} at most, with a row for each sample"
        )
    names = [name.strip() for name in header]
    if any("\0" in name for name in names):
        raise BadInput(f"{path} is not text; save the table as CSV in UTF-8")
    if takes_index and len(names) > 1 and not names[0]:
        further = (f"{WITHOUT_NAME}.{number}" for number in count(1))
        names[0] = next(name for name in chain([WITHOUT_NAME], further) if name not in names)
    used = list(filter(is_used, names)) if is_used else names
    if "" in used:
        raise BadInput(f"{path}: column {names.index('') + 1} has no name in the header; name it or remove the column")
    for name, times in Counter(used).most_common(1):
        if times > 1:
            raise BadInput(f"{path}: {times} columns are named {shorten_repr(name)}; give each a name of its own")
    return names


@contextmanager
def cells_of_any_length() -> Iterator[None]:
    """Let Python's reader take texts of any length; its own limit would blame the quotes of a long one."""
    # The highest limit that Python's reader of CSV takes on every system.
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def is_blank(row: Sequence[str]) -> bool:
    """Whether a line is none: empty, or nothing but spaces.

    >>> is_blank([]), is_blank(["  "]), is_blank(["", ""])
    (True, True, False)
    """
    return not row or (len(row) == 1 and row[0].isspace())


def uneven(path: Path, line: int, row: Sequence[str], header: Sequence[str]) -> BadInput:
    """The error for a row that has more cells than the header, or fewer."""
    cells, columns = count_of(len(row), "cell"), count_of(len(header), "column")
    return BadInput(f"{path}, line {line}: {cells}, but the header names {columns}")


def separator_of(file: TextIO, delimiter: str) -> tuple[str, bool]:
    """By what a file's columns are separated, and whether a line before the header says so, as Excel has it.

    Else it is what the first line holds outside of quotes, and the second, too.

    >>> from io import StringIO
    >>> separator_of(StringIO('"area";"price"'), ","), separator_of(StringIO("area,price"), ",")
    ((';', False), (',', False))
    >>> separator_of(StringIO("area;price, EUR;year\\n1,5;2,5;2026"), ",")
    (';', False)
    >>> separator_of(StringIO("sep=;\\narea;price"), ",")
    (';', True)
    """
    told = SEPARATOR_TOLD.fullmatch(file.readline(20))
    file.seek(0)
    return (told[1], True) if told else (_seen_separator(file, delimiter), False)


def _seen_separator(file: TextIO, delimiter: str) -> str:
    header, row = Counter(_outside_quotes(file)), Counter(_outside_quotes(file))
    file.seek(0)
    if not header[delimiter]:
        return next((one for one in SEPARATORS if header[one]), delimiter)
    fits = {one for one in SEPARATORS if header[one] and row[one] == header[one]}
    by_semicolons = ";" in fits and ("," not in fits or header[";"] > header[","])
    return ";" if delimiter == "," and by_semicolons else delimiter


def _outside_quotes(file: TextIO) -> str:
    """What the next line that is not blank holds outside of quotes; nothing where they do not end."""
    lines: list[str] = []
    quotes = length = 0  # counted as they come: a file whose quotes do not end is not read again and again
    for line in file:
        if not lines and not line.strip():
            continue
        lines.append(line)
        quotes, length = quotes + line.count('"'), length + len(line)
        if quotes % 2 == 0:
            return QUOTED.sub("", "".join(lines))
        # Where quotes do not end before, they are not meant to.
        if length > 10_000_000:
            break
    return ""


def check_separated(path: Path, other: str, delimiter: str) -> None:
    """Refuse a file whose columns are separated by another character than is needed: `BadInput`."""
    if other != delimiter:
        found = SEPARATORS.get(other, repr(other))
        raise BadInput(
            f"{path}: its columns seem to be separated by {found}, where {SEPARATORS[delimiter]} are needed; save it "
            "with these, and numbers with a point"
        )
