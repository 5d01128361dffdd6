"""The engine that runs printed programs: blocks of members, one in each lane, on several threads."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from deltarule import platforms
from deltarule.engines.base import Trace
from deltarule.engines.llvm.machine_code import compiled
from deltarule.engines.llvm.places import Form, Tile
from deltarule.engines.llvm.plan import NotPrintable
from deltarule.engines.llvm.printer import NUMBERS, Printed, print_update
from deltarule.engines.reference import ReferenceEngine
from deltarule.engines.update_program import update_program
from deltarule.maths.random import drop_threshold, key_words
from deltarule.problem.batches import groups, row_orders, split_by_rows
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
    ) -> None:
        super().__init__()
        self.threads, self.lanes, self.tile = threads or platforms.processor_count(), lanes, tile
        self.features = features

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


def printed_update(problem: Problem, own_rows: bool, lanes: int, tile: Tile | None, rows: int) -> Printed:
    """Return the text for members of a problem, printed once."""
    texts = _printed.setdefault(problem, {})
    key = own_rows, lanes, tile, rows
    if key not in texts:
        has_own_weights = problem.weights is not None and problem.weights.ndim == 2
        own = {"rows": own_rows, "weights": has_own_weights}
        own["entry_factors"] = problem.entry_factors is not None and problem.entry_factors.ndim == 2
        program = update_program(problem, frozenset(name for name, is_own in own.items() if is_own))
        program = program.cut([name for name in program.names if name.endswith("′") or name == "J"])
        tile = tile or tile_for(rows, [layer.units for layer in problem.network.layers])
        short = any(count % rows % tile.rows for count in problem.row_counts.tolist()) or rows % tile.rows > 0
        per_epoch = problem.schedule.per == "epoch"
        form = Form(lanes, tile, problem.optimizer.slots, per_epoch, has_own_weights, short)
        texts[key] = print_update(program, form)
    return texts[key]


def advance_blocks(
    run: Callable[..., Any], printed: Printed, updates: Updates, blocks: list[Integers], lanes: int, own_rows: bool
) -> None:
    """Advance blocks of members, of which each fills the lanes or repeats its last member."""
    problem, state, n = updates.problem, updates.state, updates.n
    first = state.members[blocks[0][0]]
    rows, size, epoch_steps = problem.row_count(first), problem.batch_rows(first), problem.steps_per_epoch(first)
    memory = {
        "scratch": _aligned(printed.scratch_bytes, np.uint8),
        "kept": _aligned(printed.bytes_a_row * size, np.uint8),
        "objective": _aligned(n * lanes, problem.dtype),
        "bad": _aligned(lanes, np.int64),
    }
    orders: dict[str, Any] = {}
    for block in blocks:
        filled = block[np.minimum(np.arange(lanes), len(block) - 1)]
        members = state.members[filled]
        if own_rows or not orders:
            orders = _orders(problem, members, state.step, n, own_rows)
        memory["bad"][:] = -1
        arrays = {**memory, **orders, **_member_arrays(problem, state, filled)}
        given = [arrays[name] for name in (*printed.arguments, "scratch", "kept")]
        epoch_rows = rows if epoch_steps > 1 else 0
        numbers = n, state.step, rows, size, epoch_steps, epoch_rows
        run(*numbers, *(array.ctypes.data for array in given))
        count, after = len(block), updates.after
        for name, vector in {"θ": after.theta, **after.slots, "buffers": after.buffers}.items():
            vector[block] = arrays[name].reshape(-1, lanes)[:, :count].T
        updates.objective[:, block] = arrays["objective"].reshape(n, lanes)[:, :count]
        updates.bad[block] = arrays["bad"][:count]


def _orders(problem: Problem, members: Integers, step: int, n: int, own_rows: bool) -> dict[str, Any]:
    """Return the indices of rows in the order of updates, and their positions; of each lane if members differ."""
    orders = row_orders(problem, members if own_rows else members[:1], step, n)
    arrays = {}
    for name, order in zip(("order", "positions"), orders, strict=True):
        if own_rows:
            by_lane = np.broadcast_to(order, (len(order), len(members), order.shape[-1]))
            arrays[name] = _copied(by_lane.transpose(0, 2, 1), np.int64)
        else:
            arrays[name] = _copied(order[:, 0], np.int64)
    return arrays


def _member_arrays(problem: Problem, state: State, filled: Integers) -> dict[str, Any]:
    """Return a block's arrays by the names of the program's arguments; lanes are the last axis."""
    members, dtype = state.members[filled], problem.dtype

    def lanes(array: NDArray[Any], kind: Any = dtype) -> NDArray[Any]:
        return _copied(np.moveaxis(array, 0, -1), kind)

    weights, factors = problem.weights, problem.entry_factors
    arrays = {
        "θ": lanes(state.theta[filled]),
        "buffers": lanes(state.buffers[filled]),
        **{name: lanes(slot[filled]) for name, slot in state.slots.items()},
        "x": _copied(problem.x, dtype),
        "y": _copied(problem.y, dtype),
        "strength": lanes(problem.strength[members]),
        "penalized": _copied(problem.penalized, dtype),
        "factor": lanes(state.factor[filled], float),
        **{name: lanes(numbers[members], float) for name, numbers in problem.numbers.items()},
        **{f"schedule_{name}": lanes(each[members], float) for name, each in problem.schedule_numbers.items()},
        **{f"dropout{n}": lanes(rates[members]) for n, rates in enumerate(problem.dropout.T, 1)},
        "limits": lanes(drop_threshold(problem.dropout[members]), np.int64),
        "keys": lanes(np.stack(key_words(problem.dropout_seeds[members]), 1), np.int64),
    }
    if weights is None:
        arrays["w"] = np.ones(len(problem.x), dtype)
    else:
        arrays["w"] = _copied(weights, dtype) if weights.ndim == 1 else lanes(weights[members])
    if factors is not None:
        arrays["entry_factors"] = _copied(factors, dtype) if factors.ndim == 1 else lanes(factors[members])
    if problem.clip_norm is not None:
        arrays["longest"] = lanes(problem.clip_norm[members])
    return arrays


def _copied(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Return a copy whose entries lie one after another, at an address that vectors are loaded from."""
    copy = _aligned(array.size, dtype)
    copy.reshape(array.shape)[...] = array
    return copy


def _aligned(size: int, dtype: Any) -> NDArray[Any]:
    boundary, width = 128, np.dtype(dtype).itemsize
    memory = np.zeros(size + boundary // width, dtype)
    start = -memory.ctypes.data % boundary // width
    return memory[start : start + size]
