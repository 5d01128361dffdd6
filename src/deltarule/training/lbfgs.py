"""Training with SciPy's L-BFGS, for full batches, one member after another.

It is no engine: it searches along lines, so that it cannot be advanced by a number of updates.
Source: Liu & Nocedal 1989, Byrd et al. 1995
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

MAX_LISTED_MEMBERS = 3
"""A note lists at most this many members one by one."""


def train_lbfgs(
    problem: Problem,
    rules: StopRules,
    evaluations: EvaluationSchedule,
    validation: tuple[Floats, Floats] | None,
    progress: Callable[[Progress], None] | None,
    notes: tuple[str, ...],
) -> Run:
    """Minimize every member's objective with L-BFGS, and return the run; a step is an iteration.

    A member whose objective or gradient is not finite has diverged. If a line search finds no lower point although the
    gradient is above its tolerance, a note says so. `notes` are added to the run's notes.

    Raises `BadInput` for mini-batches, dropout, batch norm, and stop rules that do not apply to L-BFGS.
    """
    _check_problem(problem, rules)
    engine, start, started = ReferenceEngine(), initial_state(problem), time.perf_counter()
    limits = rules.limits(problem)
    reporter, results = _ProgressReporter(progress, limits), []
    for member in range(problem.members):
        member_start, limit = start.take(np.array([member])), int(limits[member])
        result = _minimize(problem, engine, member_start, limit, evaluations, validation, reporter.report_iteration)
        results.append(result)
        reporter.report_member(limit, result)
    steps = np.array([result.state.step for result in results], np.int64)
    state = replace(start.take(start.members), step=int(steps.max()))
    for result in results:
        state.overwrite(result.state.members, result.state)
    return Run(
        problem=problem,
        engine=engine,
        state=state,
        steps=steps,
        reasons=tuple(result.reason for result in results),
        objective=evaluate(problem, engine, state, EvaluationSchedule(1), None)["objective"],
        history=_merge_histories([result.history for result in results], problem.members),
        diverged=tuple(
            Divergence(member, result.state.step, *first_nonfinite(problem, result.state))
            for member, result in enumerate(results)
            if result.reason == "diverged"
        ),
        seconds=time.perf_counter() - started,
        notes=problem.notes + notes + _line_search_notes(results),
    )


@dataclass(frozen=True, eq=False)
class _MemberResult:
    """A member's final state, why it ended, its largest slope if the line search failed (else 0), and its history.

    history   the values of each history point, {step: {name: [1, ..]}}
    """

    state: State
    reason: str
    slope: float
    history: dict[int, dict[str, Floats]]

    @property
    def objective(self) -> float:
        """The final objective."""
        return float(self.history[self.state.step]["objective"][0])


class _ProgressReporter:
    """Calls `progress` after each member, and within a member's training if 0.2 seconds have passed since.

    `limits` [K] are the iterations that each member may have.
    """

    def __init__(self, progress: Callable[[Progress], None] | None, limits: Integers) -> None:
        self.progress, self.limit, self.remaining = progress, int(limits.sum()), len(limits)
        self.before = self.stopped = self.diverged = 0
        self.started = self.reported = time.perf_counter()

    def report_iteration(self, iteration: int, objective: float) -> None:
        """Report an iteration of the current member, unless the last report was less than 0.2 seconds ago."""
        if time.perf_counter() - self.reported >= 0.2:
            self._report(self.before + iteration, objective)

    def report_member(self, limit: int, result: _MemberResult) -> None:
        """Report that a member with this limit of iterations has ended."""
        self.before, self.remaining = self.before + limit, self.remaining - 1
        self.diverged += result.reason == "diverged"
        self.stopped += result.reason != "diverged"
        self._report(self.before, result.objective)

    def _report(self, step: int, objective: float) -> None:
        """Call `progress`, if there is one, with the iterations of all members so far and the last objective."""
        self.reported = time.perf_counter()
        if self.progress is not None:
            objective, seconds = objective if np.isfinite(objective) else float("nan"), self.reported - self.started
            counts = (step, self.limit, self.remaining, self.stopped, self.diverged)
            self.progress(Progress(*counts, seconds, objective=objective))


def _line_search_notes(results: list[_MemberResult]) -> tuple[str, ...]:
    """Return a note that lists the members whose line search failed, in a tuple; () if there are none."""
    failed = [
        f"member {member} after {result.state.step:,} iterations (largest slope {result.slope:.3g})"
        for member, result in enumerate(results)
        if result.slope and result.reason != "diverged"
    ]
    if not failed:
        return ()
    more = [f"{len(failed) - MAX_LISTED_MEMBERS:,} more"] if len(failed) > MAX_LISTED_MEMBERS else []
    members = ", ".join([*failed[:MAX_LISTED_MEMBERS], *more])
    return (
        "the line search of L-BFGS found no lower point where the gradient is still above its tolerance: "
        f"{members}; where that is no minimum, scale inputs or targets",
    )


def check_objective(problem: Problem) -> None:
    """Raise `BadInput` if the objective changes from step to step: with mini-batches, dropout or batch norm."""
    if any(problem.steps_per_epoch(member) > 1 for member in range(problem.members)):
        raise BadInput("L-BFGS needs the whole objective in each step; leave batch_size out")
    if problem.drops or problem.network.buffers:
        raise BadInput("L-BFGS needs an objective that stays the same; leave dropout and batch norm out")


def _check_problem(problem: Problem, rules: StopRules) -> None:
    """Raise `BadInput` as `check_objective` does, and for a threshold, tolerance or patience among the stop rules."""
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
    after_iteration: Callable[[int, float], None],
) -> _MemberResult:
    """Minimize the objective of the single member of `start` in at most `limit` iterations, and evaluate its history.

    after_iteration : called with the number of each iteration and the last evaluated objective
    """
    history = {0: evaluate(problem, engine, start, evaluations, validation)}
    iteration = 0

    def record_iteration(state: State) -> None:
        """Count an iteration, evaluate the state if a history point is due, and call `after_iteration`."""
        nonlocal iteration
        iteration += 1
        if iteration % evaluations.every == 0:
            history[iteration] = evaluate(problem, engine, replace(state, step=iteration), evaluations, validation)
        after_iteration(iteration, float(history[max(history)]["objective"][0]))

    final, reason, failed, slope = start, "max_steps", False, _largest_slope(problem, start)
    if limit and np.isfinite(slope):
        final, result = minimize_from(problem, start, limit, 15 * limit + 100, record_iteration)
        final, slope = replace(final, step=iteration), _largest_slope(problem, final)
        reason = "max_steps" if result.status == 1 or iteration >= limit else "converged"
        failed = result.status == 2 and slope > problem.numbers["gradient_tolerance"][start.members[0]]
    if limit and not np.isfinite(slope):
        reason = "diverged"
    history.setdefault(iteration, evaluate(problem, engine, final, evaluations, validation))
    return _MemberResult(final, reason, slope if failed else 0.0, history)


def _largest_slope(problem: Problem, state: State) -> float:
    """Return the largest absolute entry of a member's gradient; NaN if θ, objective or gradient is not finite."""
    with one_blas_thread(), np.errstate(all="ignore"):
        result = objective_and_gradient(problem, state, all_rows(problem, state.members))
    is_sound = all(np.isfinite(array).all() for array in (state.theta, result.objective, result.gradient))
    return float(np.abs(result.gradient).max()) if is_sound else float("nan")


