"""A check, its request to the worker, and its result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.checking.mistakes.catalog import Mistake
from deltarule.problem.network import Network


@dataclass(frozen=True, eq=False)
class Check:
    """One call of a student's code and its expected results.

    part        "forward", "loss", "backward" or "update"
    setup       Python that runs before the call
    returns     the names of the returned arrays, or expressions for them by name
    values      the teacher's values that the call uses, by name
    functions   the names that a submission has to define for it
    expected    the solution's results, by the name of the array
    points      by the name of the array
    gradient_of the expression that is differentiated; "" if the call computes no gradient
    by          the parameters by which it is differentiated
    upstream    the name of the upstream gradient, or ""
    network     the network whose loss is differentiated, on the data x and y; or None
    """

    name: str
    part: str
    call: str
    setup: str
    returns: list[str] | dict[str, str]
    values: Mapping[str, Any]
    functions: tuple[str, ...]
    expected: Mapping[str, np.ndarray]
    points: Mapping[str, float]
    tolerance: float
    time_limit_seconds: float
    gradient_of: str
    by: tuple[str, ...]
    upstream: str
    network: Network | None


@dataclass(frozen=True)
class ArrayResult:
    """One array of a check, which is right, wrong or missing."""

    name: str
    verdict: str
    error: float | None
    points: float
    max_points: float
    message: str = ""


@dataclass(frozen=True)
class CheckResult:
    """The result of one call.

    message    one sentence: what is right and wrong, or why nothing could be compared
    mistakes   the mistakes that explain what is wrong
    notes      for the teacher alone
    """

    name: str
    part: str
    message: str
    arrays: tuple[ArrayResult, ...]
    mistakes: tuple[Mistake, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def points(self) -> float:
        """The points of the right arrays."""
        return sum(array.points for array in self.arrays)

    @property
    def max_points(self) -> float:
        """The points of all arrays."""
        return sum(array.max_points for array in self.arrays)


def request_of(check: Check) -> dict[str, Any]:
    """The request for a check's call by a worker."""
    return {
        "call": check.call,
        "setup": check.setup,
        "returns": check.returns,
        "values": dict(check.values),
        "functions": list(check.functions),
        "max_bytes": max(10 * sum(array.nbytes for array in check.expected.values()), 10_000),
    }


def named_arrays(result: Any, labels: list[str]) -> dict[str, Any]:
    """The arrays of a call's result by name."""
    if isinstance(result, dict) and "object" not in result:
        return {name: _array_of_list(value) if isinstance(value, list) else value for name, value in result.items()}
    if len(labels) == 1:
        single = result[0] if isinstance(result, tuple | list) and len(result) == 1 else result
        return {labels[0]: single}
    if isinstance(result, np.ndarray) and result.ndim and len(result) == len(labels):
        result = list(result)  # a tuple of numbers or of arrays of one shape has become one array
    if isinstance(result, tuple | list):
        return dict(zip(labels, result, strict=False))
    return {}


def _array_of_list(value: list[Any]) -> Any:
    try:
        return np.asarray(value)
    except ValueError:
        return value
