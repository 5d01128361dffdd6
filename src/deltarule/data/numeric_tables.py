"""Read a user's numeric table: a CSV file with a header, or an npz file with the arrays x and y.

N rows · D inputs · C outputs.    x [N, D]    y [N] or [N, C]
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.dataset import Dataset, Rows
from deltarule.decompression_limits import check_zip
from deltarule.errors import BadInput
from deltarule.files import check_is_file
from deltarule.tables.cell_parsing import is_number, list_names, parse_number, shorten_repr
from deltarule.tables.csv_reader import TextTable, read_text_table

TASKS = ("auto", "classify", "regress")

# A target of whole numbers with more distinct values than this is read as a quantity, not as classes.
MAX_CLASSES = 20


@dataclass(frozen=True)
class Table:
    """The content of a file, before its target is interpreted as classes or numbers.

    Parameters: `x` [N, D]; `y`, numbers [N] or [N, C], or N texts; `features`, D names; `target`, the name of y;
    `describe_row`, a function of a row's index that names its position in the file, such as "line 7".
    """

    x: np.ndarray
    y: np.ndarray | list[str]
    features: tuple[str, ...]
    target: str
    describe_row: Callable[[int], str]


def read_table(path: str | Path, target: str | None = None, task: str = "auto") -> Dataset:
    """Read a data set from a CSV or npz file; `target`, its column or array; `task`, "classify", "regress" or "auto".

    CSV: comma-separated UTF-8 text; the first line names the columns; every column but the target holds numbers;
    blank lines are ignored. npz: an array `x` (or `X`) [N, D], and the target array [N] or, for regression, [N, C].

    Parameters: `path`; `target`, the target's column (CSV) or array (npz; "y" or "Y" if None); `task`, "classify",
    "regress", or "auto": texts are classes, and so are whole numbers with at most 20 distinct values that occur twice
    each on average (two values always are); all else is regression. The note of the data set says which.
    Returns: a data set with a training part; classes in sorted order.
    Errors: `BadInput`, with line and column, for a file that does not hold such a table.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "fruit.csv"
    ...     _ = file.write_text("weight,length,kind\\n150,7,apple\\n120,19,banana\\n", encoding="utf-8")
    ...     fruit = read_table(file, target="kind")
    >>> fruit.features, fruit.classes, fruit.train.labels.tolist()
    (('weight', 'length'), ('apple', 'banana'), [0, 1])
    """
    path = Path(path)
    if task not in TASKS:
        raise BadInput(f"the task {task!r} is unknown; choose one of {', '.join(TASKS)}")
    try:
        check_is_file(path, "a CSV or npz file")
        table = _read_npz(path, target) if path.suffix.lower() == ".npz" else _read_csv(path, target, task)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}; check that you may read it") from error
    _check_finite(path, table)
    return _interpret_target(path, table, task)


def _interpret_target(path: Path, table: Table, task: str) -> Dataset:
    """Make a data set of a table, whose target is read as classes or as numbers; its note says which."""
    if task == "regress" or (task == "auto" and not looks_like_classes(table.y)):
        return _regression_dataset(path, table)
    return _classification_dataset(path, table)


def looks_like_classes(y: np.ndarray | list[str]) -> bool:
    """Whether a target is texts, or whole numbers with two distinct values, or at most 20, each twice on average."""
    if isinstance(y, list):
        return True
    if y.ndim == 2 or (y != np.floor(y)).any():
        return False
    distinct = len(np.unique(y))
    return distinct <= 2 or distinct <= min(MAX_CLASSES, len(y) // 2)


def _classification_dataset(path: Path, table: Table) -> Dataset:
    """Make a data set of a table whose target is read as classes, in sorted order."""
    if isinstance(table.y, list):
        classes = tuple(sorted(set(table.y)))
        number = {name: label for label, name in enumerate(classes)}
        labels = np.array([number[text] for text in table.y])
    elif table.y.ndim == 1:
        values, labels = np.unique(table.y, return_inverse=True)
        classes = tuple(repr(int(value)) if value.is_integer() else repr(value) for value in values.tolist())
    else:
        raise BadInput(f"{path}: the target {table.target!r} has {table.y.shape[1]} columns; classes need a single one")
    if len(classes) == 1:
        raise BadInput(
            f"{path}: every row has the class {classes[0]!r}; there must be at least two classes to tell apart"
        )
    return Dataset(
        name=path.name,
        train=Rows(table.x, labels=labels),
        features=table.features,
        classes=classes,
        note=f"{len(table.x)} rows of {path.name}; the target {table.target!r} is read as {len(classes)} classes.",
    )


def _regression_dataset(path: Path, table: Table) -> Dataset:
    """Make a data set of a table whose target is read as numbers."""
    if isinstance(table.y, list):
        raise BadInput(
            f"{path}: the target {table.target!r} holds texts; regression needs numbers (or task 'classify')"
        )
    return Dataset(
        name=path.name,
        train=Rows(table.x, targets=table.y.reshape(len(table.x), -1)),
        features=table.features,
        note=f"{len(table.x)} rows of {path.name}; the target {table.target!r} is read as numbers (regression).",
    )


def _check_finite(path: Path, table: Table) -> None:
    """Raise `BadInput` with the row and column of the first number that is not finite."""
    arrays = [(table.x, table.features)]
    if not isinstance(table.y, list):
        y = table.y.reshape(len(table.y), -1)
        arrays.append((y, (table.target,) * y.shape[1]))
    for numbers, names in arrays:
        finite = np.isfinite(numbers)
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            raise BadInput(
                f"{path}, {table.describe_row(row)}, column {names[column]!r}: {numbers[row, column]} is no finite "
                "number; replace it or leave the row out"
            )


# --- CSV -------------------------------------------------------------------------------------------------------------


def _read_csv(path: Path, target: str | None, task: str) -> Table:
    """Read a CSV file with a header; raise `BadInput` unless one of its columns is named `target`."""
    table = read_text_table(path, ",")
    position = _target_position(path, table.header, target)
    if not table.lines:
        raise BadInput(f"{path} has a header but no rows; add at least one row of numbers")
    name, texts = table.header.pop(position), table.columns.pop(position)
    return Table(
        x=_parse_numbers(path, table),
        y=_parse_target(path, texts, table.lines, name, task),
        features=tuple(table.header),
        target=name,
        describe_row=lambda row: f"line {table.lines[row]}",
    )


def _parse_numbers(path: Path, table: TextTable) -> np.ndarray:
    """Parse the cells of all columns as numbers [N, D]; raise `BadInput` for the first one that is none."""
    x = np.empty((len(table.lines), len(table.header)))
    try:
        for index, cells in enumerate(table.columns):
            x[:, index] = list(map(parse_number, cells))
    except ValueError:
        row, index = min(_first_non_numbers(table.columns))
        cell = table.columns[index][row]
        what = f"{shorten_repr(cell)} is not a number" if cell else "the cell is empty"
        raise BadInput(
            f"{path}, line {table.lines[row]}, column {table.header[index]!r}: {what}; every column but the target "
            "must hold numbers alone"
        ) from None
    return x


def _first_non_numbers(columns: list[list[str]]) -> Iterator[tuple[int, int]]:
    """The row and column indices of the first cell in each column that is not a number."""
    for index, cells in enumerate(columns):
        row = next((row for row, cell in enumerate(cells) if not is_number(cell)), None)
        if row is not None:
            yield row, index


def _target_position(path: Path, header: list[str], target: str | None) -> int:
    """The index of the target column in the header; raise `BadInput` if it is not there, or is the only column."""
    if target is None:
        raise BadInput(f"{path}: no target is named; choose one of its columns: {list_names(header)}")
    if target not in header:
        raise BadInput(f"{path} has no column {target!r}; its first line names: {list_names(header)}")
    if len(header) == 1:
        raise BadInput(
            f"{path} has only the target column {target!r}; add at least one column of numbers to learn from"
        )
    return header.index(target)


def _parse_target(
    path: Path, cells: list[str], line_numbers: Sequence[int], name: str, task: str
) -> np.ndarray | list[str]:
    """Parse the target column's cells as numbers [N]; else return them as texts if `task` allows, and none is empty.

    Parameters: `line_numbers` of the cells; `name` of the column.
    Errors: `BadInput` for an empty cell, texts for the task "regress", and texts among numbers for the task "auto".
    """
    try:
        return np.array(array("d", map(parse_number, cells)))
    except ValueError:
        first_text = next(row for row, cell in enumerate(cells) if not is_number(cell))
    first_number = next((row for row, cell in enumerate(cells) if is_number(cell)), None)
    if "" in cells:
        raise BadInput(
            f"{path}, line {line_numbers[cells.index('')]}, column {name!r}: the target is empty; leave the row out"
        )
    if task == "regress" or (task == "auto" and first_number is not None):
        raise BadInput(
            f"{path}, line {line_numbers[first_text]}, column {name!r}: {shorten_repr(cells[first_text])} is not a "
            "number; correct it, or say task 'classify' if the column holds names of classes"
        )
    return cells


# --- npz -------------------------------------------------------------------------------------------------------------


def _read_npz(path: Path, target: str | None) -> Table:
    """Read an npz file; `target`, the name of its target array, "y" or "Y" if None."""
    with path.open("rb") as file:
        try:
            archive = np.load(file, allow_pickle=False)
            check_zip(path, archive.zip)
            stored = set(archive.files)
        except BadInput:
            raise
        except Exception as error:  # damaged files raise a dozen kinds of exceptions, from zipfile to tokenize
            raise BadInput(f"{path} is no npz file, or damaged; save it again with numpy.savez") from error
        x = _check_inputs(path, _load_array(path, archive, _array_name(path, stored, ("x", "X"))))
        name = _array_name(path, stored, ("y", "Y") if target is None else (target,))
        y = _validate_targets(path, _load_array(path, archive, name), name)
    if len(x) != len(y):
        raise BadInput(f"{path}: x has {len(x)} rows but {name} has {len(y)}; give one target for each row")
    return Table(
        x=x,
        y=y,
        features=tuple(f"x{column}" for column in range(x.shape[1])),
        target=name,
        describe_row=lambda row: f"row {row} (counted from 0)",
    )


def _array_name(path: Path, stored: set[str], accepted: tuple[str, ...]) -> str:
    """The one of the accepted names that an array of the file has; raise `BadInput` unless exactly one is stored."""
    matches = [name for name in accepted if name in stored]
    if len(matches) != 1:
        raise BadInput(
            f"{path} must hold one array named {' or '.join(accepted)}; it holds: {list_names(sorted(stored))}"
        )
    return matches[0]


def _load_array(path: Path, archive: Any, name: str) -> np.ndarray:
    """Load an array of an npz file; raise `BadInput` if it is damaged or would need pickle."""
    try:
        return np.asarray(archive[name])
    except Exception as error:  # as above
        raise BadInput(
            f"{path}: the array {name!r} is damaged or holds Python objects; save plain arrays with numpy.savez"
        ) from error


def _check_inputs(path: Path, x: np.ndarray) -> np.ndarray:
    """Return the inputs x [N, D] unchanged; raise `BadInput` unless they are a matrix of numbers."""
    if x.ndim != 2 or 0 in x.shape or x.dtype.kind not in "biuf":
        raise BadInput(f"{path}: x is {x.dtype} of shape {x.shape}; give numbers [rows, columns], at least one of each")
    return x


def _validate_targets(path: Path, y: np.ndarray, name: str) -> np.ndarray | list[str]:
    """Convert the target array of an npz file to float64 [N] or [N, C], or to N names of classes."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 1 and y.dtype.kind == "U":
        return _check_class_names(path, y.tolist(), name)
    if y.ndim not in (1, 2) or 0 in y.shape or y.dtype.kind not in "biuf":
        raise BadInput(
            f"{path}: {name} is {y.dtype} of shape {y.shape}; give numbers or names of classes, one for each row"
        )
    return y.astype(np.float64)


def _check_class_names(path: Path, texts: list[str], name: str) -> list[str]:
    """Return the class names of all rows unchanged; raise `BadInput` with the target's `name` if one is empty."""
    if "" in texts:
        raise BadInput(
            f"{path}, row {texts.index('')} (counted from 0): the target {name!r} is empty; leave the row out"
        )
    return texts
