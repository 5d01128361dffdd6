import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.tables.cell_diagnosis import diagnose_texts, how_to_write
from deltarule.tables.cell_parsing import (
    MAX_SHOWN_CHARACTERS,
    Unclear,
    is_missing,
    is_number,
    shorten,
    shorten_repr,
    strip_missing,
    to_float64_by_repr,
)

lengths = st.integers(0, 1000)


@pytest.mark.parametrize(
    ("texts", "what"),
    [
        (["1", "2", "3", "?"], "numbers, but for '?' in row 3 (counted from 0)"),
        (["1", "2", "much", ""], "numbers, but for 'much' in row 2 (counted from 0)"),
        (["1", "2", "3"], ""),
        (["1", "red"], ""),
        (["1.234,50", "-7,5", "8"], "numbers with a comma, such as '1.234,50', to be written 1234.50"),
        (["1,500", "2,250"], "numbers with a comma, such as '1,500', to be written 1500 or 1.500"),
        (["1,234,567", "2,345,678"], "numbers with a comma, such as '1,234,567', to be written 1234567"),
        (["5%", "10 %", "", "7"], "numbers with a sign, such as '5%', to be written 5"),
        (["$1,000.00", "-$7"], "numbers with a sign, such as '$1,000.00', to be written 1000.00"),
        (["1,234.56", "12"], ""),
        (["1,234.56", "9,876.50"], "numbers with a sign, such as '1,234.56', to be written 1234.56"),
        (["1.234,50 €", "€7"], "numbers with a sign, such as '1.234,50 €', to be written 1234.50"),
        (["5%", "6%", "much"], "numbers with a sign, but for 'much' in row 2 (counted from 0)"),
        (["1", "inf", "2"], "numbers, but for 'inf' in row 1 (counted from 0)"),
        (["1,5", "2,5", "", "large"], "numbers with a comma, but for 'large' in row 3 (counted from 0)"),
        (["1,234,567", "some"], ""),
        (["1", "2", "7 kg"], "numbers, but for '7 kg' in row 2 (counted from 0), to be written 7"),
        (["1", "2", "1,500"], "numbers, but for '1,500' in row 2 (counted from 0), to be written 1500 or 1.500"),
        (["1.234.567", "2.345.678"], "numbers with a point, such as '1.234.567', to be written 1234567"),
        ([Unclear("1.616"), "x"][:1], "numbers with a point, such as '1.616', to be written 1616 or 1.6160"),
        (["1 234", "12 345"], "numbers with a sign, such as '1 234', to be written 1234"),
        (["1\u202f234,50 €", "7 €"], "numbers with a sign, such as '1\u202f234,50 €', to be written 1234.50"),
        (["12.50 EUR", "7 EUR"], "numbers with a sign, such as '12.50 EUR', to be written 12.50"),
        (["USD 1,000.00", "USD 7"], "numbers with a sign, such as 'USD 1,000.00', to be written 1000.00"),
        (["(1.50)", "($7)"], "numbers with a sign, such as '(1.50)', to be written -1.50"),
        (["1'234.50", "7"], ""),
        (["1'234.50", "CHF 7"], 'numbers with a sign, such as "1\'234.50", to be written 1234.50'),
        (["1'234,50", "2\u2019500,25"], 'numbers with a sign, such as "1\'234,50", to be written 1234.50'),
        (["1:23:45", "0:00:01.5"], "numbers with a colon, such as '1:23:45', to be written 5025"),
        (["1:23:45", "-0:59:00", "x"], "numbers with a colon, but for 'x' in row 2 (counted from 0)"),
        (["12:30", "12:31"], ""),
        (["5'11", "6'02"], ""),
        (["UAL 123", "KLM 456"], ""),
        (["12 34", "(none)"], ""),
        (["2026-11-20 10:00", "2026-11-20", "", "later"], "dates"),
        (["20.11.2026", "1/2/03"], "dates"),
        (["2013-01-01T06:00:00Z", "2013-01-01 06:00:00.5+01:00"], "dates"),
        (["2012/01/01", "2012.01.01", "2012/1/1", "17-08-1984", "12/31/1999 5:00 PM", "1/2/26 5:00"], "dates"),
        (["Jan 05, 2020", "5 Jan 2020", "05-Jan-20", "Jan-1-1995", "January 5, 2020", "05JAN2020"], "dates"),
        (["05/Jan/2020:06:00:00 +0100", "2012-Jan-05", "5. May 2020"], "dates"),
        (["2026-01-06-12.00.00.000000", "2026-11-20-05:00", "1875-03-04"], "dates"),
        (["2026-11-20/2026-11-30", "2026-11-20.", "20.11.2026. 12:00"], "dates"),
        (["2026-11-20\t12:00", "20.11.2026\u00a012:00", "2026-11-20 (perhaps)", "2026-11-20; 12:00"], "dates"),
        (["10.1.2.3"], ""),
        ([], ""),
    ],
)
def test_what_texts_are_meant_as(texts: list[str], what: str) -> None:
    assert diagnose_texts(np.array(texts, object)) == what


