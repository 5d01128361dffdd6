"""Claims of the boundary report about its linear points, and the criterion of each, fixed before there were results.

A claim about what a setting does must hold for 9 in 10 seeds. A figure read from one run, a usual result, and a
comparison must hold for more than half: the report shows one run, or five, and half of all runs are beyond the median.
Every seed has weights and points of its own. A convention differs from the recipe in the experiment that names it, and
in nothing else.    K members · T evaluations, one every 100 epochs
Digests fix the judges' code: functions are imported under the names that it uses.
"""

import numpy as np

from deltarule.reports.formatting import format_by_convention as by_convention
from deltarule.reports.formatting import format_median as middle
from deltarule.reports.formatting import format_share as percent
from deltarule.studies.boundary_trainings import (
    AS_ASSUMED,
    accuracy_at,
    epochs_needed,
    final_accuracy,
    loss_at,
    printed_inside,
    seeds_with_initial_loss,
    zigzag,
)
from deltarule.studies.boundary_trainings import has_stopped as stopped
from deltarule.studies.boundary_trainings import train as trained
from deltarule.studies.boundary_trainings import train_without_stop as gone_on
from deltarule.studies.experiments import Experiments
from deltarule.studies.verdicts import Evidence, claim

PRINTED = {0: 1.80744, 100: 0.67273, 200: 0.05513, 300: 0.03311, 400: 0.02316, 500: 0.01738}
"""The losses that the report prints of its run, by epoch."""

COIN = 0.6
"""Above this loss nothing is learned: a coin has ln 2 = 0.693."""

FROZEN = 3500
"""From the seventh squaring, at epoch 3,500 at the latest, the rate is under 1e-12 and nothing changes any more."""

SUMMED = "the gradient of the summed loss, whose steps are 100 times as long and drive every output to 0 or 1"
"""Why that convention fails; each convention differs from the recipe in one thing, so the recipe is its control."""


@claim(
    "boundary-1",
    says="Linear: the loss is under 0.015 and the accuracy 100 % soon after 500 epochs.",
    report="stops between epochs 500 and 600, loss 0.01479, 100 %",
    criterion="the early stop (loss under 0.015 for the third time) comes by epoch 600, the first line that the "
    "report's run does not print any more, with every point right",
    needed=0.5,
)
def boundary_1(experiments: Experiments) -> Evidence:
    """Judge whether training stops by epoch 600 with 100 %, under each convention that the report leaves open."""
    left_open = ("not-squared-at-0", "sum", "plain", "biases-zero", "weights-glorot", "weights-uniform")
    holds, told = {}, {}
    for name in (AS_ASSUMED, *left_open):
        run = trained(experiments, name)
        holds[name] = stopped(run) & (run.steps <= 600) & (final_accuracy(run) == 1)
        told[name] = (
            f"stop at {middle(epochs_needed(run, np.inf))}, {printed_inside(run, PRINTED)} of {len(PRINTED)} "
            "printed losses inside"
        )
    return Evidence(f"median stop, losses inside our central 90 %: {by_convention(told)}", holds)


@boundary_1.control("the length of the steps: the summed loss makes them too long, plain descent too short")
def boundary_1_control(experiments: Experiments) -> Evidence:
    """Judge the early stop again with the recipe itself, from which each convention differs in one thing."""
    run = trained(experiments)
    holds = stopped(run) & (run.steps <= 600) & (final_accuracy(run) == 1)
    return Evidence(f"of the mean, with momentum: stop at {middle(run.steps)} (median)", {AS_ASSUMED: holds})


