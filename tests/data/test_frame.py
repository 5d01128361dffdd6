from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pytest

from deltarule.data.cells import as_named, first_text
from deltarule.data.frame import frame_of, numbers_of_rows, rows_of, taken
from deltarule.data.frame_files import read_frame
from deltarule.errors import BadInput


def test_numbers_that_pandas_calls_categories_are_texts() -> None:
    assert frame_of(pd.DataFrame({"code": pd.Categorical([7, 8, 7])}))["code"].tolist() == ["7", "8", "7"]


def test_a_table_of_arrow_is_a_frame() -> None:
    table = pyarrow.table({"a": [1, None, 3], "b": ["x", None, "y"]})
    frame = frame_of(table)
    np.testing.assert_array_equal(frame["a"], [1, np.nan, 3])
    assert frame["b"].tolist() == ["x", "", "y"]


def test_rows_that_were_taken_know_their_numbers() -> None:
    frame = frame_of({"a": np.arange(9.0), "b": np.array(list("abcdefghi"), object)})
    part = taken(frame_of(taken(frame, frame["a"] > 3)), [1, 4])
    assert numbers_of_rows(part).tolist() == part["a"].tolist() == [5, 8]
    assert first_text(part["b"], rows=numbers_of_rows(part)) == "'f' in row 5 (counted from 0)"


def test_rows_without_names_are_numbered() -> None:
    frame = frame_of(np.eye(2))
    assert list(frame) == ["x0", "x1"] and rows_of(frame) == 2
    assert taken(frame, [1])["x1"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        (np.zeros(3), "the table has 1 axes"),
        ({"a": [1.0], "b": [1.0, 2.0]}, "the columns have different lengths \\(a 1, b 2\\)"),
        ({"a": [1.0, np.inf]}, "the column 'a' is infinite in row 1"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "several columns are named 'a'"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), "several columns are named '1'; give each one name"),
        ({"z": 1.0, "c": "a"}, "the column 'z' is a single value; give a list, with one value for each row"),
        ([{"z": 1.0}, {"z": 2.0}], "the table is a list of dictionaries; give a data frame"),
    ],
)
def test_a_bad_table_is_told_in_a_sentence(given_: object, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        frame_of(given_)


def test_batches_of_arrow_are_tables_and_columns_of_one_name_are_refused() -> None:
    batch = pyarrow.record_batch({"a": pyarrow.array([1.0, None]), "b": pyarrow.array(["x", None])})
    frame = frame_of(batch)
    np.testing.assert_array_equal(frame["a"], [1.0, np.nan])
    assert frame["b"].tolist() == ["x", ""]
    with pytest.raises(BadInput, match="several columns are named 'a'"):
        frame_of(pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array([2])], ["a", "a"]))


def test_names_are_taken_as_those_of_files() -> None:
    assert list(frame_of({" size": [1.0], "color ": ["red"]})) == ["size", "color"]
    with pytest.raises(BadInput, match="several columns are named 'size'"):
        frame_of({" size": [1.0], "size": [2.0]})


def test_a_day_has_no_time_and_a_time_has_a_day() -> None:
    days = pd.Series(pd.to_datetime(["2026-11-20", "2026-11-21 06:30"], format="mixed"))
    assert frame_of({"day": days})["day"].tolist() == ["2026-11-20", "2026-11-21 06:30:00"]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_to_fractions_of_a_second_are_those_of_their_file(unit: str, tmp_path: Path) -> None:
    """pandas writes 3, 6 or 9 digits, as the finest of the column needs; names of either are known by the other."""
    fine = {"ms": ["10:00:00.1", "11:00:00.25"], "us": ["10:00:00.000001"], "ns": ["10:00:00.1", "10:00:00.100000001"]}
    times = pd.DataFrame(
        {"at": pd.to_datetime([f"2026-11-20 {time}" for time in ["00:00:00", *fine[unit]]], format="mixed"), "b": 1}
    )
    times.to_csv(tmp_path / "t.csv", index=False)
    ours, files = frame_of(times)["at"].tolist(), read_frame(tmp_path / "t.csv")["at"].tolist()
    assert ours != files and len(set(ours)) == len(times)
    assert as_named(files, ours) == ours and as_named(ours, files) == files
    missing = frame_of({"at": pd.Series([*times["at"], None])})["at"].tolist()
    assert missing == [*ours, ""]


@pytest.mark.parametrize("held", [[1.0, np.inf], [[1], [2, 3]], [1 + 2j, 0j]], ids=str)
def test_what_a_column_holds_that_is_not_used_is_all_the_same(held: list[Any]) -> None:
    frame = frame_of({"a": [1.0, 2.0], "b": pd.Series(held)}, is_used=lambda name: name != "b")
    assert frame["a"].tolist() == [1, 2] and frame["b"].tolist() == ["", ""]
    twice = pd.DataFrame([[1.0, 2, 3]], columns=["a", "b", "b"])
    assert list(frame_of(twice, is_used=lambda name: name == "a")) == ["a", "b"]


def test_bytes_are_the_texts_that_they_hold() -> None:
    table = pyarrow.table({"a": pyarrow.array([b"p", "grün".encode(), b"\xff", None, b"NA"])})
    assert frame_of(table)["a"].tolist() == ["p", "grün", "\\xff", "", ""]
    assert frame_of(table.to_pandas())["a"].tolist() == ["p", "grün", "\\xff", "", ""]


def test_categories_of_arrow_are_names_though_they_are_numbers() -> None:
    table = pyarrow.table({"code": pd.Categorical([7, 8, 7])})
    assert str(table.schema.field("code").type).startswith("dictionary<values=int64")
    assert frame_of(table)["code"].tolist() == ["7", "8", "7"]


def test_days_of_years_that_python_does_not_know_are_texts() -> None:
    table = pyarrow.table({"until": pyarrow.array([0, 10**7], pyarrow.int32()).cast(pyarrow.date32())})
    assert frame_of(table)["until"].tolist() == ["1970-01-01", "29349-01-26"]


def test_the_rows_numbers_of_pandas_are_no_column_of_arrow_either() -> None:
    table = pyarrow.Table.from_pandas(pd.DataFrame({"a": [1.5, 2.5]}, index=[4, 2]))
    assert "__index_level_0__" in table.column_names
    assert list(frame_of(table)) == ["a"]
