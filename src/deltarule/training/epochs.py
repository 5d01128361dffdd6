"""Train by epochs, with every decision at the end of an epoch.

K members, all with equally many rows · A of them still train · E epochs
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.engines.base import Engine
from deltarule.engines.selection import FITS_OF_A_PROGRAM, engine_for
from deltarule.maths.objective import data_term
from deltarule.problem.batches import batch_sizes, forget_orders_at_exit
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.stats import metrics
from deltarule.training.loop import Chunk, Reason, TrainingLoop
from deltarule.training.recorder import RunRecorder, run_to_end
from deltarule.training.rules import (
    DivergenceRule,
    EpochMean,
    EpochMeans,
    Limit,
    Plateau,
    continue_sum,
    current_rates,
)
from deltarule.training.run import Run

MIN_LEARNING_RATE = 1e-6
"""A member whose adaptive learning rate is this small ends when the rate would be divided again, as in scikit-learn."""


@dataclass(frozen=True)
class EpochRules:
    """The rules that decide after which epoch training stops.

    An improvement lowers the epoch's loss by `tolerance`, or raises the validation score if that decides.
    """

    max_epochs: int
    tolerance: float = 1e-4
    patience: float = 10


@dataclass(frozen=True, eq=False)
class Validation:
    """Validation rows, the metric that scores them ("loss": −loss), and its role.

    x [M, D] or [K, M, D]   y [M, C] or [K, M, C]   w [M, 1] or [K, M, 1], their weights

    If it `decides`, the score stops the members, and the weights of each member's best score are restored.
    """

    x: Floats
    y: Floats
    w: Floats
    metric: str
    decides: bool


@dataclass(frozen=True)
class Epoch:
    """A completed epoch, averaged over the members that still train.

    number           from 1
    loss             on the batches, as they were trained on
    validation_loss, validation_score   None without a validation set
    learning_rate
    seconds          since the training began
    """

    number: int
    loss: float
    validation_loss: float | None
    validation_score: float | None
    learning_rate: float
    seconds: float


def train_epochs(
    problem: Problem,
    start: State,
    rules: EpochRules,
    *,
    engine: Engine | str = "auto",
    in_order: bool = False,
    validation: Validation | None = None,
    after_epoch: Callable[[Epoch, State], bool] | None = None,
    resumes: bool = False,
) -> Run:
    """Train the members of `start`, at step 0, by epochs until all of them have ended.

    They have equally many rows, which batches take in a new random order every epoch, or `in_order` of the data. If
    `after_epoch` returns True for an epoch and its state, training ends; so it does after Ctrl-C, with the next chunk.
    If the score decides and the training `resumes` an earlier one, the start's score counts too.

    The history has "loss", "validation_loss" and "validation_score" at each epoch's end, NaN after a member's own.
    """
    updates = problem.steps_per_epoch(0)
    if in_order and updates > 1:
        problem = replace(problem, row_order=np.arange(problem.row_count(0)))
    limit = rules.max_epochs * updates
    means = EpochMeans(problem, by_weight=False)  # a batch counts by its number of rows, as in scikit-learn
    recorder = _EpochRecorder(problem, means, validation, after_epoch)
    decides = validation is not None and validation.decides
    plateau = Plateau(
        problem,
        recorder if decides else means,
        rules.patience + 1,
        rules.tolerance,
        ends=True,
        min_rate=MIN_LEARNING_RATE,
        best=start if decides else None,
    )
    limits = Limit(np.full(problem.members, limit), Reason.MAX_EPOCHS)
    chosen = engine_for(engine, problem, limit, FITS_OF_A_PROGRAM)
    # The limits come first: when the function after an epoch is called, members have ended.
    loop = TrainingLoop(problem, chosen, start, [limits, means, recorder, plateau, DivergenceRule()])
    if decides and resumes:
        scores = recorder.validate(loop)
        plateau.lowest[:] = -np.where(np.isfinite(scores), scores, -np.inf)
    recorder.best = plateau if decides else None
    return run_to_end(loop, recorder)


class _EpochRecorder(RunRecorder):
    """Records losses, scores (negative in `completed`) and rates; calls `after_epoch`."""

    def __init__(
        self,
        problem: Problem,
        means: EpochMeans,
        validation: Validation | None,
        after_epoch: Callable[[Epoch, State], bool] | None,
    ) -> None:
        super().__init__(problem)
        self.means, self.validation, self.after_epoch = means, validation, after_epoch
        self.completed: list[EpochMean] = []
        self.rate = float("nan")

    def max_updates(self, loop: TrainingLoop) -> int:
        size = self.problem.steps_per_epoch(0)
        is_needed = self.validation is not None or self.after_epoch is not None
        return size - loop.active.step % size if is_needed else super().max_updates(loop)

    def judge(self, loop: TrainingLoop, chunk: Chunk) -> None:
        """Score the validation rows at the end of an epoch, before any member ends there."""
        self.completed = []
        if self.means.completed:
            self.rate = _mean(current_rates(self.problem, loop.active))
            if self.validation is not None:
                scores = self.validate(loop)
                self.completed = [EpochMean(chunk.last_step, np.arange(len(scores)), -scores)]

    def finish(self, loop: TrainingLoop, chunk: Chunk) -> None:
        """Record the losses of each epoch's members, diverged ones too; call the function."""
        size = self.problem.steps_per_epoch(0)
        for step, _, losses in self.means.completed:
            is_diverged = (chunk.ends == step - size) & (chunk.reasons == Reason.DIVERGED)
            was_trained = (chunk.ends > step - size) | is_diverged
            if was_trained.any():
                self.add(step, chunk.members[was_trained], {"loss": losses[was_trained]})
        if self.after_epoch is None or not self.means.completed:
            return
        values = {name: _mean(rows[-1]) for name, rows in self.history.values.items()}
        epoch = Epoch(
            number=self.history.steps[-1] // size,
            loss=values["loss"],
            validation_loss=values.get("validation_loss"),
            validation_score=values.get("validation_score"),
            learning_rate=self.rate,
            seconds=loop.seconds,
        )
        if self.after_epoch(epoch, loop.state()):
            loop.end(np.ones(len(loop.active.members), bool), Reason.CALLBACK)

    def validate(self, loop: TrainingLoop) -> Floats:
        """Record the active members' losses and scores [A] on the validation rows.

        Return the scores.
        """
        assert self.validation is not None
        rows, problem, members = self.validation, self.problem, loop.active.members
        x, y, w = (each[members] if each.ndim == 3 else each for each in (rows.x, rows.y, rows.w))
        logits, outputs = loop.engine.outputs(problem, loop.active, x)
        with np.errstate(all="ignore"):
            losses = data_term(problem.loss, problem.reduction, problem.network.output, logits, y, w)[0]
            scores = -losses if rows.metric == "loss" else metrics.find(rows.metric).value(outputs, y, w)
        values = {"validation_score": scores, "validation_loss": losses}
        self.add(loop.active.step, members, {name: value.astype(np.float64) for name, value in values.items()})
        return scores


