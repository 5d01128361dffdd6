import contextlib
import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from deltarule.errors import BadInput
from deltarule.tables.cell_parsing import MISSING, as_text
from deltarule.tables.column_parsers import numbers_in
from deltarule.tables.frame import Frame, frame_of
from deltarule.tables.reader import read_frame, takes_commas

MIXED = pd.DataFrame(
    {
        "number": [1.5, np.nan, -2.0],
        "whole": pd.array([1, None, 3], "Int64"),
        "text": ["red", None, "blau, grün"],
        "yes": [True, False, True],
    }
)
AS_READ = {
    "number": [1.5, None, -2.0],
    "whole": [1.0, None, 3.0],
    "text": ["red", "", "blau, grün"],
    "yes": ["True", "False", "True"],
}


def plain(frame: Frame) -> dict[str, list[object]]:
    return {name: [None if one != one else one for one in column.tolist()] for name, column in frame.items()}


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_a_file_reads_like_the_frame_that_was_written(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"table.{ending}"
    if ending == "parquet":
        MIXED.to_parquet(path)
    else:
        MIXED.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",", encoding="utf-8")
    assert plain(read_frame(path)) == plain(frame_of(MIXED)) == AS_READ


def test_decimals_are_numbers_and_dates_are_texts_whatever_their_unit(tmp_path: Path) -> None:
    table = {"paid": [Decimal("1.5"), None, Decimal(2)], "day": np.array(["2026-11-20", "NaT", "1969-07-21"], "M8[D]")}
    frames = [frame_of(table | {"day": table["day"].astype(f"M8[{unit}]")}) for unit in ("s", "ms", "us", "ns")]
    pd.DataFrame(table | {"day": table["day"].astype("M8[ns]")}).to_parquet(tmp_path / "table.parquet")
    for frame in (*frames, read_frame(tmp_path / "table.parquet")):
        assert plain(frame)["paid"] == [1.5, None, 2.0]
        assert [text[:10] for text in frame["day"]] == ["2026-11-20", "", "1969-07-21"]


@given(st.lists(st.floats(allow_infinity=False), min_size=1))
def test_numbers_come_back_from_csv_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "numbers.csv"
    path.write_text("a,b\n" + "".join(f"{number!r},1\n" for number in numbers), encoding="utf-8")
    np.testing.assert_array_equal(read_frame(path)["a"], numbers)


@given(
    numbers=st.lists(st.floats(allow_infinity=False, allow_nan=False), min_size=1),
    ending=st.sampled_from(["csv", "tsv"]),
)
def test_numbers_with_a_decimal_comma_come_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float], ending: str
) -> None:
    """As pandas writes them where a comma is the decimal sign: 1.5 among them says that none means thousands."""
    path = tmp_path_factory.mktemp(ending) / f"numbers.{ending}"
    table = pd.DataFrame({"a": [1.5, *numbers], "b": 1})
    table.to_csv(path, index=False, sep=";" if ending == "csv" else "\t", decimal=",")
    np.testing.assert_array_equal(read_frame(path)["a"], table["a"])


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["1,5", "", "-7", "+0,25", "1,5e3"], [1.5, None, -7.0, 0.25, 1500.0]),
        (["0,125", "1,500"], [0.125, 1.5]),  # no thousand begins with 0
        (["1,500", "2,250"], ["1,500", "2,250"]),
        (["1.234,5", "2,5"], [1234.5, 2.5]),
        (["4.979,34", "-1.234.567,125", "823"], [4979.34, -1234567.125, 823.0]),
        (["4.979,340", "", "1,500"], [4979.34, None, 1.5]),
        (["4.979,34", "1.500"], ["4.979,34", "1.500"]),  # which alone would be read as 1.5
        (["4.979,34", "1.5"], ["4.979,34", "1.5"]),
        (["0.979,34", "1,5"], ["0.979,34", "1,5"]),
        (["4979.340,5", "1,5"], ["4979.340,5", "1,5"]),
        (["4,979.34", "12.5"], ["4,979.34", "12.5"]),
        (["1.5", "2,5"], ["1.5", "2,5"]),
        (["1,5", "large"], ["1,5", "large"]),
        (["1.5", "2"], [1.5, 2.0]),
        (["Rue 1,5", "2,5"], ["Rue 1,5", "2,5"]),
    ],
)
def test_a_comma_is_a_decimal_sign_where_it_can_mean_nothing_else(
    cells: list[str], read: list[object], tmp_path: Path
) -> None:
    path = tmp_path / "semicolons.csv"
    path.write_text("a;b\n" + "".join(f"{cell};x,y\n" for cell in cells), encoding="utf-8-sig")
    assert plain(read_frame(path)) == {"a": read, "b": ["x,y"] * len(cells)}


