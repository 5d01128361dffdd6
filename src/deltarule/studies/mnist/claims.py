"""The claims of the MNIST report and their criteria, fixed before any results.

A claim must hold for more than half: of the seeds; or of the five folds, where it is about the cross-validated grid,
whose members have one seed and rows of their own. The two readings of the rates, a sum and a mean over the batch, are
the conventions. An accuracy on the 10,000 test images has a standard error of about 0.3 points, so half a point is no
difference.
F folds · S seeds · C combinations
"""

from collections.abc import Callable, Sequence

import numpy as np

from deltarule.reports.formatting import format_by_convention, format_median, format_median_accuracy, format_share
from deltarule.studies.experiments import Experiments
from deltarule.studies.mnist.trainings import (
    CHANCE,
    FAST,
    HOURS,
    LONG,
    MODELS,
    READINGS,
    RELU,
    SOFTMAX_MODELS,
    TENTHS,
    TIMED_MODELS,
    accuracies_by_fold,
    accuracy,
    best_single_layer,
    grid,
    index_of_reported,
    numeric_column,
    rows_of,
)
from deltarule.studies.verdicts import Evidence, claim

# --- the grid --------------------------------------------------------------------------------------------------------


@claim(
    "mnist-1",
    says="The grid of 96 combinations, cross-validated, took nearly 40 hours on 40 processors.",
    report="nearly 40 hours on 40 processors: 1,600 processor hours",
    criterion="none: the report's program and machine are not here; ours is timed beside it",
    needed=0.5,
    long=True,
)
def mnist_1(experiments: Experiments) -> Evidence:
    """Report the time of our grid; the report's time is not testable."""
    told = {}
    for reading in READINGS:
        table = grid(experiments, reading)
        hours = sum(row["train_seconds"] for row in table.rows()) / 3600
        told[reading] = (
            f"{len(table):,} trainings in {60 * hours:.0f} minutes; the report's processor hours are "
            f"{HOURS / hours:,.0f} times these hours"
        )
    return Evidence(format_by_convention(told), {})


@claim(
    "mnist-2",
    says="The best combination is dropout 0.1, batch 256, rate 0.001 and momentum 0.25.",
    report="dropout 0.1, batch 256, rate 0.001, momentum 0.25",
    criterion="on the fold no other combination has an accuracy more than half a point above this one's",
    needed=0.5,
    contradicts_itself="it says that the best was chosen by cross-validation, and that testing accuracy was taken into "
    "account",
    long=True,
    cause="softmax hidden units learn slowly, so that the highest rate is the best; with ReLU units, a sum, and the "
    "report's dropout and batch",
    control={"readings": (RELU,), "parts": ("validation",)},
)
def mnist_2(
    experiments: Experiments,
    readings: Sequence[str] = tuple(READINGS),
    parts: Sequence[str] = ("validation", "test"),
) -> Evidence:
    """Judge whether the report's combination is within half a point of the best."""
    holds, told = {}, {}
    for reading in readings:
        for part in parts:
            settings, scores = accuracies_by_fold(experiments, reading, part)
            own = scores[index_of_reported(settings)]
            holds[f"{reading}, {part}"] = scores.max(0) - own <= 0.005
            best = settings[int(scores.mean(1).argmax())]
            rank = int((scores.mean(1) > own.mean()).sum()) + 1
            words = ", ".join(f"{key.split('.')[1]} {value:g}" for key, value in best.items())
            told[f"{reading}, {part}"] = (
                f"it is number {rank} with {format_median_accuracy(own)}; the best is {words} with "
                f"{format_median_accuracy(scores.mean(1).max())}"
            )
    return Evidence(format_by_convention(told), holds)


@claim(
    "mnist-3",
    says="Most combinations stay near chance; only some pass 80 % test accuracy.",
    report="most near chance, some over 80 %",
    criterion="of the fold's 96 combinations more than half have a test accuracy under 20 %, twice chance, and at "
    "least one but fewer than half pass 80 %",
    needed=0.5,
    long=True,
    cause="the length of the steps: with a sum and rates of a tenth, which lie between the two readings",
    control={"readings": (TENTHS,)},
)
def mnist_3(experiments: Experiments, readings: Sequence[str] = tuple(READINGS)) -> Evidence:
    """Judge whether over half of the combinations stay under 20 % on each fold."""
    holds, told = {}, {}
    for reading in readings:
        _, scores = accuracies_by_fold(experiments, reading, "test")
        low, high = (scores < 2 * CHANCE).mean(0), (scores > 0.8).mean(0)
        holds[reading] = (low > 0.5) & (high > 0) & (high < 0.5)
        told[reading] = f"{format_share(low)} under 20 %, {format_share(high)} over 80 %"
    return Evidence(format_by_convention(told), holds)


