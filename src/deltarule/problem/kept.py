"""What is computed once for a problem, and goes with it."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from deltarule.problem.problem import Problem

Value = TypeVar("Value")


def once_for_problem(function: Callable[[Problem], Value]) -> Callable[[Problem], Value]:
    """Decorate a function of a problem: its value is computed once, and kept with the problem."""

    @wraps(function)
    def kept(problem: Problem) -> Value:
        if function not in problem._kept:
            problem._kept[function] = function(problem)
        value: Value = problem._kept[function]
        return value

    return kept
