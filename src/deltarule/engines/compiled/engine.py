"""The engine that drives the compiled programs: members into blocks of lanes, blocks onto threads, and back."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from deltarule import platforms
from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import Engine, Trace
from deltarule.engines.compiled import codegen_large, large_members
from deltarule.engines.compiled.blas import blas
from deltarule.engines.compiled.cache import load
from deltarule.engines.compiled.codegen_lanes import Shape, is_tiled
from deltarule.engines.compiled.codegen_large import not_fusible
from deltarule.engines.compiled.codegen_small import not_compilable, program, scratch
from deltarule.engines.compiled.formula_compiler import formula_key
from deltarule.engines.compiled.formula_functions import is_ours
from deltarule.engines.compiled.lane_blocks import LaneBlock, Updates, lane_shape
from deltarule.engines.compiled.large_members import Members
from deltarule.engines.reference import ReferenceEngine
from deltarule.errors import BadInput
from deltarule.problem.batches import groups, split_by_rows
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State

FEW = 5
"""Members up to which each goes alone: sixteen lanes take about as long as eight members one after another."""


@cache
def _is_installed(package: str) -> bool:
    """Found out once, and without an import: that takes longer than many a training."""
    return find_spec(package) is not None


class CompiledEngine(Engine):
    """Programs compiled for the very shape of a network; what they lack is advanced by the reference engine.

    threads : how many blocks are advanced at a time; None for as many as there are processors. The result is the same.
    own_shape : whether a small network has a program of its own; else that for large networks, of all sizes, serves it,
        where there is one.
    """

    name = "compiled"

    def __init__(self, threads: int | None = None, own_shape: bool = True) -> None:
        if not _is_installed("numba"):
            raise BadInput('the engine "compiled" needs Numba, which is not installed; use "reference"')
        # An import, which waits where another thread is at it: what it has put there until then lacks its parts.
        numba = import_module("numba") if sys.modules.get("numba") else None
        # The variable is read when Numba is first imported; later its configuration may be set as well.
        if numba.config.DISABLE_JIT if numba else os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
            raise BadInput(
                'the engine "compiled" needs Numba, which NUMBA_DISABLE_JIT switches off; unset it, or use "reference"'
            )
        self.threads, self.own_shape = threads or available_processors(), own_shape

    def advance(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        """Make n updates."""
        if not reason_against(problem):
            try:
                return self._advance(problem, state, n)
            except Exception as error:
                if not _is_of_own_formula(problem, error):
                    raise
                for form in ("reason", "fused"):
                    _known[_key(problem, form)] = "a formula of your own, which Numba cannot compile"
        return ReferenceEngine().advance(problem, state, n)

    def _advance(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        objective, bad = np.zeros((n, len(state.members)), problem.dtype), np.full(len(state.members), -1)
        after = replace(
            state,
            theta=state.theta.copy(),
            slots={name: slot.copy() for name, slot in state.slots.items()},
            buffers=state.buffers.copy(),
            step=state.step + n,
        )
        large = None
        if self.takes_products(problem):
            blas()  # loaded before all that are loaded are held to one thread
            run = _cached_for_structure(problem, "large", lambda: load(codegen_large.program(problem)))
            large = partial(Members, run, problem, state, after, n=n, objective=objective, bad=bad)
        with one_blas_thread():
            if large:
                for group in groups(problem, state.members):
                    self._large(large, group, group_by_rows(problem, state.members, group))
            else:
                updates = Updates(problem, state, after, n, objective, bad)
                for group_blocks, work in self._lane_blocks(problem, state.members):
                    programs = {block.key: _program(problem, *block.key) for block in group_blocks}
                    tasks: list[Callable[[], None]] = [
                        partial(block.advance, *programs[block.key], updates) for block in group_blocks
                    ]
                    # Members · rows · parameters of a call from which on other threads help: about two milliseconds of
                    # work.
                    self._in_turn(tasks, wake=n * work > 2_000_000)
        return after, Trace(objective, bad)

    def _lane_blocks(self, problem: Problem, members: Integers) -> list[tuple[list[LaneBlock], int]]:
        """The blocks of each group of members with equally many rows, and the group's rows · parameters.

        They are remembered for the next call, which mostly has the same members: a short call would take longer to
        divide them than to advance them.
        """
        known = _divided.get(problem)
        if known is None or known[0] != self.threads or not np.array_equal(known[1], members):
            divided = []
            for group in groups(problem, members):
                group_blocks = []
                for some, own_rows in group_by_rows(problem, members, group):
                    parts, lanes = blocks(problem, some, self.threads, own_rows)
                    shape = lane_shape(problem, lanes, own_rows)
                    group_blocks += [LaneBlock(problem, members, part, shape) for part in parts]
                rows = len(group) * problem.batch_rows(members[group[0]])
                divided.append((group_blocks, rows * problem.network.parameters))
            known = _divided[problem] = self.threads, members.copy(), divided
        return known[2]

    def takes_products(self, problem: Problem) -> bool:
        """Whether a problem goes to the program for large networks."""
        return bool(not_compilable_of(problem)) or not (self.own_shape or not_fusible_of(problem))

    def _large(self, chosen: Callable[..., Members], group: Integers, shared: "list[tuple[Integers, bool]]") -> None:
        """Members of large networks: some for each thread; or all threads at one, where there are too few of them."""
        threads = min(self.threads, chosen(places=group).blocks)
        even = len(group) % self.threads == 0 or len(group) >= 4 * self.threads
        sharing_here = _sharing.setdefault(os.getpid(), Lock())
        if threads > 1 and not even and sharing_here.acquire(blocking=False):
            try:
                self._at_once(chosen(places=group).shares(threads))
            finally:
                sharing_here.release()
        else:
            parts = [part for some, _ in shared for part in np.array_split(some, min(self.threads, len(some)))]
            self._in_turn([chosen(places=part).advance for part in parts])

    def _in_turn(self, tasks: list[Callable[[], None]], wake: bool = True) -> None:
        """Run tasks, on all threads where there are several and the work is worth waking them."""
        if len(tasks) == 1 or self.threads == 1 or not wake:
            for task in tasks:
                task()
        else:
            list(platforms.thread_pool(self.threads, "engine").map(lambda task: task(), tasks))

    def _at_once(self, shares: list[Callable[[], None]]) -> None:
        """Run shares that wait for one another: one on this thread, each of the others on its own."""
        others = [platforms.thread_pool(self.threads, "engine").submit(share) for share in shares[1:]]
        shares[0]()
        for other in others:
            other.result()

    def outputs(self, problem: Problem, state: State, x: Floats) -> tuple[Floats, Floats]:
        """The logits and outputs of every member, by the reference engine's formulas."""
        return ReferenceEngine().outputs(problem, state, x)

    def logits(self, problem: Problem, state: State, x: Floats) -> Floats:
        """The logits of every member, by the reference engine's formulas."""
        return ReferenceEngine().logits(problem, state, x)

    def notes(self, problem: Problem) -> tuple[str, ...]:
        """Why a problem is not compiled, where it is not."""
        return notes_on(reason_against(problem))


