"""Train by epochs, with every decision at the end of an epoch.

K members, all with equally many rows
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import Engine, Trace
from deltarule.engines.selection import engine_for
from deltarule.problem.batches import order_cache
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.training.epoch_monitor import EpochMonitor, mean_losses
from deltarule.training.epoch_records import Epoch, EpochRules, EpochRun, Validation
from deltarule.training.interrupts import interrupts
from deltarule.training.loop import TrainingLoop
from deltarule.training.stopping import batch_sizes


def train_epochs(
    problem: Problem,
    start: State,
    rules: EpochRules,
    *,
    engine: Engine | str = "auto",
    in_order: bool = False,
    validation: Validation | None = None,
    after_epoch: Callable[[Epoch], bool] | None = None,
    resumes: bool = False,
) -> EpochRun:
    """Train the members of `start` by epochs until all of them have ended.

    Parameters
    ----------
    problem : Problem
        Its members have equally many rows.
    start : State
        The initial state of all members, at step 0.
    rules : EpochRules
        When to stop.
    engine : Engine or str, default "auto"
        What advances the state, or its name.
    in_order : bool, default False
        Whether batches take the rows in the order of the data; otherwise each epoch has a new random order.
    validation : Validation, optional
        Rows to score after every epoch.
    after_epoch : callable, optional
        Called with the record of every epoch; True ends the training.
    resumes : bool, default False
        Whether the start is the result of an earlier training: if the score decides, the start's score counts too.

    Returns
    -------
    EpochRun
        After Ctrl-C, which ends the training with the next chunk, what was reached.

    Examples
    --------
    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.state import initial_state
    >>> problem = create_problem(Network([1, 1]), [[0.0], [1.0]], [1.0, 3.0], learning_rate=0.3)
    >>> run = train_epochs(problem, initial_state(problem), EpochRules(500))
    >>> run.reasons, bool(run.losses[-1] < 1e-3)
    (('stalled',), True)
    """
    updates = problem.steps_per_epoch(0)
    if in_order and updates > 1:
        problem = replace(problem, row_order=np.arange(problem.row_count(0)))
    loop = TrainingLoop(problem, engine_for(engine, problem, rules.max_epochs * updates, others_follow=True), start)
    monitor = EpochMonitor(loop, rules, validation, after_epoch, resumes)
    with one_blas_thread(), order_cache(), interrupts() as is_interrupted:
        loop.run(monitor, is_interrupted)
    return monitor.run_of(loop, is_interrupted())


def one_epoch(
    problem: Problem, state: State, order: Integers, engine: Engine | str = "auto"
) -> tuple[State, Floats, Integers]:
    """Train one epoch with the rows in `order`, [N] or [K, N].

    The state may be at any step. `order` holds indices of each member's rows.

    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.state import initial_state
    >>> problem = create_problem(Network([1, 1]), [[0.0], [1.0]], [1.0, 3.0], batch_size=1)
    >>> one_epoch(problem, initial_state(problem), np.array([1, 0]))[0].step
    2
    """
    # All updates so far count: for a single epoch no program would be worth loading.
    updates = state.step + problem.steps_per_epoch(0)
    loop = TrainingLoop(problem, engine_for(engine, problem, updates, others_follow=True), state)
    monitor = _EpochRecorder(problem, state, order)
    with one_blas_thread(), order_cache():
        loop.run(monitor, should_stop=lambda: loop.active.step >= updates)
    sizes = batch_sizes(problem, 0, 0, problem.steps_per_epoch(0))
    return loop.active, mean_losses(monitor.objectives, sizes)[0], monitor.bad


class _EpochRecorder:
    """The monitor of a single epoch, without stop rules."""

    def __init__(self, problem: Problem, start: State, order: Integers) -> None:
        self.problem, self.order, self.first_step = problem, order, start.step
        self.ordered = problem, start.step  # a problem with the rows in order, and the step up to which it holds
        self.objectives: list[Floats] = []
        self.bad = np.full(problem.members, -1)

    def next_chunk(self, loop: TrainingLoop, max_updates: int) -> tuple[Problem, int]:
        """Return the problem and the number of updates until the end of the epoch."""
        step = loop.active.step
        if step >= self.ordered[1]:
            self.ordered = self._problem_in_order(step)
        return self.ordered[0], min(max_updates, self.ordered[1] - step)

    def _problem_in_order(self, step: int) -> tuple[Problem, int]:
        """Return a problem with the remaining rows in order and the step at which it ends.

        A problem's own epochs begin at multiples of their updates. If this one begins elsewhere, its full batches are
        rotated, and a smaller last batch, which would be in the middle, is a problem of its own.
        """
        problem, size, updates = self.problem, self.problem.batch_rows(0), self.problem.steps_per_epoch(0)
        if self.first_step % updates == 0:
            return replace(problem, row_order=self.order), self.first_step + updates
        updates = self.order.shape[-1] // size
        part = self.order[..., updates * size :]
        if step < self.first_step + updates:
            part = np.roll(self.order[..., : updates * size], self.first_step % updates * size, axis=-1)
        rows = np.broadcast_to(part, (problem.members, part.shape[-1]))
        if problem.row_table is not None:
            rows = np.take_along_axis(problem.row_table, rows, axis=1)
        end = max(step + 1, self.first_step + updates)
        return replace(problem, rows=tuple(rows), row_order=np.arange(part.shape[-1])), end

    def end_members(self, loop: TrainingLoop, start: State, trace: Trace) -> None:
        """Record the chunk's objectives and bad steps; no member ends."""
        self.objectives.append(trace.objective)
        self.bad = np.where(self.bad < 0, trace.bad, self.bad)

    def record(self, loop: TrainingLoop) -> None:
        """Do nothing: a single epoch has no events."""
