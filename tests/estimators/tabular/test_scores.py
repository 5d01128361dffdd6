from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.metrics import r2_score

from deltarule.estimators.tabular import scores
from deltarule.estimators.tabular.scores import (
    baseline_warnings,
    describe_wide_range,
    log_loss,
    scores_of_classes,
    scores_of_numbers,
)

pytestmark = pytest.mark.usefixtures("one_candidate")

RANDOM = np.random.default_rng(5)


@given(st.integers(2, 4), st.integers(4, 30), st.integers(0, 2**32 - 1))
def test_scores_of_probabilities_equal_scikit_learns(count: int, rows: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    classes, said = np.arange(count) * 3, random.dirichlet(np.ones(count), rows)
    y = random.permutation(np.resize(classes, rows))
    scores = scores_of_classes(y, said, classes, baseline_prediction=0)
    assert scores.log_loss == pytest.approx(metrics.log_loss(y, said, labels=classes))
    shares = np.tile((y[:, None] == classes).mean(axis=0), (rows, 1))
    assert scores.baseline_log_loss == pytest.approx(metrics.log_loss(y, shares, labels=classes))
    expected = None if count > 2 else pytest.approx(metrics.roc_auc_score(y, said[:, 1]))
    assert scores.area_under_roc == expected


@given(st.lists(st.sampled_from("abz"), min_size=1), st.integers(0, 2**32 - 1))
@example(["z"], 0)
@example(["a"] * 5, 0)  # of which rounding shall leave exactly 0
def test_rows_of_unknown_classes_count_in_the_accuracy_alone(rows: list[str], seed: int) -> None:
    y, classes = np.array(rows), np.array(["a", "b"])
    said, known = np.random.default_rng(seed).dirichlet([1, 1], len(y)), y != "z"
    found = scores_of_classes(y, said, classes, baseline_prediction="a")
    assert found.score == pytest.approx(np.mean(classes[said.argmax(axis=1)] == y)) and found.rows == len(y)
    names = ("log_loss", "baseline_log_loss", "area_under_roc")
    others = scores_of_classes(y[known], said[known], classes, baseline_prediction="a") if known.any() else None
    assert [getattr(found, name) for name in names] == [others and getattr(others, name) for name in names]
    assert (found.baseline_log_loss == 0) == (len({*y[known].tolist()}) == 1)


@given(st.lists(st.sampled_from("ab"), min_size=1), st.sampled_from("ab"))
def test_warning_if_accuracy_does_not_exceed_the_baseline(rows: list[str], answer: str) -> None:
    y, said = np.array(rows), np.tile([answer == "a", answer == "b"], (len(rows), 1)).astype(float)
    for usual in ("a", "b"):
        scores = scores_of_classes(y, said, np.array(["a", "b"]), usual)
        told = baseline_warnings(scores, y, np.full(len(y), answer))
        if scores.score > scores.baseline:
            assert not told
            continue
        assert bool(told) == (scores.score < 1)
        assert not told or told[0].startswith(f"never predicts {({*'ab'} - {answer}).pop()!r}, and its accuracy")


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ([0.1, 0.1, 0.4], "the probabilities do rank the rows"),
        ([0.4, 0.4, 0.1], "do not rely on it"),  # the other way round
        ([0.4, 0.45, 0.49], "do not rely on it"),  # too high, by log loss
    ],
)
def test_advice_depends_on_log_loss_and_roc(said: list[float], cure: str) -> None:
    y, probabilities = np.array(["a"] * 18 + ["b"] * 2), np.repeat(said, [9, 9, 2])
    probabilities = np.array([1 - probabilities, probabilities]).T
    scores = scores_of_classes(y, probabilities, np.array(["a", "b"]), baseline_prediction="a")
    assert baseline_warnings(scores, y, np.full(20, "a"))[0].endswith(f"; {cure}")


