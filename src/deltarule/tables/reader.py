"""Tables as people have them in files: CSV, TSV and Parquet.

N rows.    A frame names its columns: numbers [N], NaN where one is missing, or texts [N], "" where one is missing.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.decompression_limits import check_unpacked
from deltarule.errors import BadInput, not_installed
from deltarule.files import check_is_file
from deltarule.tables.cell_parsing import as_text, shorten_repr, strip_missing
from deltarule.tables.column_parsers import mark_unclear, parse_numbers
from deltarule.tables.csv_reader import MAX_COLUMNS, find_separator, read_text_table
from deltarule.tables.frame import ROW_NUMBERS, Frame, empty, frame_of

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


@dataclass(frozen=True)
class _ColumnSelection:
    """What somebody wants of a file's columns, by their names: see `read_frame`."""

    names: Collection[str]
    is_used: Callable[[str], bool] | None
    as_written: Collection[str]

    def leaves_out(self, name: str) -> bool:
        return self.is_used is not None and not self.is_used(name)

    def takes_numbers(self, name: str) -> bool:
        return name not in self.names and name not in self.as_written


def read_frame(
    path: str | Path,
    names: Collection[str] = (),
    is_used: Callable[[str], bool] | None = None,
    as_written: Collection[str] = (),
) -> Frame:
    """Read a table from a CSV, TSV or Parquet file.

    Text is UTF-8, and its first line names the columns; where the first one of several has no name, it is called
    Unnamed: 0, as by pandas. A column holds numbers where all of its cells do; cells that are empty or say so (NA, nan,
    null, ?) are missing. Semicolons may separate a CSV file's columns, too, or what a first line such as sep=; says.
    Where commas separate none, numbers may have a decimal comma, 1,5; but not where all of a column's may mean
    thousands, 1,500. Nor is 1.500 a number where all with a point may mean thousands, and another column has decimal
    commas. Apostrophes may separate thousands, 1'234.50, and a column of durations, 1:23:45, is numbers of seconds: see
    `deltarule.tables.column_parsers`. Whole numbers that would become one as float64 stay texts.

    Parameters: `path`; `names`, of columns whose cells are names, 01 and 1 two of them, whatever all of them look like;
    `is_used`, which columns are, by their names, if left out all: the others are empty, whatever they hold;
    `as_written`, columns whose texts stay as they are, also those that say that they are missing.
    Returns: the columns by name.
    Errors: `BadInput` for a file that does not hold a table, with the line.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "fruit.csv"
    ...     _ = file.write_text("weight,color\\n150,green\\n,yellow\\n", encoding="utf-8")
    ...     {name: column.tolist() for name, column in read_frame(file).items()}
    {'weight': [150.0, nan], 'color': ['green', 'yellow']}
    """
    path, wanted = Path(path), _ColumnSelection(names, is_used, as_written)
    check_is_file(path, "a CSV, TSV or Parquet file")
    ending = path.suffix.lower()
    try:
        if ending == ".parquet":
            return _read_parquet(path, wanted)
        if ending not in DELIMITERS:
            raise BadInput(f"{path} has the ending {ending!r}; give a table as .csv, .tsv or .parquet")
        return _read_text(path, DELIMITERS[ending], wanted)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}; check that you may read it") from error


def _read_text(path: Path, delimiter: str, wanted: _ColumnSelection) -> Frame:
    table = read_text_table(path, delimiter, wanted.is_used, from_spreadsheet=True)
    lines = table.lines
    used = {name: cells for name, cells in zip(table.header, table.columns, strict=True) if not wanted.leaves_out(name)}
    commas = table.separator != ","
    frame = dict.fromkeys(table.header, empty(len(lines)))
    for name, cells in (mark_unclear(used) if commas else used).items():
        numbers = parse_numbers(cells, commas) if wanted.takes_numbers(name) else None
        if numbers is None:
            frame[name] = np.array(
                cells if name in wanted.as_written else [strip_missing(cell) for cell in cells], object
            )
            continue
        frame[name] = numbers
        if np.isinf(numbers).any():
            place = int(np.isinf(numbers).argmax())
            raise BadInput(
                f"{path}, line {lines[place]}, column {name!r}: {shorten_repr(cells[place])} is no finite number"
            )
    return frame


def takes_commas(path: str | Path) -> bool:
    """Whether numbers in a file may have a decimal comma: where it is text whose columns something else separates."""
    path = Path(path)
    delimiter = DELIMITERS.get(path.suffix.lower())
    if delimiter is None:
        return False
    with path.open(encoding="utf-8-sig", newline="") as file:
        return find_separator(file, delimiter)[0] != ","


def _read_parquet(path: Path, wanted: _ColumnSelection) -> Frame:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_metadata, read_table
        from pyarrow.types import is_nested
    except (ImportError, OSError) as error:
        raise not_installed("Parquet", "pyarrow", "frames", error) from None
    try:
        metadata = read_metadata(path)
        check_unpacked(path, _uncompressed_size(metadata))
        if metadata.num_columns > MAX_COLUMNS:
            raise BadInput(f"{path} has {metadata.num_columns:,} columns; give a table of {MAX_COLUMNS:,} at most")
        schema = metadata.schema.to_arrow_schema()
        used = [one for one in schema if not wanted.leaves_out(one.name.strip())]
        for one in used:
            if is_nested(one.type):
                raise BadInput(f"{path}, column {shorten_repr(one.name)}: it holds {one.type}; give numbers or texts")
        if len({one.name.strip() for one in used}) < len(used):
            raise BadInput(f"{path}: two columns have the same name; give each a name of its own")
        # A text that stands in many rows is one text in the file, and stays one.
        # Arrow's types of texts.
        texts = [one.name for one in used if str(one.type) in ("string", "large_string")]
        table = read_table(path, columns=[one.name for one in used], read_dictionary=texts)
        table = table.rename_columns([name.strip() for name in table.column_names])
        frame = frame_of(table, wanted.names)
        for name in {*wanted.as_written} & {*frame}:
            if frame[name].dtype.kind == "O":
                frame[name] = np.array([as_text(one).strip() for one in table[name].to_pylist()], object)
        blank = empty(table.num_rows)
        return {one: frame.get(one, blank) for one in map(str.strip, schema.names) if not ROW_NUMBERS.fullmatch(one)}
    except BadInput:
        raise
    except (ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
        raise BadInput(f"{path} is no Parquet file, or damaged; write it again") from error


def _uncompressed_size(metadata: Any) -> int:
    """The bytes that a Parquet file says its values take: each, however often it is repeated, 8 of them at least.

    What it says of single columns is not asked: PyArrow ends the process where that is damaged.
    """
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    return sum(max(0, group.total_byte_size) + 8 * max(0, group.num_rows) * metadata.num_columns for group in groups)
