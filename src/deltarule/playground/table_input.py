"""Convert a table with texts and missing values to a numeric table."""

from pathlib import Path

import numpy as np

from deltarule.errors import BadInput
from deltarule.tables.column_encoder import encode_columns, fit_columns, texts_of
from deltarule.tables.column_types import infer_column_types
from deltarule.tables.reader import read_frame


def numeric_table(path: Path, target: str | None, folder: Path) -> Path:
    """The path of a numeric table, which is `path` itself or an encoded copy.

    The encoding is that of `deltarule train`, fitted to all rows: a category becomes a column of 0 and 1, a missing
    number the median, with a column that marks it. Rows without a target are dropped.
    """
    import pandas as pd  # takes a tenth of a second

    if path.suffix.lower() == ".npz":
        return path
    frame = read_frame(path)
    if target not in frame:
        return path  # reported when the data are loaded
    answers = np.array(texts_of(frame.pop(target)), object)
    is_known = ~np.isin(answers, ("", "nan"))
    if is_known.all() and all(column.dtype.kind == "f" and np.isfinite(column).all() for column in frame.values()):
        return path
    if not is_known.any():
        raise BadInput(f"no row of {path.name} has a value of {target!r}; choose another target")
    features = {name: column[is_known] for name, column in frame.items()}
    columns = fit_columns(features, infer_column_types(features))
    names = [name for column in columns for name in column.inputs]
    encoded = pd.DataFrame(encode_columns(columns, features), columns=names)
    copy = folder / f"{path.stem}-encoded.csv"
    encoded.assign(**{target: answers[is_known]}).to_csv(copy, index=False)
    return copy