def _mean(values: Any) -> float:
    return float("nan") if np.isnan(values).all() else float(np.nanmean(values))  # R² of a single row is undefined


def one_epoch(problem: Problem, state: State, order: Integers, engine: Engine | str = "auto") -> Run:
    """Train one epoch with the rows in `order`, [N] or [K, N], from any step on."""
    # All updates so far count: for a single epoch no program would be worth loading.
    updates = problem.steps_per_epoch(0)
    chosen = engine_for(engine, problem, state.step + updates, FITS_OF_A_PROGRAM)
    objectives = []
    is_diverged = np.zeros(problem.members, bool)
    with forget_orders_at_exit():
        for part, end in _parts_in_order(problem, state.step, order):
            state, trace = chosen.advance(part, state, end - state.step)
            objectives.append(trace.objective)
            is_diverged |= trace.bad >= 0
    sizes = batch_sizes(problem, np.array([0]), 0, updates)
    losses = continue_sum(np.zeros(problem.members), np.concatenate(objectives).astype(np.float64) * sizes)
    recorder = RunRecorder(problem)
    recorder.add(updates, state.members, {"loss": losses / sizes.sum()})
    reasons = np.where(is_diverged, Reason.DIVERGED, Reason.MAX_EPOCHS)
    return recorder.run(chosen, state, np.where(is_diverged, 0, updates), reasons)


def _parts_in_order(problem: Problem, first_step: int, order: Integers) -> Iterator[tuple[Problem, int]]:
    """Yield problems with the rows in order, each with the step at which it ends.

    A problem's own epochs begin at multiples of their updates. If this one begins elsewhere, its full batches are
    rotated, and a smaller last batch, which would be in the middle, is a problem of its own.
    """
    size = problem.batch_rows(0)
    updates = problem.steps_per_epoch(0)
    end = first_step + updates
    if first_step % updates == 0:
        yield replace(problem, row_order=order), end
        return
    full = order.shape[-1] // size
    rotated = np.roll(order[..., : full * size], first_step % full * size, axis=-1)
    for part, stop in ((rotated, first_step + full), (order[..., full * size :], end)):
        if part.shape[-1]:
            rows = np.broadcast_to(part, (problem.members, part.shape[-1]))
            if problem.row_table is not None:
                rows = np.take_along_axis(problem.row_table, rows, axis=1)
            yield replace(problem, rows=tuple(rows), row_order=np.arange(part.shape[-1])), stop
