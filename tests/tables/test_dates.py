from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses

from deltarule.tables.column_encoder import encode_columns, fit_columns, numbers_of_column
from deltarule.tables.column_types import infer_column_types
from deltarule.tables.dates import ORDERS, are_dates, date_order, date_parts, parse_dates, resolve_order
from deltarule.tables.frame import frame_of

DAYS = pd.Timestamp("2026-01-01") + pd.to_timedelta(range(60), "D")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["2026-11-20", "2026-11-21 10:00", "2026-11-21T10:00:00Z"], True),
        (["20 Nov 2026", "Nov 21, 2026"], True),
        (["13/05/2026", "25/05/2026", "02/05/2026"], True),
        (["02/05/2026", "03/05/2026"], True),
        (["5-10-12", "1.2.10", "A2010-1", "BMW 2002"], False),
        (["31/12/21", "1/2/21", "31.12.21", "31-Dec-21"], True),
        (["9999-12-31", "2021-01-01", "never"], True),
        (["1.2.10", "1.2.11", "1.10.2"], False),
        (["10:30", "11:45", "12:00"], False),
        (["2021-13-01", "2021-02-30", "99/99/2021"], False),
        (["20210131", "20210131 12:30"], True),
        (["2020年10月15日", "2020년 10월 5일"], True),
        (["gut, aber 3 mal 2020", "schlecht 2 mal 2021"], False),
    ],
)
def test_dates(texts: list[str], expected: bool) -> None:
    assert are_dates(texts) == expected


@given(st.lists(st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1)), min_size=1, max_size=5))
def test_parts_are_those_of_the_calendar(dates: list[datetime]) -> None:
    parts = date_parts(tuple(date.isoformat() for date in dates))
    whole = [[date.year, date.month, date.weekday()] for date in dates]
    assert np.stack([parts[name] for name in ("year", "month", "weekday")], axis=1).tolist() == whole
    seconds = [(date.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() for date in dates]
    np.testing.assert_allclose(parts["days"], np.array(seconds) / 86400, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        (DAYS, ["month", "weekday", "days"]),
        ([f"2026-01-{n % 9 + 1:02}" for n in range(60)], ["weekday", "days"]),
        ([f"2026-01-01 {n % 24}:00" for n in range(60)], ["hour", "days"]),
    ],
    ids=["days", "days that come again", "hours"],
)
def test_a_column_of_dates_is_its_parts_that_differ(values: Any, parts: list[str]) -> None:
    columns = infer_column_types(frame_of({"when": values}))
    assert [(column.part, column.origin, column.code) for column in columns.values()] == [
        (part, "when", "date") for part in parts
    ]
    assert infer_column_types(frame_of({"when": values}), {"when": "category"})["when"].kind == "category"


def test_parts_are_encoded_as_numbers_and_missing_dates_marked() -> None:
    frame = frame_of({"when": [*DAYS, None]})
    columns = fit_columns(frame, infer_column_types(frame).values())
    x, names = encode_columns(columns, frame), [name for column in columns for name in column.inputs]
    assert x[:, names.index("when: days is missing")].tolist() == [0.0] * 60 + [1.0]
    days = x[:60, names.index("when: days")]
    np.testing.assert_allclose(np.diff(days), np.diff(days)[0])


dates = st.datetimes(datetime(1970, 1, 1), datetime(2068, 12, 31))


@given(
    st.lists(dates, min_size=1, max_size=5),
    st.sampled_from(ORDERS),
    st.sampled_from("/-."),
    st.sampled_from(["%Y", "%y"]),
    st.sampled_from(["", " %H:%M", " %H:%M:%S", " %I:%M %p"]),
)
def test_dates_are_parsed_in_their_order(days: list[datetime], order: str, mark: str, year: str, time: str) -> None:
    form = mark.join(["%d", "%m", year] if order == "day-first" else ["%m", "%d", year]) + time
    for day in days:
        text = day.strftime(form)
        assert parse_dates([text], order) == {text: datetime.strptime(text, form)}


