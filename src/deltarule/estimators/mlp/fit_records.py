"""What goes into a fit and what comes out of it, as plain records.

K members · E epochs · N rows · D features · C outputs
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.training import epochs
from deltarule.training.epochs import EpochRules, Validation


class Rows(NamedTuple):
    """Rows to train on: x [N, D], targets [N, C] and weights [N] or None."""

    x: Floats
    y: Floats
    w: Floats | None

    def take(self, chosen: Any) -> "Rows":
        """Some of the rows: indices or a mask."""
        return Rows(self.x[chosen], self.y[chosen], None if self.w is None else self.w[chosen])


@dataclass(frozen=True, eq=False)
class CheckedRows:
    """Features X [N, D] and targets that were checked, and the attributes that this has given a model, by name.

    targets   as numbers [N, C], where what they mean is among these attributes; else None
    """

    X: Floats
    y: Any
    learned: dict[str, Any]
    targets: Floats | None


@dataclass(frozen=True)
class Epoch:
    """An epoch that has just ended, as callbacks see it; of several members the mean.

    number, from 1   loss, on the batches as they were seen   validation_loss and validation_score, or None
    learning_rate   seconds since the fit began
    """

    number: int
    loss: float
    validation_loss: float | None
    validation_score: float | None
    learning_rate: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Plan:
    """All that a training by epochs needs: it was checked, and nothing has been trained yet."""

    problem: Problem
    start: State
    rules: EpochRules
    validation: Validation | None


def with_weight(rows: Rows) -> Rows:
    """The rows of weight above 0: the others count as not there."""
    if rows.w is None or (rows.w > 0).all():
        return rows
    if not rows.w.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return rows.take(rows.w > 0)


def plain(seen: epochs.Epoch) -> Epoch:
    """An epoch of several members as one of a single model: the means over those that still train."""

    def mean(values: Floats | None) -> float | None:
        if values is None:
            return None
        return float("nan") if np.isnan(values).all() else float(np.nanmean(values))  # of a single row there is no R²

    return Epoch(
        number=seen.number,
        loss=float(np.nanmean(seen.loss)),
        validation_loss=mean(seen.validation_loss),
        validation_score=mean(seen.validation_score),
        learning_rate=float(np.nanmean(seen.rate)),
        seconds=seen.seconds,
    )


def curve(values: Floats) -> list[float]:
    """The mean over members, epoch by epoch; a member that has ended counts with its last value.   [E, K]  →  E numbers

    >>> curve(np.array([[4.0, 2.0], [2.0, np.nan]]))
    [3.0, 2.0]
    """
    if not len(values):
        return []
    epoch = np.arange(len(values))[:, None]
    last: Integers = np.maximum.accumulate(np.where(np.isnan(values), 0, epoch), axis=0)
    means: list[float] = np.take_along_axis(values, last, axis=0).mean(axis=1).tolist()
    return means
