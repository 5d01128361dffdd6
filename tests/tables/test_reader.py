"""Files: what is a number, a text or missing in them, and which are refused."""

import gzip
import io
import json
import re
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses

from deltarule.errors import BadInput
from deltarule.tables.frame import Frame, frame_of
from deltarule.tables.number_forms import NumberForm
from deltarule.tables.reader import TextFormat, read_frame, read_with_target

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
    return plain(read_frame(folder / name, text_format=TextFormat(**options)))  # type: ignore[arg-type]


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
    frame = read_frame(path, text_format=TextFormat(sep, decimal))
    np.testing.assert_array_equal(frame["a"], [1.5, *numbers])


def test_texts_keep_their_commas(tmp_path: Path) -> None:
    table = read_text(tmp_path, "a;b\n1,5;x,y\n2;z\n", sep=";", decimal=",")
    assert table == {"a": [1.5, 2.0], "b": ["x,y", "z"]}


def test_leading_zeros_make_categories(tmp_path: Path) -> None:
    table = read_text(tmp_path, "zip,size,padded\n01234,1,0.50\n90210,2,01\n,3,2\n")
    assert table == {"zip": ["01234", "90210", ""], "size": [1.0, 2.0, 3.0], "padded": [0.5, 1.0, 2.0]}


def test_missing_cells(tmp_path: Path) -> None:
    table = read_text(tmp_path, " a ,b\n1,x\nNA,?\n,NULL\n nan , y \n\n")
    assert table == {"a": [1.0, None, None, None], "b": ["x", "", "", "y"]}


def test_lines_of_blanks_are_no_rows_but_rows_of_missing_cells_are(tmp_path: Path) -> None:
    assert read_text(tmp_path, "a,b\n1,x\n  \n,\n2,y\n") == {"a": [1.0, None, 2.0], "b": ["x", "", "y"]}


def test_categories_stay_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1.0,1\n01,1\n2,1\n", encoding="utf-8")
    assert read_frame(tmp_path / "t.csv", categories=["a"])["a"].tolist() == ["1.0", "01", "2"]


def test_unnamed_columns_have_the_names_of_pandas(tmp_path: Path) -> None:
    assert list(read_text(tmp_path, ",a,\n0,1,2\n")) == ["Unnamed: 0", "a", "Unnamed: 2"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("t.csv", b"", "t.csv is empty; give a table whose first line names its columns"),
        ("t.csv", b"a,a\n1,2\n", "t.csv: several columns are named 'a'; give each one name"),
        ("t.csv", b"a,b\n1,2\n1,2,3\n", "t.csv, line 3: 3 cells, but 2 names; add some or quote cells"),
        ("t.csv", b"a,b\n1,2,3\n4,5,6\n", "t.csv, line 2: 3 cells, but 2 names; add some or quote cells"),
        ("t.csv", b'a,b\n1,2\n"1,2\n', "t.csv has a quotation mark after line 2 that is never closed"),
        (
            "t.csv",
            b"\xff\xd8\xff\xe0\x00\x10JFIF",
            "t.csv is not text in UTF-8; save the table as CSV, or say another --encoding",
        ),
        ("t.gz", b"a,b\n1,2\n", "t.gz cannot be read: Not a gzipped file"),
        ("t.xls", b"\n<html><table><tr><td>1", "t.xls is an HTML page; open it"),
        ("t.csv", b"%PDF-1.7", "t.csv is a PDF"),
        ("t.json", b'{"a": 1}', "t.json is JSON, but no table; write an object for each row"),
        ("t.json", b"[1, 2]", "t.json is JSON, but no table"),
        ("t.xls", b"\xd0\xcf\x11\xe0\0", "t.xls is an old workbook of Excel .* save the table as CSV or .xlsx"),
        pytest.param(
            *("t.parquet", b"PAR1 and no more", "t.parquet is no Parquet file, or damaged; write it again"),
            marks=pytest.mark.needs("pyarrow"),
        ),
        pytest.param(
            *("t.xlsx", b"PK\xff\xfe", "t.xlsx is no workbook of Excel, or damaged; save the table as CSV"),
            marks=pytest.mark.needs("openpyxl"),
        ),
    ],
)
def test_bad_files_are_refused(name: str, content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=sentence) as caught:
        read_frame(tmp_path / name)
    assert "\n" not in str(caught.value)


