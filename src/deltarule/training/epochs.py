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
from deltarule.platforms import interrupts
from deltarule.problem.batches import batch_sizes, forget_orders_at_exit
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.stats import metrics
from deltarule.training.loop import Chunk, Reason, Rule, TrainingLoop, reason_texts
from deltarule.training.rules import (
    DivergenceRule,
    EpochMean,
    EpochMeans,
    Limit,
    Plateau,
    continue_sum,
    current_rates,
)

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


@dataclass(frozen=True, eq=False)
class EpochRun:
    """The result of training by epochs; curves are NaN after a member's end.

    state        the final state of each member, or that of its best score
    reasons [K]  why it stopped: "max_epochs", "stalled", "callback", "diverged" or "interrupted"
    losses, validation_losses and validation_scores [E, K]
    best_scores [K]  the best validation scores; a resumed training counts the score of its start, too
    """

    state: State
    epochs: Integers
    reasons: tuple[str, ...]
    losses: Floats
    validation_losses: Floats | None = None
    validation_scores: Floats | None = None
    best_scores: Floats | None = None

    def take(self, members: Integers, steps_per_epoch: int) -> "EpochRun":
        """Return the run of the members at some indices, as if trained alone."""
        epochs = self.epochs[members]
        last = int(epochs.max(initial=0))

        def select(curves: Floats | None) -> Any:
            return None if curves is None else curves[:last, members]

        return replace(
            self,
            state=replace(self.state.take(members), members=np.arange(len(members)), step=last * steps_per_epoch),
            epochs=epochs,
            reasons=tuple(self.reasons[member] for member in members),
            losses=select(self.losses),
            validation_losses=select(self.validation_losses),
            validation_scores=select(self.validation_scores),
            best_scores=None if self.best_scores is None else self.best_scores[members],
        )


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
) -> EpochRun:
    """Train the members of `start`, at step 0, by epochs until all of them have ended.

    They have equally many rows, which batches take in a new random order every epoch, or `in_order` of the data. If
    `after_epoch` returns True for an epoch and its state, training ends; so it does after Ctrl-C, with the next chunk.
    If the score decides and the training `resumes` an earlier one, the start's score counts too.
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
    with forget_orders_at_exit(), interrupts() as is_interrupted:
        if decides and resumes:
            scores = recorder.validate(loop)[0]
            recorder.initial_scores = [scores]
            plateau.lowest[:] = -np.where(np.isfinite(scores), scores, -np.inf)
        loop.run(is_interrupted)
    return _run_of(loop, recorder, plateau, is_interrupted())


def _run_of(loop: TrainingLoop, recorder: "_EpochRecorder", plateau: Plateau, is_interrupted: bool) -> EpochRun:
    """Return the result of a training.

    After Ctrl-C, "interrupted" is the reason of the members that still train, or else of those that ended last.
    """
    problem = loop.problem
    state = loop.state()
    loop.end(np.ones(len(loop.active.members), bool), Reason.INTERRUPTED)
    reasons = loop.reasons
    is_diverged = loop.reasons == Reason.DIVERGED
    epochs = loop.updates // problem.steps_per_epoch(0) + is_diverged
    if is_interrupted and Reason.INTERRUPTED not in reasons:
        if is_diverged.all():  # no result to return
            raise KeyboardInterrupt
        is_last = ~is_diverged & (epochs == epochs[~is_diverged].max())
        reasons = np.where(is_last, Reason.INTERRUPTED, reasons)
    if plateau.best is not None:
        scored = np.flatnonzero(np.isfinite(plateau.lowest))
        state = state.put(scored, replace(plateau.best.take(scored), step=state.step))
    is_validated = recorder.validation is not None
    scores = [*recorder.initial_scores, *recorder.validation_scores]
    return EpochRun(
        state=state,
        epochs=epochs,
        reasons=reason_texts(reasons),
        losses=np.array(recorder.losses).reshape(-1, problem.members),
        validation_losses=np.array(recorder.validation_losses) if is_validated else None,
        validation_scores=np.array(recorder.validation_scores) if is_validated else None,
        best_scores=np.fmax.reduce(scores, axis=0) if scores else None,
    )


class _EpochRecorder(Rule):
    """Records losses, scores (negative in `completed`) and rates; calls `after_epoch`."""

    def __init__(
        self,
        problem: Problem,
        means: EpochMeans,
        validation: Validation | None,
        after_epoch: Callable[[Epoch, State], bool] | None,
    ) -> None:
        self.problem, self.means, self.validation, self.after_epoch = problem, means, validation, after_epoch
        self.completed: list[EpochMean] = []
        self.losses: list[Floats] = []
        self.validation_losses: list[Floats] = []
        self.validation_scores: list[Floats] = []
        self.initial_scores: list[Floats] = []
        self.rates: Floats = np.empty(0)

    def max_updates(self, loop: TrainingLoop) -> int:
        size = self.problem.steps_per_epoch(0)
        is_needed = self.validation is not None or self.after_epoch is not None
        return size - loop.active.step % size if is_needed else super().max_updates(loop)

    def judge(self, loop: TrainingLoop, chunk: Chunk) -> None:
        """Score the validation rows at the end of an epoch, before any member ends there."""
        self.completed = []
        if not self.means.completed:
            return
        if self.after_epoch is not None:
            self.rates = self._of_all_members(chunk.members, current_rates(self.problem, loop.active))
        if self.validation is not None:
            scores, losses = self.validate(loop)
            self.validation_scores.append(self._of_all_members(chunk.members, scores))
            self.validation_losses.append(self._of_all_members(chunk.members, losses))
            self.completed = [EpochMean(chunk.last_step, np.arange(len(scores)), -scores)]

    def finish(self, loop: TrainingLoop, chunk: Chunk) -> None:
        """Record the losses of each epoch's members, diverged ones too; call the function."""
        for step, _, losses in self.means.completed:
            first = step - self.problem.steps_per_epoch(0)
            is_diverged = (chunk.ends == first) & (chunk.reasons == Reason.DIVERGED)
            was_trained = (chunk.ends > first) | is_diverged
            if was_trained.any():
                self.losses.append(self._of_all_members(chunk.members[was_trained], losses[was_trained]))
        if self.after_epoch is None or not self.means.completed:
            return
        is_validated = self.validation is not None
        epoch = Epoch(
            number=len(self.losses),
            loss=_mean(self.losses[-1]),
            validation_loss=_mean(self.validation_losses[-1]) if is_validated else None,
            validation_score=_mean(self.validation_scores[-1]) if is_validated else None,
            learning_rate=_mean(self.rates),
            seconds=loop.seconds,
        )
        if self.after_epoch(epoch, loop.state()):
            loop.end(np.ones(len(loop.active.members), bool), Reason.CALLBACK)

    def validate(self, loop: TrainingLoop) -> tuple[Floats, Floats]:
        """Return the scores and losses [A] of the active members on the validation rows."""
        assert self.validation is not None
        rows = self.validation
        problem = self.problem
        members = loop.active.members
        x, y, w = (each[members] if each.ndim == 3 else each for each in (rows.x, rows.y, rows.w))
        logits, outputs = loop.engine.outputs(problem, loop.active, x)
        with np.errstate(all="ignore"):
            losses = data_term(problem.loss, problem.reduction, problem.network.output, logits, y, w)[0]
            scores = -losses if rows.metric == "loss" else metrics.find(rows.metric).value(outputs, y, w)
        return scores, losses

    def _of_all_members(self, members: Integers, values: Floats) -> Floats:
        row = np.full(self.problem.members, np.nan)
        row[members] = values
        return row


def _mean(values: Floats) -> float:
    return float("nan") if np.isnan(values).all() else float(np.nanmean(values))  # R² of a single row is undefined


def one_epoch(problem: Problem, state: State, order: Integers, engine: Engine | str = "auto") -> EpochRun:
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
    reasons = reason_texts(np.where(is_diverged, Reason.DIVERGED, Reason.MAX_EPOCHS))
    return EpochRun(state, np.ones(problem.members, np.int64), reasons, (losses / sizes.sum())[None])


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
