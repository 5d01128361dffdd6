"""Targets: classes or numbers, and what a user may want to correct."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.errors import BadInput
from deltarule.tables.diagnostics import render_diagnostics
from deltarule.tables.targets import describe_target, infer_target, to_class_names, validate_target

SLIPS = ["1", "2", "many", "3", "few", "1", "2", "3"] * 2


@pytest.mark.parametrize(
    ("y", "is_classes", "code"),
    [
        (["red", "blue", "red"], True, "texts"),
        ([True, False], True, "truth-values"),
        (["01", "02", "11"], True, "texts"),
        (SLIPS, True, "nearly-numbers"),
        ([0, 1], True, "whole-numbers"),
        ([7, 9.0, 7], True, "whole-numbers"),
        (list(range(20)) * 2, True, "whole-numbers"),
        (list(range(21)) * 2, False, "numbers"),
        (list(range(26)) * 5 + [3, 4], True, "whole-numbers"),
        (list(range(1, 101)) * 5, True, "whole-numbers"),
        (list(range(1, 102)) * 5, False, "numbers"),
        (list(range(2, 28)) * 5, False, "numbers"),
        (list(range(26)) * 5 + [27] * 5, False, "numbers"),
        (list(range(26)) * 5 + [26], False, "numbers"),  # a rare extreme, as of ages
        ([1, 2, 3, 4], False, "numbers"),
        ([1, 2.5, 1, 2.5], False, "numbers"),
        ([Decimal("1.5"), Decimal(2), Decimal(3)], False, "numbers"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [list, np.array, pd.Series, lambda y: np.array(y, object)[:, np.newaxis]])
@pytest.mark.filterwarnings("ignore:A column-vector y")
def test_classes_or_numbers(y: list[Any], is_classes: bool, code: str, kind: Any) -> None:
    target = infer_target(kind(y))
    assert (target.is_classes, target.code) == (is_classes, code)
    assert target.values.shape == (len(y),) and (is_classes or target.values.dtype == np.float64)


def test_the_task_overrules() -> None:
    assert infer_target([0, 1, 0, 1], "regress").values.tolist() == [0, 1, 0, 1]
    assert infer_target(["1.5", "2"], "regress").values.tolist() == [1.5, 2]
    assert infer_target(["$1,200", "$2.50"], "regress").values.tolist() == [1200, 2.5]
    assert infer_target([2.5, 1.0], "classify")[::2] == (True, "fractions")
    assert infer_target(np.arange(30), "classify")[::2] == (True, "whole-numbers")


@pytest.mark.parametrize(
    ("y", "sentences"),
    [
        (["a", "b"], []),
        (["yes", "no", "Yes"], ["the classes Yes, yes of 'y' differ only in upper and lower case"]),
        ([0, 1, 0, 1], []),
        ([0, 1, 2, 3] * 3, ["the 4 whole numbers of 'y' are taken for classes; if these are counts"]),
        (list(range(26)) * 5, ["the 26 whole numbers of 'y' are taken for classes; if these are counts"]),
        (
            list(range(40, 80)) * 5,
            ["the 40 whole numbers of 'y' are taken for a quantity; if they are"],
        ),
        (list(range(80)) * 4, []),
        ([0, 1, 2] + [0, 1] * 3, []),  # the 2 occurs once, and is left out
        (SLIPS, ["the values of 'y' are taken for classes, but are numbers, but for texts such as 'many' and 'few'"]),
        (["1,5", "2,5"] * 9, ["the values of 'y' are taken for classes, but are numbers with a comma, such as '1,5'"]),
    ],
    ids=str,
)
def test_doubtful_classes_are_described(y: list[Any], sentences: list[str]) -> None:
    described = render_diagnostics(describe_target(infer_target(y), "y"))
    assert len(described) == len(sentences)
    assert all(now.startswith(begin) for now, begin in zip(described, sentences, strict=True))


@pytest.mark.parametrize(
    ("y", "task", "sentence"),
    [
        ([1.0, np.nan], "auto", "the target is missing in row 1"),
        (["a", None], "auto", "the target is missing in row 1"),
        (pl.Series([1, None]), "auto", "the target is missing in row 1"),
        (np.zeros((2, 2)), "auto", r"the target has the shape \(2, 2\); give one value for each row"),
        ([1.0, np.inf], "regress", "the target is infinite in some rows"),
        (["1", "dear"], "regress", "the target holds texts such as 'dear', where numbers are needed"),
        ([*map(str, range(40)), "dear"], "auto", "the target holds numbers, but for texts such as 'dear'; correct"),
        ([f"$1,{n}" for n in range(100, 140)] + ["ask us"], "auto", "but for texts such as 'ask us'; correct"),
        *(
            (
                [form.format(n) for n in range(20, 50)],
                task,
                "the target holds numbers with a comma, .* give --decimal ,",
            )
            for form in ("1.2{},50 €", "{},5 %", "{},25", "EUR 1.3{},00", "(1.4{},50)")
            for task in ("auto", "regress")
        ),
        ([f"1.{n},50" for n in range(200, 230)] + ["1,234.50"], "auto", "the target holds numbers in several forms"),
        (np.array(["2026-11-20"], "M8[D]"), "auto", "the target holds datetime64"),
    ],
)
def test_bad_targets_are_refused(y: Any, task: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        infer_target(y, task)


def test_values_of_several_types_are_texts() -> None:
    assert validate_target(["a", 1, 2.5, True]).tolist() == ["a", "1", "2.5", "True"]


@given(st.lists(st.integers(-3, 3), min_size=1))
def test_classes_match_however_they_are_written(numbers: list[int]) -> None:
    for y in (numbers, list(map(float, numbers)), list(map(str, numbers)), [f"{number}.0" for number in numbers]):
        names, unknown = to_class_names(y, np.arange(-3, 4))
        assert names.tolist() == list(map(str, numbers)) and unknown == []
