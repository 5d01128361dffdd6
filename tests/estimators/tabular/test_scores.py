from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats
from sklearn import datasets, metrics
from sklearn.metrics import r2_score

from deltarule.estimators.tabular import scores
from deltarule.estimators.tabular.formatting import score_lines
from deltarule.estimators.tabular.scores import (
    Scores,
    baseline_warnings,
    describe_dominant_errors,
    describe_wide_range,
    probability_warnings,
    r_squared,
    scores_of_classes,
    scores_of_numbers,
)
from deltarule.tables.column_encoder import Column, fit_columns
from deltarule.tables.diagnostics import render_diagnostics
from deltarule.tables.frame import frame_of
from deltarule.tables.leaks import find_leaks

pytestmark = pytest.mark.usefixtures("one_candidate")

RANDOM = np.random.default_rng(5)
few = st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=2, max_size=20)


@given(few)
@example([(0.1, 0.2)] * 3)
def test_r_squared_is_that_of_scikit_learn(pairs: list[tuple[float, float]]) -> None:
    """Which takes a mean that is rounded for a difference where all targets are the same."""
    y, answers = (np.round(values, 2) for values in np.array(pairs).T)
    expected = r2_score(y, answers) if np.ptp(y) else float((y == answers).all())
    assert r_squared(y, answers) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_accuracy_stands_between_the_ends_of_its_interval() -> None:
    said = np.tile([0.9, 0.1], (10, 1))
    scores = scores_of_classes(np.array(["a"] * 8 + ["b"] * 2), said, np.array(["a", "b"]), baseline_prediction="a")
    assert scores.metric == "accuracy" and scores.score == scores.baseline == 0.8
    assert (scores.low, scores.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # Wilson's, worked out by hand


@given(st.integers(2, 4), st.integers(4, 30), st.integers(0, 2**32 - 1))
def test_probabilities_are_judged_as_by_scikit_learn(count: int, rows: int, seed: int) -> None:
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
def test_rows_of_classes_that_are_not_known_are_wrong_and_no_matter_of_probabilities(
    rows: list[str], seed: int
) -> None:
    y, classes = np.array(rows), np.array(["a", "b"])
    said, known = np.random.default_rng(seed).dirichlet([1, 1], len(y)), y != "z"
    found = scores_of_classes(y, said, classes, baseline_prediction="a")
    assert found.score == pytest.approx(np.mean(classes[said.argmax(axis=1)] == y)) and found.rows == len(y)
    names = ("log_loss", "baseline_log_loss", "area_under_roc")
    others = scores_of_classes(y[known], said[known], classes, baseline_prediction="a") if known.any() else None
    assert [getattr(found, name) for name in names] == [others and getattr(others, name) for name in names]
    assert (found.baseline_log_loss == 0) == (len({*y[known].tolist()}) == 1)


@given(st.lists(st.sampled_from("ab"), min_size=1), st.sampled_from("ab"))
def test_what_scores_no_more_than_its_baseline_is_doubted(rows: list[str], answer: str) -> None:
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
def test_probabilities_are_praised_only_where_they_tell_more_than_the_shares(said: list[float], cure: str) -> None:
    y, probabilities = np.array(["a"] * 18 + ["b"] * 2), np.repeat(said, [9, 9, 2])
    probabilities = np.array([1 - probabilities, probabilities]).T
    scores = scores_of_classes(y, probabilities, np.array(["a", "b"]), baseline_prediction="a")
    assert baseline_warnings(scores, y, np.full(20, "a"))[0].endswith(f"; {cure}")


@given(st.lists(st.booleans(), min_size=10, max_size=40).filter(lambda one: 0 < sum(one) < len(one) / 2), st.booleans())
def test_probabilities_that_tell_are_praised_though_the_rare_class_is_answered(rare: list[bool], turned: bool) -> None:
    """In a row or two, of which one is wrong."""
    y = np.where(rare, "b", "a")
    said = np.where(np.array(rare) != turned, 0.4, 0.1)
    said[[np.argmax(rare), np.argmin(rare)]] = 0.51
    scores = scores_of_classes(y, np.array([1 - said, said]).T, np.array(["a", "b"]), baseline_prediction="a")
    tells = scores.log_loss < scores.baseline_log_loss and scores.area_under_roc > 0.5
    cure = "the probabilities do rank the rows" if tells else "do not rely on it"
    assert baseline_warnings(scores, y, np.where(said > 0.5, "b", "a")) == [
        f"on held-out rows its accuracy does not exceed the baseline; {cure}"
    ]
    assert tells or turned or sum(rare) < 3


@given(st.integers(0, 6), st.integers(100, 1200), st.floats(0.5, 100), st.sampled_from([1e-150, 1.0, 1e150]))
def test_a_few_rows_that_make_a_third_of_the_squared_errors_are_named(
    few: int, rows: int, size: float, unit: float
) -> None:
    random = np.random.default_rng(few)
    y, errors, numbers = random.normal(size=rows), np.full(rows, 0.5), random.permutation(rows) + 7
    errors[:few] = np.linspace(size, size / 2, few)
    needed = np.square(np.sort(errors)[::-1]).cumsum() >= np.square(errors).sum() / 3
    count = int(needed.argmax()) + 1
    told = describe_dominant_errors(unit * y, unit * (y + errors), numbers)
    assert bool(told) == (count <= min(5, rows // 100))
    if told:
        makes = f"{count} of {rows:,} rows set aside make{'s' * (count == 1)} "
        named = ", ".join(map(str, numbers[:count]))
        assert told[0].startswith(makes) and told[0].endswith(f": row{'s' * (count > 1)} {named} (counted from 0)")
    assert describe_dominant_errors(unit * y, unit * (y + errors / 1e4), numbers) == []


@given(st.integers(1, 8), st.integers(200, 900))
def test_rows_that_err_alike_are_named_all_or_not_at_all(alike: int, rows: int) -> None:
    y = np.zeros(rows)
    places = np.arange(alike) * 20
    y[places] = 1.0
    told = describe_dominant_errors(y, np.full(rows, 0.01), np.arange(rows))
    assert len(told) == (alike <= min(5, rows // 100))
    assert not told or f": row{'s' * (alike > 1)} {', '.join(map(str, places))} (" in told[0]


def test_of_rows_without_errors_none_makes_them() -> None:
    assert describe_dominant_errors(np.arange(200.0), np.arange(200.0), np.arange(200)) == []


@pytest.mark.parametrize("sure", [0.7, 0.999])
def test_of_answers_that_are_better_than_the_baseline_the_probabilities_may_be_worse(sure: float) -> None:
    """Three of four right, and as sure of what is wrong."""
    y, answers = np.array([*"aabb"] * 5), np.array([*"aaba"] * 5)
    said = np.where((answers == "a")[:, None], [sure, 1 - sure], [1 - sure, sure])
    scores = scores_of_classes(y, said, np.array(["a", "b"]), baseline_prediction="a")
    assert baseline_warnings(scores, y, answers) == []
    assert probability_warnings(scores) == [
        "its predictions are better than the baseline, but its probabilities are not (log loss 1.73 beside "
        "0.693); do not rely on these"
    ] * (sure > 0.9)


few_scores = st.sampled_from([0.0, 0.25, 0.5])


@given(few_scores, few_scores, st.none() | few_scores, few_scores)
def test_probabilities_are_doubted_where_the_answers_are_not_and_the_shares_say_more(
    score: float, baseline: float, loss: float | None, constant: float
) -> None:
    """Which they do not where all rows are of one class."""
    told = probability_warnings(
        Scores("accuracy", 20, score, 0.1, 0.9, baseline, log_loss=loss, baseline_log_loss=constant)
    )
    assert bool(told) == (score > baseline and loss is not None and loss > constant > 0)


def test_of_targets_that_are_all_the_same_r_squared_is_no_reason_for_doubt() -> None:
    y, answers = np.full(3, 3.0), np.array([3.0, 3.0, 3.1])
    assert baseline_warnings(scores_of_numbers(y, answers, baseline_prediction=3.0), y, answers) == []


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.5, 2.0]))
def test_numbers_that_are_told_no_better_than_by_their_mean_are_doubted(seed: int, noise: float) -> None:
    y = np.random.default_rng(seed).normal(size=20)
    scores = scores_of_numbers(y, y + noise * np.sign(y) * np.abs(y).max(), baseline_prediction=0.0)
    told = baseline_warnings(scores, y, y)
    assert bool(told) == (scores.score <= scores.baseline)
    assert not told or f"R² is {scores.score:.3g}, not above the {scores.baseline:.3g}" in told[0]


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 3), st.sampled_from([1e-9, 1.0, 1e9]))
def test_targets_that_logarithms_tell_better_are_named_in_any_unit(seed: int, spread: float, unit: float) -> None:
    y = np.exp(spread * np.random.default_rng(seed).normal(size=100))
    assert describe_wide_range(y) == [] or describe_wide_range(unit * y) != []
    assert not describe_wide_range(unit * (y - y.min())) and not describe_wide_range(np.log(y))
    assert bool(describe_wide_range(np.exp(3 * np.linspace(-1, 1, 50) * spread))) == (
        np.exp(2 * 3 * 0.9 * spread) >= 100
    )


