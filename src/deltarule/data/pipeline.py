"""Prepare a configuration's data: load, split, scale, project on principal components."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from deltarule.data import load as loading
from deltarule.data.augmentation import with_mirrored
from deltarule.data.cache import VARIABLE
from deltarule.data.dataset import Dataset
from deltarule.data.splits import split
from deltarule.data.transforms import principal_components, scale
from deltarule.errors import BadInput, RunFailed
from deltarule.files import kind_of
from deltarule.problem.recipe_sections import Configuration, DataSection
from deltarule.problem.resolved_configuration import resolve_configuration


def prepare_dataset(configuration: Configuration, folder: Path, data_dir: str | Path | None = None) -> Dataset:
    """Load, split, scale and project the rows of a configuration.

    Parameters: `folder`, where the recipe lies; `data_dir`, a folder in which a file is looked for before it is looked
    for beside the recipe and in the current folder.
    Errors: `BadInput` for data that cannot be read, split, mirrored, scaled or turned into components, or lack a part
    that the configuration looks at.

    >>> from deltarule.problem.configuration import parse
    >>> data = {"name": "xor", "split": {"test": 5}}
    >>> table = {"data": data, "network": {"layers": [2, 1]}, "stopping": {"max_steps": 1}}
    >>> {part: len(rows) for part, rows in prepare_dataset(parse(table), Path()).parts.items()}
    {'train': 16, 'test': 5}
    """
    dataset = scale_and_project(load_and_split(configuration, folder, data_dir), configuration.data)
    _check_parts(configuration, dataset)
    return dataset


def load_and_split(configuration: Configuration, folder: Path, data_dir: str | Path | None = None) -> Dataset:
    """Load and split the rows of a configuration: the first half of `prepare_dataset`."""
    data = configuration.data
    name, options = name_and_options(data.name if data.file is None else data.file)
    source = data_file(configuration, folder, data_dir) or name
    try:
        whole = loading.load(source, data.target, data_dir, **options)
    except RunFailed:  # a download; a folder that somebody names must hold the data
        if data.offline is None or data_dir is not None or os.environ.get(VARIABLE):
            raise
        whole = _offline_rows(name, data.offline)
    dataset = split(whole, **data.split.model_dump())
    # After the split: no copy of a row that was set aside may be trained on.
    return with_mirrored(dataset) if data.mirrored else dataset


def scale_and_project(dataset: Dataset, data: DataSection) -> Dataset:
    """Scale rows and project them on components, fitted on the training part: the second half of `prepare_dataset`."""
    dataset, _ = scale(dataset, data.scale)
    return dataset if data.components is None else principal_components(dataset, data.components)[0]


def _offline_rows(name: str, offline: Any) -> Dataset:
    """The bundled rows that replace missing ones, and the sentence that says so."""
    other, options = name_and_options(offline)
    remark = (
        f"{name} is not on this machine and could not be downloaded, so this is {other} and says nothing about {name}; "
        f"get it with deltarule data fetch {name}"
    )
    return replace(loading.load(other, **options), remark=remark)


def data_key(configuration: Configuration) -> str:
    """A text that is equal for configurations with the same prepared rows."""
    return json.dumps(resolve_configuration(configuration)["data"], sort_keys=True)


def name_and_options(given: Any) -> tuple[str, dict[str, Any]]:
    """The name of a data set or file, and its options.

    >>> name_and_options({"name": "one_hot", "size": 4})
    ('one_hot', {'size': 4})
    """
    if isinstance(given, str):
        return given, {}
    options = {key: value for key, value in given.items() if key != "name"}
    for key in ("name_or_file", "target", "data_dir"):
        if key in options:
            raise BadInput(f"'{given['name']}' has no option '{key}'; the target of a file is data.target")
    return given["name"], options


def _check_parts(configuration: Configuration, dataset: Dataset) -> None:
    """Check that the parts that a recipe uses exist."""
    criterion, patience = configuration.study.criterion, configuration.stopping.patience
    if patience is not None and dataset.validation is None:
        raise BadInput(
            f"stopping.patience is {patience} and {dataset.name} has no validation rows; give data.split.validation"
        )
    if criterion is not None and criterion.name == "accuracy" and not dataset.classes:
        raise BadInput(
            f"study.criterion is the accuracy and {dataset.name} has no classes, its targets are numbers; leave it out"
        )
    if criterion is not None and criterion.part not in dataset.parts:
        raise BadInput(
            f"study.criterion looks at the {criterion.part} rows and {dataset.name} has none; "
            f"give data.split.{criterion.part}"
        )


def data_file(configuration: Configuration, folder: Path, data_dir: str | Path | None = None) -> Path | None:
    """The path of a configuration's data file, or None.

    Parameters: as `prepared`. The folder that was asked for comes first, then the recipe's, then the current one.
    """
    if configuration.data.file is None:
        return None
    name, _ = name_and_options(configuration.data.file)
    folders = [folder, Path()] if data_dir is None else [Path(data_dir), folder, Path()]
    places = [(one / name).absolute() for one in folders]
    try:
        return next((place for place in places if kind_of(place) == "file"), places[0])
    except BadInput:  # a name that no file can have; reading it says what is wrong
        return places[0]