@claim(
    "boundary-3",
    says="The usual accuracy is 99 to 100 % on the linear points.",
    report="99 to 100 %",
    criterion="at the early stop, or after 1,000 epochs, at least 99 % of the points are right",
    needed=0.5,
)
def boundary_3(experiments: Experiments) -> Evidence:
    """Judge, under each convention, whether the accuracy is at least 99 % at the end of training, whatever ended it."""
    found = {name: final_accuracy(trained(experiments, name)) for name in (AS_ASSUMED, "not-squared-at-0", "sum")}
    told = {name: middle(accuracy) for name, accuracy in found.items()}
    return Evidence(
        f"median accuracy: {by_convention(told)}", {name: accuracy >= 0.99 for name, accuracy in found.items()}
    )


@boundary_3.control(SUMMED)
def boundary_3_control(experiments: Experiments) -> Evidence:
    """Judge the accuracy with the gradient of the mean, all else as in the convention that fails."""
    accuracy = final_accuracy(trained(experiments))
    return Evidence(f"of the mean: median accuracy {middle(accuracy)}", {AS_ASSUMED: accuracy >= 0.99})


@claim(
    "boundary-4",
    says="At rate 0.001 without the schedule the loss is 0.68752 at the start and still 0.66980 at 1,800 epochs; the "
    "accuracy rises to 79 %, falls to 60 %, rises to 68 %.",
    report="0.66980 at 1,800; 79 %, 60 %, 68 %",
    criterion="the loss at 1,800 epochs is still above 0.6 (a coin's is 0.693), and up to then the accuracy, looked "
    "at every 100 epochs, rises, falls and rises again, by 5 points or more each",
    needed=0.5,
)
def boundary_4(experiments: Experiments) -> Evidence:
    """Judge, by convention, whether at rate 0.001 the loss stays above 0.6 and the accuracy rises, falls and rises."""
    holds, told = {}, {}
    for name in (AS_ASSUMED, "plain", "sum"):
        run = trained(experiments, "rate-0.001", "schedule-off", name, epochs=2000)
        slow = loss_at(run, 1800) > COIN
        until_1800 = np.array([accuracy_at(run, epoch) for epoch in range(0, 1801, 100)])
        turns = np.array(["+-+" in zigzag(series, 0.05) for series in until_1800.T])
        holds[name] = slow & turns
        told[name] = f"{middle(loss_at(run, 1800))}, turns {percent(turns)}"
    return Evidence(f"median loss at 1,800, accuracy that turns: {by_convention(told)}", holds)


@boundary_4.control("the start: the report's network begins at 0.68752, better than a coin, where ours begin at 0.79")
def boundary_4_control(experiments: Experiments) -> Evidence:
    """Judge the same criterion over seeds whose untrained network has the report's loss, give or take 0.004."""
    seeds = seeds_with_initial_loss(experiments, 0.68752, tolerance=0.004, count=experiments.seeds)
    run = trained(experiments, "rate-0.001", "schedule-off", epochs=2000, seeds=seeds)
    slow = loss_at(run, 1800) > COIN
    until_1800 = np.array([accuracy_at(run, epoch) for epoch in range(0, 1801, 100)])
    turns = np.array(["+-+" in zigzag(series, 0.05) for series in until_1800.T])
    ours = f"median loss at 1,800 {middle(loss_at(run, 1800))}, above 0.6 {percent(slow)}, turns {percent(turns)}"
    return Evidence(ours, {AS_ASSUMED: slow & turns})


