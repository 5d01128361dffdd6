"""The page on performance is drawn from the stored record: no figure on it is typed by hand."""

import re
from pathlib import Path

from scripts import benchmark

from deltarule.json_files import read_json

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGE = (REFERENCE / "performance.md").read_text(encoding="utf-8")
RECORD = read_json(REFERENCE / "performance.json")
PERFORMANCE = benchmark("performance")
curve_name, describe_machine = PERFORMANCE.curve_name, PERFORMANCE.describe_machine


def test_page_is_what_the_record_says() -> None:
    assert PERFORMANCE.fill_page(PAGE, RECORD) == PAGE


def test_another_record_would_be_seen() -> None:
    assert PERFORMANCE.fill_page(PAGE, {**RECORD, "date": "1999-01-01"}) != PAGE


def test_curves_are_those_of_the_record() -> None:
    for one in RECORD["curves"]:
        svg = (REFERENCE / f"{curve_name(one)}.svg").read_text(encoding="utf-8")
        words = " ".join(re.sub(r"<[^>]*>", " ", svg).split())
        assert RECORD["date"] in words and all(name in words for name in one["microseconds"])
        assert f"{curve_name(one)}.svg" in PAGE and describe_machine(RECORD).split(": ")[1].split(",")[0] in words


def test_every_target_that_is_missed_is_reported() -> None:
    told = PAGE.partition("### Where it falls short")[2].partition("\n## ")[0]
    missed = [one["what"] for one in RECORD["targets"] if one["reached"] is False]
    assert [what for what in missed if what not in told] == []
