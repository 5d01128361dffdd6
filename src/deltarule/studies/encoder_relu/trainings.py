"""The trainings behind the claims of the ReLU encoder report.

K members · T evaluations in the history
"""

from typing import Any

import numpy as np

from deltarule.problem.problem import Floats
from deltarule.studies.experiments import Experiments
from deltarule.training.run import Run

CONVENTIONS = {
    "hidden 3, sum": (),
    "hidden 3, mean": ("mean",),
    "hidden 8, sum": ("hidden-8",),
    "hidden 8, mean": ("hidden-8-mean",),
    "all 8 at once": ("all-at-once",),
    "normal weights": ("normal-weights",),
    "positive weights": ("positive-weights",),
}
"""The recipe's experiments for each reading of what the report leaves open; all else is as in the first convention."""

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


HIDDEN_6, LONGER_STEPS = "hidden 6, sum", "hidden 3, steps of a mean times 512"
BRIEF = {
    "hidden 8, normal weights, 50 steps": (50, ("hidden-8", "normal-weights")),
    "positive weights, 500 steps": (500, ("positive-weights",)),
}
"""Control runs that look at a training near its start; 500 steps at 0.001 go as far as 50,000 steps at 0.00001."""

STEP_FACTOR = 512
"""Factor of the steps of a mean in `LONGER_STEPS`, which makes them 64 times those of a sum (8 outputs)."""


def train(experiments: Experiments, convention: str, rate: float = 0.001, biases: bool = True) -> Run:
    """Train under a convention at one of the report's rates.

    The first call trains all variants of all conventions for 50,000 steps, those that differ only in rate at once.
    """
    variants = VARIANTS if convention in CONVENTIONS else _control_variants(convention)
    runs = experiments.each([_variant_settings(experiments, variant) for variant in variants], **HISTORY_OPTIONS)
    return runs[variants.index((convention, rate, biases))]


def _control_variants(convention: str) -> tuple[Variant, ...]:
    if convention == HIDDEN_6:
        return ((convention, 0.001, True),)
    if convention == LONGER_STEPS:
        return tuple((convention, rate, True) for rate in RATES)
    return tuple((convention, 0.001, biases) for biases in (True, False))


def _variant_settings(experiments: Experiments, variant: Variant) -> dict[str, Any]:
    """The settings of a variant (convention, rate, biases), by dotted key."""
    convention, rate, biases = variant
    without = () if biases else ("without-biases",)
    if convention == HIDDEN_6:
        return {"network.layers": ["auto", 6, "auto"]}
    if convention == LONGER_STEPS:
        mean = experiments.settings_of(*CONVENTIONS["hidden 3, mean"], *RATES[rate])
        return {**mean, "optimizer.learning_rate": STEP_FACTOR * rate}
    if convention in BRIEF:
        steps, names = BRIEF[convention]
        brief = {"stopping.max_steps": steps, "run.history_every": max(steps // 100, 1)}
        return {**experiments.settings_of(*names), **brief, **experiments.settings_of(*without)}
    return experiments.settings_of(*CONVENTIONS[convention], *RATES[rate], *without)


def loss(run: Run) -> Floats:
    """The loss over all eight vectors at each evaluation, [T, K]."""
    J = run.history.objective
    return np.where(np.isfinite(J), J, np.inf)


def value_at(run: Run, series: Floats, step: int) -> Floats:
    """A series at a step, or at the last evaluation before it.   series [T, K]  →  [K]"""
    return np.asarray(series[np.searchsorted(run.history.steps, step, side="right") - 1])


def largest_rise(series: Floats) -> Floats:
    """The largest rise as a share of the curve's height.   series [T, K]  →  [K]

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


def medians(values: dict[str, Floats], format_spec: str) -> str:
    """Format the median of each convention's finite values [S].

    >>> medians({"sum": np.array([1.0, 3.0, np.inf]), "mean": np.array([np.nan])}, ".1f")
    '2.0 (sum), none (mean)'
    """
    finite = {name: value[np.isfinite(value)] for name, value in values.items()}
    texts = {
        name: format(float(np.median(value)), format_spec) if len(value) else "none" for name, value in finite.items()
    }
    return ", ".join(f"{text} ({name})" for name, text in texts.items())
