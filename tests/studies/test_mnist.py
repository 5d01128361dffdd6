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
    return {name: int(np.sum(one)) for name, one in claim.judge(study).holds.items()}


def is_reported(one):
    return all(one[key] == value for key, value in trainings.REPORTED.items())


def test_the_grid_is_the_reports():
    assert len(GRID) == 96
    assert sum(map(is_reported, GRID)) == 1


def test_1_tells_the_time_and_no_verdict():
    evidence = claims.mnist_1.judge(grids(lambda one, fold: 0.5))
    # 480 trainings of 9 seconds are 72 minutes; 1,600 hours are 1,333 times as long
    assert "480 trainings in 72 minutes" in evidence.ours and "1,333 times" in evidence.ours
    assert not evidence.holds


@pytest.mark.parametrize(("lead", "expected"), [(0.0, 5), (0.0049, 5), (0.0051, 0)])
def test_2_another_may_be_half_a_point_better(lead, expected):
    study = grids(lambda one, fold: 0.8 if is_reported(one) else 0.8 + lead)
    assert set(holds(claims.mnist_2, study).values()) == {expected}


def test_2_is_judged_on_each_fold():
    study = grids(lambda one, fold: 0.8 if is_reported(one) or fold > 1 else 0.9)
    assert set(holds(claims.mnist_2, study).values()) == {3}


@pytest.mark.parametrize(("low", "high", "expected"), [(49, 1, 5), (48, 1, 0), (49, 0, 0), (49, 47, 5)])
def test_3_counts_combinations_near_chance_and_over_80(low, high, expected):
    order = {id(one): number for number, one in enumerate(GRID)}

    def accuracy(one, fold):
        number = order[id(one)]
        return 0.11 if number < low else (0.81 if number >= 96 - high else 0.5)

    assert set(holds(claims.mnist_3, grids(accuracy)).values()) == {expected}


@pytest.mark.parametrize(
    ("train", "test", "other", "expected"),
    [(0.97, 0.918, 0.9, 5), (0.94, 0.918, 0.9, 0), (0.97, 0.93, 0.9, 0), (0.97, 0.918, 0.95, 0)],
)
def test_4_the_single_layer_has_the_figures_and_is_the_best(train, test, other, expected):
    study = models(relu=other)
    settings = {"optimizer.learning_rate": 0.01}

    class Grid:
        @staticmethod
        def configurations(n):
            return [type("Score", (), {"settings": settings})]

    best = Table([(settings, rows(5, train_accuracy=train, test_accuracy=test))])
    for reading in trainings.READINGS:
        study.tables[f"single_layer_grid_{reading}"] = Grid
        study.tables[f"single_layer_{reading}"] = best
    assert set(holds(claims.mnist_4, study).values()) == {expected}


@pytest.mark.parametrize(("large", "expected"), [(0.909, 5), (0.911, 0), (0.89, 0)])
def test_5_sizes_perform_alike(large, expected):
    study = models(softmax=0.9, hidden_250=0.9, hidden_500=[large] * 5)
    assert set(holds(claims.mnist_5, study).values()) == {expected}


def test_6_softmax_beats_relu():
    assert set(holds(claims.mnist_6, models(softmax=[0.9, 0.9, 0.9, 0.8, 0.7], relu=0.8)).values()) == {3}


@pytest.mark.parametrize(
    ("zero", "random", "zeros", "usual", "expected"),
    [(100, 81, 10, 20, 5), (100, 79, 10, 20, 0), (100, 100, 20, 20, 0), (100, 100, 30, 20, 0)],
)
def test_7_updates_of_zero_and_random_weights(zero, random, zeros, usual, expected):
    steps = {"single-layer": zero, "single-layer-random": random, "zeros": zeros, "softmax": usual}
    assert set(holds(claims.mnist_7, models(steps)).values()) == {expected}


@pytest.mark.parametrize(("sigmoid", "relu", "expected"), [(0.9, 0.4, 5), (0.9, 0.6, 0), (0.3, 0.4, 0)])
def test_8_sigmoid_beats_relu_which_is_bad(sigmoid, relu, expected):
    assert set(holds(claims.mnist_8, models(sigmoid=sigmoid, relu=relu)).values()) == {expected}


@pytest.mark.parametrize(
    ("dropped", "test", "train", "expected"), [(0.9, 0.9, 0.91, 5), (0.91, 0.9, 0.91, 0), (0.9, 0.9, 0.93, 0)]
)
def test_9_dropout_does_not_help_what_does_not_overfit(dropped, test, train, expected):
    study = models(softmax=dropped, no_dropout=test, no_dropout_train=train)
    assert set(holds(claims.mnist_9, study).values()) == {expected}


@pytest.mark.parametrize(("linear", "expected"), [(0.95, 5), (0.891, 5), (0.889, 0)])
def test_10_linear_is_at_most_a_point_below(linear, expected):
    assert set(holds(claims.mnist_10, models(single_layer=linear, hidden_500=0.9)).values()) == {expected}


def test_an_accuracy_that_there_is_not_counts_as_none_right():
    assert trainings.numeric_column([{"test_accuracy": None}, {"test_accuracy": 0.5}], "test_accuracy").tolist() == [
        0,
        0.5,
    ]


@pytest.mark.parametrize(("dropout", "low", "high"), [(0.1, 0.1, 2), (0, 0, 1e-9)])
def test_from_zero_weights_it_is_dropout_that_parts_the_hidden_units(dropout, low, high):
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