@pytest.mark.parametrize(
    ("write", "shown"),
    [
        ("{} kg", "'60 kg', to be written 60"),
        ("{}kg", "'60kg', to be written 60"),
        ("{}.5 km/h", "'60.5 km/h', to be written 60.5"),
        ("{},5 kr", "'60,5 kr', to be written 60.5"),
        ("-{} °C", "'-60 °C', to be written -60"),
        ("1,2{} sq. ft.", "'1,260 sq. ft.', to be written 1260 or 1.260"),
        ("{} m²", "'60 m²', to be written 60"),
        ("{}.2K", "'60.2K', to be written 60.2"),
        ("US${}", "'US$60', to be written 60"),
        ("R$ {}.20", "'R$ 60.20', to be written 60.20"),
        ("₹{}", "'₹60', to be written 60"),
        ("{} ₽", "'60 ₽', to be written 60"),
        ("{},5K", "'60,5K', to be written 60.5"),
        ("{} ¢", "'60 ¢', to be written 60"),
        ("{}.5°", "'60.5°', to be written 60.5"),
        ("{}.5 m3", "'60.5 m3', to be written 60.5"),
        ("-A${}", "'-A$60', to be written -60"),
    ],
)
def test_numbers_with_a_unit(write: str, shown: str) -> None:
    """Where nearly all have the same, and there are many different ones."""
    texts = [write.format(n) for n in range(60, 80)]
    assert diagnose_texts(np.array(["", *texts], object)) == f"numbers with a unit, such as {shown}"
    odd = "numbers with a unit, but for '~ 50' in row 20 (counted from 0)"
    assert diagnose_texts(np.array([*texts, "~ 50", "70"], object)) == odd
    assert diagnose_texts(np.array(texts[:9] * 5, object)) == ""
    assert diagnose_texts(np.array(texts[:10] * 5, object)) == f"numbers with a unit, such as {shown}"
    assert diagnose_texts(np.array([*texts, *["some", "more", "less"]], object)) == ""


@pytest.mark.parametrize(
    "write",
    ["A{}", "Q{}", "{}B", "{}th", "{}st", "{}TH", "{} a", "v{}.2", "Room {}", "No. {}", "1.2.{} beta", "0{}AB", "{}-A"]
    + ["{}:30 h", "{}/80 points", "{} Jan 2026", "{}x{}", "k_{}", "{}_k", "#{}", "{}?", "{} (old)", "Python 3.{}"],
)
def test_codes_are_no_numbers_with_a_unit(write: str) -> None:
    assert "unit" not in diagnose_texts(np.array([write.format(n, n) for n in range(60, 80)], object))


def test_units_that_differ_are_told() -> None:
    texts = [f"{n}.5K" for n in range(60, 80)]
    assert diagnose_texts(np.array([*texts, "1.5M"], object)).endswith(
        "with a unit, but for '1.5M' in row 20 (counted from 0)"
    )
    for units in ("kg", "lb"), ("MATH", "PHYS"), ("Jan", "Feb"):
        assert diagnose_texts(np.array([f"{n} {units[n % 2]}" for n in range(60, 80)], object)) == ""


@pytest.mark.parametrize("value", [pd.NA, pd.NaT, np.datetime64("NaT"), np.ma.masked])
def test_each_way_to_say_that_nothing_is_known_is_missing(value: object) -> None:
    assert is_missing(value)


@pytest.mark.parametrize(("text", "is_said"), [(" NA ", ""), ("\t?", ""), (" NA 1 ", "NA 1"), ("red", "red")])
def test_spaces_around_what_a_cell_says_say_nothing(text: str, is_said: str) -> None:
    assert strip_missing(text) == is_said


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_number_is_called_the_same_in_every_width(dtype: str) -> None:
    assert to_float64_by_repr(np.array([0.1, 2.5], dtype)).tolist() == [0.1, 2.5]


@pytest.mark.parametrize(
    "text", ["1,5", "1.234,50", "$7", "5 %", "1 234", "(12.50 EUR)", "1.234.567", "7 kg", "R$ 5", "1,5K"]
)
def test_how_to_write_what_is_a_number_but_for_a_sign(text: str) -> None:
    told = how_to_write(text).removeprefix(", to be written ")
    assert is_number(told) and how_to_write(told) == how_to_write("red") == ""


@pytest.mark.parametrize("text", ["3B", "1st", "A7", "k7", "7?", "2 of 3", "7 (old)", ""])
def test_what_may_be_a_code_is_not_told_how_to_write(text: str) -> None:
    assert how_to_write(text) == ""


@given(st.text(st.characters(categories=["L", "P"]), max_size=MAX_SHOWN_CHARACTERS))
def test_what_is_not_very_long_is_shown_as_it_stands(text: str) -> None:
    assert (shorten(text), shorten_repr(text)) == (text, repr(text))


@given(st.text("'\"\\ab\n\t\x1b\u202e", max_size=9))
def test_quotes_are_those_of_python(text: str) -> None:
    assert shorten_repr(text) == repr(text)


@pytest.mark.parametrize("word", ["اندازه\u200cها", "👩\u200d🔬", "a\u00a0b"])
def test_a_name_is_shown_as_files_have_it(word: str) -> None:
    assert (shorten(word), shorten_repr(word)) == (word, f"'{word}'")


@given(lengths, lengths)
def test_very_long_texts_that_differ_at_an_end_are_shown_short_and_differ(before: int, after: int) -> None:
    one, other = (shorten("o" * before + letter + "o" * after) for letter in "ab")
    assert (one != other) == (
        before + after + 1 <= MAX_SHOWN_CHARACTERS or min(before, after) < MAX_SHOWN_CHARACTERS // 2 - 3
    )
    assert len(one) == min(before + after + 1, MAX_SHOWN_CHARACTERS)


def test_nothing_in_a_text_that_is_shown_commands_a_terminal() -> None:
    assert shorten("a\n\x1b[2J") == r"a\n\x1b[2J"
