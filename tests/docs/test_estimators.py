"""The page on the estimators is drawn from the stored record: no figure of its tables is typed by hand."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from deltarule.files import read_json

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGE = (REFERENCE / "estimators.md").read_text(encoding="utf-8")
RECORD = read_json(REFERENCE / "estimators.json")


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("estimators", ROOT / "benchmarks" / "estimators.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_what_the_record_says(benchmark: ModuleType) -> None:
    assert benchmark.drawn(PAGE, RECORD) == PAGE


def test_another_record_would_be_seen(benchmark: ModuleType) -> None:
    assert benchmark.drawn(PAGE, {**RECORD, "date": "1999-01-01"}) != PAGE


def test_turns_are_taken_and_the_first_does_not_count(benchmark: ModuleType) -> None:
    calls: list[str] = []
    found = benchmark.in_turn(
        {"theirs": lambda: calls.append("theirs"), "ours": lambda: calls.append("ours")}, rounds=2
    )
    assert calls == ["theirs", "ours", "ours", "theirs", "theirs", "ours"]
    assert [len(seconds) for seconds in found["seconds"].values()] == [2, 2] and len(found["ratios"]) == 2


def test_sets_of_the_rule_differ_by_their_seed_alone(benchmark: ModuleType) -> None:
    for name in benchmark.UNSEEN:
        (x, y), (again, _), (other, _) = (benchmark.unseen(name, 200, seed) for seed in (0, 0, 1))
        assert len(x) == len(y) == 200 + benchmark.TEST_ROWS
        assert (x == again).all() and not (x == other).all()