@pytest.mark.parametrize(
    ("cells", "beside", "read"),
    [
        (["1.616", "823", "-276"], ["134,7", "68", ""], ["1.616", "823", "-276"]),
        (["1.616", "823", "276"], ["1.134,70", "68,5", "1"], ["1.616", "823", "276"]),
        (["1.616", "823", "276"], ["1.234.567", "68", "1"], ["1.616", "823", "276"]),
        (["1.616", "8.235", "NA"], ["134,7", "68", ""], ["1.616", "8.235", ""]),
        (["1.616", "82.5", "276"], ["134,7", "68", ""], [1.616, 82.5, 276.0]),
        (["0.616", "1.250", "276"], ["134,7", "68", ""], [0.616, 1.25, 276.0]),  # no thousand begins with 0
        (["1.616", "823", "276"], ["1,500", "68", "7"], [1.616, 823.0, 276.0]),
        (["1.616", "823", "276"], ["1,234,567", "68", "7"], [1.616, 823.0, 276.0]),
        (["1.616", "823", "276"], ["Rue 1,5", "b", "c"], [1.616, 823.0, 276.0]),
        (["1.234.567", "823", "276"], ["a", "b", "c"], ["1.234.567", "823", "276"]),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_point_is_no_decimal_sign_where_it_may_mean_thousands(
    cells: list[str], beside: list[str], read: list[object], ending: str, tmp_path: Path
) -> None:
    """Written in a country where a comma is the decimal sign, as another column says."""
    path = tmp_path / f"rents.{ending}"
    rows = [["rent", "area"], *map(list, zip(cells, beside, strict=True))]
    path.write_text("".join((";" if ending == "csv" else "\t").join(row) + "\n" for row in rows), encoding="utf-8")
    column = read_frame(path)["rent"]
    assert plain({"rent": column})["rent"] == read
    assert (numbers_in(column).dtype.kind == "O") == (read == [cell.replace("NA", "") for cell in cells])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_apostrophes_separate_thousands_and_durations_are_seconds(separator: str, tmp_path: Path) -> None:
    """As Swiss spreadsheets write prices, and stop watches times; names are kept as they are written."""
    path = tmp_path / ("t.tsv" if separator == "\t" else "t.csv")
    rows = [["price", "time", "start"], ["1'234.50", "3:25:41", "9:00:00"], ["823", "NA", "9:30:00"]]
    path.write_text("".join(separator.join(row) + "\n" for row in rows), encoding="utf-8")
    table = plain(read_frame(path, categories=["start"]))
    assert table == {"price": [1234.5, 823], "time": [12341, None], "start": ["9:00:00", "9:30:00"]}


@pytest.mark.parametrize("header", ["a,b", "a,b,b,", "b, a ,b,"])
def test_columns_that_are_not_used_are_empty_whatever_they_hold(header: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    row = ["1.5" if name.strip() == "a" else "inf" for name in header.split(",")]
    path.write_text(f"{header}\n{','.join(row)}\n", encoding="utf-8")
    for used in ("a", " a"):
        frame = read_frame(path, is_used=lambda name, used=used: name == used.strip())
        assert frame["a"].tolist() == [1.5] and frame["b"].tolist() == [""]


def test_what_is_not_used_does_not_tell_how_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("rent;area\n1.616;134,7\n823;68\n", encoding="utf-8")
    assert plain(read_frame(path)) == {"rent": ["1.616", "823"], "area": [134.7, 68.0]}
    assert plain(read_frame(path, is_used=lambda name: name == "rent")) == {"rent": [1.616, 823.0], "area": ["", ""]}


@pytest.mark.parametrize("line", ["sep={}", '"sep={}"', "SEP={}"])
@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_the_first_line_may_declare_the_separator(
    line: str, separator: str, end: str, ending: str, tmp_path: Path
) -> None:
    """As Excel has it, whatever the ending of the file promises."""
    path = tmp_path / f"table.{ending}"
    cell = "1.5" if separator == "," else "1,5"
    rows = [["a", "b"], [cell, "x"], ["2", "y"]]
    lines = [line.format(separator), *map(separator.join, rows)]
    path.write_text("".join(one + end for one in lines), encoding="utf-8-sig", newline="")
    assert plain(read_frame(path)) == {"a": [1.5, 2.0], "b": ["x", "y"]}
    assert takes_commas(path) == (separator != ",")
    path.write_text("".join(one + end for one in [*lines, "1"]), encoding="utf-8", newline="")
    with pytest.raises(BadInput, match="line 5: 1 cell, but the header names 2 columns"):
        read_frame(path)


@pytest.mark.parametrize("separator", [":", " ", "~", '"', "x"])
def test_another_separator_that_a_file_says_is_refused_by_its_name(separator: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"sep={separator}\na{separator}b\n1{separator}2\n", encoding="utf-8")
    words = f"columns seem to be separated by {separator!r}, where commas are needed; save it with these"
    with pytest.raises(BadInput, match=words):
        read_frame(path)


def test_a_column_may_be_called_as_if_it_said_what_separates(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    for name in ("sep=", "sep=ab"):
        path.write_text(f"{name}\r\n1\r\n", encoding="utf-8", newline="")
        assert plain(read_frame(path)) == {name: [1.0]}


def test_parquet_columns_that_are_not_used_are_not_read(tmp_path: Path) -> None:
    columns = [pyarrow.array([1.5, 2.5]), pyarrow.array([[1], [2]]), pyarrow.array([1, 2]), pyarrow.array(["x", "y"])]
    parquet.write_table(pyarrow.Table.from_arrays(columns, ["a", "b", "c", "c"]), tmp_path / "t.parquet")
    frame = read_frame(tmp_path / "t.parquet", is_used=lambda name: name == "a")
    assert plain(frame) == {"a": [1.5, 2.5], "b": ["", ""], "c": ["", ""]}
    with pytest.raises(BadInput, match="t.parquet: two columns have the same name; give each a name of its own"):
        read_frame(tmp_path / "t.parquet", is_used=lambda name: name != "b")
    with pytest.raises(BadInput, match="column 'b': it holds list<"):
        read_frame(tmp_path / "t.parquet", is_used=lambda name: name != "c")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_texts_may_be_kept_as_they_are_written(ending: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"a": ["none", " b ", "NA", "-"], "b": ["none", "b", "c", "d"]})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    frame = read_frame(tmp_path / f"t.{ending}", ["a"], as_written=["a"])
    assert plain(frame) == {"a": ["none", "b", "NA", "-"], "b": ["", "b", "c", "d"]}


def test_cells_that_say_nothing_are_missing_among_numbers_and_texts(tmp_path: Path) -> None:
    path = tmp_path / "gaps.csv"
    path.write_text("a,b\n1,x\nNA,?\n,NULL\n nan ,y \n", encoding="utf-8")
    assert plain(read_frame(path)) == {"a": [1.0, None, None, None], "b": ["x", "", "", "y"]}


names = st.text(st.sampled_from("0123456789.eE+-_ aN"), max_size=6) | st.sampled_from(
    ["NA", "1.0", "nan", "-nan", "01"]
)


@given(st.lists(names, min_size=1), st.lists(names), st.sampled_from(["csv", "tsv", "parquet"]))
def test_a_name_is_the_same_whatever_stands_in_other_rows(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], others: list[str], ending: str
) -> None:
    path = tmp_path_factory.mktemp("names") / f"table.{ending}"
    read = []
    for column in (cells, cells + others):
        table = pd.DataFrame({"a": pd.Series(column, dtype=object), "b": 1})
        if ending == "parquet":
            table.to_parquet(path)
        else:
            table.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",")
        read.append(["" if one != one else one for one in read_frame(path, ["a"])["a"].tolist()[: len(cells)]])
    assert read[0] == read[1] == ["" if cell.strip() in MISSING else cell.strip() for cell in cells]


whole = st.integers(-(10**20), 10**20) | st.integers(2**53 - 2, 2**53 + 2)


@given(st.lists(whole, min_size=1))
def test_whole_numbers_stay_as_different_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int]
) -> None:
    path = tmp_path_factory.mktemp("whole") / "table.csv"
    path.write_text("a,b\n" + "".join(f"{number},1\n" for number in numbers), encoding="utf-8")
    objects = np.array([*numbers, None], object)[:-1]
    for column in (read_frame(path)["a"], frame_of({"a": objects})["a"]):
        assert len(set(column.tolist())) == len(set(numbers))
    assert [int(as_text(one)) for one in frame_of({"a": objects}, ["a"])["a"]] == numbers


