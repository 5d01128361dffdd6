"""The page on the estimators is drawn from the stored record: no figure of its tables is typed by hand."""

from pathlib import Path

from scripts import benchmark

from deltarule.files import read_json

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGE = (REFERENCE / "estimators.md").read_text(encoding="utf-8")
RECORD = read_json(REFERENCE / "estimators.json")
ESTIMATORS = benchmark("estimators")


def test_page_is_what_the_record_says() -> None:
    assert ESTIMATORS.drawn(PAGE, RECORD) == PAGE


def test_another_record_would_be_seen() -> None:
    assert ESTIMATORS.drawn(PAGE, {**RECORD, "date": "1999-01-01"}) != PAGE


def test_turns_are_taken_and_the_first_does_not_count() -> None:
    calls: list[str] = []
    found = ESTIMATORS.in_turn(
        {"theirs": lambda: calls.append("theirs"), "ours": lambda: calls.append("ours")}, rounds=2
    )
    assert calls == ["theirs", "ours", "ours", "theirs", "theirs", "ours"]
    assert [len(seconds) for seconds in found["seconds"].values()] == [2, 2] and len(found["ratios"]) == 2


def test_sets_of_the_rule_differ_by_their_seed_alone() -> None:
    for name in ESTIMATORS.UNSEEN:
        (x, y), (again, _), (other, _) = (ESTIMATORS.unseen(name, 200, seed) for seed in (0, 0, 1))
        assert len(x) == len(y) == 200 + ESTIMATORS.TEST_ROWS
        assert (x == again).all() and not (x == other).all()
