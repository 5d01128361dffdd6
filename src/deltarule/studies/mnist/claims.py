"""Claims of the MNIST report, and the criterion of each, fixed before there were results.

A claim must hold for more than half: of the seeds; or of the five folds, where it is about the cross-validated grid,
whose members have one seed and rows of their own. The two readings of the rates, a sum and a mean over the batch, are
the conventions. An accuracy on the 10,000 test images has a standard error of about 0.3 points, so half a point is no
difference. Digests fix the judges' code: functions are imported under the names that it uses.
F folds · S seeds · C combinations
"""

from collections.abc import Callable

import numpy as np

from deltarule.reports.formatting import format_by_convention as by_convention
from deltarule.reports.formatting import format_median as middle
from deltarule.reports.formatting import format_median_accuracy as accuracies
from deltarule.reports.formatting import format_share as percent
from deltarule.studies.experiments import Experiments
from deltarule.studies.mnist.trainings import (
    CHANCE,
    FOLDS,
    HOURS,
    LINEAR,
    MODELS,
    READINGS,
    REPORTED,
    accuracy,
    best_single_layer,
    fast_accuracy,
    grid,
    rows_of,
    settings_of,
)
from deltarule.studies.mnist.trainings import accuracies_by_fold as by_fold
from deltarule.studies.mnist.trainings import index_of_combination as place_of
from deltarule.studies.mnist.trainings import numeric_column as seen
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
    """Report the time of our grid, as the store noted it; not testable, as the report's machine is not here."""
    told = {}
    for reading in READINGS:
        table = grid(experiments, reading)
        hours = sum(row["train_seconds"] for row in table.rows()) / 3600
        told[reading] = (
            f"{len(table):,} trainings in {60 * hours:.0f} minutes; the report's processor hours are "
            f"{HOURS / hours:,.0f} times these hours"
        )
    return Evidence(by_convention(told), {})


@claim(
    "mnist-2",
    says="The best combination is dropout 0.1, batch 256, rate 0.001 and momentum 0.25.",
    report="dropout 0.1, batch 256, rate 0.001, momentum 0.25",
    criterion="on the fold no other combination has an accuracy more than half a point above this one's",
    needed=0.5,
    contradicts_itself="it says that the best was chosen by cross-validation, and that testing accuracy was taken into "
    "account",
    long=True,
)
def mnist_2(experiments: Experiments) -> Evidence:
    """Judge whether the report's combination is within half a point of the best, by validation fold and test images."""
    holds, told = {}, {}
    for reading in READINGS:
        for part in ("validation", "test"):
            settings, scores = by_fold(grid(experiments, reading), part)
            own = scores[place_of(settings, REPORTED)]
            holds[f"{reading}, {part}"] = scores.max(0) - own <= 0.005
            best = settings[int(scores.mean(1).argmax())]
            rank = int((scores.mean(1) > own.mean()).sum()) + 1
            words = ", ".join(f"{key.split('.')[1]} {value:g}" for key, value in best.items())
            told[f"{reading}, {part}"] = (
                f"it is number {rank} with {accuracies(own)}; the best is {words} with "
                f"{accuracies(scores.mean(1).max())}"
            )
    return Evidence(by_convention(told), holds)


@mnist_2.control(
    "softmax hidden units learn slowly, so that the highest rate is the best; with ReLU units, a sum, and the report's "
    "dropout and batch"
)
def mnist_2_control(experiments: Experiments) -> Evidence:
    """Judge the same criterion over rates and momenta for ReLU units, for which steps of 0.01 are too long."""
    values = {
        key: experiments.recipe.configuration.grid[key] for key in ("optimizer.momentum", "optimizer.learning_rate")
    }
    table = experiments.sweep("grid-relu", values, experiment="relu", folds=FOLDS, seeds=1)
    settings, scores = by_fold(table, "validation")
    own = scores[place_of(settings, {key: REPORTED[key] for key in values})]
    best = settings[int(scores.mean(1).argmax())]
    words = ", ".join(f"{key.split('.')[1]} {value:g}" for key, value in best.items())
    ours = f"it has {accuracies(own)}; the best is {words} with {accuracies(scores.mean(1).max())}"
    return Evidence(ours, {"ReLU": scores.max(0) - own <= 0.005})


