"""Convert a table with texts and missing values to a table of numbers, which a network can use."""

import csv
from pathlib import Path

import numpy as np

from deltarule.errors import BadInput
from deltarule.tables.column_encoder import encode_columns, fit_columns, texts_of
from deltarule.tables.column_types import infer_column_types
from deltarule.tables.reader import read_frame

READABLE = (".csv", ".tsv", ".parquet")


def numeric_table(path: Path, target: str | None, folder: Path) -> Path:
    """The path of a table whose columns but the target are numbers: `path` itself, or an encoded copy in `folder`.

    Each category becomes a column of 0 and 1;
    missing numbers become the median, with a column that marks them, as `deltarule train` encodes them; rows without a
    target are dropped. The encoding is fitted to all rows.

    Parameters
    ----------
    path : Path
    target : str or None
        The column to predict.
    folder : Path
        Where the converted table is written.

    Raises
    ------
    BadInput
        For a file that holds no table, and one without a row that has a target.
    """
    if path.suffix.lower() not in READABLE:
        return path
    frame = read_frame(path)
    if target not in frame:
        return path  # reported when the data are loaded
    answers = texts_of(frame[target])
    features = {name: column for name, column in frame.items() if name != target}
    if path.suffix.lower() == ".csv" and all(
        column.dtype.kind == "f" and np.isfinite(column).all() for column in features.values()
    ):
        return path
    kept = np.array([text not in ("", "nan") for text in answers])
    if not kept.any():
        raise BadInput(f"no row of {path.name} has a value of {target!r}; choose another target")
    features = {name: column[kept] for name, column in features.items()}
    columns = fit_columns(features, infer_column_types(features))
    rows = encode_columns(columns, features)
    copy = folder / f"{path.stem}-encoded.csv"
    with copy.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(name for column in columns for name in column.inputs), target])
        chosen = (text for text, is_kept in zip(answers, kept, strict=True) if is_kept)
        writer.writerows([*map(repr, row), text] for row, text in zip(rows.tolist(), chosen, strict=True))
    return copy
