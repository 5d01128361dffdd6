"""Tables as people have them: columns of numbers and of texts, with gaps.

N rows.    A frame names its columns: numbers [N], NaN where one is missing, or texts [N], "" where one is missing.
"""

import csv
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.tables import (
    MOST_COLUMNS,
    cells_of_any_length,
    check_separated,
    is_blank,
    is_number,
    number_of,
    read_header,
    seems_separated,
    shortened,
    uneven,
)
from deltarule.data.unpacked import check_unpacked
from deltarule.errors import BadInput
from deltarule.files import check_is_file

Frame = dict[str, np.ndarray]


class Part(Frame):
    """Some rows of a table: columns by name, and `rows` [N], the numbers that they have in all of it."""

    def __init__(self, columns: Frame, rows: np.ndarray) -> None:
        super().__init__(columns)
        self.rows = rows


DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
MISSING = frozenset({"", "?", "-", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "none"})
"""Cells that say that nothing is known."""
TEXTS = ("string", "large_string")
"""Arrow's types of texts."""
EXACT = 2**53
"""From here on several whole numbers are one float64."""
WHOLE = re.compile(r"[+-]?\d+")
WITH_COMMA = re.compile(r"[+-]?\d+(\.\d{3})*(,\d+)+")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?")
PERHAPS_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")
AMOUNT = r"\d+(,\d{3})*(\.\d+)?|\d+(\.\d{3})*(,\d+)?"
WITH_SIGN = re.compile(rf"(?=.*([$€£¥%]|,\d{{3}}\.))[+-]?[$€£¥]? ?[+-]?({AMOUNT}) ?[$€£¥%]?")
DATE = re.compile(r"\d{4}-\d\d-\d\d\b.*|\d{1,2}([./])\d{1,2}\1\d{2,4}\b.*")
LOOKED_AT = 1000
"""What more texts than so many are meant to be, these tell."""


def read_frame(path: str | Path, names: Collection[str] = ()) -> Frame:
    """Read a table from a CSV, TSV or Parquet file.

    Text is UTF-8, and its first line names the columns. A column holds numbers where all of its cells do; cells that
    are empty or say so (NA, nan, null, ?) are missing. Semicolons may separate a CSV file's columns, too. Where commas
    separate none, numbers may have a decimal comma, 1,5; but not where all of a column's may mean thousands, 1,500.
    Whole numbers that would become one as float64 stay texts.

    Parameters: `path`; `names`, of columns whose cells are names, 01 and 1 two of them, whatever all of them look like.
    Returns: the columns by name.
    Errors: `BadInput` for a file that does not hold a table, with the line.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "fruit.csv"
    ...     _ = file.write_text("weight,color\\n150,green\\n,yellow\\n", encoding="utf-8")
    ...     {name: column.tolist() for name, column in read_frame(file).items()}
    {'weight': [150.0, nan], 'color': ['green', 'yellow']}
    """
    path = Path(path)
    check_is_file(path, "a CSV, TSV or Parquet file")
    ending = path.suffix.lower()
    try:
        if ending == ".parquet":
            return _read_parquet(path, names)
        if ending not in DELIMITERS:
            raise BadInput(f"{path} has the ending {ending!r}; give a table as .csv, .tsv or .parquet")
        return _read_text(path, DELIMITERS[ending], names)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}; check that you may read it") from error


