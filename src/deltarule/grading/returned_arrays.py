"""The arrays that a function returned, by the names that an assignment gives them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np


def named_arrays(result: Any, labels: list[str]) -> dict[str, Any]:
    if isinstance(result, dict) and "object" not in result:
        return result
    if len(labels) == 1:
        return {labels[0]: result}
    if isinstance(result, np.ndarray) and result.ndim and len(result) == len(labels):
        result = [np.asarray(part) for part in result]  # numbers, or arrays of one shape, have become one array
    return dict(zip(labels, result, strict=False)) if isinstance(result, list) else {}


def fit_arrays(result: Any, names: Sequence[str], expected: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The returned arrays by label, and whether they were other than the assignment's.

    Where a function returns more or fewer arrays than it should, or other keys, the name of a key or of a returned
    variable decides, then the order if all shapes fit it, then the shape. `names` are what its return statement says.
    """
    labels = list(expected)
    if isinstance(result, np.ndarray) and 1 < len(names) and np.shape(result)[:1] == (len(names),):
        result = [np.asarray(part) for part in result]
    is_one = isinstance(result, np.ndarray) and len(labels) > 1 and any(_fits(result, one) for one in expected.values())
    arrays = {} if is_one else named_arrays(result, labels)
    if set(labels) <= set(arrays) and not (isinstance(result, list) and len(result) != len(labels)):
        return arrays, False
    candidates, fitting = list(_flat(result, names)), {}

    def take(label: str, key: Callable[[str], str] | None) -> None:
        for i in reversed(range(len(candidates))):  # of several, the last, as an activation follows its z
            name, array = candidates[i]
            is_right = key(name) == key(label) if key else _fits(array, expected[label])
            if label not in fitting and is_right:
                fitting[label] = candidates.pop(i)[1]

    for key in (str, _bare_name):
        for label in labels:
            take(label, key)
    if not fitting and set(labels) <= set(arrays) and all(_fits(arrays[label], expected[label]) for label in labels):
        return arrays, True
    for label in reversed(labels):
        take(label, None)
    return (arrays if isinstance(result, dict) or not fitting else {}) | fitting, bool(fitting)


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


def _fits(array: Any, expected: Any) -> bool:
    return (
        isinstance(array, np.ndarray) and array.dtype.kind in "fiub" and long_lengths(array) == long_lengths(expected)
    )


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
