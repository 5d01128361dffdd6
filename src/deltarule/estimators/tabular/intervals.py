"""Intervals of a regressor's predictions, as wide as the errors near each prediction.

N rows · Q quantiles
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats

MAX_ERRORS = 1000
"""Errors that a model keeps for its quantiles."""
MIN_GROUP_ROWS, MAX_GROUPS = 30, 12
"""Rows and groups, by prediction, from which the size of errors is learned: not pulled towards the overall size, which
left 0.85 of the targets inside 90 % intervals of the highest third where noise is proportional to the prediction."""


@dataclass(frozen=True)
class Intervals:
    """How far targets lie from predictions, for rows that were not trained on.

    errors       sorted, in units of the size that errors have near their prediction
    predictions  increasing, and at each the size of errors; between them it is interpolated, beyond them extrapolated
    floor        the least number that a limit may be: 0 if no target was negative, else −∞
    """

    errors: tuple[float, ...]
    predictions: tuple[float, ...]
    sizes: tuple[float, ...]
    floor: float = -np.inf

    def quantiles(self, predictions: Floats, shares: Sequence[float]) -> Floats:
        """The numbers [N, Q] below which these shares of new targets are to lie.

        The prediction plus a quantile of the errors, in units of their size there (split conformal prediction with
        normalized errors, Lei et al. 2018).
        """
        levels = np.asarray(shares, np.float64).ravel()
        errors = np.array(self.errors)
        if not ((levels > 0) & (levels < 1)).all():
            raise BadInput(f"quantiles are {shares!r}; give shares between 0 and 1, as in [0.05, 0.5, 0.95]")
        ranks = levels * (len(errors) + 1)
        ranks = np.where(levels < 0.5, np.floor(ranks), np.ceil(ranks)).astype(int)  # outwards: never too narrow
        limits: Floats = (
            predictions[:, None] + self._sizes_at(predictions)[:, None] * errors[ranks.clip(1, len(errors)) - 1]
        )
        return limits.clip(self.floor)

    def _sizes_at(self, predictions: Floats) -> Floats:
        """The sizes of errors at predictions, linear between and beyond the known ones."""
        known, sizes = np.array(self.predictions), np.array(self.sizes)
        at: Floats = np.interp(predictions, known, sizes)
        if len(known) > 1:
            below = np.minimum(predictions - known[0], 0)
            above = np.maximum(predictions - known[-1], 0)
            slopes = np.diff(sizes) / np.diff(known)
            at = at + below * slopes[0] + above * slopes[-1]
        return at.clip(sizes.min() / 2)


def fit_intervals(
    targets: Floats, predictions: Floats, weights: Floats | None = None, floor: float = -np.inf
) -> Intervals:
    """Learn the size of errors by prediction, and quantiles of errors in this unit."""
    weights = np.ones(len(targets)) if weights is None else weights
    errors = targets - predictions
    least_size = 1e-9 * float(np.abs(errors).max()) or 1.0
    order = np.argsort(predictions, kind="stable")
    groups = np.array_split(order, int(np.clip(len(order) // MIN_GROUP_ROWS, 1, MAX_GROUPS)))
    known: list[float] = []
    sizes: list[float] = []
    for rows in groups:
        place, size = (float(np.average(each[rows], weights=weights[rows])) for each in (predictions, np.abs(errors)))
        if not known or place > known[-1]:
            known.append(place)
            sizes.append(max(size, least_size))
    fitted = Intervals((), tuple(known), tuple(sizes), floor)
    scaled = errors / fitted._sizes_at(predictions)
    return Intervals(tuple(equally_weighted(scaled, weights).tolist()), fitted.predictions, fitted.sizes, floor)


def equally_weighted(values: Floats, weights: Floats) -> Floats:
    """Sorted values of equal weight in place of weighted values.

    There are as many as the weighted values are worth (Kish 1965), at most `MAX_ERRORS`.
    """
    count = min(MAX_ERRORS, round(weights.sum() ** 2 / np.square(weights).sum()))
    order = np.argsort(values, kind="stable")
    if count == len(values):
        return values[order]
    shares = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    quantiles: Floats = np.interp((np.arange(count) + 0.5) / count, shares, values[order])
    return quantiles
