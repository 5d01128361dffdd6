import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.metrics import log_loss, mean_absolute_error, roc_auc_score
from sklearn.model_selection import cross_val_score

from deltarule import BadInput, MLPClassifier, MLPRegressor, TabularClassifier, TabularRegressor, load_model
from deltarule.array_files import load_arrays, save_arrays
from deltarule.estimators.tabular import predictor
from deltarule.estimators.tabular.candidate_search import best_candidate
from deltarule.estimators.tabular.splits import RowDivision

pytestmark = pytest.mark.usefixtures("one_candidate")

RANDOM = np.random.default_rng(1)
N = 90
SIZE = RANDOM.normal(5, 2, N)
COLOR = RANDOM.choice(["red", "green", "blue"], N)
PRICE = 3 * SIZE + np.where(COLOR == "red", 10, 0) + RANDOM.normal(size=N)
TABLE = pd.DataFrame(
    {
        "id": np.arange(N),
        "size": np.where(RANDOM.random(N) < 0.1, np.nan, SIZE),
        "color": np.where(RANDOM.random(N) < 0.1, None, COLOR.astype(object)),
    }
)


@pytest.fixture(scope="module")
def classifier() -> TabularClassifier:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TabularClassifier(random_state=0).fit(
            TABLE, pd.Series(np.where(PRICE > 18, "dear", "cheap"), name="price")
        )


@pytest.fixture(scope="module")
def regressor() -> TabularRegressor:
    with pytest.warns(UserWarning, match="the column 'id' is not used: an identifier"):
        return TabularRegressor(random_state=0).fit(TABLE, PRICE)


@pytest.mark.slow
def test_fit_and_predict(classifier: TabularClassifier, regressor: TabularRegressor) -> None:
    assert [column.kind for column in classifier.columns_] == ["unused", "number", "category"]
    for model, name in ((classifier, "accuracy"), (regressor, "r_squared")):
        scores = model.report_.scores
        assert scores.metric == name and scores.rows == model.report_.validation_rows == 18
        assert scores.low <= scores.score <= scores.high and scores.score > scores.baseline + 0.2
        assert model.report_.candidates == 12  # nine, and the best of three kinds with numbers in pieces
    assert classifier.target_ == "price" and classifier.usual_ in classifier.classes_
    p = classifier.predict_proba(TABLE)
    np.testing.assert_array_equal(classifier.predict_log_proba(TABLE), np.log(p))
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (classifier.predict(TABLE) == classifier.classes_[p.argmax(axis=1)]).all()


