"""Read a data set from a user's numeric table: a CSV, TSV, Excel, Parquet or npz file.

N rows · D inputs · C outputs.    x [N, D]    y [N] or [N, C]
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from deltarule.data.dataset import Dataset, Rows
from deltarule.errors import BadInput
from deltarule.files import check_is_file
from deltarule.tables.cell_texts import as_text, list_names
from deltarule.tables.column_encoder import first_non_number, present_values
from deltarule.tables.reader import read_frame, read_with_target
from deltarule.tables.targets import infer_target

TASKS = ("auto", "classify", "regress")


def read_table(path: str | Path, target: str | None = None, task: str = "auto") -> Dataset:
    """Read a data set from a CSV, TSV, Parquet or npz file.

    Every column of a table but the `target` holds numbers. An npz file has an array `x` (or `X`) [N, D], and the target
    [N] or, for regression, [N, C], by default "y" or "Y". The task "auto" is decided by `infer_target`, and the note of
    the data set says which it is.
    """
    path = Path(path)
    if task not in TASKS:
        raise BadInput(f"the task {task!r} is unknown; choose one of {', '.join(TASKS)}")
    check_is_file(path, "a CSV or npz file")
    x, y, features, target = _read_npz(path, target) if path.suffix.lower() == ".npz" else _read_columns(path, target)
    note = f"{len(x)} rows of {path.name}; the target {target!r} is read as "
    if y.ndim == 2 and task == "classify":
        raise BadInput(f"{path}: the target {target!r} has {y.shape[1]} columns; classes need a single one")
    inferred = infer_target(y, task, f"{path}: the target {target!r}") if y.ndim != 2 else None
    if inferred is None or not inferred.is_classes:
        rows = Rows(x, targets=y if inferred is None else inferred.values[:, np.newaxis])
        return Dataset(path.name, rows, features=features, note=f"{note}numbers (regression).")
    values, labels = np.unique(inferred.values, return_inverse=True)
    classes = tuple(map(as_text, values.tolist()))
    if len(classes) == 1:
        raise BadInput(f"{path}: every row has the class {classes[0]!r}; there must be at least two to tell apart")
    rows = Rows(x, labels=labels)
    note = f"{note}{len(classes)} classes."
    return Dataset(path.name, rows, features=features, classes=classes, note=note)


def _read_columns(path: Path, target: str | None) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], str]:
    """Return the inputs, the target, and their names; refuse anything but complete columns of numbers."""
    if target is None:
        raise BadInput(f"{path}: no target is named; choose one of its columns: {list_names(list(read_frame(path)))}")
    frame, y, notes = read_with_target(path, target)
    if notes:
        raise BadInput(f"{path}: {notes[0]}; every row needs one here")
    for name, column in frame.items():
        value = first_non_number(column)
        if value or len(present_values(column)) < len(column):
            raise BadInput(f"{path}, column {name!r}: it holds {value or 'missing values'}; give numbers alone")
        frame[name] = column.astype(np.float64)
    return np.stack(list(frame.values()), axis=1), y, tuple(frame), target


def _read_npz(path: Path, target: str | None) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], str]:
    """Take the inputs from array x or X and the target from the named array, or y or Y."""
    try:
        with path.open("rb") as file:
            arrays = dict(np.load(file, allow_pickle=False))
    except Exception as error:  # damaged files raise a dozen kinds of exceptions, from zipfile to tokenize
        raise BadInput(f"{path} is no npz file of plain arrays, or damaged; save it again with numpy.savez") from error
    x = arrays[_array_name(path, arrays, ("x", "X"))]
    name = _array_name(path, arrays, ("y", "Y") if target is None else (target,))
    y = arrays[name]
    if x.ndim != 2:
        raise BadInput(f"{path}: x is {x.dtype} of shape {x.shape}; give numbers [rows, columns], at least one of each")
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    return x, y, tuple(f"x{column}" for column in range(x.shape[1])), name


def _array_name(path: Path, stored: Collection[str], accepted: tuple[str, ...]) -> str:
    """The one of the accepted names that an array of the file has."""
    matches = [name for name in accepted if name in stored]
    if len(matches) != 1:
        raise BadInput(f"{path} must hold one array {' or '.join(accepted)}; it holds: {list_names(sorted(stored))}")
    return matches[0]
