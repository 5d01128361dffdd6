from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pytest
from pyarrow import csv, parquet

from deltarule.errors import BadInput
from deltarule.tables.category_matching import match_categories
from deltarule.tables.cell_diagnosis import describe_first_text
from deltarule.tables.cell_parsing import as_text, lossless_array
from deltarule.tables.frame import count_rows, frame_of, row_numbers_of, select_rows
from deltarule.tables.reader import read_frame


def test_numbers_that_pandas_calls_categories_are_texts() -> None:
    assert frame_of(pd.DataFrame({"code": pd.Categorical([7, 8, 7])}))["code"].tolist() == ["7", "8", "7"]
    rates = pd.Series([0.1, 1.1], dtype="float32").astype("category")
    assert frame_of(pd.DataFrame({"rate": rates}))["rate"].tolist() == ["0.1", "1.1"]


def test_a_table_of_arrow_is_a_frame() -> None:
    table = pyarrow.table({"a": [1, None, 3], "b": ["x", None, "y"]})
    frame = frame_of(table)
    np.testing.assert_array_equal(frame["a"], [1, np.nan, 3])
    assert frame["b"].tolist() == ["x", "", "y"]


def test_rows_that_were_taken_know_their_numbers() -> None:
    frame = frame_of({"a": np.arange(9.0), "b": np.array(list("abcdefghi"), object)})
    part = select_rows(frame_of(select_rows(frame, frame["a"] > 3)), [1, 4])
    assert row_numbers_of(part).tolist() == part["a"].tolist() == [5, 8]
    assert describe_first_text(part["b"], row_numbers=row_numbers_of(part)) == "'f' in row 5 (counted from 0)"


DURATIONS = pd.to_timedelta(["1 days", None, "00:00:01.5"])


@pytest.mark.parametrize(
    "given_",
    [
        DURATIONS,
        DURATIONS.astype("m8[ms]"),
        DURATIONS.astype(object),
        pyarrow.table({"a": pyarrow.array(DURATIONS)}),
        pd.DataFrame({"a": DURATIONS}).convert_dtypes(dtype_backend="pyarrow"),
        DURATIONS.to_numpy()[:, None],
        [timedelta(days=1), None, timedelta(seconds=1.5)],
        [np.timedelta64(1, "D"), np.timedelta64("NaT"), np.timedelta64(1500, "ms")],
    ],
    ids=["ns", "ms", "objects", "arrow", "pandas with arrow", "array", "list", "list of NumPy's"],
)
def test_durations_are_numbers_of_seconds(given_: Any) -> None:
    [column] = frame_of({"a": given_} if isinstance(given_, pd.Index | list) else given_).values()
    np.testing.assert_array_equal(column, [86400.0, np.nan, 1.5])


def test_durations_are_exact_to_the_nanosecond_and_may_be_months() -> None:
    column = pyarrow.array([1, None, 2], pyarrow.duration("ns"))
    np.testing.assert_array_equal(frame_of(pyarrow.table({"a": column}))["a"], [1e-9, np.nan, 2e-9])
    months = frame_of({"a": np.array([12, 24], "m8[M]")})["a"]
    np.testing.assert_allclose(months, [365.2425 * 86400, 2 * 365.2425 * 86400])


OBJECTS = [
    (timedelta.max, 86_400e9),
    (timedelta(microseconds=1), 1e-6),
    (pd.Timedelta("1ns"), 1e-9),
    (np.timedelta64(1500, "ns"), 1.5e-6),
    (np.timedelta64(1, "Y"), 365.2425 * 86_400),
    (np.timedelta64(10**15, "D"), 86_400e15),
    (np.timedelta64(7), 7),
]


@pytest.mark.parametrize("duration,seconds", OBJECTS, ids=str)
def test_durations_as_objects_are_exact_one_by_one(duration: Any, seconds: float) -> None:
    """Whatever the others are."""
    column = np.array([duration, None, timedelta(1), np.timedelta64("NaT")], object)
    np.testing.assert_allclose(frame_of({"a": column})["a"], [seconds, np.nan, 86_400, np.nan], rtol=1e-14)
    np.testing.assert_allclose(frame_of({"a": [duration, None]})["a"], [seconds, np.nan], rtol=1e-14)


