import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from refusals import refuses
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier as SklearnMLPClassifier

from deltarule import MLPClassifier, load_model

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(2).normal(size=(80, 3))


def fitted(y: Any, **given: Any) -> MLPClassifier:
    return MLPClassifier((8,), solver="lbfgs", random_state=0, max_iter=200, **given).fit(X, y)


@pytest.mark.parametrize(
    "classes",
    [
        np.array([3, 7]),
        np.array(["no", "yes"]),
        np.array([False, True]),
        np.array([0.0, 2.0, 9.0]),
        np.array(list("abcd")),
        np.array(["2020-01-01", "2021-02-03"], "M8[D]"),
    ],
    ids=str,
)
def test_classes_of_any_dtype(classes: Any) -> None:
    y = classes[np.argsort(np.argsort(X[:, 0])) * len(classes) // len(X)]
    model = fitted(y)
    np.testing.assert_array_equal(model.classes_, classes)
    assert model.predict(X).dtype == y.dtype
    assert (model.predict(X) == y).mean() > 0.95
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (80, len(classes))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(classes[probabilities.argmax(axis=1)], model.predict(X))
    np.testing.assert_array_equal(np.exp(model.predict_log_proba(X)).round(12), probabilities.round(12))


@pytest.mark.parametrize("kind", [list, lambda y: np.array(y, object), pd.Series])
@pytest.mark.parametrize("names", [["no", "yes"], ["a", "bcd", "Brücke"]], ids=ascii)
def test_text_classes_become_numpy_strings(names: list[str], kind: Any) -> None:
    y = [names[n % len(names)] for n in range(80)]
    once, theirs = (of((3,), max_iter=2).fit(X, kind(y)) for of in (MLPClassifier, SklearnMLPClassifier))
    piece = MLPClassifier((3,)).partial_fit(X, kind(y), classes=kind(names))
    for ours in (
        once,
        piece,
        once.set_params(warm_start=True).fit(X, kind(y)),
        piece.partial_fit(X, kind(y), classes=names),
    ):
        assert ours.classes_.dtype == theirs.classes_.dtype == ours.predict(X).dtype
        assert ours.classes_.tolist() == sorted(names)
        assert ours.score(X, kind(y)) == np.mean(ours.predict(X) == y)


def test_multilabel() -> None:
    y = (X > 0).astype(int)
    for given in (y, sparse.csr_matrix(y)):
        model = fitted(given)
        assert (model.predict(X) == y).mean() > 0.95
        assert model.predict_proba(X).shape == (80, 3)
        assert model.out_activation_ == "logistic"
    model = MLPClassifier((8,), random_state=0).partial_fit(X, y, classes=[0, 1, 2])
    assert model.predict(X).shape == (80, 3)


@pytest.mark.parametrize("classes", [range(4), list("0123")], ids=["numbers", "texts"])
@pytest.mark.parametrize("columns", [2, 4])
def test_multioutput_classes_are_refused(classes: Any, columns: int) -> None:
    one = np.asarray(classes)[np.arange(80) % 4]
    several = np.stack([one] * columns, axis=1)
    model = MLPClassifier((4,), max_iter=1)
    for call in (
        lambda: model.fit(X, several),
        lambda: model.partial_fit(X, several, classes=classes),
        lambda: model.partial_fit(X, one, classes=classes).partial_fit(X, several),
        lambda: model.set_params(warm_start=True).fit(X, one).fit(X, several),
    ):
        with pytest.raises(ValueError, match="y has several columns of several classes each; give one column, or lab"):
            call()


def test_partial_fit_batches_without_some_classes() -> None:
    y, labels = np.arange(80) % 3, np.stack([np.arange(80) % 2, np.arange(80) % 3 > 0], axis=1).astype(int)
    classes = MLPClassifier((4,)).partial_fit(X[:1], y[:1], classes=[0, 1, 2])
    several = MLPClassifier((4,)).partial_fit(X[:1], labels[:1], classes=[0, 1])
    for chosen in (slice(1), slice(2), slice(0, None, 3), slice(None)):
        classes.partial_fit(X[chosen], y[chosen]).partial_fit(X[chosen], y[chosen].tolist())
        several.partial_fit(X[chosen], labels[chosen]).partial_fit(X[chosen], labels[chosen] * 0)
    assert classes.predict(X).shape == (80,) and several.predict(X).shape == (80, 2)


def test_class_weight_of_absent_classes() -> None:
    y = np.arange(80) % 3
    weights, first = {1: 3.0, 2: 5.0}, y < 2
    model = MLPClassifier((4,), class_weight=weights, random_state=0)
    model.partial_fit(X[first], y[first], classes=[0, 1, 2]).partial_fit(X, y)
    other = MLPClassifier((4,), random_state=0)
    by_row = np.array([1.0, 3.0, 5.0])[y]
    other.partial_fit(X[first], y[first], by_row[first], classes=[0, 1, 2]).partial_fit(X, y, by_row)
    np.testing.assert_array_equal(model.coefs_[0], other.coefs_[0])
    with pytest.raises(ValueError, match="are not in class_weight|not in class_weight|The classes"):
        MLPClassifier((4,), class_weight={7: 2.0}).partial_fit(X, y, classes=[0, 1, 2])


@pytest.mark.parametrize(
    ("of_labels", "class_weight", "words"),
    [
        (True, {1: 2.0}, "class_weight is for classes, and `y` has several labels; give sample_weight"),
        (False, {1: -5.0}, "must be weights of 0 or more"),
        (False, {1: float("nan")}, "must be weights of 0 or more"),
    ],
    ids=str,
)
def test_invalid_class_weight(of_labels: bool, class_weight: Any, words: str) -> None:
    y = (X[:, :2] > 0).astype(int) if of_labels else np.arange(80) % 2
    with pytest.raises(ValueError, match=words):
        MLPClassifier((4,), class_weight=class_weight, max_iter=2).fit(X, y)


def test_labels_after_classes_are_refused() -> None:
    model = MLPClassifier((4,), max_iter=2, warm_start=True).fit(X, X > 0)
    with refuses("`y`", error=ValueError):
        model.fit(X, np.arange(80) % 3)


def test_balanced_classes_with_sample_weight() -> None:
    """LogisticRegression, which is the same model here, is the oracle."""
    y = (np.arange(80) < 50).astype(int)
    weights = np.tile([0.0, 1.0, 2.0, 1.0], 20) * (np.arange(80) >= 30)
    given: dict[str, Any] = {"solver": "lbfgs", "class_weight": "balanced", "max_iter": 1000, "random_state": 0}
    once = MLPClassifier((), alpha=1.0, tol=1e-10, **given).fit(X, y, sample_weight=weights)
    twice = MLPClassifier((), alpha=1.0, tol=1e-10, **given).fit(
        *(np.repeat(a, weights.astype(int), 0) for a in (X, y))
    )
    theirs = LogisticRegression(C=1.0, class_weight="balanced", tol=1e-10).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(once.predict_proba(X), twice.predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(once.predict_proba(X), theirs.predict_proba(X), atol=1e-4)


def test_validation_score_of_labels() -> None:
    y = (X > 0).astype(int)
    model = MLPClassifier((4,), max_iter=15, random_state=0, learning_rate_init=0.05)
    model.fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    right = model.predict(X[40:]) == y[40:]
    assert right.all(axis=1).mean() < right.mean()
    assert model.validation_scores_[-1] == pytest.approx(right.all(axis=1).mean())


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_array, np.asarray])
def test_sparse_labels(kind: Any, tmp_path: Path) -> None:
    y = (X > 0).astype(int)
    ours, theirs = MLPClassifier((4,), max_iter=3), SklearnMLPClassifier((4,), max_iter=3)
    for call in (
        lambda model: model.fit(X, kind(y)),
        lambda model: model.set_params(warm_start=True).fit(X, y),
        lambda model: model.partial_fit(X, y),
        lambda model: model.set_params(warm_start=False).fit(X, y),
        lambda model: model.fit(X, y[:, 0]),
    ):
        answer, expected = (call(model).predict(X) for model in (ours, theirs))
        assert (type(answer), answer.dtype) == (type(expected), expected.dtype)
    ours, theirs = (kind_of((4,)).partial_fit(X, kind(y), classes=[0, 1, 2]) for kind_of in (type(ours), type(theirs)))
    assert type(ours.predict(X)) is type(theirs.predict(X))
    assert ours.score(X, kind(y)) == ours.score(X, y) == ((ours.predict_proba(X) > 0.5) == y).all(axis=1).mean()
    ours.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(load_model(tmp_path / "model.safetensors").predict_proba(X), ours.predict_proba(X))


def test_labels_must_be_0_or_1() -> None:
    y = np.where(X > 0, 1, -1)
    words = "needs targets from 0 to 1; these go from -1 to 1"
    with pytest.raises(ValueError, match=words):
        MLPClassifier((4,)).fit(X, y)
    with pytest.raises(ValueError, match=words):
        MLPClassifier((4,)).partial_fit(X, y, classes=[0, 1, 2])


@pytest.mark.parametrize("names", [[0, 1], [False, True], ["healthy", "ill"]])
def test_a_class_of_too_few_rows_to_validate_has_the_users_name(names: list[Any]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"few members are: {[names[1]]}")):
        MLPClassifier(early_stopping=True).fit(np.arange(8.0).reshape(4, 2), [names[0]] * 3 + [names[1]])
