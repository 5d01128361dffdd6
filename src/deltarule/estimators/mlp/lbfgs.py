"""Minimize the objective of each member by L-BFGS, as SciPy has it."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
from scipy.optimize import minimize

from deltarule.blas_threads import one_blas_thread
from deltarule.engines.reference import objective_and_gradient
from deltarule.problem.batches import all_rows
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State


def minimize_members(
    problem: Problem, state: State, max_iterations: int, max_evaluations: int, tolerance: float, verbose: bool = False
) -> tuple[State, list[Any]]:
    """Minimize the objective of each member on all rows; with SciPy's result for each.

    Source: Liu & Nocedal 1989
    """
    options = {"maxiter": max_iterations, "maxfun": max_evaluations, "gtol": tolerance, "ftol": 2.2e-9}
    results = []
    for index in np.arange(problem.members)[:, None]:
        start = state.take(index)
        rows = all_rows(problem, index)

        def value_and_gradient(theta: Floats, start: State = start, rows: Any = rows) -> tuple[float, Floats]:
            with np.errstate(all="ignore"):
                result = objective_and_gradient(problem, _with_theta(start, theta), rows)
            return float(result.objective[0]), result.gradient[0].astype(np.float64)

        with one_blas_thread():  # SciPy's own sums, too
            theta = start.theta[0].astype(np.float64)
            tell = _iteration_printer() if verbose else None
            result = minimize(value_and_gradient, theta, jac=True, method="L-BFGS-B", options=options, callback=tell)
        state = state.put(index, _with_theta(start, result.x))
        results.append(result)
    return state, results


def _iteration_printer() -> Callable[[Any], None]:
    numbers = count(1)

    def tell(intermediate_result: Any) -> None:  # SciPy goes by the parameter's name
        print(f"Iteration {next(numbers)}, loss = {intermediate_result.fun:.8f}")

    return tell


def _with_theta(state: State, theta: Floats) -> State:
    return replace(state, theta=theta[None].astype(state.theta.dtype))