def test_the_interval_of_many_rows_is_found_by_draws_of_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the one that draws of all rows come to."""
    drawn: list[int] = []

    def seen(y: Any, answers: Any) -> float:
        drawn.append(len(y))
        return r_squared(y, answers)

    monkeypatch.setattr(scores, "r_squared", seen)
    y = RANDOM.exponential(size=300_000)
    answers = y + RANDOM.normal(size=len(y)) * (1 + y)
    few, many = (scores_of_numbers(y[:rows], answers[:rows], 1.0) for rows in (30_000, len(y)))
    assert sorted(drawn, reverse=True)[4] <= 10_000  # all that is larger: the score and the baseline, of few and many
    draws = (RANDOM.integers(30_000, size=30_000) for _ in range(400))
    low, high = np.quantile([r_squared(y[rows], answers[rows]) for rows in draws], [0.025, 0.975])
    assert (few.low, few.high) == pytest.approx((low, high), abs=0.2 * (high - low))
    assert many.low < many.score < many.high
    assert many.high - many.low == pytest.approx((high - low) / np.sqrt(10), rel=0.35)


def test_of_a_single_row_there_is_no_r_squared() -> None:
    found = scores_of_numbers([3.0], [2.0], baseline_prediction=1.0)
    assert np.isnan([found.score, found.low, found.high, found.baseline]).all() and found.mean_absolute_error == 1


def test_targets_that_are_all_the_same_have_a_score_without_an_interval() -> None:
    found = scores_of_numbers([0.1] * 3, [0.2] * 3, baseline_prediction=0.1)  # whose mean is rounded to more than 0.1
    assert (found.score, found.baseline) == (0, 1) and np.isnan([found.low, found.high]).all()


def test_draws_of_rows_with_one_target_say_nothing_of_the_interval() -> None:
    """Of ten rows with a single other target every third draw has none of it, and would come to 0."""
    y = np.array([1.0] * 9 + [2.0])
    assert scores_of_numbers(y, y + 0.1, baseline_prediction=1.0).low > 0.8


@pytest.mark.parametrize("usual", [0.0, 1.5])
def test_answers_that_are_far_off_change_nothing_of_the_baseline(usual: float) -> None:
    y = np.array([1.0, 2.0, 4.0])
    found = scores_of_numbers(y, np.array([1e180, 0, 0]), usual)
    assert found.score == -np.finfo(float).max  # it is less than any number
    assert found.baseline == pytest.approx(r2_score(y, np.full(3, usual)))
    assert r_squared(1e-200 * y, np.array([1e-200, 2e-200, 3e-200])) == pytest.approx(r2_score(y, [1, 2, 3]))
    assert r_squared(1e200 * y, np.array([1e200, 2e200, 3e200])) == pytest.approx(r2_score(y, [1, 2, 3]))


@pytest.mark.slow
@pytest.mark.parametrize("rows", [10, 20, 200])
def test_the_interval_of_r_squared_covers_the_truth_about_as_often_as_it_says(rows: int) -> None:
    random, covered = np.random.default_rng(rows), 0
    for _ in range(100):
        signal, noise = random.normal(size=(2, rows))
        scores = scores_of_numbers(signal + noise, signal, baseline_prediction=0.0)
        covered += scores.low <= 0.5 <= scores.high  # half of the variance is noise
        assert scores.mean_absolute_error == pytest.approx(np.abs(noise).mean())
        assert scores.baseline == pytest.approx(r2_score(signal + noise, np.zeros(rows)))
    assert 89 <= covered <= 99


@given(st.integers(2, 9), st.integers(0, 2**32 - 1))
def test_r_squared_of_very_few_rows_has_no_interval(rows: int, seed: int) -> None:
    """Of two rows all draws that have a say come to the score, and the interval would have no width."""
    y = np.random.default_rng(seed).normal(size=rows)
    found = scores_of_numbers(y, -y, baseline_prediction=0.0)
    assert np.isfinite(found.score) and np.isnan([found.low, found.high]).all()
    assert dict(score_lines(found, 0.0))["R²"] == f"{found.score:.3f} on {rows} rows"
    assert baseline_warnings(found, y, -y)


@pytest.mark.parametrize("classes", [True, False])
def test_a_copy_of_the_target_is_a_leak_and_a_mere_cause_is_not(classes: bool) -> None:
    y = RANDOM.integers(3, size=300).astype(float)
    frame = {"cause": y + RANDOM.normal(size=300), "copy": 7 - 2 * y, "noise": RANDOM.normal(size=300)}
    columns = [Column(name, "number", "") for name in frame]
    [told] = render_diagnostics(find_leaks(frame, columns, y, classes))
    assert told.startswith("the column 'copy' alone predicts the target (100 % on held-out rows)")


def test_what_is_nearly_a_copy_is_told_without_many_digits() -> None:
    y = RANDOM.normal(size=2000)
    near = np.where(np.arange(2000) == 7, y + 0.01, y)
    [told] = render_diagnostics(find_leaks({"near": near}, [Column("near", "number", "")], y, is_classification=False))
    assert told.startswith(
        "the column 'near' alone predicts the target (more than 99.9 % on held-out rows); is it known"
    )


def test_copies_by_the_dozen_are_one_sentence() -> None:
    y = RANDOM.normal(size=300)
    copies = {f"copy {n}": n - 2 * y for n in range(12)}
    [told] = render_diagnostics(
        find_leaks(copies, [Column(name, "number", "") for name in copies], y, is_classification=False)
    )
    assert told == (
        "the 12 columns 'copy 0', 'copy 1', 'copy 2', 'copy 3', 'copy 4' and 7 more each predict the target alone (at "
        "least 99 % on held-out rows); are they known before the target is? If not, leave them out"
    )


def test_where_nearly_all_rows_are_of_one_class_no_column_is_suspected() -> None:
    y = np.r_[np.ones(3), np.zeros(297)]
    assert find_leaks({"a": RANDOM.normal(size=300)}, [Column("a", "number", "")], y, is_classification=True) == []


def test_a_rare_amount_makes_no_leak_of_every_column() -> None:
    """Of 6000 claims four are not 0, and noise tells nothing of them, be they among the rows that are drawn or not."""
    frame = {"age": RANDOM.normal(size=6000), "height": RANDOM.normal(size=6000)}
    columns = [Column(name, "number", "") for name in frame]
    for first in range(0, 1500, 50):
        y = np.where(np.arange(6000) % 1500 == first, 1000.0, 0.0)
        assert find_leaks(frame, columns, y, is_classification=False) == []


@pytest.mark.parametrize("size", [1e200, 1e-200, 1.7e308])
def test_scores_do_not_depend_on_the_unit(size: float) -> None:
    y, answers = RANDOM.uniform(-1, 1, size=(2, 50))
    plain, scaled = (scores_of_numbers(unit * y, unit * answers, unit * 0.5) for unit in (1.0, size))
    for name in ("score", "low", "high", "baseline"):
        assert getattr(scaled, name) == pytest.approx(getattr(plain, name))
    assert scaled.mean_absolute_error is not None and plain.mean_absolute_error is not None
    assert scaled.mean_absolute_error / size == pytest.approx(plain.mean_absolute_error)


def test_a_column_of_which_nothing_is_left_is_no_leak() -> None:
    y = np.arange(10.0)
    assert (
        find_leaks(
            {"a": np.array([f"once {n}" for n in y], object)}, [Column("a", "category", "")], y, is_classification=False
        )
        == []
    )


def _told(frame: dict[str, Any], y: Any, classes: bool) -> list[str]:
    frame = frame_of(frame)
    columns = fit_columns(frame, {k: ("category" if v.dtype.kind == "O" else "number", "") for k, v in frame.items()})
    return [leak.column for column in columns for leak in find_leaks(frame, [column], y, classes)]


@pytest.mark.parametrize("rows", [60, 200, 5000])
@pytest.mark.parametrize("law", ["lognormal", "pareto", "mostly 0"])
def test_a_copy_of_a_skewed_number_is_a_leak(law: str, rows: int) -> None:
    """By its ranks: a far value weighs no more than another, and the many zeros are one value."""
    random = np.random.default_rng(rows)
    y = random.lognormal(sigma=2, size=rows) if law == "lognormal" else random.pareto(1.5, rows)
    y = np.where(random.random(rows) < 0.6, 0, y) if law == "mostly 0" else y
    gaps, flag = np.where(random.random(rows) < 0.05, np.nan, y), (y > np.median(y)).astype(float)
    frame = {"copy": y, "log": -np.log1p(y), "gaps": gaps, "cause": y * random.lognormal(size=rows), "flag": flag}
    assert _told(frame, y, classes=False) == ["copy", "log", "gaps"]


@pytest.mark.parametrize(("rows", "rare"), [(200, 2), (1000, 5), (5000, 25), (200, 3), (1000, 15), (200, 100)], ids=str)
def test_a_copy_of_a_rare_class_is_a_leak_and_noise_is_none(rows: int, rare: int) -> None:
    random = np.random.default_rng(rare)
    y = random.permutation(np.arange(rows) < rare)
    frame: dict[str, Any] = {"copy": y * 3.0, "text": np.where(y, "yes", "no")}
    assert _told(frame | {f"n{n}": random.normal(size=rows) for n in range(40)}, y, classes=True) == ["copy", "text"]
    assert _told({f"t{n}": random.choice(list("abcdefgh"), rows) for n in range(40)}, y, classes=True) == []


@pytest.mark.parametrize("rare", [1, 8])
def test_few_values_tell_no_class_that_they_do_not_know(rare: int) -> None:
    """Whether a rare row is among those drawn or not; a copy tells it."""
    for seed in range(20):
        random = np.random.default_rng(seed)
        y = random.permutation(np.arange(10_000) < rare)
        frame = {"sex": random.choice(["m", "f"], 10_000), "bin": random.integers(2, size=10_000), "copy": 1.0 * y}
        assert _told(frame, y, classes=True) == (["copy"] if rare > 1 else [])


@pytest.mark.parametrize("classes", [2, 100, 150])
def test_a_copy_with_gaps_or_of_many_classes_is_a_leak(classes: int) -> None:
    random = np.random.default_rng(classes)
    y = random.permutation(np.arange(600) % classes)
    names, gaps = np.array([f"c{one}" for one in y], object), random.random(600) < 0.05
    frame = {
        "number": 1.0 * y,
        "text": names,
        "number with gaps": np.where(gaps, np.nan, y),
        "text with gaps": np.where(gaps, None, names),
        "mostly missing": np.where(random.random(600) < 0.7, np.nan, y),
        "half": np.where(random.random(600) < 0.5, y, random.permutation(y)),
    }
    assert _told(frame, names, classes=True) == list(frame)[:4]


def test_that_a_value_is_missing_may_tell_the_target() -> None:
    y = RANDOM.random(300) < 0.3
    assert _told({"ended": np.where(y, RANDOM.normal(size=300), np.nan)}, y, classes=True) == ["ended"]


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
def test_no_column_of_published_tables_is_suspected(name: str) -> None:
    bunch = getattr(datasets, f"load_{name}")()
    assert _told({f"x{n}": column for n, column in enumerate(bunch.data.T)}, bunch.target, name != "diabetes") == []


def test_the_interval_of_r_squared_leaves_out_two_and_a_half_per_cent_at_each_end() -> None:
    """As wide as the oracle's, a bootstrap of ours; one of 90 % would have 0.84 of its width."""
    ratios = []
    for seed in range(10):
        random = np.random.default_rng(seed)
        y = random.normal(size=150)
        answers = y + random.normal(scale=0.5, size=150)
        rows = random.integers(150, size=(4000, 150))
        drawn = 1 - ((y - answers)[rows] ** 2).sum(1) / (y[rows].var(1) * 150)
        low, high = np.quantile(drawn, [0.025, 0.975])
        found = scores_of_numbers(y, answers, 0.0)
        ratios.append((found.high - found.low) / (high - low))
    assert 0.93 < np.mean(ratios) < 1.07