@pytest.mark.complete_search
@pytest.mark.slow
def test_same_seed_gives_the_same_model(regressor: TabularRegressor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = clone(regressor).fit(TABLE, PRICE)
    np.testing.assert_array_equal(again.predict(TABLE), regressor.predict(TABLE[["color", "size"]]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "y",
    [
        pd.Series([True, False] * 20, dtype=object),
        pd.Series([1, 0] * 20, dtype=object),
        pd.Series([1, "no"] * 20, dtype=object),
        pd.Series([0.0, 1.0] * 20),
    ],
)
def test_score_compares_class_names(y: Any) -> None:
    X = pd.DataFrame({"a": np.arange(40) % 2 + RANDOM.normal(scale=0.1, size=40)})
    assert cross_val_score(TabularClassifier(random_state=0), X, y, cv=2).tolist() == [1, 1]
    model = TabularClassifier(random_state=0).fit(X, y)
    half, weights = np.where(np.arange(40) < 10, y[::-1], y), np.arange(40.0)
    assert model.score(X, half) == 0.75
    assert model.score(X, half, weights) == pytest.approx(1 - weights[:10].sum() / weights.sum())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the column .* alone predicts the target")
def test_unused_columns_may_hold_anything() -> None:
    """In training as somebody told, and in answers as the model knows; of columns without names all count."""
    table = pd.DataFrame({"z": [np.inf, 1.0] * 20, "a": np.arange(40) % 2})
    model = TabularClassifier({"z": "unused"}, random_state=0).fit(table, table["a"])
    assert model.score(table, table["a"]) == 1 and list(model.feature_names_in_) == ["z", "a"]
    assert model.score(table.assign(other=np.inf), table["a"]) == 1
    with refuses("z", "inf"):
        TabularClassifier(random_state=0).fit(table, table["a"])
    with pytest.warns(UserWarning, match="X does not have feature names"):
        assert model.predict(table.fillna(0).replace(np.inf, 0).to_numpy()).tolist() == table["a"].tolist()


@pytest.mark.slow
def test_unnamed_columns_go_by_position() -> None:
    rows = RANDOM.normal(size=(30, 2))
    frame = pd.DataFrame(rows, columns=["a", "b"])
    plain, named = (TabularRegressor(random_state=0).fit(X, rows[:, 1]) for X in (rows, frame))
    assert not hasattr(plain, "feature_names_in_") and named.feature_names_in_.tolist() == ["a", "b"]
    answers = plain.predict(rows)
    with pytest.warns(UserWarning, match="X has feature names, but TabularRegressor was fitted without feature names"):
        np.testing.assert_array_equal(plain.predict(frame), answers)
    with pytest.warns(
        UserWarning, match="X does not have .* names, but TabularRegressor was fitted with feature names"
    ):
        np.testing.assert_array_equal(named.predict(rows), answers)
    with refuses("TabularRegressor", 1, 2):
        plain.predict(frame[["a"]])
    assert not hasattr(named.fit(rows, rows[:, 1]), "feature_names_in_")


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_records_go_by_name(regressor: TabularRegressor) -> None:
    frame = TABLE.dropna()[:8]
    expected, turned = regressor.predict(frame), frame[frame.columns[::-1]]
    for records in (
        turned.to_dict("records"),
        turned.to_records(index=False),
        list(turned.itertuples(index=False)),
        turned.to_dict("list"),
    ):
        np.testing.assert_array_equal(regressor.predict(records), expected)


@pytest.mark.slow
def test_warning_for_unusual_numbers(classifier: TabularClassifier, tmp_path: Path) -> None:
    classifier.save(tmp_path / "model.safetensors")
    for model in (classifier, load_model(tmp_path / "model.safetensors")):
        with pytest.warns(UserWarning) as caught:
            model.predict(pd.DataFrame({"size": [9e6, 2.0], "color": ["red", "red"]}))
        [told] = caught
        assert str(told.message).startswith("the column 'size' has numbers far outside the training range, ")


@pytest.mark.parametrize("asked", ["predict", "predict_proba", "evaluate", "score", "inspect"])
def test_warnings_have_the_line_of_the_call(classifier: TabularClassifier, asked: str) -> None:
    table = pd.DataFrame({"size": SIZE, "color": "violet"})
    targets = [] if "predict" in asked else [classifier.predict(TABLE)]
    with pytest.warns(UserWarning, match="categories") as caught:
        getattr(classifier, asked)(table, *targets)
    assert [one.filename for one in caught] == [__file__]


@pytest.mark.slow
@pytest.mark.complete_search
def test_a_time_limit_is_kept_for_a_wide_table() -> None:
    x = np.random.default_rng(0).normal(size=(64, 3000))
    with pytest.warns(UserWarning, match="the time limit was too short for all settings; [3-6] were compared"):
        model = TabularRegressor(time_limit=6.0, random_state=0).fit(x, x[:, :9].sum(axis=1))
    assert model.report_.seconds < 1.1 * 6.0


@pytest.mark.slow
def test_warnings_for_leaks_and_text_numbers() -> None:
    table = {
        "size": SIZE,
        "paid": PRICE * 1.1,
        "age": [f"{size}" if row else "old" for row, size in enumerate(SIZE)],
        "rate": [f"{row % 5}" if row else "none" for row in range(N)],
    }
    with pytest.warns(UserWarning) as caught:
        model = TabularClassifier(random_state=0).fit(table, PRICE > 18)
    assert model.report_.notes == tuple(str(one.message) for one in caught)
    leak, rate, slip = model.report_.notes
    assert leak.startswith("the column 'paid' alone predicts the target")
    advice = "; correct or empty such cells; one that means missing is named by --missing, in Python missing="
    assert rate == f"the column 'rate' is read as categories: numbers, but for texts such as 'none'{advice}"
    assert slip == f"the column 'age' is not used: numbers, but for texts such as 'old'{advice}"


@pytest.mark.parametrize(
    ("kind", "X", "y", "sentence"),
    [
        (TabularClassifier, np.eye(9), [0, 1, 2] * 3, "there are 9 rows, too few to set some aside; give at least 10"),
        (TabularClassifier, np.eye(12), ["a"] * 12, "two classes must occur in more than one row, and only 'a' does"),
        (
            TabularClassifier,
            np.eye(12),
            ["a"] * 11 + ["b"],
            "two classes must occur in more than one row, and only 'a' does",
        ),
        (TabularClassifier, np.eye(10), list("aaaaabbbbc"), "there are 9 rows left, of a weight and of a class that"),
        (TabularClassifier, np.eye(12), np.arange(12) / 7, "Unknown label type: continuous"),
        (TabularClassifier, np.eye(12), np.array([1, 2] * 6, "M8[D]"), r"the target holds datetime64\[D\]; make"),
        (TabularClassifier, np.zeros((12, 0)), ["a", "b"] * 6, r"0 feature\(s\) \(shape=\(12, 0\)\) while a minimum"),
        (TabularClassifier, np.array([[f"name {row}"] for row in range(12)]), ["a", "b"] * 6, "no text occurs twice"),
        (TabularClassifier, np.eye(12), None, "TabularClassifier requires y to be passed, but the target y is None"),
        (TabularClassifier, np.ones(12), ["a", "b"] * 6, "a single row or column. Reshape your data"),
        (TabularClassifier, sparse.eye(12).tocsr(), ["a", "b"] * 6, "the table is sparse, and sparse data are not"),
        (TabularClassifier, np.eye(12), ["a", None] * 6, "the target is missing in row 1"),
        (TabularRegressor, np.eye(12), [2.0] * 12, "the target is 2 in every row"),
        (
            TabularRegressor,
            np.eye(12),
            ["1"] * 11 + ["a"],
            "the target holds numbers, but for texts such as 'a'",
        ),
        (TabularRegressor, np.eye(12), [np.inf] + [1.0] * 11, "the target is infinite"),
        (TabularRegressor, np.ones((12, 1)), np.arange(12.0), r"no column is left to learn from \('x0': the same in"),
    ],
)
def test_invalid_tables_are_refused(kind: Any, X: Any, y: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        kind().fit(X, None if y is None else np.array(y, object if None in list(y) else None))


@pytest.mark.slow
def test_class_of_one_row_is_left_out() -> None:
    """As rows without a target are passed over: nobody can add rows to a table that is as it is."""
    x, y = RANDOM.normal(size=(60, 2)), np.array(["no", "yes"] * 30, object)
    x[:, 0] += y == "no"
    y[7] = "4 Cycle"
    told = "left out: 1 row whose class occurs nowhere else ('4 Cycle')"
    with pytest.warns(UserWarning) as caught:
        model = TabularClassifier(random_state=0).fit(x, y)
    assert model.report_.notes[0] == told == str(caught[0].message) and caught[0].filename == __file__
    assert model.classes_.tolist() == ["no", "yes"] and model.report_.rows == 59 and model.classes_.dtype == "<U3"
    without = TabularClassifier(random_state=0).fit(np.delete(x, 7, axis=0), np.delete(y, 7))
    np.testing.assert_array_equal(model.predict_proba(x), without.predict_proba(x))
    numbers = np.where(y == "no", 0, 1)
    numbers[:6] = np.arange(2, 8)
    told = r"left out: 6 rows whose class occurs nowhere else \('2', '3', '4', '5', '6' and 1 more\)"
    with pytest.warns(UserWarning, match=told):
        assert TabularClassifier(random_state=0).fit(x, numbers).classes_.tolist() == [0, 1]


@pytest.mark.slow
def test_class_that_is_set_aside_completely() -> None:
    """Of 30 classes of two rows each 12 rows are set aside, two of them all that there are of a class."""
    y = np.arange(60) // 2
    model = TabularClassifier(random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(np.eye(30)[y], y)
        _, held = RowDivision(y).hold_out(model._seed)
    alone = np.isin(y[held], np.flatnonzero(np.bincount(y[held], minlength=30) == 2))
    assert alone.any() and model.report_.scores.score == pytest.approx(1 - alone.mean())


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2])
def test_interrupted_fit_leaves_the_model_unchanged(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the ensemble that is to be scored, and at the one that is to be kept."""
    x = {"a": RANDOM.normal(size=60) + np.arange(60) % 2, "b": RANDOM.normal(size=60)}
    model = TabularClassifier(random_state=0).fit(x, np.array(["no", "yes"] * 30))
    before, fit, left = vars(model).copy(), MLPClassifier.fit, [number]

    def interrupted(*given: Any, **named: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return fit(*given, **named)

    monkeypatch.setattr(MLPClassifier, "fit", interrupted)
    for one in (model, TabularClassifier(random_state=0)):
        left[0] = number
        with pytest.raises(KeyboardInterrupt):
            one.fit({"c": x["a"], "d": x["b"]}, np.arange(60) % 3)
    assert vars(model) == before and not [name for name in vars(one) if name.endswith("_")]


@pytest.mark.complete_search
@pytest.mark.slow
def test_linear_model_is_chosen_for_a_line() -> None:
    """On what a linear model fits best, the linear candidate is as good as least squares.

    The rows are always the same: of one table in fourteen a network scores better in the folds, by chance.
    """
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 5))
    y = x @ [1.0, 2.0, 3.0, 4.0, 5.0] + random.normal(scale=3, size=200)
    new = random.normal(size=(500, 5))
    truth = new @ [1.0, 2.0, 3.0, 4.0, 5.0]
    ours = TabularRegressor(random_state=0).fit(x, y).predict(new)
    theirs = LinearRegression().fit(x, y).predict(new)
    assert np.square(ours - truth).mean() < 2 * np.square(theirs - truth).mean() + 0.1


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_save_and_load(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    model = request.getfixturevalue(kind)
    model.save(tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(TABLE), model.predict(TABLE))
    assert (again.columns_, again.report_, again.target_) == (model.columns_, model.report_, model.target_)
    assert again.usual_ == model.usual_ and again.get_params() == model.get_params()
    if kind == "classifier":
        np.testing.assert_array_equal(again.predict_proba(TABLE), model.predict_proba(TABLE))


def _columns(**changes: Any) -> Any:
    return lambda about: {"columns_": [{**column, **changes} for column in about["columns_"]]}


@pytest.mark.parametrize(
    "change",
    [
        lambda about: {"columns_": about["columns_"][:1]},
        lambda about: {"usual_": "somebody"},
        lambda about: {"calibration_": [1.0, [0.0]]},
        _columns(kind="Popen"),
        _columns(scale=0.0),
    ],
)
def test_hostile_file_is_refused(classifier: TabularClassifier, tmp_path: Path, change: Any) -> None:
    path = tmp_path / "model.safetensors"
    classifier.save(path)
    arrays, about = load_arrays(path)
    save_arrays(path, arrays, about | change(about))
    with refuses(path):
        load_model(path)


@pytest.mark.slow
def test_prediction_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text of 500 categories became 500 numbers of every row at once: gigabytes for a table of some megabytes."""
    model = TabularClassifier(random_state=0).fit(TABLE, COLOR)
    numbers = TabularRegressor(random_state=0).fit(TABLE, PRICE)
    whole = model.predict_proba(TABLE), model.predict(TABLE), numbers.predict(TABLE), model.inspect(TABLE, COLOR)
    encoded, seen = predictor.encode_columns, list[int]()
    monkeypatch.setattr(predictor, "encode_columns", lambda *given: seen.append(len(x := encoded(*given))) or x)
    monkeypatch.setattr(predictor, "MAX_ENCODED_NUMBERS", 7 * sum(len(column.inputs) for column in model.columns_))
    np.testing.assert_allclose(model.predict_proba(TABLE), whole[0], rtol=1e-12)
    assert seen == [7] * (N // 7) + [N % 7]
    np.testing.assert_array_equal(model.predict(TABLE), whole[1])
    np.testing.assert_allclose(numbers.predict(TABLE), whole[2], rtol=1e-12)
    assert model.inspect(TABLE, COLOR).classes == whole[3].classes
    far = {"size": np.where(np.arange(N) == 50, 1e308, 1.0), "color": COLOR}
    assert np.isfinite(numbers.predict(far)).all()


@given(st.integers(0, 2**32 - 1), st.integers(2, 8), st.floats(0, 0.5))
def test_best_candidate_breaks_ties(seed: int, count: int, near: float) -> None:
    random = np.random.default_rng(seed)
    scores, others = random.random(count), random.normal(size=count)
    scores[random.integers(count)] = -np.inf  # diverged
    assert best_candidate(scores, others) == best_candidate(scores, scores, near) == scores.argmax()
    assert best_candidate(np.ones(count), others) == others.argmax()
    assert best_candidate(np.full(count, -np.inf), others, near) in range(count)
    found, is_near = best_candidate(scores, others, near), scores.max() - scores <= near
    assert is_near[found] and others[found] == others[is_near].max()


@pytest.mark.slow
def test_warning_for_poor_scores() -> None:
    x = RANDOM.normal(size=(100, 2))
    with pytest.warns(UserWarning, match="R² is .*, not above the .* of predicting the mean; do not rely on it"):
        model = TabularRegressor(random_state=1).fit(x, np.exp(5 * RANDOM.normal(size=100)))
    doubt, spread = model.report_.notes
    assert doubt.startswith("on held-out rows R² is ")
    assert spread.startswith("targets span several orders of magnitude (5 % to 95 %: ")
    rare = np.where(np.arange(100) % 20, "no", "yes")
    with pytest.warns(UserWarning, match="never predicts 'yes', and its accuracy does not exceed the baseline"):
        TabularClassifier(random_state=0).fit(x, rare)


@pytest.mark.slow
@pytest.mark.complete_search
def test_patients_are_recognized_unless_their_rows_are_kept_together() -> None:
    """Of 40 patients with 8 nearly equal rows and random labels nothing can be learned about others."""
    random = np.random.default_rng(0)
    patient = np.repeat(np.arange(40), 8)
    x = random.normal(size=(40, 4))[patient] + random.normal(scale=0.05, size=(320, 4))
    y = np.where(random.random(40) < 0.5, "ill", "well")[patient]
    with pytest.warns(UserWarning, match=r"rows set aside are nearly copies of rows trained on \(such as the rows"):
        alone = TabularClassifier(random_state=0).fit(x, y)
    with pytest.warns(UserWarning, match="does not exceed the baseline"):
        together = TabularClassifier(random_state=0).fit(x, y, groups=patient)
    assert alone.report_.scores.score > 0.85 and together.report_.scores.score < 0.75


def test_later_rows_of_known_patients_are_no_later_rows_of_others() -> None:
    """40 patients with random labels come and go: a later row is recognized by its patient, a new patient is not."""
    random = np.random.default_rng(0)
    patient = np.repeat(np.arange(40), 8)
    day = patient + random.integers(0, 25, size=320)
    x = random.normal(size=(40, 4))[patient] + random.normal(scale=0.05, size=(320, 4))
    y = np.where(random.random(40) < 0.5, "ill", "well")[patient]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the copies, and of a score below the baseline
        later = TabularClassifier(random_state=0, preset="fast").fit(x, y, time=day)
        others = TabularClassifier(random_state=0, preset="fast").fit(x, y, groups=patient, time=day)
    assert later.report_.scores.score > 0.75 > others.report_.scores.score


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:on held-out rows R²")
def test_quantiles_hold_the_shares_that_they_name() -> None:
    """Averaged over tables, because a single one has few rows set aside; the outer ones are never too narrow."""
    coverages = []
    for seed in range(4):
        random = np.random.default_rng(seed)
        x = random.normal(size=(1100, 2))
        y = x[:, 0] + random.standard_t(4, size=1100)
        model = TabularRegressor(random_state=0).fit(x[:100], y[:100])
        low, middle, high = model.predict(x[100:], quantiles=[0.1, 0.5, 0.9]).T
        coverages.append([np.mean(y[100:] < each) for each in (low, middle, high)])
    np.testing.assert_allclose(np.mean(coverages, axis=0), [0.1, 0.5, 0.9], atol=0.06)
    with refuses("[5, 95]", 0, 1):
        model.predict(x, quantiles=[5, 95])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the column .* alone predicts the target")
def test_a_fast_fit_and_a_short_one_try_less() -> None:
    x = RANDOM.normal(size=(60, 2))
    fast, short = TabularRegressor(preset="fast", random_state=0), TabularRegressor(time_limit=1e-9, random_state=0)
    assert short.fit(x, x[:, 0]).model_.n_members == 1 and fast.fit(x, x[:, 0]).model_.n_members <= 2
    for wrong, message in ({"preset": "slow"}, "preset is 'slow'"), ({"time_limit": 0}, "time_limit is 0"):
        with pytest.raises(BadInput, match=message):
            TabularRegressor(**wrong).fit(x, x[:, 0])  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.complete_search
def test_kinds_with_and_without_pieces_are_blended(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = np.column_stack([random.normal(size=160), np.exp(2 * random.normal(size=160))])
    y = np.where(x[:, 0] + np.log(x[:, 1]) > 0, "high", "low")
    model = TabularClassifier(random_state=0, preset="best").fit(x[:120], y[:120])
    assert model.model_.n_members == 4 * model.report_.kinds > 4
    assert any(column.knots for column in model.columns_)
    assert model.score(x[120:], y[120:]) > 0.8
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(load_model(tmp_path / "model").predict(x), model.predict(x))


def test_no_rows_name_the_class_of_the_user(regressor: TabularRegressor) -> None:
    with pytest.raises(ValueError, match=r"0 sample\(s\) .* required by TabularRegressor"):
        regressor.predict(TABLE[:0])


@pytest.mark.slow
@pytest.mark.parametrize("rows", [120, 2600])  # calibrated by the cross-validation, and by the rows set aside
def test_rows_of_weight_0_teach_nothing(rows: int) -> None:
    random = np.random.default_rng(0)
    x, is_wrong = random.normal(size=(rows, 2)), random.random(rows) < 0.3
    y = (x[:, 0] > 0) != is_wrong
    model = TabularClassifier(random_state=0).fit(x, y, sample_weight=np.where(is_wrong, 0.0, 2.0))
    assert model.report_.scores.score > 0.9 and model.report_.scores.confidence > 0.85
    assert (model.predict(x) == (x[:, 0] > 0)).mean() > 0.9


@pytest.mark.slow
def test_balanced_classes_weigh_the_same() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 1))
    y = x[:, 0] + random.normal(size=400) > 1.5
    plain, balanced = (TabularClassifier(random_state=0, class_weight=each).fit(x, y) for each in (None, "balanced"))
    assert balanced.predict_proba(x)[~y, 1].mean() > 2 * plain.predict_proba(x)[~y, 1].mean()
    assert balanced.report_.scores.baseline < 0.6 < plain.report_.scores.baseline
    by_hand = TabularClassifier(random_state=0).fit(x, y, np.where(y, 0.5 / y.mean(), 0.5 / (1 - y.mean())))
    np.testing.assert_allclose(by_hand.predict_proba(x), balanced.predict_proba(x), rtol=1e-6)


@pytest.mark.slow
def test_weighted_numbers_are_scored_by_their_weights() -> None:
    x = np.random.default_rng(0).normal(size=200)
    y = np.where(x > 1, 30.0, x)
    model = TabularRegressor(random_state=0).fit(x[:, None], y, sample_weight=x <= 1)
    assert model.report_.scores.score > 0.9 and np.abs(model.predict(x[:, None]) - x).max() < 1


@pytest.mark.complete_search
@pytest.mark.slow
def test_settings_are_chosen_by_the_metric() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(60, 2)), random.integers(0, 3, 60)
    numbers = MLPRegressor(hidden_layer_sizes=(), max_iter=3, random_state=0).fit(x, x[:, 0])
    chosen, _ = TabularRegressor(metric="mae")._score_pair(numbers, x, x[:, 0], None)
    assert np.isclose(-chosen, mean_absolute_error(x[:, 0], numbers.predict(x)))
    classes = MLPClassifier((), max_iter=3, random_state=0).fit(x, y)
    model = TabularClassifier(metric="auc")
    model.classes_ = classes.classes_
    chosen, tie_breaking = model._score_pair(classes, x, y, None)
    p = classes.predict_proba(x)
    assert np.isclose(chosen, roc_auc_score(y, p, multi_class="ovr")) and np.isclose(tie_breaking, -log_loss(y, p))
    assert TabularClassifier(metric="log_loss", random_state=0).fit(x, y > 0).report_.metric == "log loss"
    with refuses("mae", "accuracy", "auc", "log_loss"):
        TabularClassifier(metric="mae").fit(x, y)


@pytest.mark.slow
def test_ordered_categories_of_pandas_keep_their_order() -> None:
    size = pd.Categorical(["small", "large", "medium"] * 20, ["small", "medium", "large"], ordered=True)
    model = TabularRegressor(random_state=0, preset="fast").fit(pd.DataFrame({"size": size}), [0.0, 2.0, 1.0] * 20)
    assert model.columns_[0].levels == ("small", "medium", "large")
    assert np.allclose(model.predict({"size": ["medium"]}), 1, atol=0.02)


@pytest.mark.slow
def test_columns_with_heavy_tails_are_learned() -> None:
    random = np.random.default_rng(0)
    x = np.stack([np.exp(random.normal(0, 2, 900)), random.normal(size=900)], axis=1)
    y = np.log(x[:, 0]) + 0.3 * x[:, 1] + random.normal(0, 0.2, 900)
    model = TabularRegressor(random_state=0, preset="fast").fit(x[:600], y[:600])
    assert all(column.knots for column in model.columns_)
    assert model.score(x[600:], y[600:]) > 0.95
    linear = TabularRegressor(random_state=0, preset="fast").fit(x[:600], x[:600, 0] + x[:600, 1])
    assert linear.report_.scores.score > 0.99
