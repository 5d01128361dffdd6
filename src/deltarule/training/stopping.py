"""Stop rules: when a member has trained enough, decided for each member alone and to the exact step.

K members · n updates of a stretch
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput, short_repr
from deltarule.problem.batches import groups, row_orders
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.validation import finite, whole
from deltarule.stats import metrics

REASONS = ("max_steps", "threshold", "tolerance", "patience", "diverged", "interrupted", "converged")
"""Why a member's training ended; "converged" is L-BFGS's own word."""


@dataclass(frozen=True)
class StopRules:
    """When to stop. A limit of steps or epochs is always needed; the other rules may end a member before it.

    Parameters
    ----------
    max_steps, max_epochs : the limit, in updates or in passes over a member's rows; the smaller where both are given.
    threshold, times, metric : stop once `metric` has been under `threshold` (for metrics of which more is better:
        over it) this many times in all. The objective is looked at before each update, other metrics whenever a
        look is due to the member: every `history_every` updates, and at its limit.
    tolerance : stop when an epoch's mean objective differs from the epoch before by less than this share of it.
    patience : stop when the validation score has not improved in this many such looks in a row; the best weights are
        restored.

    >>> StopRules(max_steps=1000, threshold=0.015, times=3)
    StopRules(max_steps=1000, max_epochs=None, threshold=0.015, times=3, metric='objective', tolerance=None, \
patience=None)
    """

    max_steps: int | None = None
    max_epochs: int | None = None
    threshold: float | None = None
    times: int = 1
    metric: str = "objective"
    tolerance: float | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        if self.max_steps is None and self.max_epochs is None:
            raise BadInput("there is no limit to the training; give max_steps or max_epochs")
        for name, least in (("max_steps", 0), ("max_epochs", 0), ("times", 1), ("patience", 1)):
            if name == "times" or getattr(self, name) is not None:
                whole(name, getattr(self, name), least)
        for name in ("threshold", "tolerance"):
            if getattr(self, name) is not None:
                finite(name, getattr(self, name))
        check_metric("metric", self.metric)

    @property
    def look(self) -> bool:
        """Whether a rule looks at the history."""
        return self.patience is not None or (self.threshold is not None and self.metric != "objective")

    def limits(self, problem: Problem) -> Integers:
        """The last step of each member, [K]."""
        most = int(np.iinfo(np.int64).max)
        steps, epochs = (most if limit is None else int(limit) for limit in (self.max_steps, self.max_epochs))
        # Python's integers: the product may be larger than any of an array's.
        sizes = [problem.steps_per_epoch(member) for member in range(problem.members)]
        return np.array([min(most, steps, epochs * size) for size in sizes], np.int64)


def check_metric(name: str, given: Any) -> None:
    """Refuse what is neither "objective" nor the name of a metric."""
    if not isinstance(given, str):
        raise BadInput(f"{name} is {short_repr(given)}; give 'objective', or the name of a metric")
    if given != "objective":
        metrics.find(given)


def first_crossing(objective: Floats, threshold: float, counted: Integers, times: int) -> tuple[Integers, Integers]:
    """Where in a stretch the objective is under the threshold for the n-th time, by member.

    objective [n, K]   counted [K], how often it has been before   →   index [K] into the stretch or n where it is not,
    and how often it has been afterwards [K]

    >>> first_crossing(np.array([[0.5], [0.1], [0.1]]), 0.2, np.array([0]), 2)
    (array([2]), array([2]))
    """
    under = counted + np.cumsum(objective < threshold, axis=0)
    reached = under >= times
    first = np.where(reached.any(0), reached.argmax(0), len(objective))
    return first, under[-1]


@dataclass(eq=False)
class Watch:
    """What the stop rules and the adaptive schedule remember of each member of a problem: plain arrays [K].

    counted         how often the threshold was met
    total, rows     of the running epoch: the sum of its batches' objectives times their weights, and of these, which
                    are the batches' rows where no row has a weight of its own
    last_epoch      the mean objective of the epoch before, NaN before there is one
    best_epoch      the least mean objective of an epoch, and `stalled`: for how many epochs it has not improved
    best_score      the best validation score, with `best_step`, and `waited`: for how many looks it has not improved
    best_theta [K, P], best_buffers [K, Q]   the weights of the best score, where patience is a rule
    """

    counted: Integers
    total: Floats
    rows: Floats
    last_epoch: Floats
    best_epoch: Floats
    stalled: Integers
    best_score: Floats
    best_step: Integers
    waited: Integers
    best_theta: Floats
    best_buffers: Floats

    @classmethod
    def of(cls, problem: Problem, patience: bool) -> "Watch":
        """A watch that has seen nothing yet."""
        k = problem.members
        widths = (problem.network.parameters, sum(e.stop - e.start for e in problem.network.buffers))
        theta, buffers = (np.zeros((k, width if patience else 0), problem.dtype) for width in widths)
        return cls(
            counted=np.zeros(k, np.int64),
            total=np.zeros(k),
            rows=np.zeros(k),
            last_epoch=np.full(k, np.nan),
            best_epoch=np.full(k, np.inf),
            stalled=np.zeros(k, np.int64),
            best_score=np.full(k, -np.inf),
            best_step=np.zeros(k, np.int64),
            waited=np.zeros(k, np.int64),
            best_theta=theta,
            best_buffers=buffers,
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name, for a checkpoint."""
        return dict(vars(self))

    def add_to_epoch(self, problem: Problem, members: Integers, step: int, objective: Floats) -> None:
        """Count the batches of a stretch that began at `step` into the members' running epochs.   objective [n, K]"""
        # Sums add up to the epoch's objective, means are averaged over its rows.
        is_sum = problem.reduction == "sum"
        weights = None if is_sum else batch_weights(problem, members, step, len(objective))
        for index, member in enumerate(members):
            values = objective[:, index].astype(np.float64)
            if weights is None:
                self.rows[member] = 1
            else:
                values = values * weights[:, index]
                self.rows[member] = summed_after(self.rows[member], weights[:, index])
            self.total[member] = summed_after(self.total[member], values)

    def end_epoch(self, member: int) -> tuple[float, float]:
        """The mean objective of the epoch before and of the one that ends here."""
        before, now = float(self.last_epoch[member]), float(self.total[member] / self.rows[member])
        self.last_epoch[member], self.total[member], self.rows[member] = now, 0.0, 0.0
        return before, now

    def improves_epoch(self, member: int, value: float, tolerance: float, patience: float) -> bool:
        """Note an epoch's objective; False when it has not improved by `tolerance` for `patience` epochs in a row."""
        self.stalled[member] = self.stalled[member] + 1 if value > self.best_epoch[member] - tolerance else 0
        self.best_epoch[member] = min(self.best_epoch[member], value)
        if self.stalled[member] < patience:
            return True
        self.stalled[member] = 0
        return False