@claim(
    "mnist-3",
    says="Most combinations stay near chance; only some pass 80 % test accuracy.",
    report="most near chance, some over 80 %",
    criterion="of the fold's 96 combinations more than half have a test accuracy under 20 %, twice chance, and at "
    "least one but fewer than half pass 80 %",
    needed=0.5,
    long=True,
)
def mnist_3(experiments: Experiments) -> Evidence:
    """Judge, on each fold, whether over half of the combinations stay under 20 %, and fewer than half pass 80 %."""
    holds, told = {}, {}
    for reading in READINGS:
        _, scores = by_fold(grid(experiments, reading), "test")
        low, high = (scores < 2 * CHANCE).mean(0), (scores > 0.8).mean(0)
        holds[reading] = (low > 0.5) & (high > 0) & (high < 0.5)
        told[reading] = f"{percent(low)} under 20 %, {percent(high)} over 80 %"
    return Evidence(by_convention(told), holds)


@mnist_3.control("the length of the steps: with a sum and rates of a tenth, which lie between the two readings")
def mnist_3_control(experiments: Experiments) -> Evidence:
    """Judge the same criterion with rates from 0.001 to 0.000001; only the last rate is trained anew."""
    rates = experiments.recipe.configuration.grid["optimizer.learning_rate"]
    slowest = {**experiments.recipe.configuration.grid, "optimizer.learning_rate": [min(rates) / 10]}
    _, slow = by_fold(experiments.sweep("grid-slowest", slowest, folds=FOLDS, seeds=1), "test")
    settings, known = by_fold(grid(experiments, "sum"), "test")
    scores = np.concatenate([known[[one["optimizer.learning_rate"] < max(rates) for one in settings]], slow])
    low, high = (scores < 2 * CHANCE).mean(0), (scores > 0.8).mean(0)
    holds = (low > 0.5) & (high > 0) & (high < 0.5)
    return Evidence(f"{percent(low)} under 20 %, {percent(high)} over 80 %", {"rates of a tenth": holds})


# --- the networks beside each other ----------------------------------------------------------------------------------


@claim(
    "mnist-4",
    says="The single layer from zero weights is the best of all: 97.25 % in training, 91.75 % on the test images.",
    report="97.25 % and 91.75 %, the best of all",
    criterion="at the best settings of its own grid its training accuracy is within a point of 97.25 %, its test "
    "accuracy within a point of 91.75 %, and no network with a hidden layer that the report compares has a higher test "
    "accuracy",
    needed=0.5,
    long=True,
)
def mnist_4(experiments: Experiments) -> Evidence:
    """Judge whether the single layer has the report's accuracies within a point and no hidden layer does better."""
    holds, told = {}, {}
    for reading in READINGS:
        rows = best_single_layer(experiments, reading)
        train, test = seen(rows, "train_accuracy"), seen(rows, "test_accuracy")
        others = {model: accuracy(experiments, model, reading) for model in MODELS}
        highest = np.max(list(others.values()), axis=0)
        holds[reading] = (abs(train - 0.9725) <= 0.01) & (abs(test - 0.9175) <= 0.01) & (test >= highest)
        name = max(others, key=lambda model: np.median(others[model]))
        told[reading] = (
            f"{accuracies(train)} and {accuracies(test)}; the best other ({name}) {accuracies(others[name])}"
        )
    return Evidence(by_convention(told), holds)


@mnist_4.control("what it is compared with: softmax hidden units alone, with a sum, and its training accuracy left out")
def mnist_4_control(experiments: Experiments) -> Evidence:
    """Judge the single layer's test accuracy, and that no softmax network of three sizes has a higher one."""
    test = seen(best_single_layer(experiments, "sum"), "test_accuracy")
    others = [accuracy(experiments, model, "sum") for model in ("softmax", "hidden-250", "hidden-500")]
    holds = (abs(test - 0.9175) <= 0.01) & (test >= np.max(others, axis=0))
    return Evidence(f"{accuracies(test)} against {accuracies(np.max(others, axis=0))}", {"softmax units": holds})


