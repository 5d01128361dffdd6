"""The engine that runs printed programs: blocks of members, one in each lane, on several threads."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from deltarule import platforms
from deltarule.engines.base import Trace
from deltarule.engines.llvm.machine_code import compiled
from deltarule.engines.llvm.member_arrays import aligned, member_arrays, orders_of
from deltarule.engines.llvm.places import Form, Tile
from deltarule.engines.llvm.plan import NotPrintable
from deltarule.engines.llvm.printer import NUMBERS, Printed, print_update
from deltarule.engines.llvm.unit_members import advance_member
from deltarule.engines.llvm.unit_printer import print_units
from deltarule.engines.reference import ReferenceEngine
from deltarule.engines.update_program import update_program
from deltarule.problem.batches import groups, split_by_rows
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.program.program import NotTraceable

VECTOR_BYTES = 64
CALLS_A_THREAD = 4
"""Into how many calls a thread's share is divided, so that one that is held up leaves work to others."""
MAX_JOINED = 4
"""Up to this many members with the same rows share a block with others, whose rows are gathered lane by lane."""
MIN_SHARED_WORK = 2_000_000
"""Other threads help from this many members · rows · parameters · updates on, about a millisecond."""
MIN_THREAD_WORK = 2**20
"""The products of rows and parameters of an update that each of several threads gets at least: fewer of them take less
time than the threads would wait for one another."""
MIN_MEMBERS_A_THREAD = 2
"""From so many members on for each thread, threads advance members of their own."""


@dataclass(frozen=True, eq=False)
class Updates:
    """n updates of `state`, and where blocks write: `after`, `objective` [n, K] and `bad` [K]."""

    problem: Problem
    state: State
    after: State
    n: int
    objective: Floats
    bad: Integers


