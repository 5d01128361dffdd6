"""Train every member of a problem until its stop rules end it."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.engines.base import Engine
from deltarule.engines.selection import engine_for
from deltarule.errors import BadInput, short_repr
from deltarule.maths.network import views
from deltarule.problem.network import switch
from deltarule.problem.problem import Problem
from deltarule.problem.ranges import WHOLE
from deltarule.problem.settings import RunSection
from deltarule.problem.state import State, initial_state
from deltarule.problem.validation import fill_arrays
from deltarule.problem.validation import problem as checked_problem
from deltarule.training.checkpoint import Checkpoint, checkpoint_engine, problem_digest
from deltarule.training.continuation import check_fit, check_limits, renumbered
from deltarule.training.history import Points, Recorded
from deltarule.training.loop import Rule, TrainingLoop
from deltarule.training.moment import Moment
from deltarule.training.options import (
    EVALUATED_INTERVALS,
    EVALUATED_POINTS,
    VALIDATION,
    Every,
    Number,
    StopRules,
    check_engine,
    check_validation_rows,
    evaluation_points,
    has_epoch_means,
    history_intervals,
    what_is_recorded,
)
from deltarule.training.recorder import Recorder, is_traced, run_to_end
from deltarule.training.rules import (
    BestScore,
    DivergenceRule,
    EpochMeans,
    Limit,
    MetricThreshold,
    Plateau,
    Threshold,
    Tolerance,
)
from deltarule.training.run import Progress as Progress
from deltarule.training.run import Run


def train(
    problem: Problem,
    *,
    start: Run | Moment | Mapping[str, Any] | None = None,
    engine: Engine | str = RunSection.engine,
    max_steps: Number | None = StopRules.max_steps,
    max_epochs: Number | None = StopRules.max_epochs,
    more_steps: int | None = None,
    threshold: Number | None = StopRules.threshold,
    times: Number = StopRules.times,
    metric: str = StopRules.metric,
    tolerance: Number | None = StopRules.tolerance,
    patience: Number | None = StopRules.patience,
    validation: tuple[Any, Any] | None = None,
    record: Sequence[str] | Mapping[str, str | Callable[[Moment], Any]] = (),
    every: Every | None = None,
    history_every: Every | None = RunSection.history_every,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Train every member of a problem until its stop rules end it.

    Parameters
    ----------
    problem : Problem
        Made by `create_problem`.
    start : Run, Moment or mapping, optional
        Where to begin. Arrays by name, "W1" [D, H] or [K, D, H], replace the initial ones of a training from step 0. A
        run is continued, with all that its rules know, to a later limit: bit for bit what one longer training gives,
        the history too with the same `history_every`. A moment is continued with new rules and a new history. Of a run
        or moment of another optimizer, which knows other things, the arrays begin a training from step 0.
    engine : Engine or str, default "auto"
        What advances the state, or its name; "auto" continues with the engine of a checkpoint, or of `start` with the
        same problem, or selects the one that is expected to finish first.
    max_steps, max_epochs : int, optional
        The limit, in updates or in passes over a member's rows; one of them is required. Each number of a stop rule may
        be a list with one for each member.
    more_steps : int, optional
        In place of `max_steps`: how many updates each member makes beyond those of `start`.
    threshold, times, metric, tolerance, patience : optional
        Further stop rules, see `StopRules`.
    validation : tuple of array-like, optional
        Validation inputs [M, D] and targets [M, C].
    record : sequence of str, or mapping, default ()
        What the history holds beside the objective. Names of metrics, on training and validation rows; "outputs" for
        all training rows, of which members must then have equally many; "gradients", the norm of each array's gradient.
        A mapping may also have functions by name, as ``{"dead": function, "accuracy": "accuracy"}``: each is called
        with a `Moment` and returns a number or an array for each member that still trains, or None if it only looks.
    every : int, sequence of int or "epoch", optional
        When functions of `record` are called, and outputs and gradients recorded: after so many updates and at the
        limit, or at the steps of a list. By default at the history's points. Their series have these steps.
    history_every : int, sequence of int or "epoch", optional
        When the history has points. By default as `every` says where it is given, unless a stop rule evaluates the
        history; else after an epoch of mini-batches, or a 200th of the limit: each member's own if a stop rule
        evaluates the history. Otherwise all share the longest, of at least ten updates (from 1,000 updates on, twenty)
        if more than the objective is recorded, or with layers that differ in evaluation. By default the history of
        mini-batches has the "epoch objective", the mean over each epoch's own batches, which costs nothing, unless
        metrics or a stop rule need evaluations; with "epoch" it has the objective over all rows. With 0 the run has
        neither history nor objective, which saves the evaluation of all rows.
    checkpoint : str or Path, optional
        A file to write every ten seconds and at the end.
    resume : bool, default False
        Continue from the checkpoint if it exists; the result is that of an uninterrupted run, bit for bit. The stop
        rules may differ.
    progress : callable, optional
        Called with a `Progress` between chunks of updates.

    Returns
    -------
    Run
        Ctrl-C ends the training after the current chunk, of about a fifth of a second; the run then holds what was
        reached. A second Ctrl-C raises `KeyboardInterrupt` at once.

    Raises
    ------
    BadInput
        For options of the wrong type, stop rules or a start that do not fit the problem, a checkpoint of another
        problem, and `resume` without a checkpoint.

    Examples
    --------
    >>> from deltarule import Network, create_problem, train
    >>> import numpy as np
    >>> x = np.eye(8)
    >>> problem = create_problem(Network([8, 3, 8], "sigmoid", "sigmoid"), x, x, loss="binary_cross_entropy",
    ...                          learning_rate=8.0, seeds=range(2))
    >>> run = train(problem, max_steps=1000, record=["thresholded"])
    >>> run.history.series("thresholded")[-1]
    array([1., 1.])
    """
    problem = checked_problem(problem)
    engine = check_engine(engine)
    resume = switch("resume", resume)
    start = _where_to_begin(start, problem)
    if progress is not None and not callable(progress):
        raise BadInput(f"progress is {short_repr(progress)}; give a function")
    if more_steps is not None:
        max_steps = _limit_beyond(start, max_steps, more_steps)
    stop = StopRules(max_steps, max_epochs, threshold, times, metric, tolerance, patience)
    limits = stop.limits(problem)
    recorded = what_is_recorded(problem, stop, record)
    validation = check_validation_rows(problem, validation, stop, recorded.functions)
    points, function_points = _points(problem, stop, recorded, history_every, every, validation)
    file, is_resumed = _checkpoint_file(checkpoint, resume)
    is_same_problem = isinstance(start, Run | Moment) and _is_same(start.problem, problem)
    if engine == "auto":
        engine = _engine_before(file if is_resumed else None, start if is_same_problem else None)
    is_default = history_every is None and not stop.needs_history and (every is None or not recorded.functions)
    means = EpochMeans(problem) if is_default and has_epoch_means(problem, recorded) else None
    recorder = Recorder(problem, recorded, points, function_points, stop, validation, means)
    first = first_state(problem, start)
    rules = [*_rules(problem, stop, recorder, first), Limit(limits)]
    loop = TrainingLoop(problem, engine_for(engine, problem, int(limits.max())), first, rules)
    written = None if file is None else Checkpoint(file, loop, recorder)
    if written is not None and is_resumed:
        written.restore()
    is_continued = is_resumed or _continue_run(start, loop, recorder, stop, is_same_problem)

    def after_chunk() -> None:
        if written is not None:
            written.write_if_due()
        if progress is not None:
            progress(recorder.progress(loop))

    write = (lambda: None) if written is None else written.write
    return run_to_end(loop, recorder, not is_continued, after_chunk, at_end=write)


