"""Convert tables in memory, such as data frames, to frames.

N rows.    A frame names its columns: numbers [N], NaN where one is missing, or texts [N], "" where one is missing.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.tables.cell_texts import MISSING, as_text, shorten_repr
from deltarule.tables.number_forms import LOSSLESS_LIMIT, NumberForm, is_number


class Frame(dict[str, np.ndarray]):
    """The columns of a table by name.

    `forms` has the forms of a file's numbers, and `written` their cells [N] where these are no plain numbers.
    """

    def __init__(
        self,
        columns: Any = (),
        forms: Mapping[str, NumberForm] | None = None,
        written: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        super().__init__(columns)
        self.forms = dict(forms or {})
        self.written = dict(written or {})


NUMERIC_KINDS = ("integer", "floating", "mixed-integer-float", "decimal")
"""The kinds of objects, as pandas names them, that are numbers."""


def frame_of(X: Any) -> Frame:
    """Convert a data frame, a mapping, or rows [N, D] (columns x0, x1 …) to a frame.

    A data frame is of pandas or of a library that narwhals knows, such as Polars and PyArrow.
    """
    if isinstance(X, Frame):
        return X
    frame = Frame()
    for label, values in _columns_of(X):
        name = str(label).strip()  # as in files
        if name in frame:
            raise BadInput(f"several columns are named {shorten_repr(name)}; give each one name")
        frame[name] = _convert_column(name, values)
    if len({len(column) for column in frame.values()}) > 1:
        lengths = ", ".join(f"{name} {len(column)}" for name, column in list(frame.items())[:5])
        raise BadInput(f"the columns have different lengths ({lengths}); give one value for each row")
    return frame


def _columns_of(X: Any) -> Iterable[tuple[Any, Any]]:
    """Accept pandas, mappings, whatever Narwhals reads, and two-dimensional arrays, whose columns become x0, x1, ..."""
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
    if has_names(X):
        return pd.DataFrame(X).items()
    rows = X if isinstance(X, np.ndarray) else np.asarray(X, object)
    if rows.ndim != 2:
        raise BadInput(f"the table has {rows.ndim} axes; give a data frame, or an array of rows and columns")
    return [(f"x{index}", rows[:, index]) for index in range(rows.shape[1])]


def ordered_categories(X: Any) -> dict[str, Any]:
    """The categories, in their order, of each column of pandas that has ordered ones."""
    from pandas import CategoricalDtype

    columns = X.items() if hasattr(X, "items") else ()
    dtypes = {str(name).strip(): getattr(values, "dtype", None) for name, values in columns}
    return {
        name: [*dtype.categories]
        for name, dtype in dtypes.items()
        if isinstance(dtype, CategoricalDtype) and dtype.ordered
    }


def has_names(X: Any) -> bool:
    """Whether a table names its columns, as data frames, mappings and records do."""
    if isinstance(X, list | tuple):
        return bool(X) and (isinstance(X[0], Mapping) or hasattr(X[0], "_fields"))
    return isinstance(X, Mapping) or hasattr(X, "columns") or bool(getattr(getattr(X, "dtype", None), "names", None))


def count_rows(frame: Frame) -> int:
    return len(next(iter(frame.values()), ()))


def select_rows(frame: Frame, rows: Any, names: Iterable[str] | None = None) -> Frame:
    """Some rows, of all columns or of some."""
    columns = {name: frame[name][rows] for name in names or frame}
    written = getattr(frame, "written", {})  # a plain mapping has none
    return Frame(columns, getattr(frame, "forms", {}), {name: cells[rows] for name, cells in written.items()})


def mark_missing(frame: Frame, codes: Mapping[str, Iterable[str]]) -> Frame:
    """A frame in which codes of columns, such as -9999, are missing values."""
    marked = Frame(frame, getattr(frame, "forms", {}), getattr(frame, "written", {}))
    for name, texts in codes.items():
        column = marked.get(name, np.zeros(0))
        if column.dtype.kind == "O":
            marked[name] = np.where(np.isin(column, [*texts]), "", column).astype(object)
        else:
            numbers = [float(text) for text in texts if is_number(text)]
            marked[name] = np.where(np.isin(column, numbers), np.nan, column)
    return marked


def _convert_column(name: str, values: Any) -> np.ndarray:
    """Turn numbers and durations into float64, and everything else into stripped texts with "" where missing."""
    import pandas as pd

    series = values if isinstance(values, pd.Series) else pd.Series(values)
    kind = pd.api.types.infer_dtype(series, skipna=True)
    if kind == "complex":
        raise BadInput(f"Complex data not supported: the column {shorten_repr(name)} holds complex numbers")
    if kind.startswith("timedelta"):
        return pd.to_timedelta(series).dt.total_seconds().to_numpy(np.float64)
    is_long = kind == "integer" and bool((series.dropna().abs() >= LOSSLESS_LIMIT).any())  # codes, not quantities
    if (kind in NUMERIC_KINDS and not is_long) or series.isna().all():
        return series.to_numpy(np.float64, na_value=np.nan)
    missing = series.isna().tolist()
    objects = series.tolist()
    texts = ["" if is_missing else as_text(value).strip() for value, is_missing in zip(objects, missing, strict=True)]
    return np.array(["" if text in MISSING else text for text in texts], object)
