"""The page on the estimators is drawn from the stored record: no figure of its tables is typed by hand."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scripts import benchmark

from deltarule.estimators.tabular import training_budget
from deltarule.json_files import read_json

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


def test_bundled_sets_are_divided_again_several_times() -> None:
    x, y, classify = TABLES.data_of("iris")
    parts = list(TABLES.divided("iris", x, y, classify))
    for seed in range(TABLES.DIVISIONS):
        tested = np.concatenate([test for own, _, test in parts if own == seed])
        assert sorted(tested) == list(range(len(x)))
    assert not np.array_equal(parts[0][2], parts[10][2])


def test_a_rule_is_compared_over_kinds_of_sets_and_not_over_their_seeds() -> None:
    """Four seeds of a kind are not four kinds."""
    random = np.random.default_rng(0)
    behind = np.repeat(random.normal(size=6), 4).reshape(6, 4)  # the same with each seed
    found = {
        str(kind): [{"rows": 200, "scores": dict.fromkeys(RULE.RULES, 0.0) | {"accuracy": one}} for one in seeds]
        for kind, seeds in enumerate(behind)
    }
    _, (_, mean, told), *_ = PAGES._rule_cells(found)
    low, high = stats.ttest_1samp(behind[:, 0], 0).confidence_interval()
    assert (mean, told) == ("0.0000", f"{low:+.4f} … {high:+.4f}")


def test_sets_of_the_rule_differ_by_their_seed_alone() -> None:
    for name in RULE.UNSEEN:
        (x, y), (again, _), (other, _) = (RULE.unseen(name, 200, seed) for seed in (0, 0, 1))
        assert len(x) == len(y) == 200 + RULE.TEST_ROWS
        assert (x == again).all() and not (x == other).all()


def test_each_candidate_of_the_rule_is_scored_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RULE, "TEST_ROWS", 20)
    monkeypatch.setattr(
        training_budget, "CANDIDATES", {name: values[:2] for name, values in training_budget.CANDIDATES.items()}
    )
    monkeypatch.setattr(training_budget, "EPOCHS", (1, 2))
    found = RULE.candidates_of("moons", 40, 0)
    assert len(found.settings) == len(found.ahead) == len(found.mixed) == len(found.likelihood) == 8
    assert found.grid.shape == (2, 2, 2) and (0 <= found.ahead).all() and (found.ahead <= 1).all()


def found_with(accuracy: np.ndarray) -> object:
    """What a search of eight candidates, 2 networks × 2 rates × 2 penalties, has found on folds."""
    names = ("hidden_layer_sizes", "learning_rate_init", "alpha")
    settings = [dict(zip(names, one, strict=True)) for one in product(((), (128,)), (0.003, 0.01), (0.01, 3.0))]
    return RULE.Found(settings, accuracy, accuracy[:, 0], accuracy[:, 1], accuracy[:, 2])


def test_rules_choose_what_they_say() -> None:
    accuracy = np.full((8, 3), 0.5) + np.random.default_rng(0).uniform(-0.01, 0.01, size=(8, 3))
    accuracy[2] = 0.9, 0.9, 0.9
    found = found_with(accuracy)
    assert RULE.RULES["accuracy"](found) == 2
    assert RULE.RULES["always 128 units, 0.003 and 0.01"](found) == 4
    assert RULE.RULES["the largest network within a standard error"](found) == 2  # the others are far below
    accuracy[2] = 0.1, 0.9, 1.7  # as good in the mean, and nobody knows
    assert RULE.RULES["the largest network within a standard error"](found) == 4
    assert RULE.RULES["the strongest penalty within a standard error"](found) == 1


def test_smoothed_scores_are_those_of_neighbors_too() -> None:
    accuracy = np.zeros((8, 3))
    accuracy[0] = 9.0
    grid = RULE.smoothed(found_with(accuracy)).reshape(2, 2, 2)
    assert grid[0] == pytest.approx(9 * np.array([[4, 2], [2, 1]]) / 9) and not grid[1].any()
    # By halves the score itself, and the mean of each value of a parameter less that of all, which is 1.125.
    alone = RULE.additive(found_with(accuracy)).reshape(2, 2, 2)
    assert alone[0, 0, 0] == pytest.approx((9 + 3 * 2.25 - 2 * 1.125) / 2)
    assert alone[1, 1, 1] == pytest.approx((0 - 2 * 1.125) / 2)


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
