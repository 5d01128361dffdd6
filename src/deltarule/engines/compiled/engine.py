"""The compiled engine: runs compiled programs on blocks and threads."""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from deltarule import platforms
from deltarule.engines.base import Engine, Metrics, Trace, Updates
from deltarule.engines.compiled import evaluation, large_members
from deltarule.engines.compiled.codegen_lanes import is_tiled
from deltarule.engines.compiled.evaluation import DERIVED, OUTPUTS, RowSets, sets_of_rows, values_of
from deltarule.engines.compiled.lane_blocks import LaneBlocks
from deltarule.engines.compiled.large_members import Members
from deltarule.engines.compiled.structure_cache import structure_of
from deltarule.engines.reference import ReferenceEngine
from deltarule.problem.batches import groups, split_by_rows
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State

MAX_MEMBERS_ALONE = 5
"""Up to this number, members are advanced one by one: sixteen lanes take about as long as eight members in turn."""

MAX_EVALUATED_WEIGHTS, MIN_EVALUATED_PRODUCTS = 2**17, 10**8
"""Large networks are evaluated by a program if no layer has more weights, as for tiles in updates, and if rows times
parameters are at least as many, which take NumPy about three milliseconds."""


class CompiledEngine(Engine):
    """Trains with programs compiled by Numba for a network's structure.

    threads : how many blocks are advanced at a time; None for the number of processors. The result is the same.
    own_shape : whether a small network gets a program for its own shape; if not, the program for large networks, which
        serves all sizes, advances it if there is one.
    """

    name = "compiled"

    def __init__(self, threads: int | None = None, own_shape: bool = True) -> None:
        self.threads, self.own_shape = threads or available_processors(), own_shape

    def advance(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        structure = structure_of(problem)
        if structure.reason_against:
            return ReferenceEngine().advance(problem, state, n)
        objective, bad = np.zeros((n, len(state.members)), problem.dtype), np.full(len(state.members), -1)
        is_large = self.takes_products(problem)
        copied = np.copy if is_large else np.empty_like  # blocks of lanes write all of their members
        after = replace(
            state,
            theta=copied(state.theta),
            slots={name: copied(slot) for name, slot in state.slots.items()},
            buffers=state.buffers.copy(),
            step=state.step + n,
        )
        updates = Updates(problem, state, after, n, objective, bad)
        if is_large:
            large_members.tiles_of(problem.dtype, "products")
            for group in groups(problem, state.members):
                self._advance_large(partial(Members, structure.large_program(), updates), group)
            return after, Trace(objective, bad)
        for parts, work in self._lane_blocks(problem, state.members):
            # Other threads help from this many members · rows · parameters · updates on, about two milliseconds.
            threads = self.threads if n * work > 2_000_000 else 1
            tasks: list[Callable[[], None]] = []
            for blocks in parts:
                program_of_blocks = structure.lane_program(blocks.shape, blocks.batch_rows)
                tasks += [partial(blocks.advance, part, *program_of_blocks, updates) for part in blocks.parts(threads)]
            self._run_tasks(tasks, use_threads=threads > 1)
        return after, Trace(objective, bad)

    def _lane_blocks(self, problem: Problem, members: Integers) -> list[tuple[list[LaneBlocks], int]]:
        """Return the blocks of each group of members, and the group's work.

        They are cached: a short call would take longer to divide its members than to advance them.
        """
        cached = _lane_block_cache.get(problem)
        if cached is None or cached[0] != self.threads or not np.array_equal(cached[1], members):
            group_entries = []
            for group in groups(problem, members):
                parts = []
                for indices, own_rows in group_by_rows(problem, members, group):
                    blocks, lanes = count_blocks(problem, len(indices), self.threads, own_rows)
                    parts.append(LaneBlocks(problem, members, indices, blocks, lanes, own_rows))
                rows = len(group) * problem.batch_rows(members[group[0]])
                group_entries.append((parts, rows * problem.network.parameters))
            cached = _lane_block_cache[problem] = self.threads, members.copy(), group_entries
        return cached[2]

    def takes_products(self, problem: Problem) -> bool:
        """Whether the program for large networks advances a problem."""
        structure = structure_of(problem)
        return bool(structure.not_compilable) or not (self.own_shape or structure.not_fusible)

    def _advance_large(self, members_at: Callable[[Integers], Members], group: Integers) -> None:
        together = members_at(group)
        threads = together.shared_threads(self.threads)
        is_even = len(group) % self.threads == 0 or len(group) >= 4 * self.threads
        if threads > 1 and not is_even and _sharing.acquire(blocking=False):
            try:
                self._run_together(together.thread_functions(threads))
            finally:
                _sharing.release()
        else:
            by_rows = group_by_rows(together.updates.problem, together.updates.state.members, group)
            parts = [np.array_split(indices, min(self.threads, len(indices))) for indices, _ in by_rows]
            self._run_tasks([members_at(part).thread_functions(1)[0] for of_rows in parts for part in of_rows])

    def _run_tasks(self, tasks: list[Callable[[], None]], use_threads: bool = True) -> None:
        if len(tasks) == 1 or self.threads == 1 or not use_threads:
            for task in tasks:
                task()
        else:
            remaining = iter(tasks)

            def run_remaining() -> None:
                for task in remaining:  # shared by the threads: a future for each task would take longer than the task
                    task()

            self._run_together([run_remaining] * self.threads)

    def _run_together(self, functions: list[Callable[[], None]]) -> None:
        futures = [platforms.thread_pool(self.threads, "engine").submit(function) for function in functions[1:]]
        functions[0]()
        for future in futures:
            future.result()

    def outputs(self, problem: Problem, state: State, x: Floats) -> tuple[Floats, Floats]:
        x = np.asarray(x, problem.dtype)
        if not self._has_evaluation(problem, x.shape[-2]):
            return ReferenceEngine().outputs(problem, state, x)
        members, row_count = len(state.members), x.shape[-2]
        shape = members, row_count, problem.network.outputs
        logits, outputs = np.empty(shape, problem.dtype), np.empty(shape, problem.dtype)
        rows, ids = x.reshape(-1, x.shape[-1]), np.arange(x.size // x.shape[-1]).reshape(-1, row_count)
        sets = [np.arange(members)] if x.ndim == 2 else list(np.arange(members)[:, None])
        sums = np.empty((evaluation.FIRST_METRIC, members))
        self._evaluate(problem, state, RowSets(sets, rows, rows, ids, None), (OUTPUTS,), sums, logits, outputs)
        return logits, outputs

    def evaluate(
        self, problem: Problem, state: State, rows: tuple[Any, Any] | None, metrics: Metrics
    ) -> dict[str, Floats]:
        """Return objective and metrics, those that are sums by a compiled program."""
        in_numpy = super().evaluate
        row_count = len(rows[0]) if rows is not None else int(problem.row_counts.min())
        if not len(state.members) or not self._has_evaluation(problem, row_count):
            return in_numpy(problem, state, rows, metrics)
        asked = tuple(sorted({DERIVED[name][0] for name in metrics if name in DERIVED}))
        sums = np.empty((evaluation.FIRST_METRIC + len(asked), len(state.members)))
        for row_sets in sets_of_rows(problem, state, rows):
            self._evaluate(problem, state, row_sets, asked, sums)
        values = values_of(problem, state.members, sums, asked, metrics)
        others = {name: metric for name, metric in metrics.items() if name not in values}
        return values | (in_numpy(problem, state, rows, others) | values if others else {})

    def _has_evaluation(self, problem: Problem, row_count: int) -> bool:
        """Whether a program evaluates so many rows, whatever the number of members."""
        if not row_count or structure_of(problem).reason_against:
            return False
        if not self.takes_products(problem):
            return True
        weights = max(layer.inputs * layer.units for layer in problem.network.layers)
        return weights <= MAX_EVALUATED_WEIGHTS and row_count * problem.network.parameters >= MIN_EVALUATED_PRODUCTS

    def _evaluate(
        self, problem: Problem, state: State, rows: RowSets, asked: tuple[str, ...], sums: Floats, *stored: Floats
    ) -> None:
        """Run an evaluation program, which writes sums, or logits and outputs."""
        is_alone = self.takes_products(problem) or len(state.members) <= MAX_MEMBERS_ALONE * len(rows.sets)
        lanes = 1 if is_alone else evaluation.LANES
        for name in ("tiles", "lanes"):
            large_members.tiles_of(problem.dtype, name)
        run = structure_of(problem).evaluation_program(lanes, asked)
        work = len(state.members) * rows.ids.shape[1] * problem.network.parameters
        threads = self.threads if work > 1_000_000 else 1  # from a millisecond on
        self._run_tasks(evaluation.tasks(run, problem, state, rows, lanes, threads, sums, *stored))

    def notes(self, problem: Problem) -> tuple[str, ...]:
        return ReferenceEngine(structure_of(problem).reason_against).notes(problem)


def group_by_rows(problem: Problem, members: Integers, group: Integers) -> list[tuple[Integers, bool]]:
    """Divide a group by rows, and return whether each part's members differ in rows.

    Parts too small for a block are joined. With tiles, where a member alone is as fast as lanes that differ in their
    rows, they are joined only if they would need too many calls.
    """
    parts = split_by_rows(problem, members, group)
    small_parts = [part for part in parts if len(part) <= MAX_MEMBERS_ALONE]
    large_parts = [(part, False) for part in parts if len(part) > MAX_MEMBERS_ALONE]
    # The members of small parts are advanced one by one if that takes no longer than lanes.
    if is_tiled(problem, 16, own_rows=False) and sum(len(part) for part in small_parts) <= 32:
        return large_parts + [(part, False) for part in small_parts]
    return large_parts + ([(np.concatenate(small_parts), len(small_parts) > 1)] if small_parts else [])


def count_blocks(problem: Problem, members: int, threads: int, own_rows: bool = False) -> tuple[int, int]:
    """Return into how many blocks members are divided, and their number of lanes.

    A few members are advanced one by one, which is faster than lanes that stay empty. Otherwise the number of lanes is
    the one with which all are done first: a wide block takes less for a member, narrow ones keep more threads at work.
    Tiles have two vectors of lanes, and wider blocks take no less.
    """
    if members <= MAX_MEMBERS_ALONE:
        return members, 1
    widest = 128 // problem.dtype.itemsize
    if not is_tiled(problem, 16, own_rows):  # the most with which a block's vectors fit into the nearer memory
        bytes_each = (2 + len(problem.optimizer.slots)) * problem.network.parameters * 8
        widest = int(np.clip(large_members.NEAR_BYTES // bytes_each // 16 * 16, 16, 64))
    block_counts = {lanes: -(-members // lanes) for lanes in (16, widest)}
    # A block of 64 lanes was measured to take three times as long as one of 16.
    times = {lanes: -(-count // threads) * (1 + (lanes - 16) / 24) for lanes, count in block_counts.items()}
    lanes = min(times, key=times.__getitem__)
    return block_counts[lanes], lanes


def available_processors() -> int:
    """Return how many processors this process may use, fewer in a worker of joblib."""
    count = platforms.processor_count()
    setting = os.environ.get("NUMBA_NUM_THREADS", "")
    return min(count, max(1, int(setting))) if setting.isdecimal() else count


_lane_block_cache: "WeakKeyDictionary[Problem, tuple[int, Integers, list[tuple[list[LaneBlocks], int]]]]" = (
    WeakKeyDictionary()
)
"""By problem: a number of threads, members, and the blocks into which these are divided for that many threads."""

_sharing = Lock()
"""Held while threads share members: these wait for one another, and those of two trainings could take each other's
threads."""