def frame_of(X: Any, names: Collection[str] = ()) -> Frame:
    """Take a data frame, a mapping of columns, or rows [N, D], whose columns are then named x0, x1 …

    Parameters: `X`, of pandas or of any library whose frames have `columns`, a table of PyArrow; a mapping; an array or
    lists. `names`, of columns whose values are names: of these every whole number counts, however large.
    Returns: the columns by name.
    Errors: `BadInput` for anything else, columns of different lengths, and numbers that are infinite.

    >>> frame_of([[1.5, "red"], [None, "blue"]])
    {'x0': array([1.5, nan]), 'x1': array(['red', 'blue'], dtype=object)}
    """
    items: Iterable[tuple[Any, Any]]
    if type(X).__name__ == "RecordBatch":
        from pyarrow import Table

        X = Table.from_batches([X])
    if isinstance(X, Mapping):
        items = list(X.items())
    elif hasattr(X, "column_names"):  # PyArrow, whose `columns` are no names
        items = [(name, _values(X.column(place))) for place, name in enumerate(X.column_names)]
    elif hasattr(X, "columns"):
        items = [(name, X[name]) for name in X.columns]
    else:
        if isinstance(X, list | tuple) and X and isinstance(X[0], Mapping):
            raise BadInput("the table is a list of dictionaries; give a data frame, as pandas.DataFrame(rows)")
        rows = np.asarray(X, None if isinstance(X, np.ndarray) else object)
        if rows.ndim != 2:
            raise BadInput(f"the table has {rows.ndim} axes; give a data frame, or an array of rows and columns")
        items = [(f"x{place}", rows[:, place]) for place in range(rows.shape[1])]
    frame: Frame = {}
    for name, values in items:
        if str(name) in frame:
            raise BadInput(f"several columns are named {str(name)!r}; give each one name")
        frame[str(name)] = _column(str(name), values, str(name) in names)
    if len({len(column) for column in frame.values()}) > 1:
        lengths = ", ".join(f"{name} {len(column)}" for name, column in list(frame.items())[:5])
        raise BadInput(f"the columns have different lengths ({lengths}); give one value for each row")
    return Part(frame, X.rows) if isinstance(X, Part) else frame


def rows_of(frame: Frame) -> int:
    """How many rows a frame has.

    >>> rows_of({"x": np.zeros(3)})
    3
    """
    return len(next(iter(frame.values()), ()))


def taken(frame: Frame, rows: Any) -> Frame:
    """Some of a frame's rows: indices or a mask.

    >>> taken({"x": np.array([1.0, 2.0])}, [1])
    {'x': array([2.])}
    """
    return Part({name: column[rows] for name, column in frame.items()}, numbers_of_rows(frame)[rows])


def numbers_of_rows(frame: Frame) -> np.ndarray:
    """Which row of the whole table each one is [N], for those who look for it there.

    >>> numbers_of_rows(taken({"x": np.array([5.0, 6.0, 7.0])}, [2])).tolist()
    [2]
    """
    return frame.rows if isinstance(frame, Part) else np.arange(rows_of(frame))


def as_text(value: Any) -> str:
    """A value as a category's name: whole numbers without a point, nothing for what is missing.

    >>> as_text(2.0), as_text(0.5), as_text(float("nan")), as_text("red")
    ('2', '0.5', '', 'red')
    """
    if is_missing(value):
        return ""
    if isinstance(value, Integral) and _is_plain_number(value):
        return str(int(value))
    if _is_plain_number(value):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    return str(value)


def as_named(texts: Sequence[str], names: Collection[str]) -> list[str]:
    """Texts by their names: as they are, and only where all of the names are those of numbers, 2.0 as 2.

    >>> as_named(["2.0", "01", "red"], names=["1", "2", ""]), as_named(["2.0", "01"], names=["01", "2", "1A"])
    (['2', '1', 'red'], ['2.0', '01'])
    """
    if not are_numbers(names):
        return list(texts)
    others = {text: name for text in {*texts} - {*names} if (name := _named_as_number(text)) in names}
    return [others.get(text, text) for text in texts]


def are_numbers(names: Collection[str]) -> bool:
    """Whether names, but for that of what is missing, are all those that `as_text` gives numbers: 1 and not 01."""
    return all(is_number(name) and _named_as_number(name) == name for name in names if name)


def _named_as_number(text: str) -> str:
    if not is_number(text) or not abs(float(text)) < EXACT:
        return text
    return as_text(float(text))


