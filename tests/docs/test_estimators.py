"""The page on the estimators is drawn from the stored record: no figure of its tables is typed by hand."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scripts import benchmark

from deltarule.files import read_json

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGE = (REFERENCE / "estimators.md").read_text(encoding="utf-8")
RECORD = read_json(REFERENCE / "estimators.json")
PAGES, RULE, SPEED, TABLES = (benchmark(f"against_sklearn.{name}") for name in ("page", "rule", "speed", "tables"))


def test_page_is_what_the_record_says() -> None:
    assert PAGES.drawn(PAGE, RECORD) == PAGE


def test_another_record_would_be_seen() -> None:
    occasions = [{**one, "date": "1999-01-01"} for one in RECORD["occasions"]]
    assert PAGES.drawn(PAGE, {**RECORD, "occasions": occasions}) != PAGE
    assert PAGES.drawn(PAGE, {**RECORD, "measured": {part: {} for part in RECORD["measured"]}}) != PAGE


def test_turns_are_taken_and_the_first_does_not_count() -> None:
    calls: list[str] = []
    found = SPEED.in_turn({"theirs": lambda: calls.append("theirs"), "ours": lambda: calls.append("ours")}, rounds=2)
    assert calls == ["theirs", "ours", "ours", "theirs", "theirs", "ours"]
    assert [len(seconds) for seconds in found["seconds"].values()] == [2, 2] and len(found["ratios"]) == 2


def test_folds_that_share_rows_widen_the_interval_as_nadeau_and_bengio_say() -> None:
    scores = [0.9, 0.95, 1.0, 0.92]
    plain = stats.ttest_1samp(scores, 0).confidence_interval()
    assert TABLES.interval(scores) == pytest.approx(list(plain))
    low, high = TABLES.interval(scores, share=1 / 4)  # (1/4 + 1/4) is twice 1/4
    assert high - low == pytest.approx((plain.high - plain.low) * 2**0.5)


def test_bundled_sets_are_divided_anew_several_times() -> None:
    x, y, classify = TABLES.data_of("iris")
    parts = list(TABLES.divided("iris", x, y, classify))
    for seed in range(TABLES.DIVISIONS):
        tested = np.concatenate([test for own, _, test in parts if own == seed])
        assert sorted(tested) == list(range(len(x)))
    assert not np.array_equal(parts[0][2], parts[10][2])


def test_sets_of_the_rule_differ_by_their_seed_alone() -> None:
    for name in RULE.UNSEEN:
        (x, y), (again, _), (other, _) = (RULE.unseen(name, 200, seed) for seed in (0, 0, 1))
        assert len(x) == len(y) == 200 + RULE.TEST_ROWS
        assert (x == again).all() and not (x == other).all()
