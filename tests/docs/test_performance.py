"""What the pages on speed and accuracy say is drawn from stored records: no figure of their tables is typed by hand."""

import re
from pathlib import Path

import pytest
from scripts import benchmark

from deltarule.json_files import read_json

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "benchmarks" / "records"
REFERENCE = (ROOT / "docs" / "reference" / "performance.md").read_text(encoding="utf-8")
PAGE = (RECORDS / "performance.md").read_text(encoding="utf-8")
RECORD = read_json(RECORDS / "performance.json")
PERFORMANCE = benchmark("performance")
curve_name, describe_machine = PERFORMANCE.curve_name, PERFORMANCE.describe_machine


@pytest.mark.parametrize("page", [PAGE, REFERENCE], ids=["record", "reference"])
def test_page_is_what_the_record_says(page: str) -> None:
    assert PERFORMANCE.fill_page(page, RECORD) == page
    assert PERFORMANCE.fill_page(page, {**RECORD, "rows": RECORD["rows"][1:]}) != page


def test_another_date_would_be_seen() -> None:
    assert PERFORMANCE.fill_page(PAGE, {**RECORD, "date": "1999-01-01"}) != PAGE


def test_page_has_all_parts_of_the_record() -> None:
    parts = benchmark("bench.tables").performance_page(RECORD)
    assert sorted(re.findall("<!-- (.*), drawn from performance.json -->", PAGE)) == sorted(parts)


def test_curves_are_those_of_the_record() -> None:
    for one in RECORD["curves"]:
        svg = (RECORDS / f"{curve_name(one)}.svg").read_text(encoding="utf-8")
        words = " ".join(re.sub(r"<[^>]*>", " ", svg).split())
        assert RECORD["date"] in words and all(name in words for name in one["microseconds"])
        assert f"{curve_name(one)}.svg" in PAGE and describe_machine(RECORD).split(": ")[1].split(",")[0] in words


@pytest.mark.parametrize("page", [PAGE, REFERENCE], ids=["record", "reference"])
def test_every_target_that_is_missed_is_reported(page: str) -> None:
    told = page.partition("### Where it falls short")[2].partition("\n## ")[0]
    missed = [one["what"] for one in RECORD["targets"] if one["reached"] is False]
    assert [what for what in missed if what not in told] == []
