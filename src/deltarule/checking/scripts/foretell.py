"""Whether what explains the moves at one point foretells them, with the same numbers, at points it has not seen."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from deltarule.checking.scripts.candidates import Agreement, LossCandidate, decay_of, scheduled_rate
from deltarule.checking.scripts.slopes import Number, StepSlopes
from deltarule.checking.scripts.step_run import DIRECTIONS
from deltarule.checking.scripts.verdict import StepVerdict
from deltarule.proofs.differences import Floats

_TOLERANCE, _TOLERANCE_IN_FLOAT32 = 1e-3, 2e-2
"""Allowed deviation beside the size of moves; anything from 1e-6 to 5e-3 decides alike in our programs."""
_COLLINEAR = 3e-3


def foretelling(candidate: LossCandidate, step: StepSlopes, points: Sequence[StepSlopes]) -> LossCandidate:
    """The candidate with those arrays alone that it explains at all points."""
    if candidate.factor is None or not points:
        return candidate
    agreeing: dict[int, str] = {}
    for i, remark in candidate.agreeing.items():
        if _is_foretold(points, candidate, i, candidate.factor, remark):
            agreeing[i] = remark
        elif not isinstance(remark, Agreement) and (decay := _decay_seen_elsewhere(step, points, candidate, i)):
            agreeing[i] = decay
    failed = frozenset(candidate.agreeing.keys() - agreeing.keys())
    multiples = {
        i: factor
        for i, factor in candidate.multiples.items()
        if (i in agreeing and agreeing[i] == candidate.agreeing[i]) or _is_foretold(points, candidate, i, factor, "")
    }
    rate = candidate.rate
    if rate is None and candidate.is_move and candidate.is_loss and agreeing:
        rate = scheduled_rate(step, candidate.factor)
    weight = step.weight(agreeing)
    return replace(candidate, agreeing=agreeing, multiples=multiples, weight=weight, failed=failed, rate=rate)


def arrays_not_foretold(step: StepSlopes, verdict: StepVerdict) -> list[str]:
    """The arrays that a verdict calls right of which the moves at this turn are others with the same numbers.

    Not where a schedule has given all of them another rate, which the updates of this turn read.
    """
    number = (verdict.loss_function, verdict.loss), verdict.which
    slopes = step.numbers.get(number)
    if verdict.factor is None or slopes is None:
        return []

    def others_at(factor: float) -> list[str]:
        off = []
        for name in verdict.right.keys() & set(step.names):
            i, remark = step.names.index(name), verdict.right[name]
            own = deviation(step, number, verdict.is_move, i, factor, remark)
            if own is not None and own > tolerance_at_points(step, i) and not remark.startswith("follows"):
                off.append(name)
        return off

    off = others_at(verdict.factor)
    if not off or not verdict.is_move:
        return off
    i = step.names.index(off[0])
    factor = float(step.descent[i] @ slopes.values[i] / max(slopes.values[i] @ slopes.values[i], 1e-300))
    is_scheduled = scheduled_rate(step, factor) is not None
    return off if not is_scheduled or others_at(factor) else []


def _is_foretold(points: Sequence[StepSlopes], candidate: LossCandidate, i: int, factor: float, remark: str) -> bool:
    allowed = tolerance_at_points(points[0], i)
    deviations = [deviation(point, candidate.number, candidate.is_move, i, factor, remark) for point in points]
    return all(off is None or off <= allowed for off in deviations)


def tolerance_at_points(step: StepSlopes, i: int) -> float:
    return _TOLERANCE_IN_FLOAT32 if step.run.are_float32[i] else _TOLERANCE


def _decay_seen_elsewhere(step: StepSlopes, points: Sequence[StepSlopes], candidate: LossCandidate, i: int) -> str:
    """A remark on weight decay that is too small to be seen where the array was; "" if it is none."""
    factor, slopes = candidate.factor or 0.0, points[0].numbers.get(candidate.number)
    columns = _columns(points[0], i)
    if factor <= 0 or step.sizes[i] <= 2 or slopes is None or not columns:
        return ""
    own = points[0].own[i][columns]
    for vector in _vectors(points[0], candidate.is_move, i):
        rest = (vector - factor * slopes.values[i])[columns]
        share = float(rest @ own / max(own @ own, 1e-300))
        remark = decay_of(share, factor)
        if 0 < share < max(1.0, factor) and _is_foretold([step, *points], candidate, i, factor, remark):
            return remark
    return ""


def _vectors(point: StepSlopes, is_move: bool, i: int) -> list[Floats]:
    return [point.descent[i]] if is_move else [vector for _, vector in point.read[i]]


def deviation(
    point: StepSlopes, number: Number, is_move: bool, i: int, factor: float, remark: str = ""
) -> float | None:
    """How far what an array does is from what was foretold, beside its size; None where nothing can be seen.

    Of the gradients that updates read the nearest one is meant.
    """
    slopes = point.numbers.get(number)
    columns = _columns(point, i)
    if slopes is None or not columns:
        return None
    decay = 0.0
    if isinstance(remark, Agreement):
        factor, decay = remark.factor or factor, remark.decay
    foretold = factor * slopes.values[i] + decay * point.own[i]
    errors = 2 * abs(factor) * slopes.errors[i][columns]
    if not np.isfinite(foretold[columns]).all() or not np.isfinite(errors).all():
        return None
    seen = np.array(_vectors(point, is_move, i)).reshape(-1, DIRECTIONS)
    sizes = np.maximum(np.abs(seen).max(axis=1), np.abs(foretold[columns]).max())
    off = (np.abs(seen - foretold)[:, columns] - errors).max(axis=1)
    is_visible = np.isfinite(sizes) & (sizes > errors.max())
    return float((off / sizes)[is_visible].min()) if is_visible.any() else None


def _columns(point: StepSlopes, i: int) -> list[int]:
    return [j for j in range(DIRECTIONS) if (i, j) in point.measured]


def is_collinear(points: Iterable[StepSlopes], number: Number, arrays: Iterable[int]) -> bool:
    """Whether at each point the moves of arrays are the slopes of a number, times a factor of this point."""
    arrays = list(arrays)
    for point in points:
        slopes = point.numbers.get(number)
        at = [(i, j) for i in arrays for j in _columns(point, i)]
        if slopes is None or not at:
            continue
        rows, columns = zip(*at, strict=True)
        moves, values, errors = (table[rows, columns] for table in (point.descent, slopes.values, slopes.errors))
        if not (np.isfinite(moves).all() and np.isfinite(values).all()):
            continue
        factor = float(moves @ values / max(values @ values, 1e-300))
        if (np.abs(moves - factor * values) > _COLLINEAR * np.abs(moves).max() + 2 * abs(factor) * errors).any():
            return False
    return True