@pytest.mark.parametrize(
    ("unit", "second"),
    [("W", 1 / 604_800), ("D", 1 / 86_400), ("h", 1 / 3600), ("m", 1 / 60), ("s", 1), ("ms", 1e3), ("us", 1e6)]
    + [("ns", 1e9), ("ps", 1e12), ("fs", 1e15), ("as", 1e18), ("25s", 1 / 25), ("Y", 1 / 365.2425 / 86_400)],
)
def test_durations_of_every_unit_are_seconds_however_long(unit: str, second: float) -> None:
    counts = np.array([0, 1, -3, 2**53, 2**62])
    durations = np.append(counts.astype(f"m8[{unit}]"), np.timedelta64("NaT"))
    np.testing.assert_allclose(frame_of({"a": durations})["a"], np.append(counts / second, np.nan), rtol=1e-14)


def test_durations_that_are_names_are_texts() -> None:
    """As the categories of earlier models have them."""
    assert frame_of({"a": DURATIONS}, ["a"])["a"].tolist() == ["1 day, 0:00:00", "", "0:00:01.500000"]
    assert frame_of({"a": pd.Categorical(DURATIONS[:1])})["a"].tolist() == ["1 day, 0:00:00"]


class LazyFrame:
    """As of Polars, whose columns are not there yet."""

    columns = ("a",)


class DuckDBPyRelation(LazyFrame):
    """As of DuckDB."""


class Structs(list[dict[str, int]]):
    """As a series of Polars whose values have fields."""

    dtype = "Struct({'u': Int64})"


def test_rows_without_names_are_numbered() -> None:
    frame = frame_of(np.eye(2))
    assert list(frame) == ["x0", "x1"] and count_rows(frame) == 2
    assert select_rows(frame, [1])["x1"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        (np.zeros(3), "the table has 1 axes"),
        ({"a": [1.0], "b": [1.0, 2.0]}, "the columns have different lengths \\(a 1, b 2\\)"),
        ({"a": [1.0, np.inf]}, "the column 'a' is infinite in row 1"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "several columns are named 'a'"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), "several columns are named '1'; give each one name"),
        ({"z": 1.0, "c": "a"}, "the column 'z' is a single value; give a list, with one value for each row"),
        ({"a": [1, 10**400]}, "the column 'a' is infinite in row 1 .counted from 0.; replace it"),
        ({"a": [-(10**400), 1]}, "the column 'a' is infinite in row 0 "),
        (
            {"a": [[1], [1, 2]]},
            r"the column 'a' holds '\[1\]' in row 0 .counted from 0.; give a number or a text there",
        ),
        ({"a": [np.zeros(2), np.zeros((2, 2))]}, r"the column 'a' holds '\[0. 0.\]' in row 0 "),
        (
            {"a": np.array([1j, 2])},
            "Complex data not supported: the column 'a' holds complex numbers; give their parts",
        ),
        ({"a": [1 + 2j, None]}, "the column 'a' holds complex numbers"),
        (1j * np.eye(2), "the column 'x0' holds complex numbers"),
        (LazyFrame(), r"the table is a LazyFrame, whose rows are still to be fetched; give X.collect\(\)$"),
        (DuckDBPyRelation(), r"the table is a DuckDBPyRelation, .*; give X.df\(\)$"),
        (pyarrow.table({"a": [1]}).to_reader(), r"the table is a RecordBatchReader, .*; give X.read_all\(\)$"),
        (pd.DataFrame({"a": [1]}).to_records(), r"the table is an array of records; give .* pandas.DataFrame\(X\)$"),
        (np.ma.array([(1, 2.0)], dtype=[("a", int), ("b", float)]), "the table is an array of records"),
        ({"s": Structs([{"u": 1}])}, r"the column 's' holds several values in each row; .* as X.unnest\('s'\) does$"),
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
    with pytest.raises(BadInput, match="several columns are named 'size'"):
        frame_of({"size": [1.0], "size ": [2.0]})


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
    assert match_categories(files, ours) == ours and match_categories(ours, files) == files
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


