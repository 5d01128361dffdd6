"""How the rows and configurations of a sweep rank."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deltarule.errors import BadInput
from deltarule.stats.ranking import round_score
from deltarule.sweeps.plan import Data, Source

TableRow = dict[str, Any]
"""A row of a sweep's table, by column."""


def describe_ranking(metric: str, ranked: str) -> str:
    return f"{metric} on the {ranked} rows"


def choose_ranking(data: Data, source: Source, rank_by: str | None = None) -> tuple[str, str]:
    """The ranking's metric and part of the data, such as ("accuracy", "validation")."""
    metric = rank_by or ("accuracy" if data.dataset.classes else "r_squared")
    return metric, "validation" if source.folds or data.dataset.validation is not None else "train"


def common_ranking(rankings: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """The ranking that all configurations share."""
    distinct = list(dict.fromkeys(rankings))
    if len(distinct) > 1:
        described = " and others by the ".join(describe_ranking(*ranking) for ranking in distinct)
        raise BadInput(
            f"some configurations rank by the {described}; sweep them apart, each kind into a folder of its own"
        )
    return distinct[0]


def best_rows(rows: Iterable[TableRow], score: str, objective: str, sign: int) -> list[TableRow]:
    scored = [row for row in rows if row[score] is not None]
    return sorted(scored, key=lambda row: (-sign * row[score], -math.inf if row[objective] is None else row[objective]))


def ranked_configurations(rows: Iterable[TableRow], score: str, objective: str, sign: int) -> list[list[TableRow]]:
    """The rows of each configuration, the best mean score first, as `best_rows`.

    Means that are equal in 12 digits are ranked by the mean objective. Configurations with a row without a score come
    last, ranked by their other rows.
    """
    groups: dict[int, list[TableRow]] = {}
    for row in rows:
        groups.setdefault(row["configuration"], []).append(row)

    def sort_key(group: list[TableRow]) -> tuple[bool, float, bool, float]:
        scores, objectives = ([row[name] for row in group if row[name] is not None] for name in (score, objective))
        mean = -sign * round_score(mean_of(scores)) if scores else math.inf
        mean_objective = mean_of(objectives) if objectives else -math.inf
        return len(scores) < len(group), mean, len(objectives) < len(group), mean_objective

    return sorted(groups.values(), key=sort_key)


def mean_of(values: list[float]) -> float:
    """The mean of some numbers, which does not depend on their order."""
    return math.fsum(values) / len(values)


@dataclass(frozen=True)
class ConfigurationScore:
    """The score of a configuration over its folds and seeds.

    configuration, settings   its number, and its values of the grid's keys
    rows, diverged            how many there are, and how many of them diverged
    mean, least, greatest     of the score that was asked for, None if a row has no score
    """

    configuration: int
    settings: Mapping[str, Any]
    rows: int
    diverged: int
    mean: float | None
    least: float | None
    greatest: float | None
