"""The monitor of estimators' training, which applies all rules after each epoch.

K members, all with equally many rows · A of them still train · E epochs · S updates of an epoch
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from deltarule.engines.base import Trace
from deltarule.maths.objective import data_term
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.stats import metrics
from deltarule.training.epoch_records import Epoch, EpochRules, EpochRun, Patience, Validation
from deltarule.training.loop import TrainingLoop
from deltarule.training.stopping import batch_sizes

MAX_SPECULATIVE_EPOCHS = 12
"""Up to this many epochs are advanced in one chunk although a member may end within them; such a member is replayed
from the chunk's start to its end. For a single member, of which everything would be replayed, the limit is four."""
MIN_LEARNING_RATE = 1e-6
"""A member whose adaptive learning rate is this small ends when the rate would be divided again, as in scikit-learn."""


class EpochMonitor:
    """Applies the stop rules and the adaptive schedule at the end of each epoch.

    `resumes` : whether the start is the result of an earlier training, whose validation score counts, too.
    """

    def __init__(
        self,
        loop: TrainingLoop,
        rules: EpochRules,
        validation: Validation | None = None,
        after_epoch: Callable[[Epoch], bool] | None = None,
        resumes: bool = False,
    ) -> None:
        problem, start = loop.problem, loop.active
        self.problem, self.rules, self.validation, self.after_epoch = problem, rules, validation, after_epoch
        self.updates_per_epoch = problem.steps_per_epoch(0)
        self.batch_rows = batch_sizes(problem, 0, 0, self.updates_per_epoch)
        self.best = start if validation is not None and validation.decides else None
        self.epoch = 0  # epochs that are complete
        self.objectives: list[Floats] = []  # of the running epoch
        self.bad = np.full(problem.members, -1)
        self.patience = Patience.initial(problem.members)
        self.initial_scores: list[Floats] = []
        if resumes and self.best is not None:
            self.initial_scores = [self._validate(loop)[0]]
            scores = self.initial_scores[0]
            self.patience.best = -np.where(np.isfinite(scores), scores, -np.inf)
        self.epochs = np.zeros(problem.members, np.int64)
        self.losses: list[Floats] = []
        self.validation_losses: list[Floats] = []
        self.validation_scores: list[Floats] = []
        self.rates: Floats | None = None

    def next_chunk(self, loop: TrainingLoop, max_updates: int) -> tuple[Problem, int]:
        """Return the problem and the number of updates until the end of an epoch.

        If nothing is recorded at the end of an epoch, a chunk may have several epochs.
        """
        position = loop.active.step % self.updates_per_epoch
        remaining = self.updates_per_epoch - position
        is_recorded = self.validation or self.after_epoch or self.problem.schedule.adaptive
        if is_recorded or position or max_updates < remaining:
            return self.problem, min(max_updates, remaining)
        members = loop.active.members
        certain = self.patience.certain_epochs(members, self.rules)
        speculative = max(min(MAX_SPECULATIVE_EPOCHS, 3 + len(members)), certain)
        epochs = int(min(max_updates // self.updates_per_epoch, self.rules.max_epochs - self.epoch, speculative))
        return self.problem, epochs * self.updates_per_epoch

    def end_members(self, loop: TrainingLoop, start: State, trace: Trace) -> None:
        """Record the epochs since `start` and end the members that stop in them."""
        self.objectives.append(trace.objective)
        bad = self.bad[start.members]
        self.bad[start.members] = np.where(bad < 0, trace.bad, bad)
        if loop.active.step % self.updates_per_epoch:
            return
        losses, members = mean_losses(self.objectives, self.batch_rows), start.members
        self.objectives = []
        self.rates = self._for_all_members(members, self._rates(loop)) if self.after_epoch else None
        scores = self._record_validation(loop) if self.validation else None
        reasons, end_steps = np.full(len(members), "", object), np.full(len(members), loop.active.step)
        for loss in losses:
            self.epoch += 1
            is_training = reasons == ""
            self.losses.append(self._for_all_members(members[is_training], loss[is_training]))
            self.epochs[members[is_training]] += 1
            reasons[is_training] = self._judge_epoch(loop, members[is_training], loss[is_training], scores)
            end_steps[is_training & (reasons != "")] = self.epoch * self.updates_per_epoch
            if (reasons != "").all():
                break
        loop.end_within(start, end_steps, reasons.tolist())

    def record(self, loop: TrainingLoop) -> None:
        """Call `after_epoch` at the end of an epoch and end all members if it is True."""
        if self.after_epoch is None or self.objectives:
            return
        assert self.rates is not None
        epoch = Epoch(
            number=self.epoch,
            state=loop.state(),
            loss=self.losses[-1],
            validation_loss=self.validation_losses[-1] if self.validation else None,
            validation_score=self.validation_scores[-1] if self.validation else None,
            rate=self.rates,
            seconds=loop.seconds,
        )
        if self.after_epoch(epoch):
            loop.end(loop.active, loop.active.members, "callback")
            loop.drop_ended()

    def _record_validation(self, loop: TrainingLoop) -> Floats:
        scores, loss = self._validate(loop)
        self.validation_scores.append(self._for_all_members(loop.active.members, scores))
        self.validation_losses.append(self._for_all_members(loop.active.members, loss))
        return scores

    def _validate(self, loop: TrainingLoop) -> tuple[Floats, Floats]:
        """Return the scores and losses [A] of the active members on the validation rows."""
        assert self.validation is not None
        rows, problem, members = self.validation, self.problem, loop.active.members
        x, y, w = (each[members] if each.ndim == 3 else each for each in (rows.x, rows.y, rows.w))
        logits, outputs = loop.engine.outputs(problem, loop.active, x)
        with np.errstate(all="ignore"):
            scores = metrics.find(rows.metric).value(outputs, y, w)
            loss = data_term(problem.loss, problem.reduction, problem.network.output, logits, y, w)[0]
        return scores, loss

    def _judge_epoch(self, loop: TrainingLoop, members: Integers, loss: Floats, scores: Floats | None) -> list[str]:
        """Apply the rules to an epoch and return why each member ends, or "".

        The reasons are "diverged", "stalled" and "max_epochs". `loss` and `scores`, on the validation rows, are those
        of the members at the end of the epoch.
        """
        decides = self.best is not None and scores is not None
        values = -scores if decides and scores is not None else loss
        is_better = self.patience.update(members, values, self.rules.tolerance)
        if self.best is not None:
            self.best = self.best.put(members[is_better], loop.active.take(is_better))
        is_stalled = self.patience.waited[members] > self.rules.patience
        is_stalled &= ~self._divide_rates(loop, members, is_stalled)
        bad, step = self.bad[members], self.epoch * self.updates_per_epoch
        at_limit = self.epoch == self.rules.max_epochs
        conditions = [(bad >= 0) & (bad < step), is_stalled, np.full(len(members), at_limit)]
        reasons: list[str] = np.select(conditions, ["diverged", "stalled", "max_epochs"], "").tolist()
        return reasons

    def _divide_rates(self, loop: TrainingLoop, members: Integers, is_stalled: Floats) -> Floats:
        """Divide stalled members' rates if the schedule is adaptive and return their mask.

        A rate that is already at its lowest is not divided.
        """
        if not self.problem.schedule.adaptive or not is_stalled.any():
            return np.zeros(len(members), bool)
        is_divided = is_stalled & (self._rates(loop) > MIN_LEARNING_RATE)
        factor, divide = loop.active.factor, self.problem.schedule_numbers["divide"][members]
        loop.active = replace(loop.active, factor=np.where(is_divided, factor / divide, factor))
        self.patience.waited[members[is_divided]] = 0
        return is_divided

    def _rates(self, loop: TrainingLoop) -> Floats:
        return self.problem.rates(loop.active.members, max(loop.active.step - 1, 0)) * loop.active.factor

    def _for_all_members(self, members: Integers, values: Floats) -> Floats:
        row = np.full(self.problem.members, np.nan)
        row[members] = values
        return row

    def run_of(self, loop: TrainingLoop, is_interrupted: bool) -> EpochRun:
        """Return the result of the training.

        If the score decides, members have the state of their best score. After Ctrl-C, "interrupted" is the reason of
        the members that still train, or else of those that ended last.
        """
        loop.end(loop.active, loop.active.members, "interrupted")
        reasons = loop.reasons
        if is_interrupted and "interrupted" not in reasons:
            is_sound = np.array([reason != "diverged" for reason in reasons])
            if not is_sound.any():  # no result to return
                raise KeyboardInterrupt
            is_last = is_sound & (self.epochs == self.epochs[is_sound].max())
            reasons = np.where(is_last, "interrupted", reasons).tolist()
        loop.drop_ended()
        state = loop.state()
        if self.best is not None:
            scored = np.flatnonzero(np.isfinite(self.patience.best))
            state = state.put(scored, replace(self.best.take(scored), step=state.step))
        is_validated, scores = self.validation is not None, [*self.initial_scores, *self.validation_scores]
        return EpochRun(
            state=state,
            epochs=self.epochs,
            reasons=tuple(reasons),
            losses=np.array(self.losses).reshape(-1, self.problem.members),
            validation_losses=np.array(self.validation_losses) if is_validated else None,
            validation_scores=np.array(self.validation_scores) if is_validated else None,
            best_scores=np.fmax.reduce(scores, axis=0) if scores else None,
            patience=self.patience,
        )


def mean_losses(objectives: list[Floats], batch_rows: Integers) -> Floats:
    """Return the mean loss of each epoch, [E, K].

    A batch counts by its number of rows, as in scikit-learn, whatever the rows weigh.

    >>> mean_losses([np.array([[1.0], [2.0]]), np.array([[6.0]])], np.array([2, 2, 1]))
    array([[2.4]])
    """
    losses = np.concatenate(objectives).astype(np.float64)
    weighted = losses.reshape(-1, len(batch_rows), losses.shape[1]) * batch_rows[:, None]
    # Added one after the other, so that the sum does not depend on the division into chunks.
    means: Floats = np.add.accumulate(weighted, axis=1)[:, -1] / batch_rows.sum()
    return means
