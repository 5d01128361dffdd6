"""The trainings behind the claims of the encoder report, and what is measured of them.

K members · T evaluations in the history
"""

from typing import Any

import numpy as np

from deltarule.maths.network import views
from deltarule.problem.problem import Floats
from deltarule.studies.experiments import Experiments
from deltarule.training.run import Run

PLOTTED = "half_mean_squared_error"
"""The cost that the report plots: half the mean over all 64 elements, the penalty left out (see `conventions`)."""

RATES = (0.01, 0.1, 1.0, 10.0, 100.0)
DECAYS = (1e-8, 1e-5, 1e-3, 0.1)
TRIED = ("rate-0.01", "rate-0.1", "rate-1", "rate-100", "decay-1e-8", "decay-0.001", "decay-0.1")
"""The experiments that the report compares with its best setting, which is the recipe's own."""
OTHER_WEIGHTS = ("weights-normal", "weights-uniform", "weights-small", "weights-zero", "biases-random")


def train(experiments: Experiments, experiment: str | None = None, every: int = 10) -> Run:
    """The study, or one of its experiments, with the looks that the claims need."""
    return experiments.run(experiment=experiment, history_every=every, metrics=("thresholded", PLOTTED))


def right(run: Run) -> Floats:
    """Share of the objects that are right at each look, [T, K]."""
    return run.history.series("thresholded")


def cost(run: Run) -> Floats:
    """The plotted cost at each look, [T, K]; NaN once a member has diverged."""
    return run.history.series(PLOTTED)


def arrays(run: Run) -> dict[str, Floats]:
    """The final weights and biases: W1 [K, 8, 3], b1 [K, 1, 3], W2 [K, 3, 8], b2 [K, 1, 8]."""
    return views(run.state.theta, run.problem.network.entries)


def turns(series: Floats, least: float) -> Floats:
    """How often each series turns from falling to rising or back, [K], changes below that share of it left out.

    series [T, K]

    >>> turns(np.array([[1.0], [0.5], [0.8], [0.8001], [0.2]]), 0.01)
    array([2])
    """
    changes = np.diff(series, axis=0) / series[:-1]
    directions = [np.sign(column[np.abs(column) > least]) for column in changes.T]
    return np.array([np.count_nonzero(np.diff(one)) for one in directions])


def middle(values: Any) -> float:
    """The median of those that are finite; NaN where none is."""
    finite = np.asarray(values)[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else float("nan")


def correlations(first: Floats, second: Floats) -> Floats:
    """The correlation of each row of one array with that of another, [K]; NaN where a row never varies.

    first, second [K, n]
    """
    a, b = first - first.mean(-1, keepdims=True), second - second.mean(-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.asarray((a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1)))


def costs_of_others(experiments: Experiments) -> dict[str, Floats]:
    """The final costs from each other initialisation, [K], of seeds that no other has."""
    costs = {}
    for place, name in enumerate(OTHER_WEIGHTS, 1):
        seeds = range(place * experiments.seeds, (place + 1) * experiments.seeds)
        run = experiments.run({"run.seeds": list(seeds)}, experiment=name, history_every=10, metrics=(PLOTTED,))
        costs[name] = cost(run)[-1]
    return costs
