"""Prepare the data of a configuration."""

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from deltarule.data import load as loading
from deltarule.data.cache import VARIABLE
from deltarule.data.dataset import Dataset
from deltarule.data.splits import split
from deltarule.data.transforms import principal_components, scale, with_mirrored
from deltarule.errors import BadInput, RunFailed
from deltarule.problem.recipe_sections import Configuration
from deltarule.problem.resolved_configuration import resolve_configuration
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
