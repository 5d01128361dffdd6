"""Mini-batches: the rows that each member uses in each update.

x [B, D] or [K, B, D]   y [B, C] or [K, B, C]   w [B, 1] or [K, B, 1]   positions [B] or [K, B]
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from deltarule.maths import random
from deltarule.problem.problem import Floats, Integers, Problem

DRAWN_AT_ONCE = 8192
"""Random numbers drawn in one call for orders of short epochs: a few take nearly as long as a thousand."""


@dataclass(frozen=True, eq=False)
class Batch:
    """The inputs, targets and weights of the rows of one update.

    `positions` are those within the member's own rows; dropout masks depend on them.
    """

    x: Floats
    y: Floats
    w: Floats
    positions: Integers


def groups(problem: Problem, members: Integers) -> list[Integers]:
    """Group members by their number of rows, fewest first.

    A batch is never padded, so a member's sums run over the same numbers in the same order as when it trains alone.
    """
    counts = problem.row_counts[members]
    if (counts == counts[:1]).all():  # the common case, without a search
        return [np.arange(len(members))] if len(members) else []
    return [np.flatnonzero(counts == count) for count in np.unique(counts)]


def split_by_rows(problem: Problem, members: Integers, group: Integers) -> list[Integers]:
    """Split a group into parts that use the same rows in the same order."""
    labels = problem.row_kinds[members[group]]
    if problem.row_order is not None:
        if problem.row_order.ndim == 2:
            kinds = np.unique(problem.row_order[members[group]], axis=0, return_inverse=True)[1].ravel()
            labels = labels * (kinds.max() + 1) + kinds
    elif problem.steps_per_epoch(members[group[0]]) > 1:
        seeds = np.unique(problem.data_seeds[members[group]], return_inverse=True)[1]
        labels = labels * (seeds.max() + 1) + seeds
    return split_by_kind(group, labels)


def split_by_kind(group: Integers, labels: Integers) -> list[Integers]:
    if (labels == labels[0]).all():
        return [group]
    order = np.argsort(labels, kind="stable")
    ends = np.flatnonzero(np.diff(labels[order])) + 1
    return [group[part] for part in np.split(order, ends)]


def batch(problem: Problem, members: Integers, step: int) -> Batch:
    """The batch of an update for members with equally many rows."""
    if problem.fresh is not None:
        x, y = problem.fresh.at(step)
        if problem.fresh.members is not None:
            x, y = x[members], y[members]
        return Batch(x, y, np.ones((*x.shape[:-1], 1), x.dtype), np.arange(problem.fresh.count))
    return _gather(problem, members, positions_of(problem, members, step))


def positions_of(problem: Problem, members: Integers, step: int) -> Integers:
    """Positions within each member's rows that an update uses, [B] or [K, B]."""
    size = problem.batch_rows(members[0])
    epoch, index = divmod(step, problem.steps_per_epoch(members[0]))
    in_batch = slice(index * size, (index + 1) * size)
    positions = _positions(problem, members, range(epoch, epoch + 1), in_batch)[0]
    return positions[0] if len(positions) == 1 else positions


def _positions(problem: Problem, members: Integers, epochs: range, columns: slice) -> Integers:
    """Some columns of the row orders of epochs, [epochs, K, columns], or [epochs, 1, columns] if all are equal."""
    count = problem.row_count(members[0])
    if problem.row_order is not None:
        order = np.atleast_2d(problem.row_order)
        order = order[members] if len(order) > 1 else order
        order = order[:1] if (order == order[0]).all() else order
        return np.tile(order[:, columns], (len(epochs), 1, 1))
    if problem.steps_per_epoch(members[0]) == 1:
        return np.arange(count)[None, None]
    seeds = problem.data_seeds[members]
    if len(seeds) == 1:  # the common case, without a search for equal seeds
        return orders_of_epochs((int(seeds[0]),), epochs, count)[:, :, columns]
    unique, inverse = np.unique(seeds, return_inverse=True)
    positions = orders_of_epochs(tuple(unique.tolist()), epochs, count)[:, :, columns]
    return positions if len(unique) == 1 else positions.take(inverse, axis=1)