@claim(
    "boundary-5",
    says="Rate 10 is stuck at 55 % (loss 0.688) on the linear points; 0.8 is the best rate.",
    report="55 %, then 5.354 and 45 % at epoch 1,500",
    criterion="at rate 10 the accuracy after 1,000 epochs is no better than that of one answer for all points; and "
    "rate 0.8 ends with a lower loss than 0.001 and 10, a loss that is not a number counted as the worst",
    needed=0.5,
    contradicts_itself="the run whose epoch 1,500 is quoted is said to have 1,000 epochs",
)
def boundary_5(experiments: Experiments) -> Evidence:
    """Judge, by convention, whether rate 10 is no better than a constant and 0.8 is best; NaN ends no training."""
    holds, told = {}, {}
    for name in (AS_ASSUMED, "not-squared-at-0", "schedule-off", "sum"):
        usual, low = trained(experiments, name), trained(experiments, "rate-0.001", name)
        high = gone_on(experiments, "rate-10", name, epochs=1000)
        stuck = high.final_accuracy <= high.answers_alike
        worst = np.where(np.isfinite(high.final_loss), high.final_loss, np.inf)
        best = loss_at(usual, 1000) < np.minimum(loss_at(low, 1000), worst)
        holds[name] = stuck & best
        told[name] = f"stuck {percent(stuck)}, loss {middle(worst)}, 0.8 best {percent(best)}"
    return Evidence(f"rate 10 after 1,000 epochs: {by_convention(told)}", holds)


@boundary_5.control(SUMMED)
def boundary_5_control(experiments: Experiments) -> Evidence:
    """Judge rates 10 and 0.8 with the gradient of the mean, all else as in the convention that fails."""
    usual, low = trained(experiments), trained(experiments, "rate-0.001")
    high = gone_on(experiments, "rate-10", epochs=1000)
    worst = np.where(np.isfinite(high.final_loss), high.final_loss, np.inf)
    best = loss_at(usual, 1000) < np.minimum(loss_at(low, 1000), worst)
    stuck = high.final_accuracy <= high.answers_alike
    return Evidence(f"of the mean: stuck {percent(stuck)}, 0.8 best {percent(best)}", {AS_ASSUMED: stuck & best})


@claim(
    "boundary-6",
    says="One unit in each hidden layer learns nothing in 1,000 epochs and needs 10,000 on the linear points (rate "
    "0.8, schedule on).",
    report="loss about 0.8 after 1,000; needs 10,000",
    criterion="after 1,000 epochs the loss is above 0.6 (a coin's is 0.693), and after 10,000 at least 99 % of the "
    "points are right; trained for 3,500, as from there on the squared rate is under 1e-12 and nothing changes",
    needed=0.9,
    contradicts_itself="with that schedule the rate is nearly 0 long before 10,000 epochs",
)
def boundary_6(experiments: Experiments) -> Evidence:
    """Judge, by convention, whether 1 and 1 units have a loss above 0.6 at epoch 1,000, and 99 % accuracy at 3,500."""
    holds, told = {}, {}
    for name in (AS_ASSUMED, "not-squared-at-0", "sum", "plain"):
        run = trained(experiments, "hidden-1-1", name, epochs=FROZEN)
        nothing, learned = loss_at(run, 1000) > COIN, final_accuracy(run) >= 0.99
        holds[name] = nothing & learned
        told[name] = f"loss {middle(loss_at(run, 1000))}, nothing learned {percent(nothing)}, later {percent(learned)}"
    return Evidence(f"after 1,000 epochs: {by_convention(told)}", holds)


@boundary_6.control(
    "plain descent, weights uniform between 0 and 1, and no schedule: of the variants tried the one that comes nearest"
)
def boundary_6_control(experiments: Experiments) -> Evidence:
    """Judge the same criterion from weights with the loss that the report quotes, for 10,000 epochs of one rate."""
    run = trained(experiments, "hidden-1-1", "plain", "weights-uniform", "schedule-off", epochs=10_000)
    nothing, learned = loss_at(run, 1000) > COIN, final_accuracy(run) >= 0.99
    ours = (
        f"median loss {middle(loss_at(run, 0))} at the start and {middle(loss_at(run, 1000))} at 1,000 epochs; nothing "
        f"learned by then {percent(nothing)}, learned by 10,000 {percent(learned)}"
    )
    return Evidence(ours, {"plain, weights-uniform, schedule-off": nothing & learned})


