"""A check of a student's code: one call, the request for the worker, and the arrays in its answer by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.problem.network import Network


@dataclass(frozen=True, eq=False)
class Check:
    """One call of a student's code with the teacher's values, and its expected results.

    values      the teacher's values that the call uses, by name
    functions   the names that a submission has to define for it
    expected    what the solution gives, by the name of the array
    points      by the name of the array
    network     what the differentiated loss is a function of, with the data x and y
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


def request_of(check: Check, counted: Sequence[str] = ()) -> dict[str, Any]:
    """The request for a worker; `counted` names functions whose calls are counted."""
    return {
        "call": check.call,
        "setup": check.setup,
        "returns": check.returns,
        "values": dict(check.values),
        "functions": list(check.functions),
        "counted": list(counted),
    }


def named_arrays(result: Any, labels: list[str]) -> dict[str, Any]:
    """The returned arrays by name: a dictionary as it is, a tuple or list in order."""
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
    """A list as an array; a ragged list stays a list."""
    try:
        return np.asarray(value)
    except ValueError:
        return value
