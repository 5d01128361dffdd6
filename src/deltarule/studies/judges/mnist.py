"""The judges of the MNIST report's claims, and the sweeps behind them.

A claim must hold for more than half of the seeds. The report's random weights are not stated: Xavier's and a normal law
of deviation 0.01 are the readings. Its rates are steps of the loss summed over the batch; in what is read from the grid
a mean is a reading too. The grid is cross-validated over five folds, which share most of their rows: so a seed counts
once, with the mean over its folds.

An accuracy on the 10,000 test images has a standard error of about 0.3 points, so half a point is no difference. The
intervals of accuracies and of their differences are for other test images beside other seeds.
S seeds · N test images · C combinations · F folds
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from deltarule.problem.problem import Floats
from deltarule.studies.claims import Evidence
from deltarule.studies.experiments import Experiments
from deltarule.sweeps.result import Sweep

FOLDS = 5

HOURS = 40 * 40
"""Processor hours that the report's grid took: nearly 40 hours on 40 of them."""


WEIGHTS: dict[str, Any] = {"Xavier": "glorot_uniform", "normal 0.01": {"name": "normal", "std": 0.01}}
"""The initial weights of each reading."""

REPORTED = {
    "network.dropout": 0.1,
    "optimizer.batch_size": 256,
    "optimizer.momentum": 0.25,
    "optimizer.learning_rate": 1e-3,
}
"""The settings of the combination that the report found best."""
LONGEST_STEPS = dict(zip(REPORTED, (0.0, 128, 0.5, 1e-2), strict=True))
"""The combination that is trained with the report's best before all others, as the two may refute a claim."""

SOFTMAX = "softmax"
SOFTMAX_MODELS = (SOFTMAX, "hidden-250", "hidden-500")
"""The recipe itself, and its experiments of other sizes."""
HIDDEN = (*SOFTMAX_MODELS, "relu", "sigmoid", "zeros", "no-dropout")
"""The networks with a hidden layer, by the recipe's experiments; "softmax" is the recipe itself."""
LINEAR = ("single-layer", "single-layer-random")
MODELS = (*HIDDEN, *LINEAR)

# --- the sweeps ------------------------------------------------------------------------------------------------------


def settings_of(experiments: Experiments, model: str, weights: str, rate: float = 1e-3) -> dict[str, Any]:
    changes = {} if model == SOFTMAX else experiments.settings_of(model)
    return {"network.initializer": WEIGHTS[weights], "optimizer.learning_rate": rate, **changes}


def models(experiments: Experiments, weights: str, rate: float = 1e-3) -> Sweep:
    """Sweep all models on all training rows, over all seeds, and store their weights."""
    name = f"models-{weights.replace(' ', '-')}-{rate:g}"
    return experiments.sweep(name, [settings_of(experiments, model, weights, rate) for model in MODELS], keep=True)


def column(experiments: Experiments, model: str, name: str, weights: str, rate: float = 1e-3) -> Floats:
    """A column of a model's rows as numbers, [S]; 0 for what a diverged network lacks."""
    settings = settings_of(experiments, model, weights, rate)
    rows = experiments.rows_of(models(experiments, weights, rate), settings)
    return np.array([0.0 if row[name] is None else row[name] for row in rows], np.float64)


def accuracy(experiments: Experiments, model: str, weights: str, rate: float = 1e-3) -> Floats:
    """The accuracy of a model on the test images, [S]."""
    return column(experiments, model, "test_accuracy", weights, rate)


def right_answers(experiments: Experiments, model: str, weights: str, rate: float = 1e-3) -> Any:
    """Which test images a model's networks classify correctly, [S, N]."""
    table, test = models(experiments, weights, rate), experiments.dataset.test
    assert test is not None
    rows = experiments.rows_of(table, settings_of(experiments, model, weights, rate))
    return np.stack([table.network(row["key"]).outputs(test.x).argmax(-1) == test.answers for row in rows])


def grid(experiments: Experiments, weights: str, reduction: str = "sum", settings: Any = None, **options: Any) -> Sweep:
    """Sweep the report's 96 combinations, or some of them, cross-validated."""
    chosen = {"network.initializer": WEIGHTS[weights], "loss.reduction": reduction}
    name = f"grid-{weights.replace(' ', '-')}" + ("" if reduction == "sum" else "-mean")
    return experiments.sweep(name, settings, set=chosen, folds=FOLDS, **options)


