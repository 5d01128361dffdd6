"""Read tables from CSV, TSV and Parquet files.

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
from deltarule.tables.cell_parsing import are_codes, as_text, shorten_repr, strip_missing
from deltarule.tables.column_parsers import mark_unclear, parse_numbers
from deltarule.tables.csv_reader import MAX_COLUMNS, find_separator, read_text_table
from deltarule.tables.frame import ROW_NUMBERS, Frame, empty_column, frame_of

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


@dataclass(frozen=True)
class _ColumnSelection:
    """How the columns of a file are read, by their names: see `read_frame`."""

    categories: Collection[str]
    is_used: Callable[[str], bool] | None
    as_written: Collection[str]

    def is_skipped(self, name: str) -> bool:
        """Whether a column is not used."""
        return self.is_used is not None and not self.is_used(name)

    def may_be_numbers(self, name: str) -> bool:
        """Whether a column is parsed as numbers if all of its cells are numbers."""
        return name not in self.categories and name not in self.as_written


def read_frame(
    path: str | Path,
    categories: Collection[str] = (),
    is_used: Callable[[str], bool] | None = None,
    as_written: Collection[str] = (),
) -> Frame:
    """Read a CSV, TSV or Parquet file as a frame; `categories` are not parsed as numbers, `as_written` keep even NA.

    Text is UTF-8, and its first line names the columns; if the first of several has no name, it is called Unnamed: 0,
    as by pandas. A column becomes numbers if all of its cells are numbers; empty cells and markers (NA, nan, null, ?)
    are missing values. Semicolons may separate the columns of a CSV file, too, or a separator that a first line such as
    sep=; declares. If columns are not separated by commas, numbers may have a decimal comma, 1,5, unless all of a
    column may mean thousands, 1,500. Likewise 1.500 is not a number if all cells with a point may mean thousands and
    another column has decimal commas. Apostrophes may separate thousands, 1'234.50, and a column of durations, 1:23:45,
    becomes seconds: see `deltarule.tables.column_parsers`. Whole numbers that float64 would merge stay texts.

    Parameters: `path`; `categories`, names of columns whose cells are categories, even if all look like numbers, so
    that 01 and 1 differ; `is_used`, whether a column is used, by its name; unused columns become empty, and by default
    all are used; `as_written`, names of columns whose texts stay as they are, including markers of missing values.
    Returns: the columns by name.
    Errors: `BadInput` for a file that does not hold a table, with the line.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "fruit.csv"
    ...     _ = file.write_text("weight,color\\n150,green\\n,yellow\\n", encoding="utf-8")
    ...     {name: column.tolist() for name, column in read_frame(file).items()}
    {'weight': [150.0, nan], 'color': ['green', 'yellow']}
    """
    path, selection = Path(path), _ColumnSelection(categories, is_used, as_written)
    check_is_file(path, "a CSV, TSV or Parquet file")
    ending = path.suffix.lower()
    try:
        if ending == ".parquet":
            return _read_parquet(path, selection)
        if ending not in DELIMITERS:
            raise BadInput(f"{path} has the ending {ending!r}; give a table as .csv, .tsv or .parquet")
        return _read_text(path, DELIMITERS[ending], selection)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}; check that you may read it") from error


def _read_text(path: Path, delimiter: str, selection: _ColumnSelection) -> Frame:
    """Read a file of delimited text as a frame."""
    table = read_text_table(path, delimiter, selection.is_used, from_spreadsheet=True)
    lines = table.lines
    columns = zip(table.header, table.columns, strict=True)
    used = {name: cells for name, cells in columns if not selection.is_skipped(name)}
    allow_commas = table.separator != ","
    frame = dict.fromkeys(table.header, empty_column(len(lines)))
    for name, cells in (mark_unclear(used) if allow_commas else used).items():
        is_code = are_codes([strip_missing(cell) for cell in cells])
        numbers = parse_numbers(cells, allow_commas) if selection.may_be_numbers(name) and not is_code else None
        if numbers is None:
            frame[name] = np.array(
                cells if name in selection.as_written else [strip_missing(cell) for cell in cells], object
            )
            continue
        frame[name] = numbers
        if np.isinf(numbers).any():
            row = int(np.isinf(numbers).argmax())
            raise BadInput(
                f"{path}, line {lines[row]}, column {name!r}: {shorten_repr(cells[row])} is no finite number"
            )
    return frame


def takes_commas(path: str | Path) -> bool:
    """Whether numbers in a file may have a decimal comma: it is text, and commas do not separate its columns."""
    path = Path(path)
    delimiter = DELIMITERS.get(path.suffix.lower())
    if delimiter is None:
        return False
    with path.open(encoding="utf-8-sig", newline="") as file:
        return find_separator(file, delimiter)[0] != ","


def _read_parquet(path: Path, selection: _ColumnSelection) -> Frame:
    """Read a Parquet file as a frame."""
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
        used = [field for field in schema if not selection.is_skipped(field.name.strip())]
        for field in used:
            if is_nested(field.type):
                raise BadInput(
                    f"{path}, column {shorten_repr(field.name)}: it holds {field.type}; give numbers or texts"
                )
        if len({field.name.strip() for field in used}) < len(used):
            raise BadInput(f"{path}: two columns have the same name; give each a name of its own")
        # Texts are read with a dictionary, so that one that occurs in many rows is stored once.
        texts = [field.name for field in used if str(field.type) in ("string", "large_string")]
        table = read_table(path, columns=[field.name for field in used], read_dictionary=texts)
        table = table.rename_columns([name.strip() for name in table.column_names])
        frame = frame_of(table, selection.categories)
        for name in {*selection.as_written} & {*frame}:
            if frame[name].dtype.kind == "O":
                frame[name] = np.array([as_text(value).strip() for value in table[name].to_pylist()], object)
        blank = empty_column(table.num_rows)
        names = [name for name in map(str.strip, schema.names) if not ROW_NUMBERS.fullmatch(name)]
        return {name: frame.get(name, blank) for name in names}
    except BadInput:
        raise
    except (ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
        raise BadInput(f"{path} is no Parquet file, or damaged; write it again") from error


def _uncompressed_size(metadata: Any) -> int:
    """The bytes that a Parquet file declares for its values, and 8 for each, because repeated ones are stored once.

    The sizes of single columns are not read, because PyArrow ends the process if they are damaged.
    """
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    return sum(max(0, group.total_byte_size) + 8 * max(0, group.num_rows) * metadata.num_columns for group in groups)
