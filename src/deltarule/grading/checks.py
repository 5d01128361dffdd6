"""A check of an assignment: its table, its request, and the arrays that are returned for it."""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from deltarule.errors import BadInput
from deltarule.grading import worker
from deltarule.grading.record import GradedArray
from deltarule.problem.problem import Floats

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Points = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class AssignmentTable(BaseModel):
    """A table of an assignment that allows no unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NetworkTable(AssignmentTable):
    """The network whose loss is differentiated: with it, mistakes within it are named."""

    sizes: list[int] = Field(description="the numbers of inputs, hidden units and outputs, as [2, 3, 1]")
    hidden: str = Field("sigmoid", description="the activation of the hidden layers")
    output: str = Field("identity", description="the activation of the output layer")


class CheckSection(AssignmentTable):
    """A `[[checks]]` table of an assignment."""

    part: Literal["forward", "loss", "backward", "update"] = Field(description="forward, loss, backward or update")
    call: str = Field(description="a call of a student's function, as 'forward(x, W)'")
    returns: list[str] | dict[str, str] = Field(min_length=1, description="names of arrays, or expressions by name")
    points: Points | list[Points] = Field(1.0, description="points for each array, a number or one for each, from 0 up")
    name: str = Field("", description="what students read, if not the call")
    setup: str = Field("", description="Python that runs before the call, as 'layer = Linear(W, b)'")
    gradient_of: str = Field("", description="the expression that is differentiated, as 'loss(W, b)'")
    by: list[str] = Field([], description="the parameters of gradient_of, one for each array that is returned")
    upstream: str = Field("", description="the name of the upstream gradient, where gradient_of is an array")
    follow_on: bool = Field(False, description="true gives points for what is right after the student's own arrays")
    network: NetworkTable | None = Field(None, description="a table of sizes, hidden and output, for data x and y")
    tolerance: Positive | None = Field(None, description="a share of an array's largest entry, above 0")
    bonus: bool = Field(False, description="true for points beyond those of the assignment")


class ManualSection(AssignmentTable):
    """A `[[manual]]` table: what the teacher marks, such as a plot or a written answer."""

    name: str = Field(min_length=1, description="what students read, as 'The plot'")
    points: Points | None = Field(None, description="the largest number of points, from 0 up")
    prompt: str = Field("", description="the question")
    rubric: dict[str, Points] = Field({}, description="points by criterion, as { axes = 1, caption = 2 }")
    bonus: bool = Field(False, description="true for points beyond those of the assignment")

    @property
    def columns(self) -> dict[str, float]:
        """What is marked of it, with the points of each."""
        return self.rubric or {"points": self.points or 0.0}


class SolvedCheck(CheckSection):
    """A check with what the solution gives for it.

    values      the teacher's values that the call uses, by name
    functions   the names that a submission has to define for it
    expected    the solution's results, by the name of the array
    max_points  by the name of the array
    like        the `Network` whose loss is differentiated, on the data x and y; or None
    """

    tolerance: float
    values: dict[str, Any]
    functions: list[str]
    expected: dict[str, Any]
    max_points: dict[str, float]
    like: Any

    def request(self) -> dict[str, Any]:
        request = self.model_dump(include={"call", "setup", "returns"})
        max_bytes = max(10 * sum(array.nbytes for array in self.expected.values()), 10_000)
        return request | {"values": self.values, "max_bytes": max_bytes}


def solution_arrays(check: SolvedCheck, names: Mapping[str, Any], context: Any = None) -> dict[str, Any]:
    """What the functions of a solution return for a check."""
    # Packing and unpacking makes a copy: an update in place must not change the teacher's own arrays.
    request = worker.unpack(worker.pack(check.request())) | {"max_bytes": 2**40}
    answer = worker.answer(dict(names), request, context)
    if answer["errors"]:
        raise BadInput(f"the solution fails in {check.call}: {': '.join(answer['errors'][0][2:])}; correct it")
    return named_arrays(answer["result"], list(check.returns))


def named_arrays(result: Any, labels: list[str]) -> dict[str, Any]:
    if isinstance(result, dict):
        return result
    if len(labels) == 1:
        return {labels[0]: result}
    result = _split(result, len(labels))
    return dict(zip(labels, result, strict=False)) if isinstance(result, list) else {}


def _split(result: Any, count: int) -> Any:
    """The parts of an array if there are so many: numbers, or arrays of one shape, have become one array."""
    if isinstance(result, np.ndarray) and result.shape[:1] == (count,):
        return [np.asarray(part) for part in result]
    return result


def fit_arrays(result: Any, names: Sequence[str], expected: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The returned arrays by label, and whether they were other than the assignment's.

    Where a function returns more or fewer arrays than it should, or other keys, the name of a key or of a returned
    variable decides, then the order if all shapes fit it, then the shape. `names` are what its return statement says.
    """
    labels = list(expected)
    if len(names) > 1:
        result = _split(result, len(names))
    is_one = isinstance(result, np.ndarray) and len(labels) > 1 and any(has_shape(result, expected[x]) for x in labels)
    arrays = {} if is_one else named_arrays(result, labels)
    is_complete = set(labels) <= set(arrays)
    is_as_long = not isinstance(result, list) or (
        len(result) == len(labels)
        and not any(isinstance(array, list | dict) for array in result)
        and any(has_shape(arrays[label], expected[label]) for label in labels)
    )
    if is_complete and is_as_long:
        other = _reordered(arrays, names, expected) if isinstance(result, list) else {}
        return other or arrays, bool(other)
    candidates = list(_flat(result, names))
    fitting: dict[str, Any] = {}
    take = functools.partial(_take, candidates, fitting)
    take(labels, lambda label, name, _: name == label)
    take(labels, lambda label, name, _: _bare_name(name) == _bare_name(label))
    if not fitting and is_complete and all(has_shape(arrays[label], expected[label]) for label in labels):
        return arrays, True
    take(reversed(labels), lambda label, _, array: has_shape(array, expected[label]))
    return (arrays if isinstance(result, dict) or not fitting else {}) | fitting, bool(fitting)