def _limit_beyond(start: Any, max_steps: Any, more_steps: Any) -> Any:
    if max_steps is not None:
        raise BadInput("max_steps and more_steps are both given; give one, the first counts from the very first update")
    more = WHOLE.check("more_steps", more_steps)
    made = start.steps if isinstance(start, Run) else start.state.step if isinstance(start, Moment) else 0
    return (made + more).tolist() if isinstance(start, Run) else made + more


def _where_to_begin(start: Any, problem: Problem) -> Any:
    """A moment of some members with the problem of these alone; of another optimizer's training, the arrays."""
    if isinstance(start, Moment) and len(start.members) < start.problem.members:
        start = replace(start, problem=start.problem.take(start.members), state=renumbered(start.state))
    if isinstance(start, Run | Moment) and start.problem.optimizer.name != problem.optimizer.name:
        network, state = start.problem.network, start.state
        return views(state.theta, network.entries) | views(state.buffers, network.buffers)
    return start


def _continue_run(start: Any, loop: TrainingLoop, recorder: Recorder, stop: StopRules, is_same_problem: bool) -> bool:
    """Continue a run with all that its rules know; return whether there is one."""
    if not isinstance(start, Run) or start.continuation is None:
        check_limits(recorder.limits, loop.active.step)
        return False
    recorder.history = start.history.take(np.arange(loop.problem.members))
    loop.started -= start.seconds
    start.continuation.resume(loop, stop, recorder.validation, is_same_problem)
    return True


