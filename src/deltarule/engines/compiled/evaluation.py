"""Evaluate members by a program: objective and metrics that are means over rows, or logits and outputs.

K members · B rows · C outputs · L lanes
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.engines.compiled.blocks import by_member, fill, memory_of
from deltarule.engines.compiled.member_arrays import aligned, member_arrays, shared_arrays
from deltarule.engines.compiled.printed import Printed
from deltarule.problem.batches import groups, rows_at, split_by_kind
from deltarule.problem.kept import once_for_problem
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.program.evaluation import METRICS

DERIVED: dict[str, tuple[str, Callable[[Floats], Floats]]] = {
    "error_rate": ("accuracy", lambda mean: 1 - mean),
    "half_mean_squared_error": ("mean_squared_error", lambda mean: mean / 2),
    **{name: (name, lambda mean: mean) for name in METRICS},
}
"""Metrics by name: the one that a program computes, and what follows from it."""

MAX_JOINED, MAX_JOINED_NUMBERS = 4, 2**14
"""Up to this many members with the same rows share a block with others, if their rows have few inputs: these are copied
for each lane."""
MAX_KEPT_BYTES = 2**24
"""Of the outputs of blocks that are computed in one call, if these are several."""


@dataclass(frozen=True, eq=False)
class RowSet:
    """Members that are evaluated together, and their rows.

    x, y        the data in which they lie, or None for the problem's
    order       where they are in the data, [B], or [K, B] if members differ
    """

    indices: Integers
    order: Integers
    given: tuple[Any, Any] | None = None

    @property
    def own_rows(self) -> bool:
        return self.order.ndim == 2

    def arrays(self, problem: Problem) -> dict[str, Any]:
        """Return the data by the names of a program's arguments."""
        arrays = shared_arrays(problem)
        if self.given is not None:
            x, y = (np.ascontiguousarray(array, problem.dtype) for array in self.given)
            return arrays | {"x": x, "y": y, "w": np.ones(len(x), problem.dtype), "after": _after_the_class(y)}
        return arrays | {"after": _after(problem)}


@once_for_problem
def _after(problem: Problem) -> Floats:
    return _after_the_class(shared_arrays(problem)["y"])


def _after_the_class(y: Floats) -> Floats:
    """Of each output, whether it stands behind the row's own class (1), before it (-1), or is it (0)."""
    return np.asarray(np.sign(np.arange(y.shape[-1]) - y.argmax(-1)[:, None]), y.dtype)


def row_sets(problem: Problem, state: State, rows: tuple[Any, Any] | None) -> Iterator[RowSet]:
    """Yield sets of members with equally many rows; `rows` are those that all share, None for their training rows."""
    if rows is not None:
        yield RowSet(np.arange(len(state.members)), np.arange(len(rows[0])), rows)
        return
    for group in groups(problem, state.members):
        positions = np.arange(problem.row_count(state.members[group[0]]))
        parts = split_by_kind(group, problem.row_kinds[state.members[group]])
        is_narrow = len(positions) * problem.network.inputs <= MAX_JOINED_NUMBERS
        small = [part for part in parts if len(part) <= MAX_JOINED and len(parts) > 1 and is_narrow]
        others = [part for part in parts if not any(part is each for each in small)]
        for part in [*others, *([np.concatenate(small)] if small else [])]:
            yield RowSet(part, rows_at(problem, state.members[part], positions))


def values_of(problem: Problem, means: dict[str, Floats], metrics: Iterable[str]) -> dict[str, Floats]:
    """Return the objective and those of the metrics that follow from a program's results."""
    values = {"objective": means["J"]}
    for name in metrics:
        if name in DERIVED:
            computed, follow = DERIVED[name]
            values[name] = follow(means[computed])
    return {name: value.astype(problem.dtype) for name, value in values.items()}


def evaluate_members(
    run: Callable[..., Any],
    printed: Printed,
    problem: Problem,
    state: State,
    rows: RowSet,
    results: Floats,
    members: Integers,
) -> None:
    """Write the results [results, K] of members, by their indices into those of `rows`."""
    shared = memory_of(printed, rows.order.shape[-1]) | rows.arrays(problem)
    for part in np.split(members, range(printed.lanes, len(members), printed.lanes)) if rows.own_rows else [members]:
        filled = fill(part, printed.lanes)
        arrays = member_arrays(problem, state, rows.indices[filled], printed.arguments)
        arrays["results"] = aligned((len(filled), len(results), printed.lanes), float)
        order = rows.order[filled[0]].T if rows.own_rows else rows.order
        shared["order"] = np.ascontiguousarray(order, np.int64)
        run(printed, (rows.order.shape[-1],), arrays, shared)
        results[:, rows.indices[part]] = by_member(arrays["results"], len(part)).T


def output_members(
    run: Callable[..., Any],
    printed: Printed,
    problem: Problem,
    state: State,
    x: Floats,
    results: dict[str, Floats],
    members: Integers,
) -> None:
    """Write the logits and outputs [K, B, C] of members, for inputs that all share."""
    size = len(x)
    units = problem.network.outputs
    lanes = printed.lanes
    block_bytes = printed.bytes_a_row * size
    together = min(max(1, MAX_KEPT_BYTES // block_bytes), -(-len(members) // lanes))
    shared = memory_of(printed, size * together) | {"x": x, "order": np.arange(size), "results": np.empty(0)}
    kept = shared.pop("kept").reshape(together, block_bytes)
    for part in np.split(members, range(together * lanes, len(members), together * lanes)):
        filled = fill(part, lanes)
        arrays = member_arrays(problem, state, filled, printed.arguments) | {"kept": kept[: len(filled)]}
        run(printed, (size,), arrays, shared)
        for name, offset in printed.kept.items():
            stop = offset * size + size * units * lanes * problem.dtype.itemsize
            of_name = arrays["kept"][:, offset * size : stop].view(problem.dtype).reshape(-1, size, units, lanes)
            results[name][part] = by_member(of_name, len(part))