def notes_on(reason: str) -> tuple[str, ...]:
    """What a person is told where there is a reason against compiling a problem."""
    return (f"the compiled engine has no program for {reason}: the reference engine trains this",) if reason else ()


def group_by_rows(problem: Problem, members: Integers, group: Integers) -> list[tuple[Integers, bool]]:
    """A group divided into those that see the same rows in the same order, and, marked, those too few for a block.

    Where products go through tiles, a member alone is as fast as in lanes that differ in their rows: these are left to
    the many, for whom there would be too many calls.
    """
    parts = split_by_rows(problem, members, group)
    few = [part for part in parts if len(part) <= FEW]
    found = [(part, False) for part in parts if len(part) > FEW]
    # Members that see other rows than the rest and that go alone, where that takes no longer than lanes.
    if is_tiled(problem, 16, own_rows=False) and sum(len(part) for part in few) <= 32:
        return found + [(part, False) for part in few]
    return found + ([(np.concatenate(few), len(few) > 1)] if few else [])


def blocks(problem: Problem, group: Integers, threads: int, own_rows: bool = False) -> tuple[list[Integers], int]:
    """Members divided into blocks, and how many lanes each has: 1, 16 or the most, so that programs stay few.

    A few members go alone, which is faster than lanes that stay empty. Else it is the lanes in which all are done
    first: a wide block takes less for a member, narrow ones keep more threads at work. Tiles have two vectors of
    lanes, and wider blocks take no less.
    """
    if len(group) <= FEW:
        return [group[k : k + 1] for k in range(len(group))], 1
    widest = 128 // problem.dtype.itemsize if is_tiled(problem, 16, own_rows) else widest_block(problem)
    needed = {lanes: -(-len(group) // lanes) for lanes in (16, widest)}
    # A block of 64 lanes was measured to take three times as long as one of 16.
    took = {lanes: -(-count // threads) * (1 + (lanes - 16) / 24) for lanes, count in needed.items()}
    lanes = min(took, key=took.__getitem__)
    return np.array_split(group, needed[lanes]), lanes


def widest_block(problem: Problem) -> int:
    """The most members of a block whose vectors fit into the processor's nearer memory."""
    bytes_each = (2 + len(problem.optimizer.slots)) * problem.network.parameters * 8
    # Members in a block at most: with more, a block's parameters leave the processor's nearest memory.
    return int(np.clip(large_members.NEAR_BYTES // bytes_each // 16 * 16, 16, 64))


def available_processors() -> int:
    """How many processors this process may use: what the system allows it, or less by NUMBA_NUM_THREADS.

    joblib sets that for its workers, so that these together do not use more than there are.
    """
    count = platforms.processor_count()
    asked = os.environ.get("NUMBA_NUM_THREADS", "")
    return min(count, max(1, int(asked))) if asked.isdecimal() else count


_divided: "WeakKeyDictionary[Problem, tuple[int, Integers, list[tuple[list[LaneBlock], int]]]]" = WeakKeyDictionary()
"""By problem: a number of threads, members, and how these were divided among blocks for so many threads."""

_known: dict[Any, Any] = {}


def _cached_for_structure(problem: Problem, what: Any, make: Callable[[], Any]) -> Any:
    """What a problem's structure decides, made once: the text of a program is long, and asked for in every stretch."""
    key = _key(problem, what)
    if key not in _known:
        _known[key] = make()
    return _known[key]


def _key(problem: Problem, what: Any) -> Any:
    """A name for what a problem's structure decides. Somebody's own formulas are looked at anew: the globals that they
    read may have changed."""
    if problem not in _structures:
        _structures[problem] = _structure(problem), [one for one in _formulas(problem) if not is_ours(one)]
    structure, own = _structures[problem]
    return what, structure, *map(formula_key, own)


_structures: "WeakKeyDictionary[Problem, tuple[Any, list[Callable[..., Any]]]]" = WeakKeyDictionary()


def _formulas(problem: Problem) -> list[Callable[..., Any]]:
    """All formulas of a problem, but for those that they call."""
    pairs = [(layer.activation.function, layer.activation.derivative) for layer in problem.network.layers]
    fused = problem.loss.fused.get(problem.network.output.name, problem.loss)
    pairs += [(one.value, one.derivative) for one in (problem.loss, fused, problem.penalty) if one is not None]
    optimizer = problem.optimizer
    alone = [one for one in (optimizer.update, optimizer.once_a_step) if one is not None]
    return [*chain.from_iterable(pairs), *alone, problem.schedule.rate]


def _is_of_own_formula(problem: Problem, error: Exception) -> bool:
    """Whether Numba has failed at a program into which somebody's own formulas went."""
    from numba.core.errors import NumbaError

    return isinstance(error, NumbaError) and not all(map(is_ours, _formulas(problem)))


def _structure(problem: Problem) -> tuple[Any, ...]:
    """All that a program for a problem depends on, beside its own shape and what somebody's own formulas read."""
    activations = [layer.activation for layer in problem.network.layers]
    return (
        problem.dtype,
        *((one.inputs, one.units, one.bias, one.batch_norm, one.scaling) for one in problem.network.layers),
        *((activation.name, activation.rowwise, *activation.parameters.items()) for activation in activations),
        *(one if is_ours(one) else None for one in _formulas(problem)),
        (problem.loss.name, *problem.loss.parameters.items()),
        problem.reduction,
        *(bool(rates.any()) for rates in problem.dropout.T),
        None if problem.penalty is None else problem.penalty.per_sample,
        *(bool(problem.penalized[entry.start]) for entry in problem.network.entries),
        problem.optimizer.name,
        problem.schedule.per,
        *(problem.update_ranges if problem.factors else ()),
    )


def not_compilable_of(problem: Problem) -> str:
    """Why there is no program for a problem, or ""."""
    reason: str = _cached_for_structure(problem, "reason", lambda: not_compilable(problem))
    return reason


def not_fusible_of(problem: Problem) -> str:
    """Why the program for large networks does not serve a problem, or ""."""
    reason: str = _cached_for_structure(problem, "fused", lambda: not_fusible(problem))
    return reason


def reason_against(problem: Problem) -> str:
    """Why a problem is compiled in neither form, or ""."""
    return not_compilable_of(problem) and not_fusible_of(problem)


def _program(problem: Problem, shape: Shape, size: int) -> tuple[Callable[..., Any], tuple[tuple[int, type], ...]]:
    run: Callable[..., Any] = _cached_for_structure(problem, shape, lambda: load(program(problem, shape)))
    spaces: tuple[tuple[int, type], ...] = _cached_for_structure(
        problem, (shape, size), lambda: scratch(problem, shape, size)
    )
    return run, spaces


_sharing: dict[int, Lock] = {}
"""By process, held while threads share members: shares wait for one another, and those of two trainings could take each
other's threads. One that was forked off knows nothing of a training that its parent was in."""
