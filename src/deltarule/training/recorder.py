"""The rules of `train` that look at members: the history and its dependents.

K members of the problem · A of them still train
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import Engine
from deltarule.engines.reference import first_nonfinite
from deltarule.errors import BadInput
from deltarule.platforms import interrupts
from deltarule.problem.batches import forget_orders_at_exit
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.training.continuation import Continuation
from deltarule.training.history import (
    EPOCH_OBJECTIVE,
    History,
    Points,
    Recorded,
    call_functions,
    evaluate,
    evaluate_validation,
)
from deltarule.training.loop import Chunk, Reason, Rule, TrainingLoop, reason_texts
from deltarule.training.moment import Moment
from deltarule.training.options import StopRules
from deltarule.training.rules import EpochMeans, Patience
from deltarule.training.run import Divergence, Progress, Run

INTERRUPTED = np.int8(Reason.INTERRUPTED)


class RunRecorder(Rule):
    """Keeps the history of a training, and makes the record of its run."""

    best: Patience | None = None
    """The rule that keeps the best weights, if there is one."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.history = problem, History()
        self.objective = np.full(problem.members, np.nan)

    def add(self, step: int, members: Integers, values: dict[str, Floats]) -> None:
        self.history.add(step, members, values, self.problem.members)

    def run(self, engine: Engine, state: State, steps: Integers, reasons: NDArray[Any], **known: Any) -> Run:
        """Return the record; `known` are what a run has beyond that."""
        texts = reason_texts(np.where(reasons == Reason.NONE, INTERRUPTED, reasons))
        known = {"diverged": (), "seconds": 0.0, **known}
        return Run(self.problem, engine, state, steps, texts, self.objective, self.history, **known)

    def run_of(self, loop: TrainingLoop, is_interrupted: bool) -> Run:
        """Return the record of the training of a loop, in which no member trains on."""
        seconds, state, steps = loop.seconds, loop.state(), loop.steps()
        if self.best is not None:
            state = self.best.restored(state)
        known = {"seconds": seconds, "interrupted": is_interrupted, "diverged": tuple(self._divergences(loop))}
        return self.run(loop.engine, state, steps, loop.reasons, **known)

    def _divergences(self, loop: TrainingLoop) -> Iterator[Divergence]:
        for member in np.flatnonzero(loop.reasons == Reason.DIVERGED).tolist():
            step = int(loop.updates[member])
            state = replace(loop.ended.take(np.array([member])), step=step)
            yield Divergence(member, step, *first_nonfinite(self.problem, state))


def run_to_end(
    loop: TrainingLoop,
    recorder: RunRecorder,
    begins: bool = False,
    after_chunk: Callable[[], None] = lambda: None,
    at_end: Callable[[], None] = lambda: None,
) -> Run:
    """Train until all members have ended or Ctrl-C is pressed.

    The rules see the start if the training `begins`. `at_end` is called before another Ctrl-C ends the program.
    """
    with one_blas_thread(), forget_orders_at_exit(), interrupts() as is_interrupted:
        if begins:
            loop.begin()
        loop.run(is_interrupted, after_chunk)
        at_end()
        return recorder.run_of(loop, is_interrupted())


