"""Tables as people have them: columns of numbers and of texts, with gaps.

N rows.    A frame names its columns: numbers [N], NaN where one is missing, or texts [N], "" where one is missing.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.tables.category_matching import form_of
from deltarule.tables.cell_parsing import (
    EXACT,
    are_plain,
    array_of,
    as_float,
    as_text,
    check_single,
    is_missing,
    shorten_repr,
    strip_missing,
    to_float64_by_repr,
    too_long,
)

Frame = dict[str, np.ndarray]

ROW_NUMBERS = re.compile(r"__index_level_\d+__")
"""How pandas names the rows' numbers, which are no column of its frames, for Arrow and in Parquet files."""
UNFETCHED = {"LazyFrame": "collect", "DuckDBPyRelation": "df", "RecordBatchReader": "read_all"}
"""Tables of Polars, DuckDB and PyArrow whose rows are not there yet, and what makes them so."""
DURATIONS = (timedelta, np.timedelta64)
SHARES = {"ms": 1e3, "us": 1e6, "ns": 1e9, "ps": 1e12, "fs": 1e15, "as": 1e18}
"""How many of NumPy's units a second has."""


class Part(Frame):
    """Some rows of a table: columns by name, and `rows` [N], the numbers that they have in all of it."""

    def __init__(self, columns: Frame, rows: np.ndarray) -> None:
        super().__init__(columns)
        self.rows = rows


def frame_of(X: Any, names: Collection[str] = (), is_used: Callable[[str], bool] | None = None) -> Frame:
    """Take a data frame, a mapping of columns, or rows [N, D], whose columns are then named x0, x1 …

    Parameters: `X`, of pandas or of any library whose frames have `columns`, a table of PyArrow; a mapping; an array or
    lists. Durations become numbers of seconds. `names`, of columns whose values are names: of these every whole number
    counts, however large. `is_used`, which columns are, by their names; if left out all. The others are empty, whatever
    they hold.
    Returns: the columns by name.
    Errors: `BadInput` for anything else, columns of different lengths, and in those that are used numbers that are
    infinite or complex.

    >>> frame_of([[1.5, "red"], [None, "blue"]])
    {'x0': array([1.5, nan]), 'x1': array(['red', 'blue'], dtype=object)}
    """
    items: Iterable[tuple[Any, Any]]
    kind = type(X).__name__
    if kind in UNFETCHED:
        raise BadInput(f"the table is a {kind}, whose rows are still to be fetched; give X.{UNFETCHED[kind]}()")
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
        rows = array_of(X) if isinstance(X, np.ndarray) else np.asarray(X, object)
        if rows.ndim != 2:
            raise BadInput(f"the table has {rows.ndim} axes; give a data frame, or an array of rows and columns")
        items = [(f"x{place}", rows[:, place]) for place in range(rows.shape[1])]
    frame: Frame = {}
    for given, values in items:
        name = str(given).strip()  # as files have it
        if ROW_NUMBERS.fullmatch(name):
            continue
        if is_used is not None and not is_used(name):
            frame[name] = empty(len(values))
            continue
        if name in frame:
            raise BadInput(f"several columns are named {shorten_repr(name)}; give each one name")
        frame[name] = _column(name, values, name in names)
    if len({len(column) for column in frame.values()}) > 1:
        lengths = ", ".join(f"{name} {len(column)}" for name, column in list(frame.items())[:5])
        raise BadInput(f"the columns have different lengths ({lengths}); give one value for each row")
    return Part(frame, X.rows) if isinstance(X, Part) else frame


def empty(rows: int) -> np.ndarray:
    """A column of so many rows in which all is missing.

    >>> empty(2)
    array(['', ''], dtype=object)
    """
    return np.full(rows, "", object)


def rows_of(frame: Frame) -> int:
    """How many rows a frame has.

    >>> rows_of({"x": np.zeros(3)})
    3
    """
    return len(next(iter(frame.values()), ()))


def select_rows(frame: Frame, rows: Any) -> Frame:
    """Some of a frame's rows: indices or a mask.

    >>> select_rows({"x": np.array([1.0, 2.0])}, [1])
    {'x': array([2.])}
    """
    return Part({name: column[rows] for name, column in frame.items()}, numbers_of_rows(frame)[rows])


def numbers_of_rows(frame: Frame) -> np.ndarray:
    """Which row of the whole table each one is [N], for those who look for it there.

    >>> numbers_of_rows(select_rows({"x": np.array([5.0, 6.0, 7.0])}, [2])).tolist()
    [2]
    """
    return frame.rows if isinstance(frame, Part) else np.arange(rows_of(frame))


