"""What pages say of the estimators is drawn from the stored record: no figure of their tables is typed by hand."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scripts import benchmark

from deltarule.json_files import read_json

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "benchmarks" / "records"
PAGE = (RECORDS / "estimators.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "reference" / "performance.md").read_text(encoding="utf-8")
RECORD = read_json(RECORDS / "estimators.json")
PAGES, SPEED, TABLES = (benchmark(f"against_sklearn.{name}") for name in ("page", "speed", "tables"))


@pytest.mark.parametrize("page", [PAGE, REFERENCE], ids=["record", "reference"])
def test_page_is_what_the_record_says(page: str) -> None:
    assert PAGES.fill_page(page, RECORD) == page
    assert PAGES.fill_page(page, {**RECORD, "measured": {part: {} for part in RECORD["measured"]}, "fit": {}}) != page


def test_another_date_would_be_seen() -> None:
    occasions = [{**one, "date": "1999-01-01"} for one in RECORD["occasions"]]
    assert PAGES.fill_page(PAGE, {**RECORD, "occasions": occasions}) != PAGE


@pytest.mark.slow
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


REAL = pytest.mark.skipif("DELTARULE_DATA" not in os.environ, reason="the real tables are not in the repository")


@pytest.mark.parametrize(("name", "divisions", "folds"), [("iris", 5, 10), pytest.param("mpg", 2, 5, marks=REAL)])
def test_bundled_sets_and_real_tables_are_divided_again_several_times(name: str, divisions: int, folds: int) -> None:
    x, y, classify = TABLES.data_of(name)
    parts = list(TABLES.divisions(name, x, y, classify))
    assert len(parts) == divisions * folds
    for seed in range(divisions):
        tested = np.concatenate([test for own, _, test in parts if own == seed])
        assert sorted(tested) == list(range(len(x)))
    assert not np.array_equal(parts[0][2], parts[folds][2])


def test_real_tables_are_divided_into_those_that_choose_and_those_that_do_not() -> None:
    assert not set(TABLES.CHOOSING) & set(TABLES.HELD) and len(TABLES.REAL) == 11


@pytest.mark.parametrize("contender", ["linear", "sklearn MLP", "HistGradientBoosting"])
def test_contenders_take_a_table_with_texts_and_gaps(contender: str) -> None:
    """Also a category that is not in the rows that were learned from, and one with more categories than trees take."""
    random = np.random.default_rng(0)
    size = np.where(random.random(300) < 0.1, np.nan, random.normal(size=300))
    color = random.choice(["red", "green"], 300).astype(object)
    color[:3], color[299] = None, "violet"
    names = [f"name {row}" for row in range(300)]
    x = pd.DataFrame({"size": size, "color": color, "name": names}).astype({"color": "category", "name": "category"})
    y = np.nan_to_num(size) + 3.0 * (color == "red")
    model = TABLES.contender_of(contender, False, 0, x).fit(x[:200], y[:200])
    assert TABLES.r_squared(y[200:], model.predict(x[200:])) > 0.5


def test_errors_are_compared_in_the_geometric_mean_over_the_tables_that_both_have() -> None:
    scores = {"mpg, linear": 0.8, "mpg, HistGradientBoosting": 0.9, "abalone, linear": 0.55, "taxis, linear": 0.9}
    scores["abalone, HistGradientBoosting"] = 0.1
    record = {
        name: {"score": score, "interval": [score - 0.01, score + 0.01], "fit_seconds": 1.0}
        for name, score in scores.items()
    }
    lines = PAGES._real_cells({**record, "iris, MLP": record["taxis, linear"]})
    assert [line[0] for line in lines[:-1]] == ["abalone*", "mpg*", "taxis"]
    assert lines[-1][1] == "1.000 on 2"  # (0.45 / 0.9) · (0.2 / 0.1)