@claim(
    "boundary-7",
    says="Hidden layers of 20 and 7 units learn well, and are more than needed.",
    report="learns well",
    criterion="at the early stop, or after 1,000 epochs, at least 99 % of the points are right, with 20 and 7 units "
    "and with 3 and 3",
    needed=0.9,
)
def boundary_7(experiments: Experiments) -> Evidence:
    """Judge, by convention, whether hidden layers of 20 and 7 units, and also of 3 and 3, reach 99 % accuracy."""
    holds, told = {}, {}
    for name in (AS_ASSUMED, "not-squared-at-0", "sum"):
        large = final_accuracy(trained(experiments, "hidden-20-7", name)) >= 0.99
        usual = final_accuracy(trained(experiments, name)) >= 0.99
        holds[name] = large & usual
        told[name] = f"20 and 7 {percent(large)}, 3 and 3 {percent(usual)}"
    return Evidence(f"learn well: {by_convention(told)}", holds)


@boundary_7.control(SUMMED)
def boundary_7_control(experiments: Experiments) -> Evidence:
    """Judge both sizes with the gradient of the mean, all else as in the convention that fails."""
    large = final_accuracy(trained(experiments, "hidden-20-7")) >= 0.99
    usual = final_accuracy(trained(experiments)) >= 0.99
    return Evidence(f"of the mean: 20 and 7 {percent(large)}, 3 and 3 {percent(usual)}", {AS_ASSUMED: large & usual})


@claim(
    "boundary-8",
    says="With hidden layers of 100 and 100 units the loss becomes nan, and the accuracy is 49 %.",
    report="nan, 49 % (of 100 points: 49 % of the 21 XOR points there is not)",
    criterion="after 200 epochs the loss is not a number, nor infinite in place of it, and the accuracy is no better "
    "than that of one answer for all points; 200 epochs, because a network of this size takes its time",
    needed=0.9,
)
def boundary_8(experiments: Experiments) -> Evidence:
    """Judge, by convention, whether 100 and 100 units end with a NaN loss, no better than a constant prediction."""
    holds, told = {}, {}
    for name in (AS_ASSUMED, "sum", "plain"):
        end = gone_on(experiments, "hidden-100-100", name, epochs=200)
        nan, alike = np.isnan(end.final_loss), end.final_accuracy <= end.answers_alike
        holds[name] = nan & alike
        told[name] = (
            f"nan {percent(nan)} (ever {percent(np.isnan(end.losses).any(0))}), accuracy {middle(end.final_accuracy)}"
        )
    return Evidence(f"after 200 epochs: {by_convention(told)}", holds)


@boundary_8.control(
    "the initial weights: uniform between 0 and 1, as NumPy's rand draws them, 100 units make outputs of 1"
)
def boundary_8_control(experiments: Experiments) -> Evidence:
    """Judge the same criterion from positive weights: every output is 1 to the last bit, and 0 · log 0 is NaN."""
    end = gone_on(experiments, "hidden-100-100", "weights-uniform", epochs=200)
    nan, alike = np.isnan(end.final_loss), end.final_accuracy <= end.answers_alike
    ours = f"nan {percent(nan)}, before any update {percent(np.isnan(end.losses[0]))}; accuracy "
    return Evidence(ours + middle(end.final_accuracy), {"weights-uniform": nan & alike})


