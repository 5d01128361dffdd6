"""The judges of the boundary claims about linear and XOR points.

Every seed has weights and linear points of its own. A reading differs from the recipe, the report's final program, in
the experiments that it names.

The report's settings are its text, its listings and what it prints above a run. Its gradient is of the mean. It prints
plain descent for sizes of layers, and a rate that is never squared for rates of 0.001 and 10; where it names no
optimizer, plain descent is a reading, and what its final program uses is another.

names : names of the recipe's experiments · K members
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.studies.claims import Evidence, is_as_far_out
from deltarule.studies.experiments import Experiments
from deltarule.studies.judges.boundary_trainings import (
    accuracy_at,
    constant_accuracy,
    epochs_needed,
    epochs_until_right,
    final_accuracy,
    loss_at,
    printed_inside,
    train,
    train_without_stop,
    zigzag,
)
from deltarule.training.run import Run

Names = Sequence[str]

MAX_EPOCHS = 10_000
"""The limit of the report's comparisons of optimizers."""

RUNS = 5
"""Runs of which the report's comparisons of optimizers show the epochs, and compare the mean."""

NOT_SQUARED_AT_0 = "not-squared-at-0"
SCHEDULE_OFF = "schedule-off"

RATE = "optimizer.learning_rate"
ONE_UNIT, MANY_UNITS = ({"network.layers": layers} for layers in ([2, 1, 1, 1], [2, 20, 7, 1]))
"""Layers of the report's other sizes, to be trained by the optimizer of a reading."""


def stops_on_time(
    experiments: Experiments,
    names: Names,
    between: tuple[float, float],
    printed: Sequence[tuple[int, float]],
    changes: Mapping[str, Any] | None = None,
) -> Evidence:
    """Judge whether the report's early stop, all points right, is one of ours."""
    run = train(experiments, *names, changes=changes)
    right = final_accuracy(run) == 1
    stop = np.where(right, epochs_needed(run, np.inf), np.inf)
    return Evidence(
        is_as_far_out(stop, *between),
        {"epoch of the stop with all points right": stop},
        f"{printed_inside(run, printed)} of {len(printed)} printed losses inside our central 90 %",
    )


def is_usually_right(experiments: Experiments, names: Names, least: float, epochs: int | None = None) -> Evidence:
    """Judge whether the final accuracy is the one that the report calls normal."""
    accuracy = final_accuracy(train(experiments, *names, epochs=epochs))
    return Evidence(accuracy >= least, {"accuracy": accuracy})


def learns_slowly(experiments: Experiments, names: Names) -> Evidence:
    """Judge whether rate 0.001 lowers the loss, but slowly, and raises the accuracy."""
    run = train(experiments, *names, epochs=2000, changes={RATE: 0.001})
    accuracies = np.array([accuracy_at(run, epoch) for epoch in range(0, 1801, 100)])
    first, last = loss_at(run, 0), loss_at(run, 1800)
    swings = np.mean(["+-+" in zigzag(curve, 0.05) for curve in accuracies.T])
    return Evidence(
        {
            "the loss falls": last < first,
            "by less than a tenth": last > 0.9 * first,
            "the accuracy rises": accuracies[-1] > accuracies[0],
        },
        {"loss at 0": first, "at 1,800": last, "accuracy at 0": accuracies[0], "at 1,800 it is": accuracies[-1]},
        f"it rises, falls and rises again, by 5 points or more each, for {swings:.0%} of the seeds",
    )


def does_not_learn_at_rate_10(experiments: Experiments, names: Names) -> Evidence:
    """Judge whether rate 10 is no better than one answer."""
    first, last = (train_without_stop(experiments, *names, epochs=n, changes={RATE: 10.0}) for n in (100, 1000))
    stuck = np.abs(first.final_accuracy - first.answers_alike) < 0.005
    return Evidence(
        last.final_accuracy < last.answers_alike + 0.005,
        {"accuracy at 1,000": last.final_accuracy, "loss at 1,000": last.final_loss},
        f"at epoch 100 as many points are right as by one answer for {stuck.mean():.0%} of the seeds",
    )


def bounces_at_rate_10(experiments: Experiments, names: Names) -> Evidence:
    """Judge whether the loss keeps jumping at rate 10."""
    high = train_without_stop(experiments, *names, epochs=1000, changes={RATE: 10.0})
    with np.errstate(invalid="ignore"):
        jumps = (np.diff(high.losses, axis=0) > 0.1).sum(0)
    return Evidence(jumps >= 10, {"jumps": jumps, "loss at 1,000": high.final_loss})


def usual_rate_is_best(experiments: Experiments, names: Names) -> Evidence:
    """Judge whether rate 0.8 stops sooner, or ends lower, than 0.001 and 10."""
    runs = {rate: train(experiments, *names, changes={RATE: rate}) for rate in (0.001, 0.8, 10.0)}
    conditions = {f"before {rate:g}": _stops_first(runs[0.8], runs[rate], 1000) for rate in (0.001, 10.0)}
    return Evidence(conditions, {f"loss at rate {rate:g}": loss_at(run, 1000) for rate, run in runs.items()})


