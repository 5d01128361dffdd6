"""Learning-rate range tests of the members of a run."""

import math
from dataclasses import dataclass

import numpy as np

from deltarule.problem.problem import Floats, Problem
from deltarule.training.range_test import range_test

UPDATES_PER_DECADE = 40
"""Of the range test: a tenfold rate is reached in so many updates, enough for a small network to learn on the way."""


@dataclass(frozen=True, eq=False)
class RangeTestResult:
    """What a range test came to, in which the rate rose during one short run.

    `best` is the rate at which the objective was least before it rose, `objective` what it was there, as the objective
    of all rows; `updates` how many were made, from `lowest` to `highest`; `suggested` is the range test's own answer.
    """

    best: float
    objective: float
    updates: int
    lowest: float
    highest: float
    suggested: float


def run_range_tests(problem: Problem) -> list[RangeTestResult | None]:
    """A range test of every member, from far below to far above its own rate; None where there is none to test.

    What a member's answer is depends on its own rate alone; those of one range are tested together.
    """
    answers: list[RangeTestResult | None] = [None] * problem.members
    ranges = [_range_around(float(rate)) for rate in problem.numbers["learning_rate"]]
    for lowest, highest in set(ranges):
        members = [member for member, own in enumerate(ranges) if own == (lowest, highest)]
        if problem.optimizer.update is None:
            continue
        updates = round(np.log10(highest / lowest) * UPDATES_PER_DECADE)
        tested = range_test(problem.take(np.array(members)), lowest=lowest, highest=highest, steps=updates)
        for index, member in enumerate(members):
            best, least = _least(tested.objective[:, index].astype(np.float64))
            answers[member] = RangeTestResult(
                best=float(tested.rates[best]),
                objective=least / share_of_a_batch(problem, member),
                updates=updates,
                lowest=lowest,
                highest=highest,
                suggested=float(tested.suggested[index]),
            )
    return answers


def _range_around(rate: float) -> tuple[float, float]:
    """From 1e-5 to 10, or as many decades farther as a rate above 0 needs one on both sides."""
    decade = math.floor(math.log10(rate)) if rate else 0
    return min(1e-5, 10.0 ** (decade - 1)), max(10.0, 10.0 ** (decade + 2))


def _least(objective: Floats) -> tuple[int, float]:
    """Where the objective of a range test is least, and what it is there, smoothed over a quarter of a decade.

    After a number that is not finite nothing counts. The update after it is the one whose rate is too high.
    """
    finite = np.isfinite(objective)
    end = len(objective) if finite.all() else max(1, int(finite.argmin()))
    width = min(UPDATES_PER_DECADE // 4, end)
    smooth = np.convolve(objective[:end], np.full(width, 1 / width), mode="valid")
    place = int(smooth.argmin())
    return place + width // 2, float(smooth[place])


def share_of_a_batch(problem: Problem, member: int = 0) -> float:
    """How much of the whole objective a batch has: a sum over fewer rows is less, a mean is not."""
    return problem.batch_rows(member) / problem.row_count(member) if problem.reduction == "sum" else 1.0
