"""The judges of the boundary claims, and the trainings behind them.

K members · N points · T evaluations in the history · n epochs (an epoch is one update: the batch is all points)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from deltarule.data.synthetic import linear
from deltarule.engines.base import Engine
from deltarule.problem.batches import all_rows
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State, initial_state
from deltarule.stats.metrics import accuracy
from deltarule.studies.experiments import Experiments
from deltarule.studies.recipes import populations_of_settings
from deltarule.studies.verdicts import Evidence, is_about
from deltarule.training.run import Run

Names = tuple[str, ...]
"""Names of the recipe's experiments."""

MAX_EPOCHS = 10_000
"""The limit of the report's comparisons of optimizers."""


@dataclass(frozen=True)
class Points:
    """One of the report's two data sets, and what it says of it.

    usual_accuracy   the accuracy that the report calls normal
    stop, printed    about when its run stops, and the losses that it prints
    step, other      epochs between the squarings of the rate here, and for the other data set
    one_unit_loss    where the loss remains with one unit in each hidden layer
    final, adaptive  the experiments of the final program's optimizer, and of the adaptive update as it is coded
    """

    study: str
    name: str
    usual_accuracy: float
    stop: float
    printed: Mapping[int, float]
    step: int
    other: int
    one_unit_loss: float
    final: str
    momentum: Names
    adaptive: Names

    @property
    def frozen(self) -> int:
        """The epoch of the seventh squaring: with a rate under 1e-12 nothing changes."""
        return 7 * self.step


LINEAR = Points(
    study="boundary-linear",
    name="the linear points",
    usual_accuracy=0.99,
    stop=550,
    printed={0: 1.80744, 100: 0.67273, 200: 0.05513, 300: 0.03311, 400: 0.02316, 500: 0.01738},
    step=500,
    other=1000,
    one_unit_loss=0.8,
    final="momentum",
    momentum=(),
    adaptive=("normalized-gradient",),
)
XOR = Points(
    study="boundary-xor",
    name="the XOR points",
    usual_accuracy=0.95,
    stop=350,
    printed={0: 0.69831, 100: 0.48822, 200: 0.38723, 300: 0.00450},
    step=1000,
    other=500,
    one_unit_loss=0.83,
    final="adaptive update",
    momentum=("momentum",),
    adaptive=(),
)

PLAIN, LATER, OFF = "plain", "not-squared-at-0", "schedule-off"

CHUNK_UPDATES = 50
"""Updates after which Ctrl-C is noticed."""


# --- training --------------------------------------------------------------------------------------------------------


