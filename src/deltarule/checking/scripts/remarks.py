"""What the numbers of a step alone say about its wrong arrays."""

from collections.abc import Iterable

import numpy as np

from deltarule.checking.scripts.candidates import LossCandidate, is_whole_ratio, missed_rate
from deltarule.checking.scripts.slopes import StepSlopes
from deltarule.checking.scripts.step_run import DIRECTIONS


def kind_of_mistake(step: StepSlopes, array: int, best: LossCandidate) -> str:
    """What the numbers alone say about a wrong array."""
    parameter = step.run.parameters[array]
    where = f"(line {parameter.line}) "
    if not step.moves(array):
        return remark_on_still(step, array)
    if not best.is_move or best.factor is None:
        return ""
    ratio = best.multiples.get(array, 0.0) / best.factor
    if ratio and (step.sizes[array] > DIRECTIONS or is_whole_ratio(abs(ratio))):
        if abs(ratio + 1) < 1e-3:
            return f"{where}has the wrong sign"
        return f"{where}moves {ratio:.4g} times as far as the loss says"
    moved = parameter.moved()
    if moved.size > 1 and np.ptp(moved) <= 1e-9 * np.abs(moved).max():
        return f"{where}moves by one number in all entries, as a sum over everything does"
    return ""


def remark_on_still(step: StepSlopes, array: int) -> str:
    """That an array does not move, and what is moved in its place."""
    parameter = step.run.parameters[array]
    instead = f": {parameter.copy} is updated in its place" if parameter.copy else ""
    return f"(line {parameter.line}) does not move{instead}"


def overwritten_arrays(step: StepSlopes, best: LossCandidate) -> dict[int, str]:
    """Remarks on arrays that become the step itself, in place of being moved by it."""
    slopes, run = step.numbers[best.number], step.run
    overwritten = {}
    for i in step.states() & set(best.live) if best.is_move and best.factor else ():
        end = np.array(run.along(i, run.parameters[i].start)) - step.descent[i]
        if end.any() and step.fits(-end, slopes, i, best.factor or 0.0):
            overwritten[i] = f"(line {run.parameters[i].line}) becomes the step itself: it is assigned, not added"
    return overwritten


def arrays_that_miss_the_rate(step: StepSlopes, best: LossCandidate, right: Iterable[int]) -> dict[int, str]:
    """Remarks on arrays that move along the script's own loss, at a rate a little off the one that it names."""
    if best.is_made or not best.is_move or best.factor is None or not step.points:
        return {}
    rate = missed_rate(step, best.factor) if best.rate is None else None
    if rate is None:
        return {}
    remark = f"moves {best.factor / rate:.4g} times as far as the loss says with the rate {rate:g}"
    return {i: f"(line {step.run.parameters[i].line}) {remark}" for i in right}


def is_copy_moved(step: StepSlopes, array: int, loss: LossCandidate) -> bool:
    """Whether the step moves a copy of an array, or a new value, as the array itself should be moved.

    Not so where it is data that a network begins with, or an old copy that is kept on purpose.
    """
    run, slopes = step.run, step.numbers[loss.number]
    parameter, values = run.parameters[array], slopes.values[array]
    for text, before, change in run.changes:
        if text == parameter.copy and np.array_equal(before, parameter.start):
            vector = -np.array(run.along(array, change))
            factor = float(vector @ values / max(values @ values, 1e-300))
            if factor > 0 and step.fits(vector, slopes, array, factor):
                return True
    return False
