"""What a sweep plans: sources of data, rows of the table, members of populations, and the units of work."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.data.dataset import Dataset
from deltarule.problem.problem import Integers
from deltarule.problem.recipe_sections import Configuration

Folds = tuple[tuple[Integers, Integers], ...]
"""Of each fold the rows to train on and those set aside, as places among the training rows."""


Group = dict[tuple[int, str], list[int]]
"""Configurations that are trained together, as places in the plan: by their fold and their way, the points on it."""


@dataclass(frozen=True)
class Source:
    """Where a sweep's rows come from, in a form that a worker on any machine can follow.

    Parameters: `folder`, where the recipe lies; `data_dir`, the folder of data files that was named; `folds`, how many
    folds there are, or None.
    """

    folder: Path
    data_dir: Path | None = None
    folds: int | None = None

    def fold(self, number: int) -> str | None:
        """What a fold is called in the table, None for all rows."""
        return None if number < 0 else f"{number}/{self.folds}"


@dataclass(frozen=True, eq=False)
class Data:
    """The rows of a configuration, and for each fold the training and the validation rows among its training rows.

    Where these are the rows of a single fold there are no folds: then they are its training and validation parts.
    """

    dataset: Dataset
    folds: Folds


@dataclass(frozen=True)
class Row:
    """A row of the table before it is trained: `configuration`, its place in the plan; its limit; its `key`."""

    configuration: int
    max_steps: int | None
    max_epochs: int | None
    key: str


@dataclass(frozen=True, eq=False)
class Member:
    """A training: what it is trained by, on which fold (−1: all rows), from which seed, and the rows it gives."""

    configuration: Configuration
    fold: int
    seed: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, eq=False)
class Unit:
    """A population: members that are trained together.

    Parameters: `members`, K of them; `data`, the digest of the rows; `fold`, whose rows alone these are, None for those
    of all folds; `at_once`, whether rows are points on the way of one training (else all members have the one limit of
    their configuration); `engine`, by its name; `own_shape`, whether the compiled engine has a program for the very
    sizes of small networks, or one for all sizes.
    """

    members: tuple[Member, ...]
    data: str
    fold: int | None
    at_once: bool
    engine: str
    own_shape: bool

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of all rows."""
        return tuple(row.key for member in self.members for row in member.rows)

    @property
    def name(self) -> str:
        """A name for its files: 16 digits of a hash of its keys."""
        return hashlib.sha256("".join(self.keys).encode("ascii")).hexdigest()[:16]

    def missing_members(self, done: "set[str] | frozenset[str]") -> Integers:
        """The members, as places, with a row whose key is not among those that are done."""
        return np.array(
            [index for index, member in enumerate(self.members) if any(row.key not in done for row in member.rows)],
            np.int64,
        )

    def take(self, places: Integers) -> "Unit":
        """The unit of some of the members."""
        return replace(self, members=tuple(self.members[place] for place in places.tolist()))


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that a sweep is about to do.

    Parameters: `base`, the configuration without grid; `settings` [C], what each configuration sets; `hashes` [C] of
    them; `units`; `source`; `notes`, what must be told; `metric`, the score of the table: "accuracy" or "r_squared";
    `ranked`, the part of the data on which rows are ranked; `formulas`, those of one's own that configurations name.
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
    def data(self) -> dict[tuple[str, str | None], str]:
        """The digest of the data of each configuration, by its hash and the fold."""
        return {
            (self.hashes[row.configuration], self.source.fold(member.fold)): unit.data
            for unit in self.units
            for member in unit.members
            for row in member.rows
        }

    @property
    def rows(self) -> int:
        """How many rows the table will have."""
        return sum(len(member.rows) for unit in self.units for member in unit.members)