def all_rows(problem: Problem, members: Integers) -> Batch:
    """All rows of members with equally many rows, in their own order, as one batch; the data themselves if they can."""
    positions = np.arange(problem.row_count(members[0]))
    if problem.row_table is None and problem.x.flags.c_contiguous:
        return Batch(problem.x, problem.y, weights_at(problem, members, positions), positions)
    return _gather(problem, members, positions)


def _gather(problem: Problem, members: Integers, positions: Integers) -> Batch:
    """Build the batch of the rows at `positions`, [B] or [K, B]."""
    rows = rows_at(problem, members, positions)
    # `take` needs a third of the time of indexing.
    x = problem.x.take(rows, axis=0)
    y = problem.y.take(rows, axis=0)
    return Batch(x, y, weights_at(problem, members, rows), positions)


def rows_at(problem: Problem, members: Integers, positions: Integers) -> Integers:
    """Convert positions within the members' rows to indices into the data."""
    if problem.row_table is None:
        return positions
    rows = problem.row_table[members[:, None], np.atleast_2d(positions)]
    # A single copy of the data if all members use the same rows.
    return rows[0] if (rows == rows[0]).all() else rows


def weights_at(problem: Problem, members: Integers, rows: Integers) -> Floats:
    """The weights [B, 1] or [K, B, 1] of rows, by their indices into the data."""
    if problem.weights is None:
        return np.ones((*rows.shape, 1), problem.dtype)
    if problem.weights.ndim == 1:
        return np.asarray(problem.weights.take(rows)[..., None])
    return np.asarray(problem.weights[members[:, None], np.atleast_2d(rows)][..., None])


def orders(seeds: tuple[int, ...], epoch: int, row_count: int) -> Integers:
    """The shuffled row order of an epoch for each data seed, [seeds, rows]."""
    return orders_of_epochs(seeds, range(epoch, epoch + 1), row_count)[0]


def orders_of_epochs(seeds: tuple[int, ...], epochs: range, row_count: int) -> Integers:
    """The shuffled row orders of several epochs, [epochs, seeds, rows]."""
    at_once = DRAWN_AT_ONCE // (row_count * len(seeds))
    if not at_once:
        return _long_orders(seeds, epochs[0], row_count) if len(epochs) == 1 else _draw_orders(seeds, epochs, row_count)
    first = epochs[0] // at_once * at_once
    parts = [
        _short_orders(seeds, range(start, start + at_once), row_count)
        for start in range(first, epochs[-1] + 1, at_once)
    ]
    drawn = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return drawn[epochs[0] - first : epochs[-1] + 1 - first]


def _draw_orders(seeds: tuple[int, ...], epochs: range, row_count: int) -> Integers:
    drawn: Integers = random.permutation(np.array(seeds, np.uint64), np.array(epochs)[:, None], row_count)
    drawn.setflags(write=False)
    return drawn


_cached_orders: dict[tuple[int, int, int], tuple[int, NDArray[np.int32]]] = {}
"""The latest orders of long epochs, an even and an odd one for each seed and number of rows."""


def _long_order(seed: int, epoch: int, row_count: int) -> NDArray[np.int32]:
    key = seed, epoch % 2, row_count
    cached_epoch, order = _cached_orders.get(key, (None, np.zeros(0, np.int32)))
    if cached_epoch != epoch:
        order = _draw_orders((seed,), range(epoch, epoch + 1), row_count)[0, 0].astype(np.int32)
        _cached_orders[key] = epoch, order  # another thread may replace it: only `order` is used below
    return order


@lru_cache(maxsize=2)  # this epoch and the next, for calls at every update
def _long_orders(seeds: tuple[int, ...], epoch: int, row_count: int) -> Integers:
    """The row orders [1, seeds, rows] of a long epoch."""
    stacked = np.stack([_long_order(seed, epoch, row_count) for seed in seeds], dtype=np.int64)[None]
    stacked.setflags(write=False)
    return stacked


