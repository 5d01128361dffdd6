"""Numbers as people write them, and columns that are not read because they can be read in two ways."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.tables.number_forms import NumberForm, has_number_form, is_number, may_be_thousands, parse_numbers

finite = st.floats(allow_nan=False, allow_infinity=False)
cents = st.integers(-(10**12), 10**12)


def numbers_of(texts: list[str], decimal: str = "", thousands: str = "") -> list[float] | None:
    parsed = parse_numbers(texts, decimal, thousands)
    return None if parsed is None else parsed.numbers.tolist()


@given(st.lists(finite))
def test_numbers_are_parsed_to_the_last_bit(numbers: list[float]) -> None:
    parsed = parse_numbers([repr(number) for number in numbers] + [""])
    assert parsed is not None and parsed.example == ""
    np.testing.assert_array_equal(parsed.numbers, [*numbers, np.nan])


@given(st.lists(cents, min_size=1), st.sampled_from([*",'’ \u202f."]), st.sampled_from(["", "$", "€"]))
def test_amounts_come_back_whatever_separates_thousands(amounts: list[int], mark: str, currency: str) -> None:
    decimal = "," if mark == "." else "."
    texts = [f"{amount / 100:,.2f}".replace(".", "_").replace(",", mark).replace("_", decimal) for amount in amounts]
    texts = [f"{text} {currency}" if currency == "€" else currency + text for text in texts]
    parsed = numbers_of(texts, decimal)
    assert parsed == numbers_of(texts, decimal, mark if mark != "\u202f" and mark != "’" else "")
    assert parsed == [float(f"{amount / 100:.2f}") for amount in amounts]


@given(st.lists(cents, min_size=1))
def test_accountants_write_negative_amounts_in_parentheses(amounts: list[int]) -> None:
    texts = [f"({-amount:,})" if amount < 0 else f"{amount:,}" for amount in amounts]
    assert numbers_of(texts) == amounts


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["($45.00)", "-$3", "$-3", "$ 2"], [-45, -3, -3, 2]),
        (["22.1%", "3 %"], [22.1, 3]),
        (["2.2K", "950", "3M", "1.5 B"], [2200, 950, 3e6, 1.5e9]),
        (["12,34,567", "1,000"], [1234567, 1000]),  # India
        (["45.00-", "3"], [-45, 3]),
        (["−5", "1e3"], [-5, 1000]),
        ([".5 EUR", "20 EUR"], [0.5, 20]),
        (["$1", "2"], [1, 2]),
        (["12 kg", "3.5kg", "1,200 kg"], [12, 3.5, 1200]),
        (["37 °C", "-4°C", "12"], [37, -4, 12]),
        (["1 day", "3 days"], [1, 3]),
        (["£1.19m", "£850k"], [1_190_000, 850_000]),
        (["€1.19M", "850K €", "3 bn €", "900,000 €"], [1_190_000, 850_000, 3e9, 900_000]),
        (["1.19m", "850k"], [1_190_000, 850_000]),
        (["2 million", "3 thousand"], [2e6, 3000]),
        (["1.8m", "1.75 m"], [1.8, 1.75]),  # metres
        (["12 mm", "5 mm"], [12, 5]),
        (["0:00:05", "1:02:03"], [5, 3723]),
        (["58:12", "1:02:03"], [3492, 3723]),  # minutes, as of runners
        (["9:05", "23:59"], [32_700, 86_340]),
        (["12:10 am", "3:05 PM"], [600, 54_300]),
        (["1h 20m", "45m", "2 h 5 min", "1 hour"], [4800, 2700, 7500, 3600]),
        (["1m20s", "45.5 s"], [80, 45.5]),
        (["–5", "‑3", "－1.5", "2"], [-5, -3, -1.5, 2]),
        (["'52.1", "48"], [52.1, 48]),  # Excel's mark of a text
        (["650万", "1.2亿元", "900"], [6.5e6, 1.2e8, 900]),
        (["3 Mrd. €", "250 Mio. €", "12 Tsd. €"], [3e9, 2.5e8, 12_000]),
        (["12 тыс. руб.", "3 млн руб"], [12_000, 3e6]),
        (["950 €", "1.345 €", "-1.200 €", "3.010 €", ""], [950, 1345, -1200, 3010]),  # points between thousands
        (["EUR 1.234.567", "EUR 950.000"], [1_234_567, 950_000]),
        (["1.234.567", "950"], [1_234_567, 950]),
        (["1.459 €", "1.399 €", "1.500 €"], [1.459, 1.399, 1.5]),  # a litre
        (["6.342 kg", "5.119 kg"], [6.342, 5.119]),
        (["6.342 kg", "5 kg"], [6.342, 5]),
        (["0.950 €", "1.345 €", "12.010 €", "3 €"], [0.95, 1.345, 12.01, 3]),
    ],
)
def test_forms(texts: list[str], numbers: list[float]) -> None:
    parsed = parse_numbers(texts)
    assert parsed is not None
    np.testing.assert_allclose(parsed.numbers[: len(numbers)], numbers, rtol=1e-15)


@pytest.mark.parametrize(
    "texts",
    [
        ["1,234", "1,5"],  # the comma separates thousands, or is the decimal point
        ["1,234", "0,123"],
        ["1,234", "1'234"],
        ["22%", "0.22"],
        ["$5", "€5"],
        ["1,2345"],
        ["1_2"],
        ["0x10"],
        ["--5"],
        ["(5"],
        ["one"],
        ["5 kg", "5 km"],
        ["12A", "13A"],  # may be codes
        ["12b", "13b"],
        ["1.8m", "12 kg"],
        ["16:9", "4:3"],
        ["3:75"],
        ["192.168.100.101", "192.168.100.102"],
        ["20m", "5kg"],
        ["10–20", "20–30"],
    ],
)
def test_texts_without_one_form_are_no_numbers(texts: list[str]) -> None:
    assert parse_numbers(texts) is None


def test_a_decimal_comma_leaves_points_to_thousands() -> None:
    parsed = parse_numbers(["862", "1.345", "2.207,5"], ",")
    assert parsed is not None and parsed.numbers.tolist() == [862, 1345, 2207.5] and parsed.example == "1.345"
    assert parse_numbers(["1.345", "12.5"], ",") is None


@pytest.mark.parametrize("text", ["1_2", "1,5", "5 %", "", "0x10", "one"])
def test_other_texts_are_no_plain_numbers(text: str) -> None:
    assert not is_number(text)
    assert has_number_form(text) == (text in ("1,5", "5 %"))


def test_points_that_may_separate_thousands() -> None:
    thousands = [f"{number:,}".replace(",", ".") for number in range(600, 3000, 70)]
    assert may_be_thousands(thousands)
    assert not may_be_thousands([f"{number / 1000:.3f}" for number in range(600, 3000, 70)])
    assert not may_be_thousands([f"{number / 1000:g}" for number in range(600, 3000, 70)])


def test_ten_weights_with_three_digits_have_points_between_thousands() -> None:
    texts = [f"{number:,} kg".replace(",", ".") for number in range(600, 3000, 70)]
    assert numbers_of(texts) == [*range(600, 3000, 70)]
    assert numbers_of(texts, ".")[-1] == 2.98


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["95.0%"], NumberForm("%")),
        (["£5", "7"], NumberForm("£")),
        (["£5k"], NumberForm("£", has_magnitudes=True)),
        (["1 day", "2 days"], NumberForm("day")),
        (["1:30"], NumberForm("h:m")),
        (["5", "6.5"], NumberForm()),
        (["5 m"], NumberForm("m")),
        (["5h 10m"], NumberForm("h:m")),
        (["1.345.000 €"], NumberForm("€", ",", ".")),
    ],
)
def test_form_of_a_column(texts: list[str], form: NumberForm) -> None:
    parsed = parse_numbers(texts)
    assert parsed is not None and parsed.form == form


def test_m_is_a_million_where_a_model_has_learned_amounts() -> None:
    for form in (NumberForm("£"), NumberForm(has_magnitudes=True)):
        parsed = parse_numbers(["1.2m"], expected=form)
        assert parsed is not None and parsed.numbers.tolist() == [1_200_000]


def test_minutes_alone_are_a_duration_where_a_model_has_learned_durations() -> None:
    parsed = parse_numbers(["20m"], expected=NumberForm("h:m"))
    assert parsed is not None and parsed.numbers.tolist() == [1200]