PLAIN = {"amount": [862.28, 2207.61, 17.5], "city": ["Köln", "Bonn", "Bonn"]}
LINES = ["amount,city", "862.28,Köln", "2207.61,Bonn", "17.5,Bonn"]
ENDED = "\n".join([*LINES, ""])
RECORDS = [dict(zip(PLAIN, row, strict=True)) for row in zip(*PLAIN.values(), strict=True)]


@pytest.mark.parametrize(
    ("name", "content", "options", "warning"),
    [
        ("bom.csv", ENDED.encode("utf-8-sig"), {}, ""),
        ("excel.txt", ENDED.replace(",", "\t").replace("\n", "\r\n").encode("utf-16"), {}, r"'\t', not ','"),
        ("windows.csv", ENDED.encode("cp1252"), {}, "is not text in UTF-8 and is read as cp1252"),
        ("mac.csv", ENDED.encode("mac-roman"), {"encoding": "mac-roman"}, ""),
        ("utf16.csv", ENDED.encode("utf-16-le"), {"encoding": "utf-16-le"}, ""),
        ("excel.csv", ENDED.replace(",", ";").encode("utf-8").join([b"sep=;\n", b""]), {}, ""),
        ("semicolon.csv", ENDED.replace(",", ";").encode(), {}, "has columns separated by ';', not ','"),
        ("semicolon.csv", ENDED.replace(",", ";").encode(), {"sep": ";"}, ""),
        ("pipe.csv", ENDED.replace(",", "|").encode(), {}, "has columns separated by '|', not ','"),
        ("space.dat", ENDED.replace(",", "   ").encode(), {}, "has columns separated by ' ', not ','"),
        ("comma.tsv", ENDED.encode(), {}, "has columns separated by ',', not"),
        ("tab.csv", ENDED.replace(",", "\t").encode(), {"sep": "\\t"}, ""),
        ("title.csv", b"Report of 2024\n\n" + ENDED.encode(), {}, "the columns is left out, as 'Report of 2024'"),
        ("padded.csv", b"Report of 2024,\n,\n" + ENDED.encode(), {}, "the columns is left out, as 'Report of 2024'"),
        ("total.csv", ENDED.encode() + b"Total,\n", {}, "below the rows is left out, as 'Total'"),
        ("sums.csv", ENDED.encode() + b"Summe:,3\nSource: a survey\n", {}, "is left out, as 'Summe: 3'"),
        ("t.jsonl", b"".join(json.dumps(row).encode() + b"\n" for row in RECORDS), {}, ""),
        ("t.json", json.dumps(RECORDS, indent=1).encode(), {}, ""),
        ("comment.csv", b"# made by X, Y, Z\n" + ENDED.encode(), {}, "is left out, as '# made by X"),
        ("mac.csv", ENDED.replace("\n", "\r").encode(), {}, ""),
        ("blank.csv", ENDED.replace("\n", "\n\n").encode(), {}, ""),
        ("trailing.csv", b"amount,city\n" + "".join(f"{line},\n" for line in LINES[1:]).encode(), {}, ""),
        ("t.csv.gz", gzip.compress(ENDED.encode(), mtime=0), {}, ""),
        ("us.csv", 'amount,city\n862.28,Köln\n"2,207.61",Bonn\n17.5,Bonn'.encode(), {}, "'2,207.61' as 2207.61"),
        ("us.csv", 'amount,city\n862.28,Köln\n"2,207.61",Bonn\n17.5,Bonn'.encode(), {"thousands": ","}, ""),
        ("de.csv", "amount;city\n862,28;Köln\n2.207,61;Bonn\n17,5;Bonn".encode(), {"sep": ";", "thousands": "."}, ""),
        ("de.csv", "amount;city\n862,28;Köln\n2207,61;Bonn\n17,5;Bonn".encode(), {"sep": ";", "decimal": ","}, ""),
    ],
)
def test_files_as_people_have_them(
    name: str, content: bytes, options: dict[str, str], warning: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert plain(read_frame(tmp_path / name, text_format=TextFormat(**options))) == PLAIN
    messages = [str(one.message) for one in caught]
    assert len(messages) == bool(warning) and warning in " ".join(messages)


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("cp1251", "Москва,Тула,Омск"),
        ("gb18030", "北京,上海,广州"),
        ("shift_jis", "東京,カメラ,大阪"),
        ("cp1253", "Αθήνα,Πάτρα,Βόλος"),
        ("cp1252", "Köln,Orléans,São Tomé"),
    ],
)
def test_encodings_are_guessed_and_named(encoding: str, names: str, tmp_path: Path) -> None:
    names_of_rows = names.split(",") * 10
    text = "\n".join(["город" if encoding == "cp1251" else "city", *names_of_rows])
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    with pytest.warns(UserWarning, match="is not text in UTF-8 and is read as .*; else say its --encoding"):
        [column] = read_frame(tmp_path / "t.csv").values()
    assert column.tolist() == names_of_rows


