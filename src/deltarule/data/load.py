"""Load a data set by its name, or a user's table from a file."""

import difflib
import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deltarule.data import synthetic
from deltarule.data.dataset import Dataset, Rows
from deltarule.data.images import load_published
from deltarule.data.published import PUBLISHED
from deltarule.errors import BadInput

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
    from deltarule.data.table_file import read_table  # with all that reads columns, which named sets do not need

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
