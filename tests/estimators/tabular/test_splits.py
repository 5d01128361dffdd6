from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule import BadInput
from deltarule.estimators.tabular.splits import RowDivision, group_indices, stratified_folds, time_numbers


@given(st.lists(st.integers(0, 4), min_size=5, max_size=60), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_stratified_folds(kinds: list[int], folds: int, seed: int) -> None:
    splits = stratified_folds(np.array(kinds), folds, np.random.default_rng(seed))
    assert np.sort(np.concatenate([own for _, own in splits])).tolist() == list(range(len(kinds)))
    for others, own in splits:
        assert np.sort(np.concatenate([others, own])).tolist() == list(range(len(kinds)))
    for kind in kinds:
        counts = [int((np.array(kinds)[own] == kind).sum()) for _, own in splits]
        assert max(counts) - min(counts) <= 1


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=30, max_size=60), st.integers(0, 99))
def test_a_group_is_in_one_part(rows: list[tuple[int, int]], seed: int) -> None:
    groups, strata = np.array(rows + [(10, 0), (11, 0)]).T
    division = RowDivision(strata, groups)
    for train, test in [division.hold_out(seed), *division.folds(3, np.random.default_rng(seed))]:
        assert np.sort([*train, *test]).tolist() == list(range(len(groups)))
        assert len(test) and not {*groups[train]} & {*groups[test]}


def test_groups_of_a_class_are_dealt_to_all_folds() -> None:
    groups, strata = np.repeat(np.arange(20), 5), np.repeat(np.arange(20) % 4 == 0, 5).astype(int)
    for _, test in stratified_folds(strata, 5, np.random.default_rng(0), groups):
        assert len(test) == 20 and strata[test].sum() == 5


@given(
    st.lists(st.integers(0, 30), min_size=20, max_size=60).filter(lambda times: len({*times}) > 5), st.integers(0, 9)
)
def test_networks_are_scored_on_later_rows(times: list[int], seed: int) -> None:
    numbers = time_numbers(times, len(times))
    division = RowDivision(np.zeros(len(times), np.int64), times=numbers)
    train, held_out = division.hold_out(seed)
    folds = division.folds(3, np.random.default_rng(seed))
    assert len(train) + len(held_out) == len(times) and len(held_out) >= 0.2 * len(times) - 1 and folds
    for before, after in [(train, held_out), *folds]:
        assert numbers[before].max() < numbers[after].min()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), min_size=20, max_size=60), st.integers(0, 9))
def test_networks_are_scored_on_later_rows_of_other_groups(rows: list[tuple[int, int]], seed: int) -> None:
    # Groups 10 to 13 have ended before all others begin.
    groups, times = np.array([(10, -4), (11, -3), (12, -2), (13, -1), *rows]).T
    division = RowDivision(np.zeros(len(times), np.int64), groups, times.astype(float))
    for train, test in [division.hold_out(seed), *division.folds(3, np.random.default_rng(seed))]:
        assert times[train].max() < times[test].min() and not {*groups[train]} & {*groups[test]}
        left_out = np.setdiff1d(np.flatnonzero(times < times[test].min()), train)
        assert {*groups[left_out]} <= {*groups[test]}


def test_groups_that_all_have_late_rows_are_refused() -> None:
    times = np.arange(30.0)
    with pytest.raises(BadInput, match="of 3 groups too few have all their rows before the last fifth"):
        RowDivision(np.zeros(30, np.int64), np.arange(30) % 3, times).hold_out(0)


@pytest.mark.parametrize("times", [["2024-02-01", "2023-12-31", "2024-01-15"], [3.5, 1, 2]])
def test_times_are_dates_or_numbers(times: Any) -> None:
    assert np.argsort(time_numbers(times, 3)).tolist() == [1, 2, 0]


def test_a_row_without_a_group_is_one_of_its_own() -> None:
    assert len({*group_indices(["a", "a", None, float("nan"), "b"], 5)}) == 4


@pytest.mark.parametrize(
    ("divide", "message"),
    [
        (lambda: group_indices(["a", "b", "a"], 3), "the rows are of 2 groups; give three or more"),
        (lambda: group_indices(["a"], 3), "groups has 1 values for 3 rows"),
        (lambda: time_numbers([1, 2], 3), "time has 2 values for 3 rows"),
        (lambda: time_numbers(["soon", "later", "now"], 3), "missing in some rows, is neither numbers nor dates"),
        (lambda: time_numbers([1, 1, None], 3), "time is missing in some rows"),
    ],
)
def test_divisions_that_are_impossible(divide: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        divide()