def grid_scores(
    experiments: Experiments, weights: str, reduction: str, part: str
) -> Iterator[tuple[list[dict[str, Any]], Floats]]:
    """Two combinations, then all of them, and their mean accuracies over the folds [C, S].

    If the two refute a claim for every seed, the others cannot change that, and need no training.
    """
    values = experiments.recipe.configuration.grid
    every = [dict(zip(values, one, strict=True)) for one in itertools.product(*values.values())]
    for settings in ([REPORTED, LONGEST_STEPS], every):
        table = grid(experiments, weights, reduction, settings)
        rows = [experiments.rows_of(table, one) for one in settings]
        scores = np.array([[row[f"{part}_accuracy"] or 0.0 for row in of_one] for of_one in rows])
        yield settings, scores.reshape(len(settings), FOLDS, -1).mean(1)


def weight_distances(experiments: Experiments, model: str, weights: str) -> tuple[Floats, Floats]:
    """How far [S] a model's final weights are from zero, and from the first ones."""
    settings = settings_of(experiments, model, weights)
    table = models(experiments, weights)
    start = experiments.run({**settings, "stopping.max_epochs": 0})
    to_zero, to_start = [], []
    for member, row in enumerate(experiments.rows_of(table, settings)):
        final, first = table.network(row["key"]).parameters, start.parameters
        names = [name for name in final if name.startswith("W")]
        to_zero.append(np.sqrt(sum(np.square(final[name]).sum() for name in names)))
        to_start.append(np.sqrt(sum(np.square(final[name] - first[name][member]).sum() for name in names)))
    return np.array(to_zero), np.array(to_start)


# --- the grid --------------------------------------------------------------------------------------------------------


def mnist_1(experiments: Experiments, weights: str) -> Evidence:
    """Report the time of our grid; the report's time is not testable."""
    table = grid(experiments, weights, seeds=1)
    hours = sum(row["train_seconds"] for row in table.rows() if row["seed"] == 0) / 3600
    remark = f"the report's processor hours are {HOURS / hours:,.0f} times ours"
    return Evidence(None, {"processor hours": [hours]}, remark)


def mnist_2(experiments: Experiments, weights: str, part: str, reduction: str = "sum") -> Evidence:
    """Judge whether no combination is more than half a point better than the report's."""
    for settings, scores in grid_scores(experiments, weights, reduction, part):
        own = scores[settings.index(REPORTED)]
        holds = scores.max(0) - own <= 0.005
        if not holds.any():
            break
    figures = {"its accuracy": own, "of the best": scores.max(0), "its rank": 1.0 + (scores > own).sum(0)}
    return Evidence(holds, figures, f"{len(settings)} of 96 combinations trained")


def mnist_3(experiments: Experiments, weights: str, reduction: str = "sum") -> Evidence:
    """Judge whether some combinations pass 80 %, and all others stay near chance."""
    for _, scores in grid_scores(experiments, weights, reduction, "test"):
        between = ((scores >= 0.2) & (scores <= 0.8)).any(0)
        if between.all():
            break
    conditions = {"all others are under 20 %": ~between}
    if not between.all():
        conditions["some pass 80 %"] = (scores > 0.8).any(0)
    figures = {"share under 20 %": (scores < 0.2).mean(0), "share over 80 %": (scores > 0.8).mean(0)}
    return Evidence(conditions, figures, f"{len(scores)} of 96 combinations trained")


# --- the networks beside each other ----------------------------------------------------------------------------------


def mnist_4(experiments: Experiments, weights: str) -> Evidence:
    """Judge whether the single layer matches the report, and no hidden layer beats it."""
    values = {key: experiments.recipe.configuration.grid[key] for key in REPORTED if key != "network.dropout"}
    searched = experiments.sweep("single-layer-grid", values, experiment="single-layer", folds=FOLDS, seeds=1)
    settings = dict(searched.configurations(1)[0].settings)  # of the best single layer from zeros
    rows = experiments.rows_of(experiments.sweep("single-layer", [settings], experiment="single-layer"), settings)
    train, test = (np.array([row[f"{part}_accuracy"] or 0.0 for row in rows]) for part in ("train", "test"))
    highest = np.max([accuracy(experiments, model, weights) for model in HIDDEN], axis=0)
    conditions = {
        "training accuracy": abs(train - 0.9725) <= 0.01,
        "test accuracy": abs(test - 0.9175) <= 0.01,
        "best of all": test >= highest,
    }
    remark = "the test images add ±0.5 points to both"
    return Evidence(conditions, {"training": train, "test": test, "best hidden layer": highest}, remark)


