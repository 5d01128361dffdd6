"""The tables of a benchmark's record on the performance page."""

import json
from pathlib import Path

from scripts import benchmark

RECORD = json.loads((Path(__file__).parents[2] / "benchmarks/records/performance.json").read_text(encoding="utf-8"))
performance_page = benchmark("bench.tables").performance_page


def test_page_of_a_quick_run_says_so() -> None:
    sentence = "times say little"
    assert sentence in performance_page(RECORD | {"quick": True})["machine"]
    assert sentence not in performance_page(RECORD | {"quick": False})["machine"]