def meant(texts: np.ndarray, rows: np.ndarray | None = None) -> str:
    """What texts [N] seem to be meant as, where most of them are no mere texts; else nothing.

    >>> meant(np.array(["1.5", "20", "large"], object))
    "numbers, but for 'large' in row 2 (counted from 0)"
    >>> meant(np.array(["1,5", "20,0", ""], object))
    "numbers with a comma, such as '1,5', to be written 1.5"
    >>> meant(np.array(["5%", "20%"], object))
    "numbers with a sign, such as '5%', to be written 5"
    >>> meant(np.array(["2026-11-20"], object)), meant(np.array(["red", "blue"], object))
    ('dates', '')
    """
    present = [text for text in texts.tolist() if text][:LOOKED_AT]
    most = len(present) / 2
    if sum(map(is_number, present)) > most:
        text = first_text(texts, rows=rows)
        return f"numbers, but for {text}" if text else ""
    for what, form in (("comma", WITH_COMMA), ("sign", WITH_SIGN)):
        found = [text for text in present if form.fullmatch(text)]
        if len(found) > most:
            plain = {text for text in texts.tolist() if is_number(text) or form.fullmatch(text)}
            odd = first_text(texts, plain.__contains__, rows)
            why = f"but for {odd}" if odd else f"such as {shortened(found[0])}, to be written {_plain(found[0])}"
            return f"numbers with a {what}, {why}"
    return "dates" if sum(DATE.fullmatch(text) is not None for text in present) > most else ""


def _plain(text: str) -> str:
    """How a number with a comma or a sign is to be written; both ways where it may mean one or the other."""
    text = re.sub(r"[^\d.,+-]", "", text)
    if PERHAPS_THOUSANDS.fullmatch(text):
        return f"{text.replace(',', '')} or {text.replace(',', '.')}"
    if WITH_COMMA.fullmatch(text) and text.count(",") == 1:
        return text.replace(".", "").replace(",", ".")
    return text.replace(",", "")


def first_text(column: np.ndarray, counts: Callable[[str], bool] | None = None, rows: np.ndarray | None = None) -> str:
    """The first text of a column [N] that is no finite number, and where it stands; nothing where there is none.

    Parameters: `counts`, for what is to count as one; `rows` [N], the numbers of the rows where they are other ones.

    >>> first_text(np.array(["1.5", "", "large"], object)), first_text(np.array([1.5]))
    ("'large' in row 2 (counted from 0)", '')
    """
    if column.dtype.kind not in "OU":
        return ""
    counts = counts or _is_finite
    texts = enumerate(map(as_text, column.tolist()))
    place, text = next(((place, text) for place, text in texts if text and not counts(text)), (0, ""))
    return f"{shortened(text)} in row {place if rows is None else rows[place]} (counted from 0)" if text else ""


def _is_finite(text: str) -> bool:
    return is_number(text) and not np.isinf(float(text))


def is_missing(value: Any) -> bool:
    """Whether a value says that nothing is known: None, NaN, and pandas' NA and NaT.

    >>> is_missing(None), is_missing(float("nan")), is_missing(0)
    (True, True, False)
    """
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return not isinstance(value, np.ndarray) and bool(value != value)


def _column(name: str, values: Any, are_names: bool) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim == 0:
        raise BadInput(f"the column {name!r} is a single value; give a list, with one value for each row")
    if array.ndim != 1:
        raise BadInput(f"several columns are named {name!r}, or it has several of its own; give each one name")
    if str(getattr(values, "dtype", "")) != "category":  # pandas: somebody has said that its numbers are names
        numbers = _as_floats(array)
        if numbers is not None and not _too_long(array, numbers, are_names):
            return _finite(name, numbers)
    if array.dtype.kind in "mM":  # of nanoseconds, tolist would make whole numbers
        array = array.astype(f"{array.dtype.kind}8[us]")
    return np.array([_said(as_text(value)) for value in array.tolist()], object)


def _as_floats(array: np.ndarray) -> np.ndarray | None:
    """Values [N] as numbers, where they all are some."""
    if array.dtype.kind in "iuf":
        return array.astype(np.float64)
    if array.dtype.kind == "O" and all(map(_is_plain_number, array)):
        return np.array([np.nan if is_missing(value) else float(value) for value in array])
    return None