class LlvmEngine(ReferenceEngine):
    """Trains populations with programs that LLVM compiles; evaluates in NumPy.

    threads : how many blocks are advanced at a time; None for the number of processors.
    lanes_are : "members" or "units"; None for those with which a population of this size is faster.
    lanes, tile : None for those that fit the processor and the network.
    features : of the processor that are used, as LLVM names them; None for all.

    The result is the same for all of these, to the last bit.
    """

    name = "llvm"

    def __init__(
        self,
        threads: int | None = None,
        lanes: int | None = None,
        tile: Tile | None = None,
        features: str | None = None,
        lanes_are: str | None = None,
    ) -> None:
        super().__init__()
        self.threads, self.lanes, self.tile = threads or platforms.processor_count(), lanes, tile
        self.features, self.lanes_are = features, lanes_are

    def advance(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        objective, bad = np.zeros((n, len(state.members)), problem.dtype), np.full(len(state.members), -1)
        after = replace(
            state,
            theta=state.theta.copy(),
            slots={name: slot.copy() for name, slot in state.slots.items()},
            buffers=state.buffers.copy(),
            step=state.step + n,
        )
        updates = Updates(problem, state, after, n, objective, bad)
        try:
            if self.takes_units(problem, len(state.members)):
                return self._advance_alone(updates)
            tasks = [
                task
                for group in groups(problem, state.members)
                for indices, own_rows in _parts_by_rows(problem, state.members, group)
                for task in self._tasks(updates, indices, own_rows)
            ]
        except (NotPrintable, NotTraceable):
            return super().advance(problem, state, n)
        work = n * sum(problem.batch_rows(member) for member in state.members) * problem.network.parameters
        if self.threads == 1 or len(tasks) == 1 or work < MIN_SHARED_WORK:
            for task in tasks:
                task()
        else:
            list(platforms.thread_pool(self.threads, "engine").map(lambda task: task(), tasks))
        return after, Trace(objective, bad)

    def notes(self, problem: Problem) -> tuple[str, ...]:
        try:
            printed_update(problem, False, 8, None, problem.batch_rows(0))
        except (NotPrintable, NotTraceable) as reason:
            return ReferenceEngine(f"this problem ({reason})").notes(problem)
        return ()

    def takes_units(self, problem: Problem, members: int) -> bool:
        """Whether the lanes are units of one member, not members."""
        if self.lanes_are is not None:
            return self.lanes_are == "units"
        return units_are_faster(problem, members)

    def _advance_alone(self, updates: Updates) -> tuple[State, Trace]:
        """Advance members one by one."""
        problem, state, after, n = updates.problem, updates.state, updates.after, updates.n
        lanes = self.lanes or VECTOR_BYTES // problem.dtype.itemsize

        def advance(index: int, threads: int = 1) -> None:
            printed = printed_update(problem, False, lanes, self.tile, problem.batch_rows(state.members[index]), True)
            arrays = advance_member(printed, self.features, problem, state, index, n, threads)
            for name, vector in {"θ": after.theta, **after.slots, "buffers": after.buffers}.items():
                vector[index] = arrays[name].ravel()
            updates.objective[:, index], updates.bad[index] = arrays["objective"], arrays["bad"]

        indices = range(len(state.members))
        sharing = [threads_together(problem, member, self.threads) for member in state.members]
        if self.threads > 1 and len(indices) >= self.threads * MIN_MEMBERS_A_THREAD:
            list(platforms.thread_pool(self.threads, "engine").map(advance, indices))
        elif max(sharing) > 1 and _sharing.acquire(blocking=False):
            try:
                for index, threads in zip(indices, sharing, strict=True):
                    advance(index, threads)
            finally:
                _sharing.release()
        else:
            for index in indices:
                advance(index)
        return after, Trace(updates.objective, updates.bad)

    def _tasks(self, updates: Updates, indices: Integers, own_rows: bool) -> list[Callable[[], None]]:
        """Return the calls that advance members, some blocks each."""
        problem = updates.problem
        lanes = self.lanes or VECTOR_BYTES // problem.dtype.itemsize
        rows = problem.batch_rows(updates.state.members[indices[0]])
        printed = printed_update(problem, own_rows, lanes, self.tile, rows)
        run = compiled(printed.text, "advance", len(NUMBERS) + len(printed.arguments) + 2, self.features).call
        blocks = np.split(indices, range(lanes, len(indices), lanes))
        calls = min(len(blocks), self.threads * CALLS_A_THREAD)
        edges = np.arange(calls + 1) * len(blocks) // calls
        return [
            partial(advance_blocks, run, printed, updates, blocks[start:stop], lanes, own_rows)
            for start, stop in zip(edges[:-1], edges[1:], strict=True)
        ]


_sharing = Lock()
"""Held while threads advance one member together: of two such calls each could have some, and wait for others."""


def threads_together(problem: Problem, member: int, threads: int) -> int:
    """Return among how many of these threads each update of a member is divided."""
    work = problem.batch_rows(member) * problem.network.parameters
    return max(1, min(threads, work // MIN_THREAD_WORK))


def units_are_faster(problem: Problem, members: int) -> bool:
    """Whether few members take less time one by one, each with as many units at a time as a vector has lanes."""
    lanes = VECTOR_BYTES // problem.dtype.itemsize
    layers = problem.network.layers
    together = -(-members // lanes) * sum(layer.inputs * layer.units for layer in layers)
    alone = members * sum(layer.inputs * -(-layer.units // lanes) for layer in layers)
    return alone < together


def _parts_by_rows(problem: Problem, members: Integers, group: Integers) -> list[tuple[Integers, bool]]:
    """Divide a group by rows, and return whether each part's members differ in rows; small parts are joined."""
    parts = split_by_rows(problem, members, group)
    if len(parts) == 1:
        return [(group, False)]
    small = [part for part in parts if len(part) <= MAX_JOINED]
    joined = [(np.concatenate(small), len(small) > 1)] if small else []
    return [(part, False) for part in parts if len(part) > MAX_JOINED] + joined


def tile_for(rows: int, widths: list[int]) -> Tile:
    """Return the tile with which updates of batches of so many rows, and of layers so wide, are fastest.

    Measured on 32 registers of 512 bits: rows that divide the batch, and as many sums as fit beside what is multiplied.
    """
    if max(widths) >= 32 and rows % 8 == 0:
        return Tile(8, 3)
    count = next((count for count in (4, 5, 6, 3) if rows % count == 0), min(4, rows))
    return Tile(count, 4)


_printed: "WeakKeyDictionary[Problem, dict[Any, Printed]]" = WeakKeyDictionary()


def printed_update(
    problem: Problem, own_rows: bool, lanes: int, tile: Tile | None, rows: int, units: bool = False
) -> Any:
    """Return the text for members of a problem, or for one whose units are lanes; printed once."""
    texts = _printed.setdefault(problem, {})
    key = own_rows, lanes, tile, rows, units
    if key not in texts:
        has_own_weights = problem.weights is not None and problem.weights.ndim == 2
        own = {"rows": own_rows, "weights": has_own_weights}
        own["entry_factors"] = problem.entry_factors is not None and problem.entry_factors.ndim == 2
        program = update_program(problem, frozenset(name for name, is_own in own.items() if is_own and not units))
        program = program.cut([name for name in program.names if name.endswith("′") or name == "J"])
        tile = tile or tile_for(rows, [layer.units for layer in problem.network.layers])
        short = any(count % rows % tile.rows for count in problem.row_counts.tolist()) or rows % tile.rows > 0
        per_epoch = problem.schedule.per == "epoch"
        form = Form(lanes, tile, problem.optimizer.slots, per_epoch, has_own_weights, short)
        texts[key] = (print_units if units else print_update)(program, form)
    return texts[key]


def advance_blocks(
    run: Callable[..., Any], printed: Printed, updates: Updates, blocks: list[Integers], lanes: int, own_rows: bool
) -> None:
    """Advance blocks of members, of which each fills the lanes or repeats its last member."""
    problem, state, n = updates.problem, updates.state, updates.n
    first = state.members[blocks[0][0]]
    rows, size, epoch_steps = problem.row_count(first), problem.batch_rows(first), problem.steps_per_epoch(first)
    memory = {
        "scratch": aligned(printed.scratch_bytes, np.uint8),
        "kept": aligned(printed.bytes_a_row * size, np.uint8),
        "objective": aligned(n * lanes, problem.dtype),
        "bad": aligned(lanes, np.int64),
    }
    orders: dict[str, Any] = {}
    for block in blocks:
        filled = block[np.minimum(np.arange(lanes), len(block) - 1)]
        members = state.members[filled]
        if own_rows or not orders:
            orders = orders_of(problem, members, state.step, n, own_rows)
        memory["bad"][:] = -1
        arrays = {**memory, **orders, **member_arrays(problem, state, filled)}
        given = [arrays[name] for name in (*printed.arguments, "scratch", "kept")]
        epoch_rows = rows if epoch_steps > 1 else 0
        numbers = n, state.step, rows, size, epoch_steps, epoch_rows
        run(*numbers, *(array.ctypes.data for array in given))
        count, after = len(block), updates.after
        for name, vector in {"θ": after.theta, **after.slots, "buffers": after.buffers}.items():
            vector[block] = arrays[name].reshape(-1, lanes)[:, :count].T
        updates.objective[:, block] = arrays["objective"].reshape(n, lanes)[:, :count]
        updates.bad[block] = arrays["bad"][:count]
