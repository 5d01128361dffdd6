"""The rules of `train` that look at members: the history and its dependents.

K members of the problem · A of them still train
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from deltarule.engines.reference import first_nonfinite
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.stats import metrics
from deltarule.training.continuation import Continuation
from deltarule.training.history import EvaluationSchedule, History, evaluate
from deltarule.training.loop import Chunk, Reason, Rule, TrainingLoop, reason_texts
from deltarule.training.options import StopRules
from deltarule.training.run import Divergence, Progress, Run

INTERRUPTED = np.int8(Reason.INTERRUPTED)


class Recorder(Rule):
    """Records the history, and makes the record of the run.

    Where every update sees all rows as they are, without dropout and batch norm, and only the objective is recorded,
    the history is the engine's trace: no chunk ends for it, and only the end of a member is evaluated.

    `point` are the values of the active members at the end of the last chunk, if it is a history point; `is_due` are
    the members [A] whose own history point it is.
    """

    def __init__(
        self,
        problem: Problem,
        schedule: EvaluationSchedule,
        intervals: Integers,
        limits: Integers,
        validation: tuple[Floats, Floats] | None,
    ) -> None:
        self.problem, self.schedule, self.validation = problem, schedule, validation
        self.intervals, self.limits = intervals, limits
        self.distinct_intervals = np.unique(intervals)
        self.is_traced = is_traced(problem, schedule, validation)
        self.history = History()
        self.point: Mapping[str, Floats] | None = None
        self.is_due = np.zeros(0, bool)
        self.objective = np.full(problem.members, np.nan)
        self.evaluated_steps = np.full(problem.members, -1)  # at which `objective` was evaluated
        self.divergences: dict[int, Divergence] = {}
        self.best: BestScore | None = None

    def max_updates(self, loop: TrainingLoop) -> int:
        if self.is_traced or not self.schedule.every:
            return super().max_updates(loop)
        return int((self.distinct_intervals - loop.active.step % self.distinct_intervals).min())

    def finish(self, loop: TrainingLoop, chunk: Chunk) -> None:
        step, members = loop.active.step, loop.active.members
        self.point = None
        if not self.schedule.every:
            return
        is_at_limit = self.limits[members] <= step
        if self.is_traced:
            self._add_trace(loop, chunk)
            if is_at_limit.any():
                self._evaluate(loop, loop.active if is_at_limit.all() else loop.active.take(is_at_limit))
            return
        self.is_due = is_at_limit | (step % self.intervals[members] == 0)
        if self.is_due.any():
            self.point = self._evaluate(loop, loop.active)

    def _add_trace(self, loop: TrainingLoop, chunk: Chunk) -> None:
        """Add the objectives at history points, and where another member was evaluated."""
        steps = np.arange(chunk.first_step, chunk.last_step)
        is_point = steps % self.schedule.every == 0
        if self.history.steps:
            is_point |= np.isin(steps, self.history.steps)
        for step in steps[is_point].tolist():
            is_training = chunk.ends >= step
            if is_training.any():  # the engine may have gone beyond all ends
                values = chunk.trace.objective[step - chunk.first_step][is_training]
                self.history.add(step, chunk.members[is_training], {"objective": values}, self.problem.members)
        is_last = chunk.ends == chunk.last_step
        if is_last.any() and chunk.last_step % self.schedule.every == 0:
            # What the trace has of a member that ends within a chunk: the objective before one more update.
            state = replace(loop.ended.take(chunk.members[is_last]), step=chunk.last_step)
            _, trace = loop.engine.advance(self.problem, state, 1)
            self.history.add(chunk.last_step, state.members, {"objective": trace.objective[0]}, self.problem.members)

    def _evaluate(self, loop: TrainingLoop, state: State) -> dict[str, Floats]:
        values = evaluate(self.problem, loop.engine, state, self.schedule, self.validation)
        self.objective[state.members], self.evaluated_steps[state.members] = values["objective"], state.step
        self.history.add(state.step, state.members, values, self.problem.members)
        return values

    def progress(self, loop: TrainingLoop) -> Progress:
        finite = loop.latest_objective[np.isfinite(loop.latest_objective)]
        training, diverged = (int((loop.reasons == reason).sum()) for reason in (Reason.NONE, Reason.DIVERGED))
        return Progress(
            step=int(loop.active.step),
            limit=int(self.limits.max()),
            training=training,
            stopped=self.problem.members - training - diverged,
            diverged=diverged,
            seconds=loop.seconds,
            solved=int((loop.reasons == Reason.THRESHOLD).sum()),
            objective=float(np.median(finite)) if len(finite) else float("nan"),
        )

    def continuation(self, loop: TrainingLoop, stop: StopRules) -> Continuation:
        """Return what the training has come to."""
        steps = loop.updates.copy()
        steps[loop.active.members] = loop.active.step
        memory = {name: array for rule in loop.rules for name, array in rule.memory().items()}
        return Continuation(loop.state(), steps, loop.reasons, memory, stop, self.validation)

    def run_of(self, loop: TrainingLoop, stop: StopRules, is_interrupted: bool) -> Run:
        seconds, continuation = loop.seconds, self.continuation(loop, stop)
        state, steps = continuation.state, continuation.steps
        is_known, best_steps = self.evaluated_steps == steps, None
        if self.best is not None:
            state, best_steps = self.best.restored(state), self.best.best_steps.copy()
            is_known &= best_steps == steps
        unknown = np.flatnonzero(~is_known)
        if self.schedule.every and len(unknown):
            part = state if len(unknown) == self.problem.members else state.take(unknown)
            values = evaluate(self.problem, loop.engine, part, EvaluationSchedule(1), None)
            self.objective[unknown] = values["objective"]
        return Run(
            problem=self.problem,
            engine=loop.engine,
            state=state,
            steps=steps,
            reasons=reason_texts(np.where(loop.reasons == Reason.NONE, INTERRUPTED, loop.reasons)),
            objective=self.objective,
            history=self.history,
            diverged=self._divergences(loop),
            seconds=seconds,
            best_steps=best_steps,
            interrupted=is_interrupted,
            notes=self.problem.notes + loop.engine.notes(self.problem),
            continuation=continuation,
        )

    def _divergences(self, loop: TrainingLoop) -> tuple[Divergence, ...]:
        diverged = np.flatnonzero(loop.reasons == Reason.DIVERGED).tolist()
        for member in diverged:
            if member not in self.divergences:
                step = int(loop.updates[member])
                state = replace(loop.ended.take(np.array([member])), step=step)
                self.divergences[member] = Divergence(member, step, *first_nonfinite(self.problem, state))
        return tuple(self.divergences[member] for member in diverged)


def is_traced(problem: Problem, schedule: EvaluationSchedule, validation: object) -> bool:
    """Return whether the engine's trace has all that is recorded."""
    is_whole = bool((problem.epoch_steps == 1).all()) and not problem.drops and not problem.network.buffers
    is_more = schedule.metrics or schedule.outputs or schedule.gradients or validation is not None
    return is_whole and not is_more


