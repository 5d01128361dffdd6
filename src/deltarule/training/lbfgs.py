"""L-BFGS through SciPy: a procedure beside the engines, for full batches. It searches along lines, so it cannot be
advanced by a number of updates; every member is minimized by itself.    Source: Liu & Nocedal 1989, Byrd et al. 1995
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import Engine
from deltarule.engines.reference import ReferenceEngine, first_nonfinite, objective_and_gradient
from deltarule.errors import BadInput
from deltarule.problem.batches import all_rows
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State, initial_state
from deltarule.training.history import EvaluationSchedule, History, evaluate
from deltarule.training.run import Divergence, Progress, Run
from deltarule.training.stopping import StopRules

MAX_LISTED = 3
"""Members at most of which a note tells one by one."""


def train_lbfgs(
    problem: Problem,
    rules: StopRules,
    evaluations: EvaluationSchedule,
    validation: tuple[Floats, Floats] | None,
    progress: Callable[[Progress], None] | None,
    notes: tuple[str, ...],
) -> Run:
    """Minimize every member's objective with L-BFGS; a step is an iteration.

    A member whose objective or gradient is not finite has diverged. Where a line search finds no lower point, though
    the gradient is above its tolerance, a note says so.

    Raises `BadInput` for mini-batches, dropout, batch norm and the stop rules that it has no place for.
    """
    _check_problem(problem, rules)
    engine, start, started = ReferenceEngine(), initial_state(problem), time.perf_counter()
    limits = rules.limits(problem)
    teller, ends = _Teller(progress, limits), []
    for member in range(problem.members):
        alone, limit = start.take(np.array([member])), int(limits[member])
        ends.append(end := _minimize(problem, engine, alone, limit, evaluations, validation, teller.after_each))
        teller.report_end(limit, end)
    steps = np.array([end.state.step for end in ends], np.int64)
    state = replace(start.take(start.members), step=int(steps.max()))
    for end in ends:
        state.overwrite(end.state.members, end.state)
    return Run(
        problem=problem,
        engine=engine,
        state=state,
        steps=steps,
        reasons=tuple(end.reason for end in ends),
        objective=evaluate(problem, engine, state, EvaluationSchedule(1), None)["objective"],
        history=_merge_histories([end.history for end in ends], problem.members),
        diverged=tuple(
            Divergence(member, end.state.step, *first_nonfinite(problem, end.state))
            for member, end in enumerate(ends)
            if end.reason == "diverged"
        ),
        seconds=time.perf_counter() - started,
        notes=problem.notes + notes + _note(ends),
    )


@dataclass(frozen=True, eq=False)
class _End:
    """Where a member ended and why; its largest slope where the line search failed, else 0; and its history."""

    state: State
    reason: str
    slope: float
    history: dict[int, dict[str, Floats]]

    @property
    def objective(self) -> float:
        return float(self.history[self.state.step]["objective"][0])


class _Teller:
    """Tells how far a training is: after each member, and within one as soon as nothing was told for a while."""

    def __init__(self, progress: Callable[[Progress], None] | None, limits: Integers) -> None:
        self.progress, self.limit, self.left = progress, int(limits.sum()), len(limits)
        self.before = self.stopped = self.diverged = 0
        self.started = self.told = time.perf_counter()

    def after_each(self, iteration: int, objective: float) -> None:
        if time.perf_counter() - self.told >= 0.2:
            self._tell(self.before + iteration, objective)

    def report_end(self, limit: int, end: _End) -> None:
        self.before, self.left = self.before + limit, self.left - 1
        self.diverged += end.reason == "diverged"
        self.stopped += end.reason != "diverged"
        self._tell(self.before, end.objective)

    def _tell(self, step: int, objective: float) -> None:
        self.told = time.perf_counter()
        if self.progress is not None:
            objective, seconds = objective if np.isfinite(objective) else float("nan"), self.told - self.started
            done = Progress(step, self.limit, self.left, self.stopped, self.diverged, seconds, objective=objective)
            self.progress(done)


def _note(ends: list[_End]) -> tuple[str, ...]:
    """What is told of members whose line search failed."""
    stuck = [
        f"member {member} after {end.state.step:,} iterations (largest slope {end.slope:.3g})"
        for member, end in enumerate(ends)
        if end.slope and end.reason != "diverged"
    ]
    if not stuck:
        return ()
    more = [f"{len(stuck) - MAX_LISTED:,} more"] if len(stuck) > MAX_LISTED else []
    members = ", ".join([*stuck[:MAX_LISTED], *more])
    return (
        "the line search of L-BFGS found no lower point where the gradient is still above its tolerance: "
        f"{members}; where that is no minimum, scale inputs or targets",
    )


def check_objective(problem: Problem) -> None:
    """Raise `BadInput` for what makes the objective another one from step to step: batches, dropout, batch norm."""
    if any(problem.steps_per_epoch(member) > 1 for member in range(problem.members)):
        raise BadInput("L-BFGS needs the whole objective in each step; leave batch_size out")
    if problem.drops or problem.network.buffers:
        raise BadInput("L-BFGS needs an objective that stays the same; leave dropout and batch norm out")


def _check_problem(problem: Problem, rules: StopRules) -> None:
    check_objective(problem)
    for name in ("threshold", "tolerance", "patience"):
        if getattr(rules, name) is not None:
            raise BadInput(f"L-BFGS stops by its own tolerances; leave {name} out")


def _minimize(
    problem: Problem,
    engine: Engine,
    start: State,
    limit: int,
    evaluations: EvaluationSchedule,
    validation: tuple[Floats, Floats] | None,
    after_each: Callable[[int, float], None],
) -> _End:
    history = {0: evaluate(problem, engine, start, evaluations, validation)}
    iteration = 0

    def record_iteration(state: State) -> None:
        nonlocal iteration
        iteration += 1
        if iteration % evaluations.every == 0:
            history[iteration] = evaluate(problem, engine, replace(state, step=iteration), evaluations, validation)
        after_each(iteration, float(history[max(history)]["objective"][0]))

    final, reason, failed, slope = start, "max_steps", False, _steepest(problem, start)
    if limit and np.isfinite(slope):
        final, about = minimize_from(problem, start, limit, 15 * limit + 100, record_iteration)
        final, slope = replace(final, step=iteration), _steepest(problem, final)
        reason = "max_steps" if about.status == 1 or iteration >= limit else "converged"
        failed = about.status == 2 and slope > problem.numbers["gradient_tolerance"][start.members[0]]
    if limit and not np.isfinite(slope):
        reason = "diverged"
    history.setdefault(iteration, evaluate(problem, engine, final, evaluations, validation))
    return _End(final, reason, slope if failed else 0.0, history)


def _steepest(problem: Problem, state: State) -> float:
    """The largest slope of a member's objective; NaN where a slope, the objective or a parameter is not finite."""
    with one_blas_thread(), np.errstate(all="ignore"):
        done = objective_and_gradient(problem, state, all_rows(problem, state.members))
    sound = all(np.isfinite(one).all() for one in (state.theta, done.objective, done.gradient))
    return float(np.abs(done.gradient).max()) if sound else float("nan")


