"""The claims of the MNIST report and their criteria, and the sweeps behind them.

A claim must hold for more than half of the seeds. The report's random weights are not stated: Xavier's and a normal law
of deviation 0.01 are the readings. Its rates are steps of the loss summed over the batch; with a mean every network of
the grid would stay near chance, which contradicts mnist-3. The grid is cross-validated over five folds from one seed:
folds share most of their rows, so that what is read from the grid has figures and no verdict.

An accuracy on the 10,000 test images has a standard error of about 0.3 points, so half a point is no difference. The
intervals of accuracies and of their differences are for other test images beside other seeds.
S seeds · N test images · C combinations · F folds
"""

from functools import partial
from typing import Any

import numpy as np

from deltarule.problem.problem import Floats
from deltarule.studies.experiments import Experiments
from deltarule.studies.verdicts import Control, Evidence, claim, claims_of
from deltarule.sweeps.result import Sweep

FOLDS = 5
CHANCE = 0.1
"""The accuracy of guessing one of ten digits."""

HOURS = 40 * 40
"""Processor hours that the report's grid took: nearly 40 hours on 40 of them."""


WEIGHTS: dict[str, Any] = {"Xavier": "glorot_uniform", "normal 0.01": {"name": "normal", "std": 0.01}}
"""The initial weights of each reading."""
claim_by_weights = partial(claim, readings={name: {"weights": name} for name in WEIGHTS})

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
HIDDEN = (*SOFTMAX_MODELS, "relu", "sigmoid", "zeros", "no-dropout")
"""The networks with a hidden layer, by the recipe's experiments; "softmax" is the recipe itself."""
LINEAR = ("single-layer", "single-layer-random")
MODELS = (*HIDDEN, *LINEAR)

HIGHER_RATE = Control(
    "a rate of 0.01 in place of 0.001, at which the stop rule ends the networks on their way", {"rate": 1e-2}
)

SECOND_READING = (
    "read again from the report: its random weights are not stated, and with a mean over the batch every network would "
    "stay near chance"
)


# --- the sweeps ------------------------------------------------------------------------------------------------------


def settings_of(experiments: Experiments, model: str, weights: str, rate: float = 1e-3) -> dict[str, Any]:
    """The settings of a model, by dotted key."""
    changes = {} if model == SOFTMAX else experiments.settings_of(model)
    return {"network.initializer": WEIGHTS[weights], "optimizer.learning_rate": rate, **changes}


def models(experiments: Experiments, weights: str, rate: float = 1e-3) -> Sweep:
    """Sweep all models on all training rows, over all seeds, and store their weights."""
    name = f"models-{weights.replace(' ', '-')}-{rate:g}"
    return experiments.sweep(name, [settings_of(experiments, model, weights, rate) for model in MODELS], keep=True)


def column(experiments: Experiments, model: str, name: str, weights: str, rate: float = 1e-3) -> Floats:
    """A column of a model's rows as numbers, [S]; 0 for what a diverged network lacks."""
    rows = models(experiments, weights, rate).rows_of(settings_of(experiments, model, weights, rate))
    return np.array([0.0 if row[name] is None else row[name] for row in rows], np.float64)


def accuracy(experiments: Experiments, model: str, weights: str, rate: float = 1e-3) -> Floats:
    """The accuracy of a model on the test images, [S]."""
    return column(experiments, model, "test_accuracy", weights, rate)


def right_answers(experiments: Experiments, model: str, weights: str, rate: float = 1e-3) -> Any:
    """Which test images a model's networks classify correctly, [S, N]."""
    table, test = models(experiments, weights, rate), experiments.dataset.test
    assert test is not None
    rows = table.rows_of(settings_of(experiments, model, weights, rate))
    return np.stack([table.network(row["key"]).outputs(test.x).argmax(-1) == test.answers for row in rows])


