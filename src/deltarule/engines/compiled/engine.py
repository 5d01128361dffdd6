"""The engine that runs printed programs: blocks of members, one in each lane, on several threads."""

import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np

from deltarule import platforms
from deltarule.engines.base import MAX_ROWS_PER_PASS, Metrics, Trace, Updates, split_rows
from deltarule.engines.compiled.blocks import advance_members, run_blocks
from deltarule.engines.compiled.evaluation import DERIVED, evaluate_members, output_members, row_sets, values_of
from deltarule.engines.compiled.machine_code import compiled, vector_registers
from deltarule.engines.compiled.member_arrays import copied
from deltarule.engines.compiled.pace import Pace
from deltarule.engines.compiled.printed import NotPrintable, Printed, Tile
from deltarule.engines.compiled.texts import MEMBERS, UNITS, printed_evaluation, printed_update
from deltarule.engines.compiled.unit_members import advance_member, arrays_of_members
from deltarule.engines.compiled.windows import window_of, write_rows
from deltarule.engines.reference import ReferenceEngine
from deltarule.problem.batches import groups, split_by_rows
from deltarule.problem.kept import once_for_problem
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.program.program import NotTraceable

CALLS_A_THREAD, MIN_CALL_WORK = 4, 50_000_000
"""Into how many calls a thread's share is divided at most, so that one that is held up leaves work to others; and the
members · rows · parameters · updates that each has then, 10 milliseconds: shorter ones take longer together."""
MAX_JOINED = 4
"""Up to this many members with the same rows share a block with others, whose rows are gathered lane by lane."""
MIN_SHARED_WORK = 1_000_000
"""Other threads help from this many members · rows · parameters · updates on, about half a millisecond."""
NEAR_BYTES = {64: 800_000, 32: 250_000, 16: 250_000}
"""By the bytes of a vector register, those of the parameters of a block of members with which its gradients and slots
fit into a processor's second cache. Measured beside members one by one: with 64 bytes 64-160-10 takes 0.8 to 1 of their
time and 64-256-10 1.2 to 1.4, with 32 bytes 64-100-10 takes 1 and 64-128-10 1.7 to 2.2."""
MAX_EVALUATED_PARAMETERS, MAX_OF_FEW, MAX_MEMBERS_ALONE = 30_000, 2000, 5
"""Up to so many parameters a program evaluates members, and up to so many a few of them, of which others of a block's
lanes are copies. Measured beside NumPy: 784-30-10 takes 0.4 to 1 of its time, 784-100-10 takes 1.3 to 12 times as
long."""
MIN_THREAD_WORK = 2**20
"""The products of rows and parameters of an update that each of several threads gets at least: fewer of them take less
time than the threads would wait for one another."""
MIN_MEMBERS_A_THREAD = 2
"""From so many members on for each thread, threads advance members of their own."""


