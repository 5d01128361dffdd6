import numpy as np
import pytest

from deltarule.tables.cell_diagnosis import diagnose_texts


@pytest.mark.parametrize(
    "text",
    [
        *("1.2.3", "1.12.4", "10.1.2", "v1.10.12", "192.168.10.12"),  # versions, and an address
        *("0049-170-1234567", "555-123-4567", "01-23-45-67", "06.12.34.56.78", "030/123456"),  # phones
        *("2012-AB", "MAR1234", "12MAR3456", "12-3456-78", "123-45-6789", "A-1-2020", "2020-01-01-0013"),  # codes
        *("10-12", "2012-2013", "2012-13-45", "99-10-1234", "1234/56", "12:30", "2020-01"),
        *("5 marbles 2020", "maybe 1, 2020", "May 5 99 bottles", "5-7-12, 3 pieces", "DEC-12-34", "1 Mar 12"),
        *("4711/1/2", "3000/10/12", "12-10-2345", "2-3-10:5", "99.99.99", "85.10.20", "2019.2.17", "2023.10.11.4"),
    ],
)
def test_what_only_resembles_a_date_is_none(text: str) -> None:
    assert diagnose_texts(np.array([text] * 3, object)) != "dates"


@pytest.mark.parametrize(
    "form", ["{}-11-20", "{}/Nov/20", "{}.11.20", "20.11.{}", "11/20/{}", "20 Nov {}", "Nov 20, {}"]
)
@pytest.mark.parametrize(("year", "is_one"), [(1799, False), (1800, True), (1899, True), (2099, True), (2100, False)])
def test_days_of_three_centuries_are_dates(form: str, year: int, is_one: bool) -> None:
    assert (diagnose_texts(np.array([form.format(year)] * 3, object)) == "dates") is is_one


@pytest.mark.parametrize(
    "codes",
    [
        [f"20{19 + n % 6}.{n % 3 + 1}.{n % 20}" for n in range(60)],  # versions
        [f"{n % 20}.{n % 13}.{n % 17}" for n in range(60)],
        [f"{8 + n % 13}-{n % 11}-{29 - n % 13 - n % 11}" for n in range(60)],  # games won, drawn and lost
        [f"{10 + n % 13}-{n % 7}-{28 - n % 13 - n % 7}" for n in range(60)],
        ["5-10-12", "10-12-16", "12-12-17", "20-10-10", "10-20-10"],  # fertilizers
        [f"01-{n % 9 + 1:02}-{n % 4 + 10}" for n in range(60)],  # parts
        [f"{n % 40:02}-{n % 17:02}-{n % 50:02}" for n in range(60)],
        [f"{8400 + n % 87}.{n % 12 + 1}.{n % 31}" for n in range(60)],  # tariffs
        [f"{n % 40 + 1:02}.{n % 12 + 1:02}.{n % 31 + 10}" for n in range(60)],
    ],
)
def test_codes_that_resemble_dates_here_and_there_are_none(codes: list[str]) -> None:
    assert diagnose_texts(np.array(codes, object)) == ""


@pytest.mark.parametrize("behind", ["", " 12:30", ", 9:05:00.5", "\t7.30", "\u00a07 pm", "T12:30:00Z"])
@pytest.mark.parametrize("form", ["{0}.{1}.{2}", "{0:02}.{1:02}.{2}", "{0:02}-{1:02}-{2}", "{1:02}-{0:02}-{2}"])
def test_years_of_two_digits_make_dates_where_all_days_fit_and_some_are_beyond_twelve(form: str, behind: str) -> None:
    days = [form.format(n % 28 + 1, n % 12 + 1, 24 + n % 3) + behind for n in range(28)]
    assert (
        diagnose_texts(np.array(days, object))
        == diagnose_texts(np.array([*days, "2026-11-20", "later"], object))
        == "dates"
    )
    of_twelve = [form.format(n % 12 + 1, n % 5 + 1, 24) + behind for n in range(28)]
    assert diagnose_texts(np.array(of_twelve, object)) == diagnose_texts(np.array([*days, "12-31-7"], object)) == ""