def train(
    experiments: Experiments,
    *experiment_names: str,
    epochs: int | None = None,
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> Run:
    """Train the study with the settings of experiments; later ones override earlier."""
    limit = {} if epochs is None else {"stopping.max_epochs": epochs}
    settings = {**experiments.settings_of(*experiment_names), **limit, **changes}
    prepare = _data_change(experiments)
    return experiments.run(settings, prepare=prepare, history_every=100, metrics=("accuracy",))


def own_points(problem: Problem) -> Problem:
    """Copy a problem, with linear points drawn from each member's own seed."""
    samples = len(problem.x)
    seeds, indices = np.unique(problem.seeds, return_inverse=True)
    draws = [linear(samples, int(seed)).train for seed in seeds]
    return replace(
        problem,
        x=np.concatenate([draw.x for draw in draws]).astype(problem.dtype),
        y=np.concatenate([draw.answers for draw in draws]).astype(problem.dtype)[:, None],
        rows=tuple(np.arange(samples) + samples * index for index in indices),
    )


def _data_change(experiments: Experiments) -> Callable[[Problem], Problem] | None:
    return own_points if experiments.dataset.name == "linear" else None


@dataclass(frozen=True)
class UnstoppedRun:
    """A training without stop rules: losses [n, K], and final loss and accuracy [K].

    `answers_alike` [K]: the accuracy of the better of the two constant predictions, for comparison.
    """

    losses: Floats
    final_loss: Floats
    final_accuracy: Floats
    answers_alike: Floats


def train_without_stop(
    experiments: Experiments,
    *experiment_names: str,
    epochs: int,
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> UnstoppedRun:
    """Train for all `epochs`, even if the loss becomes NaN.

    It can, because the 1e-8 in the gradient keeps the gradient finite; `train` ends such a member.
    """
    settings = {"run.seeds": experiments.seeds, **experiments.settings_of(*experiment_names), **changes}
    [population] = populations_of_settings(experiments.recipe, experiments.dataset, [settings], experiments.data_dir)
    change_data = _data_change(experiments)
    problem = change_data(population.problem) if change_data else population.problem
    engine = experiments.engine_for(problem, epochs)
    state, losses = initial_state(problem), []
    for start in range(0, epochs, CHUNK_UPDATES):
        state, trace = engine.advance(problem, state, min(CHUNK_UPDATES, epochs - start))
        losses.append(trace.objective)
    _, after = engine.advance(problem, state, 1)
    return UnstoppedRun(
        losses=np.concatenate(losses),
        final_loss=after.objective[0],
        final_accuracy=_accuracy(engine, problem, state),
        answers_alike=_constant_prediction_accuracy(problem),
    )


# --- reading records -------------------------------------------------------------------------------------------------


def has_stopped(run: Run) -> Any:
    """Which members ended by the early stop, [K]."""
    return np.array([reason == "threshold" for reason in run.reasons])


def epochs_needed(run: Run, otherwise: float) -> Floats:
    """Epochs until the early stop, [K]; `otherwise` for members without one."""
    return np.where(has_stopped(run), run.steps, otherwise)


def final_accuracy(run: Run) -> Floats:
    """The accuracy of each member on its points at its end, [K]."""
    return _accuracy(run.engine, run.problem, run.state)


def loss_at(run: Run, epoch: int) -> Floats:
    """The mean loss at the last evaluation up to an epoch, [K].

    NaN becomes infinity, which is worse than any other loss.
    """
    index = _evaluation_index(run, epoch)
    losses = np.where(run.steps <= epoch, run.objective, run.history.objective[index])
    return np.where(np.isfinite(losses), losses, np.inf)


def accuracy_at(run: Run, epoch: int) -> Floats:
    """The accuracy at the last evaluation up to an epoch, [K]."""
    index = _evaluation_index(run, epoch)
    accuracies = run.history.series("accuracy")[index]
    return np.where(run.steps <= epoch, final_accuracy(run), accuracies)


def zigzag(series: Floats, min_change: float) -> str:
    """The alternating rises "+" and falls "-" of a series [T], such as "+-+".

    >>> zigzag(np.array([0.50, 0.60, 0.58, 0.79, 0.60, 0.68]), 0.05)
    '+-+'
    """
    min_change -= 1e-9  # 0.60 − 0.55 is a movement of 0.05
    moves, low, high = "", series[0], series[0]
    for value in series:
        low, high = min(low, value), max(high, value)
        if value - low >= min_change and not moves.endswith("+"):
            moves, high = moves + "+", value
        elif high - value >= min_change and not moves.endswith("-"):
            moves, low = moves + "-", value
    return moves


def printed_inside(run: Run, printed: Mapping[int, float]) -> int:
    """Count the report's losses within the central 90 % of our members' losses."""
    # Quantiles that are sample values: none can be interpolated between a finite loss and an infinite one.
    spans = [np.quantile(loss_at(run, epoch), (0.05, 0.95), method="inverted_cdf") for epoch in printed]
    return sum(low <= loss <= high for loss, (low, high) in zip(printed.values(), spans, strict=True))


def _evaluation_index(run: Run, epoch: int) -> int:
    return max(index for index, step in enumerate(run.history.steps) if step <= epoch)


def _accuracy(engine: Engine, problem: Problem, state: State) -> Floats:
    rows = all_rows(problem, np.arange(problem.members))
    _, outputs = engine.outputs(problem, state, rows.x)
    return accuracy(outputs, rows.y, rows.w)


def _constant_prediction_accuracy(problem: Problem) -> Floats:
    ones = all_rows(problem, np.arange(problem.members)).y.mean((-2, -1))
    return np.broadcast_to(np.maximum(ones, 1 - ones), problem.members)


# --- judges ----------------------------------------------------------------------------------------------------------


def stops_on_time(experiments: Experiments, points: Points, names: Names, changes: Any = None) -> Evidence:
    """Judge whether the early stop comes when the report's does, all points right."""
    run = train(experiments, *names, changes=changes or {})
    stop = epochs_needed(run, np.inf)
    return Evidence(
        {
            "stops in time": is_about(stop, points.stop),
            "all points right": has_stopped(run) & (final_accuracy(run) == 1),
        },
        {"epoch of the stop": stop},
        f"{printed_inside(run, points.printed)} of {len(points.printed)} printed losses inside our central 90 %",
    )


def is_usually_right(experiments: Experiments, points: Points, names: Names) -> Evidence:
    """Judge whether the final accuracy is the one that the report calls normal."""
    accuracy = final_accuracy(train(experiments, *names))
    return Evidence(accuracy >= points.usual_accuracy, {"accuracy": accuracy})


def learns_slowly(experiments: Experiments, names: Names) -> Evidence:
    """Judge whether rate 0.001 lowers the loss, but slowly, while the accuracy swings."""
    run = train(experiments, "rate-0.001", *names, epochs=2000)
    accuracies = np.array([accuracy_at(run, epoch) for epoch in range(0, 1801, 100)])
    first, last = loss_at(run, 0), loss_at(run, 1800)
    return Evidence(
        {
            "the loss falls": last < first,
            "by less than a tenth": last > 0.9 * first,
            "the accuracy rises, falls and rises": np.array(["+-+" in zigzag(one, 0.05) for one in accuracies.T]),
        },
        {"loss at 0": first, "loss at 1,800": last},
    )


def is_stuck_at_rate_10(experiments: Experiments, names: Names) -> Evidence:
    """Judge whether rate 10 stays at a constant answer, and 0.8 is best."""
    first, last = (train_without_stop(experiments, "rate-10", *names, epochs=epochs) for epochs in (100, 1000))
    share = last.answers_alike
    constant = -share * np.log(share) - (1 - share) * np.log1p(-share)
    stuck = [
        (end.final_accuracy == share) & (np.abs(_finite(end.final_loss) - constant) <= 0.01) for end in (first, last)
    ]
    return Evidence(
        {
            "a constant answer from 100 to 1,000": stuck[0] & stuck[1],
            "0.8 is best": _usual_rate_is_best(experiments, last, names),
        },
        {"loss at 1,000": _finite(last.final_loss), "accuracy at 1,000": last.final_accuracy},
    )


def bounces_at_rate_10(experiments: Experiments, names: Names) -> Evidence:
    """Judge whether the loss keeps jumping at rate 10, and rate 0.8 is the best."""
    high = train_without_stop(experiments, "rate-10", *names, epochs=1000)
    with np.errstate(invalid="ignore"):
        jumps = (np.diff(high.losses, axis=0) > 0.1).sum(0)
    return Evidence(
        {"ten jumps": jumps >= 10, "0.8 is best": _usual_rate_is_best(experiments, high, names)},
        {"jumps": jumps, "loss at 1,000": _finite(high.final_loss)},
    )


def _usual_rate_is_best(experiments: Experiments, high: Any, names: Names) -> Any:
    usual, low = train(experiments, *names), train(experiments, "rate-0.001", *names)
    return loss_at(usual, 1000) < np.minimum(loss_at(low, 1000), _finite(high.final_loss))


def _finite(losses: Any) -> Any:
    return np.where(np.isfinite(losses), losses, np.inf)


def one_unit_learns_nothing(
    experiments: Experiments, points: Points, names: Names, epochs: int | None = None
) -> Evidence:
    """Judge whether the loss remains where the report has it for 1,000 epochs.

    epochs : how long the linear points are trained; None for the XOR points, which need not be learned.
    """
    run = train(experiments, "hidden-1-1", *names, epochs=epochs)
    early, late = loss_at(run, 100), loss_at(run, 1000)
    conditions = {
        "the loss remains": (np.abs(early - points.one_unit_loss) <= 0.1) & (np.abs(late - points.one_unit_loss) <= 0.1)
    }
    if epochs is not None:
        conditions["learned later"] = final_accuracy(run) >= points.usual_accuracy
    figures = {"loss at 0": loss_at(run, 0), "loss at 100": early, "loss at 1,000": late}
    return Evidence(conditions, {**figures, "accuracy at the end": final_accuracy(run)})


def larger_layers_learn(experiments: Experiments, points: Points, names: Names, epochs: int | None = None) -> Evidence:
    """Judge whether 20 and 7 hidden units learn well, and 3 and 3 do, too."""
    large = final_accuracy(train(experiments, "hidden-20-7", *names, epochs=epochs))
    usual = final_accuracy(train(experiments, *names, epochs=epochs))
    return Evidence(
        {"20 and 7": large >= points.usual_accuracy, "3 and 3": usual >= points.usual_accuracy},
        {"accuracy of 20 and 7": large, "of 3 and 3": usual},
    )


def size_decides(experiments: Experiments, points: Points, names: Names, epochs: int | None = None) -> Evidence:
    """Judge whether 3 and 3 hidden units reach the usual accuracy, but not 1 and 1."""
    usual = final_accuracy(train(experiments, *names, epochs=epochs))
    small = final_accuracy(train(experiments, "hidden-1-1", *names, epochs=epochs))
    return Evidence(
        {"3 and 3 are enough": usual >= points.usual_accuracy, "1 and 1 are not": small < points.usual_accuracy},
        {"accuracy of 3 and 3": usual, "of 1 and 1": small},
    )


def ends_as_nan(experiments: Experiments, names: Names, epochs: int, solved: float | None = None) -> Evidence:
    """Judge whether the loss is not a number, and nothing is learned."""
    end = train_without_stop(experiments, *names, epochs=epochs)
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


def schedule_slows_down(experiments: Experiments, points: Points, names: Names) -> Evidence:
    """Judge whether the rate falls at each squaring, and rate 0.001 learns less."""
    epochs = 2 * points.step
    usual = train(experiments, *names)
    times = (0, points.step, 2 * points.step)
    rates = np.array([usual.problem.rates(np.arange(experiments.seeds), epoch) for epoch in times])
    squared = train(experiments, "rate-0.001", *names, epochs=epochs)
    constant = train(experiments, "rate-0.001", *only_optimizer(names), OFF, epochs=epochs)
    losses = loss_at(squared, epochs), loss_at(constant, epochs)
    return Evidence(
        {"the rate falls": (np.diff(rates, axis=0) < 0).all(0), "rate 0.001 learns less": losses[0] > losses[1]},
        {"loss with the schedule": losses[0], "without": losses[1]},
    )


def needs_fewer_epochs(
    experiments: Experiments,
    points: Points,
    first: Names,
    second: Names,
    ratio: tuple[float, float] = (0.0, 1.0),
    epochs: int | None = None,
) -> Evidence:
    """Judge whether one training comes to the early stop in fewer epochs than another.

    ratio : it needs less than this share of the other's epochs, and at least that; 10,000 count where there is no stop.
    epochs : limit of the first training, instead of 10,000.
    """
    fast, slow = (
        _epochs_to_stop(experiments, points, names, limit) for names, limit in ((first, epochs), (second, None))
    )
    counted = np.minimum(fast, MAX_EPOCHS) / np.minimum(slow, MAX_EPOCHS)
    least, most = ratio
    return Evidence(
        np.isfinite(fast) & (counted < most) & (counted >= least),
        {"epochs": fast, "of the other": slow, "ratio (0 where only the first stops)": _censored_ratio(fast, slow)},
    )


def step_fits_best(experiments: Experiments, points: Points, names: Names) -> Evidence:
    """Judge whether the report's step stops sooner than the other data set's."""
    stops, losses = [], []
    for step in (points.step, points.other):
        changes = {"optimizer.schedule": {"name": "squaring", "every": step, "at_start": 1}}
        run = train(experiments, *names, epochs=7 * step, changes=changes)
        stops.append(epochs_needed(run, np.inf))
        losses.append(loss_at(run, 7 * step))
    never = ~np.isfinite(stops[0]) & ~np.isfinite(stops[1])
    return Evidence(
        np.where(never, losses[0] < losses[1], stops[0] < stops[1]),
        {f"epochs with {points.step:,}": stops[0], f"with {points.other:,}": stops[1]},
        f"both stop in the same epoch for {np.mean(~never & (stops[0] == stops[1])):.0%} of the seeds",
    )


def ends_lower(experiments: Experiments, points: Points, first: Names, second: Names, same_epoch: bool) -> Evidence:
    """Judge whether momentum ends with less loss, and with all points right."""
    with_it, without = (train(experiments, *names, epochs=_limit(points, names)) for names in (first, second))
    J = loss_at(with_it, MAX_EPOCHS)
    other = loss_at(without, MAX_EPOCHS)
    if same_epoch:
        looks = np.array([loss_at(without, epoch) for epoch in without.history.steps])
        at = np.searchsorted(without.history.steps, with_it.steps, side="right") - 1
        other = looks[at, np.arange(len(at))]
    return Evidence(
        {"less loss": J < other, "all points right": final_accuracy(with_it) == 1},
        {"loss with momentum": J, "without": other},
    )


def prints_the_loss_of_its_predictions(experiments: Experiments, points: Points, loss: float) -> Evidence:
    """Judge whether the printed predictions have the printed cross-entropy."""
    file = Path(__file__).parents[1] / points.study.replace("-", "_") / "printed_predictions.csv"
    p = np.loadtxt(file, skiprows=1)
    if points is XOR:  # rising and falling diagonal by turns, and the center once
        labels = np.array([*([0, 1] * 5), 0, *([0, 1] * 5)])
        cost = -np.log(np.where(labels == 1, p, 1 - p)).mean()
    else:  # whatever their labels are
        cost = -np.log(np.maximum(p, 1 - p)).mean()
    return Evidence(bool(cost <= loss), {"cross-entropy": [cost]}, f"cross-entropy {cost:.6f}, printed {loss:.6f}")


def _limit(points: Points, names: Names) -> int:
    return MAX_EPOCHS if OFF in names else min(MAX_EPOCHS, points.frozen)


def _epochs_to_stop(experiments: Experiments, points: Points, names: Names, limit: int | None) -> Any:
    return epochs_needed(train(experiments, *names, epochs=limit or _limit(points, names)), np.inf)


def _censored_ratio(fast: Any, slow: Any) -> Any:
    with np.errstate(invalid="ignore"):
        ratio = fast / slow
    return np.where(np.isnan(ratio), 1.0, ratio)  # nothing is known where neither training stops


def only_optimizer(names: Names) -> Names:
    """The experiments without that of the schedule."""
    return tuple(name for name in names if name != LATER)
