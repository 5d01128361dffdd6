"""The training loop, which advances members in chunks until a monitor ends them.

A chunk lasts about a fifth of a second, so that Ctrl-C is answered soon (`chunk_size.py`). A member that ends within a
chunk is replayed from the chunk's start to its own last update: its result depends on nothing but the member itself.

K members of the problem · A of them still train
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from deltarule.engines.base import Engine, Trace
from deltarule.problem.problem import Integers, Problem
from deltarule.problem.state import State
from deltarule.training.chunk_size import ChunkSizer


class Monitor(Protocol):
    """The rules that decide where a chunk ends and which members end with it."""

    def next_chunk(self, loop: "TrainingLoop", max_updates: int) -> tuple[Problem, int]:
        """Return the problem to advance and the number of updates until the next event."""

    def end_members(self, loop: "TrainingLoop", start: State, trace: Trace) -> None:
        """End the active members to which a rule applies after a chunk."""

    def record(self, loop: "TrainingLoop") -> None:
        """Evaluate and record the active members if an event is due."""


class TrainingLoop:
    """The states of the members that still train and of those that ended.

    `updates` [K] is the step at which each member ended, `reasons` why; "" while it trains. `started` is the time at
    which training began, moved back by the seconds of the runs that a resumed one continues.
    """

    def __init__(self, problem: Problem, engine: Engine, start: State) -> None:
        self.problem, self.engine, self.active = problem, engine, start
        self.ended, self._is_copied = start, False  # copied before the first write: a single epoch never writes
        self.updates = np.zeros(problem.members, np.int64)
        self.reasons = [""] * problem.members
        self.started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return time.perf_counter() - self.started

    def run(
        self, monitor: Monitor, should_stop: Callable[[], bool], after_chunk: Callable[[], None] | None = None
    ) -> None:
        """Advance the members until all have ended or `should_stop()` is True."""
        sizer = ChunkSizer()
        while len(self.active.members) and not should_stop():
            problem, n = monitor.next_chunk(self, sizer.updates)
            with sizer.measure(n):
                self._advance_chunk(monitor, problem, n)
                monitor.record(self)
            if after_chunk is not None:
                after_chunk()

    def _advance_chunk(self, monitor: Monitor, problem: Problem, n: int) -> None:
        # A separate function: its locals, another state of a large population, are freed before anything is recorded.
        start = self.active
        self.active, trace = self.engine.advance(problem, start, n)
        monitor.end_members(self, start, trace)

    def end(self, state: State, members: Integers, reason: str) -> None:
        """Record the final states of some members and the reasons why they ended."""
        final = state.take(np.isin(state.members, members))
        if not self._is_copied:
            self.ended, self._is_copied = self.ended.take(self.ended.members), True
        self.ended.overwrite(final.members, final)  # in place: copying the whole population each time is slow
        self.updates[final.members] = state.step
        for member in final.members.tolist():
            self.reasons[member] = reason

    def end_within(self, start: State, end_steps: Integers, reasons: Sequence[str]) -> None:
        """End members at the steps `end_steps` [A] within the last chunk."""
        is_ended = np.array([bool(reason) for reason in reasons])
        if not is_ended.any():
            return
        reason_of = dict(zip(start.members.tolist(), reasons, strict=True))
        is_within = is_ended & (end_steps < self.active.step)
        for state in replay(self.engine, self.problem, start.take(is_within), end_steps[is_within]):
            self._end_each(state, reason_of)
        is_at_end = is_ended & ~is_within
        if is_at_end.any():
            self._end_each(self.active.take(is_at_end), reason_of)
        self.drop_ended()

    def _end_each(self, state: State, reason_of: dict[int, str]) -> None:
        reasons = np.array([reason_of[member] for member in state.members.tolist()])
        for reason in np.unique(reasons).tolist():
            self.end(state, state.members[reasons == reason], reason)

    def drop_ended(self) -> None:
        """Remove the members that have ended from `active`."""
        is_training = np.array([not self.reasons[member] for member in self.active.members.tolist()], bool)
        if not is_training.all():
            self.active = self.active.take(is_training)

    def state(self) -> State:
        """Return the state of all members, which is final for those that ended."""
        if len(self.active.members):
            return self.ended.put(self.active.members, self.active)
        return replace(self.ended, step=int(self.updates.max(initial=0)))


def replay(engine: Engine, problem: Problem, start: State, end_steps: Integers) -> Iterator[State]:
    """Repeat updates from `start` and yield the state at each distinct end step.

    Members are advanced together from one end to the next, so that all processors are busy.

    >>> from deltarule.engines.reference import ReferenceEngine
    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.state import initial_state
    >>> problem = create_problem(Network([1, 1]), [[1.0]], [1.0], seeds=range(3))
    >>> states = replay(ReferenceEngine(), problem, initial_state(problem), np.array([5, 2, 5]))
    >>> [(state.step, state.members.tolist()) for state in states]
    [(2, [1]), (5, [0, 2])]
    """
    state = start
    for end in np.unique(end_steps).tolist():
        if end > state.step:
            state, _ = engine.advance(problem, state, end - state.step)
        is_last = end_steps == end
        yield state.take(is_last)
        state, end_steps = state.take(~is_last), end_steps[~is_last]
