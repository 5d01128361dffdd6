from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deltarule.problem import batches
from deltarule.problem.batches import (
    Batch,
    all_rows,
    batch,
    forget_orders_at_exit,
    groups,
    orders,
    orders_of_epochs,
    row_orders,
    rows_at,
    split_by_rows,
)
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Problem

N = 8
X = np.arange(2.0 * N).reshape(N, 2)
Y = np.arange(100.0, 100 + N)
OWN_ROWS = st.lists(st.lists(st.integers(0, N - 1), min_size=1, max_size=10), min_size=1, max_size=4)


def make(**given: Any) -> Problem:
    return create_problem(Network([2, 1]), X, Y, **given)


def lines(of: Batch, k: int) -> list[tuple[float, ...]]:
    """The rows that member k sees: inputs, target, weight and position."""
    x, y, w = (array if array.ndim == 2 else array[k] for array in (of.x, of.y, of.w))
    positions = of.positions if of.positions.ndim == 1 else of.positions[k]
    return [tuple(line) for line in np.concatenate([x, y, w, positions[:, None]], axis=1).tolist()]


@given(OWN_ROWS, st.integers(1, 12), st.integers(0, 3), st.data())
def test_an_epoch_visits_each_of_a_members_rows_once(
    rows: list[list[int]], batch_size: int, epoch: int, data: st.DataObject
) -> None:
    K = len(rows)
    data_seeds = data.draw(st.lists(st.integers(0, 3), min_size=K, max_size=K))
    problem = make(rows=rows, batch_size=batch_size, data_seeds=data_seeds)
    for group in groups(problem, np.arange(K)):
        steps = problem.steps_per_epoch(int(group[0]))
        batches = [batch(problem, group, epoch * steps + place) for place in range(steps)]
        for place, member in enumerate(group):
            own = rows[member]
            seen = [line for one in batches for line in lines(one, place)]
            assert sorted(int(line[-1]) for line in seen) == list(range(len(own)))
            for *x, y, w, position in seen:
                row = own[int(position)]
                assert (x, y, w) == (X[row].tolist(), Y[row], 1.0)
            assert Counter(line[2] for line in seen) == Counter(Y[own].tolist())
            sizes = [one.x.shape[-2] for one in batches]
            assert all(size == min(batch_size, len(own)) for size in sizes[:-1])


@given(OWN_ROWS, st.integers(1, 12), st.integers(0, 30), st.data())
def test_a_members_batches_are_those_of_its_rows_alone(
    rows: list[list[int]], batch_size: int, step: int, data: st.DataObject
) -> None:
    K = len(rows)
    data_seeds = data.draw(st.lists(st.integers(0, 3), min_size=K, max_size=K))
    weights = data.draw(st.sampled_from([None, np.arange(1.0, N + 1), np.arange(1.0, K * N + 1).reshape(K, N)]))
    problem = make(rows=rows, batch_size=batch_size, data_seeds=data_seeds, weights=weights)
    for group in groups(problem, np.arange(K)):
        together = batch(problem, group, step)
        for place, member in enumerate(group):
            own = rows[member]
            own_weights = None if weights is None else (weights if weights.ndim == 1 else weights[member])[own]
            alone = create_problem(
                Network([2, 1]),
                X[own],
                Y[own],
                weights=own_weights,
                batch_size=batch_size,
                data_seeds=data_seeds[member],
            )
            assert lines(together, place) == lines(batch(alone, np.array([0]), step), 0)


@given(OWN_ROWS, st.data())
def test_groups_are_the_members_with_equally_many_rows(rows: list[list[int]], data: st.DataObject) -> None:
    problem = make(rows=rows)
    members = np.array(data.draw(st.permutations(range(len(rows)))))[: data.draw(st.integers(0, len(rows)))]
    found = groups(problem, members)
    assert sorted(place for group in found for place in group) == list(range(len(members)))
    counts = [{len(rows[members[place]]) for place in group} for group in found]
    assert all(len(count) == 1 for count in counts)
    assert len({tuple(count) for count in counts}) == len(counts)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(5, 8)), min_size=1, max_size=8), st.sampled_from([None, 2]))
@example([(0, 5), (1, 5), (0, 5), (1, 5)], 2)
@example([(0, 5), (0, 6), (1, 6), (1, 5)], 2)
def test_groups_are_split_into_members_with_the_same_rows_in_the_same_order(
    seen: list[tuple[int, int]], batch_size: int | None
) -> None:
    kinds, seeds = zip(*seen, strict=True)
    rows = [[[0, 1, 2], [1, 2, 3], [2, 1, 0]][kind] for kind in kinds]
    problem, all_of_them = make(rows=rows, data_seeds=seeds, batch_size=batch_size), np.arange(len(seen))
    found = split_by_rows(problem, all_of_them, all_of_them)
    assert sorted(place for some in found for place in some.tolist()) == all_of_them.tolist()
    of_each = [{seen[place] if batch_size else kinds[place] for place in some.tolist()} for some in found]
    assert all(len(one) == 1 for one in of_each)
    assert len(of_each) == len(set(seen if batch_size else kinds))


