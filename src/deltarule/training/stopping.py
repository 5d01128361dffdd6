"""The options of `train` that stop a member."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Integers, Problem
from deltarule.problem.validation import setting
from deltarule.stats import metrics
from deltarule.training.loop import NEVER, Reason

REASONS = tuple(reason.name.lower() for reason in Reason if Reason.NONE < reason <= Reason.INTERRUPTED)
"""Why a member's training ended."""


@dataclass(frozen=True)
class StopRules:
    """The rules that decide when a member stops training.

    Parameters
    ----------
    max_steps, max_epochs : int, optional
        The limit, in updates (a number, or one a member) or in passes over a member's rows; the smaller if both are
        given.
    threshold : float, optional
        Stop once `metric` has been below this value (above it, for metrics of which more is better) `times` times in
        all. The objective is compared before each update, other metrics at the member's history points.
    times : int, default 1
        How often the threshold must be met.
    metric : str, default "objective"
        "objective", or the name of a metric.
    tolerance : float, optional
        Stop when an epoch's mean objective differs from that of the epoch before by less than this share of it.
    patience : int, optional
        Stop when the validation score has not improved at this many history points in a row; the best weights are
        restored.
    score : str, default "objective"
        The validation score that patience follows: "objective", or the name of a metric.

    Examples
    --------
    >>> StopRules(max_epochs=10, threshold=0.95, metric="accuracy").needs_history
    True
    """

    max_steps: int | Sequence[int] | None = None
    max_epochs: int | None = None
    threshold: float | None = None
    times: int = 1
    metric: str = "objective"
    tolerance: float | None = None
    patience: int | None = None
    score: str = "objective"

    def __post_init__(self) -> None:
        if self.max_steps is None and self.max_epochs is None:
            raise BadInput("there is no limit to the training; give max_steps or max_epochs")
        if isinstance(self.max_steps, Sequence | np.ndarray):
            object.__setattr__(self, "max_steps", [setting("max_steps", limit) for limit in self.max_steps])
        for name in ("max_steps", "max_epochs", "times", "patience", "threshold", "tolerance"):
            value = getattr(self, name)
            if not isinstance(value, list) and (value is not None or name == "times"):
                setting(name, value)
        for name in (self.metric, self.score):
            if name != "objective":
                metrics.find(name)

    @property
    def needs_history(self) -> bool:
        """Whether a rule evaluates the history."""
        return self.patience is not None or (self.threshold is not None and self.metric != "objective")

    def limits(self, problem: Problem) -> Integers:
        """Return the last step that each member may reach, [K]."""
        given = self.max_steps if isinstance(self.max_steps, list) else [self.max_steps]
        if len(given) not in (1, problem.members):
            raise BadInput(f"max_steps has {len(given)} numbers for {problem.members} members; give one a member")
        *steps, epochs = (NEVER if limit is None else min(int(limit), NEVER) for limit in (*given, self.max_epochs))
        sizes = problem.epoch_steps
        return np.minimum(steps, np.where(epochs > NEVER // sizes, NEVER, np.minimum(epochs, NEVER // sizes) * sizes))