def minimize_from(
    problem: Problem,
    start: State,
    max_iterations: int,
    max_evaluations: int,
    after_iteration: Callable[[State], None] | None = None,
) -> tuple[State, Any]:
    """Minimize a single member's objective from the state `start`; return the final state and SciPy's result.

    Parameters: `problem` with the optimizer "lbfgs"; `start`, the state of one member; the largest numbers of
    iterations and of evaluations of the objective; `after_iteration`, called with the state after each iteration.
    SciPy's result has `fun`, `nit`, `status` and `message`.

    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> problem = create_problem(Network([1, 1]), [[0.0], [1.0]], [1.0, 3.0], optimizer="lbfgs")
    >>> minimize_from(problem, initial_state(problem), 100, 1000)[0].theta.round(3)
    array([[2., 1.]])
    """
    from scipy.optimize import minimize  # imported on use: `import deltarule` stays light

    rows, member = all_rows(problem, start.members), int(start.members[0])

    def state_at(theta: Floats) -> State:
        """Return `start` with the parameters theta [P], in the problem's dtype."""
        return replace(start, theta=theta[None].astype(problem.dtype))

    def value_and_gradient(theta: Floats) -> tuple[float, Floats]:
        """Return the objective and its gradient [P], in float64, at theta [P]."""
        with np.errstate(all="ignore"):
            result = objective_and_gradient(problem, state_at(theta), rows)
        return float(result.objective[0]), result.gradient[0].astype(np.float64)

    numbers = {name: float(number[member]) for name, number in problem.numbers.items()}
    options: dict[str, Any] = {
        "maxiter": max_iterations,
        "maxfun": max_evaluations,
        "maxcor": int(numbers["memory"]),
        "gtol": numbers["gradient_tolerance"],
        "ftol": numbers["objective_tolerance"],
    }
    theta = start.theta[0].astype(np.float64)
    callback = None if after_iteration is None else lambda theta: after_iteration(state_at(theta))
    with one_blas_thread():  # SciPy's own sums, too
        result = minimize(value_and_gradient, theta, jac=True, method="L-BFGS-B", callback=callback, options=options)
    return state_at(result.x), result


def _merge_histories(histories: list[dict[int, dict[str, Floats]]], members: int) -> History:
    """Merge the members' histories {step: {name: [1, ..]}} into one of K; NaN where a member has no point at a step."""
    history = History()
    for step in sorted(set().union(*histories)):
        recorded = [member for member, points in enumerate(histories) if step in points]
        names = histories[recorded[0]][step]
        values = {name: np.concatenate([histories[member][step][name] for member in recorded]) for name in names}
        history.add(step, np.array(recorded), values, members)
    return history
