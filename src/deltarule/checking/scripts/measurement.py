"""Measure a step: go through it as it is, and again and again with arrays moved a little."""

import copy
import itertools
import os
import random
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import TypeAlias, TypeVar

import numpy as np

from deltarule.checking.scripts.numbers_met import NumbersMet, Sides
from deltarule.checking.scripts.repeated_turn import SECONDS_OF_A_STEP, RepeatedTurn
from deltarule.checking.scripts.source import Loop
from deltarule.checking.scripts.step_record import StepRecord
from deltarule.checking.scripts.step_run import DIRECTIONS, AtStep, Shift, StepRun
from deltarule.checking.scripts.tracing import Sources, StopRun

_ROUNDING = 1e-11
_TURNS_AFTER = 2
"""How many turns after a step may be repeated with it."""

Records: TypeAlias = dict[Shift, StepRecord | None]
"""By move what the step met; None where the step was not finished."""

Result = TypeVar("Result")
Plan: TypeAlias = Callable[[StepRun], Generator[AtStep, StepRecord | None, Result]]
"""What is done with a step, one preparation after another; each is answered by what the step met after it."""


class _InChild(BaseException):
    """Leaves a plan in a forked process, which goes on with the script."""


@dataclass
class LoopTurn:
    """A turn of a loop of a script, and how it is gone through again.

    That is in this process, if the turn then does what it does in the script; else in forked processes; or, where there
    are none, in further runs of the script.
    """

    sources: Sources
    deadline: float
    loop: Loop
    number: int
    fork: bool = True
    span: int = 1
    """How many turns are one step: more than one where gradients are added up before the parameters move."""
    unrepeatable: set[Loop] = field(default_factory=set)
    """The loops whose turns do not the same when they are repeated in this process."""
    _unmoved: StepRun | None = field(default=None, init=False)
    _repeated: RepeatedTurn | None = field(default=None, init=False)

    def unmoved(self, held: Sides | None = None, is_simultaneous: bool = False) -> StepRun:
        """The run of the script through the step; with sides held as constants, or with updates made at its end."""
        if self._unmoved is None:
            is_repeatable = self.loop not in self.unrepeatable
            self._unmoved = self._start(_stay, self._note_turn if is_repeatable else None)
            self._drop_inexact_repeats()
        run = self._unmoved
        if run.record is None or not (held or is_simultaneous):
            return run

        def prepare(run: StepRun) -> None:
            _arrange(run, held, is_simultaneous)
            run.are_reads_wanted = True

        other = self._start(prepare) if self._repeated is None else self._repeated.again(prepare)
        with_others = copy.copy(run)
        with_others.record = None
        if other is not None and other.record is not None:
            with_others.met, with_others.record, with_others.read = other.met, other.record, other.read
            with_others.is_simultaneous = is_simultaneous
            pairs = zip(run.parameters, other.parameters, strict=True)
            with_others.parameters = [replace(parameter, end=after.end) for parameter, after in pairs]
        return with_others

    def follow(
        self, plan: Plan[Result], held: Sides | None = None, is_simultaneous: bool = False
    ) -> tuple[StepRun, Result]:
        """Go through the step unmoved, and after each preparation of a plan: (unmoved, what the plan makes of it)."""

        def arranged(prepare: AtStep) -> AtStep:
            def at_step(run: StepRun) -> None:
                run.is_again = True
                _arrange(run, held, is_simultaneous)
                prepare(run)

            return at_step

        def again(prepare: AtStep) -> StepRecord | None:
            run = self._repeated.again(arranged(prepare)) if self._repeated else self._start(arranged(prepare))
            return None if run is None else run.record

        unmoved = self.unmoved(held, is_simultaneous) if not self.fork or self.loop not in self.unrepeatable else None
        if unmoved is not None and (self._repeated is not None or not self.fork):
            result = follow_plan(plan, unmoved, again)
            self._drop_inexact_repeats()
            if self._repeated is not None or not self.fork:
                return unmoved, result
        results: list[Result] = []

        def at_step(run: StepRun) -> None:
            _arrange(run, held, is_simultaneous)
            with suppress(_InChild):
                results.append(follow_plan(plan, run, lambda prepare: _fork(run, arranged(prepare))))

        run = self._start(at_step)  # another one, as a script may go through a set in another order
        return run, results[0] if results else follow_plan(plan, run, lambda prepare: None)

    def _start(self, at_step: AtStep, in_body: Callable[[StepRun, FrameType], None] | None = None) -> StepRun:
        run = StepRun(self.sources, self.deadline, self.loop, self.number, at_step)
        run.span, run.in_body = self.span, in_body
        run.turns_left = 0 if in_body is None else _TURNS_AFTER
        return run.start()

    def _note_turn(self, run: StepRun, frame: FrameType) -> None:
        """Note how the step begins, and what the header of the loop assigns in the turns after it."""
        if run.is_header_own:  # which is no part of the body, and may read what is moved
            run.in_body = None
        elif self._repeated is None:
            run.in_body = None
            with suppress(Exception):  # of whatever the script's own objects raise
                self._repeated = RepeatedTurn(run, frame)
                run.in_body = self._note_turn
        else:
            self._repeated.note_turn(frame)
            if len(self._repeated.later) == self.span - 1 + _TURNS_AFTER:
                raise StopRun

    def _drop_inexact_repeats(self) -> None:
        """Repeat the turn no more if it does not do the same again: something that it leaves was not found."""
        run = self._repeated.again(_stay) if self._repeated is not None else None
        unmoved = None if self._unmoved is None else self._unmoved.record
        if run is None or run.record is None or unmoved is None or not _are_same(run.record, unmoved):
            self._repeated = None
            self.unrepeatable.add(self.loop)


