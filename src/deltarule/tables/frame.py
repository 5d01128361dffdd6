"""Convert tables in memory, such as data frames, to frames: columns of numbers or texts by name.

N rows.    A frame names its columns: numbers [N], NaN where one is missing, or texts [N], "" where one is missing.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.tables.category_matching import canonical_form
from deltarule.tables.cell_parsing import (
    INTEGER_PRECISION_LIMIT,
    are_plain_numbers,
    as_float,
    as_text,
    float64_merges_integers,
    is_missing,
    lossless_array,
    reject_sequences,
    shorten_repr,
    strip_missing,
    to_float64_by_repr,
)

Frame = dict[str, np.ndarray]

ROW_NUMBERS = re.compile(r"__index_level_\d+__")
"""pandas' name of its index, which is no column, in Arrow tables and Parquet files."""
LAZY_TABLES = {"LazyFrame": "collect", "DuckDBPyRelation": "df", "RecordBatchReader": "read_all"}
"""Lazy tables of Polars, DuckDB and PyArrow, and their methods that fetch the rows."""
DURATION_TYPES = (timedelta, np.timedelta64)
UNITS_PER_SECOND = {"ms": 1e3, "us": 1e6, "ns": 1e9, "ps": 1e12, "fs": 1e15, "as": 1e18}
"""NumPy's units of time shorter than a second, and how many of them a second has."""


class FramePart(Frame):
    """Some rows of a frame; `rows` [N] are their numbers in the whole frame."""

    def __init__(self, columns: Frame, rows: np.ndarray) -> None:
        super().__init__(columns)
        self.rows = rows


def frame_of(X: Any, categories: Collection[str] = (), is_used: Callable[[str], bool] | None = None) -> Frame:
    """Convert a data frame, a mapping, or rows [N, D] (columns x0, x1 …) to a frame; unused columns become empty.

    Parameters: `X`, a data frame of pandas or of another library whose frames have `columns`, a table of PyArrow, a
    mapping, an array or lists; durations become numbers of seconds. `categories`, names of columns whose values are
    categories, so that large whole numbers stay different. `is_used`, whether a column is used, by its name; unused
    columns become empty. By default all are used.
    Returns: the columns by name.
    Errors: `BadInput` for anything else, for columns of different lengths, and for infinite or complex numbers in used
    columns.

    >>> frame_of([[1.5, "red"], [None, "blue"]])
    {'x0': array([1.5, nan]), 'x1': array(['red', 'blue'], dtype=object)}
    """
    items: Iterable[tuple[Any, Any]]
    kind = type(X).__name__
    if kind in LAZY_TABLES:
        raise BadInput(f"the table is a {kind}, whose rows are still to be fetched; give X.{LAZY_TABLES[kind]}()")
    if kind == "RecordBatch":
        from pyarrow import Table

        X = Table.from_batches([X])
    if isinstance(X, Mapping):
        items = list(X.items())
    elif hasattr(X, "column_names"):  # PyArrow, whose `columns` are no names
        items = [(name, _arrow_values(X.column(index))) for index, name in enumerate(X.column_names)]
    elif hasattr(X, "columns"):
        items = [(name, X[name]) for name in X.columns]
    else:
        if isinstance(X, list | tuple) and X and isinstance(X[0], Mapping):
            raise BadInput("the table is a list of dictionaries; give a data frame, as pandas.DataFrame(rows)")
        if isinstance(X, np.ndarray) and X.dtype.names:
            raise BadInput("the table is an array of records; give a data frame, as pandas.DataFrame(X)")
        rows = lossless_array(X) if isinstance(X, np.ndarray) else np.asarray(X, object)
        if rows.ndim != 2:
            raise BadInput(f"the table has {rows.ndim} axes; give a data frame, or an array of rows and columns")
        items = [(f"x{index}", rows[:, index]) for index in range(rows.shape[1])]
    frame: Frame = {}
    for label, values in items:
        name = str(label).strip()  # as in files
        if ROW_NUMBERS.fullmatch(name):
            continue
        if is_used is not None and not is_used(name):
            frame[name] = empty_column(len(values))
            continue
        if name in frame:
            raise BadInput(f"several columns are named {shorten_repr(name)}; give each one name")
        frame[name] = _convert_column(name, values, name in categories)
    if len({len(column) for column in frame.values()}) > 1:
        lengths = ", ".join(f"{name} {len(column)}" for name, column in list(frame.items())[:5])
        raise BadInput(f"the columns have different lengths ({lengths}); give one value for each row")
    return FramePart(frame, X.rows) if isinstance(X, FramePart) else frame


