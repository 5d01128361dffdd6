"""Named metrics, which are reported beside the objective and have no gradient.

a [K, N, C]  outputs      y [N, C] or [K, N, C]  targets      w [N, 1] or [K, N, 1]  weights      →   [K]
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput

Floats = NDArray[Any]


@dataclass(frozen=True)
class Metric:
    """A named metric `value(a, y, w)` → [K], to be minimized or maximized."""

    name: str
    value: Callable[[Floats, Floats, Floats], Floats]
    more_is_better: bool
    is_share: bool = False


def accuracy(a: Floats, y: Floats, w: Floats) -> Floats:
    """Weighted share [K] of samples classified correctly."""
    if a.shape[-1] == 1:
        right = (a > 0.5) == (y > 0.5)
    else:
        right = (a.argmax(-1) == y.argmax(-1))[..., None]
    return _mean(right & np.isfinite(a).all(-1, keepdims=True), w)


def thresholded(a: Floats, y: Floats, w: Floats) -> Floats:
    """Share [K] of samples with every output on the same side of 0.5 as its target."""
    right = ((a > 0.5) == (y > 0.5)) & np.isfinite(a)
    return _mean(np.asarray(right.all(-1, keepdims=True)), w)


def correct_output(a: Floats, y: Floats, w: Floats) -> Floats:
    """Share [K] of samples whose output for the true class is above 0.5."""
    return _mean(np.asarray(((a > 0.5) & (y > 0.5)).any(-1, keepdims=True)), w)


def mean_squared_error(a: Floats, y: Floats, w: Floats) -> Floats:
    """The mean over samples and outputs of (a − y)²."""
    return _mean(((a - y) ** 2).mean(-1, keepdims=True), w)


def half_mean_squared_error(a: Floats, y: Floats, w: Floats) -> Floats:
    """Half the mean of (a − y)²: the cost that the encoder report plots."""
    return mean_squared_error(a, y, w) / 2


def mean_absolute_error(a: Floats, y: Floats, w: Floats) -> Floats:
    """The mean over samples and outputs of |a − y|."""
    return _mean(np.abs(a - y).mean(-1, keepdims=True), w)


def largest_output(a: Floats, y: Floats, w: Floats) -> Floats:
    """The largest absolute output of each member, [K]."""
    return np.asarray(_ignore_zero_weights(np.abs(a), w).max((-2, -1)))


def r_squared(a: Floats, y: Floats, w: Floats) -> Floats:
    """R² of each member, [K], averaged over outputs.

    As in scikit-learn, an output with constant targets counts as 1 if every prediction is exact, else as 0. It is NaN
    for a single row.
    """
    if a.shape[-2] < 2:
        return np.full(a.shape[:-2], np.nan)
    y = _ignore_zero_weights(y, w)
    # Scaled by a power of two, so that no square overflows or underflows; this changes no digit.
    error = _ignore_zero_weights(a - y, w)
    _, exponent = np.frexp(np.abs(y).max(-2, keepdims=True))
    unit = np.ldexp(error.dtype.type(1), -np.maximum(exponent, np.finfo(error.dtype).minexp))
    error *= unit
    y, share = np.broadcast_arrays(unit * y, w / w.sum(-2, keepdims=True))
    missed, size = (share * error**2).sum(-2), (share * np.abs(y)).sum(-2)
    # Differences from one of the rows: their sum is exactly 0 if nothing varies, without rounding.
    y = y - np.take_along_axis(y, share.argmax(-2, keepdims=True), -2)
    spread = (share * (y - (share * y).sum(-2, keepdims=True)) ** 2).sum(-2)
    rounding = (4 * np.finfo(size.dtype).eps * size) ** 2
    varies = spread > rounding
    return np.where(varies, 1 - missed / np.where(varies, spread, 1), missed <= rounding).mean(-1)


METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", accuracy, True, is_share=True),
        Metric("thresholded", thresholded, True, is_share=True),
        Metric("correct_output", correct_output, True, is_share=True),
        Metric("error_rate", lambda a, y, w: 1 - accuracy(a, y, w), False, is_share=True),
        Metric("mean_squared_error", mean_squared_error, False),
        Metric("half_mean_squared_error", half_mean_squared_error, False),
        Metric("mean_absolute_error", mean_absolute_error, False),
        Metric("largest_output", largest_output, False),
        Metric("r_squared", r_squared, True),
    )
}
_BUILT_IN = frozenset(METRICS)


def custom() -> dict[tuple[str, str], Any]:
    """The metrics that a user has registered, by kind and name."""
    return {("metric", name): metric for name, metric in METRICS.items() if name not in _BUILT_IN}


def remove(name: str) -> None:
    if ("metric", name) not in custom():
        raise BadInput(f"{name!r} is no metric of your own; only those can be removed")
    del METRICS[name]


def find(name: str) -> Metric:
    """Find a metric by name; raise `BadInput` for an unknown one."""
    if name not in METRICS:
        raise BadInput(f"there is no metric '{name}'; there are: {', '.join(METRICS)}")
    return METRICS[name]


def _mean(values: Floats, w: Floats) -> Floats:
    total = (_ignore_zero_weights(values, w) * w).sum((-2, -1))
    return np.asarray(total / np.broadcast_to(w, values.shape).sum((-2, -1)))


def _ignore_zero_weights(values: Floats, w: Floats) -> Floats:
    return values if np.all(w) else np.where(w > 0, values, np.zeros_like(values))
