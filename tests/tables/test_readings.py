"""How columns are read, as cells that are written and read."""

import warnings
from pathlib import Path

import numpy as np

from deltarule.tables.column_encoder import fit_columns
from deltarule.tables.column_types import infer_column_types
from deltarule.tables.frame import frame_of, mark_missing, select_rows
from deltarule.tables.reader import read_frame
from deltarule.tables.readings import ColumnReading, column_readings

ROWS = """price;when;color;n;empty
950 €;15. Mai 2020;red;3;
1.345 €;3. Okt 2021;blue;1;
2.100 €;3. Okt 2021;red;2;
1.345 €;1. Jan 2020;;2;
3.001 €;1. Jan 2020;red;;
"""
PRICE = ColumnReading("price", "number", ("950 €", "950"), ("950 €", "950"), ("3.001 €", "3001"), ("1.345 €", "1345"))
WHEN = ColumnReading(
    "when",
    "date",
    ("15. Mai 2020", "2020-05-15"),
    ("1. Jan 2020", "2020-01-01"),
    ("3. Okt 2021", "2021-10-03"),
    ("1. Jan 2020", "2020-01-01"),
)
COLOR = ColumnReading("color", "category", ("red", "red"), ("blue", "blue"), ("red", "red"), ("red", "red"))
N = ColumnReading("n", "number", ("3", "3"), ("1", "1"), ("3", "3"), ("2", "2"))


def test_cells_are_shown_as_they_are_written_and_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(ROWS, encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = read_frame(tmp_path / "t.csv")
    columns = fit_columns(frame, infer_column_types(frame).values())
    assert [*column_readings(columns, frame)] == [PRICE, WHEN, COLOR, N, ColumnReading("empty", "unused")]
    later = mark_missing(select_rows(frame, np.arange(1, 5)), {"price": ["1345"]})
    [price] = [each for each in column_readings(columns, later) if each.column == "price"]
    assert price.first == ("2.100 €", "2100") and price.smallest == price.first


def test_an_order_is_shown_as_numbers_and_tables_in_memory_as_they_are() -> None:
    frame = frame_of({"size": ["small", "large", "small"], "n": [1.5, 2.0, np.nan]})
    columns = fit_columns(frame, infer_column_types(frame, {"size": ["small", "large"]}).values())
    size, n = column_readings(columns, frame)
    assert size.largest == ("large", "1") and size.most_frequent == ("small", "0")
    assert n.first == ("1.5", "1.5") and n.largest == ("2", "2")