@claim(
    "mnist-5",
    says="Hidden layers of 100, 250 and 500 units perform almost the same.",
    report="almost the same",
    criterion="the highest of the three test accuracies is at most a point above the lowest",
    needed=0.5,
    long=True,
)
def mnist_5(experiments: Experiments) -> Evidence:
    """Judge whether the accuracies with 100, 250 and 500 softmax hidden units are within a point of each other."""
    holds, told = {}, {}
    for reading in READINGS:
        found = [accuracy(experiments, model, reading) for model in ("softmax", "hidden-250", "hidden-500")]
        holds[reading] = np.ptp(found, axis=0) <= 0.01
        told[reading] = f"{', '.join(map(accuracies, found))} with 100, 250, 500"
    return Evidence(by_convention(told), holds)


@mnist_5.control("the rate: at 0.001 the stop rule ends them on their way; at 0.01, with a sum")
def mnist_5_control(experiments: Experiments) -> Evidence:
    """Judge the three sizes at the rate that is best in the grid."""
    found = [fast_accuracy(experiments, model) for model in ("softmax", "hidden-250", "hidden-500")]
    return Evidence(f"{', '.join(map(accuracies, found))} with 100, 250, 500", {"0.01": np.ptp(found, axis=0) <= 0.01})


@claim(
    "mnist-6",
    says="Softmax as the hidden activation beats ReLU.",
    report="softmax",
    criterion="its test accuracy is higher",
    needed=0.5,
    long=True,
)
def mnist_6(experiments: Experiments) -> Evidence:
    """Judge whether softmax hidden units beat ReLU, all else as in the final network."""
    return _compared(experiments, "softmax", "relu", lambda softmax, relu: softmax > relu)


@mnist_6.control("the rate: at 0.01, with a sum, ReLU's steps are too long")
def mnist_6_control(experiments: Experiments) -> Evidence:
    """Judge softmax against ReLU at the rate that is best for softmax units."""
    softmax, relu = fast_accuracy(experiments, "softmax"), fast_accuracy(experiments, "relu")
    return Evidence(f"softmax {accuracies(softmax)}, relu {accuracies(relu)}", {"0.01": softmax > relu})


@claim(
    "mnist-7",
    says="From zero and from random weights the single layer trains equally long; the network with a hidden layer "
    "trains faster from zeros.",
    report="equally long; faster from zeros",
    criterion="the single layer's updates until the stop rule differ by at most a fifth of the larger number, and the "
    "other network makes fewer updates from zeros than from random weights",
    needed=0.5,
    long=True,
)
def mnist_7(experiments: Experiments) -> Evidence:
    """Judge the updates from zero and random weights: alike for one layer, fewer from zeros for the other network."""
    holds, told = {}, {}
    for reading in READINGS:
        names = (*LINEAR, "zeros", "softmax")
        steps = {model: seen(rows_of(experiments, model, reading), "steps") for model in names}
        zero, random, zeros, usual = steps.values()
        alike = abs(zero - random) <= 0.2 * np.maximum(zero, random)
        holds[reading] = alike & (zeros < usual)
        learned = accuracies(accuracy(experiments, "zeros", reading))
        told[reading] = (
            f"updates from zero and random weights {middle(zero)} and {middle(random)}; with a hidden layer "
            f"{middle(zeros)} and {middle(usual)}, and what it learns from zeros is {learned} on the test images"
        )
    return Evidence(by_convention(told), holds)


@mnist_7.control("the length of the steps: with a mean, and rates that are longer by the batch's 256 images")
def mnist_7_control(experiments: Experiments) -> Evidence:
    """Judge the same criterion with a mean and rates times 256, which makes the steps those of a sum."""
    long = {"optimizer.learning_rate": 256 * REPORTED["optimizer.learning_rate"]}
    chosen = [{**settings_of(experiments, model, "mean"), **long} for model in (*LINEAR, "zeros", "softmax")]
    table = experiments.sweep("models-long", chosen)
    zero, random, zeros, usual = (seen(table.rows_of(one), "steps") for one in chosen)
    holds = (abs(zero - random) <= 0.2 * np.maximum(zero, random)) & (zeros < usual)
    ours = f"updates {middle(zero)} and {middle(random)}; with a hidden layer {middle(zeros)} and {middle(usual)}"
    return Evidence(ours, {"mean, longer rates": holds})


