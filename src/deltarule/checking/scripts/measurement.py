"""Measure a step: go through it as it is, and again and again with arrays moved a little."""

import itertools
import os
import random
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from deltarule.checking.scripts.numbers_met import Sides
from deltarule.checking.scripts.source import Loop
from deltarule.checking.scripts.step_record import StepRecord
from deltarule.checking.scripts.step_run import DIRECTIONS, AtStep, Shift, StepRun
from deltarule.checking.scripts.tracing import Sources

SECONDS_OF_A_CHILD = 5.0

Records: TypeAlias = dict[Shift, StepRecord | None]
"""By move what the step met; None where the step was not finished."""

Plan: TypeAlias = Callable[[StepRun], Generator[AtStep, StepRecord | None, None]]
"""What is done with a step, one preparation after another; each is answered by what the step met after it."""


@dataclass(frozen=True)
class LoopTurn:
    """A turn of a loop of a script, and how it is gone through again: in forked processes, or in further runs."""

    sources: Sources
    deadline: float
    loop: Loop
    number: int
    fork: bool = True
    span: int = 1
    """How many turns are one step: more than one where gradients are added up before the parameters move."""

    def start(self, at_step: AtStep, held: Sides | None = None, is_simultaneous: bool = False) -> StepRun:
        run = StepRun(self.sources, self.deadline, self.loop, self.number, at_step, held)
        run.is_simultaneous, run.span = is_simultaneous, self.span
        return run.start()


@dataclass(frozen=True)
class Measurement:
    """A step that was gone through unmoved, in `run`, and with arrays moved."""

    turn: LoopTurn
    run: StepRun
    records: Records


def can_fork() -> bool:
    """Whether this process can be copied: not on Windows, and not beside threads of the script."""
    return hasattr(os, "fork") and threading.active_count() == 1


def measure(
    turn: LoopTurn,
    held: Sides | None = None,
    is_simultaneous: bool = False,
    are_together: bool = False,
    names: Set[str] = frozenset(),
    is_screened: bool = False,
) -> Measurement:
    """Go through a step with each array moved forward and back along each direction.

    Parameters
    ----------
    turn : the turn of a loop that is the step.
    held : sides of differences that are held as constants.
    is_simultaneous : whether updates are made at the end of the step.
    are_together : whether all arrays are moved at once.
    names : the arrays that are moved; all of them if there are none.
    is_screened : whether a step is left alone of which no number depends on what it updates.
    """
    records: Records = {}

    def pair(index: int | None, direction: int) -> Generator[AtStep, StepRecord | None, None]:
        for times in (1.0, -1.0):
            shift = index, direction, times
            records[shift] = yield lambda run: run.shift_by(shift)  # noqa: B023 - it is called before the next turn

    def is_number_moved(index: int | None) -> bool:
        up, down = records.get((index, 0, 1.0)), records.get((index, 0, -1.0))
        return up is None or down is None or up.numbers != down.numbers

    def plan(run: StepRun) -> Generator[AtStep, StepRecord | None, None]:
        if are_together:
            for direction in range(DIRECTIONS):
                yield from pair(None, direction)
            return
        if is_screened:
            yield from pair(None, 0)
            if not is_number_moved(None):
                return
        everything = list(range(len(run.parameters)))
        chosen = [i for i in everything if run.parameters[i].name in names] or everything
        for i in chosen:
            yield from pair(i, 0)
        # More directions of what no number depends on would say something only about symmetry.
        live = [i for i in chosen if is_number_moved(i)]
        for i, direction in itertools.product(live or chosen, range(1, DIRECTIONS)):
            yield from pair(i, direction)

    run = _go_through(partial(turn.start, held=held, is_simultaneous=is_simultaneous), plan, turn.fork)
    return Measurement(turn, run, records)


def go_through(turn: LoopTurn, prepared: Sequence[AtStep]) -> list[StepRecord | None]:
    """What a step meets after each of some preparations."""
    records: list[StepRecord | None] = []

    def plan(run: StepRun) -> Generator[AtStep, StepRecord | None, None]:
        for prepare in prepared:
            records.append((yield prepare))

    follow_plan(turn, plan)
    return records if len(records) == len(prepared) else [None] * len(prepared)


def follow_plan(turn: LoopTurn, plan: Plan) -> None:
    """Go through a step once after each preparation of a plan, which may depend on what the last one showed."""
    _go_through(turn.start, plan, turn.fork)


def _go_through(start: Callable[[AtStep], StepRun], plan: Plan, fork: bool) -> StepRun:
    """Go through a step unmoved, and after each preparation of a plan: the unmoved run."""

    def follow(run: StepRun, answer: Callable[[AtStep], tuple[bool, StepRecord | None]]) -> None:
        preparations = plan(run)
        prepare = next(preparations, None)
        while prepare is not None and time.monotonic() < run.deadline:
            is_child, record = answer(prepare)
            if is_child:
                return
            try:
                prepare = preparations.send(record)
            except StopIteration:
                return

    if fork:
        return start(lambda run: follow(run, lambda prepare: _fork(run, prepare)))
    unmoved = start(lambda run: None)
    if unmoved.record is not None:
        follow(unmoved, lambda prepare: (False, start(_once_more(prepare)).record))
    return unmoved


def _once_more(prepare: AtStep) -> AtStep:
    def at_step(run: StepRun) -> None:
        run.is_again = True
        prepare(run)

    return at_step


def _fork(run: StepRun, prepare: AtStep) -> tuple[bool, StepRecord | None]:
    """Go through the step in a forked process: (whether this is that process, what it met).

    The forked process is prepared, goes on with the step, reports at its end, and then ends.
    """
    reading, writing = os.pipe()
    state = random.getstate()
    child = 0
    if sys.platform != "win32":  # without forks the script runs again instead
        child = os.fork()
    if child == 0:
        os.close(reading)
        random.setstate(state)  # Python seeds it anew in a child
        run.deadline = min(run.deadline, time.monotonic() + SECONDS_OF_A_CHILD)
        run.after_run = lambda: _report(run, writing)  # type: ignore[method-assign]
        _once_more(prepare)(run)
        return True, None
    os.close(writing)
    return False, _report_of(child, reading)


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
    deadline = time.monotonic() + SECONDS_OF_A_CHILD + 1
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