def _too_long(values: Any, numbers: np.ndarray, are_names: bool) -> bool:
    """Whether whole numbers, or their texts, are too long for float64: two would be one, or a name another."""
    long = [values[place] for place in np.flatnonzero(np.abs(numbers) >= EXACT)]
    whole = {one for one in long if (WHOLE.fullmatch(one) if isinstance(one, str) else isinstance(one, Integral))}
    return len(set(map(float, whole))) < len(whole) or (are_names and bool(whole))


def _is_plain_number(value: Any) -> bool:
    return is_missing(value) or (isinstance(value, Real | Decimal) and type(value) not in (bool, np.bool_))


def _finite(name: str, numbers: np.ndarray) -> np.ndarray:
    infinite = np.isinf(numbers)
    if infinite.any():
        raise BadInput(f"the column {name!r} is infinite in row {int(infinite.argmax())} (counted from 0); replace it")
    return numbers


# --- files -----------------------------------------------------------------------------------------------------------


def _read_text(path: Path, delimiter: str, names: Collection[str]) -> Frame:
    with path.open(encoding="utf-8-sig", newline="") as file, cells_of_any_length():
        reader = csv.reader(file, strict=True, delimiter=delimiter)
        try:
            header = read_header(path, reader)
            if delimiter == "," and seems_separated(header, delimiter) == ";":
                return _read_text(path, ";", names)
            check_separated(path, header, delimiter)
            columns: list[list[str]] = [[] for _ in header]
            lines = []
            for row in reader:
                if is_blank(row) and len(header) > 1:
                    continue
                if len(row) != len(header):
                    raise uneven(path, reader.line_num, row, header)
                lines.append(reader.line_num)
                for column, cell in zip(columns, row, strict=True):
                    column.append(cell.strip())
        except UnicodeDecodeError as error:
            raise BadInput(f"{path} is not text in UTF-8; save the table in UTF-8") from error
        except csv.Error as error:
            raise BadInput(f"{path}, line {reader.line_num}: {error}; correct the quotes there") from error
    commas = delimiter != ","
    frame = {}
    for name, cells in zip(header, columns, strict=True):
        numbers = None if name in names else _parsed(cells, commas)
        if numbers is None:
            frame[name] = np.array(["" if cell in MISSING else cell for cell in cells], object)
            continue
        frame[name] = numbers
        if np.isinf(numbers).any():
            place = int(np.isinf(numbers).argmax())
            raise BadInput(
                f"{path}, line {lines[place]}, column {name!r}: {shortened(cells[place])} is no finite number"
            )
    return frame


def takes_commas(path: str | Path) -> bool:
    """Whether numbers in a file may have a decimal comma: where it is text whose columns something else separates."""
    path = Path(path)
    if path.suffix.lower() != ".csv":
        return path.suffix.lower() in DELIMITERS
    with path.open(encoding="utf-8-sig", newline="") as file, cells_of_any_length():
        return seems_separated(read_header(path, csv.reader(file, strict=True)), ",") == ";"


def with_points(texts: np.ndarray) -> np.ndarray:
    """Texts [N] that all are numbers, some with a decimal comma, with points for it; others as they are.

    >>> with_points(np.array(["1,5", "2"], object)), with_points(np.array(["1,5", "one"], object))
    (array(['1.5', '2'], dtype=object), array(['1,5', 'one'], dtype=object))
    """
    cells = texts.tolist()
    pointed = np.array(_with_points(cells), object)
    return texts if numbers_in(pointed).dtype.kind == "O" else pointed


def numbers_in(texts: np.ndarray) -> np.ndarray:
    """The numbers of texts [N] that all are numbers; else the texts.

    >>> numbers_in(np.array(["1", "2.5"], object)), numbers_in(np.array(["1", "one"], object))
    (array([1. , 2.5]), array(['1', 'one'], dtype=object))
    """
    if texts.dtype.kind != "O":
        return texts
    try:
        return _numbers(texts.tolist(), commas=False)
    except ValueError:
        return texts


def _parsed(cells: list[str], commas: bool) -> np.ndarray | None:
    """The numbers of cells that all are numbers, and stay as different as they are."""
    try:
        numbers = _numbers(cells, commas)
    except ValueError:
        return None
    return None if _too_long(cells, numbers, are_names=False) else numbers


