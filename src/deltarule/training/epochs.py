"""Training by epochs, as estimators are trained: from any state, with every decision at the end of an epoch.

K members, all with equally many rows
"""

from collections.abc import Callable

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import Engine
from deltarule.engines.selection import engine_for
from deltarule.problem.batches import order_cache
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.training.epoch_monitor import EpochMonitor, rows_in_order
from deltarule.training.epoch_records import Epoch, EpochRules, EpochRun, Validation
from deltarule.training.interrupts import interrupts
from deltarule.training.loop import TrainingLoop


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
    """Train all members of a state until the rules stop each of them.

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
        Whether batches take the rows in the order of the data; otherwise each epoch has an order of its own.
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
    loop = TrainingLoop(problem, engine_for(engine, problem, rules.max_epochs * updates, one_of_many=True), start)
    rows = rows_in_order(problem, np.arange(problem.row_count(0))) if in_order and updates > 1 else None
    monitor = EpochMonitor(loop, rules, rows, validation, after_epoch, resumes)
    with one_blas_thread(), order_cache(), interrupts() as is_interrupted:
        loop.run(monitor, is_interrupted)
    return monitor.run_of(loop, is_interrupted())


def one_epoch(
    problem: Problem, state: State, order: Integers, engine: Engine | str = "auto"
) -> tuple[State, Floats, Integers]:
    """Train for one epoch that takes the rows in a given order, [rows] or [K, rows], from a state at any step.

    Returns the state after it, the mean loss of its batches [K], and each member's first bad step [K] or −1.

    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.state import initial_state
    >>> problem = create_problem(Network([1, 1]), [[0.0], [1.0]], [1.0, 3.0], batch_size=1)
    >>> one_epoch(problem, initial_state(problem), np.array([1, 0]))[0].step
    2
    """
    # All updates so far count: for a single epoch no program would be worth loading.
    updates = state.step + problem.steps_per_epoch(0)
    loop = TrainingLoop(problem, engine_for(engine, problem, updates, one_of_many=True), state)
    monitor = EpochMonitor(loop, EpochRules(1), rows_in_order(problem, order))
    with one_blas_thread(), order_cache():
        loop.run(monitor, is_interrupted=lambda: False)
    return loop.state(), monitor.losses[0], monitor.bad
