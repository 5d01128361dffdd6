"""Trainings of the boundary studies, and what is read from their records.

K members · N points · T evaluations in the history · n epochs (an epoch is one update: the batch is all points)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.data.synthetic import linear
from deltarule.engines.base import Engine
from deltarule.problem.batches import all_rows
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State
from deltarule.stats.metrics import accuracy
from deltarule.studies.experiments import Experiments
from deltarule.studies.runner import holding_since
from deltarule.training.run import Run

# --- training --------------------------------------------------------------------------------------------------------


def train(
    experiments: Experiments,
    *experiment_names: str,
    epochs: int | None = None,
    changes: Mapping[str, Any] | None = None,
    every: int = 100,
) -> Run:
    """Train the study with the settings of experiments; later ones override earlier."""
    limit = {} if epochs is None else {"stopping.max_epochs": epochs}
    settings = {**experiments.settings_of(*experiment_names), **limit, **(changes or {})}
    prepare = _data_change(experiments)
    return experiments.run(settings, prepare=prepare, history_every=every, record=["accuracy"])


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
    experiments: Experiments, *experiment_names: str, epochs: int, changes: Mapping[str, Any] | None = None
) -> UnstoppedRun:
    """Train for all `epochs`, even if the loss becomes NaN.

    It can, because the 1e-8 in the gradient keeps the gradient finite; `train` ends such a member.
    """
    settings = {**experiments.settings_of(*experiment_names), **(changes or {})}
    engine, problem, state, losses = experiments.advance_all(settings, epochs, prepare=_data_change(experiments))
    _, after = engine.advance(problem, state, 1)
    accuracies = _accuracy(engine, problem, state)
    return UnstoppedRun(losses, after.objective[0], accuracies, constant_accuracy(problem))


# --- reading records -------------------------------------------------------------------------------------------------


def epochs_needed(run: Run, otherwise: float) -> Floats:
    """Epochs until the early stop, [K]; `otherwise` for members without one."""
    return np.where(np.array(run.reasons) == "threshold", run.steps, otherwise)


def epochs_until_right(run: Run) -> Floats:
    """Epochs [K] until all points are right and stay right.

    The number is infinite if some are wrong at the end.
    """
    since = holding_since(run, run.history.series("accuracy") == 1)
    return np.where(final_accuracy(run) == 1, np.maximum(since, 1), np.inf)


def final_accuracy(run: Run) -> Floats:
    """The accuracy of each member on its points at its end, [K]."""
    return _accuracy(run.engine, run.problem, run.state)


def loss_at(run: Run, epoch: int) -> Floats:
    """The mean loss at the last evaluation up to an epoch, [K].

    NaN becomes infinity, which is worse than any other loss.
    """
    losses = np.where(run.steps <= epoch, run.objective, run.history.objective[_evaluation_index(run, epoch)])
    return np.where(np.isfinite(losses), losses, np.inf)


def accuracy_at(run: Run, epoch: int) -> Floats:
    """The accuracy at the last evaluation up to an epoch, [K]."""
    accuracies = run.history.series("accuracy")[_evaluation_index(run, epoch)]
    return np.where(run.steps <= epoch, final_accuracy(run), accuracies)


def constant_accuracy(problem: Problem) -> Floats:
    """The accuracy of the better of the two constant predictions, [K]."""
    ones = all_rows(problem, np.arange(problem.members)).y.mean((-2, -1))
    return np.broadcast_to(np.maximum(ones, 1 - ones), problem.members)


def zigzag(series: Floats, min_change: float) -> str:
    """The alternating rises "+" and falls "-" of a series [T], such as "+-+"."""
    min_change -= 1e-9  # 0.60 − 0.55 is a movement of 0.05
    moves = ""
    low = series[0]
    high = series[0]
    for value in series:
        low = min(low, value)
        high = max(high, value)
        if value - low >= min_change and not moves.endswith("+"):
            moves = moves + "+"
            high = value
        elif high - value >= min_change and not moves.endswith("-"):
            moves = moves + "-"
            low = value
    return moves


def printed_inside(run: Run, printed: Sequence[tuple[int, float]]) -> int:
    """Count the report's losses, by epoch, within the central 90 % of our members' losses."""
    # Quantiles that are sample values: none can be interpolated between a finite loss and an infinite one.
    spans = [np.quantile(loss_at(run, epoch), (0.05, 0.95), method="inverted_cdf") for epoch, _ in printed]
    return sum(low <= loss <= high for (_, loss), (low, high) in zip(printed, spans, strict=True))


def _evaluation_index(run: Run, epoch: int) -> int:
    return max(index for index, step in enumerate(run.history.steps) if step <= epoch)


def _accuracy(engine: Engine, problem: Problem, state: State) -> Floats:
    rows = all_rows(problem, np.arange(problem.members))
    _, outputs = engine.outputs(problem, state, rows.x)
    return accuracy(outputs, rows.y, rows.w)
