"""What the two boundary studies share: training a variant, and reading its records. No criterion stands here.

K members · N points · T looks at the history · n epochs (an epoch is one update: the batch is all points)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.data.synthetic import linear
from deltarule.engines.base import Engine
from deltarule.problem.batches import all_rows
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State, initial_state
from deltarule.stats.metrics import accuracy
from deltarule.studies.experiments import Experiments
from deltarule.studies.recipes import problem_of_settings
from deltarule.training.run import Run

AS_ASSUMED = "as assumed"
"""The convention that is the recipe itself; all others are named after the recipe's experiments."""

STRETCH = 50
"""Updates between two chances for Ctrl-C."""


# --- training --------------------------------------------------------------------------------------------------------


def train(
    experiments: Experiments,
    *variants: str,
    epochs: int | None = None,
    layers: tuple[int, ...] | None = None,
    seeds: tuple[int, ...] | None = None,
) -> Run:
    """The study with some of its experiments' settings together, looked at every 100 epochs, as the report prints.

    variants : names of experiments; `AS_ASSUMED` among them changes nothing.
    epochs, layers, seeds : the limit, the sizes of all layers, the seeds, where they are not those of the experiments.
    """
    given = {"stopping.max_epochs": epochs, "network.layers": layers, "run.seeds": seeds}
    settings = combine_settings(experiments, variants) | {
        key: value for key, value in given.items() if value is not None
    }
    return experiments.run(settings, prepare=_prepare(experiments), history_every=100, metrics=("accuracy",))


def seeds_that_begin_at(experiments: Experiments, loss: float, within: float, count: int) -> tuple[int, ...]:
    """The first seeds whose untrained network has this loss, at most so far from it."""
    found: list[int] = []
    start = 0
    while len(found) < count:
        seeds = tuple(range(start, start + 10 * count))
        untrained = train(experiments, epochs=0, seeds=seeds)
        found += [seed for seed, off in zip(seeds, np.abs(untrained.objective - loss), strict=True) if off <= within]
        start += len(seeds)
    return tuple(found[:count])


def combine_settings(experiments: Experiments, variants: tuple[str, ...]) -> dict[str, Any]:
    """The settings of several experiments, a later one's before an earlier one's."""
    settings: dict[str, Any] = {}
    for name in variants:
        if name != AS_ASSUMED:
            settings |= experiments.settings_of(name)
    return settings


def own_points(problem: Problem) -> Problem:
    """Give every seed a draw of the linear points of its own: the report's program draws them anew at every run."""
    samples = len(problem.x)
    seeds, places = np.unique(problem.seeds, return_inverse=True)
    draws = [linear(samples, int(seed)).train for seed in seeds]
    return replace(
        problem,
        x=np.concatenate([draw.x for draw in draws]).astype(problem.dtype),
        y=np.concatenate([draw.answers for draw in draws]).astype(problem.dtype)[:, None],
        rows=tuple(np.arange(samples) + samples * place for place in places),
    )


def _prepare(experiments: Experiments) -> Callable[[Problem], Problem] | None:
    """The linear points are drawn, the XOR points are the same 21 for all."""
    return own_points if experiments.dataset.name == "linear" else None


@dataclass(frozen=True)
class UnstoppedRun:
    """Members that went on whatever their loss became: the mean loss before each update [n, K], and their end [K].

    `answers_alike` [K]: the accuracy of the better of the two constant answers.
    """

    losses: Floats
    final_loss: Floats
    final_accuracy: Floats
    answers_alike: Floats


def gone_on(experiments: Experiments, *variants: str, epochs: int) -> UnstoppedRun:
    """The same without any stop: the report's program trains on when its loss is not a number.

    It can, because the 1e-8 in the gradient keeps the gradient finite; training proper ends such a member.
    """
    settings = {"run.seeds": experiments.seeds, **combine_settings(experiments, variants)}
    [population] = problem_of_settings(experiments.recipe, experiments.dataset, [settings], experiments.data_dir)
    prepare = _prepare(experiments)
    problem = prepare(population.problem) if prepare else population.problem
    engine = experiments.engine_for(problem, epochs)
    state, losses = initial_state(problem), []
    for start in range(0, epochs, STRETCH):
        state, trace = engine.advance(problem, state, min(STRETCH, epochs - start))
        losses.append(trace.objective)
    _, after = engine.advance(problem, state, 1)
    return UnstoppedRun(
        losses=np.concatenate(losses) / _points_summed(problem),
        final_loss=after.objective[0] / _points_summed(problem),
        final_accuracy=_accuracy(engine, problem, state),
        answers_alike=_constant_answer_accuracy(problem),
    )


