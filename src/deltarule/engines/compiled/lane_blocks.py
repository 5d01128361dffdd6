"""Run the program for small networks on a block of members, one in each lane.

L lanes (members of a block) · P parameters
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.engines.compiled.codegen_lanes import Shape, number_names, range_numbers
from deltarule.maths.random import drop_threshold, key_words
from deltarule.problem.batches import row_orders
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State


@dataclass(frozen=True, eq=False)
class Updates:
    """n updates of `state`, and the arrays to which blocks write their results."""

    problem: Problem
    state: State
    after: State
    n: int
    objective: Floats
    bad: Integers


def lane_shape(problem: Problem, lanes: int, own_rows: bool) -> Shape:
    """Return the `Shape` of the program for blocks of so many lanes."""
    weights = "none" if problem.weights is None else ("shared" if problem.weights.ndim == 1 else "own")
    drops = tuple(bool(rates.any()) for rates in problem.dropout.T)
    return Shape(lanes, own_rows and lanes > 1, weights, drops)


class LaneBlock:
    """The members at `indices` of a state, one in each lane."""

    def __init__(self, problem: Problem, members: Integers, indices: Integers, shape: Shape) -> None:
        self.indices, self.shape, self.lanes = indices, shape, shape.lanes
        # Lanes without a member repeat the last one; their results are ignored.
        self.filled = indices[np.minimum(np.arange(self.lanes), len(indices) - 1)]
        self.members = members[self.filled]
        self.batch_rows, self.row_count = problem.batch_rows(self.members[0]), problem.row_count(self.members[0])
        self.key = shape, self.batch_rows
        self.numbers = self._numbers(problem)
        # The integers below which a unit is dropped, [hidden layers, L].
        rates = problem.dropout[self.members].T
        self.limits = np.ascontiguousarray(drop_threshold(rates)).reshape(-1, self.lanes)
        # The two words of each member's dropout seed, [2, L].
        self.keys: NDArray[np.uint64] = np.stack(key_words(problem.dropout_seeds[self.members])).astype(np.uint64)

    def _numbers(self, problem: Problem) -> Floats:
        """Return the hyperparameters that members may differ in, flat [numbers · L]."""
        named = {
            **problem.numbers,
            **{f"schedule's {name}": value for name, value in problem.schedule_numbers.items()},
            "strength": problem.strength,
            **{f"gain of layer {i + 1}": 1 / (1 - rates) for i, rates in enumerate(problem.dropout.T)},
            **range_numbers(problem),
        }
        return np.concatenate([named[name][self.members] for name in number_names(problem)])

    def advance(self, run: Callable[..., Any], spaces: tuple[tuple[int, type], ...], updates: Updates) -> None:
        """Advance the block with the compiled program `run`, and write the results.

        `spaces` are the lengths and dtypes of the program's scratch arrays.
        """
        problem, state, n, lanes = updates.problem, updates.state, updates.n, self.lanes
        ids, positions = self._rows(problem, state.step, n)
        slots = [state.slots[name] for name in problem.optimizer.slots]  # a file may hold them in another order
        theta, *slots = (self._gather(vector) for vector in (state.theta, *slots))
        objective, bad = np.zeros(n * lanes, problem.dtype), np.full(lanes, -1)
        run(
            theta,
            np.empty_like(theta),
            *(np.empty(count, dtype) for count, dtype in spaces),
            *slots,
            self.numbers,
            state.factor[self.filled],
            problem.x,
            problem.y,
            self._weights(problem),
            ids,
            positions,
            self.limits,
            self.keys,
            state.step,
            n,
            self.batch_rows,
            self.row_count,
            objective,
            bad,
        )
        indices, count = self.indices, len(self.indices)
        updates.after.theta[indices] = theta.reshape(-1, lanes).T[:count]
        for name, slot in zip(problem.optimizer.slots, slots, strict=True):
            updates.after.slots[name][indices] = slot.reshape(-1, lanes).T[:count]
        updates.objective[:, indices] = objective.reshape(n, lanes)[:, :count]
        updates.bad[indices] = bad[:count]

    def _gather(self, vector: Floats) -> Floats:
        return np.ascontiguousarray(vector[self.filled].T).reshape(-1)

    def _rows(self, problem: Problem, step: int, n: int) -> tuple[Integers, Integers]:
        """Return the rows' indices in the order of each epoch, and their positions.

        Both are [epochs, rows], or [epochs, rows · L] if lanes differ in their rows.
        """
        if self.shape.own_rows:
            ids, positions = row_orders(problem, self.members, step, n)
            return self._interleave_lanes(ids), self._interleave_lanes(positions)
        ids, positions = row_orders(problem, self.members[:1], step, n)
        # A program is compiled for arrays that can be written.
        return np.array(ids[:, 0], order="C"), np.array(positions[:, 0], order="C")

    def _interleave_lanes(self, by_member: Integers) -> Integers:
        epochs, _, rows = by_member.shape
        by_lane = np.broadcast_to(by_member, (epochs, self.lanes, rows))
        return np.array(by_lane.transpose(0, 2, 1), order="C").reshape(epochs, -1)

    def _weights(self, problem: Problem) -> Floats:
        weights = problem.weights
        if weights is None:
            return np.ones((1, 1), problem.dtype)
        return weights[:, None] if weights.ndim == 1 else np.ascontiguousarray(weights[self.members].T)