@pytest.mark.parametrize("count", [N, batches.DRAWN_AT_ONCE + 1])
@pytest.mark.parametrize("data_seeds", [[5], [5, 5], [5, 7]])
def test_writing_into_a_batch_changes_no_other_batch(count: int, data_seeds: list[int]) -> None:
    """Short orders and long ones are remembered, and programs are compiled for orders that can be written."""
    x = np.arange(float(count))[:, None]
    problem = create_problem(Network([1, 1]), x, x, batch_size=3, data_seeds=data_seeds)
    members = np.arange(len(data_seeds))
    before = batch(problem, members, 0).x.tolist()
    with suppress(ValueError):
        batch(problem, members, 0).positions[:] = 0
    with suppress(ValueError):
        orders((5,), 0, count)[:] = 0
    for array in row_orders(problem, members, 0, 4):
        assert array.flags.c_contiguous
        array[:] = 0
    assert batch(problem, members, 0).x.tolist() == before


def test_members_with_different_rows_get_their_own_rows() -> None:
    rows = [[0, 1, 2], [0, 1, 2], [1, 2, 3]]
    problem, members = make(rows=rows), np.arange(3)
    assert rows_at(problem, members, members).tolist() == rows
    assert row_orders(problem, members, 0, 2)[0].tolist() == [rows]
    assert all_rows(problem, members).y[..., 0].tolist() == Y[rows].tolist()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4), st.integers(0, 9), st.integers(0, 9))
@example([4, 2, 3], 0, 1)  # as many seeds as members, and in another order
def test_row_orders_are_those_of_the_epochs_of_the_updates(seeds: list[int], step: int, n: int) -> None:
    problem = make(data_seeds=seeds, batch_size=3)  # an epoch has three updates
    found, positions = row_orders(problem, np.arange(len(seeds)), step, n)
    epochs = {one // 3 for one in range(step, step + max(n, 1))}
    assert len(found) == len(epochs) and np.array_equal(found, positions)
    for place, epoch in enumerate(sorted(epochs)):
        each = np.broadcast_to(found[place], (len(seeds), N))
        assert each.tolist() == [orders((seed,), epoch, N)[0].tolist() for seed in seeds]


@given(st.integers(1, N), st.integers(0, 20))
def test_members_of_one_data_seed_share_their_batch(batch_size: int, step: int) -> None:
    shared = batch(make(seeds=range(3), batch_size=batch_size), np.arange(3), step)
    assert shared.x.ndim == shared.y.ndim == shared.w.ndim == 2 and shared.positions.ndim == 1
    own = batch(make(seeds=range(3), data_seeds=[5, 5, 6], batch_size=batch_size), np.arange(3), step)
    assert own.x.ndim == (2 if batch_size == N else 3)
    assert lines(own, 0) == lines(own, 1)


def test_full_batches_keep_the_order_of_the_rows_and_mini_batches_change_it_every_epoch() -> None:
    for size in (None, N, 100):
        assert batch(make(batch_size=size), np.array([0]), 7).positions.tolist() == list(range(N))
    problem = make(batch_size=N // 2)
    epochs = {
        tuple(np.concatenate([batch(problem, np.array([0]), 2 * epoch + half).positions for half in (0, 1)]).tolist())
        for epoch in range(20)
    }
    assert len(epochs) == 20


@given(OWN_ROWS)
def test_all_rows_of_a_member_are_in_their_given_order(rows: list[list[int]]) -> None:
    problem = make(rows=rows, batch_size=2, weights=np.arange(1.0, N + 1))
    for member, own in enumerate(rows):
        seen = lines(all_rows(problem, np.array([member])), 0)
        assert seen == [(*X[row], Y[row], row + 1.0, place) for place, row in enumerate(own)]


def test_all_rows_of_the_data_are_not_copied() -> None:
    x = np.arange(12.0).reshape(6, 2)
    problem = create_problem(Network([2, 1]), x, x[:, :1], members=2)
    assert np.shares_memory(all_rows(problem, np.arange(2)).x, problem.x)
    columns = np.asfortranarray(x)
    columns.setflags(write=False)  # is taken as it is, and sums in another order
    of_columns = all_rows(create_problem(Network([2, 1]), columns, x[:, :1]), np.arange(1))
    assert of_columns.x.flags.c_contiguous
    assert np.array_equal(of_columns.x, x)


@given(st.lists(st.integers(0, 2**63), min_size=1, max_size=3, unique=True), st.integers(0, 50), st.integers(1, 4))
def test_orders_drawn_at_once_are_those_drawn_one_by_one(seeds: list[int], first: int, count: int) -> None:
    epochs = range(first, first + count)
    together = orders_of_epochs(tuple(seeds), epochs, row_count=7)
    assert together.shape == (count, len(seeds), 7)
    for place, epoch in enumerate(epochs):
        assert np.array_equal(together[place], orders(tuple(seeds), epoch, 7))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, ...]]]:
    """The seeds of each drawing of orders."""
    seen: list[tuple[int, ...]] = []

    def permutation(seeds: Any, epochs: Any, rows: int) -> Any:
        seen.append(tuple(seeds.tolist()))
        return of(seeds, epochs, rows)

    of = batches.random.permutation
    monkeypatch.setattr(batches.random, "permutation", permutation)
    with forget_orders_at_exit():
        yield seen
    assert not batches._cached_orders


def test_a_long_order_is_drawn_once_for_any_division_of_members(drawn: list[tuple[int, ...]]) -> None:
    """As many as are trained together ask block by block, again and again, while an epoch lasts."""
    rows = batches.DRAWN_AT_ONCE + 1
    blocks = [(0, 1), (2,), (3, 4, 1), (5, 0)]
    found = {}
    for block in 3 * blocks:
        found |= dict(zip(block, orders(block, 7, rows), strict=True))
    assert sorted(seed for seeds in drawn for seed in seeds) == list(range(6))
    for seed, order in found.items():
        np.testing.assert_array_equal(order, batches.random.permutation(np.array([seed]), np.array([7]), rows)[0])
