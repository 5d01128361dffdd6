"""The trainings behind the claims of the encoder report, and measures of them.

K members · T evaluations in the history
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.maths.network import views
from deltarule.problem.problem import Floats
from deltarule.studies.experiments import Experiments
from deltarule.training.run import Run

PLOTTED = "half_mean_squared_error"
"""The metric that is the report's plotted cost: half the mean over all 64 elements, without the penalty."""

RATES = (0.01, 0.1, 1.0, 10.0, 100.0)
DECAYS = (1e-8, 1e-5, 1e-3, 0.1)
TRIED = ("rate-0.01", "rate-0.1", "rate-1", "rate-100", "decay-1e-8", "decay-0.001", "decay-0.1")
"""The experiments that the report compares with its best setting, which is the recipe's own."""
OTHER_WEIGHTS = ("weights-normal", "weights-uniform", "weights-small", "weights-zero", "biases-random")
"""The experiments with other initial weights or biases."""


def train(
    experiments: Experiments, experiment: str | None = None, every: int = 10, changes: Mapping[str, Any] | None = None
) -> Run:
    """Train the study, or one of its experiments, with the metrics that claims need."""
    return experiments.run(changes, experiment=experiment, history_every=every, metrics=("thresholded", PLOTTED))


def share_right(run: Run) -> Floats:
    """The share of the eight objects that are right at each evaluation, [T, K]."""
    return run.history.series("thresholded")


def plotted_cost(run: Run) -> Floats:
    """The report's plotted cost at each evaluation, [T, K]."""
    return run.history.series(PLOTTED)


def final_parameters(run: Run) -> dict[str, Floats]:
    """The final weights and biases W1, b1, W2 and b2 of all members."""
    return views(run.state.theta, run.problem.network.entries)


def count_turns(series: Floats, min_change: float) -> Floats:
    """Count the turns [K], up or down, of each series in [T, K].

    >>> count_turns(np.array([[1.0], [0.5], [0.8], [0.8001], [0.2]]), 0.01)
    array([2])
    """
    changes = np.diff(series, axis=0) / series[:-1]
    directions = [np.sign(column[np.abs(column) > min_change]) for column in changes.T]
    return np.array([np.count_nonzero(np.diff(column)) for column in directions])


def correlations(first: Floats, second: Floats) -> Floats:
    """The correlations [K] of the rows of two arrays [K, n]."""
    a, b = first - first.mean(-1, keepdims=True), second - second.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.asarray((a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1)))


def costs_of_other_weights(experiments: Experiments) -> dict[str, Floats]:
    """The final costs [K] with other initial weights or biases, by experiment."""
    costs = {}
    for index, name in enumerate(OTHER_WEIGHTS, 1):
        first = experiments.seed_numbers.start + index * experiments.seeds
        seeds = range(first, first + experiments.seeds)
        run = experiments.run({"run.seeds": list(seeds)}, experiment=name, history_every=10, metrics=(PLOTTED,))
        costs[name] = plotted_cost(run)[-1]
    return costs