@pytest.mark.parametrize("rows", [1, 3])
def test_equal_targets_have_no_r_squared(rows: int) -> None:
    y = np.full(rows, 0.1)
    found = scores_of_numbers(y, y + 1, baseline_prediction=0.1)
    assert np.isnan([found.score, found.low, found.high, found.baseline]).all() and found.mean_absolute_error == 1
    assert baseline_warnings(found, y, y) == []


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 3), st.sampled_from([1e-9, 1.0, 1e9]))
def test_wide_ranges_are_reported_in_any_unit(seed: int, spread: float, unit: float) -> None:
    y = np.exp(spread * np.random.default_rng(seed).normal(size=100))
    assert describe_wide_range(y) == [] or describe_wide_range(unit * y) != []
    assert not describe_wide_range(unit * (y - y.min())) and not describe_wide_range(np.log(y))
    assert bool(describe_wide_range(np.exp(3 * np.linspace(-1, 1, 50) * spread))) == (
        np.exp(2 * 3 * 0.9 * spread) >= 100
    )


@pytest.mark.slow
def test_interval_of_many_rows_is_scaled_from_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the one that draws of all rows come to."""
    drawn: list[int] = []

    def seen(y: Any, answers: Any, weights: Any) -> float:
        drawn.append(len(y))
        return float(r2_score(y, answers))

    monkeypatch.setattr(scores, "r_squared", seen)
    y = RANDOM.exponential(size=300_000)
    answers = y + RANDOM.normal(size=len(y)) * (1 + y)
    few, many = (scores_of_numbers(y[:rows], answers[:rows], 1.0) for rows in (30_000, len(y)))
    assert sorted(drawn, reverse=True)[4] <= 10_000  # all that is larger: the score and the baseline, of few and many
    draws = (RANDOM.integers(30_000, size=30_000) for _ in range(400))
    low, high = np.quantile([r2_score(y[rows], answers[rows]) for rows in draws], [0.025, 0.975])
    assert (few.low, few.high) == pytest.approx((low, high), abs=0.2 * (high - low))
    assert many.low < many.score < many.high
    assert many.high - many.low == pytest.approx((high - low) / np.sqrt(10), rel=0.35)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [10, 200])
def test_coverage_of_the_interval_of_r_squared(rows: int) -> None:
    random, covered = np.random.default_rng(rows), 0
    for _ in range(100):
        signal, noise = random.normal(size=(2, rows))
        scores = scores_of_numbers(signal + noise, signal, baseline_prediction=0.0)
        covered += scores.low <= 0.5 <= scores.high  # half of the variance is noise
        assert scores.mean_absolute_error == pytest.approx(np.abs(noise).mean())
        assert scores.baseline == pytest.approx(r2_score(signal + noise, np.zeros(rows)))
    assert 89 <= covered <= 99


@pytest.mark.parametrize("is_classification", [True, False])
def test_rows_of_one_group_count_once(is_classification: bool) -> None:
    """Twenty equal rows of each group say as much as one; groups of single rows, as much as none."""
    random = np.random.default_rng(0)
    groups, y = np.repeat(np.arange(60), 20), random.normal(size=60)
    guess = y + random.normal(size=60)

    def interval(rows: Any, groups: Any = None) -> tuple[float, float]:
        if is_classification:
            probabilities = np.where(guess[rows, None] > 0, [0.2, 0.8], [0.8, 0.2])
            scores = scores_of_classes(y[rows] > 0, probabilities, np.array([False, True]), True, None, groups)
        else:
            scores = scores_of_numbers(y[rows], guess[rows], 0.0, None, groups)
        return scores.low, scores.high

    each = np.arange(60)
    np.testing.assert_allclose(interval(groups, groups), interval(each), atol=0.03)
    np.testing.assert_allclose(interval(each, each), interval(each), atol=0.03)
    assert np.diff(interval(groups))[0] < 0.4 * np.diff(interval(groups, groups))[0]


@pytest.mark.parametrize("weights", [None, np.array([1.0, 0.5, 2.0, 1.0])])
def test_log_loss_is_that_of_scikit_learn(weights: Any) -> None:
    probabilities = np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.1, 0.1, 0.8]])
    classes = np.array([1, 0, 2, 2])
    expected = metrics.log_loss(classes, probabilities, sample_weight=weights)
    assert log_loss(classes, probabilities, weights) == expected