def test_the_interval_of_few_rows_is_farther_out_as_students_is() -> None:
    """By the formula of Hesterberg 2015, equation 10, on the same draws."""
    random = np.random.default_rng(1)
    y = random.normal(size=12)
    answers = y + random.normal(scale=0.3, size=12)
    drawing = np.random.default_rng(0)
    drawn = [r2_score(y[rows], answers[rows]) for rows in (drawing.integers(12, size=12) for _ in range(400))]
    below = stats.norm.cdf(np.sqrt(12 / 11) * stats.t.ppf(0.025, 11))
    found = scores_of_numbers(y, answers, baseline_prediction=0.0)
    np.testing.assert_allclose([found.low, found.high], np.quantile(drawn, [below, 1 - below]), rtol=1e-9)


X = Column("x", "number", "numbers")


def test_a_column_that_is_missing_in_half_of_the_rows_may_tell_the_target() -> None:
    y = np.random.default_rng(1).permutation(np.arange(100.0))
    half = np.where(np.arange(100) % 2, y, np.nan)
    assert len(find_leaks({"x": half}, [X], y, is_classification=False)) == 1
    half[1] = np.nan
    assert find_leaks({"x": half}, [X], y, is_classification=False) == []


def test_missing_cells_are_no_value_of_a_column_with_as_few_values_as_there_are_classes() -> None:
    y, code = np.repeat(["no", "yes"], [96, 4]), np.repeat([np.nan, 1.0, 2.0], [60, 36, 4])
    assert len(find_leaks({"x": code}, [X], y, is_classification=True)) == 1


def test_classes_of_one_row_do_not_hide_a_leak() -> None:
    y = np.array([*np.repeat([0, 1], 50), *range(2, 12)])
    assert len(find_leaks({"x": y * 1.0}, [X], y, is_classification=True)) == 1


def test_a_column_that_is_right_in_97_of_100_rows_is_no_leak() -> None:
    y = np.arange(1000) % 2
    x = np.where(np.arange(1000) // 2 % 100 < 3, 1 - y, y) * 1.0
    assert find_leaks({"x": x}, [X], y, is_classification=True) == []


def test_leaks_are_sought_in_rows_of_the_whole_table() -> None:
    y = np.arange(10_000.0)
    x = np.where(y < 2000, y, np.random.default_rng(0).permutation(y))
    assert find_leaks({"x": x}, [X], y, is_classification=False) == []
