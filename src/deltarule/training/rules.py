"""The rules that decide which members stop or slow down: by a chunk's trace, by its epochs, or by what is recorded.

K members of the problem · A members of a chunk · n updates of a chunk
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltarule.problem.batches import batch_sizes, batch_weights
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.training.loop import NEVER, Chunk, Reason, Rule, TrainingLoop, speculative_updates

MAX_SPECULATIVE_EPOCHS = 12
"""Up to this many epochs are advanced in one chunk although a member may end within them; such a member is replayed
from the chunk's start to its end. For a single member, of which everything would be replayed, the limit is four."""


Watched = Callable[[TrainingLoop], tuple[Floats, NDArray[np.bool_]] | None]
"""Returns the values [A] of a recorded series and the members that they are for, None between points."""


class Limit(Rule):
    """Ends each member at its last step."""

    def __init__(self, steps: Integers, reason: Reason = Reason.MAX_STEPS) -> None:
        self.steps, self.reason = steps, reason

    def max_updates(self, loop: TrainingLoop) -> int:
        return int(self.steps[loop.active.members].min()) - loop.active.step

    def finish(self, loop: TrainingLoop, chunk: Chunk) -> None:
        loop.end(self.steps[loop.active.members] <= loop.active.step, self.reason)


class DivergenceRule(Rule):
    """Ends each member before its first update that is not finite."""

    def judge(self, loop: TrainingLoop, chunk: Chunk) -> None:
        diverged = np.flatnonzero(chunk.trace.bad >= 0)
        chunk.end(diverged, chunk.trace.bad[diverged], Reason.DIVERGED)


class EpochMean(NamedTuple):
    """The end of an epoch, its members' indices in the chunk, and mean objectives."""

    step: int
    indices: Integers
    values: Floats


class EpochMeans(Rule):
    """Sums each epoch's objectives; `completed` are those that the last chunk ended.

    Objectives that are means are averaged over the epoch, by the rows' weights or by the number of rows; sums are
    added. Everything is added update by update, so that the division into chunks changes no bit. An epoch whose
    beginning was not seen, because a training goes on from within it, has the mean NaN.
    """

    stored = ("totals", "weights")

    def __init__(self, problem: Problem, by_weight: bool = True) -> None:
        self.problem, self.by_weight = problem, by_weight
        self.totals, self.weights = np.full(problem.members, np.nan), np.zeros(problem.members)
        self.completed: list[EpochMean] = []

    def judge(self, loop: TrainingLoop, chunk: Chunk) -> None:
        members = chunk.members
        first_step = chunk.first_step
        objective = chunk.trace.objective
        n = len(objective)
        sizes = self.problem.epoch_steps[members]
        self.completed = []
        for size in np.unique(sizes).tolist():
            indices = np.flatnonzero(sizes == size)
            start = 0
            while start < n:
                step = first_step + start
                stop = min(n, start + size - step % size)
                if step % size == 0:
                    self.totals[members[indices]] = self.weights[members[indices]] = 0.0
                self._add_batches(members[indices], step, objective[start:stop, indices])
                if (first_step + stop) % size == 0:
                    ended = members[indices]
                    with np.errstate(all="ignore"):
                        means = self.totals[ended] / (1.0 if self.problem.reduction == "sum" else self.weights[ended])
                    self.completed.append(EpochMean(first_step + stop, indices, means))
                start = stop

    def _add_batches(self, members: Integers, step: int, objective: Floats) -> None:
        """Add the objectives [n, A] of batches within an epoch of the members."""
        values = objective.astype(np.float64)
        with np.errstate(all="ignore"):  # objectives that are not finite
            if self.problem.reduction != "sum":
                weigh = batch_weights if self.by_weight else batch_sizes
                weights = weigh(self.problem, members, step, len(objective))
                values = values * weights
                self.weights[members] = continue_sum(self.weights[members], weights)
            self.totals[members] = continue_sum(self.totals[members], values)


