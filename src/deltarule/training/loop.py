"""The training loop, which advances members in chunks until rules end them.

A chunk lasts about a fifth of a second, so that Ctrl-C is answered soon (`ChunkSizer`). A member that ends within a
chunk is replayed from the chunk's start to its own last update: its result depends on nothing but the member itself.

K members of the problem · A of them still train · n updates of a chunk
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import Engine, Trace
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State

NEVER = int(np.iinfo(np.int64).max)
MIN_SPECULATIVE_UPDATES = 64

CHUNK_SECONDS = 0.2
MAX_SECONDS = 2.0
"""If the first chunk takes this long, a chunk of twice its size is tried once, not now and then."""
MIN_RELATIVE_SPREAD = 0.05
"""Below this share of its maximum, the spread of the chunk sizes does not determine the fixed time of a chunk."""


class Reason(IntEnum):
    """Why a member's training ended; `NONE` while it trains."""

    NONE = 0
    MAX_STEPS = 1
    THRESHOLD = 2
    TOLERANCE = 3
    PATIENCE = 4
    DIVERGED = 5
    INTERRUPTED = 6
    MAX_EPOCHS = 7
    STALLED = 8
    CALLBACK = 9


_TEXTS = np.array([reason.name.lower() for reason in Reason], object)


def reason_texts(codes: NDArray[Any]) -> tuple[str, ...]:
    return tuple(_TEXTS[codes].tolist())


@dataclass(eq=False)
class Chunk:
    """The updates of one call of the engine, and where members [A] end in it.

    `ends` are steps, `NEVER` for members that train on; an end at `last_step` is one after the last update.
    """

    members: Integers
    first_step: int
    trace: Trace

    def __post_init__(self) -> None:
        self.ends = np.full(len(self.members), NEVER)
        self.reasons = np.zeros(len(self.members), np.int8)

    @property
    def last_step(self) -> int:
        return self.first_step + len(self.trace.objective)

    def end(self, indices: Integers, step: int | Integers, reason: Reason) -> None:
        """End the members at some indices at a step, unless a rule has ended them no later."""
        is_first = step < self.ends[indices]
        self.reasons[indices[is_first]] = reason
        self.ends[indices] = np.minimum(step, self.ends[indices])


class Rule:
    """A rule of a training: it watches chunks, records, and ends members.

    Rules are asked in their order. `stored` names the arrays [K, …] from which a training continues; `reason` is that
    for which the rule ends members by their own course.
    """

    stored: tuple[str, ...] = ()
    reason: Reason = Reason.NONE

    def memory(self) -> dict[str, NDArray[Any]]:
        """Return the stored arrays, by the name of the rule and theirs."""
        return {f"{type(self).__name__} {name}": getattr(self, name) for name in self.stored}

    def max_updates(self, loop: "TrainingLoop") -> int:
        """Return after how many updates at most the chunk has to end."""
        return NEVER

    def judge(self, loop: "TrainingLoop", chunk: Chunk) -> None:
        """End members within a chunk by its trace, while `loop.active` has all of them."""

    def finish(self, loop: "TrainingLoop", chunk: Chunk) -> None:
        """Record and end the members that are left at the end of a chunk."""


