from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.tables.column_encoder import encode_columns, fit_columns
from deltarule.tables.column_types import infer_column_types
from deltarule.tables.dates import are_dates, date_parts
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
