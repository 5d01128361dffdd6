"""The judges of both decision-boundary studies, for claims and their controls.

A reading is the name of what the report leaves open and the recipe's experiments that set it; where it names none, the
recipe is as assumed. A judge says for each reading for which seeds its criterion holds.
K members · T evaluations, one every 100 epochs
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from deltarule.reports.formatting import format_by_convention, format_median, format_share
from deltarule.studies.boundary_trainings import (
    accuracy_at,
    epochs_needed,
    final_accuracy,
    has_stopped,
    loss_at,
    printed_inside,
    seeds_with_initial_loss,
    train,
    train_without_stop,
    zigzag,
)
from deltarule.studies.experiments import Experiments
from deltarule.studies.verdicts import Evidence
from deltarule.training.run import Run

AS_ASSUMED = "as assumed"
"""The name of the recipe itself among the readings."""

COIN = 0.6
"""Above this loss nothing is learned: a coin has ln 2 = 0.693."""

MAX_EPOCHS = 10_000
"""The limit of the report's comparisons of optimizers; what a training without a stop is counted as."""

Readings = Mapping[str, tuple[str, ...]]
NO_CHANGES: Mapping[str, Any] = MappingProxyType({})


def readings(*experiments: str) -> Readings:
    """The recipe as assumed, and a reading for each experiment, named after it."""
    return {AS_ASSUMED: (), **{name: (name,) for name in experiments}}


def judge_readings(
    heading: str, readings: Mapping[str, tuple[Any, ...]], judge: Callable[..., tuple[Any, str]]
) -> Evidence:
    """Judge a claim under each of its readings by calling `judge`."""
    found = {name: judge(*experiments) for name, experiments in readings.items()}
    told = format_by_convention({name: text for name, (_, text) in found.items()})
    return Evidence(f"{heading}: {told}", {name: holds for name, (holds, _) in found.items()})


def stops_right(
    experiments: Experiments,
    readings: Readings,
    by: int,
    printed: Mapping[int, float],
    changes: Mapping[str, Any] = NO_CHANGES,
) -> Evidence:
    """Judge whether the early stop comes by epoch `by`, with every point right."""

    def judge(*names: str) -> tuple[Any, str]:
        run = train(experiments, *names, changes=changes)
        holds = has_stopped(run) & (run.steps <= by) & (final_accuracy(run) == 1)
        inside = f"{printed_inside(run, printed)} of {len(printed)} printed losses inside"
        return holds, f"stop at {format_median(epochs_needed(run, np.inf))}, {inside}"

    return judge_readings("median stop, losses inside our central 90 %", readings, judge)


def usual_accuracy(experiments: Experiments, readings: Readings, least: float) -> Evidence:
    """Judge whether the accuracy at the end of training is at least `least`."""

    def judge(*names: str) -> tuple[Any, str]:
        accuracy = final_accuracy(train(experiments, *names))
        return accuracy >= least, format_median(accuracy)

    return judge_readings("median accuracy", readings, judge)


def swings_at_rate_0001(experiments: Experiments, readings: Readings, initial_loss: float | None = None) -> Evidence:
    """Judge whether rate 0.001 keeps the loss high while the accuracy swings.

    initial_loss : the loss of the untrained networks, give or take 0.004, by which their seeds are chosen.
    """
    seeds = None
    if initial_loss is not None:
        seeds = seeds_with_initial_loss(experiments, initial_loss, tolerance=0.004, count=experiments.seeds)

    def judge(*names: str) -> tuple[Any, str]:
        run = train(experiments, "rate-0.001", "schedule-off", *names, epochs=2000, seeds=seeds)
        until_1800 = np.array([accuracy_at(run, epoch) for epoch in range(0, 1801, 100)])
        turns = np.array(["+-+" in zigzag(series, 0.05) for series in until_1800.T])
        loss = loss_at(run, 1800)
        return (loss > COIN) & turns, f"{format_median(loss)}, turns {format_share(turns)}"

    return judge_readings("median loss at 1,800, accuracy that turns", readings, judge)