def summed_after(total: float, values: Floats) -> float:
    """A sum gone on with, number after number: how the clock divided a training into stretches leaves no trace in it.

    >>> values = np.array([0.1, 1e16, 0.3, -1e16, 0.7])
    >>> summed_after(summed_after(0.0, values[:2]), values[2:]) == summed_after(0.0, values)
    True
    """
    return float(np.add.accumulate(np.concatenate([[total], values]))[-1])


def batch_weights(problem: Problem, members: Integers, step: int, n: int) -> Floats:
    """What each of the n batches from `step` on weighs, for members, [n, K]: the sum of its rows' weights.

    Without weights each row has 1. Where one is so large that sums might be infinite, all are divided by a power
    of two.

    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> x = [[0.0], [0.0], [0.0]]
    >>> problem = create_problem(Network([1, 1]), x, x, weights=[6, 6, 6], batch_size=2)
    >>> batch_weights(problem, np.array([0]), step=1, n=2).tolist()
    [[6.0], [12.0]]
    """
    weights = problem.weights
    if weights is None:
        return np.stack([batch_sizes(problem, member, step, n) for member in members], axis=1).astype(np.float64)
    found = np.empty((n, len(members)))
    for group in groups(problem, members):
        # Weights of rows that are looked up at once, of several members.
        at_once = max(1, 2**22 // problem.row_count(members[group[0]]))
        for first in range(0, len(group), at_once):
            some = group[first : first + at_once]
            own = weights if weights.ndim == 1 else weights[members[some]]
            found[:, some] = _weights_of_alike(problem, members[some], own, step, n)
    return found


def _weights_of_alike(problem: Problem, members: Integers, own: Floats, step: int, n: int) -> Floats:
    """The same of members that have equally many rows.   own [N] or [K, N]"""
    size, batches = problem.batch_rows(members[0]), problem.steps_per_epoch(members[0])
    rows, first = row_orders(problem, members, step, n)[0], step % batches
    if len(rows) == 1 < batches:  # of a single epoch no more than is asked for
        rows, first = rows[:, :, first * size : (first + n) * size], 0
    own = own.astype(np.float64)
    # Of weights, as a power of two: sums of so many of them, times an objective, are finite.
    own = np.ldexp(own, -np.maximum(np.frexp(own.max(-1, keepdims=True))[1] - 900, 0))
    taken = own[rows] if own.ndim == 1 else own[np.arange(len(members))[:, None], rows]
    sums = np.add.reduceat(taken, np.arange(0, rows.shape[2], size), axis=2, dtype=np.float64)
    by_update = sums.transpose(0, 2, 1).reshape(-1, taken.shape[1])
    return by_update[np.arange(first, first + n) % len(by_update)]  # of full batches there is one, in every update


def batch_sizes(problem: Problem, member: int, step: int, n: int) -> Integers:
    """How many rows each of the n batches from `step` on has, for a member."""
    rows, size, batches = problem.row_count(member), problem.batch_rows(member), problem.steps_per_epoch(member)
    last = np.arange(step, step + n) % batches == batches - 1
    return np.where(last, rows - size * (batches - 1), size)
