"""Moves that differ from the slopes of a loss by a multiple of the array: its penalty is missing, or misweighted."""

from collections.abc import Iterable, Sequence

import numpy as np

from deltarule.checking.scripts.candidates import LossCandidate, is_whole_ratio
from deltarule.checking.scripts.slopes import NumberSlopes, StepSlopes
from deltarule.checking.scripts.step_run import DIRECTIONS

_MAX_UNEXPLAINED = 1e-2
"""What a multiple of the array may leave of the difference between moves and slopes."""
_MIN_VISIBLE = 100
"""How many times as large as the error of the slopes a difference has to be."""


def _share_of_array(
    step: StepSlopes, slopes: NumberSlopes, array: int, factor: float, directions: Sequence[int] = range(DIRECTIONS)
) -> float | None:
    """The multiple of an array by which its moves differ from the slopes; 0 for no difference, None for another one."""
    columns = list(directions)
    own = step.own[array][columns]
    rest = (step.descent[array] - factor * slopes.values[array])[columns]
    share = float(rest @ own / max(own @ own, 1e-300))
    noise = 3 * factor * slopes.errors[array][columns].max(initial=0.0)
    if (np.abs(rest - share * own) > _MAX_UNEXPLAINED * np.abs(rest).max(initial=0.0) + noise).any():
        return None
    return share if np.abs(rest).max(initial=0.0) > _MIN_VISIBLE * noise else 0.0


def arrays_without_penalty(step: StepSlopes, best: LossCandidate, right: dict[int, str]) -> dict[int, str]:
    """Arrays of which the moves differ from the slopes a little, by a multiple of the array: the loss's penalty."""
    if best.factor is None or best.rate is None or best.is_made or not best.is_move:
        return {}
    key, which = best.number
    # The first value of a loss may be its data term, to which the script adds the penalty.
    slopes = step.numbers[key, which or 1]
    lacking = {}
    for i in (i for i, remark in right.items() if not remark and step.sizes[i] > 1):
        share = _share_of_array(step, slopes, i, best.factor)
        if share is not None and share < 0 and _is_same_share(step, best, i, share):
            where = f"(line {step.run.parameters[i].line})"
            lacking[i] = f"{where} lacks the penalty of the loss, {-share / best.factor:.3g} times the array"
    return lacking


def _is_same_share(step: StepSlopes, best: LossCandidate, i: int, share: float) -> bool:
    """Whether the moves differ from the slopes by this multiple of an array at other points too."""
    assert best.factor is not None
    there = [
        _share_of_array(point, slopes, i, best.factor, [j for j in range(DIRECTIONS) if (i, j) in point.measured])
        for point in step.points
        if (slopes := point.numbers.get(best.number)) is not None
    ]
    return all(other is not None and abs(other - share) <= 0.1 * abs(share) for other in there)


def unbalanced_arrays(step: StepSlopes, own: LossCandidate, rate: float) -> dict[int, str]:
    """Remarks on all arrays where the data's part is a multiple of the script's own loss, and the penalty is not."""
    slopes = step.numbers[own.number]
    factor = max(_factors(step, slopes, own), default=0.0)
    shares = {i: _share_of_array(step, slopes, i, factor) for i in own.live}
    ratio = factor / rate
    penalized = [share for share in shares.values() if share is not None and share < 0]
    if None in shares.values() or not penalized or ratio < 1.5 or not is_whole_ratio(ratio):
        return {}
    return {
        i: f"(line {step.run.parameters[i].line}) moves {ratio:.4g} times as far as the loss says"
        + (", but for its penalty" if share else "")
        for i, share in shares.items()
    }


def _factors(step: StepSlopes, slopes: NumberSlopes, own: LossCandidate) -> Iterable[float]:
    """How many times the slopes the moves are: of arrays without a penalty, or else beside a multiple of the array."""
    if own.multiples:
        return own.multiples.values()
    tables = [np.stack([slopes.values[i], step.own[i]], axis=1) for i in own.live]
    pairs = zip(tables, own.live, strict=True)
    return [float(np.linalg.lstsq(table, step.descent[i], rcond=None)[0][0]) for table, i in pairs]