class Recorder(RunRecorder):
    """Records the history, and makes the record of the run.

    Where every update sees all rows, no layer differs in evaluation, and only the objective is recorded,
    the history is the engine's trace: no chunk ends for it, and only the end of a member is evaluated. Functions are
    called at points of their own, with the values of all else unless the trace has them.

    With `means` the history has those of epochs in place of the objective over all rows, and no chunk ends for them.

    `point` are the values of the active members at the end of the last chunk, by name; `are_due` says for which members
    [A] it is a point.
    """

    def __init__(
        self,
        problem: Problem,
        recorded: Recorded,
        points: Points,
        function_points: Points,
        stop: StopRules,
        validation: tuple[Floats, Floats] | None,
        means: EpochMeans | None = None,
    ) -> None:
        super().__init__(problem)
        self.recorded, self.validation, self.stop = recorded, validation, stop
        self.points, self.limits = points, stop.limits(problem)
        self.function_points = function_points if recorded.functions else Points()
        self.means, self.is_traced = means, is_traced(problem, recorded, validation)
        self.point: Mapping[str, Floats] = {}
        self.evaluated_steps = np.full(problem.members, -1)  # at which `objective` was evaluated

    def max_updates(self, loop: TrainingLoop) -> int:
        is_evaluated = self.validation is not None if self.means else not self.is_traced
        points = [self.points, self.function_points] if is_evaluated else [self.function_points]
        return min(each.next_after(loop.active.step) for each in points) - loop.active.step

    def finish(self, loop: TrainingLoop, chunk: Chunk) -> None:
        """Record the points that are due after a chunk."""
        self.point = {}
        if self.means:
            self._add_means(chunk)
        is_due = self.are_due(loop)
        calls = self.are_due(loop, of_functions=True).any()
        if self.is_traced and self.points:
            is_at_limit = is_due & (self.limits[loop.active.members] <= loop.active.step)
            self._add_trace(loop, chunk)
            if is_at_limit.any():
                self._evaluate(loop, loop.active if is_at_limit.all() else loop.active.take(is_at_limit))
        elif self.points and not self.means and (calls or is_due.any()):
            self.point = self._evaluate(loop, loop.active)
        elif self.means and self.validation is not None and (calls or is_due.any()):
            state = loop.active
            self.point = evaluate_validation(self.problem, loop.engine, state, self.recorded, self.validation)
            self.add(state.step, state.members, self.point)
        if calls:
            values = call_functions(self.recorded, Moment(self.problem, loop.engine, loop.active))
            self.add(loop.active.step, loop.active.members, values)
            self.point = {**self.point, **values}

    def are_due(self, loop: TrainingLoop, of_functions: bool = False) -> NDArray[np.bool_]:
        """Return a mask of the active members of which this step is a point."""
        points = self.function_points if of_functions else self.points
        return points.are_due(loop.active.step, loop.active.members, self.limits)

    def watched(self, loop: TrainingLoop, name: str) -> tuple[Floats, NDArray[np.bool_]] | None:
        """Return the values [A] of a series and its members, None between points."""
        if name not in self.point:
            return None
        if self.point[name].ndim > 1:
            raise BadInput(f"the metric {name!r} is an array for each member; return a number for each")
        return self.point[name], self.are_due(loop, of_functions=name in self.recorded.functions)

    def _add_means(self, chunk: Chunk) -> None:
        """Add the mean objectives of the epochs that ended in a chunk, each of the members that trained to its end."""
        assert self.means is not None
        for step, indices, means in self.means.completed:
            is_known = (chunk.ends[indices] >= step) & ~np.isnan(means)
            if is_known.any():
                self.add(step, chunk.members[indices[is_known]], {EPOCH_OBJECTIVE: means[is_known]})

    def _add_trace(self, loop: TrainingLoop, chunk: Chunk) -> None:
        """Add the objectives at history points, and where another member was evaluated."""
        steps = np.arange(chunk.first_step, chunk.last_step)
        is_point = self.points.among(steps)
        if self.history.steps:
            is_point |= np.isin(steps, self.history.steps)
        for step in steps[is_point].tolist():
            is_training = chunk.ends >= step
            if is_training.any():  # the engine may have gone beyond all ends
                values = chunk.trace.objective[step - chunk.first_step][is_training]
                self.add(step, chunk.members[is_training], {"objective": values})
        is_last = chunk.ends == chunk.last_step
        if is_last.any() and self.points.among(np.array([chunk.last_step])).all():
            # What the trace has of a member that ends within a chunk: the objective before one more update.
            state = replace(loop.ended.take(chunk.members[is_last]), step=chunk.last_step)
            _, trace = loop.engine.advance(self.problem, state, 1)
            self.add(chunk.last_step, state.members, {"objective": trace.objective[0]})

    def _evaluate(self, loop: TrainingLoop, state: State) -> dict[str, Floats]:
        values = evaluate(self.problem, loop.engine, state, self.recorded, self.validation)
        self.objective[state.members], self.evaluated_steps[state.members] = values["objective"], state.step
        self.add(state.step, state.members, values)
        return values

    def progress(self, loop: TrainingLoop) -> Progress:
        """Count the members by state, with the median of their finite objectives."""
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

    def continuation(self, loop: TrainingLoop) -> Continuation:
        """Return what the training has come to."""
        memory = {name: array for rule in loop.rules for name, array in rule.memory().items()}
        return Continuation(loop.state(), loop.steps(), loop.reasons, memory, self.stop, self.validation)

    def run_of(self, loop: TrainingLoop, is_interrupted: bool) -> Run:
        run = super().run_of(loop, is_interrupted)
        best_steps = None if self.best is None else self.best.best_steps.copy()
        is_known = self.evaluated_steps == run.steps
        if best_steps is not None:
            is_known &= best_steps == run.steps
        self._evaluate_unknown(loop, run.state, np.flatnonzero(~is_known))
        if self.means and not self.history.names:  # no epoch has ended
            self.add(run.state.step, run.state.members, {"objective": self.objective})
        notes = self.problem.notes + loop.engine.notes(self.problem) + self._notes()
        return replace(run, best_steps=best_steps, notes=notes, continuation=self.continuation(loop))

    def _evaluate_unknown(self, loop: TrainingLoop, state: State, unknown: Integers) -> None:
        """Evaluate the objective of the members with the indices `unknown` at their ends."""
        if self.points and len(unknown):
            part = state if len(unknown) == self.problem.members else state.take(unknown)
            self.objective[unknown] = evaluate(self.problem, loop.engine, part, Recorded(), None)["objective"]

    def _notes(self) -> tuple[str, ...]:
        """A note on steps that were asked for, and that no member may reach."""
        listed = [points.steps for points in (self.points, self.function_points) if points.steps is not None]
        last = max((int(steps.max(initial=0)) for steps in listed), default=0)
        limit = int(self.limits.max())
        return (f"step {last:,} is to be recorded, and the training ends after {limit:,}",) if last > limit else ()


def is_traced(problem: Problem, recorded: Recorded, validation: object) -> bool:
    """Return whether the engine's trace has all that is recorded but for functions."""
    is_whole = bool((problem.epoch_steps == 1).all()) and not problem.drops and not problem.network.buffers
    return is_whole and problem.fresh is None and not recorded.metrics and validation is None