@pytest.mark.parametrize(
    ("text", "names", "rows"),
    [
        (",a,b\nx,1,2\ny,3,4\n", ["Unnamed: 0", "a", "b"], 2),  # as pandas writes its index
        (",a\nx,u\ny,v\n", ["Unnamed: 0", "a"], 2),
        ("Report,2021,,\na,b,c,d\n1,2,3,4\n", ["a", "b", "c", "d"], 1),
        ("Report,,\n,,\na,b,c\nx,y,z\n", ["a", "b", "c"], 1),
        ("a,b,c\n1,2,3\n1,,\n4,5,\n2,,\n", ["a", "b", "c"], 4),  # a row of a single number
        ("name,n\nBob,1\nTotal,2\nAnn,3\nTotal,4\n", ["name", "n"], 4),  # a category
    ],
)
def test_titles_and_totals_are_told_from_names_and_rows(text: str, names: list[str], rows: int, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = read_text(tmp_path, text)
    assert [*table] == names and {len(column) for column in table.values()} == {rows}


@pytest.mark.needs("openpyxl")
def test_a_title_in_a_workbook_is_left_out(tmp_path: Path) -> None:
    sheet = pd.DataFrame([["Sales of 2024", None, None], [None] * 3, ["city", "size", "price"], ["Bonn", 3, 4.5]])
    sheet.to_excel(tmp_path / "t.xlsx", index=False, header=False)
    (tmp_path / "named.csv").write_bytes((tmp_path / "t.xlsx").read_bytes())
    for name in ("t.xlsx", "named.csv"):
        with pytest.warns(UserWarning, match="above the names of the columns is left out, as 'Sales of 2024'"):
            assert plain(read_frame(tmp_path / name)) == {"city": ["Bonn"], "size": [3.0], "price": [4.5]}


@pytest.mark.needs("openpyxl")
def test_workbooks_read_like_texts(tmp_path: Path) -> None:
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        MIXED.to_excel(book, index=False)
        MIXED.head(1).to_excel(book, sheet_name="more")
    with pytest.warns(UserWarning, match="of its 2 sheets the first, 'Sheet1', is read"):
        assert plain(read_frame(tmp_path / "t.xlsx")) == AS_READ


@pytest.mark.needs("openpyxl")
@pytest.mark.parametrize(("sheet", "read"), [("2024", 4.0), ("2", 2.0), ("3", 4.0), (None, 1.0)])
def test_a_sheet_is_chosen_by_name_or_number(sheet: str | None, read: float, tmp_path: Path) -> None:
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        for name, number in (("notes", 1.0), ("old ones", 2.0), ("2024", 4.0)):
            pd.DataFrame({"x": [number, number]}).to_excel(book, sheet_name=name, index=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert plain(read_frame(tmp_path / "t.xlsx", text_format=TextFormat(sheet=sheet))) == {"x": [read, read]}
    assert ["--sheet chooses another" in str(each.message) for each in caught] == [True] * (sheet is None)
    with refuses("'new'", "notes", "old ones", "2024"):
        read_frame(tmp_path / "t.xlsx", text_format=TextFormat(sheet="new"))


@pytest.mark.parametrize("name", ["t.csv", pytest.param("t.xlsx", marks=pytest.mark.needs("openpyxl"))])
def test_lines_above_the_names_are_skipped_as_told(name: str, tmp_path: Path) -> None:
    rows = [['Prices "new', "as of May"], ["", "EUR"], ["size", "price"], ["3", "4.5"], ["5", "6.5"]]
    if name.endswith("xlsx"):
        pd.DataFrame(rows).to_excel(tmp_path / name, index=False, header=False)
    else:
        (tmp_path / name).write_text("\n".join(map(",".join, rows)), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = read_frame(tmp_path / name, text_format=TextFormat(skip=2))
    assert plain(table) == {"size": [3.0, 5.0], "price": [4.5, 6.5]}
    with pytest.raises(BadInput, match="has nothing below the lines that --skip leaves out"):
        read_frame(tmp_path / name, text_format=TextFormat(skip=5))


def test_without_lines_to_skip_the_first_has_the_names(tmp_path: Path) -> None:
    title = "Report,,\na,b,c\nx,y,z\n"
    assert list(read_text(tmp_path, title, skip=0)) == ["Report", "Unnamed: 1", "Unnamed: 2"]


@pytest.mark.needs("openpyxl")
def test_formulas_without_stored_values_are_reported(tmp_path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    assert book.active is not None
    for row in (["size", "price"], [1, "=A2*2"], [2, "=A3*2"], [3, 9]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    message = "has 2 formulas without a stored value, as in B2, which count as missing; open it in Excel"
    with pytest.warns(UserWarning, match=message):
        assert plain(read_frame(tmp_path / "t.xlsx"))["price"] == [None, None, 9.0]


@pytest.mark.needs("openpyxl")
def test_formulas_with_stored_values_are_read_as_these(tmp_path: Path) -> None:
    cells = '<c r="A2"><f>1+2</f><v>3</v></c><c r="B2" t="str"><f>""</f><v></v></c>'  # as Excel stores an empty text
    with pd.ExcelWriter(tmp_path / "empty.xlsx") as book:
        pd.DataFrame({"n": [0], "t": [0]}).to_excel(book, index=False)
    with zipfile.ZipFile(tmp_path / "empty.xlsx") as old, zipfile.ZipFile(tmp_path / "t.xlsx", "w") as new:
        for part in old.namelist():
            content = old.read(part)
            if part == "xl/worksheets/sheet1.xml":
                content = re.sub(rb'<c r="A2".*?</row>', cells.encode() + b"</row>", content)
            new.writestr(part, content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert plain(read_frame(tmp_path / "t.xlsx")) == {"n": [3.0], "t": [None]}


@pytest.mark.parametrize(
    ("name", "content", "options", "sentence"),
    [
        ("t.csv", "a,b\n1,2\n", {"sheet": "x"}, "--sheet is x, but .*t.csv is no workbook of Excel"),
        ("t.json", '[{"a": 1}]', {"skip": 2}, "--skip is 2, but .*t.json is JSON, which has none; leave out --skip"),
        ("t.parquet", "PAR1", {"sheet": "1"}, "--sheet is 1, but .*t.parquet is a Parquet file, which has none"),
    ],
)
def test_sheets_and_lines_of_files_that_have_none_are_refused(
    name: str, content: str, options: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=sentence):
        read_text(tmp_path, content, name, **options)


def test_tables_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(ENDED.encode())))
    assert plain(read_frame("-")) == PLAIN


def test_texts_in_cells_with_other_separators_stay(tmp_path: Path) -> None:
    text = "size;city, country;n\n1;Bonn, DE;3\n2;Köln, DE;4\n"
    cells = {"size": [1.0, 2.0], "city, country": ["Bonn, DE", "Köln, DE"], "n": [3.0, 4.0]}
    with pytest.warns(UserWarning, match="separated by ';'"):
        assert read_text(tmp_path, text) == cells


def test_a_point_is_no_decimal_point_beside_a_decimal_comma(tmp_path: Path) -> None:
    text = "amount;mixed\n862;1.345\n1.345;12.5\n"
    with pytest.warns(UserWarning, match="column 'amount' are read as numbers: '1.345' as 1345"):
        table = read_text(tmp_path, text, sep=";", decimal=",")
    assert table == {"amount": [862.0, 1345.0], "mixed": ["1.345", "12.5"]}


def test_points_that_may_be_thousands_are_reported(tmp_path: Path) -> None:
    numbers = [f"{number:,}".replace(",", ".") for number in range(600, 3000, 70)]
    with pytest.warns(UserWarning, match="'amount', such as '1.020', may have thousands; if so, say --thousands"):
        assert read_text(tmp_path, "\n".join(["amount", *numbers]))["amount"][6] == 1.02
    assert read_text(tmp_path, "\n".join(["amount", *numbers]), thousands=".")["amount"][6] == 1020.0


def test_points_between_thousands_of_amounts_are_read_and_reported(tmp_path: Path) -> None:
    text = "\n".join(["price", "950 €", "1.345 €", "2.020 €", "3.001 €"])
    with pytest.warns(UserWarning, match="'1.345 €' is read as 1345; say --thousands . if so, or --decimal . if"):
        assert read_text(tmp_path, text)["price"] == [950.0, 1345.0, 2020.0, 3001.0]
    assert read_text(tmp_path, text, thousands=".")["price"] == [950.0, 1345.0, 2020.0, 3001.0]
    with pytest.warns(UserWarning, match="'950 €' as 950"):
        assert read_text(tmp_path, text, decimal=".")["price"] == [950.0, 1.345, 2.02, 3.001]


def test_new_rows_are_read_with_the_points_of_the_training(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("price\n1.345 €\n", encoding="utf-8")
    frame = read_frame(tmp_path / "t.csv", forms={"price": NumberForm("€", ",", ".")})
    assert frame["price"].tolist() == [1345.0]
    frame = read_frame(tmp_path / "t.csv", forms={"price": NumberForm("€")})
    assert frame["price"].tolist() == [1.345]


def test_versions_are_no_numbers(tmp_path: Path) -> None:
    table = read_text(tmp_path, "release,size\n1.9,1.9\n1.10,1.50\n1.1,1.75\n")
    assert table == {"release": ["1.9", "1.10", "1.1"], "size": [1.9, 1.5, 1.75]}


def test_words_for_missing_numbers(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="such as '-' in the column of numbers 'a' are taken for missing"):
        table = read_text(tmp_path, "a,b\n1,yes\n-,unknown\nunknown,yes\n")
    assert table == {"a": [1.0, None, None], "b": ["yes", "unknown", "yes"]}
    with pytest.warns(UserWarning, match="taken for missing"):
        assert read_text(tmp_path, "a\n1\n\\N\n2\n")["a"] == [1.0, None, 2.0]  # as MySQL writes it


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sep": ";"}, "t.csv has no ';' in its first line, but ','; say --sep ','"),
        ({"sep": "ab"}, "--sep is 'ab', which is more than one character"),
        ({"decimal": ",", "thousands": ","}, "--thousands and --decimal are both ','"),
        ({"encoding": "utf-17"}, "--encoding utf-17 is unknown"),
        ({"encoding": "ascii"}, "is not text in ascii; save the table as CSV, or say another --encoding"),
    ],
)
def test_bad_options_are_refused(options: dict[str, str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=re.escape(sentence)):
        read_text(tmp_path, ENDED, **options)


def test_a_file_without_names_is_recognized(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("1.5,red\n2.5,blue\n", encoding="utf-8")
    with refuses("color", "1.5", "red"):
        read_with_target(tmp_path / "t.csv", "color")


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with refuses(tmp_path / "gone.csv"):
        read_frame(tmp_path / "gone.csv")
    with refuses(tmp_path):
        read_frame(tmp_path)


@pytest.mark.parametrize(
    ("cells", "known", "classes"),
    [
        (["None", "Mild", "Severe"], (), ["Mild", "None", "Severe"]),
        (["NA", "EU", "AS"], (), ["AS", "EU", "NA"]),
        (["NA", "yes", "no"], (), ["no", "yes"]),
        (["NA", "yes", "no"], ("NA", "yes", "no"), ["NA", "no", "yes"]),
        (["None", "Mild"], ("Mild", "Severe"), ["Mild"]),
        (["null", "?", "a", "b"], (), ["a", "b"]),
        (["None", "1", "2"], (), [1.0, 2.0]),
    ],
)
@pytest.mark.filterwarnings("ignore:.*is taken for a class")
def test_classes_that_look_missing(tmp_path: Path, cells: list[str], known: Any, classes: list[Any]) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"1,{cell}\n" for cell in cells), encoding="utf-8")
    _, y, notes = read_with_target(tmp_path / "t.csv", "y", classes=known)
    assert sorted(y.tolist()) == classes and len(notes) == (len(classes) < len(cells))


def test_a_decimal_comma_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x;y\n1,5;2\n2,25;3\n", encoding="utf-8")
    form = NumberForm(decimal=",")
    frame = read_frame(tmp_path / "t.csv", text_format=TextFormat(";"), forms={"x": form})
    assert frame["x"].tolist() == [1.5, 2.25] and frame.forms["x"] == form
    (tmp_path / "t.csv").write_text("x;y\n1.5;2\n2.25;3\n", encoding="utf-8")
    assert read_frame(tmp_path / "t.csv", text_format=TextFormat(";"), forms={"x": form})["x"].tolist() == [1.5, 2.25]
