"""Run the program for small networks on blocks of members, one in each lane.

L lanes (members of a block) · P parameters
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.engines.base import Updates
from deltarule.engines.compiled.codegen_lanes import Shape, Space, member_numbers
from deltarule.engines.compiled.evaluation import read_only
from deltarule.maths.random import drop_threshold, key_words
from deltarule.problem.batches import row_orders
from deltarule.problem.problem import Floats, Integers, Problem

CALLS_A_THREAD = 4
"""Into how many calls a thread's share is divided, so that one that is held up leaves work to others."""


class LaneBlocks:
    """The members at `indices` of a state in blocks, one in each lane."""

    def __init__(
        self, problem: Problem, members: Integers, indices: Integers, blocks: int, lanes: int, own_rows: bool
    ) -> None:
        weights = "none" if problem.weights is None else ("shared" if problem.weights.ndim == 1 else "own")
        drops = tuple(bool(rates.any()) for rates in problem.dropout.T)
        self.shape, self.lanes = Shape(lanes, own_rows and lanes > 1, weights, drops), lanes
        self.own_rows = own_rows  # whether members differ; in `shape`, whether the lanes of one block do
        starts = np.arange(blocks + 1) * len(indices) // blocks
        self.counts = np.diff(starts)
        # Lanes without a member repeat the last one; their results are ignored.
        self.filled = indices[starts[:-1, None] + np.minimum(np.arange(lanes), self.counts[:, None] - 1)]
        self.members = members[self.filled]
        first = self.members[0, 0]
        self.batch_rows, self.row_count = problem.batch_rows(first), problem.row_count(first)
        # The hyperparameters that members may differ in, [blocks, numbers · L].
        numbers = member_numbers(problem).values()
        self.numbers: Floats = np.concatenate([number[self.members] for number in numbers], axis=1)
        # The integers below which a unit is dropped, [blocks, hidden layers, L].
        rates = problem.dropout[self.members].transpose(0, 2, 1)
        self.limits = np.ascontiguousarray(drop_threshold(rates))
        # The two words of each member's dropout seed, [blocks, 2, L].
        self.keys: NDArray[np.uint64] = np.stack(key_words(problem.dropout_seeds[self.members]), 1).astype(np.uint64)

    def parts(self, threads: int) -> list[slice]:
        """Return the blocks of each call: each alone if members differ in their rows."""
        blocks = len(self.counts)
        calls = blocks if self.own_rows else min(blocks, threads * CALLS_A_THREAD)
        edges = np.arange(calls + 1) * blocks // calls
        return [slice(start, stop) for start, stop in pairwise(edges.tolist())]

    def advance(self, part: slice, run: Callable[..., Any], spaces: Mapping[str, Space], updates: Updates) -> None:
        """Advance some blocks by the program `run`; `spaces` are its scratch arrays."""
        problem, state, after, n, lanes = updates.problem, updates.state, updates.after, updates.n, self.lanes
        ids, positions = self._rows(problem, self.members[part], state.step, n)
        vectors = {"theta": (state.theta, after.theta)}
        for index, name in enumerate(problem.optimizer.slots):  # by name: a file may hold them in another order
            vectors[f"slot{index}"] = state.slots[name], after.slots[name]
        arrays: dict[str, Floats] = {name: np.empty(count, dtype) for name, (count, dtype) in spaces.items()}
        for name, (old, new) in vectors.items():
            arrays |= {f"{name}_before": read_only(old), f"{name}_after": new}
            arrays[name] = np.empty(problem.network.parameters * lanes, problem.dtype)
        run(
            **arrays,
            gradient=np.empty_like(arrays["theta"]),
            members=self.filled[part],
            counts=self.counts[part],
            objectives=updates.objective,
            first_bad=updates.bad,
            factors=read_only(state.factor),
            hyperparameters=self.numbers[part],
            factor=np.empty(lanes),
            x=problem.x,
            y=problem.y,
            w=self._weights(problem, self.members[part]),
            ids=ids,
            positions=positions,
            limits=self.limits[part],
            keys=self.keys[part],
            first=state.step,
            steps=n,
            size=self.batch_rows,
            rows=self.row_count,
            objective=np.empty(n * lanes, problem.dtype),
            bad=np.empty(lanes, np.int64),
        )

    def _rows(self, problem: Problem, members: Integers, step: int, n: int) -> tuple[Integers, Integers]:
        """Return rows' indices and positions, each [epochs, rows] or [epochs, rows · L]."""
        if self.shape.own_rows:
            ids, positions = row_orders(problem, members[0], step, n)
            return self._interleave_lanes(ids), self._interleave_lanes(positions)
        ids, positions = row_orders(problem, members[0, :1], step, n)
        # A program is compiled for arrays that can be written.
        return np.array(ids[:, 0], order="C"), np.array(positions[:, 0], order="C")

    def _interleave_lanes(self, by_member: Integers) -> Integers:
        epochs, _, rows = by_member.shape
        by_lane = np.broadcast_to(by_member, (epochs, self.lanes, rows))
        return np.array(by_lane.transpose(0, 2, 1), order="C").reshape(epochs, -1)

    def _weights(self, problem: Problem, members: Integers) -> Floats:
        """Return the weights of the rows, [1, N, 1] or of each lane [blocks, N, L]."""
        weights = problem.weights
        if weights is None:
            return np.ones((1, 1, 1), problem.dtype)
        if weights.ndim == 1:
            return weights[None, :, None]
        return np.ascontiguousarray(weights[members].transpose(0, 2, 1))
