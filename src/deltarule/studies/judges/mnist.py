"""The judges of the MNIST report's claims, and the sweeps behind them.

The report's random weights are not stated: Xavier's and normal laws of deviation 0.01 and 1 are the readings. Its rates
are steps of the loss summed over the batch. A mean, and rate 0.01, the single layer's own, are controls. Five folds
share most of their rows: so a seed counts once, with the mean over its folds. Networks that are compared must have
learned: the best of networks at chance is no best.

An accuracy on the 10,000 test images has a standard error of about 0.3 points, so half a point is no difference. The
intervals of accuracies and of their differences are for other test images beside other seeds.
S seeds · N test images · C combinations · F folds
"""

import itertools
from typing import Any, Required, TypedDict, Unpack

import numpy as np

from deltarule.problem.problem import Floats
from deltarule.studies.claims import Evidence, until_refuted
from deltarule.studies.experiments import Experiments
from deltarule.sweeps.result import Sweep

FOLDS = 5

HOURS = 40 * 40
"""Processor hours that the report's grid took: nearly 40 hours on 40 of them."""


WEIGHTS: dict[str, Any] = {
    "Xavier": "glorot_uniform",
    "normal 0.01": {"name": "normal", "std": 0.01},
    "normal 1": {"name": "normal", "std": 1.0},
}
"""The initial weights of each reading."""

REPORTED = {
    "network.dropout": 0.1,
    "optimizer.batch_size": 256,
    "optimizer.momentum": 0.25,
    "optimizer.learning_rate": 1e-3,
}
"""The settings of the combination that the report found best."""
LONGEST_STEPS = dict(zip(REPORTED, (0.0, 128, 0.5, 1e-2), strict=True))
"""The combination that is trained after the report's best and before all others, as the two may refute a claim."""
BETTER = 0.005
"""A combination with an accuracy so much higher is better than the reported one."""

LEARNED = 0.2
"""The test accuracy above which a network has learned: ten digits give 0.1 by chance, and mnist-3 asks whether networks
stay under this one."""

SOFTMAX = "softmax"
SOFTMAX_MODELS = (SOFTMAX, "hidden-250", "hidden-500")
"""The recipe itself, and its experiments of other sizes."""
HIDDEN = (*SOFTMAX_MODELS, "relu", "sigmoid", "zeros", "no-dropout")
"""The networks with a hidden layer, by the recipe's experiments; "softmax" is the recipe itself."""
LINEAR = ("single-layer", "single-layer-random")
MODELS = (*HIDDEN, *LINEAR)
STARTS = {"from zeros": "zeros", "from random weights": SOFTMAX}
"""The network with a hidden layer, by the weights from which it begins."""

# --- the sweeps ------------------------------------------------------------------------------------------------------


class Convention(TypedDict, total=False):
    """What the report leaves open of its networks, and what a control changes.

    These are the weights, the rate and the reduction of the loss.
    """

    weights: Required[str]
    rate: float
    reduction: str


def settings_of(
    experiments: Experiments, model: str, weights: str, rate: float = 1e-3, reduction: str = "sum"
) -> dict[str, Any]:
    changes = {} if model == SOFTMAX else experiments.settings_of(model)
    convention = {"network.initializer": WEIGHTS[weights], "optimizer.learning_rate": rate, "loss.reduction": reduction}
    return {**convention, **changes}


def models(experiments: Experiments, weights: str, rate: float = 1e-3, reduction: str = "sum") -> Sweep:
    """Sweep all models on all training rows, over all seeds, and store their weights."""
    name = "-".join(["models", weights.replace(" ", "-"), f"{rate:g}", *(["mean"] if reduction != "sum" else [])])
    settings = [settings_of(experiments, model, weights, rate, reduction) for model in MODELS]
    return experiments.sweep(name, settings, keep=True)


def column(experiments: Experiments, model: str, name: str, **convention: Unpack[Convention]) -> Floats:
    """A column of a model's rows as numbers, [S]; 0 for what a diverged network lacks."""
    settings = settings_of(experiments, model, **convention)
    rows = experiments.rows_of(models(experiments, **convention), settings)
    return np.array([0.0 if row[name] is None else row[name] for row in rows], np.float64)


def accuracy(experiments: Experiments, model: str, **convention: Unpack[Convention]) -> Floats:
    """The accuracy of a model on the test images, [S]."""
    return column(experiments, model, "test_accuracy", **convention)


def right_answers(experiments: Experiments, model: str, **convention: Unpack[Convention]) -> Any:
    """Which test images a model's networks classify correctly, [S, N]."""
    table = models(experiments, **convention)
    test = experiments.dataset.test
    assert test is not None
    rows = experiments.rows_of(table, settings_of(experiments, model, **convention))
    return np.stack([table.network(row["key"]).outputs(test.x).argmax(-1) == test.answers for row in rows])


