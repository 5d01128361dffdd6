"""Divide rows: those set aside for the scores, and the folds of a cross-validation.

N rows
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats, Integers
from deltarule.tables.cell_texts import as_text
from deltarule.tables.dates import date_parts, resolve_order

HELD_OUT_SHARE = 0.2


@dataclass(frozen=True)
class RowDivision:
    """How rows are divided.

    strata  [N], whose shares each part should have, from 0: classes, or the same for all
    groups  [N] or None, from 0: rows of a group stay together
    times   [N] or None: a part is later than the rows that its networks are trained on, and with groups of other groups
    weights [N] or None: how much each row counts in training and in scores
    """

    strata: Integers
    groups: Integers | None = None
    times: Floats | None = None
    weights: Floats | None = None

    def take(self, rows: Integers) -> Self:
        return type(self)(*(take(each, rows) for each in (self.strata, self.groups, self.times, self.weights)))

    def hold_out(self, seed: int) -> tuple[Integers, Integers]:
        """The indices of the rows to train on, and of a fifth that is set aside."""
        from sklearn.model_selection import train_test_split

        count = max(2, round(HELD_OUT_SHARE * len(self.strata)))
        if self.times is not None:
            train, held_out = self._before_and_in(np.sort(self.times)[-count], np.inf)
            if self.groups is not None and not (len(train) and self.take(train).folds(2, np.random.default_rng(seed))):
                raise BadInput(
                    f"of {len(np.unique(self.groups))} groups too few have all their rows before the last fifth of the "
                    "times to train on; give groups or time alone"
                )
            return train, held_out
        if self.groups is not None:
            return self.folds(round(1 / HELD_OUT_SHARE), np.random.default_rng(seed))[0]
        train, held_out = train_test_split(
            np.arange(len(self.strata)),
            test_size=count,
            random_state=seed,
            stratify=self.strata if 1 < self.strata.max() + 1 <= count else None,
        )
        return np.sort(train), np.sort(held_out)

    def folds(self, count: int, random: np.random.Generator) -> list[tuple[Integers, Integers]]:
        """The indices of training and test rows of each fold.

        In a division by time, the test rows come after the training rows.
        """
        if self.times is not None:
            edges = np.unique(np.quantile(self.times, np.arange(1, count + 2) / (count + 1), method="lower"))
            edges[-1] = np.inf
            parts = [self._before_and_in(low, high) for low, high in pairwise(edges)]
            return [(train, test) for train, test in parts if len(train) and len(test)]
        return stratified_folds(self.strata, count, random, self.groups)

    def _before_and_in(self, low: float, high: float) -> tuple[Integers, Integers]:
        """The indices of the rows to train on before the time `low`, and of those from then until before `high`."""
        assert self.times is not None
        is_before, is_in = self.times < low, (self.times >= low) & (self.times < high)
        if self.groups is not None:
            is_before &= ~np.isin(self.groups, self.groups[is_in])
        return np.flatnonzero(is_before), np.flatnonzero(is_in)


def take(values: Any, rows: Any) -> Any:
    """The values [N] of these rows, if there are any."""
    return None if values is None else values[rows]


def stratified_folds(
    strata: Integers, count: int, random: np.random.Generator, groups: Integers | None = None
) -> list[tuple[Integers, Integers]]:
    """The indices of training and test rows of each stratified fold.

    The groups of a stratum, by default single rows, are dealt to the folds in turn, large ones first.
    """
    if groups is None:
        groups = np.arange(len(strata))
    groups, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    count = min(count, len(sizes))
    group_fold = np.empty(len(sizes), np.int64)
    order = np.lexsort((random.permutation(len(sizes)), -sizes, _most_frequent(strata, groups)))
    group_fold[order] = np.arange(len(sizes)) % count
    row_fold = group_fold[groups]
    return [(np.flatnonzero(row_fold != number), np.flatnonzero(row_fold == number)) for number in range(count)]


def _most_frequent(strata: Integers, groups: Integers) -> Integers:
    width = strata.max() + 1
    pairs, counts = np.unique(groups * width + strata, return_counts=True)
    ordered = pairs[np.lexsort((counts, pairs // width))]
    return np.asarray(ordered[np.flatnonzero(np.diff(ordered // width, append=-1))] % width)


def group_indices(groups: Any, rows: int) -> Integers:
    """Convert the groups of rows to indices [N]; rows without one stand alone."""
    names = [as_text(value) for value in np.asarray(groups, object).ravel().tolist()]
    if len(names) != rows:
        raise BadInput(f"groups has {len(names)} values for {rows} rows; give one for each row")
    names = [name or f"\0{row}" for row, name in enumerate(names)]
    indices = np.unique(names, return_inverse=True)[1]
    if indices.max() < 2:
        raise BadInput(f"the rows are of {indices.max() + 1} groups; give three or more to train, compare and score")
    return indices


def time_numbers(times: Any, rows: int, dates: str | None = None) -> Floats:
    """Convert the times of rows, which are numbers or dates, to numbers [N]."""
    import pandas as pd

    series = pd.Series(np.asarray(times).ravel())
    if len(series) != rows:
        raise BadInput(f"time has {len(series)} values for {rows} rows; give one for each row")
    if pd.api.types.is_numeric_dtype(series):
        numbers: Floats = series.to_numpy(np.float64)
    else:
        texts = tuple(map(as_text, series.tolist()))
        numbers = date_parts(texts, resolve_order("'time'", texts, dates))["days"]
    if np.isnan(numbers).any() or len(np.unique(numbers)) < 3:
        raise BadInput("time is missing in some rows, is neither numbers nor dates, or has fewer than three values")
    return numbers