def _column(name: str, values: Any, are_names: bool) -> np.ndarray:
    array, told = array_of(values), shorten_repr(name)
    if array.ndim == 0:
        raise BadInput(f"the column {told} is a single value; give a list, with one value for each row")
    if str(getattr(values, "dtype", "")).startswith("Struct"):  # of Polars
        raise BadInput(
            f"the column {told} holds several values in each row; give each a column, as X.unnest({told}) does"
        )
    if array.ndim != 1:
        raise BadInput(f"several columns are named {told}, or it has several of its own; give each one name")
    if isinstance(values, list | tuple):  # in a data frame it is a text
        check_single(f"the column {told}", array)
    if array.dtype.kind == "c" or _holds(array, (complex, np.complexfloating)):
        raise BadInput(
            f"Complex data not supported: the column {told} holds complex numbers; give their parts as columns"
        )
    # In pandas: somebody has said that its numbers are names.
    is_category = str(getattr(values, "dtype", "")) == "category"
    if (are_names or is_category) and array.dtype.kind == "f":
        array = to_float64_by_repr(array)
    numbers = None if is_category else _as_floats(array)
    if numbers is not None and not too_long(array, numbers, are_names):
        numbers = _finite(name, numbers)
        if not are_names or not _are_called_otherwise(array):
            return numbers
    if array.dtype.kind in "mM":  # of nanoseconds, tolist would make whole numbers
        known, fine = array[~np.isnat(array)], array
        array = array.astype(f"{array.dtype.kind}8[us]")
        if array.dtype.kind == "M" and (known != known.astype("M8[us]")).any():  # which Python's times do not have
            texts = np.datetime_as_string(fine).tolist()
            array = np.array(["" if text == "NaT" else form_of(text) for text in texts], object)
    return np.array([strip_missing(as_text(value)) for value in array.tolist()], object)


def _as_floats(array: np.ndarray) -> np.ndarray | None:
    """Values [N] as numbers, where they all are some."""
    if array.dtype.kind in "iuf":
        return array.astype(np.float64)
    if _holds(array, DURATIONS) and all(isinstance(value, DURATIONS) or is_missing(value) for value in array):
        return np.array([np.nan if is_missing(value) else _seconds(value) for value in array])
    if array.dtype.kind == "m":
        return _seconds_of(array)
    if array.dtype.kind == "O" and are_plain(array):
        return np.array([np.nan if is_missing(value) else as_float(value) for value in array])
    return None


def _seconds(duration: timedelta | np.timedelta64) -> float:
    if isinstance(duration, timedelta):
        return duration / timedelta(seconds=1)
    return float(_seconds_of(np.asarray(duration)))


def _seconds_of(durations: np.ndarray) -> np.ndarray:
    """NumPy's durations as numbers; its own division would overflow, and says nothing where it does."""
    unit, count = np.datetime_data(durations.dtype)
    numbers = np.where(np.isnat(durations), np.nan, durations.astype(np.int64)) * float(count)
    if unit in SHARES:
        return numbers / SHARES[unit]
    return numbers * np.array(1, f"m8[{unit}]").astype("m8[s]").astype(float)


def _are_called_otherwise(array: np.ndarray) -> bool:
    """Whether float64 would lose what numbers [N] are called: of decimals zeros, of float32 0.1, of durations days."""
    return array.dtype.kind == "m" or _holds(array, (Decimal, np.float16, np.float32, *DURATIONS))


def _holds(array: np.ndarray, kinds: Any) -> bool:
    """Whether one of the values [N] that have types of their own has one of these."""
    return array.dtype.kind == "O" and any(issubclass(one, kinds) for one in set(map(type, array)))


def _finite(name: str, numbers: np.ndarray) -> np.ndarray:
    infinite = np.isinf(numbers)
    if infinite.any():
        raise BadInput(
            f"the column {shorten_repr(name)} is infinite in row {int(infinite.argmax())} (counted from 0); replace it"
        )
    return numbers


def _arrow_values(column: Any) -> Any:
    """Arrow's values: numbers as an array at once, texts from those that there are, all else one by one.

    Texts are taken as those of a CSV file: trimmed, and missing where they say so.
    """
    if str(column.type).startswith("dictionary"):
        return np.concatenate([np.empty(0, object), *map(_looked_up, column.chunks)])
    if str(column.type) in ("double", "float", "halffloat") or str(column.type).startswith("duration"):
        return column.to_numpy()
    if str(column.type) in {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}:
        numbers = column.to_numpy()
        if not column.null_count or not (np.abs(numbers) >= EXACT).any():
            return numbers  # else whole numbers beside gaps have become others
    values = [*map(_cell, _to_list(column)), None]  # an element more: lists of lists stay one axis
    return np.array(values, object)[:-1]


def _to_list(column: Any) -> list[Any]:
    if str(column.type) in ("halffloat", "float"):
        numbers: list[Any] = to_float64_by_repr(column.to_numpy(zero_copy_only=False)).tolist()
        return numbers
    try:
        return list(column.to_pylist())
    except (OverflowError, ValueError):  # days that Python does not know, of years from 10,000 on
        return list(column.cast("string").to_pylist())


def _cell(value: Any) -> Any:
    if not isinstance(value, str | bytes):
        return value
    return strip_missing(as_text(value)) or None


def _looked_up(chunk: Any) -> np.ndarray:
    """Texts [N] that are kept as the different ones and, for each row, which of them."""
    # Whoever keeps numbers so has said that they are names.
    known = np.array([*(_cell(as_text(one)) for one in _to_list(chunk.dictionary)), None], object)[:-1]
    places = chunk.indices.drop_null().to_numpy(zero_copy_only=False)
    if len(places) and not 0 <= places.min() <= places.max() < len(known):  # PyArrow does not look whether they are
        raise ValueError("a row has a text that the file does not hold")
    texts = np.full(len(chunk), None, object)
    texts[chunk.indices.is_valid().to_numpy(zero_copy_only=False)] = known[places]
    return texts
