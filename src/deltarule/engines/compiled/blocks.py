"""Call programs on blocks of members, one in each lane."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.engines.base import Updates
from deltarule.engines.compiled.member_arrays import (
    address_of,
    aligned,
    member_arrays,
    orders_of,
    shared_arrays,
    working_memory,
)
from deltarule.engines.compiled.printed import Printed
from deltarule.problem.problem import Integers


def advance_members(
    run: Callable[..., Any], printed: Printed, updates: Updates, own_rows: bool, members: Integers
) -> None:
    """Advance members, by their indices, with `run_blocks` of a program, or a function like it."""
    if own_rows:
        for start in range(0, len(members), printed.lanes):
            _advance(run, printed, updates, True, members[start : start + printed.lanes])
    else:
        _advance(run, printed, updates, False, members)


def _advance(run: Callable[..., Any], printed: Printed, updates: Updates, own_rows: bool, members: Integers) -> None:
    problem, state, after, n = updates.problem, updates.state, updates.after, updates.n
    first = state.members[members[0]]
    rows, size, epoch_steps = problem.row_count(first), problem.batch_rows(first), problem.steps_per_epoch(first)
    filled = fill(members, printed.lanes)
    arrays = member_arrays(problem, state, filled, printed.arguments)
    arrays["objective"] = aligned((len(filled), n, printed.lanes), problem.dtype)
    arrays["bad"] = aligned((len(filled), printed.lanes), np.int64)
    arrays["bad"][:] = -1
    orders = orders_of(problem, state.members[filled[0]], state.step, n, own_rows)
    epoch_rows = rows if epoch_steps > 1 else 0
    numbers = n, state.step, rows, size, epoch_steps, epoch_rows
    run(printed, numbers, arrays, shared_arrays(problem) | orders | memory_of(printed, size))
    for name, vector in {"θ": after.theta, **after.slots, "buffers": after.buffers}.items():
        if name in arrays:
            vector[members] = by_member(arrays[name], len(members))
    updates.objective[:, members] = by_member(arrays["objective"], len(members)).T
    updates.bad[members] = arrays["bad"].ravel()[: len(members)]


def run_blocks(
    run: Callable[..., Any],
    printed: Printed,
    numbers: tuple[int, ...],
    arrays: dict[str, NDArray[Any]],
    shared: dict[str, NDArray[Any]],
) -> None:
    """Run a program on blocks of members: on their own `arrays` [blocks, ..], and on those that all of them share."""
    names = *printed.arguments, "scratch", "kept"
    strides = np.array([arrays[name].strides[0] if name in arrays else 0 for name in names], np.int64)
    addresses = np.array([address_of(arrays[name] if name in arrays else shared[name]) for name in names], np.int64)
    run(len(next(iter(arrays.values()))), *numbers, address_of(addresses), address_of(strides))


def fill(members: Integers, lanes: int) -> Integers:
    """Return members in blocks [blocks, lanes]; the last is repeated."""
    blocks = -(-len(members) // lanes)
    return members[np.minimum(np.arange(blocks * lanes), len(members) - 1)].reshape(blocks, lanes)


def by_member(array: NDArray[Any], count: int) -> NDArray[Any]:
    """Return the first members of an array [blocks, .., lanes], as [members, ..]."""
    last = array.ndim - 1
    return array.transpose(0, last, *range(1, last)).reshape(-1, *array.shape[1:-1])[:count]


def memory_of(printed: Printed, rows: int) -> dict[str, NDArray[Any]]:
    """Return the memory in which a program computes with batches of so many rows."""
    return dict(working_memory(printed.text, scratch=printed.scratch_bytes, kept=printed.bytes_a_row * rows))