def stuck_at_rate_10(experiments: Experiments, readings: Readings) -> Evidence:
    """Judge whether rate 10 is no better than a constant, and rate 0.8 the best."""

    def judge(*names: str) -> tuple[Any, str]:
        high = train_without_stop(experiments, "rate-10", *names, epochs=1000)
        stuck, best = high.final_accuracy <= high.answers_alike, _usual_rate_is_best(experiments, high, *names)
        figures = f"stuck {format_share(stuck)}, loss {format_median(_finite(high))}, 0.8 best {format_share(best)}"
        return stuck & best, figures

    return judge_readings("rate 10 after 1,000 epochs", readings, judge)


def bounces_at_rate_10(experiments: Experiments, readings: Readings) -> Evidence:
    """Judge whether the loss keeps jumping at rate 10, and rate 0.8 is the best."""

    def judge(*names: str) -> tuple[Any, str]:
        high = train_without_stop(experiments, "rate-10", *names, epochs=1000)
        jumps, best = (np.diff(high.losses, axis=0) > 0.1).sum(0), _usual_rate_is_best(experiments, high, *names)
        figures = f"{format_median(jumps)} jumps, loss {format_median(_finite(high))}, 0.8 best {format_share(best)}"
        return (jumps >= 10) & best, figures

    return judge_readings("rate 10 (medians)", readings, judge)


def _usual_rate_is_best(experiments: Experiments, high: Any, *names: str) -> Any:
    usual, low = train(experiments, *names), train(experiments, "rate-0.001", *names)
    return loss_at(usual, 1000) < np.minimum(loss_at(low, 1000), _finite(high))


def _finite(unstopped: Any) -> Any:
    return np.where(np.isfinite(unstopped.final_loss), unstopped.final_loss, np.inf)


def one_unit_learns_late(experiments: Experiments, readings: Readings, epochs: int) -> Evidence:
    """Judge whether 1 and 1 hidden units learn only after epoch 1,000."""

    def judge(*names: str) -> tuple[Any, str]:
        run = train(experiments, "hidden-1-1", *names, epochs=epochs)
        loss, learned = loss_at(run, 1000), final_accuracy(run) >= 0.99
        nothing = loss > COIN
        figures = f"loss {format_median(loss)}, nothing learned {format_share(nothing)}, later {format_share(learned)}"
        return nothing & learned, figures

    return judge_readings("after 1,000 epochs", readings, judge)


def one_unit_learns_nothing(experiments: Experiments, readings: Readings) -> Evidence:
    """Judge whether 1 and 1 hidden units have learned nothing at epoch 1,000."""

    def judge(*names: str) -> tuple[Any, str]:
        loss = loss_at(train(experiments, "hidden-1-1", *names), 1000)
        return loss > COIN, format_median(loss)

    return judge_readings("median loss after 1,000 epochs", readings, judge)


def larger_layers_learn(
    experiments: Experiments, readings: Readings, least: float, epochs: int | None = None
) -> Evidence:
    """Judge whether 20 and 7, and 3 and 3, hidden units reach the accuracy `least`."""

    def judge(*names: str) -> tuple[Any, str]:
        large = final_accuracy(train(experiments, "hidden-20-7", *names, epochs=epochs)) >= least
        usual = final_accuracy(train(experiments, *names, epochs=epochs)) >= least
        return large & usual, f"20 and 7 {format_share(large)}, 3 and 3 {format_share(usual)}"

    return judge_readings("learn well", readings, judge)


def size_decides(
    experiments: Experiments,
    readings: Readings,
    least: float,
    epochs: int | None = None,
    changes: Mapping[str, Any] = NO_CHANGES,
) -> Evidence:
    """Judge whether 3 and 3 hidden units reach the accuracy `least`, but not 1 and 1."""

    def judge(*names: str) -> tuple[Any, str]:
        enough = final_accuracy(train(experiments, *names, epochs=epochs, changes=changes)) >= least
        small = final_accuracy(train(experiments, "hidden-1-1", *names, epochs=epochs, changes=changes)) >= least
        return enough & ~small, f"3 and 3 {format_share(enough)}, 1 and 1 {format_share(small)}"

    return judge_readings(f"at least {100 * least:.0f} % right", readings, judge)


