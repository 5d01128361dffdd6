"""Records of a sweep's plan: data source, rows, members and units of work."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.dataset import Dataset
from deltarule.problem.problem import Integers
from deltarule.problem.recipe_sections import Configuration

Folds = tuple[tuple[Integers, Integers], ...]
"""The training rows and the held-out rows of each fold, as indices of rows of the whole training part."""


Group = dict[tuple[int, str], list[int]]
"""Configurations that are trained together: their indices, by the fold and the key of the training that serves them."""


@dataclass(frozen=True)
class Source:
    """Where a sweep's data come from, in a form that workers on any machine can use.

    Parameters
    ----------
    folder : that of the recipe.
    data_dir : the user's folder of data files, or None.
    folds : the number of folds, or None.
    """

    folder: Path
    data_dir: Path | None = None
    folds: int | None = None

    def fold_name(self, fold: int) -> str | None:
        """The name of a fold in the table, such as "0/5"."""
        return None if fold < 0 else f"{fold}/{self.folds}"


@dataclass(frozen=True, eq=False)
class Data:
    """The data of a configuration, and the row indices of its folds."""

    dataset: Dataset
    folds: Folds


@dataclass(frozen=True)
class Row:
    """A row of the table before it is trained."""

    configuration: int
    max_steps: int | None
    max_epochs: int | None
    key: str


@dataclass(frozen=True, eq=False)
class Member:
    """One network to train, and the table rows that it gives."""

    configuration: Configuration
    fold: int
    seed: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, eq=False)
class Unit:
    """A unit of work: a population of members that are trained together.

    Parameters
    ----------
    members : [K].
    data : the digest of the data.
    fold : the only fold that these data are of, None for data of all folds.
    at_once : whether one training gives the rows of several limits (otherwise all members have one limit).
    engine : its name.
    own_shape : whether the compiled engine has a program for exactly these sizes of small networks, or one for all
        sizes.
    metric : the score of the rows.
    """

    members: tuple[Member, ...]
    data: str
    fold: int | None
    at_once: bool
    engine: str
    own_shape: bool
    metric: str

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all rows."""
        return tuple(row.key for member in self.members for row in member.rows)

    def missing_members(self, done_keys: Set[str]) -> Integers:
        """The indices of members that have a row whose key is not in `done_keys`."""
        is_missing = [any(row.key not in done_keys for row in member.rows) for member in self.members]
        return np.flatnonzero(is_missing)

    def take(self, indices: Integers) -> "Unit":
        """The unit with only the members that have these indices."""
        return replace(self, members=tuple(self.members[index] for index in indices.tolist()))


@dataclass(frozen=True, eq=False)
class Plan:
    """The plan of a sweep: its configurations, and the units that train them.

    base             the configuration without its grid
    settings [C]     what each configuration sets
    metric, ranked   the score of the table, and the part of the data on which rows are ranked
    formulas         the custom formulas that configurations use, by kind and name
    """

    base: Configuration
    settings: tuple[Mapping[str, Any], ...]
    hashes: tuple[str, ...]
    units: tuple[Unit, ...]
    source: Source
    notes: tuple[str, ...]
    metric: str
    ranked: str
    formulas: Mapping[tuple[str, str], Any]

    @property
    def data_digests(self) -> dict[tuple[str, str | None], str]:
        """The digests of the data, by configuration hash and fold name."""
        return {
            (self.hashes[row.configuration], self.source.fold_name(member.fold)): unit.data
            for unit in self.units
            for member in unit.members
            for row in member.rows
        }

    @property
    def rows(self) -> int:
        """The number of rows that the table will have."""
        return sum(len(member.rows) for unit in self.units for member in unit.members)
