"""The trainings behind the claims of the MNIST report, and what is measured of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from deltarule.problem.problem import Floats
from deltarule.studies.experiments import Experiments
from deltarule.sweeps.result import Sweep

FOLDS = 5


READINGS = {"sum": "sum", "mean": "mean_samples"}
"""The two readings of the rates, as the loss's reduction."""


REPORTED = {
    "network.dropout": 0.1,
    "optimizer.batch_size": 256,
    "optimizer.momentum": 0.25,
    "optimizer.learning_rate": 1e-3,
}
"""The combination that the report found best."""


MODELS = ("softmax", "hidden-250", "hidden-500", "relu", "sigmoid", "zeros", "no-dropout")
"""The networks with a hidden layer, by the recipe's experiments; "softmax" is the recipe itself."""


FAST = {"optimizer.learning_rate": 1e-2}
"""The rate that is best in the grid, with a sum."""


FAST_MODELS = ("softmax", "hidden-250", "hidden-500", "relu", "sigmoid", "no-dropout")


LINEAR = ("single-layer", "single-layer-random")


CHANCE = 0.1
"""The accuracy of guessing one of ten digits."""


HOURS = 40 * 40
"""Processor hours that the report's grid took: nearly 40 hours on 40 of them."""


def grid(experiments: Experiments, reading: str) -> Sweep:
    """The 96 combinations, cross-validated."""
    chosen = {"loss.reduction": READINGS[reading]}
    return experiments.sweep(f"grid-{reading}", set=chosen, folds=FOLDS, seeds=1)


def of_single_layer(experiments: Experiments, reading: str) -> Sweep:
    """The grid of the single layer, which has no hidden units to drop, cross-validated."""
    values = {key: experiments.recipe.configuration.grid[key] for key in REPORTED if key != "network.dropout"}
    chosen = {"loss.reduction": READINGS[reading]}
    name = f"single-layer-grid-{reading}"
    return experiments.sweep(name, values, experiment="single-layer", set=chosen, folds=FOLDS, seeds=1)


def models(experiments: Experiments) -> Sweep:
    """Every network that the report compares, under both readings, on all training rows, over the seeds."""
    return experiments.sweep("models", [settings_of(experiments, *one) for one in _models_and_readings()])


def best_single_layer(experiments: Experiments, reading: str) -> list[dict[str, Any]]:
    """The single layer at the best settings of its own grid, on all training rows: a row for each seed."""
    settings = dict(of_single_layer(experiments, reading).configurations(1)[0].settings)
    chosen = {"loss.reduction": READINGS[reading]}
    table = experiments.sweep(f"single-layer-{reading}", [settings], experiment="single-layer", set=chosen)
    return table.rows_of(settings)


def fast_models(experiments: Experiments) -> Sweep:
    """Networks with a hidden layer at ten times the rate, for controls: with the sum, over the seeds."""
    return experiments.sweep("models-fast", [{**settings_of(experiments, one, "sum"), **FAST} for one in FAST_MODELS])


def settings_of(experiments: Experiments, model: str, reading: str) -> dict[str, Any]:
    """What a model sets otherwise than the recipe."""
    changes = {} if model == "softmax" else experiments.settings_of(model)
    return {**changes, "loss.reduction": READINGS[reading]}


def _models_and_readings() -> list[tuple[str, str]]:
    return [(model, reading) for reading in READINGS for model in (*MODELS, *LINEAR)]


def rows_of(experiments: Experiments, model: str, reading: str) -> list[dict[str, Any]]:
    """The rows of a model, one for each seed."""
    return models(experiments).rows_of(settings_of(experiments, model, reading))


def column(rows: list[dict[str, Any]], column: str) -> Floats:
    """A column of rows, [S] or [F]; an accuracy that there is not, of a member that diverged, counts as none right."""
    return np.array([0.0 if row[column] is None else row[column] for row in rows], np.float64)


def accuracy(experiments: Experiments, model: str, reading: str, part: str = "test") -> Floats:
    """The accuracy of a model over the seeds, [S]."""
    return column(rows_of(experiments, model, reading), f"{part}_accuracy")


def fast_accuracy(experiments: Experiments, model: str, part: str = "test") -> Floats:
    """The accuracy of a model at ten times the rate over the seeds, [S]."""
    rows = fast_models(experiments).rows_of({**settings_of(experiments, model, "sum"), **FAST})
    return column(rows, f"{part}_accuracy")


def by_fold(table: Sweep, part: str) -> tuple[list[dict[str, Any]], Floats]:
    """The combinations of a grid, and their accuracies [C, F]."""
    settings, scores = table.scores(part)
    return settings, np.nan_to_num(scores, nan=0.0, neginf=0.0)


def place_of(settings: list[dict[str, Any]], wanted: Mapping[str, Any]) -> int:
    """Where a combination stands among the others."""
    return next(
        index for index, setting in enumerate(settings) if all(setting[key] == value for key, value in wanted.items())
    )