@claim(
    "boundary-10",
    says="The schedule, which squares the rate, takes big steps first and small ones later; with rate 0.001 it stops "
    "learning.",
    report="stops learning",
    criterion="from rate 0.8 the rate falls at every squaring; from rate 0.001 the loss after 1,000 and 2,000 epochs "
    "is the same to the 5 decimals that the report prints, still above 0.015, while without the schedule it is not",
    needed=0.9,
)
def boundary_10(experiments: Experiments) -> Evidence:
    """Judge whether rate 0.001 stops learning: it is 1e-12 from epoch 500 on, or 1,000 if not squared at epoch 0."""
    without = trained(experiments, "rate-0.001", "schedule-off", epochs=2000)
    learns = np.round(loss_at(without, 1000), 5) != np.round(loss_at(without, 2000), 5)
    holds, told = {}, {}
    for name in (AS_ASSUMED, "not-squared-at-0"):
        usual, run = trained(experiments, name), trained(experiments, "rate-0.001", name, epochs=2000)
        rates = np.array([usual.problem.rates(np.arange(len(learns)), epoch) for epoch in (0, 500, 1000)])
        before, after = loss_at(run, 1000), loss_at(run, 2000)
        stands_still = (np.round(before, 5) == np.round(after, 5)) & (after > 0.015)
        holds[name] = (np.diff(rates, axis=0) < 0).all(0) & stands_still & learns
        told[name] = f"loss {middle(before)} at 1,000 and {middle(after)} at 2,000"
    without_it = f"{middle(loss_at(without, 1000))} and {middle(loss_at(without, 2000))}"
    return Evidence(f"{by_convention(told)}; without the schedule {without_it}", holds)


@claim(
    "boundary-11",
    says="Momentum 0.9 converges in far fewer epochs than none on the linear points (rate 0.8, at most 10,000 epochs).",
    report="far fewer, 5 runs each",
    criterion="from the same weights and points momentum comes to the early stop in at most half of the epochs that "
    "plain descent needs, 10,000 where it does not stop; squared rates are trained for 3,500 epochs, as from there on "
    "they are under 1e-12 and nothing changes",
    needed=0.5,
)
def boundary_11(experiments: Experiments) -> Evidence:
    """Judge, by convention, whether momentum stops in at most half of the epochs that plain descent needs."""
    holds, told = {}, {}
    for name in (AS_ASSUMED, "not-squared-at-0", "schedule-off", "sum"):
        limit = 10_000 if name == "schedule-off" else FROZEN
        fast = epochs_needed(trained(experiments, name, epochs=limit), 10_000)
        slow = epochs_needed(trained(experiments, "plain", name, epochs=limit), 10_000)
        holds[name] = fast <= slow / 2
        told[name] = f"{middle(fast)} against {middle(slow)}"
    return Evidence(f"median epochs, 10,000 where there is no stop: {by_convention(told)}", holds)


@boundary_11.control(SUMMED)
def boundary_11_control(experiments: Experiments) -> Evidence:
    """Judge momentum with the gradient of the mean, all else as in the convention that fails."""
    fast = epochs_needed(trained(experiments, epochs=FROZEN), 10_000)
    slow = epochs_needed(trained(experiments, "plain", epochs=FROZEN), 10_000)
    return Evidence(f"of the mean: {middle(fast)} against {middle(slow)}", {AS_ASSUMED: fast <= slow / 2})


@claim(
    "boundary-12",
    says="The adaptive update cuts the epochs to about a tenth.",
    report="about a tenth",
    criterion="from the same weights and points the adaptive update comes to the early stop in at most a fifth (twice "
    "a tenth) of the epochs that plain descent needs, 10,000 where it does not stop; it is given 2,000 epochs, a fifth "
    "of these",
    needed=0.5,
)
def boundary_12(experiments: Experiments) -> Evidence:
    """Judge whether Adagrad as printed, and as coded, stops in at most a fifth of plain descent's epochs."""
    holds, told = {}, {}
    for schedule in (AS_ASSUMED, "not-squared-at-0", "schedule-off"):
        limit = 10_000 if schedule == "schedule-off" else FROZEN
        slow = epochs_needed(trained(experiments, "plain", schedule, epochs=limit), 10_000)
        for update in ("normalized-gradient", "adagrad"):
            run = trained(experiments, update, schedule, epochs=2000)
            holds[f"{update}, {schedule}"] = stopped(run) & (run.steps <= slow / 5)
            told[f"{update}, {schedule}"] = f"{middle(epochs_needed(run, 10_000))} against {middle(slow)}"
    return Evidence(f"median epochs, 10,000 where there is no stop: {by_convention(told)}", holds)


