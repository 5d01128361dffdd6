"""Whether a submission takes derivatives by numbers rather than by formulas: differences, complex steps.

Its call is repeated with small errors in each operation (`disturbance.py`). By formulas a gradient changes by a few of
these errors; divided by a small step they come out hundreds to millions of times as large.
"""

import ast
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.grading.assignment import Assignment
from deltarule.grading.checks import SolvedCheck, solution_arrays
from deltarule.grading.disturbance import RELATIVE_ERROR, RELATIVE_ERROR_SINGLE, Disturbance
from deltarule.grading.follow_on import call_check
from deltarule.grading.process import Failed, RunningCode

MAGNIFIED = 50
"""How many times as much as the solution differences magnify an error; formulas gave up to 7, they from 400."""
MIN_SHARE = 1e-3
"""Of a check's largest entry: smaller ones may be zero but for rounding, as the gradient of a bias before a norm."""


def numeric_kinds(
    check: SolvedCheck, assignment: Assignment, running: RunningCode, outputs: Mapping[str, Any], seconds: float
) -> tuple[list[str], str]:
    """How a call takes derivatives, or [], and why this is not known, or "".

    `outputs` are what it returned, within so many `seconds`.
    """
    arrays = {label: outputs[label] for label in check.returns if _is_finite(outputs.get(label))}
    if not (arrays and check.gradient_of and "numeric" in vars(assignment)):  # public checks do not ask
        return [], ""
    limit = assignment.time_limit_seconds
    if not hasattr(signal, "setitimer") and seconds > limit / 20:  # nothing would stop it in time
        return [], "it takes too long"
    is_single = any(array.dtype == np.float32 for array in arrays.values())
    error = RELATIVE_ERROR_SINGLE if is_single else RELATIVE_ERROR
    try:
        disturbed = call_check(check, running, error=error, seconds=0.8 * limit)[0]
        met = set(running.numeric)
        factor = magnification(arrays, disturbed, error)
        kinds = met & {"operators of its own classes"}
        if "complex numbers" in met and "fft" not in met:
            kinds.add("complex numbers")
        if factor > MAGNIFIED and factor > MAGNIFIED * _factor_of_solution(check, assignment):
            again = call_check(check, running)[0]  # what is drawn at random is different each time
            if factor > 2 * magnification(arrays, again, error):
                kinds |= met & {"complex numbers", "numbers of another type"} or {"differences"}
    except Failed as problem:
        return [], str(problem)
    return sorted(kinds), ""


def magnification(arrays: Mapping[str, Any], disturbed: Mapping[str, Any], error: float) -> float:
    """By how much arrays differ, as a share of their largest entries, in multiples of an error."""
    sizes = {label: float(np.abs(array).max()) for label, array in arrays.items()}
    smallest = max(MIN_SHARE * max(sizes.values()), 1e-9)
    factors = [0.0]
    for label, array in arrays.items():
        other: Any = disturbed.get(label)
        is_alike = _is_finite(other) and np.shape(other) == np.shape(array)
        difference = float(np.abs(array - other).max()) if is_alike else np.inf
        factors.append(difference / max(sizes[label], smallest) / error)
    return max(factors)


def _is_finite(array: Any) -> bool:
    is_numbers = isinstance(array, np.ndarray) and array.size and array.dtype.kind in "fiu"
    return bool(is_numbers and np.isfinite(array).all())


def _factor_of_solution(check: SolvedCheck, assignment: Assignment) -> float:
    files = {assignment.names["__file__"], *map(str, assignment.shared.values())}
    disturbance = Disturbance(lambda name: [ast.parse(Path(name).read_bytes())] if name in files else [])
    return magnification(check.expected, solution_arrays(check, assignment.names, disturbance), RELATIVE_ERROR)