# --- the networks beside each other ----------------------------------------------------------------------------------


@claim(
    "mnist-4",
    says="The single layer from zero weights is the best of all: 97.25 % in training, 91.75 % on the test images.",
    report="97.25 % and 91.75 %, the best of all",
    criterion="at the best settings of its own grid its training accuracy is within a point of 97.25 %, its test "
    "accuracy within a point of 91.75 %, and no network with a hidden layer that the report compares has a higher "
    "test accuracy",
    needed=0.5,
    long=True,
    cause="what it is compared with: softmax hidden units alone, with a sum, and its training accuracy left out",
    control={"readings": ("sum",), "models": SOFTMAX_MODELS, "training_too": False},
)
def mnist_4(
    experiments: Experiments,
    readings: Sequence[str] = tuple(READINGS),
    models: Sequence[str] = MODELS,
    training_too: bool = True,
) -> Evidence:
    """Judge whether the single layer matches the report, and no hidden layer beats it."""
    holds, told = {}, {}
    for reading in readings:
        rows = best_single_layer(experiments, reading)
        train, test = numeric_column(rows, "train_accuracy"), numeric_column(rows, "test_accuracy")
        others = {model: accuracy(experiments, model, reading) for model in models}
        highest = np.max(list(others.values()), axis=0)
        holds[reading] = (abs(test - 0.9175) <= 0.01) & (test >= highest)
        if training_too:
            holds[reading] &= abs(train - 0.9725) <= 0.01
        name = max(others, key=lambda model: np.median(others[model]))
        best_other = f"the best other ({name}) {format_median_accuracy(others[name])}"
        told[reading] = f"{format_median_accuracy(train)} and {format_median_accuracy(test)}; {best_other}"
    return Evidence(format_by_convention(told), holds)


@claim(
    "mnist-5",
    says="Hidden layers of 100, 250 and 500 units perform almost the same.",
    report="almost the same",
    criterion="the highest of the three test accuracies is at most a point above the lowest",
    needed=0.5,
    long=True,
    cause="the rate: at 0.001 the stop rule ends them on their way; at 0.01, with a sum",
    control={"readings": (FAST,)},
)
def mnist_5(experiments: Experiments, readings: Sequence[str] = tuple(READINGS)) -> Evidence:
    """Judge whether 100, 250 and 500 softmax hidden units are within a point."""
    holds, told = {}, {}
    for reading in readings:
        found = [accuracy(experiments, model, reading) for model in SOFTMAX_MODELS]
        holds[reading] = np.ptp(found, axis=0) <= 0.01
        told[reading] = f"{', '.join(map(format_median_accuracy, found))} with 100, 250, 500"
    return Evidence(format_by_convention(told), holds)


@claim(
    "mnist-6",
    says="Softmax as the hidden activation beats ReLU.",
    report="softmax",
    criterion="its test accuracy is higher",
    needed=0.5,
    long=True,
    cause="the rate: at 0.01, with a sum, ReLU's steps are too long",
    control={"readings": (FAST,)},
)
def mnist_6(experiments: Experiments, readings: Sequence[str] = tuple(READINGS)) -> Evidence:
    """Judge whether softmax hidden units beat ReLU, all else as in the final network."""
    return _compare(experiments, readings, "softmax", "relu", lambda softmax, relu: softmax > relu)


