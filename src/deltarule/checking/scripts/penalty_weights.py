"""Find arrays whose update lacks the penalty of the script's loss, or adds it to a sum where the loss has a mean."""

from collections.abc import Iterable

import numpy as np

from deltarule.checking.scripts.candidates import Candidate, is_whole_ratio
from deltarule.checking.scripts.slopes import Slopes, StepSlopes

_MAX_UNEXPLAINED = 1e-2
"""What a multiple of the array may leave of the difference between moves and slopes."""
_MIN_VISIBLE = 100
"""How many times as large as the error of the slopes a difference has to be."""


def _share_of_array(step: StepSlopes, slopes: Slopes, array: int, factor: float) -> float | None:
    """The multiple of an array by which its moves differ from the slopes; 0 for no difference, None for another one."""
    own, rest = step.own[array], step.descent[array] - factor * slopes.values[array]
    share = float(rest @ own / max(own @ own, 1e-300))
    noise = 3 * factor * slopes.errors[array].max()
    if (np.abs(rest - share * own) > _MAX_UNEXPLAINED * np.abs(rest).max() + noise).any():
        return None
    return share if np.abs(rest).max() > _MIN_VISIBLE * noise else 0.0


def arrays_without_penalty(step: StepSlopes, best: Candidate, right: dict[int, str]) -> dict[int, str]:
    """Arrays of which the moves differ from the slopes a little, by a multiple of the array: the loss's penalty."""
    if best.factor is None or best.rate is None or best.is_made or not best.is_move:
        return {}
    key, which = best.number
    # The first value of a loss may be its data term, to which the script adds the penalty.
    slopes, lacking = step.numbers[key, which or 1], {}
    for i in (i for i, remark in right.items() if not remark and step.sizes[i] > 1):
        share = _share_of_array(step, slopes, i, best.factor)
        if share is not None and share < 0:
            where = f"(line {step.run.parameters[i].line})"
            lacking[i] = f"{where} lacks the penalty of the loss, {-share / best.factor:.3g} times the array"
    return lacking


def unbalanced_arrays(step: StepSlopes, own: Candidate, rate: float) -> dict[int, str]:
    """Remarks on all arrays where the data's part is a multiple of the script's own loss, and the penalty is not."""
    slopes = step.numbers[own.number]
    factor = max(_factors(step, slopes, own), default=0.0)
    shares = {i: _share_of_array(step, slopes, i, factor) for i in own.live}
    ratio, penalized = factor / rate, [share for share in shares.values() if share is not None and share < 0]
    if None in shares.values() or not penalized or ratio < 1.5 or not is_whole_ratio(ratio):
        return {}
    return {
        i: f"(line {step.run.parameters[i].line}) moves {ratio:.4g} times as far as the loss says"
        + (", but for its penalty" if share else "")
        for i, share in shares.items()
    }


def _factors(step: StepSlopes, slopes: Slopes, own: Candidate) -> Iterable[float]:
    """How many times the slopes the moves are: of arrays without a penalty, or else beside a multiple of the array."""
    if own.multiples:
        return own.multiples.values()
    tables = [np.stack([slopes.values[i], step.own[i]], axis=1) for i in own.live]
    pairs = zip(tables, own.live, strict=True)
    return [float(np.linalg.lstsq(table, step.descent[i], rcond=None)[0][0]) for table, i in pairs]