class MetricThreshold(Rule):
    """Ends each member once its metric was beyond the threshold often enough."""

    stored = ("counts",)
    reason = Reason.THRESHOLD

    def __init__(self, recorder: Recorder, metric: str, threshold: Floats, times: Integers) -> None:
        self.recorder, self.metric, self.threshold, self.times = recorder, metric, threshold, times
        self.counts = np.zeros(recorder.problem.members, np.int64)

    def finish(self, loop: TrainingLoop, chunk: Chunk) -> None:
        if self.recorder.point is None:
            return
        members, values = loop.active.members, self.recorder.point[self.metric]
        more_is_better = metrics.find(self.metric).more_is_better
        threshold = self.threshold[members]
        is_met = values > threshold if more_is_better else values < threshold
        self.counts[members] += is_met & self.recorder.is_due
        loop.end(self.counts[members] >= self.times[members], Reason.THRESHOLD)


class BestScore(Rule):
    """Keeps each member's weights of the best validation score, with patience."""

    stored = ("scores", "waited", "best_steps", "theta", "buffers")
    reason = Reason.PATIENCE

    def __init__(self, recorder: Recorder, score: str, patience: Integers) -> None:
        self.recorder, self.name, self.patience = recorder, f"validation {score}", patience
        self.more_is_better = score != "objective" and metrics.find(score).more_is_better
        problem, members = recorder.problem, recorder.problem.members
        self.scores, self.waited = np.full(members, -np.inf), np.zeros(members, np.int64)
        self.best_steps = np.zeros(members, np.int64)
        self.theta = np.zeros((members, problem.network.parameters), problem.dtype)
        self.buffers = np.zeros((members, sum(e.stop - e.start for e in problem.network.buffers)), problem.dtype)
        recorder.best = self

    def finish(self, loop: TrainingLoop, chunk: Chunk) -> None:
        if self.recorder.point is None:
            return
        active, values, is_due = loop.active, self.recorder.point[self.name], self.recorder.is_due
        scores = np.where(np.isfinite(values), values if self.more_is_better else -values, -np.inf)
        is_better = is_due & (scores > self.scores[active.members])
        self.waited[active.members] = np.where(is_better, 0, self.waited[active.members] + is_due)
        better = active.members[is_better]
        self.scores[better], self.best_steps[better] = scores[is_better], active.step
        self.theta[better], self.buffers[better] = active.theta[is_better], active.buffers[is_better]
        loop.end(self.waited[active.members] >= self.patience[active.members], Reason.PATIENCE)

    def restored(self, state: State) -> State:
        """Return a state with the best weights of the members that have a score."""
        is_scored = np.isfinite(self.scores)[:, None]
        theta, buffers = (
            np.where(is_scored, best, last) for best, last in ((self.theta, state.theta), (self.buffers, state.buffers))
        )
        return replace(state, theta=theta, buffers=buffers)