@pytest.mark.parametrize(
    "form", ["%d %b %Y", "%d-%b-%y", "%B %d, %Y", "%b %d, %Y %H:%M", "%Y/%m/%d", "%d %B %Y", "%a, %d %b %Y"]
)
@given(day=dates)
def test_named_months_need_no_order(form: str, day: datetime) -> None:
    text = day.strftime(form)
    for order in (*ORDERS, ""):
        assert parse_dates([text], order) == {text: datetime.strptime(text, form)}


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["01/02/2021", "31/12/2021"], "day-first"),
        (["01/02/2021", "12/31/2021"], "month-first"),
        (["01.02.2021", "02.02.2021"], "day-first"),
        (["01/01/2021", "01/02/2021", "01/03/2021"], "day-first"),  # the first of each month
        (["1/1/2021", "2/1/2021", "3/1/2021"], "month-first"),
        (["01/02/2021", "05/06/2021"], "open"),
        (["31/12/2021", "12/31/2021"], "mixed"),
        (["2021-02-01", "5 May 2021"], ""),
    ],
)
def test_order_of_a_column(texts: list[str], order: str) -> None:
    assert date_order(texts) == order


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        (["27-Mai-2019", "17-Mär-2019", "16-Okt-2019"], " de"),
        (["27 mai 2019", "17 mars 2019", "16 octobre 2019"], " fr"),
        (["lundi 27 mai 2019", "17 mars 2019", "16 oct. 2019"], " fr"),
        (["27-may-19", "17-mar-19", "16-oct-19", "1-ene-19"], " es"),
        (["27 de maio de 2019", "17 de março de 2019", "16 de outubro de 2019"], " pt"),
        (["27. svibnja 2019.", "17. ožujka 2019.", "16. listopada 2019."], " hr"),
        (["27. května 2019", "17. března 2019", "16. října 2019"], " cs"),
        (["27 мая 2019 г.", "17 марта 2019 г.", "16 октября 2019 г."], " ru"),
        (["27. toukokuuta 2019", "17. maaliskuuta 2019", "16. lokakuuta 2019"], " fi"),
    ],
)
def test_months_are_read_in_the_language_of_their_column(texts: list[str], order: str) -> None:
    assert are_dates(texts)
    assert resolve_order("'when'", texts) == order
    dates = parse_dates(texts, order)
    assert [dates[text].strftime("%m-%d") for text in texts[:3]] == ["05-27", "03-17", "10-16"]


def test_new_rows_have_the_months_of_the_training() -> None:
    days = [f"{day}. {month} 2019." for day in range(1, 13) for month in ("svibnja", "ožujka", "listopada")]
    frame = frame_of({"when": days})
    fitted = fit_columns(frame, infer_column_types(frame).values())
    [month] = [column for column in fitted if column.part == "month"]
    new = {"when": np.array(["3. listopad 2020."], object)}  # November in Polish and Czech
    assert numbers_of_column(month, new).tolist() == [10.0]


SECONDS = 1.5e9 + 40_000.0 * np.arange(60)


@pytest.mark.parametrize(
    ("name", "numbers", "is_date"),
    [
        ("day", 20210100.0 + np.arange(1, 31), True),
        ("day", [f"202101{day:02}" for day in range(1, 31)], True),
        ("day", 20210100.0 + np.arange(1, 40), False),  # no January 32
        ("day", 20210100.0 + np.arange(1, 9), False),  # too few
        ("t", SECONDS, True),
        ("t", 1000 * SECONDS, True),
        ("t", 100 * SECONDS, False),
        ("t", SECONDS + 0.5, False),
        ("order_id", SECONDS, False),
        ("n", 1.5e9 + np.arange(60.0), False),  # counted
    ],
)
def test_numbers_that_are_dates(name: str, numbers: Any, is_date: bool) -> None:
    frame = frame_of({name: numbers, "beside": np.arange(0.5, len(numbers))})
    columns = infer_column_types(frame)
    assert (f"{name}: days" in columns) == is_date
    if is_date:
        fitted = fit_columns(frame, columns.values())
        [days] = [column for column in fitted if column.part == "days"]
        unit = 86_400_000 if name == "t" and numbers[0] > 1e12 else 86_400
        first = 18628.0 if name == "day" else numbers[0] / unit
        np.testing.assert_allclose(numbers_of_column(days, frame)[0], first, atol=1e-6)


