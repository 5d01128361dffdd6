"""The least that a loss can come to: with one prediction for all rows, and with a prediction for each row.

N rows · C outputs · G predictions that are tried        y [N, C]   w [N, 1]   p [C]

A loss is elementwise: each output has a best prediction of its own, and the least of a row depends on its targets
alone.
"""

import numpy as np

from deltarule.maths.losses import LOSSES, Loss
from deltarule.problem.problem import Floats

_FARTHEST = 2.0**30
"""How far from the targets a best prediction is looked for, as a multiple of their size or of 1: it may be their
logarithm."""
_OUTWARD = np.linspace(0, 1, 16)[:, None]
_HALVINGS = 60
_AT_A_TIME = 10_000
_STILL_FALLING = 1e-6
"""Share of its whole fall by which a loss without a least still falls at the last prediction that is tried."""


def constant_loss(loss: Loss, y: Floats, w: Floats) -> float:
    """The weighted sum of the losses with the best prediction that is the same for every row.

    For a loss of predictions that sum to 1 this is the mean, exactly so for the cross-entropy. −∞ where a loss of one's
    own has no least, NaN where no row has a weight.

    >>> from deltarule.maths.losses import ABSOLUTE_ERROR
    >>> constant_loss(ABSOLUTE_ERROR, np.array([[0.0], [1.0], [10.0]]), np.array([[1.0], [1.0], [5.0]]))
    19.0
    """
    y, w = _with_a_weight(y, w)
    if not len(y):
        return np.nan
    if loss.domain == "simplex":
        return float(_totals(loss, _shares(loss, _mean(y, w)), y, w).sum())
    least = float(_leasts(loss, y, w).sum())
    return max(least, 0.0) if loss.name in LOSSES else least  # none of ours is below 0, but by rounding


def least_loss(loss: Loss, y: Floats, w: Floats) -> float:
    """The weighted sum of the losses with the best prediction for each row; −∞ where a loss of one's own has no least.

    It is 0 for a loss of ours, also where targets between 0 and 1 leave a cross-entropy above that. For a loss of
    predictions that sum to 1 nothing is searched: the targets themselves are taken, which are best for a proper loss
    alone. NaN where no row has a weight.

    >>> from deltarule.maths.losses import SQUARED_ERROR
    >>> shifted = Loss("shifted", lambda p, y: (p - y) ** 2 - 7.5, lambda p, y: 2 * (p - y))
    >>> y, w = np.array([[1.0], [2.0]]), np.ones((2, 1))
    >>> least_loss(SQUARED_ERROR, y, w), least_loss(shifted, y, w)
    (0.0, -15.0)
    """
    if loss.name in LOSSES:
        return 0.0
    y, w = _with_a_weight(y, w)
    if not len(y):
        return np.nan
    if loss.domain == "simplex":
        return float(_totals(loss, _shares(loss, y), y, w).sum())
    targets, places = np.unique(y, return_inverse=True)
    parts = np.split(targets, range(_AT_A_TIME, len(targets), _AT_A_TIME))
    least = np.concatenate([_leasts(loss, part[None], np.ones((1, 1))) for part in parts])
    return float((w * least[places].reshape(y.shape)).sum())


def _with_a_weight(y: Floats, w: Floats) -> tuple[Floats, Floats]:
    """The rows that count: 0 times the loss of another one may be 0 · ∞."""
    rows = w[:, 0] != 0
    return y[rows].astype(np.float64), w[rows].astype(np.float64)


def _mean(y: Floats, w: Floats) -> Floats:
    return np.asarray((w * y).sum(0) / w.sum())


def _shares(loss: Loss, y: Floats) -> Floats:
    """Targets as predictions that sum to 1; not quite 0 or 1 for a loss of one's own, whose formula may say 0 log 0."""
    shares = y / y.sum(-1, keepdims=True)
    return np.asarray(shares if loss.name in LOSSES else np.clip(shares, 1e-100, 1 - 2.0**-53))


def _totals(loss: Loss, p: Floats, y: Floats, w: Floats) -> Floats:
    """The weighted sum of each output's losses [C]."""
    return np.asarray((w * loss.value(np.broadcast_to(p, y.shape), y, **loss.parameters)).sum(0))


def _slopes(loss: Loss, p: Floats, y: Floats, w: Floats) -> Floats:
    return np.asarray((w * loss.derivative(np.broadcast_to(p, y.shape), y, **loss.parameters)).sum(0))


def _leasts(loss: Loss, y: Floats, w: Floats) -> Floats:
    """The least weighted sum of each output's losses [C]: at the mean, at the best of many predictions, or beside that
    one where the slope turns. −∞ where it still falls at the farthest one."""
    below, above = _outside(loss.domain, y)
    among = np.clip(np.quantile(y, np.linspace(0, 1, 33), axis=0), below[-1], above[-1])
    points = np.sort(np.concatenate([below, among, above]), axis=0)
    at = np.array([_totals(loss, p, y, w) for p in points])
    at = np.where(np.isfinite(at), at, np.inf)
    first, last = at.argmin(0), len(at) - 1 - at[::-1].argmin(0)
    low = np.take_along_axis(points, np.maximum(first - 1, 0)[None], 0)[0]
    high = np.take_along_axis(points, np.minimum(last + 1, len(at) - 1)[None], 0)[0]
    for _ in range(_HALVINGS):
        p = low + (high - low) / 2
        slope = _slopes(loss, p, y, w)
        rises = np.where(np.isnan(slope), p > 0, slope > 0)  # what overflows does so far from 0
        low, high = np.where(rises, low, p), np.where(rises, p, high)
    least = np.fmin.reduce([at.min(0), *(_totals(loss, p, y, w) for p in (_mean(y, w), low, high))])
    endless = [_falls_on([_totals(loss, p, y, w) for p in side[[0, -2, -1]]], at) for side in (below, above)]
    return np.where(np.any(endless, 0), -np.inf, least)


def _falls_on(outward: list[Floats], at: Floats) -> Floats:
    """Whether a loss is least at the last of three predictions and still falls there, as against its fall from the
    first."""
    first, before, last = outward
    return np.asarray((last <= at.min(0)) & (before - last > _STILL_FALLING * np.abs(first - last)))


def _outside(domain: str, y: Floats) -> tuple[Floats, Floats]:
    """Predictions to try for each output [16, C], from the targets to far below them, and to far above."""
    size = np.maximum(np.abs(y).max(0), np.ptp(y, axis=0))
    size = np.where(size > 0, size, 1)
    far = size * (_FARTHEST * np.maximum(1, 1 / size)) ** _OUTWARD
    if domain == "positive":
        return size * (size / far), far
    if domain == "unit":
        shares = np.broadcast_to(0.5 * _FARTHEST**-_OUTWARD, far.shape)
        return shares, 1 - shares
    return y.min(0) - far, y.max(0) + far
