from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses

from deltarule.data.dataset import Dataset, Rows
from deltarule.data.load import load_bundled
from deltarule.data.splits import folds, split
from deltarule.errors import BadInput


def dataset(rows: int, classes: int = 0) -> Dataset:
    """Row n holds the number n, by which a test finds it again; classes take turns."""
    x = np.arange(float(rows))[:, None]
    if not classes:
        return Dataset("d", Rows(x, targets=x), features=("n",))
    return Dataset("d", Rows(x, labels=np.arange(rows) % classes), features=("n",), classes=tuple("abcde"[:classes]))


counts = st.integers(0, 20)
kinds = st.sampled_from([0, 2, 3])
seeds = st.integers(0, 2**32 - 1)


@given(kind=kinds, validation=counts, test=counts, seed=seeds, stratify=st.booleans())
def test_parts_are_a_partition_of_the_rows(kind: int, validation: int, test: int, seed: int, stratify: bool) -> None:
    whole = dataset(60, kind)
    validation, test = validation + 3 * (validation > 0), test + 3 * (test > 0)  # room for each class
    parts = split(whole, validation, test, seed, stratify).parts
    assert {name: len(rows) for name, rows in parts.items()} == {
        name: count for name, count in (("train", 60 - validation - test), ("validation", validation), ("test", test))
        if count
    }  # fmt: skip
    numbers = [rows.x[:, 0].tolist() for rows in parts.values()]
    assert sorted(sum(numbers, [])) == list(range(60))
    assert all(part == sorted(part) for part in numbers)
    for rows in parts.values():
        np.testing.assert_array_equal(rows.answers, whole.train.answers[rows.x[:, 0].astype(int)])


@given(seed=seeds, validation=st.sampled_from([0.0, 0.1, 0.3]), test=st.sampled_from([0.0, 0.25, 0.5]))
def test_stratified_parts_hold_each_class_in_its_share(seed: int, validation: float, test: float) -> None:
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    whole = Dataset("d", Rows(np.arange(100.0)[:, None], labels=labels), features=("n",), classes=("a", "b", "c"))
    for rows in split(whole, validation, test, seed).parts.values():
        shares = np.bincount(rows.answers, minlength=3) / len(rows)
        assert np.abs(shares - [0.6, 0.3, 0.1]).max() * len(rows) <= 1.5  # whole rows cannot be nearer


@given(seed=seeds, validation=st.integers(0, 20))
def test_the_test_rows_do_not_depend_on_the_validation_rows(seed: int, validation: int) -> None:
    parts = [split(dataset(50), share, 10, seed).parts["test"].x.tolist() for share in (0, validation)]
    assert parts[0] == parts[1]


def test_a_share_is_of_all_rows_rounded_and_at_least_one() -> None:
    assert {n: len(rows) for n, rows in split(dataset(30), 0.1, 0.25).parts.items()} == {
        "train": 19, "validation": 3, "test": 8,
    }  # fmt: skip
    assert len(split(dataset(30), test=0.001).parts["test"]) == 1


def test_a_part_that_is_there_stays_and_is_not_asked_for_again() -> None:
    whole = split(load_bundled("iris"), test=30)
    both = split(whole, validation=0.25)
    assert both.test is whole.test and both.parts.keys() == {"train", "validation", "test"}
    with refuses("iris", "split.test", "split.extend"):
        split(whole, test=0.5)


@pytest.mark.parametrize("kind", [0, 2])
def test_rows_that_extend_a_part_stand_before_those_that_are_there(kind: int) -> None:
    whole = dataset(20, kind)
    apart = split(whole, test=6, draw="last")
    extended = split(apart, validation=2, test=4, draw="last", extend=True)
    numbers = {name: rows.x[:, 0].tolist() for name, rows in extended.parts.items()}
    assert numbers == {"train": list(range(8)), "validation": [8, 9], "test": [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]}
    for rows in extended.parts.values():
        np.testing.assert_array_equal(rows.answers, whole.train.answers[rows.x[:, 0].astype(int)])
    assert split(apart, extend=True) is apart


@pytest.mark.parametrize(
    ("kind", "options", "sentence"),
    [
        (0, {"validation": 5, "test": 5}, "10 rows set aside leave none of 10 to train on"),
        (0, {"test": 11}, "11 rows set aside leave none of 10 to train on; set fewer aside"),
        (3, {"test": 2}, "d cannot set 2 of 10 rows aside for test with every class in each part: .*turn stratify off"),
        (5, {"test": 5, "validation": 5}, "leave none"),
    ],
)
def test_a_split_that_cannot_be_is_one_sentence(kind: int, options: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence) as caught:
        split(dataset(10, kind), **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


# --- folds -----------------------------------------------------------------------------------------------------------


@given(rows=st.integers(8, 40), k=st.integers(2, 4), kind=st.sampled_from([0, 2]), seed=seeds)
def test_each_row_is_in_the_validation_rows_of_one_fold(rows: int, k: int, kind: int, seed: int) -> None:
    divided = folds(dataset(rows, kind).train, k, seed)
    assert len(divided) == k
    assert Counter(np.concatenate([aside for _, aside in divided]).tolist()) == Counter(range(rows))
    for train, aside in divided:
        assert sorted([*train, *aside]) == list(range(rows))
        assert train.tolist() == sorted(train)
        assert abs(len(aside) - rows / k) < (2 if kind else 1)


@pytest.mark.parametrize(
    ("kind", "k", "sentence"),
    [
        (0, 1, "1 folds are impossible with 10 rows; choose from 2 to 10"),
        (0, 11, "11 folds are impossible with 10 rows"),
        (3, 4, "4 folds are impossible with 3 rows in the smallest class; choose from 2 to 3"),
    ],
)
def test_folds_that_cannot_be_are_one_sentence(kind: int, k: int, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        folds(dataset(10, kind).train, k)


def test_the_last_rows_can_be_set_aside() -> None:
    rows = Rows(np.arange(10.0)[:, None], labels=[0] * 5 + [1] * 5)
    whole = Dataset("d", rows, features=("n",), classes=("a", "b"))
    parts = split(whole, validation=2, test=1, draw="last").parts
    assert {name: part.x.ravel().tolist() for name, part in parts.items()} == {
        "train": [0, 1, 2, 3, 4, 5, 6],
        "validation": [7, 8],
        "test": [9],
    }