class Threshold(Rule):
    """Ends each member once its objective was below the threshold often enough."""

    stored = ("counts",)
    reason = Reason.THRESHOLD

    def __init__(self, problem: Problem, threshold: Any, times: Any) -> None:
        self.threshold, self.times = (np.broadcast_to(each, problem.members) for each in (threshold, times))
        self.counts = np.zeros(problem.members, np.int64)

    def max_updates(self, loop: TrainingLoop) -> int:
        return speculative_updates(loop.active.step)

    def judge(self, loop: TrainingLoop, chunk: Chunk) -> None:
        is_below = chunk.trace.objective < self.threshold[chunk.members]
        indices = np.flatnonzero(is_below.any(0))
        if not len(indices):
            return
        members = chunk.members[indices]
        counts = self.counts[members] + np.cumsum(is_below[:, indices], axis=0)
        self.counts[members] = counts[-1]
        is_reached = counts >= self.times[members]
        is_ended = is_reached.any(0)
        chunk.end(indices[is_ended], chunk.first_step + is_reached.argmax(0)[is_ended], Reason.THRESHOLD)


class MetricThreshold(Rule):
    """Ends each member once its metric was beyond the threshold often enough."""

    stored = ("counts",)
    reason = Reason.THRESHOLD

    def __init__(self, watched: Watched, more_is_better: bool, threshold: Floats, times: Integers) -> None:
        self.watched, self.more_is_better = watched, more_is_better
        self.threshold, self.times = threshold, times
        self.counts = np.zeros(len(times), np.int64)

    def finish(self, loop: TrainingLoop, chunk: Chunk) -> None:
        watched = self.watched(loop)
        if watched is None:
            return
        members, (values, is_due) = loop.active.members, watched
        threshold = self.threshold[members]
        is_met = values > threshold if self.more_is_better else values < threshold
        self.counts[members] += is_met & is_due
        loop.end(self.counts[members] >= self.times[members], Reason.THRESHOLD)


class Tolerance(Rule):
    """Ends each member when the mean objectives of two epochs differ little."""

    stored = ("last",)
    reason = Reason.TOLERANCE

    def __init__(self, means: EpochMeans, tolerance: Any) -> None:
        self.means = means
        self.tolerance = np.broadcast_to(tolerance, means.problem.members)
        self.last = np.full(means.problem.members, np.nan)

    def max_updates(self, loop: TrainingLoop) -> int:
        return speculative_updates(loop.active.step)

    def judge(self, loop: TrainingLoop, chunk: Chunk) -> None:
        for step, indices, means in self.means.completed:
            members = chunk.members[indices]
            last, self.last[members] = self.last[members], means
            with np.errstate(all="ignore"):  # infinite objectives
                is_steady = np.abs(last - means) < self.tolerance[members] * np.abs(last)
            chunk.end(indices[is_steady], step, Reason.TOLERANCE)


class Patience(Rule):
    """Counts how many values in a row were no better than a member's lowest one.

    A better value is lower by `tolerance`; without one any lower value is. With `best`, a state of all members, the
    states of the lowest values are kept, of the steps `best_steps` [K].
    """

    stored: tuple[str, ...] = ("lowest", "waited")

    def __init__(
        self, problem: Problem, waits: float | Floats, tolerance: float | Floats | None, best: State | None
    ) -> None:
        self.problem = problem
        self.waits = np.broadcast_to(waits, problem.members)
        self.tolerance = tolerance
        self.lowest = np.full(problem.members, np.inf)
        self.waited = np.zeros(problem.members, np.int64)
        self.best_steps = np.zeros(problem.members, np.int64)
        self.best = None if best is None else best.take(np.arange(problem.members))

    def update(self, state: State, indices: Integers, values: Floats) -> NDArray[np.bool_]:
        """See values of members at some indices of a state; return a mask of those that have waited long enough."""
        members = state.members[indices]
        is_lowest = values < self.lowest[members]
        is_waiting = ~is_lowest
        if self.tolerance is not None:
            tolerance = np.broadcast_to(self.tolerance, self.problem.members)
            is_waiting = values > self.lowest[members] - tolerance[members]
        self.waited[members] = np.where(is_waiting, self.waited[members] + 1, 0)
        lowest = members[is_lowest]
        self.lowest[lowest], self.best_steps[lowest] = values[is_lowest], state.step
        if self.best is not None:
            self.best.overwrite(lowest, state.take(indices[is_lowest]))
        return np.asarray(self.waited[members] >= self.waits[members])

    def restored(self, state: State) -> State:
        """Return a state with the best of what is kept of the members that have a finite value."""
        assert self.best is not None
        scored = np.flatnonzero(np.isfinite(self.lowest))
        best = self.best.take(scored)
        restored = replace(state.take(scored), theta=best.theta, buffers=best.buffers)
        if best.slots:
            restored = replace(restored, slots=best.slots, factor=best.factor)
        return state.put(scored, restored)