class TrainingLoop:
    """The states of the members that still train and of those that ended.

    `updates` [K] is the step at which each member ended, `reasons` [K] why. In a continued training members may be at
    different steps: the `waiting` ones, whose states are among those of the ended, join the others at their own.
    `started` is the time at which training began, moved back by the seconds of the runs that a resumed one continues.
    """

    def __init__(self, problem: Problem, engine: Engine, start: State, rules: Sequence[Rule]) -> None:
        self.problem, self.engine, self.active, self.rules = problem, engine, start, rules
        self.ended, self._is_copied = start, False  # copied before the first write into it
        self.updates = np.zeros(problem.members, np.int64)
        self.reasons = np.zeros(problem.members, np.int8)
        self.waiting: Integers = np.empty(0, np.int64)
        self.latest_objective: Floats = np.empty(0)
        self.started = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started

    def begin(self) -> None:
        """Let the rules record the start."""
        objective = np.empty((0, len(self.active.members)))
        self._finish(Chunk(self.active.members, self.active.step, Trace(objective, np.empty(0, np.int64))))

    def resume(self, state: State, steps: Integers, reasons: NDArray[np.int8]) -> None:
        """Continue the members that have no reason, each from its own step."""
        self.updates[:], self.reasons[:] = steps, reasons
        self.active = state.take(slice(0))
        self.ended = state
        self.waiting = np.flatnonzero(reasons == Reason.NONE)
        self._admit()

    def _admit(self) -> None:
        """Let members that wait for this step, or the next if none trains, train on."""
        steps = self.updates[self.waiting]
        active = self.active
        step = active.step if len(active.members) else int(steps.min(initial=NEVER))
        joining = self.waiting[steps == step]
        if len(joining):
            together = np.sort(np.concatenate([active.members, joining]))
            self.active = replace(self.ended.put(active.members, active).take(together), step=step)
            self.waiting = self.waiting[steps > step]

    def run(self, should_stop: Callable[[], bool], after_chunk: Callable[[], None] = lambda: None) -> None:
        """Advance the active members in chunks until all have ended or a stop is asked."""
        sizer = ChunkSizer()
        with one_blas_thread():
            while len(self.active.members) and not should_stop():
                until_joining = int(self.updates[self.waiting].min(initial=NEVER)) - self.active.step
                n = min(sizer.updates, until_joining, *(rule.max_updates(self) for rule in self.rules))
                with sizer.measure(n):
                    self._finish(self._advance(n))
                self._admit()
                after_chunk()

    def _advance(self, n: int) -> Chunk:
        """Advance the active members by n updates and let the rules judge the chunk."""
        # A separate function: its locals, another state of a large population, are freed before anything is recorded.
        start = self.active
        self.active, trace = self.engine.advance(self.problem, start, n)
        self.latest_objective = trace.objective[-1].copy()
        chunk = Chunk(start.members, start.step, trace)
        for rule in self.rules:
            rule.judge(self, chunk)
        is_ended = chunk.ends <= chunk.last_step
        if is_ended.any():
            is_within = chunk.ends < chunk.last_step
            self.reasons[chunk.members[is_ended]] = chunk.reasons[is_ended]
            for state in replay(self.engine, self.problem, start.take(is_within), chunk.ends[is_within]):
                self._keep(state)
            self._keep(self.active.take(is_ended & ~is_within))
            self._drop_ended()
        return chunk

    def _finish(self, chunk: Chunk) -> None:
        for rule in self.rules:
            rule.finish(self, chunk)
        self._drop_ended()

    def end(self, is_ended: NDArray[np.bool_], reason: Reason) -> None:
        """End some of the active members, a mask [A], unless they have ended."""
        members = self.active.members
        is_ended = is_ended & (self.reasons[members] == Reason.NONE)
        if not is_ended.any():
            return
        self.reasons[members[is_ended]] = reason
        self._keep(self.active if is_ended.all() else self.active.take(is_ended))

    def _keep(self, final: State) -> None:
        """Keep the final arrays of members that have ended."""
        self.updates[final.members] = final.step
        if len(final.members) == self.problem.members:
            self.ended = final
        elif len(final.members):
            if not self._is_copied:
                self.ended = self.ended.take(self.ended.members)
                self._is_copied = True
            self.ended.overwrite(final.members, final)  # in place: copying the whole population each time is slow

    def _drop_ended(self) -> None:
        is_training = self.reasons[self.active.members] == Reason.NONE
        if not is_training.all():
            self.active = self.active.take(is_training)

    def state(self) -> State:
        """Return the state of all members, which is final for those that ended."""
        if len(self.active.members) == self.problem.members:
            return self.active
        if len(self.active.members):
            return self.ended.put(self.active.members, self.active)
        return replace(self.ended, step=int(self.updates.max(initial=0)))

    def steps(self) -> Integers:
        """Return how many updates each member has made."""
        steps = self.updates.copy()
        steps[self.active.members] = self.active.step
        return steps


def speculative_updates(step: int) -> int:
    """Return how many updates to make though a member may end within them.

    Their number grows with the training, so that what is done in vain and what is repeated are small shares of it.
    """
    return max(MIN_SPECULATIVE_UPDATES, step // 16)


def replay(engine: Engine, problem: Problem, start: State, end_steps: Integers) -> Iterator[State]:
    """Repeat updates from `start` and yield the state at each distinct end step.

    Members are advanced together from one end to the next, so that all processors are busy.
    """
    state = start
    for end in np.unique(end_steps).tolist():
        if end > state.step:
            state, _ = engine.advance(problem, state, end - state.step)
        is_last = end_steps == end
        yield state.take(is_last)
        state = state.take(~is_last)
        end_steps = end_steps[~is_last]


class ChunkSizer:
    """Chooses the number of updates in a chunk that takes about `CHUNK_SECONDS`.

    Where the part of the time that no size changes is large, chunks are longer, so that it is at most half of each.
    """

    def __init__(self) -> None:
        self.updates = 1
        self._sums = np.zeros(5)
        self._fixed_seconds = 0.0
        self._seconds_each = np.inf

    @contextmanager
    def measure(self, n: int) -> Iterator[None]:
        """Time a chunk of n updates within this context and adjust `updates`."""
        started = time.perf_counter()
        yield
        seconds = max(time.perf_counter() - started, 1e-9)
        if 2 * n > self.updates or seconds > CHUNK_SECONDS:
            self.learn(n, seconds)

    def learn(self, n: int, seconds: float) -> None:
        """Set the size of the next chunk after a chunk of n updates took `seconds`.

        The model is seconds = fixed + each · n, fitted by least squares of the relative errors, recent chunks most.
        """
        is_first = not self._sums.any()
        # A chunk that takes twice as long as predicted invalidates the earlier observations.
        if seconds > 2.0 * (self._fixed_seconds + self._seconds_each * n):
            self._sums[:] = 0
        # An observation keeps this share of its weight after the next one.
        self._sums = 0.9 * self._sums + np.array([1, n, n * n, seconds, n * seconds]) / seconds**2
        ones, sizes, squares, times, products = self._sums.tolist()
        spread = 1 - sizes**2 / (ones * squares)
        if spread > MIN_RELATIVE_SPREAD:
            fixed = (times / ones - sizes * products / (ones * squares)) / spread
            self._fixed_seconds = min(max(fixed, 0.0), seconds)
            self._seconds_each = max((products - self._fixed_seconds * sizes) / squares, 0.0)
        else:
            self._seconds_each = max(seconds - self._fixed_seconds, 0.0) / n
        available = max(CHUNK_SECONDS, 2 * self._fixed_seconds) - self._fixed_seconds
        is_trial = spread <= MIN_RELATIVE_SPREAD and (is_first or seconds < MAX_SECONDS)
        is_doubled = is_trial or self._seconds_each * 2 * n <= available
        self.updates = 2 * n if is_doubled else max(1, int(available / self._seconds_each))