def types_of(**columns: list[str]) -> dict[str, Any]:
    return infer_column_types(frame_of(columns))


def test_open_orders_are_asked_for() -> None:
    few = [f"{n % 9 + 1:02}/{n % 7 + 1:02}/2021" for n in range(60)]
    with refuses("when", "--dates"):
        types_of(when=few)
    for order in ORDERS:
        assert infer_column_types(frame_of({"when": few}), dates=order)["when: days"].order == order
    beside = types_of(when=few, other=[f"{n % 28 + 1}/02/2021" for n in range(60)])  # a table has one order
    assert beside["when: days"].order == "day-first"
    with refuses("US", "day-first", "month-first"):
        infer_column_types(frame_of({"when": few}), dates="US")
    mixed = types_of(when=[*few, "31/12/2021", "12/31/2021"], other=["x", "y"] * 31)
    assert mixed["when"].code == "mixed-dates"


def test_new_rows_are_read_in_the_order_of_the_training() -> None:
    written = [day.strftime("%d/%m/%Y") for day in DAYS]
    iso = [day.strftime("%Y-%m-%d") for day in DAYS]
    (columns, expected), (known, _) = (
        (columns, encode_columns(columns, frame))
        for frame in (frame_of({"when": written}), frame_of({"when": iso}))
        for columns in [fit_columns(frame, infer_column_types(frame).values())]
    )
    np.testing.assert_array_equal(encode_columns(columns, frame_of({"when": written[:5]})), expected[:5])
    np.testing.assert_array_equal(encode_columns(columns, frame_of({"when": iso})), expected)
    np.testing.assert_array_equal(encode_columns(known, frame_of({"when": written})), expected)
    with refuses("when", "12/31/2026"):
        encode_columns(columns, frame_of({"when": ["12/31/2026"]}))
    with refuses("01/02/2026"):
        encode_columns(known, frame_of({"when": ["01/02/2026"]}))


def test_far_dates_are_missing() -> None:
    texts = ["9999-12-31", "0001-01-01", "31.12.9999", "2026-01-01"]
    np.testing.assert_array_equal(np.isnan(date_parts(tuple(texts), "day-first")["days"]), [True, True, True, False])
    frame = frame_of({"when": [*DAYS, *texts[:2]]})
    assert {column.gaps for column in fit_columns(frame, infer_column_types(frame).values())} == {True}
    assert types_of(when=["9999-12-31"] * 30 + ["9999-12-30"] * 30, x=["a", "b"] * 30)["when"].code == "empty"


def test_order_without_a_column() -> None:
    assert resolve_order("'time'", ["01/02/2021"], "month-first") == "month-first"


def test_texts_among_dates_are_categories_and_parts_may_be_declared() -> None:
    ends = [day.strftime("%Y-%m-%d") if n % 3 else "never" for n, day in enumerate(DAYS)]
    frame = frame_of({"end": ends, "end: days": range(0, 300, 5)})
    types = infer_column_types(frame, {"end: month": "category", "end: weekday": "unused"})
    kinds = {name: column.kind for name, column in types.items()}
    assert kinds == {
        "end: month": "category",
        "end: weekday": "unused",
        "end: days (date)": "number",  # the name is taken
        "end: text": "category",
        "end: days": "number",
    }
    columns = fit_columns(frame, types.values())
    names = [name for column in columns for name in column.inputs]
    x = dict(zip(names, encode_columns(columns, frame).T, strict=True))
    is_never = np.array(ends) == "never"
    np.testing.assert_array_equal(x["end: text=never"], is_never)
    np.testing.assert_array_equal(x["end: text=a date"], ~is_never)
    np.testing.assert_array_equal(x["end: month=2"], [day.month == 2 for day in DAYS] & ~is_never)
    np.testing.assert_array_equal(x["end: days (date) is missing"], is_never)
    with refuses("end: century"):
        infer_column_types(frame, {"end: century": "number"})
