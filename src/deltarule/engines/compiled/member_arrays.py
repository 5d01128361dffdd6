"""The arrays that printed programs are given, whose last axis is lanes."""

import ctypes
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.maths.random import drop_threshold, key_words
from deltarule.problem.batches import row_orders
from deltarule.problem.kept import once_for_problem
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


@once_for_problem
def shared_arrays(problem: Problem) -> dict[str, Floats]:
    """Return the arrays that all members have, by the names of a program's arguments: copied once, if at all."""
    weights, factors = problem.weights, problem.entry_factors
    arrays = {"penalized": problem.penalized}
    if weights is None:
        arrays["w"] = np.ones(len(problem.x))
    elif weights.ndim == 1:
        arrays["w"] = weights
    if factors is not None and factors.ndim == 1:
        arrays["entry_factors"] = factors
    given = {"x": problem.x, "y": problem.y}
    return {
        **{name: np.ascontiguousarray(array, problem.dtype) for name, array in given.items()},
        **{name: copied(array, problem.dtype) for name, array in arrays.items()},
    }


def member_arrays(problem: Problem, state: State, filled: Integers, arguments: tuple[str, ...]) -> dict[str, Any]:
    """Return those arrays of members that are among a program's arguments, [blocks, .., lanes] by name."""
    members = state.members[filled]
    dtype = problem.dtype
    weights, factors, longest = problem.weights, problem.entry_factors, problem.clip_norm
    arrays: dict[str, Callable[[], tuple[NDArray[Any], Any]]] = {
        "θ": lambda: (state.theta[filled], dtype),
        "buffers": lambda: (state.buffers[filled], dtype),
        "strength": lambda: (problem.strength[members], dtype),
        "factor": lambda: (state.factor[filled], float),
        "limits": lambda: (drop_threshold(problem.dropout[members]), np.int64),
        "keys": lambda: (np.stack(key_words(problem.dropout_seeds[members]), -1), np.int64),
    }
    named: dict[str, tuple[NDArray[Any], Any]] = {
        **{name: (numbers, float) for name, numbers in problem.numbers.items()},
        **{f"schedule_{name}": (each, float) for name, each in problem.schedule_numbers.items()},
        **{f"dropout{n}": (rates, dtype) for n, rates in enumerate(problem.dropout.T, 1)},
        **({"w": (weights, dtype)} if weights is not None and weights.ndim == 2 else {}),
        **({"entry_factors": (factors, dtype)} if factors is not None and factors.ndim == 2 else {}),
        **({"longest": (longest, dtype)} if longest is not None else {}),
    }
    given = {name: compute() for name, compute in arrays.items() if name in arguments}
    given |= {name: (state.slots[name][filled], dtype) for name in state.slots if name in arguments}
    given |= {name: (array[members], kind) for name, (array, kind) in named.items() if name in arguments}
    return {name: copied(array.transpose(0, *range(2, array.ndim), 1), kind) for name, (array, kind) in given.items()}


def copied(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Return a copy whose entries lie one after another, at an address that vectors are loaded from."""
    copy = aligned(array.shape, dtype)
    copy[...] = array
    return copy


def aligned(shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return zeros at an address that vectors are loaded from, with room for a vector behind them."""
    boundary = 128
    width = np.dtype(dtype).itemsize
    size = shape if isinstance(shape, int) else math.prod(shape)
    memory = np.zeros(size + 2 * boundary // width, dtype)
    start = -address_of(memory) % boundary // width
    return memory[start : start + size].reshape(shape)


def address_of(array: NDArray[Any]) -> int:
    """Return where an array without gaps begins; `array.ctypes.data` takes four times as long."""
    if array.size and array.flags.writeable:
        return ctypes.addressof(ctypes.c_char.from_buffer(array.data))
    return array.ctypes.data


_last = threading.local()
MAX_KEPT_MEMORIES = 3
"""Of an update, and of the two programs that may evaluate members after it."""


def working_memory(text: str, **sizes: int) -> Mapping[str, NDArray[np.uint8]]:
    """Return memory of so many bytes by name, in which the program `text` computes.

    A thread keeps that of its last programs: the system clears new memory page by page, which takes as long as an
    update of 784-100-10.
    """
    kept: dict[Any, Mapping[str, NDArray[np.uint8]]] = _last.__dict__.setdefault("kept", {})
    key = text, *sizes.items()
    memory = kept.pop(key, None) or {name: aligned(size, np.uint8) for name, size in sizes.items()}
    kept[key] = memory
    if len(kept) > MAX_KEPT_MEMORIES:
        del kept[next(iter(kept))]
    return memory
