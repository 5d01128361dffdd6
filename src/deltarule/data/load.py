"""Load a data set by its name, or a user's numeric table from a CSV, TSV, Parquet or npz file.

N rows · D inputs · C outputs.    x [N, D]    y [N] or [N, C]
"""

import difflib
import functools
import inspect
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data import synthetic
from deltarule.data.dataset import Dataset, Rows
from deltarule.data.images import load_published
from deltarule.data.published import PUBLISHED
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


BUNDLED: dict[str, tuple[str, dict[str, Any]]] = {
    "digits": ("1,797 handwritten digits of 8 × 8 pixels (0 to 16)", {"image": (1, 8, 8)}),
    "iris": ("150 irises of three species, measured in cm", {}),
    "wine": ("178 wines of three growers, 13 measurements", {}),
    "breast_cancer": ("569 tumors, malignant or benign, 30 measurements", {}),
    "diabetes": ("442 diabetes patients, 10 measurements and the progression after a year", {}),
}
"""By name what a set is, and further fields of its `Dataset`."""


def load_bundled(name: str) -> Dataset:
    """A small real data set that is installed with scikit-learn.

    Sources: digits: Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI 1998 (its test part); iris:
    Fisher, The use of multiple measurements in taxonomic problems, 1936; wine: Aeberhard & Forina, Wine, UCI 1991;
    breast_cancer: Wolberg, Mangasarian, Street & Street, Breast Cancer Wisconsin (Diagnostic), UCI 1993; diabetes:
    Efron, Hastie, Johnstone & Tibshirani, Least angle regression, 2004.
    """
    from sklearn import datasets

    about, fields = BUNDLED[name]
    bunch = getattr(datasets, f"load_{name}")(**{"scaled": False} if name == "diabetes" else {})
    classes = tuple(map(str, bunch.get("target_names", ())))
    return Dataset(
        name=name,
        train=Rows(bunch.data, labels=bunch.target) if classes else Rows(bunch.data, targets=bunch.target[:, None]),
        features=tuple(map(str, bunch.feature_names)),
        classes=classes,
        note=f"{about}, bundled with scikit-learn.",
        **fields,
    )


LOADERS: dict[str, Callable[..., Dataset]] = {
    "one_hot": synthetic.one_hot,
    "linear": synthetic.linear,
    "xor": synthetic.xor,
    "spirals": synthetic.spirals,
    "circles": synthetic.circles,
    "clusters": synthetic.clusters,
    "checkerboard": synthetic.checkerboard,
    "hills": synthetic.hills,
    **{name: functools.partial(load_bundled, name) for name in BUNDLED},
    **{name: functools.partial(load_published, published) for name, published in PUBLISHED.items()},
}


def load(
    name_or_file: str | Path, target: str | None = None, data_dir: str | Path | None = None, **options: Any
) -> Dataset:
    """Load a data set by its name, or a user's table from a file.

    Parameters
    ----------
    name_or_file : str or Path
        A name, of those that `deltarule data list` has; or a CSV, TSV, Excel, Parquet or npz file (a `Path`, or a text
        with a folder or an ending in it).
    target : str, optional
        The column that is predicted, required for a table; of an npz file the array, by default `y`.
    data_dir : str or Path, optional
        A folder that is searched for a file before the current one, and for a published data set (mnist,
        fashion-mnist, cifar10) in place of the folder of DELTARULE_DATA and the download.
    **options : optional
        Those of the loader, such as size=8 (one_hot), samples=100 and seed=0 (linear), task="classify" (files).

    Returns
    -------
    Dataset

    Raises
    ------
    BadInput
        For a name, an option or a file that cannot be used.
    RunFailed
        For a failed download.

    Examples
    --------
    >>> from deltarule import load
    >>> load("one_hot", size=3).classes
    ('0', '1', '2')
    """
    if isinstance(name_or_file, str) and name_or_file in LOADERS:
        loader = LOADERS[name_or_file]
        options = options if target is None else options | {"target": target}
        _check_options(name_or_file, loader, options, reserved=("data_dir",))
        return loader(data_dir, **options) if name_or_file in PUBLISHED else loader(**options)
    path = Path(name_or_file)
    if isinstance(name_or_file, str) and not path.suffix and path.name == name_or_file:
        close = difflib.get_close_matches(name_or_file, LOADERS, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        known = ", ".join(LOADERS)
        raise BadInput(f"there is no data set named {name_or_file!r}{hint}; choose one of {known}, or name a file")
    _check_options("a file", read_table, options, reserved=("path", "target"))
    if data_dir is not None and (Path(data_dir) / path).exists():
        path = Path(data_dir) / path
    return read_table(path, target, **options)


def names() -> tuple[tuple[str, str], ...]:
    """The names of the data sets that `load` knows, each with a description."""
    about = {name: published.about for name, published in PUBLISHED.items()}
    about |= {name: f"{text}." for name, (text, _) in BUNDLED.items()}
    return tuple((name, about.get(name, (loader.__doc__ or "").partition("\n")[0])) for name, loader in LOADERS.items())


def _check_options(
    source: str, loader: Callable[..., Dataset], options: dict[str, Any], reserved: tuple[str, ...]
) -> None:
    allowed = [name for name in inspect.signature(loader).parameters if name not in reserved]
    for option in options:
        if option not in allowed:
            raise BadInput(f"{source} has no option {option!r}; it has {', '.join(allowed) or 'none'}")
