"""Minimize the objective of a network with SciPy's L-BFGS.

Source: Liu & Nocedal 1989, Byrd et al. 1995
"""

from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.reference import objective_and_gradient
from deltarule.problem.batches import all_rows
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State


def minimize_from(
    problem: Problem, start: State, max_iterations: int, max_evaluations: int, tolerance: float
) -> tuple[State, Any]:
    """Minimize the objective of one member from the state `start`.

    Parameters
    ----------
    problem : Problem
        Its batch size and optimizer are ignored.
    start : State
        The state of one member.
    max_iterations, max_evaluations : int
        The largest numbers of iterations, and of evaluations of the objective.
    tolerance : float
        The minimization ends when no entry of the gradient is larger.

    Returns
    -------
    tuple
        SciPy's result has `fun`, `nit`, `status` and `message`.

    Examples
    --------
    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.state import initial_state
    >>> problem = create_problem(Network([1, 1]), [[0.0], [1.0]], [1.0, 3.0])
    >>> minimize_from(problem, initial_state(problem), 100, 1000, 1e-5)[0].theta.round(3)
    array([[2., 1.]])
    """
    from scipy.optimize import minimize  # imported on use: `import deltarule` stays light

    rows = all_rows(problem, start.members)

    def state_at(theta: Floats) -> State:
        return replace(start, theta=theta[None].astype(problem.dtype))

    def value_and_gradient(theta: Floats) -> tuple[float, Floats]:
        with np.errstate(all="ignore"):
            result = objective_and_gradient(problem, state_at(theta), rows)
        return float(result.objective[0]), result.gradient[0].astype(np.float64)

    options = {"maxiter": max_iterations, "maxfun": max_evaluations, "gtol": tolerance, "ftol": 2.2e-9}
    theta = start.theta[0].astype(np.float64)
    with one_blas_thread():  # SciPy's own sums, too
        result = minimize(value_and_gradient, theta, jac=True, method="L-BFGS-B", options=options)
    return state_at(result.x), result
