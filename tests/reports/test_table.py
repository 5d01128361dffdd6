"""Tables on terminals of any width and in Markdown, and lists of names with texts."""

import io
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from deltarule.reports.table import Pairs, TableColumn, table

TEXTS = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp"]))
HEAD = ["optimizer.learning_rate", TableColumn("layers", is_text=True), "least_of_all", "rows"]
CELLS = [["1.234e-07", "784-100-10 and many words", "0.9000", "1,200"], ["0.1", "auto-8-auto", "-5.9e+105", "5"]]


def printed(renderable, width=80):
    file = io.StringIO()
    Console(file=file, width=width, highlight=False).print(renderable)
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= width and "…" not in text
    return text


@pytest.mark.parametrize("width", [24, 40, 60, 75, 90])
def test_no_number_is_broken_and_no_letter_is_lost_at_any_width(width):
    text = printed(table(HEAD, CELLS), width)
    assert ("─" in text) == (width >= 40)
    assert {number for first, _, *others in CELLS for number in (first, *others)} <= {*text.split()}
    names = [column if isinstance(column, str) else column.name for column in HEAD]
    for told in (*names, *(row[1] for row in CELLS)):
        assert not Counter(told.replace(" ", "")) - Counter(text)


@pytest.mark.parametrize("width", [33, 59])
def test_pairs_lose_no_letter_at_any_width(width):
    told = [("mean absolute error", "-1.234e+105 and 5.678e-112"), ("R²", "0.913 on 1,234,567 rows")]
    assert sorted(printed(Pairs(told), width).split()) == sorted(" ".join(map(" ".join, told)).split())


SIDES = {
    False: ["0.5", "-3", "\N{MINUS SIGN}3", "+.5", "(2 to 3)", "< 0.001", "≥ 5", "≈ 1", "±0.1", "½", "-inf", "inf"]
    + ["∞", "nan", "$5", "1e-3", "12 %", "[20, 7]"],
    True: ["plum", "'3 rooms'", '"3 rooms"', "<b>seen</b>", "–", "", "(none)", "$x^2$", "infant", "h1"],
}


@pytest.mark.parametrize(("cell", "is_text"), [(cell, is_text) for is_text, cells in SIDES.items() for cell in cells])
def test_a_column_without_a_number_has_texts(cell, is_text):
    assert table(["column"], [[cell], ["–"]]).columns[0].is_text == is_text


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(TEXTS, min_size=n, max_size=n), min_size=1)))
def test_every_line_of_markdown_has_as_many_cells_as_the_header(rows):
    lines = table([f"column {number}" for number in range(len(rows[0]))], rows).markdown().splitlines()
    assert len(lines) == 2 + len(rows)
    for line in lines:
        assert line.replace("\\|", "").count("|") == len(rows[0]) + 1


def test_columns_of_numbers_are_right_aligned():
    shown = printed(table(["class", "rows"], [["plum", 12], ["sweet cherry", 7]]))
    assert shown.split("\n")[2:4] == ["plum            12", "sweet cherry     7"]
