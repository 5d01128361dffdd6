"""Test without the network whether targets depend on inputs.

N rows · D inputs · C targets        x [N, D]   y [N, C]

A predictor that is linear in the targets, ŷ = S y with 0 on the diagonal of S, predicts each row from the others. S
does not depend on y: so the same S predicts shuffled targets, thousands of times a second.
"""

from typing import NamedTuple

import numpy as np

from deltarule.problem.problem import Floats

MAX_ROWS = 500
SHUFFLES = 399
NEIGHBORS = 8
"""Limits: rows (all distances are computed), shuffles (p-values down to 1 in 400), and neighbors (fewer fit noise, more
smooth local structure away)."""


class Dependence(NamedTuple):
    """R² of held-out rows for two simple models, and its p-value.

    `p` is the share of shuffles that do as well: twice the smaller one of the two predictors (Bonferroni).
    """

    neighbors: float
    linear: float
    p: float


def measure_dependence(x: Floats, y: Floats) -> Dependence | None:
    """Test whether targets y [N, C] depend on inputs x [N, D]."""
    chosen = np.linspace(0, len(x) - 1, min(len(x), MAX_ROWS)).astype(int)
    x = _standardize(x[chosen].astype(np.float64))
    y = y[chosen].astype(np.float64)
    # With fewer rows, or fewer outside the largest class, nothing can be decided.
    if len(x) < 40 or not x.size or len(x) - np.unique(y, axis=0, return_counts=True)[1].max() < 20:
        return None
    y = _standardize(y)
    shuffled = np.random.Generator(np.random.Philox(key=0)).permuted(np.tile(np.arange(len(y)), (SHUFFLES, 1)), axis=1)
    scores, chances = [], []
    for errors in (_neighbor_errors(x), _linear_errors(x)):
        score, others = _explained_variance(errors, y), _explained_variance(errors, y[shuffled])
        scores.append(float(score))
        chances.append((1 + int((others >= score).sum())) / (SHUFFLES + 1))
    return Dependence(scores[0], scores[1], min(1.0, 2 * min(chances)))


def _standardize(columns: Floats) -> Floats:
    spread = columns.std(0)
    varies = spread > 1e-12 * np.abs(columns).max(0)
    return np.asarray((columns - columns.mean(0))[:, varies] / spread[varies])


def _neighbor_errors(x: Floats) -> Floats:
    """The matrix [N, N] that maps targets to nearest-neighbor prediction errors."""
    squares = (x * x).sum(1)
    distance = squares[:, None] + squares - 2 * x @ x.T
    np.fill_diagonal(distance, np.inf)
    nearest = np.argpartition(distance, NEIGHBORS, axis=1)[:, :NEIGHBORS]
    errors = np.eye(len(x))
    np.put_along_axis(errors, nearest, -1 / NEIGHBORS, axis=1)
    return errors


def _linear_errors(x: Floats) -> Floats:
    # Ridge regression with a penalty of D; leaving a row out divides its error by 1 − its share in its own prediction.
    products = x @ x.T / x.shape[1]
    errors = np.linalg.inv(products + np.eye(len(x)))  # I − G (G + I)⁻¹
    return np.asarray(errors / np.diag(errors)[:, None])


def _explained_variance(errors: Floats, y: Floats) -> Floats:
    missed = errors @ y
    return np.asarray(1 - (missed * missed).sum((-2, -1)) / (y * y).sum((-2, -1)))
