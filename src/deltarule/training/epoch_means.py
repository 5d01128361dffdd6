"""The mean objective of each epoch, which several rules judge.

K members of the problem · A members of a chunk · n updates of a chunk
"""

from typing import NamedTuple

import numpy as np

from deltarule.problem.batches import groups, row_orders
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.training.loop import Chunk, Rule, TrainingLoop


class EpochMean(NamedTuple):
    """The end of an epoch, its members' indices in the chunk, and mean objectives."""

    step: int
    indices: Integers
    values: Floats


class EpochMeans(Rule):
    """Sums each epoch's objectives; `completed` are those that the last chunk ended.

    Objectives that are means are averaged over the epoch, by the rows' weights or by the number of rows; sums are
    added. Everything is added update by update, so that the division into chunks changes no bit.
    """

    stored = ("totals", "weights")

    def __init__(self, problem: Problem, by_weight: bool = True) -> None:
        self.problem, self.by_weight = problem, by_weight
        self.totals, self.weights = np.zeros(problem.members), np.zeros(problem.members)
        self.completed: list[EpochMean] = []

    def judge(self, loop: TrainingLoop, chunk: Chunk) -> None:
        members, first_step, objective = chunk.members, chunk.first_step, chunk.trace.objective
        n, sizes = len(objective), self.problem.epoch_steps[members]
        self.completed = []
        for size in np.unique(sizes).tolist():
            indices, start = np.flatnonzero(sizes == size), 0
            while start < n:
                step = first_step + start
                stop = min(n, start + size - step % size)
                self._add_batches(members[indices], step, objective[start:stop, indices])
                if (first_step + stop) % size == 0:
                    ended = members[indices]
                    with np.errstate(all="ignore"):
                        means = self.totals[ended] / (1.0 if self.problem.reduction == "sum" else self.weights[ended])
                    self.totals[ended] = self.weights[ended] = 0.0
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


def continue_sum(total: Floats, values: Floats) -> Floats:
    """Add values [n, A] to running totals [A] one by one, whatever the chunk size."""
    return np.asarray(np.add.accumulate(np.concatenate([np.asarray(total)[None], values]))[-1])


def batch_sizes(problem: Problem, members: Integers, step: int, n: int) -> Floats:
    """Return the numbers of rows in each of the next n batches from `step` on, [n, A]."""
    rows, batches = problem.row_counts[members], problem.epoch_steps[members]
    size = rows if problem.batch_size is None else np.minimum(problem.batch_size, rows)
    is_last = np.arange(step, step + n)[:, None] % batches == batches - 1
    return np.where(is_last, rows - size * (batches - 1), size).astype(np.float64)


def batch_weights(problem: Problem, members: Integers, step: int, n: int) -> Floats:
    """Return the sum of row weights in each of the next n batches, [n, K].

    If a sum might overflow, all weights are divided by a power of two.
    """
    weights = problem.weights
    if weights is None:
        return batch_sizes(problem, members, step, n)
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
    """Return the batches' row weights [n, K] for members with equally many rows."""
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