def test_large_whole_numbers_of_parquet_stay_different(tmp_path: Path) -> None:
    ids = np.arange(30, dtype=np.uint64) + np.uint64(2**63)
    pd.DataFrame({"id": ids, "time": 1_700_000_000_000_000_001 + 10**9 * np.arange(30)}).to_parquet(
        tmp_path / "t.parquet"
    )
    frame = read_frame(tmp_path / "t.parquet")
    assert frame["id"].tolist() == [str(2**63 + n) for n in range(30)]
    assert frame["time"].dtype.kind == "f"  # as different as they were, which is all that a number needs
    assert read_frame(tmp_path / "t.parquet", ["time"])["time"][0] == "1700000000000000001"


def test_parquet_texts_are_taken_as_those_of_csv(tmp_path: Path) -> None:
    for texts in (["NA", " b ", "b", None, "?"], ["a"] * 3 + ["  ", "null"], ["NA", None]):
        for kind in (object, "category"):
            table = pd.DataFrame({" k ": pd.Series(texts, dtype=object).astype(kind), "x": 1})
            table.to_csv(tmp_path / "t.csv", index=False)
            table.to_parquet(tmp_path / "t.parquet")
            assert plain(read_frame(tmp_path / "t.csv")) == plain(read_frame(tmp_path / "t.parquet"))


