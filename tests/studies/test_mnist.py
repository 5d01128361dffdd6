"""The MNIST study: its predicates on tables made by hand, and its stored results."""

import itertools

import numpy as np
import pytest
from tables_by_hand import Table, Tables, rows

from deltarule.maths.network import views
from deltarule.studies.experiments import Experiments
from deltarule.studies.mnist import claims, trainings
from deltarule.studies.recipes import load_recipe, with_settings

RECIPE = load_recipe("mnist")
GRID = [
    dict(zip(RECIPE.configuration.grid, values, strict=True))
    for values in itertools.product(*RECIPE.configuration.grid.values())
]


def grids(accuracy):
    """Both readings' grids: a test and validation accuracy, by what a combination is and on which fold."""
    made = Table(
        [
            (
                one,
                [
                    {
                        "validation_accuracy": accuracy(one, fold),
                        "test_accuracy": accuracy(one, fold),
                        "train_seconds": 9.0,
                    }
                    for fold in range(5)
                ],
            )
            for one in GRID
        ]
    )
    return Tables(RECIPE, grid_sum=made, grid_mean=made)


def models(steps=None, **accuracies):
    """The table of the models: what is not said has 0.5 and stops after 100 updates."""
    steps = steps or {}
    study = Tables(RECIPE)
    table = []
    for model, reading in itertools.product((*trainings.MODELS, *trainings.LINEAR), trainings.READINGS):
        test = accuracies.get(model.replace("-", "_"), 0.5)
        train = accuracies.get(f"{model.replace('-', '_')}_train", test)
        one = rows(5, test_accuracy=test, train_accuracy=train, steps=steps.get(model, 100))
        table.append((trainings.settings_of(study, model, reading), one))
    study.tables["models"] = Table(table)
    return study


def holds(claim, study):
    """For how many of the folds or seeds, under each convention."""
    return {name: int(np.sum(one)) for name, one in claim.evidence(study).holds.items()}


def is_reported(one):
    return all(one[key] == value for key, value in trainings.REPORTED.items())


def test_the_grid_is_the_reports():
    assert len(GRID) == 96
    assert sum(map(is_reported, GRID)) == 1


@pytest.mark.parametrize(("lead", "expected"), [(0.0, 5), (0.0049, 5), (0.0051, 0)])
def test_mnist_2(lead, expected):
    study = grids(lambda one, fold: 0.8 if is_reported(one) else 0.8 + lead)
    assert set(holds(claims.mnist_2, study).values()) == {expected}


@pytest.mark.parametrize(("low", "high", "expected"), [(49, 1, 5), (48, 1, 0), (49, 0, 0), (49, 47, 5)])
def test_mnist_3(low, high, expected):
    order = {id(one): number for number, one in enumerate(GRID)}

    def accuracy(one, fold):
        number = order[id(one)]
        return 0.11 if number < low else (0.81 if number >= 96 - high else 0.5)

    assert set(holds(claims.mnist_3, grids(accuracy)).values()) == {expected}


@pytest.mark.parametrize(
    ("zero", "random", "zeros", "usual", "expected"),
    [(100, 81, 10, 20, 5), (100, 79, 10, 20, 0), (100, 100, 20, 20, 0), (100, 100, 30, 20, 0)],
)
def test_mnist_7(zero, random, zeros, usual, expected):
    steps = {"single-layer": zero, "single-layer-random": random, "zeros": zeros, "softmax": usual}
    assert set(holds(claims.mnist_7, models(steps)).values()) == {expected}


@pytest.mark.parametrize(("dropout", "low", "high"), [(0.1, 0.1, 2), (0, 0, 1e-9)])
def test_dropout_parts_units_from_zero_weights(dropout, low, high):
    """What the page says of mnist-7, on small digits: how far their weights are apart, as a share of the largest."""
    settings = {
        "network.dropout": dropout,
        "run.dtype": "float64",
        "stopping.max_steps": 100,
        "stopping.tolerance": None,
    }
    experiments = Experiments(with_settings(RECIPE, {"data.name": "digits"}), seeds=1, engine="reference")
    run = experiments.run(settings, experiment="zeros", history_every=100)
    weights = views(run.state.theta, run.problem.network.entries)["W2"]  # [K, H, C]
    assert low <= np.ptp(weights, axis=-2).max() / np.abs(weights).max() <= high