def _reordered(arrays: Mapping[str, Any], names: Sequence[str], expected: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays by other labels, where all of them are returned in another order: by their names or shapes; or {}."""
    labels = list(expected)
    bare_names, bare_labels = ([_bare_name(name) for name in texts] for texts in (names, labels))
    if len(set(bare_labels)) == len(labels) and sorted(bare_names) == sorted(bare_labels):
        order = [bare_names.index(name) for name in bare_labels]
        returned = list(arrays.values())
        fitting = {label: returned[i] for label, i in zip(labels, order, strict=True)}
        if order != sorted(order) and all(has_shape(fitting[label], expected[label]) for label in labels):
            return fitting
    fitting = {}
    if not all(has_shape(arrays[label], expected[label]) for label in labels):
        candidates = [("", array) for array in arrays.values()]
        _take(candidates, fitting, reversed(labels), lambda label, _, array: has_shape(array, expected[label]))
    return fitting if len(fitting) == len(labels) else {}


def _take(
    candidates: list[tuple[str, Any]],
    fitting: dict[str, Any],
    labels: Iterable[str],
    is_right: Callable[[str, str, Any], bool],
) -> None:
    """Move candidates to the labels without one: of several the last, as an activation follows its z."""
    for label in labels:
        right = [i for i, candidate in enumerate(candidates) if label not in fitting and is_right(label, *candidate)]
        if right:
            fitting[label] = candidates.pop(right[-1])[1]


def _flat(result: Any, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """The arrays in dictionaries and lists, each with its name or ""."""
    if isinstance(result, np.ndarray):
        yield (names[0] if len(names) == 1 else ""), result
    elif isinstance(result, dict):
        for name, part in result.items():
            yield from _flat(part, [name])
    elif isinstance(result, list):
        for part, name in zip_longest(result, names if len(names) == len(result) else []):
            yield from _flat(part, [name or ""])


def has_shape(array: Any, expected: Any) -> bool:
    """Whether numbers have a shape but for lengths of 1."""
    is_numeric = isinstance(array, np.ndarray) and array.dtype.kind in "fiub"
    return is_numeric and long_lengths(array) == long_lengths(expected)


def long_lengths(array: Any) -> list[int]:
    """A shape but for lengths of 1."""
    return [length for length in np.shape(array) if length != 1]


def _bare_name(name: str) -> str:
    """A name without what says that it is a gradient.

    >>> {_bare_name(name) for name in ("dW1", "grad_W1", "dL/dW1", "dJ_dW1", "self.W1", "W1_grad", "w1")}
    {'w1'}
    """
    name = name.lower().rpartition(".")[2]
    name = re.sub(r"^(?:d[a-z]?_?/?_?d_?|grads?_?|d_?)(?=.)", "", name)
    return re.sub(r"_?grads?$|[^a-z0-9]", "", name)


def compare_array(check: SolvedCheck, name: str, returned: Any) -> GradedArray:
    expected = np.asarray(check.expected[name], float)
    points = check.max_points[name]
    lost = functools.partial(GradedArray, name, error=None, points=0.0, max_points=points)
    if returned is None:
        return lost(verdict="missing", message=f"{name} is not returned")
    if not isinstance(returned, np.ndarray) or returned.dtype.kind not in "fiub":
        return lost(verdict="missing", message=f"{name} is not an array of numbers of the shape {expected.shape}")
    if long_lengths(returned) != long_lengths(expected):
        known = {1, *(n for array in (*check.values.values(), *check.expected.values()) for n in np.shape(array))}
        is_shown = known >= set(returned.shape) and returned.ndim <= expected.ndim + 1  # others could carry values
        shape = f"the shape {returned.shape}" if is_shown else "another shape"
        return lost(verdict="wrong", message=f"{name} has {shape}, and should have {expected.shape}")
    values: Floats = returned.astype(float).reshape(expected.shape)
    if not np.isfinite(values).all():
        return lost(verdict="wrong", message=f"{name} holds NaN or infinity")
    error = float(np.abs(values - expected).max(initial=0)) / (float(np.abs(expected).max(initial=0)) or 1.0)
    verdict, earned = ("right", points) if error <= check.tolerance else ("wrong", 0.0)
    return GradedArray(name, verdict, error, earned, points, f"{name} is {verdict}")
