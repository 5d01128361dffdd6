"""The arrays that printed programs are given, whose last axis is lanes."""

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from deltarule.maths.random import drop_threshold, key_words
from deltarule.problem.batches import row_orders
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State


def orders_of(problem: Problem, members: Integers, step: int, n: int, own_rows: bool) -> dict[str, Any]:
    """Return the indices of rows in the order of updates, and their positions; of each lane if members differ."""
    orders = row_orders(problem, members if own_rows else members[:1], step, n)
    arrays = {}
    for name, order in zip(("order", "positions"), orders, strict=True):
        if own_rows:
            by_lane = np.broadcast_to(order, (len(order), len(members), order.shape[-1]))
            arrays[name] = copied(by_lane.transpose(0, 2, 1), np.int64)
        else:
            arrays[name] = copied(order[:, 0], np.int64)
    return arrays


def member_arrays(problem: Problem, state: State, filled: Integers) -> dict[str, Any]:
    """Return a block's arrays by the names of the program's arguments; lanes are the last axis."""
    members, dtype = state.members[filled], problem.dtype

    def lanes(array: NDArray[Any], kind: Any = dtype) -> NDArray[Any]:
        return copied(np.moveaxis(array, 0, -1), kind)

    weights, factors = problem.weights, problem.entry_factors
    arrays = {
        "θ": lanes(state.theta[filled]),
        "buffers": lanes(state.buffers[filled]),
        **{name: lanes(slot[filled]) for name, slot in state.slots.items()},
        **data_arrays(problem),
        "strength": lanes(problem.strength[members]),
        "penalized": copied(problem.penalized, dtype),
        "factor": lanes(state.factor[filled], float),
        **{name: lanes(numbers[members], float) for name, numbers in problem.numbers.items()},
        **{f"schedule_{name}": lanes(each[members], float) for name, each in problem.schedule_numbers.items()},
        **{f"dropout{n}": lanes(rates[members]) for n, rates in enumerate(problem.dropout.T, 1)},
        "limits": lanes(drop_threshold(problem.dropout[members]), np.int64),
        "keys": lanes(np.stack(key_words(problem.dropout_seeds[members]), 1), np.int64),
    }
    if weights is None:
        arrays["w"] = np.ones(len(problem.x), dtype)
    else:
        arrays["w"] = copied(weights, dtype) if weights.ndim == 1 else lanes(weights[members])
    if factors is not None:
        arrays["entry_factors"] = copied(factors, dtype) if factors.ndim == 1 else lanes(factors[members])
    if problem.clip_norm is not None:
        arrays["longest"] = lanes(problem.clip_norm[members])
    return arrays


_data: "WeakKeyDictionary[Problem, dict[str, Floats]]" = WeakKeyDictionary()


def data_arrays(problem: Problem) -> dict[str, Floats]:
    """Return the rows of a problem, copied once."""
    if problem not in _data:
        _data[problem] = {"x": copied(problem.x, problem.dtype), "y": copied(problem.y, problem.dtype)}
    return _data[problem]


def copied(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Return a copy whose entries lie one after another, at an address that vectors are loaded from."""
    copy = aligned(array.size, dtype)
    copy.reshape(array.shape)[...] = array
    return copy


def aligned(size: int, dtype: Any) -> NDArray[Any]:
    boundary, width = 128, np.dtype(dtype).itemsize
    memory = np.zeros(size + 2 * boundary // width, dtype)  # behind the entries there is room for a vector
    start = -memory.ctypes.data % boundary // width
    return memory[start : start + size]
