"""The judges of the ReLU encoder report's claims.

The report leaves open the hidden size, whether the loss is a sum or a mean, how many vectors are in a step, and the
initial weights; batches and weights are varied around 3 hidden units and a sum. What a convention's name does not say
is one vector at a time, and Glorot weights.

K members · T evaluations in the history
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.engines.reference import ReferenceEngine
from deltarule.maths.network import views
from deltarule.problem.problem import Floats
from deltarule.studies.claims import Evidence
from deltarule.studies.experiments import Experiments
from deltarule.studies.judges.encoder import correlations
from deltarule.training.moment import Moment
from deltarule.training.run import Run

CONVENTIONS: dict[str, tuple[str, ...]] = {
    "hidden 3, sum": (),
    "hidden 3, mean": ("mean",),
    "hidden 8, sum": ("hidden-8",),
    "hidden 8, mean": ("hidden-8-mean",),
    "all 8 at once": ("all-at-once",),
    "normal weights": ("normal-weights",),
    "positive weights": ("positive-weights",),
    "normal weights, mean": ("mean", "normal-weights"),
    "hidden 8, normal weights, mean": ("hidden-8-mean", "normal-weights"),
    "normal weights and biases, mean": ("mean", "normal-weights-and-biases"),
    "all 8 at once, normal weights": ("all-at-once", "normal-weights"),
    "all 8 at once, positive weights": ("all-at-once", "positive-weights"),
}
"""The recipe's experiments for each reading of what the report leaves open; all else is as in the first convention."""

RATES = {0.01: ("rate-0.01",), 0.001: (), 0.0001: ("rate-0.0001",), 0.00001: ("rate-0.00001",)}
HISTORY_OPTIONS: dict[str, Any] = {"record": ("correct_output", "largest_output", "gradients")}

# --- the trainings ---------------------------------------------------------------------------------------------------


def train(
    experiments: Experiments,
    convention: str,
    rate: float = 0.001,
    biases: bool = True,
    changes: Mapping[str, Any] | None = None,
) -> Run:
    """Train under a convention at one of the report's rates for 50,000 steps."""
    chosen = {**variant_settings(experiments, convention, rate, biases), **(changes or {})}
    return experiments.each([chosen], **HISTORY_OPTIONS)[0]


