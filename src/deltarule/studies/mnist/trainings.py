"""The sweeps behind the claims of the MNIST report, and the accuracies read from them.

C combinations · F folds · S seeds
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.problem.problem import Floats
from deltarule.studies.experiments import Experiments
from deltarule.sweeps.result import Sweep

FOLDS = 5
"""Folds of the cross-validated grids."""


READINGS = {"sum": "sum", "mean": "mean_samples"}
"""The loss's reduction for each reading of the learning rates: as steps of a sum or of a mean over the batch."""


REPORTED = {
    "network.dropout": 0.1,
    "optimizer.batch_size": 256,
    "optimizer.momentum": 0.25,
    "optimizer.learning_rate": 1e-3,
}
"""The settings of the combination that the report found best."""


MODELS = ("softmax", "hidden-250", "hidden-500", "relu", "sigmoid", "zeros", "no-dropout")
"""The networks with a hidden layer, by the recipe's experiments; "softmax" is the recipe itself."""


FAST = {"optimizer.learning_rate": 1e-2}
"""The setting of the rate that is best in the grid, with a sum."""


FAST_MODELS = ("softmax", "hidden-250", "hidden-500", "relu", "sigmoid", "no-dropout")


LINEAR = ("single-layer", "single-layer-random")


CHANCE = 0.1
"""The accuracy of guessing one of ten digits."""


HOURS = 40 * 40
"""Processor hours that the report's grid took: nearly 40 hours on 40 of them."""


def grid(experiments: Experiments, reading: str) -> Sweep:
    """Sweep the report's 96 combinations, cross-validated, by a reading of the rates ("sum" or "mean")."""
    chosen = {"loss.reduction": READINGS[reading]}
    return experiments.sweep(f"grid-{reading}", set=chosen, folds=FOLDS, seeds=1)


def single_layer_grid(experiments: Experiments, reading: str) -> Sweep:
    """Sweep the grid, without dropout, for the single layer, cross-validated, by a reading of the rates."""
    values = {key: experiments.recipe.configuration.grid[key] for key in REPORTED if key != "network.dropout"}
    chosen = {"loss.reduction": READINGS[reading]}
    name = f"single-layer-grid-{reading}"
    return experiments.sweep(name, values, experiment="single-layer", set=chosen, folds=FOLDS, seeds=1)


def model_sweep(experiments: Experiments) -> Sweep:
    """Sweep every network that the report compares, under both readings, on all training rows, over the seeds."""
    settings = [settings_of(experiments, model, reading) for model, reading in _models_and_readings()]
    return experiments.sweep("models", settings)


def best_single_layer(experiments: Experiments, reading: str) -> list[dict[str, Any]]:
    """Train the single layer at its grid's best settings, on all training rows: the sweep's row of each seed."""
    settings = dict(single_layer_grid(experiments, reading).configurations(1)[0].settings)
    chosen = {"loss.reduction": READINGS[reading]}
    table = experiments.sweep(f"single-layer-{reading}", [settings], experiment="single-layer", set=chosen)
    return table.rows_of(settings)


def fast_model_sweep(experiments: Experiments) -> Sweep:
    """Sweep networks with a hidden layer at ten times the rate, for controls: with the sum, over the seeds."""
    settings = [{**settings_of(experiments, model, "sum"), **FAST} for model in FAST_MODELS]
    return experiments.sweep("models-fast", settings)


def settings_of(experiments: Experiments, model: str, reading: str) -> dict[str, Any]:
    """The settings of a model (an experiment of the recipe) under a reading of the rates, by dotted key."""
    changes = {} if model == "softmax" else experiments.settings_of(model)
    return {**changes, "loss.reduction": READINGS[reading]}


def _models_and_readings() -> list[tuple[str, str]]:
    return [(model, reading) for reading in READINGS for model in (*MODELS, *LINEAR)]


def rows_of(experiments: Experiments, model: str, reading: str) -> list[dict[str, Any]]:
    """The rows of a model in `model_sweep`, one for each seed."""
    return model_sweep(experiments).rows_of(settings_of(experiments, model, reading))


def numeric_column(rows: list[dict[str, Any]], name: str) -> Floats:
    """A column of a sweep's rows as numbers, [S] or [F]; 0 for a missing accuracy, of a member that diverged."""
    return np.array([0.0 if row[name] is None else row[name] for row in rows], np.float64)


def accuracy(experiments: Experiments, model: str, reading: str, part: str = "test") -> Floats:
    """The accuracy of a model under a reading, on a part of the data, [S]."""
    return numeric_column(rows_of(experiments, model, reading), f"{part}_accuracy")


def fast_accuracy(experiments: Experiments, model: str, part: str = "test") -> Floats:
    """The accuracy of a model at ten times the rate, with the sum, on a part of the data, [S]."""
    rows = fast_model_sweep(experiments).rows_of({**settings_of(experiments, model, "sum"), **FAST})
    return numeric_column(rows, f"{part}_accuracy")


def accuracies_by_fold(table: Sweep, part: str) -> tuple[list[dict[str, Any]], Floats]:
    """The settings of a grid's combinations, and their accuracies on a part of the data [C, F], 0 if they diverged."""
    settings, scores = table.scores(part)
    return settings, np.nan_to_num(scores, nan=0.0, neginf=0.0)


def index_of_combination(settings: list[dict[str, Any]], combination: Mapping[str, Any]) -> int:
    """The index of the first settings with all values of a combination; raise `StopIteration` if there are none."""
    return next(
        index
        for index, setting in enumerate(settings)
        if all(setting[key] == value for key, value in combination.items())
    )