# --- reading records -------------------------------------------------------------------------------------------------


def has_stopped(run: Run) -> Any:
    """Which members [K] ended by the early stop."""
    return np.array([reason == "threshold" for reason in run.reasons])


def epochs_needed(run: Run, otherwise: float) -> Floats:
    """Epochs until the early stop, [K]; `otherwise` for members that it never came to."""
    return np.where(has_stopped(run), run.steps, otherwise)


def final_accuracy(run: Run) -> Floats:
    """Share of a member's points that it puts on the right side at its end, [K]."""
    return _accuracy(run.engine, run.problem, run.state)


def answers_alike(run: Run) -> Floats:
    """The accuracy of the better of the two constant answers, [K]: that of a network that tells nothing apart."""
    return _constant_answer_accuracy(run.problem)


def loss_at(run: Run, epoch: int) -> Floats:
    """The loss at an epoch, or at the last look before it, [K]; of members that ended earlier, the one they ended with.

    It is the mean over the points, as the report prints it, whatever the gradient is of. A loss that is not a number is
    infinite here: worse than any other.
    """
    place = _look_at(run, epoch)
    losses = np.where(run.steps < run.history.steps[place], run.objective, run.history.objective[place])
    losses = losses / _points_summed(run.problem)
    return np.where(np.isfinite(losses), losses, np.inf)


def accuracy_at(run: Run, epoch: int) -> Floats:
    """The accuracy at an epoch, [K], of members that ended earlier likewise."""
    place = _look_at(run, epoch)
    seen = run.history.series("accuracy")[place]
    return np.where(run.steps < run.history.steps[place], final_accuracy(run), seen)


def zigzag(series: Floats, least: float) -> str:
    """The turns of a series as signs: "+" for a rise, "-" for a fall, smaller movements than `least` left out.

    series [T]

    >>> zigzag(np.array([0.50, 0.60, 0.58, 0.79, 0.60, 0.68]), 0.05)
    '+-+'
    """
    least -= 1e-9  # 0.60 − 0.55 is a movement of 0.05
    moves, low, high = "", series[0], series[0]
    for value in series:
        low, high = min(low, value), max(high, value)
        if value - low >= least and not moves.endswith("+"):
            moves, high = moves + "+", value
        elif high - value >= least and not moves.endswith("-"):
            moves, low = moves + "-", value
    return moves


def printed_inside(run: Run, printed: Mapping[int, float]) -> int:
    """How many of the losses that the report prints, by epoch, lie within the central 90 % of our members' losses."""
    # A value of the sample itself: between a finite loss and an infinite one there is no quantile.
    spans = [np.quantile(loss_at(run, epoch), (0.05, 0.95), method="inverted_cdf") for epoch in printed]
    return sum(low <= loss <= high for loss, (low, high) in zip(printed.values(), spans, strict=True))


def _points_summed(problem: Problem) -> int:
    return problem.row_count(0) if problem.reduction == "sum" else 1


def _look_at(run: Run, epoch: int) -> int:
    return max(place for place, step in enumerate(run.history.steps) if step <= epoch)


def _accuracy(engine: Engine, problem: Problem, state: State) -> Floats:
    rows = all_rows(problem, np.arange(problem.members))
    _, outputs = engine.outputs(problem, state, rows.x)
    return accuracy(outputs, rows.y, rows.w)


def _constant_answer_accuracy(problem: Problem) -> Floats:
    ones = all_rows(problem, np.arange(problem.members)).y.mean((-2, -1))
    return np.broadcast_to(np.maximum(ones, 1 - ones), problem.members)
