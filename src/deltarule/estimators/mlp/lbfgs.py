"""Minimize the objective of networks with SciPy's L-BFGS (Liu & Nocedal 1989).

K members
"""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import minimize

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.reference import objective_and_gradient
from deltarule.problem.batches import all_rows
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State


def minimize_members(
    problem: Problem, state: State, max_iterations: int, max_evaluations: int, tolerance: float
) -> tuple[State, list[Any]]:
    """Minimize the objective of each member on all rows.

    Parameters
    ----------
    problem : Problem
        Its batch size and optimizer are ignored.
    state : State
        The state of all members to start from.
    max_iterations, max_evaluations : int
        The largest numbers of iterations, and of evaluations of the objective.
    tolerance : float
        The minimization of a member ends when no entry of its gradient is larger.

    Returns
    -------
    state, results
        For each member SciPy's result, with `fun`, `nit`, `status` and `message`.

    Examples
    --------
    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.state import initial_state
    >>> problem = create_problem(Network([1, 1]), [[0.0], [1.0]], [1.0, 3.0])
    >>> minimize_members(problem, initial_state(problem), 100, 1000, 1e-5)[0].theta.round(3)
    array([[2., 1.]])
    """
    options = {"maxiter": max_iterations, "maxfun": max_evaluations, "gtol": tolerance, "ftol": 2.2e-9}
    results = []
    for index in np.arange(problem.members)[:, None]:
        start, rows = state.take(index), all_rows(problem, index)

        def value_and_gradient(theta: Floats, start: State = start, rows: Any = rows) -> tuple[float, Floats]:
            with np.errstate(all="ignore"):
                result = objective_and_gradient(problem, _with_theta(start, theta), rows)
            return float(result.objective[0]), result.gradient[0].astype(np.float64)

        with one_blas_thread():  # SciPy's own sums, too
            theta = start.theta[0].astype(np.float64)
            result = minimize(value_and_gradient, theta, jac=True, method="L-BFGS-B", options=options)
        state = state.put(index, _with_theta(start, result.x))
        results.append(result)
    return state, results


def _with_theta(state: State, theta: Floats) -> State:
    return replace(state, theta=theta[None].astype(state.theta.dtype))