@pytest.mark.parametrize("kind", [pyarrow.int8(), pyarrow.uint8(), pyarrow.int64(), pyarrow.uint64()], ids=str)
def test_categories_of_arrow_are_looked_up_where_they_are(kind: Any) -> None:
    """Though NumPy's numbers of that kind go no further, and some are missing."""
    last = min(255, 2 ** (kind.bit_width - ("u" not in str(kind))) - 1)
    names = [f"n{n}" for n in range(last + 1)]
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([last, None, 0], kind), pyarrow.array(names))
    assert frame_of(pyarrow.table({"a": column}))["a"].tolist() == [names[last], "", "n0"]
    assert frame_of(pyarrow.table({"a": column[:0]}))["a"].tolist() == []


@pytest.mark.parametrize("place", [-1, 2, 3, 127])
def test_categories_that_arrow_does_not_have_are_refused(place: int) -> None:
    places = pyarrow.array([0, None, place], pyarrow.int8())
    column = pyarrow.DictionaryArray.from_arrays(places, pyarrow.array(["red", "blue"]), safe=False)
    with pytest.raises(ValueError, match="a row has a text that"):
        frame_of(pyarrow.table({"a": column}))


def test_days_of_years_that_python_does_not_know_are_texts() -> None:
    table = pyarrow.table({"until": pyarrow.array([0, 10**7], pyarrow.int32()).cast(pyarrow.date32())})
    assert frame_of(table)["until"].tolist() == ["1970-01-01", "29349-01-26"]


def test_the_rows_numbers_of_pandas_are_no_column_of_arrow_either() -> None:
    table = pyarrow.Table.from_pandas(pd.DataFrame({"a": [1.5, 2.5]}, index=[4, 2]))
    assert "__index_level_0__" in table.column_names
    assert list(frame_of(table)) == ["a"]


NAN = float("nan")
LONG = [2**53, 2**53 + 1]
"""Two whole numbers that are one float64."""


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([True, NAN, False], ["True", "", "False"]),
        (["a", NAN, None], ["a", "", ""]),
        ([timedelta(seconds=1), "a", None], ["0:00:01", "a", ""]),
        ([*LONG, NAN], ["9007199254740992", "9007199254740993", ""]),
        ([2**63 + 1, 2**63 + 2, 1], ["9223372036854775809", "9223372036854775810", "1"]),
        (pd.array([*LONG, pd.NA], "Int64"), ["9007199254740992", "9007199254740993", ""]),
        (pd.Series([*LONG, pd.NA], dtype="Int64"), ["9007199254740992", "9007199254740993", ""]),
        (list(map(Decimal, LONG)), ["9007199254740992", "9007199254740993"]),
        (np.ma.array([True, False, True], mask=[False, True, False]), ["True", "", "True"]),
        (np.ma.array(["a", "b"], mask=[True, False]), ["", "b"]),
        (np.ma.array(["2026-11-20", "2026-11-21"], "M8[ns]", mask=[True, False]), ["", "2026-11-21"]),
    ],
    ids=str,
)
def test_values_stay_what_they_are(values: Any, texts: list[str]) -> None:
    """In lists, beside gaps, as decimals and below masks."""
    assert frame_of({"a": values})["a"].tolist() == texts


@pytest.mark.parametrize("infinite", [np.inf, -np.inf, np.float32(np.inf), Decimal("Infinity")], ids=repr)
@pytest.mark.parametrize("names", [[], ["a"]], ids=["number", "category"])
def test_what_is_infinite_is_no_name_either(infinite: Any, names: list[str]) -> None:
    for given_ in ([1, 2, infinite], [None, Decimal("0.5"), infinite]):
        for values in (given_, pd.Series(given_, dtype=object)):
            with pytest.raises(BadInput, match="the column 'a' is infinite in row 2"):
                frame_of({"a": values}, names)


