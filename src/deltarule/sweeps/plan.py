"""The plan of a sweep: data, folds, rows of the table, and units of work."""

import itertools
import json
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data import splits
from deltarule.data.dataset import Dataset
from deltarule.data.pipeline import data_key, load_and_split, scale_and_project
from deltarule.errors import BadInput, short_repr
from deltarule.problem.formula_fingerprint import formula_digest
from deltarule.problem.problem import Integers, Problem
from deltarule.problem.recipe_sections import Configuration, read_section
from deltarule.problem.settings import DataSection
from deltarule.sweeps.table_rows import COLUMNS, PARTS
from deltarule.training.moment import Moment
from deltarule.training.train import first_state

SCORES = tuple(f"{part}_" for part in PARTS)
"""How the names of columns with scores begin, by whichever metric."""

Folds = tuple[tuple[Integers, Integers], ...]
"""The training rows and the held-out rows of each fold, as indices of rows of the whole training part."""
Group = dict[tuple[int, str], list[str]]
"""Configurations that are trained together: their hashes, by the fold and the key of the training that serves them."""


@dataclass(frozen=True)
class Source:
    """Where a sweep's data come from, in a form that workers on any machine can use.

    `folder` is that of the recipe, `data_dir` the user's folder of data files.
    """

    folder: Path
    data_dir: Path | None = None
    folds: int | None = None

    def fold_name(self, fold: int) -> str | None:
        return None if fold < 0 else f"{fold}/{self.folds}"


@dataclass(frozen=True, eq=False)
class Additions:
    """What a sweep is given beside its recipe, for all rows.

    record   functions of a `Moment` by name; each gives a number for each member
    start    parameters by name, in the place of the initial ones
    keep     whether the last weights are stored, too
    """

    record: Mapping[str, Callable[[Moment], Any]] = field(default_factory=dict)
    start: Mapping[str, Any] = field(default_factory=dict)
    keep: bool = False

    def __post_init__(self) -> None:
        for name, given in (("record", self.record), ("start", self.start)):
            if not isinstance(given, Mapping):
                raise BadInput(f"{name} is {short_repr(given)}; give a mapping by name")
        for name, function in self.record.items():
            if not callable(function) or not isinstance(name, str):
                raise BadInput(f"record has {short_repr(function)} as {short_repr(name)}; give functions by name")
            if "." in name or name.startswith(SCORES) or name in COLUMNS:
                raise BadInput(f"record has a function named {name!r}, which is a column already; give it another name")

    @property
    def digests(self) -> dict[str, str]:
        """The digests of the functions, by names as those of custom formulas."""
        return {f"function of record {name!r}": formula_digest(function) for name, function in self.record.items()}

    @property
    def compared(self) -> dict[str, Any]:
        """What all rows of a store share, as it is noted there."""
        start = {name: np.asarray(array, float) for name, array in self.start.items()}
        return {"record": sorted(self.record) or None, "start": formula_digest(start)[:12] if start else None}

    def check(self, problem: Problem) -> None:
        """Raise `BadInput` unless the arrays fit a problem of one member."""
        first_state(problem, self.start)


@dataclass(frozen=True, eq=False)
class Data:
    """The data of a configuration, and the row indices of its folds."""

    dataset: Dataset
    folds: Folds


@dataclass(frozen=True)
class PlannedRow:
    """A row of the table before it is trained, with the hash of its configuration."""

    configuration: str
    max_steps: int | None
    max_epochs: int | None
    key: str


@dataclass(frozen=True, eq=False)
class PlannedNetwork:
    """One network to train, and the table rows that it gives."""

    configuration: Configuration
    fold: int
    seed: int
    rows: tuple[PlannedRow, ...]


@dataclass(frozen=True, eq=False)
class Unit:
    """A population of members that are trained together.

    data        the digest of the data
    fold        the only fold that these data are of, None for data of all folds
    at_once     whether one training gives the rows of several limits (otherwise all members have one limit)
    metric      the score of the rows
    """

    members: tuple[PlannedNetwork, ...]
    data: str
    fold: int | None
    at_once: bool
    engine: str
    metric: str

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(row.key for member in self.members for row in member.rows)

    def without(self, done_keys: Set[str]) -> "Unit":
        is_missing = [any(row.key not in done_keys for row in member.rows) for member in self.members]
        return replace(self, members=tuple(itertools.compress(self.members, is_missing)))