def mnist_5(experiments: Experiments, weights: str, rate: float = 1e-3) -> Evidence:
    """Judge whether 100, 250 and 500 softmax hidden units are within a point."""
    spread = np.ptp([accuracy(experiments, model, weights, rate) for model in SOFTMAX_MODELS], axis=0)
    figures = {f"test accuracy of {one}": right_answers(experiments, one, weights, rate) for one in SOFTMAX_MODELS}
    return Evidence(spread <= 0.01, {**figures, "range": spread})


def tests_better(
    experiments: Experiments, weights: str, first: str, second: str, ceiling: float | None = None, rate: float = 1e-3
) -> Evidence:
    """Judge whether one model tests better than another, which is under a ceiling."""
    better, worse = (accuracy(experiments, model, weights, rate) for model in (first, second))
    conditions = {f"{first} is better": better > worse}
    if ceiling is not None:
        conditions[f"{second} is under {100 * ceiling:.0f} %"] = worse < ceiling
    right, other = (right_answers(experiments, model, weights, rate) for model in (first, second))
    return Evidence(conditions, {first: right, second: other, "difference": right - 1.0 * other})


def mnist_7(experiments: Experiments, weights: str, rate: float = 1e-3) -> Evidence:
    """Judge the numbers of updates from zero and from random weights."""
    zero, random, zeros, usual = (
        column(experiments, model, "steps", weights, rate) for model in (*LINEAR, "zeros", SOFTMAX)
    )
    learned = np.median(accuracy(experiments, "zeros", weights, rate))
    return Evidence(
        {
            "single layer: equally long": abs(zero - random) <= 0.2 * np.maximum(zero, random),
            "hidden layer: faster from zeros": zeros <= 0.8 * usual,
        },
        {
            "single layer from zeros": zero,
            "from random weights": random,
            "hidden layer from zeros": zeros,
            "hidden layer from random weights": usual,
            "ratio": zeros / np.maximum(usual, 1),
        },
        f"what the hidden layer learns from zeros is {100 * learned:.1f} % on the test images",
    )


def mnist_9(experiments: Experiments, weights: str, rate: float = 1e-3) -> Evidence:
    """Judge whether dropout of 0.1 costs at most half a point."""
    dropped, test = (accuracy(experiments, model, weights, rate) for model in (SOFTMAX, "no-dropout"))
    right, without = (right_answers(experiments, model, weights, rate) for model in (SOFTMAX, "no-dropout"))
    figures = {"test with dropout": right, "test without": without, "difference": right - 1.0 * without}
    for name, model in (("training with dropout", SOFTMAX), ("training without", "no-dropout")):
        figures[name] = column(experiments, model, "train_accuracy", weights, rate)
    return Evidence(test - dropped <= 0.005, figures)


def mnist_10(experiments: Experiments, weights: str, rate: float = 1e-3) -> Evidence:
    """Judge whether the single layer is about as good as the best hidden layer."""
    linear = accuracy(experiments, LINEAR[0], weights, rate)
    others = np.array([accuracy(experiments, model, weights, rate) for model in HIDDEN])
    better_than = (others < linear).sum(0)
    return Evidence(
        {"as well": others.max(0) - linear <= 0.01, "better mostly": better_than > len(HIDDEN) / 2},
        {
            "single layer": right_answers(experiments, LINEAR[0], weights, rate),
            "best hidden layer": others.max(0),
            "better than, of 7": better_than,
        },
    )


def mnist_11(experiments: Experiments, weights: str) -> Evidence:
    """Show how many models end by the tolerance; the report does not say which did."""
    table = models(experiments, weights)
    rows = [experiments.rows_of(table, settings_of(experiments, model, weights)) for model in MODELS]
    ended = np.array([[row["reason"] == "tolerance" for row in of_one] for of_one in rows])
    steps = np.array([[row["steps"] for row in of_one] for of_one in rows], np.float64)
    per_epoch = -(-len(experiments.dataset.train) // REPORTED["optimizer.batch_size"])
    return Evidence(
        None, {"networks that end by the rule, of 9": ended.sum(0), "epochs of the longest": steps.max(0) / per_epoch}
    )


def mnist_12(experiments: Experiments, weights: str) -> Evidence:
    """Judge whether the final weights lie nearer to zero than to where they began."""
    to_zero, to_start = weight_distances(experiments, SOFTMAX, weights)
    return Evidence(to_zero < to_start, {"from zero": to_zero, "from the start": to_start})