def test_leading_zeros_make_categories(tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    path.write_text("zip,size,padded\n01234,1,0.50\n90210,2,01\n,3,2\n", encoding="utf-8")
    expected = {"zip": ["01234", "90210", ""], "size": [1.0, 2.0, 3.0], "padded": [0.5, 1.0, 2.0]}
    assert plain(read_frame(path)) == expected


def test_one_leading_zero_among_amounts_is_no_code(tmp_path: Path) -> None:
    path = tmp_path / "amounts.csv"
    path.write_text("a,b\n007,x\n" + "".join(f"{n},x\n" for n in range(100, 160)), encoding="utf-8")
    assert read_frame(path)["a"].tolist() == [7, *range(100, 160)]


def test_a_long_text_and_lines_of_spaces_are_no_errors(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"a,b\n1,{'x' * 200_000}\n   \n\n2,y\n", encoding="utf-8")
    frame = read_frame(path)
    assert frame["a"].tolist() == [1, 2] and len(frame["b"][0]) == 200_000


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "a,b\n1\n"], ids=["good", "bad"])
def test_the_limit_of_others_who_read_csv_stays(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    before = csv.field_size_limit(1234)
    try:
        with contextlib.suppress(BadInput):
            read_frame(tmp_path / "t.csv")
        assert csv.field_size_limit() == 1234
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("t.csv", "", "is empty"),
        ("t.csv", "a,\n1,2\n", "column 2 has no name in the header; name it or remove the column"),
        ("t.csv", ",,a\n1,2,3\n", "column 2 has no name"),
        ("t.csv", '""\n1\n', "column 1 has no name"),
        ("t.csv", "a,a\n1,2\n", "2 columns are named 'a'"),
        ("t.csv", "a\tb\n1\t2\n", "separated by tabs, where commas are needed; save it with these"),
        ("t.tsv", "a,b\n1,2\n", "separated by commas, where tabs are needed"),
        ("t.tsv", "a;b\n1;2\n", "separated by semicolons, where tabs are needed"),
        ("t.csv", "a;b\n1\n", "line 2: 1 cell, but the header names 2 columns"),
        ("t.csv", "a;a\n1;2\n", "2 columns are named 'a'"),
        ("t.csv", "a,b\n1\n", "line 2: 1 cell, but the header names 2 columns"),
        ("t.csv", "a\n1,2,3\n", "line 2: 3 cells, but the header names 1 column$"),
        ("t.csv", 'a,b\n"1,2\n', "line 2: unexpected end of data"),
        ("t.csv", "a,b\n1,2\n1e999,2\n", "line 3, column 'a': '1e999' is no finite number"),
        ("t.csv", "a,b\n1,2\n-1e999,2\n", "line 3, column 'a': '-1e999' is no finite number"),
        ("t.csv", "a,b\n\udcff,1\n", "is not text in UTF-8"),
        ("t.parquet", "PAR1", "is no Parquet file, or damaged"),
        ("t.xlsx", "a", "has the ending '.xlsx'; give a table as .csv, .tsv or .parquet"),
    ],
)
def test_a_bad_file_is_told_in_a_sentence(name: str, text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadInput, match=sentence):
        read_frame(tmp_path / name)


