"""Measure a step: go through it as it is, and again and again with arrays moved a little."""

import json
import os
import random
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from deltarule.checking.scripts.numbers_met import Sides
from deltarule.checking.scripts.source import Loop
from deltarule.checking.scripts.step_run import DIRECTIONS, AtStep, Shift, StepRecord, StepRun
from deltarule.checking.scripts.tracing import Sources

SECONDS_OF_A_CHILD = 5.0

Records: TypeAlias = dict[Shift, StepRecord | None]
"""By move what the step met; None where the step was not finished."""


@dataclass(frozen=True)
class Measurement:
    """A step that was gone through unmoved, in `run`, and with arrays moved."""

    run: StepRun
    records: Records


def can_fork() -> bool:
    """Whether this process can be copied: not on Windows, and not beside threads of the script."""
    return hasattr(os, "fork") and threading.active_count() == 1


def measure_by_forks(
    sources: Sources, deadline: float, loop: Loop, turn: int, held: Sides | None = None
) -> Measurement:
    """Fork the process at the start of the step, once for each move of an array."""
    records: Records = {}

    def at_step(run: StepRun) -> None:
        unmoved = set()
        for shift in single_moves(len(run.parameters)):
            index, direction, times = shift
            if index in unmoved:
                records[shift] = records[index, 0, times]
                continue
            if time.monotonic() > run.deadline:
                return
            is_child, records[shift] = fork_step(run, partial(run.shift_by, shift))
            if is_child:
                return
            if direction == 0 and times < 0 and records[shift] == records[index, 0, 1.0]:
                unmoved.add(index)  # nothing in the step depends on this array

    return Measurement(StepRun(sources, deadline, loop, turn, at_step, held).start(), records)


def fork_step(run: StepRun, prepare: Callable[[], None]) -> tuple[bool, StepRecord | None]:
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
        prepare()
        return True, None
    os.close(writing)
    return False, _report_of(child, reading)


def go_through(run: StepRun, prepared: Sequence[AtStep], fork: bool) -> list[StepRecord | None]:
    """What the step of a run meets after each of some preparations: in forked processes, or in further runs."""
    if not fork:
        runs = (StepRun(run.sources, run.deadline, run.loop, run.turn, prepare) for prepare in prepared)
        return [again.start().record for again in runs]
    records: list[StepRecord | None] = []

    def at_step(run: StepRun) -> None:
        for prepare in prepared:
            is_child, record = fork_step(run, partial(prepare, run))
            if is_child:
                return
            records.append(record)

    StepRun(run.sources, run.deadline, run.loop, run.turn, at_step).start()
    return records if len(records) == len(prepared) else [None] * len(prepared)


def measure_by_repetition(
    sources: Sources, deadline: float, loop: Loop, turn: int, shifts: Iterator[Shift] | None = None
) -> Measurement:
    """Run the script up to the step again for each move, with the same seeds: where a process cannot be forked."""

    def run(at_step: AtStep) -> StepRun:
        return StepRun(sources, deadline, loop, turn, at_step).start()

    unmoved = run(lambda step_run: None)
    records: Records = {}
    for shift in shifts or moves_together():
        if time.monotonic() < deadline:
            records[shift] = run(lambda step_run, shift=shift: step_run.shift_by(shift)).record
    return Measurement(unmoved, records)


def single_moves(count: int) -> Iterator[Shift]:
    """Each of some arrays along each direction, forward and back."""
    return (
        (index, direction, times) for index in range(count) for direction in range(DIRECTIONS) for times in (1.0, -1.0)
    )


def moves_together() -> Iterator[Shift]:
    """All arrays at once along each direction, forward and back."""
    return ((None, direction, times) for direction in range(DIRECTIONS) for times in (1.0, -1.0))


def _report(run: StepRun, writing: int) -> None:
    """Write what a child met, and leave without what the script does at exit."""
    try:
        if run.record is not None:
            numbers = [(*key, values) for key, values in run.record.numbers.items()]
            with os.fdopen(writing, "w", encoding="utf-8") as file:
                json.dump((numbers, run.record.moves, run.record.entries, run.record.read), file)
    finally:
        os._exit(0)


def _report_of(child: int, reading: int) -> StepRecord | None:
    """What a child reports; None if it does not finish the step, or takes too long."""
    deadline, data = time.monotonic() + SECONDS_OF_A_CHILD + 1, b""
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
    numbers, *others = json.loads(data)
    return StepRecord({(function, name): tuple(values) for function, name, values in numbers}, *others)