def grid(experiments: Experiments, weights: str) -> Sweep:
    """Sweep the report's 96 combinations, cross-validated, from one seed."""
    chosen = {"network.initializer": WEIGHTS[weights]}
    return experiments.sweep(f"grid-{weights.replace(' ', '-')}", set=chosen, folds=FOLDS, seeds=1)


def grid_scores(experiments: Experiments, weights: str, part: str) -> tuple[list[dict[str, Any]], Floats]:
    """The settings of the grid's combinations, and their accuracies [C, F]."""
    settings, scores = grid(experiments, weights).scores(part)
    return settings, np.nan_to_num(scores, nan=0.0, neginf=0.0)


def best_single_layer(experiments: Experiments) -> tuple[Floats, Floats]:
    """Training and test accuracies [S] of the best single layer from zeros."""
    values = {key: experiments.recipe.configuration.grid[key] for key in REPORTED if key != "network.dropout"}
    searched = experiments.sweep("single-layer-grid", values, experiment="single-layer", folds=FOLDS, seeds=1)
    settings = dict(searched.configurations(1)[0].settings)
    rows = experiments.sweep("single-layer", [settings], experiment="single-layer").rows_of(settings)
    train, test = (np.array([row[f"{part}_accuracy"] or 0.0 for row in rows]) for part in ("train", "test"))
    return train, test


def weight_distances(experiments: Experiments, model: str, weights: str) -> tuple[Floats, Floats]:
    """How far [S] a model's final weights are from zero, and from the first ones."""
    settings = settings_of(experiments, model, weights)
    table = models(experiments, weights)
    start = experiments.run({**settings, "stopping.max_epochs": 0})
    to_zero, to_start = [], []
    for member, row in enumerate(table.rows_of(settings)):
        final, first = table.network(row["key"]).parameters(), start.parameters(member)
        names = [name for name in final if name.startswith("W")]
        to_zero.append(np.sqrt(sum(np.square(final[name]).sum() for name in names)))
        to_start.append(np.sqrt(sum(np.square(final[name] - first[name]).sum() for name in names)))
    return np.array(to_zero), np.array(to_start)


# --- the grid --------------------------------------------------------------------------------------------------------


@claim_by_weights(
    "mnist-1",
    says="The grid of 96 combinations, cross-validated, took nearly 40 hours on 40 processors.",
    report="nearly 40 hours on 40 processors: 1,600 processor hours",
    criterion="none: the report's program and machine are not here; ours is timed beside it",
)
def mnist_1(experiments: Experiments, weights: str) -> Evidence:
    """Report the time of our grid; the report's time is not testable."""
    table = grid(experiments, weights)
    hours = sum(row["train_seconds"] for row in table.rows()) / 3600
    remark = f"{len(table):,} trainings; the report's processor hours are {HOURS / hours:,.0f} times ours"
    return Evidence(None, {"processor hours": [hours]}, remark)


@claim(
    "mnist-2",
    says="The best combination is dropout 0.1, batch 256, rate 0.001 and momentum 0.25.",
    report="dropout 0.1, batch 256, rate 0.001, momentum 0.25",
    criterion="none: five folds of one seed share most of their rows; its accuracy and rank are shown beside the best",
    readings={
        f"{name}, {part}": {"weights": name, "part": part} for name in WEIGHTS for part in ("validation", "test")
    },
    contradicts_itself="it says that the best was chosen by cross-validation, and that testing accuracy was taken into "
    "account",
    changed="folds were counted as if they were independent trials",
)
def mnist_2(experiments: Experiments, weights: str, part: str) -> Evidence:
    """Show the report's combination beside the best of the grid."""
    settings, scores = grid_scores(experiments, weights, part)
    own = scores[next(i for i, one in enumerate(settings) if all(REPORTED[key] == one[key] for key in one))]
    best = settings[int(scores.mean(1).argmax())]
    words = ", ".join(f"{key.split('.')[1]} {value:g}" for key, value in best.items())
    rank = int((scores.mean(1) > own.mean()).sum()) + 1
    figures = {"its accuracy over folds": own, "of the best": scores[int(scores.mean(1).argmax())]}
    return Evidence(None, figures, f"it is number {rank} of {len(settings)}; the best is {words}")


