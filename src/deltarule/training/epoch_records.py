"""What training by epochs is given and what it comes to: rules, validation rows, records."""

from dataclasses import dataclass

import numpy as np

from deltarule.problem.problem import Floats, Integers
from deltarule.problem.state import State


@dataclass(frozen=True)
class EpochRules:
    """When to stop: after `max_epochs`, or once there was no better value by `tolerance` for more than `patience`
    epochs in a row. The value is the epoch's loss, or the validation score where that decides.
    """

    max_epochs: int
    tolerance: float = 1e-4
    patience: float = 10


@dataclass(frozen=True, eq=False)
class Validation:
    """Rows that are never trained on, and the metric that scores them.

    x [M, D] or [K, M, D]   y [M, C] or [K, M, C]   w [M, 1] or [K, M, 1], their weights

    With `decides`, the score stops the members, and each gets the weights of its best score back.
    """

    x: Floats
    y: Floats
    w: Floats
    metric: str
    decides: bool


@dataclass(eq=False)
class Stall:
    """How long members have not become better: the least value [K] so far, and epochs without a better one [K]."""

    best: Floats
    waited: Integers

    @classmethod
    def of(cls, members: int) -> "Stall":
        """Nothing seen yet."""
        return cls(np.full(members, np.inf), np.zeros(members, np.int64))

    def note(self, members: Integers, values: Floats, rules: EpochRules) -> tuple[Floats, Floats]:
        """Note an epoch's values, of which less is better: who is better than ever, and whose patience is at its end.

        >>> stall, one = Stall.of(1), np.array([0])
        >>> [stall.note(one, np.array([v]), EpochRules(9, 0.1, 1))[1].item() for v in (5, 5, 4.95, 3)]
        [False, False, True, False]
        """
        stuck = values > self.best[members] - rules.tolerance
        better = values < self.best[members]
        self.waited[members] = np.where(stuck, self.waited[members] + 1, 0)
        self.best[members[better]] = values[better]
        return better, self.waited[members] > rules.patience

    def sure(self, members: Integers, rules: EpochRules) -> float:
        """The epochs that all of these members have before them, however badly they do: at least 1.

        >>> Stall(np.zeros(2), np.array([3, 1])).sure(np.array([0, 1]), EpochRules(99, patience=10))
        8.0
        """
        return float(rules.patience + 1 - self.waited[members].max())


@dataclass(frozen=True, eq=False)
class Epoch:
    """An epoch that has just ended, by member; a member that ended before stands as NaN.

    number, from 1   state   loss [K]   validation_loss, validation_score [K] or None   rate [K]   seconds so far
    """

    number: int
    state: State
    loss: Floats
    validation_loss: Floats | None
    validation_score: Floats | None
    rate: Floats
    seconds: float


@dataclass(frozen=True, eq=False)
class EpochRun:
    """What a training by epochs came to.

    state        where each member ended, or the weights of its best score
    epochs [K]   how many each member was trained for
    reasons [K]  why it stopped: "max_epochs", "stalled", "callback", "diverged" or "interrupted"
    losses [E, K], validation_losses and validation_scores [E, K] or None: NaN after a member's end
    best_scores [K]  the best validation scores, where there are any, that of the start too where it goes on
    stall        to go on with
    """

    state: State
    epochs: Integers
    reasons: tuple[str, ...]
    losses: Floats
    validation_losses: Floats | None
    validation_scores: Floats | None
    best_scores: Floats | None
    stall: Stall
