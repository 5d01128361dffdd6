"""Records of training by epochs."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.problem.problem import Floats, Integers
from deltarule.problem.state import State


@dataclass(frozen=True)
class EpochRules:
    """The rules that decide after which epoch training stops.

    An improvement lowers the epoch's loss by `tolerance`, or raises the validation score if that decides.
    """

    max_epochs: int
    tolerance: float = 1e-4
    patience: float = 10


@dataclass(frozen=True, eq=False)
class Validation:
    """Validation rows, the metric that scores them, and its role in stopping.

    x [M, D] or [K, M, D]   y [M, C] or [K, M, C]   w [M, 1] or [K, M, 1], their weights

    If it `decides`, the score stops the members, and the weights of each member's best score are restored.
    """

    x: Floats
    y: Floats
    w: Floats
    metric: str
    decides: bool


@dataclass(eq=False)
class Patience:
    """The lowest value of each member and the epochs since it last improved."""

    best: Floats
    waited: Integers

    @classmethod
    def initial(cls, members: int) -> "Patience":
        """Return the patience of this number of members before the first epoch."""
        return cls(np.full(members, np.inf), np.zeros(members, np.int64))

    def update(self, members: Integers, values: Floats, tolerance: float | Floats) -> Floats:
        """Update `best` and `waited` and return a mask of the new lowest values.

        An epoch that does not improve on the lowest value by the tolerance counts as waited.

        >>> patience = Patience.initial(1)
        >>> for value in (5.0, 5.0, 4.95, 3.0):
        ...     _ = patience.update(np.array([0]), np.array([value]), 0.1)
        ...     print(patience.waited.item(), end=" ")
        0 1 2 0
        """
        is_waiting = values > self.best[members] - tolerance
        is_lowest = values < self.best[members]
        self.waited[members] = np.where(is_waiting, self.waited[members] + 1, 0)
        self.best[members[is_lowest]] = values[is_lowest]
        return is_lowest

    def certain_epochs(self, members: Integers, rules: EpochRules) -> float:
        """Return the number of epochs before patience can end any of these members.

        >>> Patience(np.zeros(2), np.array([3, 1])).certain_epochs(np.array([0, 1]), EpochRules(99, patience=10))
        8.0
        """
        return float(rules.patience + 1 - self.waited[members].max())


@dataclass(frozen=True, eq=False)
class Epoch:
    """The record of an epoch that has just ended, with one number per member.

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
    """The result of training by epochs.

    state        the final state of each member, or that of its best score
    epochs [K]   how many each member was trained for
    reasons [K]  why it stopped: "max_epochs", "stalled", "callback", "diverged" or "interrupted"
    losses [E, K], validation_losses and validation_scores [E, K] or None: NaN after a member's end
    best_scores [K]  the best validation scores or None; a resumed training counts the score of its start, too
    patience     from which a further training continues
    """

    state: State
    epochs: Integers
    reasons: tuple[str, ...]
    losses: Floats
    validation_losses: Floats | None
    validation_scores: Floats | None
    best_scores: Floats | None
    patience: Patience

    def take(self, members: Integers, steps_per_epoch: int) -> "EpochRun":
        """Return the run of the members at some indices, as if trained alone."""
        epochs = self.epochs[members]
        last = int(epochs.max(initial=0))

        def select(curves: Floats | None) -> Any:
            return None if curves is None else curves[:last, members]

        return replace(
            self,
            state=replace(self.state.take(members), members=np.arange(len(members)), step=last * steps_per_epoch),
            epochs=epochs,
            reasons=tuple(self.reasons[member] for member in members),
            losses=select(self.losses),
            validation_losses=select(self.validation_losses),
            validation_scores=select(self.validation_scores),
            best_scores=None if self.best_scores is None else self.best_scores[members],
            patience=Patience(self.patience.best[members], self.patience.waited[members]),
        )