class CompiledEngine(ReferenceEngine):
    """Trains and evaluates populations with programs that LLVM compiles.

    threads : how many blocks are advanced at a time; None for the number of processors.
    lanes_are : "members" or "units"; None for those with which a population of this size is faster.
    lanes, tile : None for those that fit the processor and the network.
    features : of the processor that are used, as LLVM names them; None for all.

    The result is the same for all of these, to the last bit.
    """

    name = "compiled"

    def __init__(
        self,
        threads: int | None = None,
        lanes: int | None = None,
        tile: Tile | None = None,
        features: str | None = None,
        lanes_are: str | None = None,
    ) -> None:
        super().__init__()
        self.threads, self.lanes, self.tile = threads or platforms.available_processors(), lanes, tile
        self.features, self.lanes_are = features, lanes_are

    def advance(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        if problem.fresh is not None:
            return self._advance_fresh(problem, state, n)
        return self._advance(problem, state, n)

    def _advance_fresh(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        """Advance with rows that a function makes, a window of updates at a time."""
        objective, bad = np.zeros((n, len(state.members)), problem.dtype), np.full(len(state.members), -1)
        start, done = state.step, 0
        with window_of(problem) as window:
            while done < n:
                updates = min(int(window.epoch_steps[0]), n - done)
                write_rows(window, start + done, updates)
                state, trace = self._advance(window, state, updates)
                objective[done : done + updates] = trace.objective
                done += updates
                bad = np.where(bad < 0, trace.bad, bad)
        return state, Trace(objective, bad)

    def _advance(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        objective, bad = np.zeros((n, len(state.members)), problem.dtype), np.full(len(state.members), -1)
        after = replace(
            state,
            theta=copied(state.theta, problem.dtype),
            slots={name: copied(slot, problem.dtype) for name, slot in state.slots.items()},
            buffers=state.buffers.copy(),
            step=state.step + n,
        )
        if not n or not len(state.members):
            return after, Trace(objective, bad)
        updates = Updates(problem, state, after, n, objective, bad)
        work = n * problem.network.parameters * int(problem.batch_sizes[state.members].sum())
        try:
            if self.takes_units(problem, len(state.members)):
                with suppress(NotPrintable):  # members may be printable where units are not
                    return self._advance_alone(updates)
            tasks = [
                task
                for group in groups(problem, state.members)
                for indices, own_rows in _parts_by_rows(problem, state.members, group)
                for task in self._advancing(updates, indices, own_rows, work)
            ]
        except (NotPrintable, NotTraceable) as reason:
            warn_once(ReferenceEngine(_words(reason)).notes(problem)[0])
            return super().advance(problem, state, n)
        self._run(tasks, work)
        return after, Trace(objective, bad)

    def outputs(self, problem: Problem, state: State, x: Floats) -> tuple[Floats, Floats]:
        x = np.ascontiguousarray(x, problem.dtype)
        members = np.arange(len(state.members))
        if x.ndim > 2 or not x.size or not evaluates(problem, state):
            return super().outputs(problem, state, x)
        shape, names = (len(members), len(x), problem.network.outputs), ("z", "a")
        results = {name: np.empty(shape, problem.dtype) for name in names}
        try:
            for start, part in zip(range(0, len(x), MAX_ROWS_PER_PASS), split_rows(x), strict=True):
                printed = self._evaluation(problem, False, len(part), names, False)
                of_part = {name: array[:, start : start + len(part)] for name, array in results.items()}
                work = len(members) * len(part) * problem.network.parameters
                self._run(self._tasks(printed, members, work, output_members, problem, state, part, of_part), work)
        except (NotPrintable, NotTraceable):
            return super().outputs(problem, state, x)
        return results["z"], results["a" if "a" in printed.kept else "z"]  # equal for the identity

    def evaluate(
        self, problem: Problem, state: State, rows: tuple[Any, Any] | None, metrics: Metrics
    ) -> dict[str, Floats]:
        """Return objective and metrics, those that are means over rows by a program."""
        if not evaluates(problem, state):
            return super().evaluate(problem, state, rows, metrics)
        names = ("J", *sorted({DERIVED[name][0] for name in metrics if name in DERIVED}))
        results = np.empty((len(names), len(state.members)))
        try:
            for part in row_sets(problem, state, rows):
                size = part.order.shape[-1]
                printed = self._evaluation(problem, part.own_rows, size, names, rows is None)
                members = np.arange(len(part.indices))
                work = len(members) * size * problem.network.parameters
                self._run(self._tasks(printed, members, work, evaluate_members, problem, state, part, results), work)
        except (NotPrintable, NotTraceable):
            return super().evaluate(problem, state, rows, metrics)
        values = values_of(problem, dict(zip(names, results, strict=True)), metrics)
        others = {name: metric for name, metric in metrics.items() if name not in values}
        return values | (super().evaluate(problem, state, rows, others) | values if others else {})

    def notes(self, problem: Problem) -> tuple[str, ...]:
        return ReferenceEngine(reason_against(problem)).notes(problem)

    def takes_units(self, problem: Problem, members: int) -> bool:
        """Whether the lanes are units of one member, not members."""
        if self.lanes_are is not None:
            return self.lanes_are == "units"
        return units_are_faster(problem, members)

    def _advance_alone(self, updates: Updates) -> tuple[State, Trace]:
        """Advance members one by one."""
        problem, state, after, n = updates.problem, updates.state, updates.after, updates.n
        paces, indices = paces_of(problem), range(len(state.members))
        sizes = problem.batch_sizes[state.members].tolist()
        printed = {  # before there are threads, each of which would print
            size: printed_update(UNITS, problem, False, self._lanes(problem), self.tile, size) for size in set(sizes)
        }
        given = {size: arrays_of_members(problem, after, each) for size, each in printed.items()}

        def advance(index: int, threads: int = 1) -> None:
            pace, size = paces.setdefault(threads, Pace(threads)), sizes[index]
            arrays = {name: array[index] for name, array in given[size].items()}
            steps = state.step, n
            advanced = advance_member(printed[size], self.features, problem, arrays, after, index, steps, pace)
            updates.objective[:, index], updates.bad[index] = advanced

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

    def _lanes(self, problem: Problem) -> int:
        return self.lanes or lanes_for(problem)

    def _evaluation(
        self, problem: Problem, own_rows: bool, rows: int, names: tuple[str, ...], weighted: bool
    ) -> Printed:
        return printed_evaluation(problem, own_rows, self._lanes(problem), self.tile, rows, names, weighted)

    def _advancing(self, updates: Updates, indices: Integers, own_rows: bool, work: int) -> list[Callable[[], None]]:
        problem = updates.problem
        rows = problem.batch_rows(updates.state.members[indices[0]])
        printed = printed_update(MEMBERS, problem, own_rows, self._lanes(problem), self.tile, rows)
        return self._tasks(printed, indices, work, advance_members, updates, own_rows)

    def _tasks(
        self, printed: Printed, members: Integers, work: int, function: Callable[..., None], *given: Any
    ) -> list[Callable[[], None]]:
        """Return calls of function(run, printed, *given, members), with all members or parts of them."""
        each = compiled(printed.text, printed.each, len(printed.numbers) + 3, self.features)
        run = partial(run_blocks, each.call)
        blocks = -(-len(members) // printed.lanes)
        a_thread = min(max(work // MIN_CALL_WORK // self.threads, 1), CALLS_A_THREAD)
        calls = min(blocks, self.threads * a_thread) if self.threads > 1 and work >= MIN_SHARED_WORK else 1
        edges = np.arange(calls + 1) * blocks // calls * printed.lanes
        return [partial(function, run, printed, *given, members[a:b]) for a, b in pairwise(edges.tolist())]

    def _run(self, tasks: list[Callable[[], None]], work: int) -> None:
        if self.threads == 1 or len(tasks) == 1 or work < MIN_SHARED_WORK:
            for task in tasks:
                task()
        else:
            list(platforms.thread_pool(self.threads, "engine").map(lambda task: task(), tasks))


def lanes_for(problem: Problem) -> int:
    """Return how many numbers a vector register holds."""
    return vector_registers()[0] // problem.dtype.itemsize


def reason_against(problem: Problem) -> str:
    """Return why there is no program of a problem's updates, or ""."""
    try:
        printed_update(MEMBERS, problem, False, lanes_for(problem), None, problem.batch_rows(0))
    except (NotPrintable, NotTraceable) as reason:
        return _words(reason)
    return ""


def _words(reason: Exception) -> str:
    return f"the compiled engine has no program for this problem ({reason})"


@cache
def warn_once(note: str) -> None:
    """Warn of what the reference engine trains, and why: once in a process."""
    warnings.warn(note, stacklevel=2)


def evaluates(problem: Problem, state: State) -> bool:
    """Whether a program evaluates members: NumPy takes less time for large networks."""
    most = MAX_EVALUATED_PARAMETERS if problem.members > MAX_MEMBERS_ALONE else MAX_OF_FEW
    return len(state.members) > 0 and problem.network.parameters <= most


@once_for_problem
def paces_of(problem: Problem) -> dict[int, Pace]:
    """The paces of a problem's updates, by the number of threads."""
    return {}


_sharing = Lock()
"""Held while threads advance one member together: of two such calls each could have some, and wait for others."""


def threads_together(problem: Problem, member: int, threads: int) -> int:
    """Return among how many of these threads each update of a member is divided."""
    work = problem.batch_rows(member) * problem.network.parameters
    return max(1, min(threads, work // MIN_THREAD_WORK))


def units_are_faster(problem: Problem, members: int) -> bool:
    """Whether few members take less time one by one, each with as many units at a time as a vector has lanes.

    Measured: of 8-3-8 to 64-128-10, the same number of vectors takes a fifth longer one by one; a block of larger
    networks does not fit into the nearer memory, and takes twice as long.
    """
    vector_bytes, _ = vector_registers()
    if problem.network.parameters * vector_bytes > NEAR_BYTES[vector_bytes]:
        return True
    lanes = lanes_for(problem)
    layers = list(pairwise(problem.network.sizes))
    together = -(-members // lanes) * sum(inputs * units for inputs, units in layers)
    alone = members * sum(inputs * -(-units // lanes) for inputs, units in layers)
    return 1.2 * alone < together


def _parts_by_rows(problem: Problem, members: Integers, group: Integers) -> list[tuple[Integers, bool]]:
    """Divide a group by rows, and return whether each part's members differ in rows; small parts are joined."""
    parts = split_by_rows(problem, members, group)
    if len(parts) == 1:
        return [(group, False)]
    small = [part for part in parts if len(part) <= MAX_JOINED]
    joined = [(np.concatenate(small), len(small) > 1)] if small else []
    return [(part, False) for part in parts if len(part) > MAX_JOINED] + joined