@claim_by_weights(
    "mnist-3",
    says="Most combinations stay near chance; only some pass 80 % test accuracy.",
    report="most near chance, some over 80 %",
    criterion="none: five folds of one seed share most of their rows; the shares of combinations are shown",
    changed="folds were counted as if they were independent trials",
)
def mnist_3(experiments: Experiments, weights: str) -> Evidence:
    """Show how many combinations stay near chance, and how many pass 80 %."""
    _, scores = grid_scores(experiments, weights, "test")
    return Evidence(
        None,
        {"share under 20 %": (scores < 2 * CHANCE).mean(0), "share over 80 %": (scores > 0.8).mean(0)},
    )


# --- the networks beside each other ----------------------------------------------------------------------------------


@claim_by_weights(
    "mnist-4",
    says="The single layer from zero weights is the best of all: 97.25 % in training, 91.75 % on the test images.",
    report="97.25 % and 91.75 %, the best of all",
    criterion="at the best settings of its own grid its training accuracy is within a point of 97.25 %, its test "
    "accuracy within a point of 91.75 %, and no network with a hidden layer that the report compares has a higher "
    "test accuracy",
    changed=SECOND_READING,
)
def mnist_4(experiments: Experiments, weights: str) -> Evidence:
    """Judge whether the single layer matches the report, and no hidden layer beats it."""
    train, test = best_single_layer(experiments)
    highest = np.max([accuracy(experiments, model, weights) for model in HIDDEN], axis=0)
    conditions = {
        "training accuracy": abs(train - 0.9725) <= 0.01,
        "test accuracy": abs(test - 0.9175) <= 0.01,
        "best of all": test >= highest,
    }
    remark = "the test images add ±0.5 points to both"
    return Evidence(conditions, {"training": train, "test": test, "best hidden layer": highest}, remark)


@claim_by_weights(
    "mnist-5",
    says="Hidden layers of 100, 250 and 500 units perform almost the same.",
    report="almost the same",
    criterion="the highest of the three test accuracies is at most a point above the lowest",
    control=HIGHER_RATE,
    changed=SECOND_READING,
)
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


mnist_6 = claim_by_weights(
    "mnist-6",
    says="Softmax as the hidden activation beats ReLU.",
    report="softmax",
    criterion="its test accuracy is higher",
    settings={"first": "softmax", "second": "relu"},
    control=HIGHER_RATE,
    changed=SECOND_READING,
)(tests_better)


