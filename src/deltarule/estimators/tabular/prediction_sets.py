"""Sets of classes that hold the true class of a promised share of the rows.

N rows · C classes
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput
from deltarule.estimators.tabular.intervals import equally_weighted
from deltarule.problem.problem import Floats, Integers

MIN_GROUP_ROWS, MAX_GROUPS = 30, 3
"""Rows and groups, by the probability of the most probable class, of which each gets the promised share. Without groups
certain rows, whose class is right more often than promised, would make up for uncertain ones."""


@dataclass(frozen=True)
class SetScores:
    """The scores of the true classes of rows that were not trained on.

    bounds  increasing probabilities of the most probable class, which divide the rows into groups
    scores  of each group, sorted
    """

    bounds: tuple[float, ...]
    scores: tuple[tuple[float, ...], ...]

    def sets(self, probabilities: Floats, coverage: float) -> NDArray[np.bool_]:
        """Which classes are in the set of each row [N, C].

        Of new rows like those of the scores, at least the share `coverage` has its class in the set, in each group and
        whatever the probabilities are (split conformal prediction, Papadopoulos et al. 2002; by groups, Vovk 2012). No
        set is empty.
        """
        if not 0 < coverage < 1:
            raise BadInput(f"coverage is {coverage}; give a share between 0 and 1, such as 0.9")
        limits = np.full(len(self.scores), np.inf)
        for group, scores in enumerate(self.scores):
            rank = math.ceil(coverage * (len(scores) + 1))
            if rank <= len(scores):
                limits[group] = scores[rank - 1]
        groups = np.searchsorted(self.bounds, probabilities.max(axis=1), side="right")
        sets: NDArray[np.bool_] = _scores(probabilities) <= limits[groups, None]
        sets[np.arange(len(sets)), probabilities.argmax(axis=1)] = True
        return sets


def fit_sets(classes: Integers, probabilities: Floats, weights: Floats | None = None) -> SetScores:
    """The scores of the true classes [N] of rows that were not trained on, by probabilities [N, C]."""
    weights = np.ones(len(classes)) if weights is None else weights
    scores = _scores(probabilities)[np.arange(len(classes)), classes]
    largest = probabilities.max(axis=1)
    order = np.argsort(largest, kind="stable")
    groups = np.array_split(order, int(np.clip(len(order) // MIN_GROUP_ROWS, 1, MAX_GROUPS)))
    bounds = tuple(float(largest[rows[0]]) for rows in groups[1:])
    return SetScores(bounds, tuple(tuple(equally_weighted(scores[rows], weights[rows]).tolist()) for rows in groups))


def _scores(probabilities: Floats) -> Floats:
    """The probability of all classes that are more probable than a class, and half of its own.

    So sets are as large as a row is uncertain (adaptive prediction sets, Romano, Sesia & Candès 2020; half in place of
    a random share, so that a prediction is the same each time).
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    sorted_probabilities = np.take_along_axis(probabilities, order, axis=1)
    scores = np.empty_like(probabilities)
    np.put_along_axis(scores, order, np.cumsum(sorted_probabilities, axis=1) - sorted_probabilities / 2, axis=1)
    return scores
