"""How good answers are, beside a simple baseline, and which columns are too good to be true.

N rows
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.data.frame import Frame
from deltarule.estimators.columns import UNUSED, Column, encoded
from deltarule.problem.problem import Floats
from deltarule.stats.intervals import Interval, share_interval

RESAMPLES = 400
"""Draws of the rows for the interval of a score."""
SUSPICIOUS = 0.99
"""A single column that scores this much is more often a copy of the target than a discovery."""
LEAK_ROWS = 2000
"""More rows would not tell more about a single column."""


@dataclass(frozen=True)
class Scores:
    """How good answers are on rows that had no part in the training.

    metric: accuracy or r_squared   rows   score   low, high: its 95 % interval
    baseline   the score of always answering the most frequent class, or the mean, of all rows that were given to train
    mean_absolute_error   in the target's unit; None for classes
    """

    metric: str
    rows: int
    score: float
    low: float
    high: float
    baseline: float
    mean_absolute_error: float | None = None


def scores_of_classes(y: Any, answers: Any, usual: Any) -> Scores:
    """The accuracy, its interval after Wilson, and that of always saying `usual`.

    >>> scores_of_classes(np.array([0, 1, 1]), np.array([0, 1, 0]), usual=1).baseline
    0.6666666666666666
    """
    right = np.asarray(y) == np.asarray(answers)
    interval = share_interval(int(right.sum()), len(right))
    baseline = float(np.mean(np.asarray(y) == usual))
    return Scores("accuracy", len(right), float(right.mean()), *interval, baseline)


def scores_of_numbers(y: Any, answers: Any, usual: float) -> Scores:
    """R², its interval from draws of the rows, and that of always saying `usual`.    Source: Efron 1979, the bootstrap

    >>> scores_of_numbers(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]), usual=2.0).score
    1.0
    """
    y, answers = np.asarray(y, np.float64), np.asarray(answers, np.float64)
    # In a unit of about their size, a power of two: squares of very large numbers would overflow.
    exponent = int(np.frexp(max(np.abs(y).max(), np.abs(answers).max()))[1])
    y, answers, usual = (np.ldexp(values, -exponent) for values in (y, answers, usual))
    random = np.random.default_rng(0)
    draws = (random.integers(len(y), size=len(y)) for _ in range(RESAMPLES))
    drawn = [r_squared(y[rows], answers[rows]) for rows in draws]
    low, high = np.quantile(drawn, [0.025, 0.975])
    error = float(np.ldexp(np.abs(y - answers).mean(), exponent))
    score = r_squared(y, answers)
    usual_score = r_squared(y, np.full(len(y), usual))
    return Scores("r_squared", len(y), score, *Interval(float(low), float(high)), usual_score, error)


def r_squared(y: Floats, answers: Floats) -> float:
    """1 − Σ(y − a)² / Σ(y − ȳ)², and 0 where all targets are the same and not met.

    >>> r_squared(np.array([1.0, 3.0]), np.array([2.0, 2.0]))
    0.0
    """
    around = float(((y - y.mean()) ** 2).sum())
    errors = float(((y - answers) ** 2).sum())
    return 1 - errors / around if around else float(not errors)


def leaks(frame: Frame, columns: Sequence[Column], y: Any, classes: bool) -> list[str]:
    """A sentence for each column that all but tells the target by itself.

    A shallow tree learns from the one column in half of the rows, and is asked about the others.

    >>> size = np.arange(100.0) % 7
    >>> size_in_grams = Column("grams", "number", "numbers")
    >>> leaks({"grams": 1000 * size}, [size_in_grams], size, classes=False)[0][:41]
    "the column 'grams' alone tells the target"
    """
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    y = np.asarray(y)
    rows = np.random.default_rng(0).permutation(len(y))[:LEAK_ROWS]
    learn, ask = rows[::2], rows[1::2]
    kind = DecisionTreeClassifier if classes else DecisionTreeRegressor
    if (y[ask] == y[ask][0]).all():  # whatever says so is right
        return []
    if classes:
        usual = max(np.mean(y[ask] == one) for one in np.unique(y[learn]))
        if usual > 1 - 2 * (1 - SUSPICIOUS):  # whatever anybody says is right
            return []
    found = []
    for column in columns:
        if column.kind == UNUSED or not column.inputs:
            continue
        x = encoded([column], {column.name: frame[column.name][rows]})
        tree = kind(max_leaf_nodes=64, random_state=0).fit(x[::2], y[learn])
        score = tree.score(x[1::2], y[ask])
        if score >= SUSPICIOUS:
            found.append(
                f"the column {column.name!r} alone tells the target ({100 * score:.0f} % on rows not seen); is it "
                "known before the target is? If not, leave it out"
            )
    return found
