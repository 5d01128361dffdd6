"""Advance single networks by printed programs whose lanes are units, each on one thread or on several."""

import ctypes
import sys
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule import platforms
from deltarule.engines.compiled.machine_code import compiled
from deltarule.engines.compiled.member_arrays import (
    aligned,
    member_arrays,
    orders_of,
    shared_arrays,
    working_memory,
)
from deltarule.engines.compiled.pace import Pace
from deltarule.engines.compiled.printed import PrintedUnits
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State


def arrays_of_members(problem: Problem, state: State, printed: PrintedUnits) -> dict[str, NDArray[Any]]:
    """Return what a program is given beside the state, [members, …] by name."""
    names = tuple(name for name in printed.arguments if name not in ("θ", "buffers", *state.slots))
    return member_arrays(problem, state, np.arange(len(state.members))[:, None], names)


def advance_member(
    printed: PrintedUnits,
    features: str | None,
    problem: Problem,
    given: dict[str, NDArray[Any]],
    state: State,
    index: int,
    steps: tuple[int, int],
    pace: Pace,
) -> tuple[Floats, int]:
    """Make n updates of a member after the first ones, `steps`, on the threads of a pace, in the state itself.

    `given` are its arrays of `arrays_of_members`.
    Returns the objectives [n], and the first update after which something is not finite, or −1.
    """
    first, n = steps
    member = int(state.members[index])
    rows, size, epoch_steps = problem.row_count(member), problem.batch_rows(member), problem.steps_per_epoch(member)
    objective = np.empty(n, problem.dtype)
    bad = np.full(pace.threads, -1)
    own_state = {"θ": state.theta[index], "buffers": state.buffers[index]}
    own_state |= {name: slot[index] for name, slot in state.slots.items()}
    of_threads = {f"own{part}": printed.bytes_of_thread(size) for part in range(pace.threads)}
    memory = working_memory(printed.text, scratch=printed.scratch_bytes, kept=printed.bytes_a_row * size, **of_threads)
    meeting = aligned(1, np.int64)
    own = [memory[name] for name in of_threads]
    arrays = {
        **shared_arrays(problem),
        **given,
        **orders_of(problem, state.members[index : index + 1], first, n, False),
        **own_state,
        **memory,
        "objective": objective,
        "bad": bad,
    }
    names = [*printed.arguments, "scratch", "kept"]
    run = compiled(printed.text, printed.name, len(printed.numbers) + len(names) + 2, features).call
    epoch_rows = rows if epoch_steps > 1 else 0

    def advance(done: int, count: int, threads: int) -> None:
        epoch = (first + done) // epoch_steps - first // epoch_steps if epoch_rows else 0
        starts = {"objective": done, "order": epoch, "positions": epoch}
        addresses = [arrays[name][starts.get(name, 0) :].ctypes.data for name in names]
        numbers = count, first + done, rows, size, epoch_steps, epoch_rows
        for counted in (meeting.view(np.uint8), *own):
            counted[: meeting.nbytes] = 0  # nobody has come yet

        def advance_part(part: int) -> None:
            run(*numbers, part, threads, _giving_back(), *addresses, own[part].ctypes.data, meeting.ctypes.data)

        _run_together([partial(advance_part, part) for part in range(threads)])

    if pace.threads > 1:
        pace.run(n, advance)
    else:
        advance(0, n, 1)
    bad_steps = bad[bad >= 0]
    return objective, int(bad_steps.min()) if len(bad_steps) else -1


def _run_together(functions: list[Callable[[], None]]) -> None:
    """Run functions that wait for each other, each on a thread of its own."""
    others = [platforms.thread_pool(len(functions), "together").submit(each) for each in functions[1:]]
    functions[0]()
    for other in others:
        other.result()


@cache
def _giving_back() -> int:
    """Return the address of a function that lets other threads have the processor."""
    if sys.platform == "win32":
        function = ctypes.windll.kernel32.SwitchToThread
    else:
        function = ctypes.CDLL(None).sched_yield
    return int(ctypes.cast(function, ctypes.c_void_p).value or 0)