def _stops_first(run: Run, other: Run, epoch: int) -> Any:
    """Whether a run stops sooner than another, or ends lower if neither stops."""
    stop, other_stop = (epochs_needed(trained, np.inf) for trained in (run, other))
    is_lower = loss_at(run, epoch) < loss_at(other, epoch)
    return np.where(np.isinf(stop) & np.isinf(other_stop), is_lower, stop < other_stop)


def one_unit_learns_nothing(experiments: Experiments, names: Names, epochs: int | None = None) -> Evidence:
    """Judge whether 1,000 epochs teach one unit no more than one answer for all points.

    epochs : after which it has learned more; None if the report does not say that it will.
    """
    run = train(experiments, *names, epochs=epochs, changes=ONE_UNIT)
    at_1000 = accuracy_at(run, 1000)
    end = final_accuracy(run)
    alike = constant_accuracy(run.problem)
    conditions = {"no better than one answer": at_1000 < alike + 0.005}
    if epochs is not None:
        conditions["learned more later"] = end > at_1000
    return Evidence(conditions, {"accuracy at 1,000": at_1000, "of one answer": alike, "at the end": end})


def loss_remains(experiments: Experiments, names: Names, between: tuple[float, float]) -> Evidence:
    """Judge whether the loss that the report shows for one unit could be one of ours."""
    run = train(experiments, *names, changes=ONE_UNIT)
    first, early, late = (loss_at(run, epoch) for epoch in (0, 100, 1000))
    far_out = [is_as_far_out(loss, *between) for loss in (early, late)]
    return Evidence(min(far_out, key=np.count_nonzero), {"loss at 0": first, "at 100": early, "at 1,000": late})


def larger_layers_learn(experiments: Experiments, names: Names, least: float, epochs: int | None = None) -> Evidence:
    """Judge whether 20 and 7 hidden units learn well, and 3 and 3 do, too."""
    large = final_accuracy(train(experiments, *names, epochs=epochs, changes=MANY_UNITS))
    usual = final_accuracy(train(experiments, *names, epochs=epochs))
    return Evidence(
        {"20 and 7": large >= least, "3 and 3": usual >= least}, {"accuracy of 20 and 7": large, "of 3 and 3": usual}
    )


def size_decides(experiments: Experiments, names: Names, least: float, epochs: int | None = None) -> Evidence:
    """Judge whether 3 and 3 hidden units reach the usual accuracy, but not 1 and 1."""
    usual = final_accuracy(train(experiments, *names, epochs=epochs))
    small = final_accuracy(train(experiments, *names, epochs=epochs, changes=ONE_UNIT))
    return Evidence(
        {"3 and 3 are enough": usual >= least, "1 and 1 are not": small < least},
        {"accuracy of 3 and 3": usual, "of 1 and 1": small},
    )


