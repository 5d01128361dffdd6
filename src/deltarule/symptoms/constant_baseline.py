"""The smallest losses of constant and of arbitrary predictions.

N rows · C outputs        y [N, C]   w [N, 1]   p [C]

Losses are elementwise: each output has its own best prediction, and the smallest loss of a row depends only on its
targets.
"""

import numpy as np

from deltarule.maths.losses import Loss
from deltarule.problem.problem import Floats
from deltarule.problem.registry import is_built_in

_FARTHEST = 2.0**30
"""Largest distance of a candidate from the targets, as a multiple of their size or of 1: the best prediction may be
their logarithm."""
_OUTWARD = np.linspace(0, 1, 16)[:, None]
_TARGETS_PER_CHUNK = 10_000
"""Targets whose candidates are tried at once: a few megabytes."""


def constant_loss(loss: Loss, y: Floats, w: Floats) -> float:
    """The weighted loss of the best constant prediction for targets y.

    For a loss of predictions that sum to 1 this is the mean, exactly so for the cross-entropy.

    >>> from deltarule.maths.losses import ABSOLUTE_ERROR
    >>> constant_loss(ABSOLUTE_ERROR, np.array([[0.0], [1.0], [10.0]]), np.array([[1.0], [1.0], [5.0]]))
    19.0
    """
    y, w = _weighted_rows(y, w)
    if not len(y):
        return np.nan
    if loss.domain == "simplex":
        return float(_totals(loss, _shares(loss, _mean(y, w)), y, w).sum())
    smallest = float(_smallest_losses(loss, y, w).sum())
    return max(smallest, 0.0) if is_built_in(loss) else smallest  # built-in losses are below 0 only by rounding


def least_loss(loss: Loss, y: Floats, w: Floats) -> float:
    """The smallest weighted loss of any predictions for targets y.

    For a custom loss of predictions that sum to 1 the targets are used, which are best only for a proper loss.

    >>> from deltarule.maths.losses import SQUARED_ERROR
    >>> shifted = Loss("shifted", lambda p, y: (p - y) ** 2 - 7.5, lambda p, y: 2 * (p - y))
    >>> y, w = np.array([[1.0], [2.0]]), np.ones((2, 1))
    >>> least_loss(SQUARED_ERROR, y, w), least_loss(shifted, y, w)
    (0.0, -15.0)
    """
    if is_built_in(loss):
        return 0.0
    y, w = _weighted_rows(y, w)
    if not len(y):
        return np.nan
    if loss.domain == "simplex":
        return float(_totals(loss, _shares(loss, y), y, w).sum())
    targets, indices = np.unique(y, return_inverse=True)
    chunks = np.split(targets, range(_TARGETS_PER_CHUNK, len(targets), _TARGETS_PER_CHUNK))
    smallest = np.concatenate([_smallest_losses(loss, chunk[None], np.ones((1, 1))) for chunk in chunks])
    return float((w * smallest[indices].reshape(y.shape)).sum())


def _weighted_rows(y: Floats, w: Floats) -> tuple[Floats, Floats]:
    rows = w[:, 0] != 0
    return y[rows].astype(np.float64), w[rows].astype(np.float64)


def _mean(y: Floats, w: Floats) -> Floats:
    return np.asarray((w * y).sum(0) / w.sum())


def _shares(loss: Loss, y: Floats) -> Floats:
    shares = y / y.sum(-1, keepdims=True)
    return np.asarray(shares if is_built_in(loss) else np.clip(shares, 1e-100, 1 - 2.0**-53))


def _totals(loss: Loss, p: Floats, y: Floats, w: Floats) -> Floats:
    return np.asarray((w * loss.value(np.broadcast_to(p, y.shape), y, **loss.parameters)).sum(0))


def _smallest_losses(loss: Loss, y: Floats, w: Floats) -> Floats:
    """The smallest weighted loss of a constant prediction, for each output [C]."""
    below, above = _outward_predictions(loss.domain, y)
    among = np.clip(np.quantile(y, np.linspace(0, 1, 33), axis=0), below[-1], above[-1])
    points = np.sort(np.concatenate([below, among, above]), axis=0)
    losses = np.array([_totals(loss, p, y, w) for p in points])
    losses = np.where(np.isfinite(losses), losses, np.inf)
    first, last = losses.argmin(0), len(losses) - 1 - losses[::-1].argmin(0)
    low = np.take_along_axis(points, np.maximum(first - 1, 0)[None], 0)[0]
    high = np.take_along_axis(points, np.minimum(last + 1, len(losses) - 1)[None], 0)[0]
    for _ in range(60):
        p = low + (high - low) / 2
        slope = (w * loss.derivative(np.broadcast_to(p, y.shape), y, **loss.parameters)).sum(0)
        rises = np.where(np.isnan(slope), p > 0, slope > 0)  # overflow happens far from 0
        low, high = np.where(rises, low, p), np.where(rises, p, high)
    return np.asarray(np.fmin.reduce([losses.min(0), *(_totals(loss, p, y, w) for p in (_mean(y, w), low, high))]))


def _outward_predictions(domain: str, y: Floats) -> tuple[Floats, Floats]:
    """Candidate predictions from the targets outwards in both directions."""
    size = np.maximum(np.abs(y).max(0), np.ptp(y, axis=0))
    size = np.where(size > 0, size, 1)
    far = size * (_FARTHEST * np.maximum(1, 1 / size)) ** _OUTWARD
    if domain == "positive":
        return size * (size / far), far
    if domain == "unit":
        shares = np.broadcast_to(0.5 * _FARTHEST**-_OUTWARD, far.shape)
        return shares, 1 - shares
    return y.min(0) - far, y.max(0) + far