def variant_settings(experiments: Experiments, convention: str, rate: float, biases: bool = True) -> dict[str, Any]:
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
    """
    with np.errstate(invalid="ignore"):
        rise = np.maximum(np.diff(series, axis=0).max(0), 0)
        share = np.where(rise > 0, rise / (series.max(0) - series.min(0)), 0.0)
    return np.where(np.isfinite(series).all(0), share, np.inf)


def gradient_lengths(run: Run, vector: int) -> dict[str, Floats]:
    """The length [K] of the gradient of each array at the end, for one of the eight vectors alone."""
    alone = replace(run.problem, rows=(np.array([vector]),) * run.problem.members)
    return Moment(alone, ReferenceEngine(), run.state).gradient_norms


def rank_correlations(first: Floats, second: Floats) -> Floats:
    """Spearman's rank correlations [K] of the rows of two arrays [K, n].

    They are NaN where values are not finite.
    """
    from scipy.stats import rankdata  # imported on use: the command line stays light

    a, b = (rankdata(np.where(np.isfinite(values), values, np.nan), axis=-1) for values in (first, second))
    return correlations(a, b)


# --- the judges ------------------------------------------------------------------------------------------------------


def encoder_relu_1(experiments: Experiments, convention: str, changes: Mapping[str, Any] | None = None) -> Evidence:
    """Judge whether 2 or 3 of 8 outputs exceed 0.5 at 5,000 steps, and the loss is lower later."""
    run = train(experiments, convention, changes=changes)
    risen = 8 * run.history.series("correct_output")
    at_1000, at_5000, at_50000 = (value_at(run, risen, step) for step in (1_000, 5_000, 50_000))
    early, late, end = (value_at(run, loss(run), step) for step in (5_000, 20_000, 50_000))
    return Evidence(
        {
            "few at first": (at_1000 <= 3) & (at_5000 >= 2) & (at_5000 <= 3),
            "better later": (late < early) & (end < early),
        },
        {"risen after 5,000": at_5000, "after 50,000": at_50000, "loss after 5,000": early, "of 50,000": end},
    )


def encoder_relu_2(
    experiments: Experiments,
    convention: str,
    rate: float,
    changes: Mapping[str, Any] | None = None,
    each_step: bool = False,
) -> Evidence:
    """Judge whether the loss curve somewhere rises by over 1 % of its height.

    each_step : the loss is what each step returns, of its own vector, and not that over all eight.
    """
    if each_step:
        settings = {**variant_settings(experiments, convention, rate), **(changes or {})}
        rise = largest_rise(experiments.advance_all(settings, 50_000)[-1])
    else:
        rise = largest_rise(loss(train(experiments, convention, rate, changes=changes)))
    return Evidence(np.isfinite(rise) & (rise > 0.01), {"largest rise, as a share of the height": rise})


def encoder_relu_3(experiments: Experiments, convention: str, rate: float, factor: float = 1) -> Evidence:
    """Judge whether rate 0.00001 ends lower than an earlier rate."""
    slow, usual = (_loss_at_rate(experiments, convention, tried, factor) for tried in (0.00001, rate))
    with np.errstate(invalid="ignore"):
        ratio = np.nan_to_num(slow[-1] / usual[-1], nan=1.0, posinf=np.inf)
    return Evidence(
        slow[-1] < usual[-1],
        {
            "final loss, as a share of the other": ratio,
            "largest rise, as a share of the height": largest_rise(slow),
            "of the other": largest_rise(usual),
        },
    )


def _loss_at_rate(experiments: Experiments, convention: str, rate: float, factor: float) -> Any:
    changes = None if factor == 1 else {"optimizer.learning_rate": factor * rate}
    return loss(train(experiments, convention, rate, changes=changes))


def encoder_relu_4(experiments: Experiments, convention: str) -> Evidence:
    """Judge whether rate 0.000001 is still above 0.00001 after six times the steps."""
    run = experiments.run(experiment="rate-0.000001", **HISTORY_OPTIONS)
    J = loss(run)
    usual = loss(train(experiments, convention, 0.00001))[-1]
    at_50000, at_300000 = value_at(run, J, 50_000), value_at(run, J, 300_000)
    return Evidence(
        {"after 50,000": at_50000 > usual, "after 300,000": at_300000 > usual},
        {"loss at first": J[0], "after 300,000": at_300000, "at 0.00001 after 50,000": usual},
    )


def encoder_relu_5(experiments: Experiments, convention: str, factor: float = 1) -> Evidence:
    """Judge whether rate 0.0001 ends lower than all other rates."""
    ends = {rate: _loss_at_rate(experiments, convention, rate, factor)[-1] for rate in RATES}
    if convention == "hidden 3, sum":
        ends[0.000001] = loss(experiments.run(experiment="rate-0.000001", **HISTORY_OPTIONS))[-1]
    others = [J for rate, J in ends.items() if rate != 0.0001]
    figures = {f"final loss at {rate:g}": J for rate, J in ends.items()}
    return Evidence(ends[0.0001] < np.min(others, axis=0), figures)


def encoder_relu_6(
    experiments: Experiments, convention: str, rate: float = 0.001, changes: Mapping[str, Any] | None = None
) -> Evidence:
    """Judge whether the largest output without biases exceeds 2 and that with biases."""
    x = experiments.dataset.train.x
    bare, usual = (
        np.abs(train(experiments, convention, rate, biases, changes).outputs(x)).max((-2, -1))
        for biases in (False, True)
    )
    return Evidence(
        {"above 2": bare > 2, "above that with biases": bare > usual},
        {"largest output without biases": bare, "with biases": usual},
    )


def encoder_relu_7(experiments: Experiments, convention: str, rate: float = 0.001, law: Any = None) -> Evidence:
    """Judge whether biases are mostly negative, and outputs lower with them.

    law : of the weights, by which the biases are drawn, too.
    """
    named = {"name": law} if isinstance(law, str) else law
    drawn = None if law is None else {"network.initializer": {**named, "biases": "same"}}
    x = experiments.dataset.train.x
    run, bare = train(experiments, convention, rate, changes=drawn), train(experiments, convention, rate, False)
    parameters = views(run.state.theta, run.problem.network.entries)
    negative = [(parameters[name] < 0).sum((-2, -1)) for name in ("b1", "b2")]
    counts = [parameters[name].shape[-1] for name in ("b1", "b2")]
    highest, without = (np.abs(trained.outputs(x)).max((-2, -1)) for trained in (run, bare))
    return Evidence(
        {
            "all of the first layer": negative[0] == counts[0],
            "most": sum(negative) > sum(counts) / 2,
            "lower outputs": highest < without,
        },
        {"negative of the first layer": negative[0] / counts[0], "of all": sum(negative) / sum(counts)},
    )


def encoder_relu_8(
    experiments: Experiments,
    convention: str,
    rate: float = 0.001,
    biases: bool = True,
    changes: Mapping[str, Any] | None = None,
) -> Evidence:
    """Judge whether vectors of large outputs have large gradients of every array."""
    run = train(experiments, convention, rate, biases, changes)
    x = experiments.dataset.train.x
    outputs = np.abs(run.outputs(x)).max(-1)
    lengths = [gradient_lengths(run, vector) for vector in range(len(x))]
    correlations = [rank_correlations(outputs, np.stack([norms[name] for norms in lengths], -1)) for name in lengths[0]]
    least = np.min(correlations, axis=0)
    return Evidence(least >= 0.5, {"least rank correlation": np.nan_to_num(least, nan=-1.0)})