def empty_column(rows: int) -> np.ndarray:
    """A column of `rows` missing values, as empty texts.

    >>> empty_column(2)
    array(['', ''], dtype=object)
    """
    return np.full(rows, "", object)


def count_rows(frame: Frame) -> int:
    """The number of rows of a frame.

    >>> count_rows({"x": np.zeros(3)})
    3
    """
    return len(next(iter(frame.values()), ()))


def select_rows(frame: Frame, rows: Any) -> Frame:
    """Select rows of a frame by indices or a mask.

    >>> select_rows({"x": np.array([1.0, 2.0])}, [1])
    {'x': array([2.])}
    """
    return FramePart({name: column[rows] for name, column in frame.items()}, row_numbers_of(frame)[rows])


def row_numbers_of(frame: Frame) -> np.ndarray:
    """The number of each row in the whole table [N], for messages.

    >>> row_numbers_of(select_rows({"x": np.array([5.0, 6.0, 7.0])}, [2])).tolist()
    [2]
    """
    return frame.rows if isinstance(frame, FramePart) else np.arange(count_rows(frame))


def _convert_column(name: str, values: Any, are_categories: bool) -> np.ndarray:
    """Convert the values of a column to an array of numbers, or of texts [N] for categories and anything else."""
    array, quoted = lossless_array(values), shorten_repr(name)
    if array.ndim == 0:
        raise BadInput(f"the column {quoted} is a single value; give a list, with one value for each row")
    if str(getattr(values, "dtype", "")).startswith("Struct"):  # of Polars
        raise BadInput(
            f"the column {quoted} holds several values in each row; give each a column, as X.unnest({quoted}) does"
        )
    if array.ndim != 1:
        raise BadInput(f"several columns are named {quoted}, or it has several of its own; give each one name")
    if isinstance(values, list | tuple):  # in a data frame sequences are texts
        reject_sequences(f"the column {quoted}", array)
    if array.dtype.kind == "c" or _holds(array, (complex, np.complexfloating)):
        raise BadInput(
            f"Complex data not supported: the column {quoted} holds complex numbers; give their parts as columns"
        )
    # Numbers of pandas' type "category" are names.
    is_category = str(getattr(values, "dtype", "")) == "category"
    if (are_categories or is_category) and array.dtype.kind == "f":
        array = to_float64_by_repr(array)
    numbers = None if is_category else _as_floats(array)
    if numbers is not None and not float64_merges_integers(array, numbers, are_categories):
        numbers = _check_finite(name, numbers)
        if not are_categories or not _float64_changes_names(array):
            return numbers
    if array.dtype.kind in "mM":  # tolist would convert nanoseconds to whole numbers
        known, original = array[~np.isnat(array)], array
        array = array.astype(f"{array.dtype.kind}8[us]")
        if array.dtype.kind == "M" and (known != known.astype("M8[us]")).any():  # finer than Python's times
            texts = np.datetime_as_string(original).tolist()
            array = np.array(["" if text == "NaT" else canonical_form(text) for text in texts], object)
    return np.array([strip_missing(as_text(value)) for value in array.tolist()], object)


def _as_floats(array: np.ndarray) -> np.ndarray | None:
    """Values [N] as float64, durations in seconds, NaN for missing ones; None if there are other values."""
    if array.dtype.kind in "iuf":
        return array.astype(np.float64)
    if _holds(array, DURATION_TYPES) and all(isinstance(value, DURATION_TYPES) or is_missing(value) for value in array):
        return np.array([np.nan if is_missing(value) else _seconds(value) for value in array])
    if array.dtype.kind == "m":
        return _numpy_seconds(array)
    if array.dtype.kind == "O" and are_plain_numbers(array):
        return np.array([np.nan if is_missing(value) else as_float(value) for value in array])
    return None


