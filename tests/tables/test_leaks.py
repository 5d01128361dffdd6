import re
from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from deltarule.tables.column_encoder import Column, fit_columns
from deltarule.tables.diagnostics import render_diagnostics
from deltarule.tables.frame import frame_of
from deltarule.tables.leaks import find_leaks, find_near_copies, find_shared_values

RANDOM = np.random.default_rng(5)


def fitted(frame: Any, kinds: dict[str, str]) -> tuple[Column, ...]:
    return fit_columns(frame, [Column(name, kind) for name, kind in kinds.items()])


@pytest.mark.parametrize("classes", [True, False])
def test_a_copy_of_the_target_is_a_leak_and_a_mere_cause_is_not(classes: bool) -> None:
    y = RANDOM.integers(3, size=300).astype(float)
    frame = {"cause": y + RANDOM.normal(size=300), "copy": 7 - 2 * y, "noise": RANDOM.normal(size=300)}
    columns = [Column(name, "number", "") for name in frame]
    [told] = render_diagnostics(find_leaks(frame, columns, y, classes))
    assert told.startswith("the column 'copy' alone predicts the target (100 % on held-out rows)")


def test_a_rare_amount_makes_no_leak_of_every_column() -> None:
    """Of 6000 claims four are not 0, and noise tells nothing of them, be they among the rows that are drawn or not."""
    frame = {"age": RANDOM.normal(size=6000), "height": RANDOM.normal(size=6000)}
    columns = [Column(name, "number", "") for name in frame]
    for first in range(0, 1500, 50):
        y = np.where(np.arange(6000) % 1500 == first, 1000.0, 0.0)
        assert [*find_leaks(frame, columns, y, is_classification=False)] == []


def _told(frame: dict[str, Any], y: Any, classes: bool) -> list[str]:
    frame = frame_of(frame)
    columns = fitted(frame, {k: "category" if v.dtype.kind == "O" else "number" for k, v in frame.items()})
    return [leak.column for column in columns for leak in find_leaks(frame, [column], y, classes)]


@pytest.mark.parametrize("rows", [60, 200, 5000])
@pytest.mark.parametrize("law", ["lognormal", "pareto", "mostly 0"])
def test_a_copy_of_a_skewed_number_is_a_leak(law: str, rows: int) -> None:
    """By its ranks: a far value weighs no more than another, and the many zeros are one value."""
    random = np.random.default_rng(rows)
    y = random.lognormal(sigma=2, size=rows) if law == "lognormal" else random.pareto(1.5, rows)
    y = np.where(random.random(rows) < 0.6, 0, y) if law == "mostly 0" else y
    gaps, flag = np.where(random.random(rows) < 0.05, np.nan, y), (y > np.median(y)).astype(float)
    frame = {"copy": y, "log": -np.log1p(y), "gaps": gaps, "cause": y * random.lognormal(size=rows), "flag": flag}
    assert _told(frame, y, classes=False) == ["copy", "log", "gaps"]


@pytest.mark.parametrize(("rows", "rare"), [(200, 2), (1000, 5), (5000, 25), (200, 3), (1000, 15), (200, 100)], ids=str)
def test_a_copy_of_a_rare_class_is_a_leak_and_noise_is_none(rows: int, rare: int) -> None:
    random = np.random.default_rng(rare)
    y = random.permutation(np.arange(rows) < rare)
    frame: dict[str, Any] = {"copy": y * 3.0, "text": np.where(y, "yes", "no")}
    assert _told(frame | {f"n{n}": random.normal(size=rows) for n in range(40)}, y, classes=True) == ["copy", "text"]
    assert _told({f"t{n}": random.choice(list("abcdefgh"), rows) for n in range(40)}, y, classes=True) == []


@pytest.mark.slow
@pytest.mark.parametrize("rare", [1, 8])
def test_few_values_tell_no_class_that_they_do_not_know(rare: int) -> None:
    """Whether a rare row is among those drawn or not; a copy tells it."""
    for seed in range(20):
        random = np.random.default_rng(seed)
        y = random.permutation(np.arange(10_000) < rare)
        frame = {"sex": random.choice(["m", "f"], 10_000), "bin": random.integers(2, size=10_000), "copy": 1.0 * y}
        assert _told(frame, y, classes=True) == (["copy"] if rare > 1 else [])


@pytest.mark.parametrize("classes", [2, 100, 150])
def test_a_copy_with_gaps_or_of_many_classes_is_a_leak(classes: int) -> None:
    random = np.random.default_rng(classes)
    y = random.permutation(np.arange(600) % classes)
    names, gaps = np.array([f"c{one}" for one in y], object), random.random(600) < 0.05
    frame = {
        "number": 1.0 * y,
        "text": names,
        "number with gaps": np.where(gaps, np.nan, y),
        "text with gaps": np.where(gaps, None, names),
        "mostly missing": np.where(random.random(600) < 0.7, np.nan, y),
        "half": np.where(random.random(600) < 0.5, y, random.permutation(y)),
    }
    assert _told(frame, names, classes=True) == list(frame)[:4]


def test_that_a_value_is_missing_may_tell_the_target() -> None:
    y = RANDOM.random(300) < 0.3
    assert _told({"ended": np.where(y, RANDOM.normal(size=300), np.nan)}, y, classes=True) == ["ended"]


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
def test_no_column_of_published_tables_is_suspected(name: str) -> None:
    bunch = getattr(datasets, f"load_{name}")()
    assert _told({f"x{n}": column for n, column in enumerate(bunch.data.T)}, bunch.target, name != "diabetes") == []


X = Column("x", "number", "numbers")


def test_a_column_that_is_missing_in_half_of_the_rows_may_tell_the_target() -> None:
    y = np.random.default_rng(1).permutation(np.arange(100.0))
    half = np.where(np.arange(100) % 2, y, np.nan)
    assert len([*find_leaks({"x": half}, [X], y, is_classification=False)]) == 1
    half[1] = np.nan
    assert [*find_leaks({"x": half}, [X], y, is_classification=False)] == []


def test_missing_cells_are_no_value_of_a_column_with_as_few_values_as_there_are_classes() -> None:
    y, code = np.repeat(["no", "yes"], [96, 4]), np.repeat([np.nan, 1.0, 2.0], [60, 36, 4])
    assert len([*find_leaks({"x": code}, [X], y, is_classification=True)]) == 1


def test_classes_of_one_row_do_not_hide_a_leak() -> None:
    y = np.array([*np.repeat([0, 1], 50), *range(2, 12)])
    assert len([*find_leaks({"x": y * 1.0}, [X], y, is_classification=True)]) == 1


def test_a_column_that_is_right_in_97_of_100_rows_is_no_leak() -> None:
    y = np.arange(1000) % 2
    x = np.where(np.arange(1000) // 2 % 100 < 3, 1 - y, y) * 1.0
    assert [*find_leaks({"x": x}, [X], y, is_classification=True)] == []


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