def grid(
    experiments: Experiments,
    weights: str,
    reduction: str = "sum",
    activation: str = SOFTMAX,
    folds: int | None = None,
    settings: Any = None,
    **options: Any,
) -> Sweep:
    """Sweep the report's 96 combinations, or some of them, cross-validated if `folds` are given."""
    chosen = {"network.initializer": WEIGHTS[weights], "loss.reduction": reduction, "network.activation": activation}
    words = ["grid", activation, weights.replace(" ", "-"), reduction, *(["folds"] if folds else [])]
    return experiments.sweep("-".join(words), settings, set=chosen, folds=folds, **options)


def grid_stages(experiments: Experiments) -> list[list[dict[str, Any]]]:
    """Combinations of the grid, ever more of them: the report's best, that of the longest steps, its rate, all."""
    values = experiments.recipe.configuration.grid
    every = [dict(zip(values, combination, strict=True)) for combination in itertools.product(*values.values())]
    of_rate = [row for row in every if row["optimizer.learning_rate"] == REPORTED["optimizer.learning_rate"]]
    return [[REPORTED], [REPORTED, LONGEST_STEPS], [*of_rate, LONGEST_STEPS], every]


def grid_scores(
    experiments: Experiments, settings: list[dict[str, Any]], part: str, folds: int | None = None, **convention: str
) -> Floats:
    """The accuracies [C, S] of some combinations, the mean over the folds if there are any."""
    table = grid(experiments, folds=folds, settings=settings, **convention)
    rows = [experiments.rows_of(table, setting) for setting in settings]
    scores = np.array([[row[f"{part}_accuracy"] or 0.0 for row in of_one] for of_one in rows])
    return np.asarray(scores.reshape(len(settings), folds or 1, -1).mean(1))


def weight_distances(experiments: Experiments, model: str, **convention: Unpack[Convention]) -> tuple[Floats, Floats]:
    """How far [S] a model's final weights are from zero, and from the first ones."""
    settings = settings_of(experiments, model, **convention)
    table = models(experiments, **convention)
    start = experiments.run({**settings, "stopping.max_epochs": 0})
    to_zero, to_start = [], []
    for member, row in enumerate(experiments.rows_of(table, settings)):
        final = table.network(row["key"]).parameters
        first = start.parameters
        names = [name for name in final if name.startswith("W")]
        to_zero.append(np.sqrt(sum(np.square(final[name]).sum() for name in names)))
        to_start.append(np.sqrt(sum(np.square(final[name] - first[name][member]).sum() for name in names)))
    return np.array(to_zero), np.array(to_start)


# --- the grid --------------------------------------------------------------------------------------------------------


def mnist_1(experiments: Experiments, weights: str) -> Evidence:
    """Report the time of our grid; the report's time is not testable."""
    table = grid(experiments, weights, folds=FOLDS, seeds=1)
    hours = sum(row["train_seconds"] for row in table.rows() if row["seed"] == 0) / 3600
    remark = f"the report's processor hours are {HOURS / hours:,.0f} times ours"
    return Evidence(None, {"processor hours": [hours]}, remark)


def mnist_2(
    experiments: Experiments,
    weights: str,
    reduction: str = "sum",
    activation: str = SOFTMAX,
    folds: int | None = None,
) -> Evidence:
    """Judge whether the report's combination learns, and none is more than half a point better."""
    convention = {"weights": weights, "reduction": reduction, "activation": activation}

    def scores_of(settings: list[dict[str, Any]], experiments: Experiments = experiments) -> Floats:
        return grid_scores(experiments, settings, "validation" if folds else "test", folds, **convention)

    def judge(settings: list[dict[str, Any]]) -> Evidence:
        near = settings
        if len(settings) > 2:  # half a point is five standard deviations of the accuracies from different seeds
            first = scores_of(settings, experiments.over(1))[:, 0]
            near = [REPORTED, *itertools.compress(settings, first > first[settings.index(REPORTED)])]
        scores = scores_of(near)
        own = scores[near.index(REPORTED)]
        best = scores.max(0)
        return Evidence(
            {"it learns": own > 0.8, "none is better": best - own <= BETTER},
            {"its accuracy": own, "of the best": best, "better ones of those trained": (scores > own).sum(0)},
            f"{len(settings)} of 96 combinations trained, {len(near)} of them from all seeds",
        )

    return until_refuted(grid_stages(experiments), judge)


def mnist_3(experiments: Experiments, weights: str, reduction: str = "sum") -> Evidence:
    """Judge whether some combinations pass 80 %, and all others stay near chance."""
    stages = grid_stages(experiments)

    def judge(settings: list[dict[str, Any]]) -> Evidence:
        scores = grid_scores(experiments, settings, "test", weights=weights, reduction=reduction, activation=SOFTMAX)
        passes = (scores > 0.8).any(0) | (len(settings) < len(stages[-1]))  # one that is not trained yet may
        return Evidence(
            {"all others are under 20 %": ~((scores >= 0.2) & (scores <= 0.8)).any(0), "some pass 80 %": passes},
            {"share under 20 %": (scores < 0.2).mean(0), "share over 80 %": (scores > 0.8).mean(0)},
            f"{len(settings)} of 96 combinations trained",
        )

    return until_refuted(stages, judge)


# --- the networks beside each other ----------------------------------------------------------------------------------


