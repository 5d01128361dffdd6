"""The monitor of `train`, which applies the stop rules and records the history.

K members of the problem · A of them still train · n updates of a chunk
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.engines.base import Trace
from deltarule.engines.reference import first_nonfinite
from deltarule.errors import BadInput
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.stats import metrics
from deltarule.training.epoch_records import Patience
from deltarule.training.history import EvaluationSchedule, History, evaluate
from deltarule.training.loop import TrainingLoop
from deltarule.training.options import check_callable, check_observed_steps
from deltarule.training.run import Divergence, Progress, Run
from deltarule.training.stopping import StopRules, StopState, first_crossing


class RunMonitor:
    """Applies the rules of `train` to the members of a training loop.

    A chunk ends at a history point, at the end of an epoch that a rule needs, at an observed step and at a member's
    limit.
    """

    def __init__(
        self,
        problem: Problem,
        rules: StopRules,
        evaluations: EvaluationSchedule,
        intervals: Integers,
        validation: tuple[Floats, Floats] | None,
        observe: Any,
        observer: Callable[[Run, Integers], None] | None,
        notes: tuple[str, ...],
    ) -> None:
        check_callable("observer", observer)
        if (observe is None) != (observer is None):
            raise BadInput("one of observe and observer is given without the other; give both or neither")
        self.problem, self.rules, self.observer = problem, rules, observer
        self.evaluations, self.intervals, self.validation, self.notes = evaluations, intervals, validation, notes
        self.limits = self.rules.limits(problem)
        self.observed: dict[int, Integers] = {}
        if observe is not None:
            points = check_observed_steps(observe, problem.members)
            self.limits = np.minimum(self.limits, points[-1])
            order = np.argsort(points, axis=None, kind="stable")
            steps, starts = np.unique(points.ravel()[order], return_index=True)
            members = np.split(order % problem.members, starts[1:])
            self.observed = dict(zip(steps.tolist(), members, strict=True))
        self.observed_steps = np.array(list(self.observed), np.int64)
        self.epoch_updates = np.array([problem.steps_per_epoch(member) for member in range(problem.members)])
        self.needs_epoch_ends = self.rules.tolerance is not None or problem.schedule.adaptive
        self.history = History()
        self.stop_state = StopState.initial(problem, self.rules.patience is not None)
        self.divergences: dict[int, Divergence] = {}
        self.latest_objective = float("nan")

    def next_chunk(self, loop: TrainingLoop, max_updates: int) -> tuple[Problem, int]:
        """Return the problem and the number of updates until the next event.

        Epochs count only if a rule or the schedule needs them.
        """
        step, members = loop.active.step, loop.active.members
        events = [step + max_updates, int(self.limits[members].min())]
        for interval, is_needed in (
            (self.intervals, self.evaluations.every),
            (self.epoch_updates, self.needs_epoch_ends),
        ):
            if is_needed:
                events += [(step // size + 1) * size for size in np.unique(interval[members]).tolist()]
        following = int(np.searchsorted(self.observed_steps, step, side="right"))
        events += self.observed_steps[following : following + 1].tolist()
        return self.problem, min(events) - step

    def end_members(self, loop: TrainingLoop, start: State, trace: Trace) -> None:
        """End members at the exact update at which a stop rule applies."""
        finite = trace.objective[-1][np.isfinite(trace.objective[-1])]
        self.latest_objective = float(np.median(finite)) if len(finite) else float("nan")
        n = len(trace.objective)
        ends, reasons = np.full(len(start.members), n), np.full(len(start.members), "", object)
        if self.rules.threshold is not None and self.rules.metric == "objective":
            counted = self.stop_state.counted[start.members]
            first, counted = first_crossing(trace.objective, self.rules.threshold, counted, self.rules.times)
            self.stop_state.counted[start.members] = counted
            ends, reasons[first < n] = first, "threshold"
        bad = np.where(trace.bad >= 0, trace.bad - start.step, n)
        reasons[bad < ends] = "diverged"
        loop.end_within(start, start.step + np.minimum(ends, bad), reasons.tolist())
        if self.needs_epoch_ends and len(loop.active.members):
            self._end_epochs(loop, start, trace)

    def _end_epochs(self, loop: TrainingLoop, start: State, trace: Trace) -> None:
        """Update the mean objectives of epochs and apply the rules for epochs that end."""
        stop_state, active = self.stop_state, np.isin(start.members, loop.active.members)
        stop_state.add_to_epoch(self.problem, loop.active.members, start.step, trace.objective[:, active])
        at_end = loop.active.step % self.epoch_updates[loop.active.members] == 0
        members = loop.active.members[at_end]
        previous, mean = stop_state.end_epoch(members)
        if self.problem.schedule.adaptive:
            numbers = {name: values[members] for name, values in self.problem.schedule_numbers.items()}
            Patience(stop_state.best_epoch, stop_state.stalled).update(members, mean, numbers["tolerance"])
            is_stalled = stop_state.stalled[members] >= numbers["patience"]
            stop_state.stalled[members[is_stalled]] = 0
            factor = loop.active.factor.copy()
            factor[at_end] = np.where(is_stalled, factor[at_end] / numbers["divide"], factor[at_end])
            loop.active = replace(loop.active, factor=factor)
        if self.rules.tolerance is not None:
            with np.errstate(all="ignore"):  # infinite objectives
                is_steady = np.abs(previous - mean) < self.rules.tolerance * np.abs(previous)
            loop.end(loop.active, members[is_steady], "tolerance")
            loop.drop_ended()

    def record(self, loop: TrainingLoop) -> None:
        """Evaluate the members that are due and end those at their limit."""
        if not len(loop.active.members):
            return
        step, members = loop.active.step, loop.active.members
        at_limit = self.limits[members] <= step
        is_due = at_limit | (step % self.intervals[members] == 0)
        if self.evaluations.every and is_due.any():
            self._add_history_point(loop, is_due)
        observed = members[np.isin(members, self.observed.get(step, ()))]
        if self.observer is not None and len(observed):
            self.observer(self.run_of(loop, False, observed), observed)
        still_training = np.array([not loop.reasons[member] for member in members.tolist()])
        loop.end(loop.active, members[at_limit & still_training], "max_steps")
        loop.drop_ended()

    def _add_history_point(self, loop: TrainingLoop, is_due: NDArray[np.bool_]) -> None:
        """Add a history point and apply the rules that depend on the history."""
        values = evaluate(self.problem, loop.engine, loop.active, self.evaluations, self.validation)
        self.history.add(loop.active.step, loop.active.members, values, self.problem.members)
        if self.rules.threshold is not None and self.rules.metric != "objective":
            self._apply_metric_threshold(loop, self.rules.threshold, values[self.rules.metric], is_due)
        if self.rules.patience is not None:
            self._apply_patience(loop, self.rules.patience, values[f"validation {self.rules.score}"], is_due)

    def _apply_metric_threshold(
        self, loop: TrainingLoop, threshold: float, values: Floats, is_due: NDArray[np.bool_]
    ) -> None:
        more_is_better, members = metrics.find(self.rules.metric).more_is_better, loop.active.members
        is_met = values > threshold if more_is_better else values < threshold
        self.stop_state.counted[members] += is_met & is_due
        loop.end(loop.active, members[self.stop_state.counted[members] >= self.rules.times], "threshold")

    def _apply_patience(self, loop: TrainingLoop, patience: int, values: Floats, is_due: NDArray[np.bool_]) -> None:
        """Store the best weights of members and end those whose patience is exhausted."""
        stop_state, active, score = self.stop_state, loop.active, self.rules.score
        more_is_better = score != "objective" and metrics.find(score).more_is_better
        scores = np.where(np.isfinite(values), values if more_is_better else -values, -np.inf)
        is_better = is_due & (scores > stop_state.best_score[active.members])
        stop_state.waited[active.members] = np.where(is_better, 0, stop_state.waited[active.members] + is_due)
        better = active.members[is_better]
        stop_state.best_score[better], stop_state.best_step[better] = scores[is_better], active.step
        stop_state.best_theta[better] = active.theta[is_better]
        stop_state.best_buffers[better] = active.buffers[is_better]
        loop.end(active, active.members[stop_state.waited[active.members] >= patience], "patience")

    def progress(self, loop: TrainingLoop) -> Progress:
        """Return the current progress: step, limit, outcomes, seconds and objective."""
        training, diverged = len(loop.active.members), loop.reasons.count("diverged")
        return Progress(
            step=int(loop.active.step),
            limit=int(self.limits.max()),
            training=training,
            stopped=self.problem.members - training - diverged,
            diverged=diverged,
            seconds=loop.seconds,
            solved=loop.reasons.count("threshold"),
            objective=self.latest_objective,
        )

    def divergences_of(self, loop: TrainingLoop) -> list[Divergence]:
        """Return the step and the array in which each member diverged."""
        for member, reason in enumerate(loop.reasons):
            if reason == "diverged" and member not in self.divergences:
                step = int(loop.updates[member])
                state = replace(loop.ended.take(np.array([member])), step=step)
                self.divergences[member] = Divergence(member, step, *first_nonfinite(self.problem, state))
        return sorted(self.divergences.values(), key=lambda divergence: divergence.member)

    def run_of(self, loop: TrainingLoop, is_interrupted: bool, evaluated: Integers | None = None) -> Run:
        """Return the record of the run so far.

        The objective is that of the members `evaluated`, or of all; NaN for the others.
        """
        seconds, state, steps = loop.seconds, loop.state(), loop.updates.copy()
        steps[loop.active.members] = loop.active.step
        best_steps = None
        if self.rules.patience is not None:
            best_steps = self.stop_state.best_step.copy()
            is_scored = np.isfinite(self.stop_state.best_score)[:, None]
            state = replace(
                state,
                theta=np.where(is_scored, self.stop_state.best_theta, state.theta),
                buffers=np.where(is_scored, self.stop_state.best_buffers, state.buffers),
            )
        objective = np.full(self.problem.members, np.nan)
        if self.evaluations.every:
            part = state if evaluated is None else state.take(evaluated)
            values = evaluate(self.problem, loop.engine, part, EvaluationSchedule(1), None)
            objective[part.members] = values["objective"]
        return Run(
            problem=self.problem,
            engine=loop.engine,
            state=state,
            steps=steps,
            reasons=tuple(reason or "interrupted" for reason in loop.reasons),
            objective=objective,
            history=self.history,
            diverged=tuple(self.divergences_of(loop)),
            seconds=seconds,
            best_steps=best_steps,
            interrupted=is_interrupted,
            notes=self.problem.notes + self.notes + loop.engine.notes(self.problem),
        )

    def history_names(self) -> set[str]:
        """Return the names of the series in every history point."""
        names = {"objective", *self.evaluations.metrics}
        if self.validation is not None:
            names |= {f"validation {name}" for name in names}
        if self.evaluations.gradients:
            names |= {f"gradient {entry.name}" for entry in self.problem.network.entries}
        return names | {"outputs"} if self.evaluations.outputs else names
