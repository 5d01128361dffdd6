"""Files: what is a number, a text or missing in them, and which are refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.errors import BadInput
from deltarule.tables.frame import Frame, frame_of
from deltarule.tables.reader import read_frame

MIXED = pd.DataFrame(
    {
        "number": [1.5, np.nan, -2.0],
        "whole": pd.array([1, None, 3], "Int64"),
        "text": ["red", None, "blau, grün"],
        "yes": [True, False, True],
        "day": pd.to_datetime(["2026-11-20", None, "1969-07-21"]),
    }
)
AS_READ = {
    "number": [1.5, None, -2.0],
    "whole": [1.0, None, 3.0],
    "text": ["red", "", "blau, grün"],
    "yes": ["True", "False", "True"],
    "day": ["2026-11-20", "", "1969-07-21"],
}


def plain(frame: Frame) -> dict[str, list[object]]:
    return {name: [None if one != one else one for one in column.tolist()] for name, column in frame.items()}


def read_text(folder: Path, text: str, name: str = "t.csv", **options: object) -> dict[str, list[object]]:
    (folder / name).write_text(text, encoding="utf-8")
    return plain(read_frame(folder / name, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("ending", ["csv", "tsv", pytest.param("parquet", marks=pytest.mark.needs("pyarrow"))])
def test_file_reads_like_its_data_frame(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"table.{ending}"
    if ending == "parquet":
        MIXED.set_index([[5, 6, 7]]).to_parquet(path)
    else:
        MIXED.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",", encoding="utf-8-sig")
    assert plain(read_frame(path)) == plain(frame_of(MIXED)) == AS_READ


@given(st.lists(st.floats(allow_infinity=False), min_size=1), st.sampled_from([(None, "."), (";", ",")]))
def test_numbers_come_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float], signs: tuple[str | None, str]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "numbers.csv"
    sep, decimal = signs
    pd.DataFrame({"a": [1.5, *numbers], "b": 1}).to_csv(path, index=False, sep=sep or ",", decimal=decimal)
    np.testing.assert_array_equal(read_frame(path, sep=sep, decimal=decimal)["a"], [1.5, *numbers])


def test_texts_keep_their_commas(tmp_path: Path) -> None:
    table = read_text(tmp_path, "a;b\n1,5;x,y\n2;z\n", sep=";", decimal=",")
    assert table == {"a": [1.5, 2.0], "b": ["x,y", "z"]}


def test_leading_zeros_make_categories(tmp_path: Path) -> None:
    table = read_text(tmp_path, "zip,size,padded\n01234,1,0.50\n90210,2,01\n,3,2\n")
    assert table == {"zip": ["01234", "90210", ""], "size": [1.0, 2.0, 3.0], "padded": [0.5, 1.0, 2.0]}


def test_missing_cells(tmp_path: Path) -> None:
    table = read_text(tmp_path, " a ,b\n1,x\nNA,?\n,NULL\n nan , y \n\n")
    assert table == {"a": [1.0, None, None, None], "b": ["x", "", "", "y"]}


def test_categories_stay_as_they_are_written(tmp_path: Path) -> None:
    assert read_text(tmp_path, "a,b\n1.0,1\n01,1\n2,1\n", categories=["a"])["a"] == ["1.0", "01", "2"]


def test_unnamed_columns_have_the_names_of_pandas(tmp_path: Path) -> None:
    assert list(read_text(tmp_path, ",a,a\n0,1,2\n")) == ["Unnamed: 0", "a", "a.1"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("t.csv", b"", "t.csv cannot be read: No columns to parse from file"),
        ("t.csv", b"a,b\n1,2\n1,2,3\n", "t.csv cannot be read: .*Expected 2 fields in line 3, saw 3$"),
        ("t.csv", b"a,b\n1,2,3\n", "t.csv cannot be read: Length of header or names does not match"),
        ("t.csv", b'a,b\n"1,2\n', "t.csv cannot be read: .*EOF inside string"),
        ("t.csv", b"a;b\n1;2\n", "t.csv has no ',' in its first line, but ';'; say what separates it, as --sep ';'"),
        ("t.csv", "größe,b\n1,2\n".encode("latin-1"), "is not text in UTF-8; save the table as CSV in UTF-8"),
        ("t.tsv", b"a,b\n1,2\n", "as --sep ','"),
        pytest.param(
            *("t.parquet", b"PAR1 and no more", "t.parquet is no Parquet file, or damaged; write it again"),
            marks=pytest.mark.needs("pyarrow"),
        ),
        ("t.xlsx", b"PK\xff\xfe", "is not text in UTF-8; save the table as CSV in UTF-8"),
    ],
)
def test_bad_files_are_refused(name: str, content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=sentence) as caught:
        read_frame(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="does not exist"):
        read_frame(tmp_path / "gone.csv")
    with pytest.raises(BadInput, match="is not a file"):
        read_frame(tmp_path)
