"""Convert tables in memory, such as data frames, to frames.

N rows.    A frame names its columns: numbers [N], NaN where one is missing, or texts [N], "" where one is missing.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.tables.cell_parsing import MISSING, as_text, shorten_repr

Frame = dict[str, np.ndarray]

NUMERIC_KINDS = ("integer", "floating", "mixed-integer-float", "decimal")
"""The kinds of objects, as pandas names them, that are numbers."""


class FramePart(Frame):
    """Some rows of a frame; `rows` [N] are their numbers in the whole frame."""

    def __init__(self, columns: Frame, rows: np.ndarray) -> None:
        super().__init__(columns)
        self.rows = rows


def frame_of(X: Any, categories: Collection[str] = (), is_used: Callable[[str], bool] | None = None) -> Frame:
    """Convert a data frame, a mapping, or rows [N, D] (columns x0, x1 …) to a frame.

    Parameters
    ----------
    X : data frame, mapping, array or lists
        A frame of pandas or of a library that narwhals knows, such as Polars and PyArrow; a mapping of columns; rows.
    categories : collection of str, optional
        Names of columns whose whole numbers stay different, however large they are.
    is_used : function, optional
        Whether a column is used, by its name; others become empty. By default all are used.

    Raises
    ------
    BadInput
        For anything else, for columns of different lengths, and for infinite or complex numbers in used columns.

    Examples
    --------
    >>> frame_of([[1.5, "red"], [None, "blue"]])
    {'x0': array([1.5, nan]), 'x1': array(['red', 'blue'], dtype=object)}
    """
    frame: Frame = {}
    for label, values in _columns_of(X):
        name = str(label).strip()  # as in files
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


def _columns_of(X: Any) -> Iterable[tuple[Any, Any]]:
    """The names and values of a table's columns."""
    import narwhals as nw
    import pandas as pd

    if isinstance(X, pd.DataFrame | Mapping):
        return X.items()
    table = nw.from_native(X, pass_through=True)
    if isinstance(table, nw.LazyFrame):
        table = table.collect()
    if isinstance(table, nw.DataFrame):
        columns = table.to_dict(as_series=False)
        return columns.items()
    are_records = isinstance(X, list | tuple) and X and isinstance(X[0], Mapping)
    if are_records or getattr(getattr(X, "dtype", None), "names", None):
        return pd.DataFrame(X).items()
    rows = X if isinstance(X, np.ndarray) else np.asarray(X, object)
    if rows.ndim != 2:
        raise BadInput(f"the table has {rows.ndim} axes; give a data frame, or an array of rows and columns")
    return [(f"x{index}", rows[:, index]) for index in range(rows.shape[1])]


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
    """Convert the values of a column to an array [N] of numbers or texts."""
    import pandas as pd

    try:
        series = values if isinstance(values, pd.Series) else pd.Series(values)
    except (TypeError, ValueError) as error:  # arrays of several axes
        raise BadInput(f"the column {shorten_repr(name)} cannot be used: {error}") from error
    kind = pd.api.types.infer_dtype(series, skipna=True)
    if kind == "complex":
        raise BadInput(
            f"Complex data not supported: the column {shorten_repr(name)} holds complex numbers; give their parts as "
            "columns"
        )
    if kind.startswith("timedelta"):
        return pd.to_timedelta(series).dt.total_seconds().to_numpy(np.float64)
    if kind in NUMERIC_KINDS or series.isna().all():
        numbers = series.to_numpy(np.float64, na_value=np.nan)
        # Of large whole numbers float64 may make the same one; as names of categories none may change.
        if not (are_categories and kind == "integer" and (np.abs(numbers) >= 2**53).any()):
            return check_finite(name, numbers)
    missing, objects = series.isna().tolist(), series.tolist()
    texts = ["" if is_missing else as_text(value).strip() for value, is_missing in zip(objects, missing, strict=True)]
    return np.array(["" if text in MISSING else text for text in texts], object)


def check_finite(name: str, numbers: np.ndarray) -> np.ndarray:
    """Return the numbers [N] of a column; raises `BadInput` if one is infinite."""
    infinite = np.isinf(numbers)
    if infinite.any():
        raise BadInput(
            f"the column {shorten_repr(name)} is infinite in row {int(infinite.argmax())} (counted from 0); replace it"
        )
    return numbers