class BestScore(Patience):
    """Keeps each member's weights of the best validation score, with patience."""

    stored = (*Patience.stored, "best_steps", "theta", "buffers")
    reason = Reason.PATIENCE

    def __init__(
        self, problem: Problem, watched: Watched, more_is_better: bool, patience: Integers, start: State
    ) -> None:
        super().__init__(problem, patience, None, replace(start, slots={}))
        self.watched = watched
        self.sign = -1 if more_is_better else 1
        assert self.best is not None
        self.theta, self.buffers = self.best.theta, self.best.buffers

    def finish(self, loop: TrainingLoop, chunk: Chunk) -> None:
        watched = self.watched(loop)
        if watched is None:
            return
        values, is_due = watched
        values = np.where(np.isfinite(values), self.sign * values, np.inf)
        due = np.flatnonzero(is_due)
        is_ended = np.zeros(len(values), bool)
        is_ended[due] = self.update(loop.active, due, values[due])
        loop.end(is_ended, Reason.PATIENCE)


class Plateau(Patience):
    """Divides a member's learning rate, or ends it, when it no longer improves.

    The rule `source` has in `completed` the epochs that ended in a chunk, with values of which less is better. After
    `waits` epochs without one that is better by `tolerance` a member is stalled. An adaptive schedule divides rates
    above `min_rate`; `ends` says whether other stalled members end.
    """

    def __init__(
        self,
        problem: Problem,
        source: Any,
        waits: float | Floats,
        tolerance: float | Floats,
        *,
        ends: bool,
        min_rate: float = -np.inf,
        best: State | None = None,
    ) -> None:
        super().__init__(problem, waits, tolerance, best)
        self.source, self.ends, self.min_rate = source, ends, min_rate

    def max_updates(self, loop: TrainingLoop) -> int:
        """Return the updates until a rate may fall, or a guess if members may end."""
        members, step = loop.active.members, loop.active.step
        if self.problem.schedule.adaptive:
            sizes = np.unique(self.problem.epoch_steps[members])
            return int((sizes - step % sizes).min())
        certain = float((self.waits[members] - self.waited[members]).min())
        epochs = max(certain, min(MAX_SPECULATIVE_EPOCHS, 3 + len(members)))
        size = self.problem.steps_per_epoch(members[0])
        return int(min(epochs * size, NEVER // 2)) - step % size

    def judge(self, loop: TrainingLoop, chunk: Chunk) -> None:
        for step, indices, values in self.source.completed:
            is_training = chunk.ends[indices] >= step
            indices = indices[is_training]
            is_stalled = self.update(loop.active, indices, values[is_training])
            if self.problem.schedule.adaptive:
                is_stalled &= ~self._divide_rates(loop, indices[is_stalled])[indices]
            if self.ends:
                chunk.end(indices[is_stalled], step, Reason.STALLED)

    def _divide_rates(self, loop: TrainingLoop, indices: Integers) -> NDArray[np.bool_]:
        """Divide the rates of stalled members that are not at their lowest; return a mask."""
        is_divided = np.zeros(len(loop.active.members), bool)
        is_divided[indices] = current_rates(self.problem, loop.active)[indices] > self.min_rate
        members, factor = loop.active.members, loop.active.factor
        divided = factor / self.problem.schedule_numbers["divide"][members]
        loop.active = replace(loop.active, factor=np.where(is_divided, divided, factor))
        self.waited[members[is_divided]] = 0
        return is_divided


def current_rates(problem: Problem, state: State) -> Floats:
    """Return the learning rates [A] of a state's last update."""
    return problem.rates(state.members, max(state.step - 1, 0)) * state.factor


def continue_sum(total: Floats, values: Floats) -> Floats:
    """Add values [n, A] to running totals [A] one by one, whatever the chunk size."""
    return np.asarray(np.add.accumulate(np.concatenate([np.asarray(total)[None], values]))[-1])
