"""The record of a benchmark on a terminal: rows, contenders, processes and targets."""

import io
import json
from pathlib import Path

from rich.console import Console

from deltarule.reports.performance_tables import bench_tables, performance_page

RECORD = json.loads((Path(__file__).parents[2] / "docs/reference/performance.json").read_text(encoding="utf-8"))


def shown(width: int) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(*bench_tables(RECORD), sep="\n")
    return file.getvalue()


def test_a_record_is_shown_whole() -> None:
    text = shown(width=250)
    for row in RECORD["rows"]:
        assert f"{row['name']}: {row['title']}, {row['dtype']}." in text
        assert all(one["name"] in text and one["about"] in text for one in row["contenders"])
    assert all(process["about"] in text for process in RECORD["processes"])
    assert all(target["what"] in text for target in RECORD["targets"])


def test_tables_fit_a_narrow_terminal() -> None:
    assert max(map(len, shown(width=80).splitlines())) <= 80


def test_a_page_of_a_quick_run_says_that_its_times_say_little() -> None:
    said = "times say little"
    assert said in performance_page(RECORD | {"quick": True})["machine"]
    assert said not in performance_page(RECORD | {"quick": False})["machine"]
