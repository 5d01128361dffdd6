from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from deltarule.tables.column_encoder import Column, fit_columns
from deltarule.tables.diagnostics import render_diagnostics
from deltarule.tables.frame import frame_of
from deltarule.tables.leaks import find_leaks

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


def _sets(frame: dict[str, Any], y: Any, classes: bool) -> list[str]:
    """The sentences on all columns of a table, whose model has a good score."""
    frame = frame_of(frame)
    columns = fitted(frame, {k: "category" if v.dtype.kind == "O" else "number" for k, v in frame.items()})
    return render_diagnostics(find_leaks(frame, columns, y, classes, score=0.99))


def test_the_fewest_columns_that_predict_the_target_are_named() -> None:
    random = np.random.default_rng(3)
    noise = {f"n{number}": random.normal(size=400) for number in range(5)}
    a, b = random.lognormal(3, 1, 400), random.lognormal(4, 1, 400)
    frame = noise | {"a": a, "b": b, "yes": random.choice(np.array(["no", "yes"], object), 400)}
    for y in (a + b, 3 * b - 2 * a + random.normal(size=400), a * b, b / a):
        [sentence] = _sets(frame, y, classes=False)
        assert sentence.startswith("the columns 'a', 'b' together predict the target (")
    assert _sets(frame, a + b + 20 * noise["n0"], classes=False) == []  # three columns
    [sentence] = _sets(frame, a + b > 100, classes=True)
    assert sentence.startswith("the columns 'a', 'b' together")
    [sentence] = _sets(frame, (noise["n1"] > 0) & (frame["yes"] == "yes"), classes=True)
    assert "'n1'" in sentence and "'yes'" in sentence
    assert [*find_leaks(frame, [Column(name, "number") for name in "ab"], a + b, False, score=0.9)] == []


def test_a_column_that_alone_tells_much_more_than_all_others_is_named() -> None:
    random = np.random.default_rng(3)
    y = random.integers(2, size=1000)
    flag = np.where(random.random(1000) < 0.023, 1 - y, y) * 1.0
    frame = {"flag": flag, "cause": y + random.normal(size=1000), "noise": random.normal(size=1000)}
    [sentence] = _sets(frame, y, classes=True)
    assert sentence.startswith("the column 'flag' alone predicts the target (97.")
    assert _sets(frame | {"other": np.where(random.random(1000) < 0.05, 1 - y, y) * 1.0}, y, classes=True) == []


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "diabetes"])
def test_no_columns_of_published_tables_are_suspected_together(name: str) -> None:
    bunch = getattr(datasets, f"load_{name}")()
    assert _sets({f"x{n}": column for n, column in enumerate(bunch.data.T)}, bunch.target, name != "diabetes") == []