@dataclass(frozen=True)
class Measurement:
    """A step that was gone through unmoved, in `run`, and with arrays moved."""

    turn: LoopTurn
    run: StepRun
    records: Records


def can_fork() -> bool:
    """Whether this process can be copied: not on Windows, and not beside threads of the script, or of JAX."""
    return hasattr(os, "fork") and threading.active_count() == 1 and "jax" not in sys.modules


def measure(
    turn: LoopTurn,
    held: Sides | None = None,
    is_simultaneous: bool = False,
    names: Set[str] = frozenset(),
    is_screened: bool = False,
) -> Measurement:
    """Go through a step with each array moved forward and back along each direction.

    Parameters
    ----------
    turn : the turn of a loop that is the step.
    held : sides of differences that are held as constants.
    is_simultaneous : whether updates are made at the end of the step.
    names : the arrays that are moved; all of them if there are none.
    is_screened : whether a step is left alone of which no number depends on what it updates.
    """

    def plan(run: StepRun) -> Generator[AtStep, StepRecord | None, Records]:
        records: Records = {}

        def pair(index: int | None, direction: int) -> Generator[AtStep, StepRecord | None, None]:
            for times in (1.0, -1.0):
                shift = index, direction, times
                records[shift] = yield lambda run: run.shift_by(shift)  # noqa: B023 - it is called before the next turn

        def is_number_moved(index: int | None) -> bool:
            up, down = records.get((index, 0, 1.0)), records.get((index, 0, -1.0))
            return up is None or down is None or up.numbers != down.numbers

        if is_screened:
            yield from pair(None, 0)
            if not is_number_moved(None):
                return records
        everything = list(range(len(run.parameters)))
        chosen = [i for i in everything if run.parameters[i].name in names] or everything
        for i in chosen:
            yield from pair(i, 0)
        # More directions of what no number depends on would say something only about symmetry.
        live = [i for i in chosen if is_number_moved(i)]
        for i, direction in itertools.product(live or chosen, range(1, DIRECTIONS)):
            yield from pair(i, direction)
        return records

    return Measurement(turn, *turn.follow(plan, held, is_simultaneous))


def go_through(turn: LoopTurn, prepared: Sequence[AtStep]) -> list[StepRecord | None]:
    """What a step meets after each of some preparations."""

    def plan(run: StepRun) -> Generator[AtStep, StepRecord | None, list[StepRecord | None]]:
        records: list[StepRecord | None] = []
        for prepare in prepared:
            records.append((yield prepare))
        return records

    return turn.follow(plan)[1]


def _stay(run: StepRun) -> None: ...


def _arrange(run: StepRun, held: Sides | None, is_simultaneous: bool) -> None:
    run.met, run.is_simultaneous = NumbersMet(held), is_simultaneous


def _are_same(first: StepRecord, second: StepRecord) -> bool:
    """Whether two runs have met the same, but for sums in another order, as over a set."""
    if first.numbers.keys() != second.numbers.keys():
        return False
    numbers = [first.numbers[key] for key in second.numbers]
    pairs = ((numbers, list(second.numbers.values())), (first.moves, second.moves))
    return all(np.allclose(one, other, rtol=_ROUNDING, atol=0.0, equal_nan=True) for one, other in pairs)


def follow_plan(plan: Plan[Result], run: StepRun, answer: Callable[[AtStep], StepRecord | None]) -> Result:
    """What a plan makes of answers; there are none after the deadline."""
    preparations = plan(run)
    try:
        prepare = next(preparations)
        while True:
            record = answer(prepare) if time.monotonic() < run.deadline else None
            prepare = preparations.send(record)
    except StopIteration as end:
        return end.value


def _fork(run: StepRun, prepare: AtStep) -> StepRecord | None:
    """What a forked process meets that goes through the step.

    That process is prepared, goes on with the script, reports at the end of the step, and then ends.
    """
    reading, writing = os.pipe()
    state = random.getstate()
    child = 0
    if sys.platform != "win32":  # without forks the script runs again instead
        child = os.fork()
    if child == 0:
        os.close(reading)
        random.setstate(state)  # Python seeds it anew in a child
        run.deadline = min(run.deadline, time.monotonic() + SECONDS_OF_A_STEP)
        run.after_run = lambda: _report(run, writing)  # type: ignore[method-assign]
        prepare(run)
        raise _InChild
    os.close(writing)
    return _report_of(child, reading)


def _report(run: StepRun, writing: int) -> None:
    """Write what a child met, and leave without what the script does at exit."""
    try:
        if run.record is not None:
            with os.fdopen(writing, "w", encoding="utf-8") as file:
                file.write(run.record.as_json())
    finally:
        os._exit(0)


def _report_of(child: int, reading: int) -> StepRecord | None:
    """What a child reports; None if it does not finish the step, or takes too long."""
    deadline = time.monotonic() + SECONDS_OF_A_STEP + 1
    data = b""
    while True:
        ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(reading, 1 << 16) if ready else b""
        if not chunk:
            break
        data += chunk
    if not ready and sys.platform != "win32":
        os.kill(child, signal.SIGKILL)
    os.close(reading)
    os.waitpid(child, 0)
    if not ready or not data:
        return None
    return StepRecord.from_json(data)
