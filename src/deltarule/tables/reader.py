"""Read tables from CSV, TSV and Parquet files with pandas.

N rows.    A frame names its columns: numbers [N], NaN where one is missing, or texts [N], "" where one is missing.
"""

import warnings
from collections.abc import Collection
from pathlib import Path

import numpy as np

from deltarule.errors import BadInput, count_of, not_installed
from deltarule.files import check_is_file
from deltarule.tables.cell_parsing import MISSING, are_codes, list_names, parse_numbers
from deltarule.tables.diagnostics import Diagnostic, render_diagnostics
from deltarule.tables.frame import Frame, count_rows, frame_of, select_rows

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


def read_frame(path: str | Path, categories: Collection[str] = (), sep: str | None = None, decimal: str = ".") -> Frame:
    """Read a CSV, TSV or Parquet file as a frame.

    Texts are in UTF-8, and `sep` is a comma by default, or a tab in .tsv and .tab files. Columns named in `categories`
    stay texts. Others become numbers if all cells are numbers or missing, and none is a code with a leading zero.
    """
    path = Path(path)
    check_is_file(path, "a CSV, TSV or Parquet file")
    ending = path.suffix.lower()
    if ending == ".parquet":
        return _read_parquet(path)
    return _read_text(path, categories, sep or DELIMITERS.get(ending, ","), decimal)


def _read_text(path: Path, categories: Collection[str], sep: str, decimal: str) -> Frame:
    import pandas as pd

    with path.open(encoding="utf-8", errors="replace") as file:
        header = file.readline()
    other = next((other for other in ",;\t" if sep not in header and other in header), None)
    if other is not None:
        raise BadInput(
            f"{path} has no {sep!r} in its first line, but {other!r}; say what separates it, as --sep {other!r}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows with more cells than the header
            table = pd.read_csv(
                path, sep=sep, dtype=object, na_filter=False, index_col=False, skipinitialspace=True, encoding="utf-8"
            )
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is not text in UTF-8; save the table as CSV in UTF-8") from error
    except (OSError, ValueError, pd.errors.ParserWarning) as error:
        raise BadInput(f"{path} cannot be read: {str(error).strip()}") from error
    frame: Frame = {}
    for label, cells in table.items():
        name = label.strip()
        texts = [text.strip() for text in cells.tolist()]
        texts = ["" if text in MISSING else text for text in texts]
        numbers = None
        if name not in categories and not are_codes(texts):
            numbers = parse_numbers(texts if decimal == "." else [text.replace(decimal, ".") for text in texts])
        frame[name] = np.array(texts, object) if numbers is None else numbers
    return frame


def _read_parquet(path: Path) -> Frame:
    import pandas as pd

    try:
        import pyarrow.parquet  # noqa: F401 - pandas' own message names two libraries and pip
    except ImportError as error:
        raise not_installed("Parquet", "pyarrow", "frames", error) from None
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError, TypeError, OverflowError) as error:  # PyArrow's own errors are among them
        raise BadInput(f"{path} is no Parquet file, or damaged; write it again") from error
    return frame_of(table)


def read_with_target(
    path: str | Path,
    target: str,
    categories: Collection[str] = (),
    sep: str | None = None,
    decimal: str = ".",
) -> tuple[Frame, np.ndarray, list[str]]:
    """A table without its target, the target, and notes on rows left out without one."""
    frame = read_frame(path, categories, sep, decimal)
    if target not in frame:
        raise BadInput(f"{path} has no column {target!r}; it has: {list_names(list(frame))}")
    if len(frame) == 1:
        raise BadInput(f"{path} has only the target column {target!r}; add the columns to predict it from")
    rows = count_rows(frame)
    if not rows:
        raise BadInput(f"{path} has a header but no rows; add rows to it")
    y = frame.pop(target)
    is_known = y != "" if y.dtype.kind == "O" else y == y
    missing = int((~is_known).sum())
    if missing == rows:
        raise BadInput(f"{path} has no row with a {target!r}; add rows whose target is known")
    if not missing:
        return frame, y, []
    diagnostic = Diagnostic("target-missing", target, {"missing": f"{missing:,}", "rows": count_of(rows, "row")})
    return select_rows(frame, is_known), y[is_known], render_diagnostics([diagnostic])
