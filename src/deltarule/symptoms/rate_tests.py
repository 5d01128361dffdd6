"""Run learning-rate range tests of a run's members."""

import math
from dataclasses import dataclass

import numpy as np

from deltarule.problem.problem import Floats, Problem
from deltarule.training.range_test import range_test

UPDATES_PER_DECADE = 40
"""Updates of the range test for a tenfold rate: enough for a small network to learn."""


@dataclass(frozen=True, eq=False)
class RangeTestResult:
    """The result of a range test, in which the rate rises during one short run.

    `best` is the rate of the least objective before it rose, and `objective` that least value, scaled to all rows.
    `updates` were made from the rate `lowest` to `highest`; `suggested` is the range test's own suggestion.
    """

    best: float
    objective: float
    updates: int
    lowest: float
    highest: float
    suggested: float


def run_range_tests(problem: Problem) -> list[RangeTestResult | None]:
    """Run a range test of every member, from far below to far above its own rate; None where impossible.

    A member's result depends on its own rate alone; members with one range are tested together.
    """
    results: list[RangeTestResult | None] = [None] * problem.members
    ranges = [_range_around(float(rate)) for rate in problem.numbers["learning_rate"]]
    for lowest, highest in set(ranges):
        members = [member for member, own in enumerate(ranges) if own == (lowest, highest)]
        if problem.optimizer.update is None:
            continue
        updates = round(np.log10(highest / lowest) * UPDATES_PER_DECADE)
        tested = range_test(problem.take(np.array(members)), lowest=lowest, highest=highest, steps=updates)
        for index, member in enumerate(members):
            best, least = _least(tested.objective[:, index].astype(np.float64))
            results[member] = RangeTestResult(
                best=float(tested.rates[best]),
                objective=least / share_of_a_batch(problem, member),
                updates=updates,
                lowest=lowest,
                highest=highest,
                suggested=float(tested.suggested[index]),
            )
    return results


def _range_around(rate: float) -> tuple[float, float]:
    """The rates 1e-5 to 10, extended so that a rate above 0 has a decade below and two above."""
    decade = math.floor(math.log10(rate)) if rate else 0
    return min(1e-5, 10.0 ** (decade - 1)), max(10.0, 10.0 ** (decade + 2))


def _least(objective: Floats) -> tuple[int, float]:
    """The update and value of the least objective of a range test, smoothed over a quarter of a decade.

    Values after one that is not finite are ignored.
    """
    finite = np.isfinite(objective)
    end = len(objective) if finite.all() else max(1, int(finite.argmin()))
    width = min(UPDATES_PER_DECADE // 4, end)
    smooth = np.convolve(objective[:end], np.full(width, 1 / width), mode="valid")
    index = int(smooth.argmin())
    return index + width // 2, float(smooth[index])


def share_of_a_batch(problem: Problem, member: int = 0) -> float:
    """The share of the objective that a batch has: smaller for a sum over fewer rows, 1 for a mean."""
    return problem.batch_rows(member) / problem.row_count(member) if problem.reduction == "sum" else 1.0
