import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.data.cells import LONGEST_SHOWN, Unclear, how_to_write, is_number, meant, shortened, shown

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
        (["1", "2", "1,500"], "numbers, but for '1,500' in row 2 (counted from 0), to be written 1500 or 1.500"),
        (["1.234.567", "2.345.678"], "numbers with a point, such as '1.234.567', to be written 1234567"),
        ([Unclear("1.616"), "x"][:1], "numbers with a point, such as '1.616', to be written 1616 or 1.6160"),
        (["1 234", "12 345"], "numbers with a sign, such as '1 234', to be written 1234"),
        (["1\u202f234,50 €", "7 €"], "numbers with a sign, such as '1\u202f234,50 €', to be written 1234.50"),
        (["12.50 EUR", "7 EUR"], "numbers with a sign, such as '12.50 EUR', to be written 12.50"),
        (["USD 1,000.00", "USD 7"], "numbers with a sign, such as 'USD 1,000.00', to be written 1000.00"),
        (["(1.50)", "($7)"], "numbers with a sign, such as '(1.50)', to be written -1.50"),
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
    assert meant(np.array(texts, object)) == what


@pytest.mark.parametrize("text", ["1,5", "1.234,50", "$7", "5 %", "1 234", "(12.50 EUR)", "1.234.567"])
def test_how_to_write_what_is_a_number_but_for_a_sign(text: str) -> None:
    told = how_to_write(text).removeprefix(", to be written ")
    assert is_number(told) and how_to_write(told) == how_to_write("red") == ""


@given(st.text(st.characters(categories=["L", "P"]), max_size=LONGEST_SHOWN))
def test_what_is_not_very_long_is_shown_as_it_stands(text: str) -> None:
    assert (shown(text), shortened(text)) == (text, repr(text))


@given(st.text("'\"\\ab\n\t\x1b\u202e", max_size=9))
def test_quotes_are_those_of_python(text: str) -> None:
    assert shortened(text) == repr(text)


@pytest.mark.parametrize("word", ["اندازه\u200cها", "👩\u200d🔬", "a\u00a0b"])
def test_a_name_is_shown_as_files_have_it(word: str) -> None:
    assert (shown(word), shortened(word)) == (word, f"'{word}'")


@given(lengths, lengths)
def test_very_long_texts_that_differ_at_an_end_are_shown_short_and_differ(before: int, after: int) -> None:
    one, other = (shown("o" * before + letter + "o" * after) for letter in "ab")
    assert (one != other) == (before + after + 1 <= LONGEST_SHOWN or min(before, after) < LONGEST_SHOWN // 2 - 3)
    assert len(one) == min(before + after + 1, LONGEST_SHOWN)


def test_nothing_in_a_text_that_is_shown_commands_a_terminal() -> None:
    assert shown("a\n\x1b[2J") == r"a\n\x1b[2J"