_short_orders = lru_cache(maxsize=16)(_draw_orders)  # for up to 16 lengths of folds, or chunks of a training run


@contextmanager
def forget_orders_at_exit() -> Iterator[None]:
    try:
        yield
    finally:
        _cached_orders.clear()
        _long_orders.cache_clear()


def row_orders(problem: Problem, members: Integers, step: int, updates: int) -> tuple[Integers, Integers]:
    """The row orders of several updates, as indices into the data and as positions.

    Each is [epochs, K, rows], or [epochs, 1, rows] if it is the same for all; full batches have one epoch.
    """
    count = problem.row_count(members[0])
    batches = problem.steps_per_epoch(members[0])
    epochs = range(step // batches, (step + max(updates, 1) - 1) // batches + 1) if batches > 1 else range(1)
    positions = _positions(problem, members, epochs, slice(None))
    if not positions.flags.writeable:  # programs are compiled for writable arrays
        positions = positions.copy()
    in_batch = positions if problem.fresh is None else positions % problem.fresh.count
    if problem.rows is None:
        return positions, in_batch
    labels = problem.row_kinds[members]
    chosen = members[:1] if (labels == labels[0]).all() else members
    rows = np.stack([problem.rows[member] for member in chosen])
    rows_of_epochs = np.broadcast_to(rows, (len(positions), max(len(rows), positions.shape[1]), count))
    return np.take_along_axis(rows_of_epochs, np.broadcast_to(positions, rows_of_epochs.shape), axis=2), in_batch


def batch_sizes(problem: Problem, members: Integers, step: int, n: int) -> Floats:
    """Return the numbers of rows in each of the next n batches from `step` on, [n, A]."""
    size = problem.batch_sizes[members]
    rows = size if problem.fresh is not None else problem.row_counts[members]
    batches = problem.epoch_steps[members]
    is_last = np.arange(step, step + n)[:, None] % batches == batches - 1
    return np.where(is_last, rows - size * (batches - 1), size).astype(np.float64)


def batch_weights(problem: Problem, members: Integers, step: int, n: int) -> Floats:
    """Return the sum of row weights in each of the next n batches, [n, K].

    If a sum might overflow, all weights are divided by a power of two.
    """
    weights = problem.weights
    if weights is None:
        return batch_sizes(problem, members, step, n)
    sums = np.empty((n, len(members)))
    for group in groups(problem, members):
        # At most this many row weights are looked up at a time.
        chunk_size = max(1, 2**22 // problem.row_count(members[group[0]]))
        for first in range(0, len(group), chunk_size):
            part = group[first : first + chunk_size]
            part_weights = weights if weights.ndim == 1 else weights[members[part]]
            sums[:, part] = _equal_row_batch_weights(problem, members[part], part_weights, step, n)
    return sums


def _equal_row_batch_weights(problem: Problem, members: Integers, weights: Floats, step: int, n: int) -> Floats:
    """Return the batches' row weights [n, K] for members with equally many rows."""
    size = problem.batch_rows(members[0])
    batches = problem.steps_per_epoch(members[0])
    rows = row_orders(problem, members, step, n)[0]
    first = step % batches
    if len(rows) == 1 < batches:  # within a single epoch, only these batches
        rows = rows[:, :, first * size : (first + n) * size]
        first = 0
    weights = weights.astype(np.float64)
    # Scaled to at most 2**900, so that sums of weights times objectives are finite.
    weights = np.ldexp(weights, -np.maximum(np.frexp(weights.max(-1, keepdims=True))[1] - 900, 0))
    ordered = weights[rows] if weights.ndim == 1 else weights[np.arange(len(members))[:, None], rows]
    sums = np.add.reduceat(ordered, np.arange(0, rows.shape[2], size), axis=2, dtype=np.float64)
    by_update = sums.transpose(0, 2, 1).reshape(-1, ordered.shape[1])
    return by_update[np.arange(first, first + n) % len(by_update)]  # a full batch is the same in every update
