"""Prepare the data of a configuration: split them, scale the inputs or take principal components, mirror images.

N rows · D inputs · C components
x [N, D]    shift [D]    factor [D]    →    (x − shift) · factor
x [N, D]    mean [D]     axes [D, C]   →    (x − mean) axes
"""

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.data import load as loading
from deltarule.data.cache import VARIABLE
from deltarule.data.dataset import Dataset, concatenate
from deltarule.data.splits import split
from deltarule.errors import BadInput, RunFailed
from deltarule.problem.configuration import resolve_configuration
from deltarule.problem.recipe_sections import Configuration
from deltarule.problem.settings import DataSection


def prepare_dataset(configuration: Configuration, folder: Path, data_dir: str | Path | None = None) -> Dataset:
    """Load, split, scale and project the data of a configuration.

    A file is searched in `data_dir`, then in the recipe's `folder` and the current one.
    """
    dataset = scale_and_project(load_and_split(configuration.data, folder, data_dir), configuration.data)
    check_parts(configuration, dataset)
    return dataset


def load_and_split(data: DataSection, folder: Path, data_dir: str | Path | None = None) -> Dataset:
    """Load and split a configuration's data and add mirrored images."""
    name, options = name_and_options(data.name if data.file is None else data.file)
    source = data_file(data, folder, data_dir) or name
    try:
        whole = loading.load(source, data.target, data_dir, **options)
    except RunFailed:  # a failed download; if the user named a folder, it must hold the data
        if data.offline is None or data_dir is not None or os.environ.get(VARIABLE):
            raise
        other, options = name_and_options(data.offline)
        remark = (
            f"{name} is not on this machine and could not be downloaded, so this is {other} and says nothing about "
            f"{name}; get it with deltarule data fetch {name}"
        )
        whole = replace(loading.load(other, **options), remark=remark)
    dataset = split(whole, **asdict(data.split))
    # After the split, so that no copy of a validation or test row is trained on.
    return with_mirrored(dataset) if data.mirrored else dataset


def scale_and_project(dataset: Dataset, data: DataSection) -> Dataset:
    dataset = scale(dataset, data.scale)
    return dataset if data.components is None else principal_components(dataset, data.components)


def data_key(configuration: Configuration) -> str:
    """A text (JSON) that is equal for configurations with the same prepared data."""
    return json.dumps(resolve_configuration(configuration)["data"], sort_keys=True)


def name_and_options(source: Any) -> tuple[str, dict[str, Any]]:
    """Split a recipe's source of data into a name or file and its options."""
    if isinstance(source, str):
        return source, {}
    options = {key: value for key, value in source.items() if key != "name"}
    for key in ("name_or_file", "target", "data_dir"):
        if key in options:
            raise BadInput(f"'{source['name']}' has no option '{key}'; the target of a file is data.target")
    return source["name"], options


def check_parts(configuration: Configuration, dataset: Dataset) -> None:
    """Raise `BadInput` if the configuration uses parts that the data set lacks."""
    criterion = configuration.study.criterion
    patience = configuration.stopping.patience
    if patience is not None and dataset.validation is None:
        raise BadInput("stopping.patience needs validation rows; give data.split.validation")
    if criterion is not None and criterion.name == "accuracy" and not dataset.classes:
        raise BadInput(f"study.criterion is the accuracy and {dataset.name} has no classes; leave it out")
    if criterion is not None and criterion.part not in dataset.parts:
        raise BadInput(f"study.criterion needs {criterion.part} rows; give data.split.{criterion.part}")


def data_file(data: DataSection, folder: Path, data_dir: str | Path | None = None) -> Path | None:
    """The absolute path of a configuration's data file, or None without a file."""
    if data.file is None:
        return None
    name, _ = name_and_options(data.file)
    folders = [folder, Path()] if data_dir is None else [Path(data_dir), folder, Path()]
    paths = [(directory / name).absolute() for directory in folders]
    return next((path for path in paths if path.is_file()), paths[0])


# Columns that are converted to float64 at a time, so that images stay small in memory.
COLUMNS_PER_BLOCK = 256

# Rows that are converted at a time if all columns are needed.
ROWS_PER_BLOCK = 1024


def scale(dataset: Dataset, how: str) -> Dataset:
    """Scale the inputs of all parts with statistics of the training rows.

    "unit" divides everything by the largest absolute number (images: 255, digits: 16); "standardize" gives each column
    zero mean and unit variance (a column that never varies becomes 0); "center" subtracts the mean row.
    """
    if how == "none":
        return dataset
    with np.errstate(all="ignore"):  # overflows raise in the next lines, with the column's name
        shift, factor = _fit_scale(dataset.train.x, how)
        bad = ~(np.isfinite(shift) & np.isfinite(factor))
        if bad.any():
            raise BadInput(f"column {dataset.features[bad.argmax()]!r} has numbers too large or small to {how}")
        parts = {name: replace(rows, x=_apply_scale(rows.x, shift, factor)) for name, rows in dataset.parts.items()}
    return replace(dataset, **parts)  # type: ignore[arg-type]