def large_layers_end_as_nan(experiments: Experiments, readings: Readings) -> Evidence:
    """Judge whether 100 and 100 hidden units end with a NaN loss."""

    def judge(*names: str) -> tuple[Any, str]:
        end = train_without_stop(experiments, "hidden-100-100", *names, epochs=200)
        nan, alike = np.isnan(end.final_loss), end.final_accuracy <= end.answers_alike
        ever, accuracy = format_share(np.isnan(end.losses).any(0)), format_median(end.final_accuracy)
        return nan & alike, f"nan {format_share(nan)} (ever {ever}), accuracy {accuracy}"

    return judge_readings("after 200 epochs", readings, judge)


def no_activations_end_as_nan(experiments: Experiments, readings: Readings) -> Evidence:
    """Judge whether a network without activations ends with a NaN loss."""

    def judge(*names: str) -> tuple[Any, str]:
        end = train_without_stop(experiments, "no-activations", *names, epochs=1000)
        nan, unsolved = np.isnan(end.final_loss), end.final_accuracy < 1
        return nan & unsolved, f"nan {format_share(nan)}, unsolved {format_share(unsolved)}"

    return judge_readings("after 1,000 epochs", readings, judge)


def standstill(
    experiments: Experiments, update: tuple[str, ...], schedule: tuple[str, ...], at: tuple[int, int], above: float
) -> tuple[Any, Run, Run]:
    """Whether rate 0.8 falls at each squaring and the loss at rate 0.001 stands still.

    It stands still if it is the same to 5 decimals at both epochs, `at`, still above a loss, and without the schedule
    is not the same. Returns that for each seed, and the runs at rate 0.001 with and without the schedule.
    """
    first, last = at
    usual = train(experiments, *update, *schedule)
    run = train(experiments, "rate-0.001", *update, *schedule, epochs=last)
    without = train(experiments, "rate-0.001", "schedule-off", *update, epochs=last)
    rates = np.array([usual.problem.rates(np.arange(experiments.seeds), epoch) for epoch in (0, first // 2, first)])
    is_same, moves = (np.round(loss_at(one, first), 5) == np.round(loss_at(one, last), 5) for one in (run, without))
    return (np.diff(rates, axis=0) < 0).all(0) & is_same & (loss_at(run, last) > above) & ~moves, run, without


def needs_fewer_epochs(
    experiments: Experiments,
    pairs: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]],
    wins: Callable[[Any, Any], Any],
    frozen: int,
    fast_epochs: int | None = None,
    slow_epochs: int | None = None,
) -> Evidence:
    """Judge whether the first training of each pair `wins` by the epochs needed.

    pairs : by the reading's name the experiments of the first training, and those of the second.
    wins : called with both numbers of epochs [K]; they are `MAX_EPOCHS` where there is no stop.
    frozen : the epoch from which on squared rates change nothing: the limit of trainings with the schedule.
    fast_epochs, slow_epochs : limits of the first and second training, instead.
    """

    def epochs_of(names: tuple[str, ...], limit: int | None) -> Any:
        longest = MAX_EPOCHS if "schedule-off" in names else frozen
        return epochs_needed(train(experiments, *names, epochs=limit or longest), MAX_EPOCHS)

    def judge(fast_names: tuple[str, ...], slow_names: tuple[str, ...]) -> tuple[Any, str]:
        fast, slow = epochs_of(fast_names, fast_epochs), epochs_of(slow_names, slow_epochs)
        return wins(fast, slow), f"{format_median(fast)} against {format_median(slow)}"

    return judge_readings("median epochs, 10,000 where there is no stop", pairs, judge)