def _numbers(cells: list[str], commas: bool) -> np.ndarray:
    """Cells as numbers, with commas only where points alone do not do; `ValueError` where one is none."""
    cells = ["nan" if cell in MISSING else cell for cell in cells]
    try:
        return np.array([number_of(cell) for cell in cells])
    except ValueError:
        if not commas:
            raise
        return np.array([number_of(cell) for cell in _with_points(cells)])


def _with_points(cells: list[str]) -> list[str]:
    """A column whose numbers have a point for a decimal comma; as it was where the comma may mean thousands, 1,500."""
    found = filter(DECIMAL_COMMA.fullmatch, cells)
    # A point beside them would be another sign for the same, or one of thousands.
    if all(map(PERHAPS_THOUSANDS.fullmatch, found)) or any("." in cell for cell in cells):
        return cells
    return [cell.replace(",", ".") if DECIMAL_COMMA.fullmatch(cell) else cell for cell in cells]


def _read_parquet(path: Path, names: Collection[str]) -> Frame:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_metadata, read_table
        from pyarrow.types import is_nested
    except ImportError:
        raise BadInput("Parquet needs pyarrow, which is not installed; pip install 'deltarule[frames]'") from None
    try:
        metadata = read_metadata(path)
        check_unpacked(path, _unpacked(metadata))
        if metadata.num_columns > MOST_COLUMNS:
            raise BadInput(f"{path} has {metadata.num_columns:,} columns; give a table of {MOST_COLUMNS:,} at most")
        schema = metadata.schema.to_arrow_schema()
        for one in schema:
            if is_nested(one.type):
                raise BadInput(f"{path}, column {shortened(one.name)}: it holds {one.type}; give numbers or texts")
        # A text that stands in many rows is one text in the file, and stays one.
        texts = [one.name for one in schema if str(one.type) in TEXTS]
        table = read_table(path, read_dictionary=texts)
        table = table.rename_columns([name.strip() for name in table.column_names])
        if len(set(table.column_names)) < len(table.column_names):
            raise BadInput(f"{path}: two columns have the same name; give each a name of its own")
        return frame_of(table, names)
    except BadInput:
        raise
    except (ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
        raise BadInput(f"{path} is no Parquet file, or damaged; write it again") from error


def _unpacked(metadata: Any) -> int:
    """The bytes that a Parquet file says its values take: each, however often it is repeated, 8 of them at least.

    What it says of single columns is not asked: PyArrow ends the process where that is damaged.
    """
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    return sum(max(0, one.total_byte_size) + 8 * max(0, one.num_rows) * metadata.num_columns for one in groups)


def _values(column: Any) -> Any:
    """Arrow's values: numbers as an array at once, texts from those that there are, all else one by one.

    Texts are taken as those of a CSV file: trimmed, and missing where they say so.
    """
    if str(column.type).startswith("dictionary"):
        return np.concatenate([np.empty(0, object), *map(_looked_up, column.chunks)])
    if str(column.type) in ("double", "float", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))):
        numbers = column.to_numpy()
        if not column.null_count or not (np.abs(numbers) >= EXACT).any():
            return numbers  # else whole numbers beside gaps have become others
    values = [*map(_cell, column.to_pylist()), None]  # an element more: lists of lists stay one axis
    return np.array(values, object)[:-1]


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return _said(value) or None


def _said(text: str) -> str:
    """What a cell says, wherever it comes from: without spaces around it, and nothing where it says so."""
    text = text.strip()
    return "" if text in MISSING else text


def _looked_up(chunk: Any) -> np.ndarray:
    """Texts [N] that are kept as the different ones and, for each row, which of them."""
    known = np.array([*map(_cell, chunk.dictionary.to_pylist()), None], object)
    places = chunk.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)
    if len(places) and not 0 <= places.min() <= places.max() < len(known):  # PyArrow does not look whether they are
        raise ValueError("a row has a text that the file does not hold")
    return known[places]