@claim(
    "mnist-7",
    says="From zero and from random weights the single layer trains equally long; the network with a hidden layer "
    "trains faster from zeros.",
    report="equally long; faster from zeros",
    criterion="the single layer's updates until the stop rule differ by at most a fifth of the larger number, and the "
    "other network makes fewer updates from zeros than from random weights",
    needed=0.5,
    long=True,
    cause="the length of the steps: with a mean, and rates that are longer by the batch's 256 images",
    control={"readings": (LONG,)},
)
def mnist_7(experiments: Experiments, readings: Sequence[str] = tuple(READINGS)) -> Evidence:
    """Judge the numbers of updates from zero and from random weights."""
    holds, told = {}, {}
    for reading in readings:
        steps = [numeric_column(rows_of(experiments, model, reading), "steps") for model in TIMED_MODELS]
        zero, random, zeros, usual = steps
        alike = abs(zero - random) <= 0.2 * np.maximum(zero, random)
        holds[reading] = alike & (zeros < usual)
        learned = format_median_accuracy(accuracy(experiments, "zeros", reading))
        single, hidden = (f"{format_median(a)} and {format_median(b)}" for a, b in ((zero, random), (zeros, usual)))
        told[reading] = (
            f"updates from zero and random weights {single}; with a hidden layer {hidden}, and what it learns from "
            f"zeros is {learned} on the test images"
        )
    return Evidence(format_by_convention(told), holds)


@claim(
    "mnist-8",
    says="Sigmoid beats ReLU, which does very badly on the test images.",
    report="sigmoid; ReLU very bad",
    criterion="sigmoid's test accuracy is higher, and ReLU's is under 50 %",
    needed=0.5,
    long=True,
    cause="the rate: at 0.01, with a sum, ReLU's steps are too long",
    control={"readings": (FAST,)},
)
def mnist_8(experiments: Experiments, readings: Sequence[str] = tuple(READINGS)) -> Evidence:
    """Judge whether sigmoid units beat ReLU, which stays under 50 %."""
    return _compare(experiments, readings, "sigmoid", "relu", lambda sigmoid, relu: (sigmoid > relu) & (relu < 0.5))


@claim(
    "mnist-9",
    says="Dropout does not help, because the network does not overfit.",
    report="does not help",
    criterion="with dropout the test accuracy is at most half a point higher than without, and without it the "
    "training accuracy is at most two points above the test accuracy",
    needed=0.5,
    long=True,
    cause="the rate: at 0.001 the stop rule ends them on their way; at 0.01, with a sum",
    control={"readings": (FAST,)},
)
def mnist_9(experiments: Experiments, readings: Sequence[str] = tuple(READINGS)) -> Evidence:
    """Judge whether dropout of 0.1 gains at most half a point."""
    holds, told = {}, {}
    for reading in readings:
        dropped = accuracy(experiments, "softmax", reading)
        test = accuracy(experiments, "no-dropout", reading)
        train = accuracy(experiments, "no-dropout", reading, "train")
        holds[reading] = (dropped - test <= 0.005) & (train - test <= 0.02)
        with_it, without, training = map(format_median_accuracy, (dropped, test, train))
        told[reading] = f"{with_it} with, {without} without, where it has {training} in training"
    return Evidence(format_by_convention(told), holds)


@claim(
    "mnist-10",
    says="Linear models do as well as multilayer ones.",
    report="as well",
    criterion="the single layer's test accuracy is at most a point below the best of the networks with a hidden layer",
    needed=0.5,
    long=True,
    cause="what it is compared with: softmax hidden units alone, with a sum",
    control={"readings": ("sum",), "models": SOFTMAX_MODELS},
)
def mnist_10(
    experiments: Experiments, readings: Sequence[str] = tuple(READINGS), models: Sequence[str] = MODELS
) -> Evidence:
    """Judge whether the single layer is at most a point below the best hidden layer."""
    holds, told = {}, {}
    for reading in readings:
        linear = accuracy(experiments, "single-layer", reading)
        best = np.max([accuracy(experiments, model, reading) for model in models], axis=0)
        holds[reading] = best - linear <= 0.01
        told[reading] = f"{format_median_accuracy(linear)} against {format_median_accuracy(best)}"
    return Evidence(format_by_convention(told), holds)


def _compare(
    experiments: Experiments, readings: Sequence[str], first: str, second: str, holds: Callable[..., object]
) -> Evidence:
    """Judge a criterion on the test accuracies [S] of two models, by reading."""
    found = {reading: tuple(accuracy(experiments, model, reading) for model in (first, second)) for reading in readings}
    told = {
        reading: f"{first} {format_median_accuracy(one)}, {second} {format_median_accuracy(other)}"
        for reading, (one, other) in found.items()
    }
    return Evidence(format_by_convention(told), {reading: holds(*pair) for reading, pair in found.items()})