def _apply_scale(x: np.ndarray, shift: np.ndarray, factor: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = x.astype(np.float32 if x.dtype.name in ("uint8", "float32") else np.float64)
    scaled -= shift.astype(scaled.dtype)
    scaled *= factor.astype(scaled.dtype)
    scaled.setflags(write=False)  # so that every problem of these rows can share them
    return scaled


def _fit_scale(x: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The shift [D] and factor [D] of the scale `name` for the training rows x [N, D]."""
    shift = np.zeros(x.shape[1])
    factor = np.ones(x.shape[1])
    if name == "unit":
        largest = float(max(x.max(), -float(x.min())))
        return shift, factor / largest if largest else factor
    for start in range(0, x.shape[1], COLUMNS_PER_BLOCK):
        block = slice(start, start + COLUMNS_PER_BLOCK)
        mean, deviation = _moments(x[:, block].astype(np.float64))
        shift[block] = mean
        if name == "standardize":
            factor[block] = np.where(deviation == 0, 0.0, 1 / deviation)
    return shift, factor


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = np.where(x.min(0) == x.max(0), x[0], x.mean(0))  # the mean of equal numbers may differ by rounding
    centered = x - mean
    largest = np.abs(centered).max(0)
    # Squares of very small numbers would all be 0, so divide first.
    relative = centered / np.where(largest > 0, largest, 1.0)
    return mean, largest * np.sqrt((relative**2).mean(0))


# --- principal components --------------------------------------------------------------------------------------------


def principal_components(dataset: Dataset, count: int) -> Dataset:
    """Replace the inputs by principal components of the training rows.

    Fewer than `count` are returned if the training rows vary in fewer directions.
    Source: Hotelling, Analysis of a complex of statistical variables into principal components, 1933.
    """
    from scipy.linalg import eigh

    inputs = dataset.inputs
    with one_blas_thread(), np.errstate(all="ignore"):  # overflows raise in the next lines
        mean, covariance = _covariance(dataset.train.x)
        if not np.isfinite(covariance).all():
            raise BadInput(f"{dataset.name} holds numbers too large for principal components; express them otherwise")
        variances, axes = eigh(covariance, subset_by_index=(max(inputs - count, 0), inputs - 1))
    # Rounding gives a little variance to directions that have none.
    count = int((variances > variances[-1] * inputs * np.finfo(np.float64).eps).sum())
    if not count:
        raise BadInput(f"the training rows of {dataset.name} are all alike and have no principal components")
    variances = variances[::-1][:count]
    axes = axes[:, ::-1][:, :count]
    # The sign of an axis is arbitrary; choose the one that makes its largest entry positive.
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(count)])
    axes = axes / np.sqrt(variances)
    parts = {name: replace(rows, x=_project(rows.x, mean, axes)) for name, rows in dataset.parts.items()}
    names = tuple(f"component {number}" for number in range(1, count + 1))
    # All parts at once, because parts with different columns are not allowed.
    return replace(dataset, features=names, image=None, **parts)  # type: ignore[arg-type]


def _project(x: np.ndarray, mean: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Project rows x [N, D]: (x − mean) axes, a new array [N, C] that is not writable."""
    components = np.empty((len(x), axes.shape[1]), np.float64 if x.dtype == np.float64 else np.float32)
    with one_blas_thread():
        for start in range(0, len(x), ROWS_PER_BLOCK):
            components[start : start + ROWS_PER_BLOCK] = (x[start : start + ROWS_PER_BLOCK] - mean) @ axes
    components.setflags(write=False)
    return components


def _covariance(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean [D] and covariance [D, D] of rows x [N, D], computed in blocks."""
    mean = np.zeros(x.shape[1])
    for start in range(0, len(x), ROWS_PER_BLOCK):
        mean += x[start : start + ROWS_PER_BLOCK].sum(0, dtype=np.float64)
    mean /= len(x)
    covariance = np.zeros((x.shape[1], x.shape[1]))
    for start in range(0, len(x), ROWS_PER_BLOCK):
        centered = x[start : start + ROWS_PER_BLOCK] - mean
        covariance += centered.T @ centered
    return mean, covariance / len(x)


# --- mirrored images -------------------------------------------------------------------------------------------------


def with_mirrored(dataset: Dataset) -> Dataset:
    """Add a copy of each training image, mirrored left to right, after the images."""
    if dataset.image is None:
        raise BadInput(f"the rows of {dataset.name} are no images; set data.mirrored = false")
    train = dataset.train
    mirrored = train.x.reshape(-1, *dataset.image)[..., ::-1].reshape(train.x.shape)  # a row is channels, rows, columns
    return replace(dataset, train=concatenate(train, replace(train, x=mirrored)))
