"""The rules that decide by a chunk's trace which members stop or slow down.

K members of the problem · A members of a chunk · n updates of a chunk
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.training.epoch_means import EpochMeans
from deltarule.training.loop import NEVER, Chunk, Reason, Rule, TrainingLoop, speculative_updates

MAX_SPECULATIVE_EPOCHS = 12
"""Up to this many epochs are advanced in one chunk although a member may end within them; such a member is replayed
from the chunk's start to its end. For a single member, of which everything would be replayed, the limit is four."""


class Limit(Rule):
    """Ends each member at its last step."""

    def __init__(self, steps: Integers, reason: Reason = Reason.MAX_STEPS) -> None:
        self.steps, self.reason = steps, reason

    def max_updates(self, loop: TrainingLoop) -> int:
        return int(self.steps[loop.active.members].min()) - loop.active.step

    def finish(self, loop: TrainingLoop, chunk: Chunk) -> None:
        loop.end(self.steps[loop.active.members] <= loop.active.step, self.reason)


class Divergence(Rule):
    """Ends each member before its first update that is not finite."""

    def judge(self, loop: TrainingLoop, chunk: Chunk) -> None:
        diverged = np.flatnonzero(chunk.trace.bad >= 0)
        chunk.end(diverged, chunk.trace.bad[diverged], Reason.DIVERGED)


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


class Tolerance(Rule):
    """Ends each member when the mean objectives of two epochs differ little."""

    stored = ("last",)
    reason = Reason.TOLERANCE

    def __init__(self, means: EpochMeans, tolerance: Any) -> None:
        self.means, self.tolerance = means, np.broadcast_to(tolerance, means.problem.members)
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
        self.problem, self.waits, self.tolerance = problem, np.broadcast_to(waits, problem.members), tolerance
        self.lowest, self.waited = np.full(problem.members, np.inf), np.zeros(problem.members, np.int64)
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