@claim(
    "mnist-8",
    says="Sigmoid beats ReLU, which does very badly on the test images.",
    report="sigmoid; ReLU very bad",
    criterion="sigmoid's test accuracy is higher, and ReLU's is under 50 %",
    needed=0.5,
    long=True,
)
def mnist_8(experiments: Experiments) -> Evidence:
    """Judge whether sigmoid units beat ReLU, which stays under 50 %, all else as in the final network."""
    return _compared(experiments, "sigmoid", "relu", lambda sigmoid, relu: (sigmoid > relu) & (relu < 0.5))


@mnist_8.control("the rate: at 0.01, with a sum, ReLU's steps are too long")
def mnist_8_control(experiments: Experiments) -> Evidence:
    """Judge the same criterion at the rate that is best for softmax units."""
    sigmoid, relu = fast_accuracy(experiments, "sigmoid"), fast_accuracy(experiments, "relu")
    ours = f"sigmoid {accuracies(sigmoid)}, relu {accuracies(relu)}"
    return Evidence(ours, {"0.01": (sigmoid > relu) & (relu < 0.5)})


@claim(
    "mnist-9",
    says="Dropout does not help, because the network does not overfit.",
    report="does not help",
    criterion="with dropout the test accuracy is at most half a point higher than without, and without it the training "
    "accuracy is at most two points above the test accuracy",
    needed=0.5,
    long=True,
)
def mnist_9(experiments: Experiments) -> Evidence:
    """Judge whether dropout of 0.1 gains at most half a point, and without it training leads test by at most two."""
    holds, told = {}, {}
    for reading in READINGS:
        dropped = accuracy(experiments, "softmax", reading)
        test = accuracy(experiments, "no-dropout", reading)
        train = accuracy(experiments, "no-dropout", reading, "train")
        holds[reading] = (dropped - test <= 0.005) & (train - test <= 0.02)
        told[reading] = (
            f"{accuracies(dropped)} with, {accuracies(test)} without, where it has {accuracies(train)} in training"
        )
    return Evidence(by_convention(told), holds)


@mnist_9.control("the rate: at 0.001 the stop rule ends them on their way; at 0.01, with a sum")
def mnist_9_control(experiments: Experiments) -> Evidence:
    """Judge the same criterion at the rate that is best in the grid."""
    dropped, test = fast_accuracy(experiments, "softmax"), fast_accuracy(experiments, "no-dropout")
    train = fast_accuracy(experiments, "no-dropout", "train")
    ours = f"{accuracies(dropped)} with, {accuracies(test)} without, where it has {accuracies(train)} in training"
    return Evidence(ours, {"0.01": (dropped - test <= 0.005) & (train - test <= 0.02)})


@claim(
    "mnist-10",
    says="Linear models do as well as multilayer ones.",
    report="as well",
    criterion="the single layer's test accuracy is at most a point below the best of the networks with a hidden layer",
    needed=0.5,
    long=True,
)
def mnist_10(experiments: Experiments) -> Evidence:
    """Judge whether the single layer, at the final network's rates, is at most a point below the best hidden layer."""
    holds, told = {}, {}
    for reading in READINGS:
        linear = accuracy(experiments, "single-layer", reading)
        best = np.max([accuracy(experiments, model, reading) for model in MODELS], axis=0)
        holds[reading] = best - linear <= 0.01
        told[reading] = f"{accuracies(linear)} against {accuracies(best)}"
    return Evidence(by_convention(told), holds)


@mnist_10.control("what it is compared with: softmax hidden units alone, with a sum")
def mnist_10_control(experiments: Experiments) -> Evidence:
    """Judge the same criterion against softmax hidden units in three sizes, with a sum."""
    linear = accuracy(experiments, "single-layer", "sum")
    best = np.max([accuracy(experiments, model, "sum") for model in ("softmax", "hidden-250", "hidden-500")], axis=0)
    return Evidence(f"{accuracies(linear)} against {accuracies(best)}", {"softmax units": best - linear <= 0.01})


def _compared(experiments: Experiments, first: str, second: str, holds: Callable[..., object]) -> Evidence:
    """Judge, by reading of the rates, the criterion `holds(first, second)` on the test accuracies [S] of two models."""
    found = {reading: tuple(accuracy(experiments, model, reading) for model in (first, second)) for reading in READINGS}
    told = {
        reading: f"{first} {accuracies(one)}, {second} {accuracies(other)}" for reading, (one, other) in found.items()
    }
    return Evidence(by_convention(told), {reading: holds(*pair) for reading, pair in found.items()})
