"""Find each member's best learning rate by a range test."""

import math
from dataclasses import dataclass

import numpy as np

from deltarule.problem.problem import Floats, Problem
from deltarule.training.range_test import range_test

UPDATES_PER_DECADE = 40
"""Updates of the range test for a tenfold rate: enough for a small network to learn."""


@dataclass(frozen=True, eq=False)
class RangeTestResult:
    """A range test, in which the learning rate rises from `lowest` to `highest`.

    `best` is the rate at which the objective was least, and `objective` that least value, scaled to all rows.
    """

    best: float
    objective: float
    updates: int
    lowest: float
    highest: float


def run_range_tests(problem: Problem) -> list[RangeTestResult | None]:
    """Run a range test of every member, from far below to far above its learning rate."""
    results: list[RangeTestResult | None] = [None] * problem.members
    ranges = []
    for rate in problem.numbers["learning_rate"].tolist():
        decade = math.floor(math.log10(rate)) if rate else 0
        ranges.append((min(1e-5, 10.0 ** (decade - 1)), max(10.0, 10.0 ** (decade + 2))))
    for lowest, highest in set(ranges):
        members = [member for member, bounds in enumerate(ranges) if bounds == (lowest, highest)]
        updates = round(np.log10(highest / lowest) * UPDATES_PER_DECADE)
        tested = range_test(problem.take(np.array(members)), lowest=lowest, highest=highest, steps=updates)
        for index, member in enumerate(members):
            best, least = _find_minimum(tested.objective[:, index].astype(np.float64))
            results[member] = RangeTestResult(
                best=float(tested.rates[best]),
                objective=least / batch_share(problem, member),
                updates=updates,
                lowest=lowest,
                highest=highest,
            )
    return results


def _find_minimum(objective: Floats) -> tuple[int, float]:
    """Find the update with the smallest smoothed objective in a range test."""
    finite = np.isfinite(objective)
    end = len(objective) if finite.all() else max(1, int(finite.argmin()))
    width = min(UPDATES_PER_DECADE // 4, end)
    smooth = np.convolve(objective[:end], np.full(width, 1 / width), mode="valid")
    index = int(smooth.argmin())
    return index + width // 2, float(smooth[index])


def batch_share(problem: Problem, member: int = 0) -> float:
    """The objective of a batch relative to that of all rows."""
    return problem.batch_rows(member) / problem.row_count(member) if problem.reduction == "sum" else 1.0