def test_decimals_have_one_zero() -> None:
    zeros = [Decimal("-0"), Decimal(0), Decimal("-0.00"), Decimal("-1.50")]
    assert frame_of({"a": zeros}, ["a"])["a"].tolist() == ["0", "0", "0.00", "-1.50"]


def test_names_of_numbers_beside_gaps_are_numbers() -> None:
    np.testing.assert_array_equal(frame_of({"a": pd.Series([1, 2, None], dtype=object)}, ["a"])["a"], [1, 2, np.nan])


@pytest.mark.parametrize("sign", [-1, 1])
def test_whole_numbers_of_arrow_beside_gaps_stay_different(sign: int) -> None:
    numbers = [sign * one for one in LONG]
    assert frame_of(pyarrow.table({"a": [*numbers, None]}))["a"].tolist() == [*map(str, numbers), ""]


def test_decimals_of_arrow_are_as_different_as_those_of_a_text() -> None:
    table = pyarrow.table({"a": pyarrow.array([Decimal(one) for one in (*LONG, 7)] + [None])})
    assert frame_of(table)["a"].tolist() == ["9007199254740992", "9007199254740993", "7", ""]
    cents = pyarrow.table({"a": pyarrow.array([Decimal("1.50"), Decimal("2.00"), None])})
    np.testing.assert_array_equal(frame_of(cents)["a"], [1.5, 2, np.nan])


def test_what_a_mask_hides_is_missing() -> None:
    hidden = np.ma.array([[1.0, -9999.0], [3.0, 4.0]], mask=[[False, True], [False, False]])
    for given_ in (hidden, {"x0": hidden[:, 0], "x1": hidden[:, 1]}):
        np.testing.assert_array_equal(frame_of(given_)["x1"], [np.nan, 4])
        assert frame_of(given_)["x0"].tolist() == [1, 3]


@pytest.mark.parametrize(
    "held", [[["a"], ["b", "c"]], [("x", 1), ("y", 2)], [{"b": 1}, {"b": 2}]], ids=["lists", "tuples", "dicts"]
)
def test_what_a_data_frame_holds_is_a_text(held: list[Any]) -> None:
    assert frame_of(pd.DataFrame({"a": held}))["a"].tolist() == [str(one) for one in held]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([1.5, NAN], "f8"), ([1, 2], "i8"), ([1, 2.5], "f8"), ([np.float64(1), 2.0], "f8"), ([*LONG, 0.5], "O")],
    ids=str,
)
def test_lists_of_numbers_are_arrays_of_numbers(values: list[Any], dtype: str) -> None:
    """Which saves looking at them one by one; but for whole numbers that would become one."""
    assert lossless_array(values).dtype == dtype


def test_numbers_of_any_length_are_names() -> None:
    """Python itself writes no whole number of more than 4,300 digits."""
    assert frame_of({"a": [10**5000, 1]}, ["a"])["a"].tolist() == ["1" + "0" * 5000, "1"]


def test_what_a_mask_hides_is_missing_in_a_list_too() -> None:
    np.testing.assert_array_equal(frame_of({"a": list(np.ma.array([1.0, 2], mask=[0, 1]))})["a"], [1, np.nan])


@pytest.mark.parametrize(
    "rates",
    [
        [np.float32(0.1), np.float32(1.1), None],
        pd.Series([np.float32(0.1), np.float32(1.1), None], dtype=object),
        np.ma.array(np.array([0.1, 1.1, 7], np.float32), mask=[0, 0, 1]),
        pyarrow.array(np.array([0.1, 1.1], np.float32)).dictionary_encode(),
        pd.Series(np.array([0.1, 1.1, np.nan], np.float32)).astype("category"),
    ],
    ids=["list", "objects", "mask", "arrow", "category"],
)
def test_fractions_of_few_digits_are_so_called_wherever_they_stand(rates: Any, tmp_path: Path) -> None:
    frames = [frame_of(pyarrow.table({"r": rates}) if isinstance(rates, pyarrow.Array) else {"r": rates}, ["r"])]
    if isinstance(rates, pd.Series) and rates.dtype == "category":
        rates.to_frame("r").to_parquet(tmp_path / "r.parquet")
        frames.append(read_frame(tmp_path / "r.parquet", ["r"]))
    for frame in frames:
        assert [as_text(one) for one in frame["r"].tolist()][:2] == ["0.1", "1.1"]


