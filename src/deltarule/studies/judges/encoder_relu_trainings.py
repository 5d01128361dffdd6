"""The trainings behind the claims of the ReLU encoder report.

K members · T evaluations in the history
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from deltarule.problem.problem import Floats
from deltarule.studies.experiments import Experiments
from deltarule.training.run import Run

CONVENTIONS: dict[str, tuple[str, ...]] = {
    "hidden 3, sum": (),
    "hidden 3, mean": ("mean",),
    "hidden 8, sum": ("hidden-8",),
    "hidden 8, mean": ("hidden-8-mean",),
    "all 8 at once": ("all-at-once",),
    "normal weights": ("normal-weights",),
    "positive weights": ("positive-weights",),
    "all 8 at once, normal weights": ("all-at-once", "normal-weights"),
    "all 8 at once, positive weights": ("all-at-once", "positive-weights"),
}
"""The recipe's experiments for each reading of what the report leaves open; all else is as in the first convention."""

SINGLE = tuple(CONVENTIONS)[:7]
"""The conventions that change one thing, or two of the mean's."""

COMPARED = ("hidden 3, sum", "hidden 3, mean", "hidden 8, sum")
"""The conventions that are trained with all four rates."""

WITHOUT_BIASES = ("hidden 3, sum", "hidden 8, sum", "positive weights")
"""The conventions that are trained without biases too."""

RATES = {0.01: ("rate-0.01",), 0.001: (), 0.0001: ("rate-0.0001",), 0.00001: ("rate-0.00001",)}
HISTORY_OPTIONS: dict[str, Any] = {"metrics": ("correct_output", "largest_output"), "gradients": True}

Variant = tuple[str, float, bool]
"""A convention, a learning rate, and whether there are biases."""

VARIANTS: tuple[Variant, ...] = (
    *((convention, rate, True) for convention in CONVENTIONS for rate in (0.01, 0.001)),
    *((convention, rate, True) for convention in COMPARED for rate in (0.0001, 0.00001)),
    *((convention, 0.001, False) for convention in WITHOUT_BIASES),
)


def train(
    experiments: Experiments,
    convention: str,
    rate: float = 0.001,
    biases: bool = True,
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> Run:
    """Train under a convention at one of the report's rates.

    The first call trains all variants of all conventions for 50,000 steps, those that differ only in rate at once.
    """
    if changes:
        chosen = {**_variant_settings(experiments, (convention, rate, biases)), **changes}
        return experiments.each([chosen], **HISTORY_OPTIONS)[0]
    runs = experiments.each([_variant_settings(experiments, variant) for variant in VARIANTS], **HISTORY_OPTIONS)
    return runs[VARIANTS.index((convention, rate, biases))]


def _variant_settings(experiments: Experiments, variant: Variant) -> dict[str, Any]:
    convention, rate, biases = variant
    without = () if biases else ("without-biases",)
    return experiments.settings_of(*CONVENTIONS[convention], *RATES[rate], *without)


def loss(run: Run) -> Floats:
    """The loss over all eight vectors at each evaluation, [T, K]."""
    J = run.history.objective
    return np.where(np.isfinite(J), J, np.inf)


def value_at(run: Run, series: Floats, step: int) -> Floats:
    """The values [K] of a series [T, K] at a step, or at the evaluation before it."""
    return np.asarray(series[np.searchsorted(run.history.steps, step, side="right") - 1])


def largest_rise(series: Floats) -> Floats:
    """The largest rise [K] of curves [T, K], as a share of their height.

    Infinite for a curve with values that are not finite; 0 for one that never rises.

    >>> largest_rise(np.array([[8.0, 8.0], [4.0, 9.0], [4.5, np.inf], [3.0, np.inf]]))
    array([0.1, inf])
    """
    with np.errstate(invalid="ignore"):
        rise = np.maximum(np.diff(series, axis=0).max(0), 0)
        share = np.where(rise > 0, rise / (series.max(0) - series.min(0)), 0.0)
    return np.where(np.isfinite(series).all(0), share, np.inf)


def rank_correlation(first: Floats, second: Floats) -> float:
    """Spearman's rank correlation of two series [T] where both are finite.

    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([3.0, 4.0, 5.0]))
    1.0
    """
    from scipy.stats import rankdata  # imported on use: the command line stays light

    both_finite = np.isfinite(first) & np.isfinite(second)
    a, b = (rankdata(series[both_finite]) - (both_finite.sum() + 1) / 2 for series in (first, second))
    length = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / length) if length else float("nan")
