"""The trainings behind the claims of the ReLU encoder report, and measures of them.

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


def train(experiments: Experiments, convention: str, rate: float = 0.001, biases: bool = True) -> Run:
    """Train a variant for 50,000 steps; the first call trains all variants, those that differ only in rate at once."""
    runs = experiments.each([_variant_settings(experiments, variant) for variant in VARIANTS], **HISTORY_OPTIONS)
    return runs[VARIANTS.index((convention, rate, biases))]


def _variant_settings(experiments: Experiments, variant: Variant) -> dict[str, Any]:
    """The settings of a variant (convention, rate, biases), by dotted key."""
    convention, rate, biases = variant
    return _combine_settings(
        experiments, *CONVENTIONS[convention], *RATES[rate], *(() if biases else ("without-biases",))
    )


def _combine_settings(experiments: Experiments, *names: str) -> dict[str, Any]:
    """Combine the settings of several of the recipe's experiments; a later one overrides an earlier one."""
    return {key: value for name in names for key, value in experiments.settings_of(name).items()}


STEP_FACTOR = 512
"""Factor of the steps of a mean in the control runs, which makes them 64 times those of a sum (8 outputs)."""


def runs_with_longer_steps(experiments: Experiments) -> dict[float, Run]:
    """Train the convention "hidden 3, mean" at the report's rates times `STEP_FACTOR`; runs by the report's rate."""
    longer = [
        {
            **_variant_settings(experiments, ("hidden 3, mean", rate, True)),
            "optimizer.learning_rate": STEP_FACTOR * rate,
        }
        for rate in RATES
    ]
    return dict(zip(RATES, experiments.each(longer, **HISTORY_OPTIONS), strict=True))


def train_briefly(experiments: Experiments, steps: int, *names: str) -> tuple[Run, Run]:
    """Train for `steps` steps with the settings of the named experiments: the runs with and without biases."""
    settings = {
        **_combine_settings(experiments, *names),
        "stopping.max_steps": steps,
        "run.history_every": max(steps // 100, 1),
    }
    run, bare = experiments.each(
        [settings, {**settings, **_combine_settings(experiments, "without-biases")}], **HISTORY_OPTIONS
    )
    return run, bare


def loss(run: Run) -> Floats:
    """The loss over all eight vectors at each evaluation, [T, K]; infinite once a member has diverged."""
    J = run.history.objective
    return np.where(np.isfinite(J), J, np.inf)


def value_at(run: Run, series: Floats, step: int) -> Floats:
    """A series at a step, or at the last evaluation before it.   series [T, K]  →  [K]"""
    return np.asarray(series[np.searchsorted(run.history.steps, step, side="right") - 1])


def largest_rise(series: Floats) -> Floats:
    """The largest rise from one evaluation to the next, as a share of the curve's height.   series [T, K]  →  [K]

    Infinite for a curve with values that are not finite; 0 for one that never rises.

    >>> largest_rise(np.array([[8.0, 8.0], [4.0, 9.0], [4.5, np.inf], [3.0, np.inf]]))
    array([0.1, inf])
    """
    with np.errstate(invalid="ignore"):
        rise = np.maximum(np.diff(series, axis=0).max(0), 0)
        share = np.where(rise > 0, rise / (series.max(0) - series.min(0)), 0.0)
    return np.where(np.isfinite(series).all(0), share, np.inf)


def rank_correlation(first: Floats, second: Floats) -> float:
    """Spearman's rank correlation of two series [T] where both are finite; NaN if one of them is constant.

    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([3.0, 4.0, 5.0]))
    1.0
    """
    from scipy.stats import rankdata  # imported on use: the command line stays light

    both_finite = np.isfinite(first) & np.isfinite(second)
    a, b = (rankdata(series[both_finite]) - (both_finite.sum() + 1) / 2 for series in (first, second))
    length = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / length) if length else float("nan")


def describe_medians(values: dict[str, Floats], format_spec: str) -> str:
    """Format the median of each convention's finite values [S] by `format_spec`, such as "2.0 (sum), none (mean)".

    >>> describe_medians({"sum": np.array([1.0, 3.0, np.inf]), "mean": np.array([np.nan])}, ".1f")
    '2.0 (sum), none (mean)'
    """
    finite = {name: value[np.isfinite(value)] for name, value in values.items()}
    texts = {
        name: format(float(np.median(value)), format_spec) if len(value) else "none" for name, value in finite.items()
    }
    return ", ".join(f"{text} ({name})" for name, text in texts.items())