def minimize_from(
    problem: Problem, start: State, iterations: int, max_evaluations: int, seen: Callable[[State], None] | None = None
) -> tuple[State, Any]:
    """Minimize the objective of a single member from a state on.

    Parameters: `problem` with the optimizer "lbfgs"; `start`, the state of one member; the most `iterations` and
    `evaluations` of the objective; `seen`, called with the state after each iteration.
    Returns: the state that was reached, and what SciPy says of it (`fun`, `nit`, `status`, `message`).

    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> problem = create_problem(Network([1, 1]), [[0.0], [1.0]], [1.0, 3.0], optimizer="lbfgs")
    >>> minimize_from(problem, initial_state(problem), 100, 1000)[0].theta.round(3)
    array([[2., 1.]])
    """
    from scipy.optimize import minimize  # imported on use: `import deltarule` stays light

    rows, member = all_rows(problem, start.members), int(start.members[0])

    def state_at(theta: Floats) -> State:
        return replace(start, theta=theta[None].astype(problem.dtype))

    def value(theta: Floats) -> tuple[float, Floats]:
        with np.errstate(all="ignore"):
            done = objective_and_gradient(problem, state_at(theta), rows)
        return float(done.objective[0]), done.gradient[0].astype(np.float64)

    numbers = {name: float(number[member]) for name, number in problem.numbers.items()}
    options: dict[str, Any] = {
        "maxiter": iterations,
        "maxfun": max_evaluations,
        "maxcor": int(numbers["memory"]),
        "gtol": numbers["gradient_tolerance"],
        "ftol": numbers["objective_tolerance"],
    }
    theta = start.theta[0].astype(np.float64)
    callback = None if seen is None else lambda theta: seen(state_at(theta))
    with one_blas_thread():  # SciPy's own sums, too
        found = minimize(value, theta, jac=True, method="L-BFGS-B", callback=callback, options=options)
    return state_at(found.x), found


def _merge_histories(histories: list[dict[int, dict[str, Floats]]], members: int) -> History:
    """One history of all members; a member stands only where it was points at."""
    history = History()
    for step in sorted(set().union(*histories)):
        there = [member for member, points in enumerate(histories) if step in points]
        names = histories[there[0]][step]
        seen = {name: np.concatenate([histories[member][step][name] for member in there]) for name in names}
        history.add(step, np.array(there), seen, members)
    return history