@pytest.mark.parametrize("header", ["", "Unnamed: 0", "Unnamed: 0,Unnamed: 0.1"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_first_column_without_a_name_is_called_as_by_pandas(separator: str, header: str, tmp_path: Path) -> None:
    """As pandas and R write the rows' numbers; once more each time that a table is read and written again."""
    names = ["", *filter(None, header.split(",")), "a"]
    path = tmp_path / ("t.tsv" if separator == "\t" else "t.csv")
    path.write_text(f"{separator.join(names)}\n{separator.join('1' for _ in names)}\n", encoding="utf-8")
    assert list(read_frame(path)) == list(pd.read_csv(path, sep=separator))
    assert list(read_frame(path, is_used=lambda name: name == "a")) == list(read_frame(path))


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"gone.csv does not exist"):
        read_frame(tmp_path / "gone.csv")
    with pytest.raises(BadInput, match="is a folder"):
        read_frame(tmp_path)


def test_a_row_whose_text_a_file_does_not_hold_is_told(tmp_path: Path) -> None:
    """Of Parquet's texts each row has the number; a number too high is told as damage, wherever the file is damaged."""
    path = tmp_path / "t.parquet"
    table = pd.DataFrame({"kind": ["a", "b", "c", "b", "a"]})
    table.to_parquet(path, compression=None, index=False)
    content = path.read_bytes()
    end_of_pages = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    told = set()
    for place in range(4, end_of_pages):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            try:
                read_frame(path)
            except BadInput as error:
                told.add(type(error.__cause__))
    assert ValueError in told


def test_whole_numbers_beside_gaps_stay_different(tmp_path: Path) -> None:
    values = [2**60, 2**60 + 1, None]
    table = pyarrow.table({"id": pyarrow.array(values), "few": pyarrow.array([1, 2, None])})
    parquet.write_table(table, tmp_path / "t.parquet")
    for frame in (read_frame(tmp_path / "t.parquet", ["id"]), frame_of(table, ["id"])):
        assert frame["id"].tolist() == [str(2**60), str(2**60 + 1), ""]
        np.testing.assert_array_equal(frame["few"], [1.0, 2.0, np.nan])


@pytest.mark.parametrize("name", ["area", "the area"])
def test_names_in_quotes_may_be_separated_by_semicolons(name: str, tmp_path: Path) -> None:
    """As R's write.csv2 does; pandas is the oracle."""
    path = tmp_path / "table.csv"
    table = pd.DataFrame({name: [1.5, 2.5], "price": [2.0, 3.0]})
    table.to_csv(path, sep=";", decimal=",", index=False, quoting=csv.QUOTE_NONNUMERIC, encoding="utf-8-sig")
    assert path.read_text(encoding="utf-8-sig").startswith(f'"{name}";"price"')
    assert plain(read_frame(path)) == table.to_dict("list")
    path.write_text('"area"\t"price"\n1\t2\n', encoding="utf-8")
    with pytest.raises(BadInput, match="its columns seem to be separated by tabs, where commas are needed"):
        read_frame(path)


def test_the_rows_numbers_of_pandas_are_no_column(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1.5, 2.5, 3.5]}, index=[4, 2, 9])
    table.to_parquet(tmp_path / "table.parquet")
    assert "__index_level_0__" in parquet.read_schema(tmp_path / "table.parquet").names
    assert plain(read_frame(tmp_path / "table.parquet")) == {"a": [1.5, 2.5, 3.5]}


def test_blank_lines_are_passed_over_in_a_table_of_one_column(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('  \n\na\n1\n\n""\n2\n\n', encoding="utf-8")
    assert plain(read_frame(path)) == {"a": [1.0, None, 2.0]}


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize(
    "names", [["x", "y, EUR"], ["x, EUR", "y"], ["x", "y\nin EUR"], ["x", 'the "y", EUR'], ["x;y", "z"]], ids=str
)
def test_names_may_hold_separators(names: list[str], quoting: Any, tmp_path: Path) -> None:
    path, table = tmp_path / "table.csv", pd.DataFrame(np.array([[1.5, 2.5], [3.5, 4.25]]), columns=names)
    for sep, decimal in ((",", "."), (";", ",")):
        table.to_csv(path, sep=sep, decimal=decimal, index=False, quoting=quoting)
        assert plain(read_frame(path)) == table.to_dict("list")


@pytest.mark.parametrize("odd", ["a|b", "a;b", "a\tb"])
def test_quotes_that_do_not_end_are_told_as_such(odd: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f'"x,y,t\n1,2,{odd}\n', encoding="utf-8")
    with pytest.raises(BadInput, match="unexpected end of data; correct the quotes there"):
        read_frame(path)


def test_the_line_of_a_number_that_is_not_finite_is_counted_as_editors_do(tmp_path: Path) -> None:
    """Also behind blank lines, a text of several lines and the line that says what separates."""
    (tmp_path / "t.csv").write_text('sep=,\n\na,b\n\n"x\ny",1\nz,2\n\nz,1e999\n', encoding="utf-8")
    with pytest.raises(BadInput, match=r"t\.csv, line 9, column 'b': '1e999' is no finite number"):
        read_frame(tmp_path / "t.csv")
