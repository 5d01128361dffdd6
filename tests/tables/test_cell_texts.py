"""Cells: numbers, codes, names of categories, and categories that are written differently."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.tables.cell_texts import MISSING, as_text, match_categories, shorten, shorten_repr


def test_missing_texts_are_those_of_pandas() -> None:
    from pandas._libs.parsers import STR_NA_VALUES

    assert MISSING == STR_NA_VALUES | {"?"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.0, "2"),
        (np.int64(-7), "-7"),
        (0.1, "0.1"),
        (Decimal("1.50"), "1.5"),
        (True, "True"),
        (np.bool_(False), "False"),
        (None, ""),
        (float("nan"), ""),
        (datetime(2026, 11, 20, 6, 30), "2026-11-20 06:30:00"),
    ],
)
def test_category_names(value: Any, text: str) -> None:
    assert as_text(value) == text


@given(st.lists(st.text(st.sampled_from("0123456789.aTRUE "), max_size=5)), st.sets(st.text("01.a", max_size=3)))
def test_known_categories_stay(texts: list[str], categories: set[str]) -> None:
    matched = match_categories([*texts, *categories], categories)
    assert matched[len(texts) :] == [*categories]
    assert all(now == before or now in categories for now, before in zip(matched, texts, strict=False))


@pytest.mark.parametrize(
    ("text", "categories", "match"),
    [
        ("2.0", ["1", "2"], "2"),
        ("2", ["1.0", "2.0"], "2.0"),
        ("01", ["1", "2"], "01"),
        ("1.5", ["1.50", "2.00"], "1.50"),
        ("TRUE", ["True", "False"], "True"),
        ("1", ["True", "False"], "True"),
        ("False", ["0", "1"], "0"),
        ("1", ["1.0", "True"], "1"),  # which of them is meant is not clear
        ("2026-11-20 00:00:00", ["2026-11-20"], "2026-11-20"),
    ],
)
def test_differently_written_categories(text: str, categories: list[str], match: str) -> None:
    assert match_categories([text], categories) == [match]


def test_long_texts_are_cut_in_the_middle() -> None:
    assert shorten("a" * 500 + "\nb") == "a" * 100 + " … " + "a" * 95 + "\\nb"
    assert shorten_repr("it's \\") == r'''"it's \\"'''