@claim_by_weights(
    "mnist-7",
    says="From zero and from random weights the single layer trains equally long; the network with a hidden layer "
    "trains faster from zeros.",
    report="almost equally long; significantly faster from zeros",
    criterion="the single layer's updates until the stop rule differ by at most a fifth of the larger number, and the "
    "other network makes fewer updates from zeros than from random weights",
    control=HIGHER_RATE,
    changed=SECOND_READING,
)
def mnist_7(experiments: Experiments, weights: str, rate: float = 1e-3) -> Evidence:
    """Judge the numbers of updates from zero and from random weights."""
    zero, random, zeros, usual = (
        column(experiments, model, "steps", weights, rate) for model in (*LINEAR, "zeros", SOFTMAX)
    )
    learned = np.median(accuracy(experiments, "zeros", weights, rate))
    return Evidence(
        {
            "single layer: equally long": abs(zero - random) <= 0.2 * np.maximum(zero, random),
            "hidden layer: faster from zeros": zeros < usual,
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


mnist_8 = claim_by_weights(
    "mnist-8",
    says="Sigmoid beats ReLU, which does very badly on the test images.",
    report="sigmoid; ReLU horribly",
    criterion="sigmoid's test accuracy is higher, and ReLU's is under 50 %",
    settings={"first": "sigmoid", "second": "relu", "ceiling": 0.5},
    control=HIGHER_RATE,
    changed=SECOND_READING,
)(tests_better)


@claim_by_weights(
    "mnist-9",
    says="Adding dropout does not raise the test error.",
    report="doesn't seem to",
    criterion="with dropout of 0.1 the test accuracy is at most half a point lower than without",
    control=HIGHER_RATE,
    contradicts_itself="it infers that the network does not overfit; dropout raises the error of a network that does "
    "not, and lowers that of one that does",
    changed="read again from the report: it says that the error does not rise, not that dropout does not help",
)
def mnist_9(experiments: Experiments, weights: str, rate: float = 1e-3) -> Evidence:
    """Judge whether dropout of 0.1 costs at most half a point."""
    dropped, test = (accuracy(experiments, model, weights, rate) for model in (SOFTMAX, "no-dropout"))
    right, without = (right_answers(experiments, model, weights, rate) for model in (SOFTMAX, "no-dropout"))
    figures = {"test with dropout": right, "test without": without, "difference": right - 1.0 * without}
    for name, model in (("training with dropout", SOFTMAX), ("training without", "no-dropout")):
        figures[name] = column(experiments, model, "train_accuracy", weights, rate)
    return Evidence(test - dropped <= 0.005, figures)


@claim_by_weights(
    "mnist-10",
    says='Linear models do as well as multilayer ones, "better mostly, in fact".',
    report="as good; better mostly",
    criterion="the single layer's test accuracy is at most a point below the best of the networks with a hidden layer, "
    "and above that of more than half of them",
    control=HIGHER_RATE,
    changed="read again from the report: it has two halves",
)
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


@claim_by_weights(
    "mnist-11",
    says="Trainings end by the rule of 0.1 % before 50 epochs.",
    report="at most 50 epochs, or the error changed by less than 0.1 %",
    criterion="all networks that the report compares end by the rule before their 50 epochs are over",
    control=HIGHER_RATE,
)
def mnist_11(experiments: Experiments, weights: str, rate: float = 1e-3) -> Evidence:
    """Judge whether every model ends by the tolerance."""
    table = models(experiments, weights, rate)
    rows = [table.rows_of(settings_of(experiments, model, weights, rate)) for model in MODELS]
    ended = np.array([[row["reason"] == "tolerance" for row in of_one] for of_one in rows])
    steps = np.array([[row["steps"] for row in of_one] for of_one in rows], np.float64)
    per_epoch = -(-len(experiments.dataset.train) // REPORTED["optimizer.batch_size"])
    return Evidence(
        ended.all(0),
        {"networks that end by the rule, of 9": ended.sum(0), "epochs of the longest": steps.max(0) / per_epoch},
    )


@claim_by_weights(
    "mnist-12",
    says="Zeros are faster because the best weights lie nearer to zero than to random ones.",
    report="closer to zero",
    criterion="the final weights of the network with a hidden layer, trained from random ones, are nearer to zero than "
    "to those that it began with",
)
def mnist_12(experiments: Experiments, weights: str) -> Evidence:
    """Judge whether the final weights lie nearer to zero than to where they began."""
    to_zero, to_start = weight_distances(experiments, SOFTMAX, weights)
    return Evidence(to_zero < to_start, {"from zero": to_zero, "from the start": to_start})


@claim(
    "mnist-13",
    says="The activations tried were ReLU and softmax (section 2); sigmoid is compared with ReLU (section 4.2).",
    report="ReLU and softmax; sigmoid and ReLU",
    criterion="read from its text: its two lists of activations are the same",
    contradicts_itself="section 2 names no sigmoid among the activations tried, section 4.2 reports one",
    any_data=True,
)
def mnist_13(_: Experiments) -> Evidence:
    """Compare the two lists of activations that the report gives."""
    return Evidence({"relu", "softmax"} == {"sigmoid", "relu"}, {}, "its abstract names sigmoid and ReLU, too")


CLAIMS = {"mnist": claims_of(globals())}
