"""Tables in memory: data frames of several libraries, mappings and arrays."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from deltarule.errors import BadInput
from deltarule.tables.frame import Frame, frame_of


def plain(frame: Frame) -> dict[str, list[object]]:
    return {name: [None if one != one else one for one in column.tolist()] for name, column in frame.items()}


COLUMNS: dict[str, Any] = {"size": [1.5, None, 2.0], "color": ["red", None, "NA"], "ok": [True, False, None]}
CONVERTED = {"size": [1.5, None, 2.0], "color": ["red", "", ""], "ok": ["True", "False", ""]}


@pytest.mark.parametrize("table", [dict, pd.DataFrame, pl.DataFrame, pl.LazyFrame, pa.table])
def test_frames_of_all_libraries(table: Any) -> None:
    assert plain(frame_of(table(COLUMNS))) == CONVERTED


@pytest.mark.parametrize(
    ("values", "converted"),
    [
        ([1, 2, None], [1.0, 2.0, None]),
        ([1, 2.5, True], ["1", "2.5", "True"]),
        ([Decimal("1.5"), None], [1.5, None]),
        (np.array([0.5, 2], np.float32), [0.5, 2.0]),
        (np.ma.array([1.0, 2.0], mask=[False, True]), [1.0, None]),
        (pd.array([1, None], "Int64"), [1.0, None]),
        (pd.Series([1.5, 2.5], index=[7, 3]), [1.5, 2.5]),
        (pd.Series([2, 1, None]).astype("category"), ["2", "1", ""]),
        (pd.Series(["b", None]).astype("category"), ["b", ""]),
        (pd.to_timedelta([90, None], "s"), [90.0, None]),
        (pd.to_datetime(["2026-11-20 06:30", None]), ["2026-11-20 06:30:00", ""]),
        ([" a ", "?", 2.0], ["a", "", "2"]),
        (["1", "2"], ["1", "2"]),  # texts in a frame are meant to be texts
        ([None, None], [None, None]),
    ],
    ids=str,
)
def test_columns(values: Any, converted: list[object]) -> None:
    assert plain(frame_of({"a": values}))["a"] == converted


def test_rows_have_numbered_columns() -> None:
    assert list(frame_of(np.eye(2))) == list(frame_of([[1, "a"], [2, "b"]])) == ["x0", "x1"]


def test_records_are_rows() -> None:
    records = [{"a": 1.0, "b": "x"}, {"a": 2.0, "b": "y"}]
    frame = pd.DataFrame(records)
    for table in (records, frame.to_records(index=False), list(frame.itertuples(index=False))):
        assert plain(frame_of(table)) == {"a": [1.0, 2.0], "b": ["x", "y"]}


def test_names_are_texts_without_spaces() -> None:
    assert list(frame_of(pd.DataFrame({" size": [1.0], 3: [2.0]}))) == ["size", "3"]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (np.zeros(3), "the table has 1 axes; give a data frame, or an array of rows and columns"),
        ({"a": [1.0], "b": [1.0, 2.0]}, r"the columns have different lengths \(a 1, b 2\)"),
        ({"a": np.array([1j, 2])}, "Complex data not supported: the column 'a' holds complex numbers"),
        (pd.DataFrame([[1, 2]], columns=["a", "a "]), "several columns are named 'a'"),
    ],
)
def test_bad_tables_are_refused(table: Any, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        frame_of(table)
