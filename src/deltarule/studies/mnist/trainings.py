"""The sweeps behind the claims of the MNIST report.

C combinations · F folds · S seeds
"""

from typing import Any

import numpy as np

from deltarule.problem.problem import Floats
from deltarule.studies.experiments import Experiments
from deltarule.sweeps.result import Sweep

FOLDS = 5
"""Folds of the cross-validated grids."""

READINGS = {"sum": "sum", "mean": "mean_samples"}
"""The loss's reduction for each reading of the learning rates: as steps of a sum or of a mean over the batch."""

FAST, LONG, RELU, TENTHS = "sum, rate 0.01", "mean, longer rates", "ReLU", "sum, rates of a tenth"
"""What control runs train in place of a reading: the rate that is best in the grid; a mean with steps as long as those
of a sum; the grid's rates and momenta for ReLU units; the grid with rates from 0.001 to 0.000001."""

REPORTED = {
    "network.dropout": 0.1,
    "optimizer.batch_size": 256,
    "optimizer.momentum": 0.25,
    "optimizer.learning_rate": 1e-3,
}
"""The settings of the combination that the report found best."""

SOFTMAX = "softmax"
SOFTMAX_MODELS = (SOFTMAX, "hidden-250", "hidden-500")
"""The recipe itself, and its experiments of other sizes."""

MODELS = (*SOFTMAX_MODELS, "relu", "sigmoid", "zeros", "no-dropout")
"""The networks with a hidden layer, by the recipe's experiments; "softmax" is the recipe itself."""

FAST_MODELS = (*SOFTMAX_MODELS, "relu", "sigmoid", "no-dropout")

LINEAR = ("single-layer", "single-layer-random")
TIMED_MODELS = (*LINEAR, "zeros", SOFTMAX)
"""The models whose updates from zero and from random weights are compared."""

CHANCE = 0.1
"""The accuracy of guessing one of ten digits."""

HOURS = 40 * 40
"""Processor hours that the report's grid took: nearly 40 hours on 40 of them."""


def grid(experiments: Experiments, reading: str) -> Sweep:
    """Sweep the report's 96 combinations, cross-validated, by a reading of the rates."""
    chosen = {"loss.reduction": READINGS[reading]}
    return experiments.sweep(f"grid-{reading}", set=chosen, folds=FOLDS, seeds=1)


def single_layer_grid(experiments: Experiments, reading: str) -> Sweep:
    """Sweep the grid for the single layer, cross-validated, without dropout."""
    values = {key: experiments.recipe.configuration.grid[key] for key in REPORTED if key != "network.dropout"}
    chosen = {"loss.reduction": READINGS[reading]}
    name = f"single-layer-grid-{reading}"
    return experiments.sweep(name, values, experiment="single-layer", set=chosen, folds=FOLDS, seeds=1)


def best_single_layer(experiments: Experiments, reading: str) -> list[dict[str, Any]]:
    """Train the single layer at its grid's best settings, on all training rows."""
    settings = dict(single_layer_grid(experiments, reading).configurations(1)[0].settings)
    chosen = {"loss.reduction": READINGS[reading]}
    table = experiments.sweep(f"single-layer-{reading}", [settings], experiment="single-layer", set=chosen)
    return table.rows_of(settings)


def settings_of(experiments: Experiments, model: str, reading: str) -> dict[str, Any]:
    """The settings of a model under a reading, by dotted key."""
    changes = {} if model == SOFTMAX else experiments.settings_of(model)
    if reading == FAST:
        return {**changes, "loss.reduction": "sum", "optimizer.learning_rate": 1e-2}
    if reading == LONG:
        rate = REPORTED["optimizer.batch_size"] * REPORTED["optimizer.learning_rate"]
        return {**changes, "loss.reduction": READINGS["mean"], "optimizer.learning_rate": rate}
    return {**changes, "loss.reduction": READINGS[reading]}


def rows_of(experiments: Experiments, model: str, reading: str) -> list[dict[str, Any]]:
    """The rows of a model trained on all training rows, one for each seed."""
    if reading == FAST:
        name, all_models = "models-fast", [(one, FAST) for one in FAST_MODELS]
    elif reading == LONG:
        name, all_models = "models-long", [(one, LONG) for one in TIMED_MODELS]
    else:
        name, all_models = "models", [(one, each) for each in READINGS for one in (*MODELS, *LINEAR)]
    table = experiments.sweep(name, [settings_of(experiments, *one) for one in all_models])
    return table.rows_of(settings_of(experiments, model, reading))


def numeric_column(rows: list[dict[str, Any]], name: str) -> Floats:
    """A column of a sweep's rows as numbers, [S] or [F]."""
    return np.array([0.0 if row[name] is None else row[name] for row in rows], np.float64)


def accuracy(experiments: Experiments, model: str, reading: str, part: str = "test") -> Floats:
    """The accuracy of a model under a reading, on a part of the data, [S]."""
    return numeric_column(rows_of(experiments, model, reading), f"{part}_accuracy")


def accuracies_by_fold(experiments: Experiments, reading: str, part: str) -> tuple[list[dict[str, Any]], Floats]:
    """The settings of a grid's combinations, and their accuracies [C, F]."""
    values = experiments.recipe.configuration.grid
    if reading == RELU:
        few = {key: values[key] for key in ("optimizer.momentum", "optimizer.learning_rate")}
        return _scores(experiments.sweep("grid-relu", few, experiment="relu", folds=FOLDS, seeds=1), part)
    if reading == TENTHS:  # only the last rate is trained anew
        rates = values["optimizer.learning_rate"]
        slowest = {**values, "optimizer.learning_rate": [min(rates) / 10]}
        new, slow = _scores(experiments.sweep("grid-slowest", slowest, folds=FOLDS, seeds=1), part)
        settings, scores = _scores(grid(experiments, "sum"), part)
        kept = [one["optimizer.learning_rate"] < max(rates) for one in settings]
        known = [one for one, is_kept in zip(settings, kept, strict=True) if is_kept]
        return [*known, *new], np.concatenate([scores[kept], slow])
    return _scores(grid(experiments, reading), part)


def _scores(table: Sweep, part: str) -> tuple[list[dict[str, Any]], Floats]:
    settings, scores = table.scores(part)
    return settings, np.nan_to_num(scores, nan=0.0, neginf=0.0)


def index_of_reported(settings: list[dict[str, Any]]) -> int:
    """The index of the first settings that are those of the report's combination."""
    return next(
        index for index, setting in enumerate(settings) if all(REPORTED[key] == value for key, value in setting.items())
    )