@pytest.mark.parametrize("narrow", [np.float32, "Float32"])
def test_fractions_of_few_digits_are_called_as_they_are_written(narrow: Any, tmp_path: Path) -> None:
    rates = pd.DataFrame({"rate": pd.Series([0.1, 1.1, None]).astype(narrow)})
    rates.to_parquet(tmp_path / "r.parquet")
    for frame in (frame_of(rates, ["rate"]), read_frame(tmp_path / "r.parquet", ["rate"])):
        assert [as_text(one) for one in frame["rate"].tolist()] == ["0.1", "1.1", ""]


@pytest.mark.parametrize("narrow", [np.float16, np.float32])
def test_numbers_of_few_digits_are_the_same_in_all_forms_of_a_table(narrow: Any, tmp_path: Path) -> None:
    """To the last bit, as NumPy and scikit-learn widen them."""
    rates = np.array([0.1, 1.1, 2**15], narrow)
    table = pyarrow.table({"a": rates})
    parquet.write_table(table, tmp_path / "a.parquet")
    forms = [rates, list(rates), np.ma.array(rates), pd.Series(rates), pd.Series(rates, dtype=object)]
    frames = [frame_of({"a": form}) for form in forms] + [frame_of(table), read_frame(tmp_path / "a.parquet")]
    for frame in frames:
        np.testing.assert_array_equal(frame["a"], rates.astype(np.float64))
    gaps = pyarrow.table({"a": pyarrow.array([*rates, None], table["a"].type)})
    masked = np.ma.array([*rates, 7], narrow, mask=[0, 0, 0, 1])
    for form in (gaps, {"a": masked}, {"a": [*rates, None]}):
        np.testing.assert_array_equal(frame_of(form)["a"], [*rates.astype(np.float64), np.nan])


def test_decimals_are_called_as_they_are_written(tmp_path: Path) -> None:
    """As Arrow writes them into a CSV file."""
    prices = pyarrow.table(
        {
            "a": pyarrow.array([Decimal("1.50"), Decimal("2.00"), None, Decimal("9.90")], pyarrow.decimal128(9, 2)),
            "b": pyarrow.array([Decimal("1E-9"), Decimal(3), None, Decimal("0.5")], pyarrow.decimal128(20, 10)),
        }
    )
    parquet.write_table(prices, tmp_path / "p.parquet")
    csv.write_csv(prices, tmp_path / "p.csv")
    files = [read_frame(tmp_path / f"p.{ending}", ["a", "b"]) for ending in ("csv", "parquet")]
    told = {"a": ["1.50", "2.00", "", "9.90"], "b": ["1.0E-9", "3.0000000000", "", "0.5000000000"]}
    for frame in (*files, frame_of(prices, ["a", "b"]), frame_of(prices.to_pandas(), ["a", "b"])):
        assert {name: column.tolist() for name, column in frame.items()} == told
    assert match_categories(told["a"], ["1.5", "2", "9.9", ""]) == [
        "1.5",
        "2",
        "",
        "9.9",
    ]  # as models of before call them


@pytest.mark.parametrize("dtype", ["Int64", "int64[pyarrow]"])
def test_negative_whole_numbers_of_pandas_beside_gaps_stay_different(dtype: str) -> None:
    values = pd.Series([*(-one for one in LONG), None], dtype=dtype)
    assert frame_of({"a": values})["a"].tolist() == ["-9007199254740992", "-9007199254740993", ""]