def _points(
    problem: Problem, stop: StopRules, recorded: Recorded, history_every: Any, every: Any, validation: Any
) -> tuple[Points, Points]:
    """Return the points of the history and the points at which functions are called.

    Raise `BadInput` if a record or a stop rule needs points and there are none.
    """
    points = _history_points(problem, stop, recorded, history_every, every, validation)
    function_points = points if every is None else evaluation_points("every", every, problem)
    if recorded.functions and not function_points:
        what = next(iter(recorded.functions))
        raise BadInput(f"record has {what!r} and every says no step; give a number of updates, or a list of steps")
    if not points and (stop.needs_history or recorded.metrics):
        raise BadInput("history_every is 0, and metrics of record and stop rules by a metric need the history")
    return points, function_points


def _checkpoint_file(checkpoint: Any, resume: bool) -> tuple[Path | None, bool]:
    """Return the file to write, and whether the training is resumed from it."""
    if not isinstance(checkpoint, str | os.PathLike | None):
        raise BadInput(f"the checkpoint is {short_repr(checkpoint)}; name the file to write")
    if resume and checkpoint is None:
        raise BadInput("resume is True without a checkpoint; name the file to resume from")
    file = None if checkpoint is None else Path(checkpoint)
    return file, file is not None and resume and file.exists()


def _is_same(before: Problem, problem: Problem) -> bool:
    return before is problem or problem_digest(before) == problem_digest(problem)


def _engine_before(checkpoint: Path | None, start: Any) -> Engine | str:
    """The engine of what is continued, or "auto"."""
    if checkpoint is not None:
        return checkpoint_engine(checkpoint) or "auto"
    return "auto" if start is None else start.engine


def first_state(problem: Problem, start: Any) -> State:
    """Return the state in which a training begins."""
    if isinstance(start, Run | Moment):
        check_fit(start.problem, problem)
        return start.state.take(np.arange(problem.members))  # a copy, because those of a moment are read-only
    if start is not None and not isinstance(start, Mapping):
        raise BadInput(f"start is {short_repr(start)}; give a run, a moment, or arrays by name, such as {{'W1': …}}")
    first = initial_state(problem)
    targets = views(first.theta, problem.network.entries) | views(first.buffers, problem.network.buffers)
    fill_arrays("start", targets, start or {})
    return first


def _history_points(
    problem: Problem, stop: StopRules, recorded: Recorded, history_every: Any, every: Any, validation: Any
) -> Points:
    """Return the points of the history, by default few enough to cost little."""
    if history_every is not None:
        return evaluation_points("history_every", history_every, problem)
    if recorded.functions and every is not None and not stop.needs_history:
        return evaluation_points("every", every, problem)
    intervals = history_intervals(problem, stop)
    is_by_updates = not stop.needs_history and problem.epoch_steps.max() == 1
    if is_by_updates and (recorded.functions or not is_traced(problem, recorded, validation)):
        limit = stop.limits(problem).max()
        intervals = np.maximum(intervals, np.clip(limit // EVALUATED_POINTS, *EVALUATED_INTERVALS))
    return Points(intervals)


def _rules(problem: Problem, stop: StopRules, recorder: Recorder, first: State) -> Iterator[Rule]:
    """Yield the rules of a training, but for its limit."""
    functions = recorder.recorded.functions
    more_is_better = stop.more_is_better(functions)
    if recorder.means or stop.tolerance is not None or problem.schedule.adaptive:
        means = recorder.means or EpochMeans(problem)
        yield means
        if problem.schedule.adaptive:
            numbers = problem.schedule_numbers
            yield Plateau(problem, means, numbers["patience"], numbers["tolerance"], ends=False)
        if stop.tolerance is not None:
            yield Tolerance(means, stop.of_members("tolerance", problem))
    limits = [stop.of_members(name, problem) for name in ("threshold", "times")]
    if stop.threshold is not None and stop.metric == "objective":
        yield Threshold(problem, *limits)
    yield DivergenceRule()
    yield recorder
    if stop.threshold is not None and stop.metric != "objective":
        watched = partial(recorder.watched, name=stop.metric)
        yield MetricThreshold(watched, more_is_better, *limits)
    if stop.patience is not None:
        name = stop.metric if stop.metric in functions else VALIDATION + stop.base_metric
        watched = partial(recorder.watched, name=name)
        recorder.best = BestScore(problem, watched, more_is_better, stop.of_members("patience", problem), first)
        yield recorder.best
