"""Stop rules and the state that they need to end a member at the exact update.

K members · n updates of a chunk
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput, short_repr
from deltarule.problem.batches import groups, row_orders
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.validation import setting, whole
from deltarule.stats import metrics

REASONS = ("max_steps", "threshold", "tolerance", "patience", "diverged", "interrupted")
"""Why a member's training ended."""


@dataclass(frozen=True)
class StopRules:
    """The rules that decide when a member stops training.

    Parameters
    ----------
    max_steps, max_epochs : int, optional
        The limit, in updates or in passes over a member's rows; the smaller if both are given.
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

    max_steps: int | None = None
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
        for name, minimum in (("max_steps", 0), ("max_epochs", 0), ("times", 1), ("patience", 1)):
            if name == "times" or getattr(self, name) is not None:
                whole(name, getattr(self, name), minimum)
        for name in ("threshold", "tolerance"):
            if getattr(self, name) is not None:
                setting(name, getattr(self, name))
        check_metric("metric", self.metric)
        check_metric("score", self.score)

    @property
    def needs_history(self) -> bool:
        """Whether a rule evaluates the history."""
        return self.patience is not None or (self.threshold is not None and self.metric != "objective")

    def limits(self, problem: Problem) -> Integers:
        """Return the last step that each member may reach, [K]."""
        maximum = int(np.iinfo(np.int64).max)
        steps, epochs = (maximum if limit is None else int(limit) for limit in (self.max_steps, self.max_epochs))
        # Python integers, because the product may exceed int64.
        sizes = [problem.steps_per_epoch(member) for member in range(problem.members)]
        return np.array([min(maximum, steps, epochs * size) for size in sizes], np.int64)


def check_metric(name: str, metric: Any) -> None:
    """Check that `metric` is "objective" or the name of a metric."""
    if not isinstance(metric, str):
        raise BadInput(f"{name} is {short_repr(metric)}; give 'objective', or the name of a metric")
    if metric != "objective":
        metrics.find(metric)


def first_crossing(
    objective: Floats, threshold: float, earlier_counts: Integers, times: int
) -> tuple[Integers, Integers]:
    """Return the update [K] of the `times`-th crossing of the threshold, and counts.

    objective [n, K], before each update of a chunk. The counts [K] are how often each was below the threshold:
    `earlier_counts` before the chunk, and the second result up to its end.

    >>> first_crossing(np.array([[0.5], [0.1], [0.1]]), 0.2, np.array([0]), 2)
    (array([2]), array([2]))
    """
    counts = earlier_counts + np.cumsum(objective < threshold, axis=0)
    reached = counts >= times
    first = np.where(reached.any(0), reached.argmax(0), len(objective))
    return first, counts[-1]


@dataclass(eq=False)
class StopState:
    """The state of the stop rules and of the adaptive schedule, as arrays [K].

    counted         how often the threshold was met
    total, rows     of the running epoch: the sum of its batches' objectives times their weights, and of these weights,
                    which are the batches' numbers of rows if the rows have none
    last_epoch      the mean objective of the previous epoch; NaN in the first one
    best_epoch      the lowest mean objective of an epoch, and `stalled`: for how many epochs it has not improved
    best_score      the best validation score, with `best_step`, and `waited`: for how many history points it has not
                    improved
    best_theta [K, P], best_buffers [K, Q]   the weights of the best score if patience is a rule
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
    def initial(cls, problem: Problem, has_patience: bool) -> "StopState":
        """Return the state before the first update."""
        k = problem.members
        widths = (problem.network.parameters, sum(e.stop - e.start for e in problem.network.buffers))
        theta, buffers = (np.zeros((k, width if has_patience else 0), problem.dtype) for width in widths)
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
        """Return the arrays by name, for a checkpoint."""
        return dict(vars(self))

    def add_to_epoch(self, problem: Problem, members: Integers, step: int, objective: Floats) -> None:
        """Add the objectives [n, K] of a chunk to the running sums of the epoch."""
        # Sums are added to the epoch's objective, means are averaged over its rows.
        is_sum = problem.reduction == "sum"
        weights = None if is_sum else batch_weights(problem, members, step, len(objective))
        for index, member in enumerate(members):
            values = objective[:, index].astype(np.float64)
            if weights is None:
                self.rows[member] = 1
            else:
                values = values * weights[:, index]
                self.rows[member] = continue_sum(self.rows[member], weights[:, index])
            self.total[member] = continue_sum(self.total[member], values)

    def end_epoch(self, members: Integers) -> tuple[Floats, Floats]:
        """End the epoch and return the mean objectives [K] of the last two epochs."""
        with np.errstate(all="ignore"):  # objectives that are not finite
            previous, mean = self.last_epoch[members], self.total[members] / self.rows[members]
        self.last_epoch[members], self.total[members], self.rows[members] = mean, 0.0, 0.0
        return previous, mean


def continue_sum(total: float, values: Floats) -> float:
    """Add values to a running total one by one, independently of the chunk size.

    >>> values = np.array([0.1, 1e16, 0.3, -1e16, 0.7])
    >>> continue_sum(continue_sum(0.0, values[:2]), values[2:]) == continue_sum(0.0, values)
    True
    """
    return float(np.add.accumulate(np.concatenate([[total], values]))[-1])


def batch_weights(problem: Problem, members: Integers, step: int, n: int) -> Floats:
    """Return the sum of row weights in each of the next n batches, [n, K].

    If a sum might overflow, all weights are divided by a power of two.

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
    sums = np.empty((n, len(members)))
    for group in groups(problem, members):
        # At most this many row weights are looked up at a time.
        chunk_size = max(1, 2**22 // problem.row_count(members[group[0]]))
        for first in range(0, len(group), chunk_size):
            part = group[first : first + chunk_size]
            part_weights = weights if weights.ndim == 1 else weights[members[part]]
            sums[:, part] = _equal_row_batch_weights(problem, members[part], part_weights, step, n)
    return sums


def _equal_row_batch_weights(problem: Problem, members: Integers, weights: Floats, step: int, n: int) -> Floats:
    """Return the batches' row weights [n, K] for members with equally many rows.

    weights [N] or [K, N]
    """
    size, batches = problem.batch_rows(members[0]), problem.steps_per_epoch(members[0])
    rows, first = row_orders(problem, members, step, n)[0], step % batches
    if len(rows) == 1 < batches:  # within a single epoch, only these batches
        rows, first = rows[:, :, first * size : (first + n) * size], 0
    weights = weights.astype(np.float64)
    # Scaled to at most 2**900, so that sums of weights times objectives are finite.
    weights = np.ldexp(weights, -np.maximum(np.frexp(weights.max(-1, keepdims=True))[1] - 900, 0))
    ordered = weights[rows] if weights.ndim == 1 else weights[np.arange(len(members))[:, None], rows]
    sums = np.add.reduceat(ordered, np.arange(0, rows.shape[2], size), axis=2, dtype=np.float64)
    by_update = sums.transpose(0, 2, 1).reshape(-1, ordered.shape[1])
    return by_update[np.arange(first, first + n) % len(by_update)]  # a full batch is the same in every update


def batch_sizes(problem: Problem, member: int, step: int, n: int) -> Integers:
    """Return the numbers of rows [n] in each of a member's n batches from `step` on."""
    rows, size, batches = problem.row_count(member), problem.batch_rows(member), problem.steps_per_epoch(member)
    is_last = np.arange(step, step + n) % batches == batches - 1
    return np.where(is_last, rows - size * (batches - 1), size)