@dataclass(frozen=True, eq=False)
class SweepPlan:
    """A part of the plan of a sweep: configurations, and the units that train them.

    base             the configuration without its grid
    configurations   by hash, those of the grid
    settings         by hash, what the grid sets in each
    metric, ranked   the score of the table, and the part of the data on which rows are ranked
    rows_left        how many rows later parts have, or a few less where configurations are equal
    """

    base: Configuration
    configurations: Mapping[str, Configuration]
    settings: Mapping[str, Mapping[str, Any]]
    source: Source
    units: tuple[Unit, ...]
    notes: tuple[str, ...]
    metric: str
    ranked: str
    formulas: Mapping[tuple[str, str], Any]
    rows_left: int

    @property
    def data_digests(self) -> dict[tuple[str, str | None], str]:
        """The digests of the data, by configuration hash and fold name."""
        return {
            (row.configuration, self.source.fold_name(member.fold)): unit.data
            for unit in self.units
            for member in unit.members
            for row in member.rows
        }

    @property
    def rows(self) -> int:
        """The number of rows of this part."""
        return sum(len(member.rows) for unit in self.units for member in unit.members)


# --- the data of a sweep, loaded and divided into folds -------------------------------------------------------------


def data_of(configuration: Configuration, source: Source, fold: int | None = None) -> Data:
    """The prepared data; those of a `fold` are scaled by its own training rows."""
    return _prepare_data(data_key(configuration), source, fold)


def data_of_row(configuration: Configuration, source: Source, fold_name: str | None, digest: str) -> Dataset:
    """The data of a row of the table: as loaded now, and refused if their digest is another one."""
    number, folds = (None, None) if fold_name is None else map(int, fold_name.split("/"))
    forget_data()
    is_of_fold = number is not None and is_fitted_to_rows(configuration)
    loaded = data_of(configuration, replace(source, folds=folds), number if is_of_fold else None)
    if digest != loaded.dataset.digest:
        raise BadInput("the data are not those that the network was trained on; put them back")
    return loaded.dataset if number is None or is_of_fold else fold_of(loaded.dataset, *loaded.folds[number])


def is_fitted_to_rows(configuration: Configuration) -> bool:
    """Whether preprocessing is fitted to training rows: each fold has its own data."""
    return configuration.data.scale != "none" or configuration.data.components is not None


def forget_data() -> None:
    _prepare_data.cache_clear()
    _split_folds.cache_clear()


def fold_of(dataset: Dataset, train_rows: Integers, held_out_rows: Integers) -> Dataset:
    return replace(dataset, train=dataset.train.take(train_rows), validation=dataset.train.take(held_out_rows))


@lru_cache(maxsize=2)
def _prepare_data(data: str, source: Source, fold: int | None) -> Data:
    """Split, scale and project the data; take one fold's rows where it is named, else keep all folds."""
    section = read_section(DataSection, json.loads(data))
    if not source.folds:
        return Data(scale_and_project(load_and_split(section, source.folder, source.data_dir), section), ())
    dataset, folds = _split_folds(data, source)
    if fold is not None:
        dataset = fold_of(dataset, *folds[fold])
        folds = ()
    return Data(scale_and_project(dataset, section), folds)


@lru_cache(maxsize=1)
def _split_folds(data: str, source: Source) -> tuple[Dataset, Folds]:
    """The data before they are scaled, and the row indices of each fold."""
    section = read_section(DataSection, json.loads(data))
    dataset = load_and_split(section, source.folder, source.data_dir)
    assert source.folds
    if dataset.validation is not None:
        raise BadInput(
            f"data.split.validation sets {len(dataset.validation)} rows aside and the {source.folds} folds do, too; "
            "leave one of them out"
        )
    if section.mirrored:
        raise BadInput(
            "data.mirrored puts copies of rows into the folds of others, which would be trained on and scored; "
            "set data.split.validation aside in the place of folds"
        )
    return dataset, tuple(splits.folds(dataset.train, source.folds, section.split.seed))
