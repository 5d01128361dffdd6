"""Windows of fresh rows: those of some updates in a row, as the data of a problem for which programs are printed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from deltarule.problem.kept import once_for_problem
from deltarule.problem.problem import Problem

MAX_NUMBERS, MAX_UPDATES = 2**21, 64
"""Of a window: 16 MB of data at most. Measured with 8 and 1,000 members 10-16-1, an update in windows of 1, 4 and 16
updates takes 2.7 to 7, 1.6 to 3.5 and 1.2 times as long as in windows of 64, and in longer ones as long."""


@once_for_problem
def _idle(problem: Problem) -> list[Problem]:
    """The windows of a problem that no training uses now: a program is printed for a problem once."""
    return []


@contextmanager
def window_of(problem: Problem) -> Iterator[Problem]:
    """Lend a problem with room for the rows of some updates, which `write_rows` fills in."""
    windows = _idle(problem)
    window = windows.pop() if windows else _window(problem)
    try:
        yield window
    finally:
        windows.append(window)


def write_rows(window: Problem, step: int, n: int) -> None:
    """Write the rows of the next n updates from `step` on, n no more than the window has."""
    fresh = window.fresh
    assert fresh is not None
    for number in range(step, step + n):
        start = number % fresh.updates * fresh.count
        for data, rows in zip((window.x, window.y), fresh.at(number), strict=True):
            by_member = data.reshape(*rows.shape[:-2], -1, rows.shape[-1])
            by_member[..., start : start + fresh.count, :] = rows


def _window(problem: Problem) -> Problem:
    fresh = problem.fresh
    assert fresh is not None
    members = 1 if fresh.members is None else problem.members
    numbers = members * fresh.count * (problem.x.shape[1] + problem.y.shape[1])
    updates = min(max(MAX_NUMBERS // numbers, 1), MAX_UPDATES)
    count = updates * fresh.count
    return replace(
        problem,
        # Written in place: programs and what is kept for a problem see the rows of the window that is trained on.
        x=np.zeros((members * count, problem.x.shape[1]), problem.dtype),
        y=np.zeros((members * count, problem.y.shape[1]), problem.dtype),
        rows=None if fresh.members is None else tuple(np.arange(members * count).reshape(members, count)),
        row_order=np.arange(count),
        schedule=replace(problem.schedule, per="step"),  # as an epoch of fresh rows is one update
        fresh=replace(fresh, updates=updates),
    )
