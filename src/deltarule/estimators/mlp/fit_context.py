"""Warnings and interruptions of fits, and the records that a fit works on.

K members · E epochs · N rows · D features · C outputs
"""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.training import epochs
from deltarule.training.epochs import EpochRules, Validation

PACKAGE_FOLDER = str(Path(__file__).parents[2]) + os.sep

# Context variables, because Python's warning filters are shared by all threads.
COMPLETE_FIT_REQUIRED = ContextVar("COMPLETE_FIT_REQUIRED", default=False)
FIT_WARNINGS_SUPPRESSED = ContextVar("FIT_WARNINGS_SUPPRESSED", default=False)


def require_complete_fit() -> contextlib.AbstractContextManager[None]:
    """Context manager in which Ctrl-C aborts a fit instead of ending it early."""
    return _set_true(COMPLETE_FIT_REQUIRED)


def suppress_fit_warnings() -> contextlib.AbstractContextManager[None]:
    """Suppress warnings about parameters that the user did not choose."""
    return _set_true(FIT_WARNINGS_SUPPRESSED)


def warn_user(message: str | Warning) -> None:
    """Issue a warning at the position of the nearest caller outside deltarule.

    Parameters
    ----------
    message : str or Warning
        A text for a `UserWarning`, or a warning.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE_FOLDER):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


def warn_of_parameters(message: str) -> None:
    """Warn about the user's parameters, unless warnings are suppressed."""
    if not FIT_WARNINGS_SUPPRESSED.get():
        warn_user(message)


@contextlib.contextmanager
def _set_true(variable: ContextVar[bool]) -> Iterator[None]:
    token = variable.set(True)
    try:
        yield
    finally:
        variable.reset(token)


class Rows(NamedTuple):
    """Training rows: x [N, D], targets [N, C] and weights [N] or None."""

    x: Floats
    y: Floats
    w: Floats | None

    def take(self, indices: Any) -> "Rows":
        """Select rows by indices or a mask."""
        return Rows(self.x[indices], self.y[indices], None if self.w is None else self.w[indices])

    def drop_zero_weights(self) -> "Rows":
        """Select the rows of positive weight; raises `ValueError` if there are none."""
        if self.w is None or (self.w > 0).all():
            return self
        if not self.w.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        return self.take(self.w > 0)


@dataclass(frozen=True, eq=False)
class CheckedRows:
    """Validated features and targets, shared by all models fitted to them.

    X        features [N, D]
    y        targets as the user passed them
    learned  attributes that the validation sets on a model, by name
    targets  numbers [N, C], if they depend on y alone; else None
    """

    X: Floats
    y: Any
    learned: dict[str, Any]
    targets: Floats | None


@dataclass(frozen=True, eq=False)
class Plan:
    """A validated training run that has not started."""

    problem: Problem
    start: State
    rules: EpochRules
    validation: Validation | None


@dataclass(frozen=True)
class Epoch:
    """A completed epoch as callbacks see it; averaged over the members of an ensemble.

    number           from 1
    loss             on the batches, as they were trained on
    validation_loss, validation_score   None without a validation set
    learning_rate
    seconds          since the fit began
    """

    number: int
    loss: float
    validation_loss: float | None
    validation_score: float | None
    learning_rate: float
    seconds: float


def mean_over_members(epoch: epochs.Epoch) -> Epoch:
    """Average an epoch over the members that are still training."""

    def mean(values: Floats | None) -> float | None:
        if values is None:
            return None
        return float("nan") if np.isnan(values).all() else float(np.nanmean(values))  # R² of a single row is undefined

    return Epoch(
        number=epoch.number,
        loss=float(np.nanmean(epoch.loss)),
        validation_loss=mean(epoch.validation_loss),
        validation_score=mean(epoch.validation_score),
        learning_rate=float(np.nanmean(epoch.rate)),
        seconds=epoch.seconds,
    )


def mean_curve(values: Floats) -> list[float]:
    """The mean over members for each epoch, [E, K] → list of E.

    >>> mean_curve(np.array([[4.0, 2.0], [2.0, np.nan]]))
    [3.0, 2.0]
    """
    if not len(values):
        return []
    epoch = np.arange(len(values))[:, None]
    last: Integers = np.maximum.accumulate(np.where(np.isnan(values), 0, epoch), axis=0)
    means: list[float] = np.take_along_axis(values, last, axis=0).mean(axis=1).tolist()
    return means
