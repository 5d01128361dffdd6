"""The least that a loss can come to: with one prediction for all rows, and with a prediction for each row.

N rows · C outputs · G predictions that are tried        y [N, C]   w [N, 1]   p [C]

A loss is elementwise: each output has a best prediction of its own, and the least of a row depends on its targets
alone.
"""

import numpy as np

from deltarule.maths.losses import LOSSES, Loss
from deltarule.problem.problem import Floats

_LEAST_AT_THE_MEAN = ("squared_error", "half_squared_error", "poisson", "binary_cross_entropy")
_LEAST_AT_A_QUANTILE = ("absolute_error", "quantile")
_FARTHEST = 2.0**30
"""How far from the targets a best prediction is looked for, as a multiple of their size or of 1: it may be their
logarithm."""
_STEPS = np.linspace(0, 1, 16)[:, None]
_HALVINGS = 60
_AT_A_TIME = 10_000
_STILL_FALLING = 1e-6
"""Share of its whole fall by which a loss without a least still falls at the last prediction that is tried."""


def constant_loss(loss: Loss, y: Floats, w: Floats) -> float:
    """The weighted sum of the losses with the best prediction that is the same for every row.

    For a loss of predictions that sum to 1 this is the mean, exactly so for the cross-entropy.

    >>> from deltarule.maths.losses import ABSOLUTE_ERROR
    >>> constant_loss(ABSOLUTE_ERROR, np.array([[0.0], [1.0], [10.0]]), np.array([[1.0], [1.0], [5.0]]))
    19.0
    """
    y, w = y.astype(np.float64), w.astype(np.float64)
    mean = (w * y).sum(0) / w.sum()
    if loss.domain == "simplex":
        return float(_totals(loss, mean / mean.sum(), y, w).sum())
    if loss.name in _LEAST_AT_THE_MEAN:
        return float(_totals(loss, mean, y, w).sum())
    if loss.name in _LEAST_AT_A_QUANTILE:
        return float(_totals(loss, _quantile(y, w, loss.parameters.get("quantile", 0.5)), y, w).sum())
    return float(np.fmin(_totals(loss, mean, y, w), _searched(loss, y, w)).sum())


def least_loss(loss: Loss, y: Floats, w: Floats) -> float:
    """The weighted sum of the losses with the best prediction for each row; −∞ where a loss of one's own has no least.

    It is 0 for a loss of ours, also where targets between 0 and 1 leave a cross-entropy above that.

    >>> from deltarule.maths.losses import SQUARED_ERROR
    >>> shifted = Loss("shifted", lambda p, y: (p - y) ** 2 - 7.5, lambda p, y: 2 * (p - y))
    >>> y, w = np.array([[1.0], [2.0]]), np.ones((2, 1))
    >>> least_loss(SQUARED_ERROR, y, w), least_loss(shifted, y, w)
    (0.0, -15.0)
    """
    if loss.name in LOSSES:
        return 0.0
    y, w = y.astype(np.float64), w.astype(np.float64)
    if loss.domain == "simplex":
        own = float((w * loss.value(y / y.sum(1, keepdims=True), y, **loss.parameters)).sum())
        return own if np.isfinite(own) else 0.0  # 0 log 0, as a formula that does not care for it gives it
    targets, places = np.unique(y, return_inverse=True)
    parts = np.split(targets, range(_AT_A_TIME, len(targets), _AT_A_TIME))
    least = np.concatenate([_searched(loss, part[None], np.ones((1, 1))) for part in parts])
    return float((w * least[places].reshape(y.shape)).sum())


def _totals(loss: Loss, p: Floats, y: Floats, w: Floats) -> Floats:
    """The weighted sum of each output's losses [C]."""
    return np.asarray((w * loss.value(np.broadcast_to(p, y.shape), y, **loss.parameters)).sum(0))


def _slopes(loss: Loss, p: Floats, y: Floats, w: Floats) -> Floats:
    return np.asarray((w * loss.derivative(np.broadcast_to(p, y.shape), y, **loss.parameters)).sum(0))


def _quantile(y: Floats, w: Floats, share: float) -> Floats:
    """The target of each output [C] up to which rows have this share of the weight."""
    order = y.argsort(0)
    below = np.cumsum(w[order, 0], axis=0)
    place = (below >= share * below[-1]).argmax(0)
    return np.asarray(np.take_along_axis(y, np.take_along_axis(order, place[None], 0), 0)[0])


def _searched(loss: Loss, y: Floats, w: Floats) -> Floats:
    """The least weighted sum of each output's losses [C]: the best of many predictions, and beside it where the slope
    turns. −∞ where it still falls at the farthest one."""
    points = _points(loss.domain, y)
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
    found = np.fmin(at.min(0), np.fmin(_totals(loss, low, y, w), _totals(loss, high, y, w)))
    return np.where(_falls_on(at) | _falls_on(at[::-1]), -np.inf, found)


def _falls_on(at: Floats) -> Floats:
    """Whether losses [G, C] still fall at the first prediction, as against the whole fall to it from the middle one."""
    return np.asarray((at.argmin(0) == 0) & (at[1] - at[0] > _STILL_FALLING * np.abs(at[len(at) // 2] - at[0])))


def _points(domain: str, y: Floats) -> Floats:
    """Predictions to try for each output, rising [G, C]: among the targets, and far outside of them."""
    among = np.quantile(y, np.linspace(0, 1, 33), axis=0)
    size = np.maximum(np.abs(y).max(0), np.ptp(y, axis=0))
    size = np.where(size > 1e-100, size, 1)
    far = size * (_FARTHEST * np.maximum(1, 1 / size)) ** _STEPS
    if domain == "positive":
        outside = [size * size / far, far]
        among = np.maximum(among, outside[0][-1])
    elif domain == "unit":
        shares = np.broadcast_to(0.5 * _FARTHEST**-_STEPS, far.shape)
        outside = [shares, 1 - shares]
        among = np.clip(among, shares[-1], 1 - shares[-1])
    else:
        outside = [among[0] - far, among[-1] + far]
    return np.sort(np.concatenate([among, *outside]), axis=0)
