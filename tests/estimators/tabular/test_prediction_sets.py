"""Sets of classes: as many rows as promised have their class in it, certain and uncertain ones alike."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses

from deltarule import TabularClassifier, load_model
from deltarule.estimators.tabular.prediction_sets import SetScores, fit_sets

RANDOM = np.random.default_rng(0)


def drawn(rows: int, sharpness: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Classes, and the probabilities by which they were drawn: some rows are nearly certain, others not at all."""
    logits = RANDOM.normal(0, 3, (rows, 5))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    classes = (RANDOM.random((rows, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(max=4)
    told = p**sharpness
    return classes, told / told.sum(axis=1, keepdims=True)


def share_inside(classes: np.ndarray, sets: np.ndarray) -> float:
    return float(sets[np.arange(len(classes)), classes].mean())


@pytest.mark.parametrize("coverage", [0.7, 0.9])
def test_the_promised_share_of_each_third_is_in_the_set(coverage: float) -> None:
    shares = []
    for _ in range(20):
        (known, p), (new, q) = drawn(600), drawn(3000)
        sets = fit_sets(known, p).sets(q, coverage)
        thirds = np.array_split(np.argsort(q.max(axis=1)), 3)
        shares.append([share_inside(new[rows], sets[rows]) for rows in thirds])
    mean = np.mean(shares, axis=0)
    assert (mean > coverage - 0.01).all()
    assert mean[0] < coverage + 0.03  # certain rows are right more often than promised, as no set is empty


@pytest.mark.parametrize("sharpness", [0.2, 5.0])
def test_wrong_probabilities_make_larger_sets_not_broken_promises(sharpness: float) -> None:
    (known, p), (new, q) = drawn(4000, sharpness), drawn(4000, sharpness)
    sets = fit_sets(known, p).sets(q, 0.9)
    assert share_inside(new, sets) > 0.885


def test_weights_say_which_rows_count() -> None:
    (sure, p), (unsure, q) = drawn(2000), drawn(2000, 5.0)
    weights = np.repeat([1.0, 0.0], 2000)
    of_both = fit_sets(np.r_[sure, unsure], np.r_[p, q], weights)
    new, told = drawn(4000)
    assert share_inside(new, of_both.sets(told, 0.9)) == pytest.approx(0.9, abs=0.025)


@given(st.integers(1, 30), st.integers(2, 5), st.floats(0.01, 0.99), st.integers(0, 2**32 - 1))
def test_sets_hold_the_most_probable_classes_and_are_never_empty(
    rows: int, count: int, coverage: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    p = random.dirichlet(np.full(count, 0.3), rows)
    fitted = fit_sets(random.integers(count, size=rows), p)
    sets = fitted.sets(p, coverage)
    least_inside = np.where(sets, p, np.inf).min(axis=1)
    assert sets.any(axis=1).all() and (p <= least_inside[:, None] + sets).all()
    assert (fitted.sets(p, coverage / 2) <= sets).all()


def test_too_few_rows_for_a_share_give_all_classes() -> None:
    assert SetScores((), ((0.1, 0.2),)).sets(np.array([[0.98, 0.01, 0.01]]), 0.9).all()


@pytest.mark.usefixtures("one_candidate")
def test_a_classifier_predicts_the_same_sets_after_it_was_saved(tmp_path: Path) -> None:
    x = RANDOM.normal(size=(900, 2))
    table, new = ({"a": part[:, 0], "b": part[:, 1]} for part in (x[:300], x[300:]))
    y = np.array(["low", "middle", "top"])[np.digitize(x[:, 0] + RANDOM.normal(size=900), [-0.5, 0.5])]
    model = TabularClassifier(random_state=0).fit(table, y[:300])
    sets = model.predict_sets(new, coverage=0.8)
    assert share_inside(np.searchsorted(model.classes_, y[300:]), sets) == pytest.approx(0.8, abs=0.06)
    assert sets.sum() < model.predict_sets(new, coverage=0.95).sum()
    model.save(tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_sets(new, coverage=0.8), sets)
    with refuses("coverage", 90, 0.9):
        loaded.predict_sets(new, coverage=90)
    del loaded.set_scores_
    with refuses("older", "train"):
        loaded.predict_sets(new)
