"""Read the cells of a delimited text file: its separator, its header and its rows."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TextIO

from deltarule.errors import BadInput, count_of
from deltarule.tables.cell_parsing import shorten_repr

MAX_COLUMNS = 100_000
"""A table with more columns has rows and columns confused, or is meant to exhaust the memory."""
WITHOUT_NAME = "Unnamed: 0"
"""pandas' name for an unnamed first column, in which pandas and R write the row numbers."""
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
SEPARATOR_LINE = re.compile(r'"?sep=([^\r\n])"?\s*', re.IGNORECASE)
"""The line with which spreadsheets declare the separator before the header."""
QUOTED = re.compile('"[^"]*"')


@dataclass(frozen=True)
class TextTable:
    """The cells of a text file: the names and the stripped cells of its columns, and the line of each row."""

    separator: str
    header: list[str]
    columns: list[list[str]]
    lines: list[int]


def read_text_table(
    path: Path,
    expected_separator: str,
    is_used: Callable[[str], bool] | None = None,
    from_spreadsheet: bool = False,
) -> TextTable:
    """Read a file of delimited UTF-8 text whose first non-blank line names the columns.

    Parameters
    ----------
    path : the file.
    expected_separator : the character that should separate the columns.
    is_used : whether a column is used, by its name; only used columns need unique names. By default all are used.
    from_spreadsheet : accept what spreadsheets, pandas and R write: semicolons for commas, a separator that the first
        line declares, and a first column without a name, which is called `WITHOUT_NAME`.

    Raises
    ------
    BadInput
        If the file does not hold such a table; the message names the line.
    """
    with path.open(encoding="utf-8-sig", newline="") as file, _unlimited_cell_length():
        try:
            separator, is_declared = find_separator(file, expected_separator)
            is_accepted = (is_declared and separator in SEPARATORS) or (expected_separator, separator) == (",", ";")
            if separator != expected_separator and not (from_spreadsheet and is_accepted):
                name = SEPARATORS.get(separator, repr(separator))
                raise BadInput(
                    f"{path}: its columns seem to be separated by {name}, where {SEPARATORS[expected_separator]} are "
                    "needed; save it with these, and numbers with a point"
                )
            reader = csv.reader(file, strict=True, delimiter=separator)
            if is_declared:
                next(reader)
            header = _read_header(path, reader, is_used, from_spreadsheet)
            columns: list[list[str]] = [[] for _ in header]
            lines = []
            for row in reader:
                if not row or (_is_blank(row) and len(header) > 1):
                    continue
                if len(row) != len(header):
                    cells, names = count_of(len(row), "cell"), count_of(len(header), "column")
                    raise BadInput(f"{path}, line {reader.line_num}: {cells}, but the header names {names}")
                lines.append(reader.line_num)
                for column, cell in zip(columns, row, strict=True):
                    column.append(cell.strip())
        except UnicodeDecodeError as error:
            raise BadInput(f"{path} is not text in UTF-8; save the table in UTF-8") from error
        except csv.Error as error:
            raise BadInput(f"{path}, line {reader.line_num}: {error}; correct the quotes there") from error
    return TextTable(separator, header, columns, lines)


def find_separator(file: TextIO, expected_separator: str) -> tuple[str, bool]:
    """Detect the separator from a line such as sep=; or two lines, and rewind; returns it, and if it is declared.

    >>> from io import StringIO
    >>> find_separator(StringIO('"area";"price"'), ","), find_separator(StringIO("area,price"), ",")
    ((';', False), (',', False))
    >>> find_separator(StringIO("area;price, EUR;year\\n1,5;2,5;2026"), ",")
    (';', False)
    >>> find_separator(StringIO("sep=;\\narea;price"), ",")
    (';', True)
    """
    declared = SEPARATOR_LINE.fullmatch(file.readline(20))
    file.seek(0)
    if declared:
        return declared[1], True
    header, row = Counter(_read_unquoted_line(file)), Counter(_read_unquoted_line(file))
    file.seek(0)
    if not header[expected_separator]:
        return next((separator for separator in SEPARATORS if header[separator]), expected_separator), False
    consistent = {separator for separator in SEPARATORS if header[separator] and row[separator] == header[separator]}
    has_semicolons = ";" in consistent and ("," not in consistent or header[";"] > header[","])
    return ";" if expected_separator == "," and has_semicolons else expected_separator, False


def _read_unquoted_line(file: TextIO) -> str:
    """The next non-blank line without its quoted parts; empty if a quote is never closed."""
    lines: list[str] = []
    quotes = length = 0  # running totals: counting the joined lines again and again would take quadratic time
    for line in file:
        if not lines and not line.strip():
            continue
        lines.append(line)
        quotes, length = quotes + line.count('"'), length + len(line)
        if quotes % 2 == 0:
            return QUOTED.sub("", "".join(lines))
        # A quote that is still open after 10 million characters has no partner.
        if length > 10_000_000:
            break
    return ""


def _read_header(
    path: Path, reader: Iterator[list[str]], is_used: Callable[[str], bool] | None, allow_unnamed: bool
) -> list[str]:
    """Read the column names; used ones must be unique and not empty; `allow_unnamed` names an empty first one."""
    header = next((row for row in reader if not _is_blank(row)), None)
    if header is None:
        raise BadInput(f"{path} is empty; give a table whose first line names the columns")
    if len(header) > MAX_COLUMNS:
        raise BadInput(
            f"{path} has {len(header):,} columns; give a table of {MAX_COLUMNS:,} at most, with a row for each sample"
        )
    names = [name.strip() for name in header]
    if any("\0" in name for name in names):
        raise BadInput(f"{path} is not text; save the table as CSV in UTF-8")
    if allow_unnamed and len(names) > 1 and not names[0]:
        names[0] = _unused_name(names)
    used = list(filter(is_used, names)) if is_used else names
    if "" in used:
        raise BadInput(f"{path}: column {names.index('') + 1} has no name in the header; name it or remove the column")
    for name, times in Counter(used).most_common(1):
        if times > 1:
            raise BadInput(f"{path}: {times} columns are named {shorten_repr(name)}; give each a name of its own")
    return names


def _unused_name(names: list[str]) -> str:
    """`WITHOUT_NAME`, with a number as pandas adds it if another column has this name."""
    if WITHOUT_NAME not in names:
        return WITHOUT_NAME
    return next(name for name in (f"{WITHOUT_NAME}.{number}" for number in count(1)) if name not in names)


@contextmanager
def _unlimited_cell_length() -> Iterator[None]:
    """Lift the CSV reader's limit on the length of a cell: its error would blame the quotes of a long text."""
    before = csv.field_size_limit(2**31 - 1)  # the largest limit accepted on every system
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _is_blank(row: list[str]) -> bool:
    """Whether a row has no cells, or a single one of spaces only."""
    return not row or (len(row) == 1 and row[0].isspace())