@boundary_12.control("the schedule: while it squares the rate plain descent never arrives, at a constant rate it does")
def boundary_12_control(experiments: Experiments) -> Evidence:
    """Judge both adaptive updates with the schedule on, all else as in the conventions that fail."""
    slow = epochs_needed(trained(experiments, "plain", epochs=FROZEN), 10_000)
    runs = {update: trained(experiments, update, epochs=2000) for update in ("normalized-gradient", "adagrad")}
    told = {update: f"{middle(epochs_needed(run, 10_000))} against {middle(slow)}" for update, run in runs.items()}
    holds = {update: stopped(run) & (run.steps <= slow / 5) for update, run in runs.items()}
    return Evidence(f"schedule on: {by_convention(told)}", holds)


@claim(
    "boundary-13",
    says="The linear points favour momentum (the XOR points favour the adaptive update).",
    report="momentum for linear",
    criterion="from the same weights and points momentum comes to the early stop within 2,000 epochs, and in fewer "
    "than the adaptive update",
    needed=0.5,
)
def boundary_13(experiments: Experiments) -> Evidence:
    """Judge whether momentum stops within 2,000 epochs and before the adaptive update, as printed and as coded."""
    holds, told = {}, {}
    for schedule in (AS_ASSUMED, "not-squared-at-0", "schedule-off"):
        limit = 10_000 if schedule == "schedule-off" else FROZEN
        momentum = epochs_needed(trained(experiments, schedule, epochs=limit), 10_000)
        for update in ("normalized-gradient", "adagrad"):
            other = epochs_needed(trained(experiments, update, schedule, epochs=2000), 10_000)
            holds[f"{update}, {schedule}"] = (momentum <= 2000) & (momentum < other)
            told[f"{update}, {schedule}"] = f"{middle(momentum)} against {middle(other)}"
    return Evidence(f"median epochs, 10,000 where there is no stop: {by_convention(told)}", holds)


@claim(
    "boundary-14",
    says="Hidden layers of 3 and 3 units, the mean of input and output neurons, are enough; size is what decides.",
    report="3 and 3 are enough",
    criterion="at the early stop, or after 1,000 epochs, at least 99 % of the points are right with 3 and 3 units, and "
    "not with 1 and 1",
    needed=0.9,
    contradicts_itself="the mean of 2 inputs and 1 output is 1.5, not 3",
)
def boundary_14(experiments: Experiments) -> Evidence:
    """Judge, by convention, whether 3 and 3 hidden units reach 99 % accuracy, and 1 and 1 do not."""
    holds, told = {}, {}
    for name in (AS_ASSUMED, "not-squared-at-0", "sum"):
        enough = final_accuracy(trained(experiments, name)) >= 0.99
        small = accuracy_at(trained(experiments, "hidden-1-1", name, epochs=FROZEN), 1000) >= 0.99
        holds[name] = enough & ~small
        told[name] = f"3 and 3 {percent(enough)}, 1 and 1 {percent(small)}"
    return Evidence(f"at least 99 % right: {by_convention(told)}", holds)


@boundary_14.control(
    "the points: a single line divides the linear ones, and a single unit draws it; the XOR points need two"
)
def boundary_14_control(experiments: Experiments) -> Evidence:
    """Judge both sizes by the same training on the 21 XOR points."""
    sizes = {"3 and 3": [2, 3, 3, 1], "1 and 1": [2, 1, 1, 1]}
    settings = [{"data.name": "xor", "network.layers": layers} for layers in sizes.values()]
    enough, small = (final_accuracy(run) >= 0.99 for run in experiments.each(settings, history_every=100))
    ours = f"XOR points: 3 and 3 {percent(enough)}, 1 and 1 {percent(small)}"
    return Evidence(ours, {"XOR points": enough & ~small})