def mnist_4(experiments: Experiments, **convention: Unpack[Convention]) -> Evidence:
    """Judge whether the single layer matches the report, and no hidden layer beats it."""
    values = {key: experiments.recipe.configuration.grid[key] for key in REPORTED if key != "network.dropout"}
    searched = experiments.sweep("single-layer-grid", values, experiment="single-layer", folds=FOLDS, seeds=1)
    settings = dict(searched.configurations(1)[0].settings)  # of the best single layer from zeros
    rows = experiments.rows_of(experiments.sweep("single-layer", [settings], experiment="single-layer"), settings)
    train, test = (np.array([row[f"{part}_accuracy"] or 0.0 for row in rows]) for part in ("train", "test"))
    highest = np.max([accuracy(experiments, model, **convention) for model in HIDDEN], axis=0)
    conditions = {
        "training accuracy": abs(train - 0.9725) <= 0.01,
        "test accuracy": abs(test - 0.9175) <= 0.01,
        "best of all": test >= highest,
    }
    remark = "the test images add ±0.5 points to both"
    return Evidence(conditions, {"training": train, "test": test, "best hidden layer": highest}, remark)


def mnist_5(experiments: Experiments, **convention: Unpack[Convention]) -> Evidence:
    """Judge whether 100, 250 and 500 softmax hidden units are within a point, and have learned."""
    accuracies = np.array([accuracy(experiments, model, **convention) for model in SOFTMAX_MODELS])
    spread = np.ptp(accuracies, axis=0)
    figures = {f"test accuracy of {net}": right_answers(experiments, net, **convention) for net in SOFTMAX_MODELS}
    conditions = {"within a point": spread <= 0.01, "they learn": (accuracies > LEARNED).all(0)}
    return Evidence(conditions, {**figures, "range": spread})


def tests_better(
    experiments: Experiments, first: str, second: str, ceiling: float | None = None, **convention: Unpack[Convention]
) -> Evidence:
    """Judge whether one model learns and tests better than another, which is under a ceiling."""
    better, worse = (accuracy(experiments, model, **convention) for model in (first, second))
    conditions = {f"{first} is better": better > worse, f"{first} learns": better > LEARNED}
    if ceiling is not None:
        conditions[f"{second} is under {100 * ceiling:.0f} %"] = worse < ceiling
    right, other = (right_answers(experiments, model, **convention) for model in (first, second))
    return Evidence(conditions, {first: right, second: other, "difference": right - 1.0 * other})


def mnist_7(experiments: Experiments, **convention: Unpack[Convention]) -> Evidence:
    """Judge the numbers of updates from zero and from random weights of networks that learn."""
    zero, random, zeros, usual = (
        column(experiments, model, "steps", **convention) for model in (*LINEAR, "zeros", SOFTMAX)
    )
    learned = {name: accuracy(experiments, model, **convention) for name, model in STARTS.items()}
    return Evidence(
        {
            "single layer: equally long": abs(zero - random) <= 0.2 * np.maximum(zero, random),
            "hidden layer: faster from zeros": zeros <= 0.8 * usual,
            "it learns from both": np.min([*learned.values()], axis=0) > LEARNED,
        },
        {
            "single layer from zeros": zero,
            "from random weights": random,
            "hidden layer from zeros": zeros,
            "hidden layer from random weights": usual,
            "ratio": zeros / np.maximum(usual, 1),
            **{f"test accuracy {name}": values for name, values in learned.items()},
        },
    )


def mnist_9(experiments: Experiments, **convention: Unpack[Convention]) -> Evidence:
    """Judge whether dropout of 0.1 costs a network that learns at most half a point."""
    dropped, test = (accuracy(experiments, model, **convention) for model in (SOFTMAX, "no-dropout"))
    right, without = (right_answers(experiments, model, **convention) for model in (SOFTMAX, "no-dropout"))
    figures = {"test with dropout": right, "test without": without, "difference": right - 1.0 * without}
    for name, model in (("training with dropout", SOFTMAX), ("training without", "no-dropout")):
        figures[name] = column(experiments, model, "train_accuracy", **convention)
    return Evidence({"no higher": test - dropped <= 0.005, "it learns": test > LEARNED}, figures)


def mnist_10(experiments: Experiments, **convention: Unpack[Convention]) -> Evidence:
    """Judge whether the single layer learns, and is about as good as the best hidden layer."""
    linear = accuracy(experiments, LINEAR[0], **convention)
    others = np.array([accuracy(experiments, model, **convention) for model in HIDDEN])
    better_than = (others < linear).sum(0)
    return Evidence(
        {
            "as well": others.max(0) - linear <= 0.01,
            "better mostly": better_than > len(HIDDEN) / 2,
            "it learns": linear > LEARNED,
        },
        {
            "single layer": right_answers(experiments, LINEAR[0], **convention),
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


def mnist_12(experiments: Experiments, **convention: Unpack[Convention]) -> Evidence:
    """Judge whether the final weights lie nearer to zero than to where they began."""
    to_zero, to_start = weight_distances(experiments, SOFTMAX, **convention)
    return Evidence(to_zero < to_start, {"from zero": to_zero, "from the start": to_start})