def _seconds(duration: timedelta | np.timedelta64) -> float:
    """The number of seconds of a duration."""
    if isinstance(duration, timedelta):
        return duration / timedelta(seconds=1)
    return float(_numpy_seconds(np.asarray(duration)))


def _numpy_seconds(durations: np.ndarray) -> np.ndarray:
    """The seconds of NumPy's durations [N], NaN for NaT; NumPy's own division would overflow silently."""
    unit, count = np.datetime_data(durations.dtype)
    numbers = np.where(np.isnat(durations), np.nan, durations.astype(np.int64)) * float(count)
    if unit in UNITS_PER_SECOND:
        return numbers / UNITS_PER_SECOND[unit]
    return numbers * np.array(1, f"m8[{unit}]").astype("m8[s]").astype(float)


def _float64_changes_names(array: np.ndarray) -> bool:
    """Whether float64 would change the names of values [N]: zeros of decimals, 0.1 of float32, days of durations."""
    return array.dtype.kind == "m" or _holds(array, (Decimal, np.float16, np.float32, *DURATION_TYPES))


def _holds(array: np.ndarray, types: Any) -> bool:
    """Whether a value of an object array [N] has one of the types."""
    return array.dtype.kind == "O" and any(issubclass(one, types) for one in set(map(type, array)))


def _check_finite(name: str, numbers: np.ndarray) -> np.ndarray:
    """Return the numbers [N] of a column; raises `BadInput` if one is infinite."""
    infinite = np.isinf(numbers)
    if infinite.any():
        raise BadInput(
            f"the column {shorten_repr(name)} is infinite in row {int(infinite.argmax())} (counted from 0); replace it"
        )
    return numbers


def _arrow_values(column: Any) -> Any:
    """The values of a column of PyArrow [N], as numbers or objects.

    Texts are read as those of a CSV file: stripped, and missing for markers such as NA. Numbers are converted at once,
    texts with a dictionary by it, everything else one by one.
    """
    if str(column.type).startswith("dictionary"):
        return np.concatenate([np.empty(0, object), *map(_decode_dictionary, column.chunks)])
    if str(column.type) in ("double", "float", "halffloat") or str(column.type).startswith("duration"):
        return column.to_numpy()
    if str(column.type) in {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}:
        numbers = column.to_numpy()
        if not column.null_count or not (np.abs(numbers) >= INTEGER_PRECISION_LIMIT).any():
            return numbers  # large ones beside missing values would be rounded
    values = [*map(_convert_cell, _to_list(column)), None]  # another element keeps lists of lists on one axis
    return np.array(values, object)[:-1]


def _to_list(column: Any) -> list[Any]:
    """The values of a column of PyArrow as Python objects; days beyond Python's calendar become texts."""
    if str(column.type) in ("halffloat", "float"):
        numbers: list[Any] = to_float64_by_repr(column.to_numpy(zero_copy_only=False)).tolist()
        return numbers
    try:
        return list(column.to_pylist())
    except (OverflowError, ValueError):  # days of years from 10,000 on
        return list(column.cast("string").to_pylist())


def _convert_cell(value: Any) -> Any:
    """A text stripped, or None if it is a marker such as NA; other values as they are."""
    if not isinstance(value, str | bytes):
        return value
    return strip_missing(as_text(value)) or None


def _decode_dictionary(chunk: Any) -> np.ndarray:
    """The texts [N] of a dictionary-encoded chunk of PyArrow; numbers in a dictionary are names, too."""
    known = np.array([*(_convert_cell(as_text(one)) for one in _to_list(chunk.dictionary)), None], object)[:-1]
    indices = chunk.indices.drop_null().to_numpy(zero_copy_only=False)
    if len(indices) and not 0 <= indices.min() <= indices.max() < len(known):  # PyArrow does not check them
        raise ValueError("a row has a text that the file does not hold")
    texts = np.full(len(chunk), None, object)
    texts[chunk.indices.is_valid().to_numpy(zero_copy_only=False)] = known[indices]
    return texts