def ends_as_nan(
    experiments: Experiments,
    names: Names,
    epochs: int,
    solved: float | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Evidence:
    """Judge whether the loss is not a number, and nothing is learned."""
    end = train_without_stop(experiments, *names, epochs=epochs, changes=changes)
    accuracy = end.final_accuracy
    return Evidence(
        {
            "loss is nan": np.isnan(end.final_loss),
            "not learned": accuracy <= end.answers_alike if solved is None else accuracy < solved,
        },
        {"accuracy": accuracy},
        f"nan before any update {np.mean(np.isnan(end.losses[0])):.0%} of the seeds, at any time "
        f"{np.mean(np.isnan(end.losses).any(0)):.0%}",
    )


def schedule_slows_down(experiments: Experiments, names: Names, step: int) -> Evidence:
    """Judge whether the rate falls at each squaring, and rate 0.001 learns less."""
    epochs = 2 * step
    usual = train(experiments, *names)
    rates = np.array([usual.problem.rates(np.arange(experiments.seeds), epoch) for epoch in (0, step, epochs)])
    squared = train(experiments, *names, epochs=epochs, changes={RATE: 0.001})
    optimizer = [name for name in names if name != NOT_SQUARED_AT_0]
    constant = train(experiments, *optimizer, SCHEDULE_OFF, epochs=epochs, changes={RATE: 0.001})
    losses = loss_at(squared, epochs), loss_at(constant, epochs)
    return Evidence(
        {"the rate falls": (np.diff(rates, axis=0) < 0).all(0), "rate 0.001 learns less": losses[0] > losses[1]},
        {"loss with the schedule": losses[0], "without": losses[1]},
    )


def needs_fewer_epochs(
    experiments: Experiments,
    first: Names,
    second: Names,
    frozen: int,
    until: str = "stop",
    ratio: tuple[float, float] = (0.0, 1.0),
    parted: int = -1,
    of_five: bool = False,
    figure: float | None = None,
) -> Evidence:
    """Judge whether one training converges in fewer epochs than another.

    frozen : the epoch from which squared rates are under 1e-12, where trainings with them end.
    until : "stop", the early stop, or "right": until all points are right and stay so, evaluated every 10 epochs.
    ratio : it needs less than this share of the other's epochs, and at least that; 10,000 count where it does not.
    parted : the epoch until which both trainings are the same: seeds for which both converge by then tell nothing.
    of_five : what is compared are means over five seeds each.
    figure : the ratio of the report's means, which may be one of ours.
    """
    runs = [train(experiments, *names, epochs=_epochs_to_compare(names, frozen), every=10) for names in (first, second)]
    fast, slow = (epochs_needed(run, np.inf) if until == "stop" else epochs_until_right(run) for run in runs)
    if of_five and len(fast) >= RUNS:
        whole = len(fast) // RUNS * RUNS
        means = [np.minimum(epochs[:whole], MAX_EPOCHS).reshape(-1, RUNS).mean(1) for epochs in (fast, slow)]
        counted = means[0] / means[1]
        figures = {"mean epochs of five": means[0], "of the other": means[1], "ratio": counted}
        holds = (ratio[0] <= counted) & (counted < ratio[1]) if figure is None else is_as_far_out(counted, figure)
        return Evidence(holds, figures, runs=RUNS)
    counted = np.minimum(fast, MAX_EPOCHS) / np.minimum(slow, MAX_EPOCHS)
    holds = np.isfinite(fast) & (ratio[0] <= counted) & (counted < ratio[1])
    with np.errstate(invalid="ignore"):
        known = np.nan_to_num(fast / slow, nan=1.0, posinf=np.inf)  # nothing is known where neither training stops
    figures = {"epochs": fast, "of the other": slow, "ratio (0 where only the first stops)": known}
    return _evidence_of_unconverged(holds, figures, np.maximum(fast, slow) > parted, parted)


def step_fits_best(experiments: Experiments, names: Names, step: int, other: int) -> Evidence:
    """Judge whether the report's step stops sooner than the other data set's.

    Until the first squaring that differs both trainings are the same: seeds that have stopped by then tell nothing.
    """
    runs = []
    for every in (step, other):
        changes = {"optimizer.schedule": {"name": "squaring", "every": every, "at_start": 1}}
        runs.append(train(experiments, *names, epochs=7 * every, changes=changes))
    stops = [epochs_needed(run, np.inf) for run in runs]
    parted = min(step, other)
    figures = {f"epochs with {step:,}": stops[0], f"with {other:,}": stops[1]}
    return _evidence_of_unconverged(
        _stops_first(runs[0], runs[1], 7 * max(step, other)), figures, stops[0] > parted, parted
    )


def _evidence_of_unconverged(holds: Any, figures: Mapping[str, Any], tells: Any, parted: int) -> Evidence:
    """The evidence of seeds that have not converged before two trainings part.

    There is none if fewer than two seeds are left.
    """
    if parted < 0:
        return Evidence(holds, figures)
    remark = f"{np.mean(tells):.0%} of the seeds have not converged by epoch {parted:,}, where the rates part"
    if tells.sum() < 2:
        return Evidence(None, {}, remark)
    return Evidence(holds[tells], {name: values[tells] for name, values in figures.items()}, remark)


def ends_lower(experiments: Experiments, first: Names, second: Names, frozen: int, same_epoch: bool) -> Evidence:
    """Judge whether momentum ends with less loss, and with all points right."""
    with_it, without = (
        train(experiments, *names, epochs=_epochs_to_compare(names, frozen)) for names in (first, second)
    )
    J, other = loss_at(with_it, MAX_EPOCHS), loss_at(without, MAX_EPOCHS)
    if same_epoch:
        looks = np.array([loss_at(without, epoch) for epoch in without.history.steps])
        at = np.searchsorted(without.history.steps, with_it.steps, side="right") - 1
        other = looks[at, np.arange(len(at))]
    return Evidence(
        {"less loss": J < other, "all points right": final_accuracy(with_it) == 1},
        {"loss with momentum": J, "without": other},
    )


def prints_the_loss_of_its_predictions(
    experiments: Experiments, loss: float, labels: Sequence[int] | None = None
) -> Evidence:
    """Judge whether the printed predictions have the printed cross-entropy.

    labels : of the points; None for those that fit the predictions best.
    """
    p = np.loadtxt(experiments.recipe.folder / "printed_predictions.csv", skiprows=1)
    of_label = np.maximum(p, 1 - p) if labels is None else np.where(np.array(labels) == 1, p, 1 - p)
    cost = -np.log(of_label).mean()
    return Evidence(bool(cost <= loss), {"cross-entropy": [cost]}, f"cross-entropy {cost:.6f}, printed {loss:.6f}")


def _epochs_to_compare(names: Names, frozen: int) -> int:
    return MAX_EPOCHS if SCHEDULE_OFF in names else min(MAX_EPOCHS, frozen)
