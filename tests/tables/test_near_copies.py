import re
from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from deltarule.tables.near_copies import find_near_copies, find_shared_values

RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize("copies", [2, 3, 8])
@pytest.mark.parametrize("is_classification", [True, False])
def test_near_copies_that_tell_the_target_are_named(copies: int, is_classification: bool) -> None:
    group = np.repeat(np.arange(480 // copies), copies)
    x = RANDOM.normal(size=(len(group) // copies, 6))[group] + RANDOM.normal(scale=0.05, size=(len(group), 6))
    rows = RANDOM.permutation(len(group))
    [sentence] = find_near_copies(
        x,
        RANDOM.normal(size=len(group))[group] > 0 if is_classification else group,
        rows[96:],
        rows[:96],
        is_classification,
    )
    first, second = map(int, re.search(r"the rows (\d+) and (\d+)\)", sentence).groups())  # type: ignore[union-attr]
    assert group[first - 1] == group[second - 1]


@pytest.mark.parametrize("inputs", [1, 2, 4])
@pytest.mark.parametrize("digits", [None, 1])
def test_no_rows_of_a_smooth_table_are_near_copies(inputs: int, digits: int | None) -> None:
    """Nor are rows that are equal because their numbers are rounded, if they tell no more than others near them."""
    x = RANDOM.normal(size=(600, inputs))
    y = np.sin(2 * x[:, 0]) + RANDOM.normal(scale=0.5, size=600)
    x, rows = x if digits is None else x.round(digits), RANDOM.permutation(600)
    assert find_near_copies(x, y, rows[120:], rows[:120], False) == []
    assert find_near_copies(x, y > 0, rows[120:], rows[:120], True) == []


def _patients(random: np.random.Generator, visits: int) -> dict[str, Any]:
    """Columns of patients, the same at each visit, among others; a visit is a row."""
    count = 1200 // visits
    patient = np.repeat(np.arange(count), visits)
    own = {"age": random.integers(18, 90, count), "bmi": random.normal(25, 3, count).round(1)}
    columns = {name: values[patient][:, None] for name, values in own.items()}
    columns["town"] = np.eye(20)[random.integers(20, size=count)[patient]]
    return columns | {f"x{n}": random.normal(size=(1200, 1)).round(2) for n in range(4)} | {"patient": patient}


@pytest.mark.parametrize("visits", [4, 20])
@pytest.mark.parametrize("is_classification", [True, False])
def test_rows_of_one_patient_are_recognized_without_its_name(visits: int, is_classification: bool) -> None:
    random = np.random.default_rng(visits)
    columns, rows = _patients(random, visits), random.permutation(1200)
    patient = columns.pop("patient")
    y = random.normal(size=1200)[patient]
    [sentence] = find_shared_values(
        columns, y > 0 if is_classification else y, rows[240:], rows[:240], is_classification
    )
    assert "'age' and 'bmi'" in sentence and "--group" in sentence


@pytest.mark.parametrize("is_classification", [True, False])
def test_equal_values_that_tell_no_more_than_close_ones_belong_to_nothing(is_classification: bool) -> None:
    """The rows of a patient have equal values, but the target follows these smoothly; so does it follow their sum."""
    random = np.random.default_rng(0)
    columns, rows = _patients(random, 20), random.permutation(1200)
    del columns["patient"]
    columns["twice the age"] = 2 * columns["age"]
    y = columns["age"][:, 0] + random.normal(size=1200)
    assert not find_shared_values(
        columns, y > 50 if is_classification else y, rows[240:], rows[:240], is_classification
    )


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
def test_no_rows_of_published_tables_share_what_they_are_of(name: str) -> None:
    bunch = getattr(datasets, f"load_{name}")()
    rows, columns = np.random.default_rng(0).permutation(len(bunch.data)), np.split(bunch.data, bunch.data.shape[1], 1)
    inputs = {str(number): column for number, column in enumerate(columns)}
    assert not find_shared_values(inputs, bunch.target, rows[30:], rows[:30], name != "diabetes")
