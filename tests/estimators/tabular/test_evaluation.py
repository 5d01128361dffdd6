"""What is found of a model is what scikit-learn finds of it, and what somebody counts."""

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sklearn.inspection import permutation_importance
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from deltarule import TabularClassifier, TabularRegressor, load_model
from deltarule.estimators.tabular import evaluation, scores
from deltarule.estimators.tabular.evaluation import (
    MAX_KEPT_DIGESTS,
    Inspection,
    digests_to_keep,
    permutation_importances,
    r_squared_importances,
    row_digests,
    share_of_known,
)
from deltarule.tables.column_encoder import Column

pytestmark = pytest.mark.usefixtures("one_candidate")

RANDOM = np.random.default_rng(3)
N = 400
SIZE, COLOR = RANDOM.normal(size=N), RANDOM.choice(["red", "green", "blue"], N)
NOISE = RANDOM.normal(size=N)
WORTH = 2 * SIZE + np.where(COLOR == "red", 1.5, 0) + RANDOM.normal(scale=0.3, size=N)
KIND = np.select([WORTH > 1.5, WORTH > 0], ["dear", "usual"], "cheap")
TABLE = pd.DataFrame({"noise": NOISE, "size": np.where(RANDOM.random(N) < 0.05, np.nan, SIZE), "color": COLOR})
TRAIN, TEST = slice(0, 200), slice(200, None)
TOLD = [Column("told", "number", "numbers"), Column("noise", "number", "numbers")]


class Sums:
    """A network that answers the sum of its inputs."""

    def predict(self, x: Any) -> Any:
        return x.sum(axis=1)


@pytest.fixture(scope="module")
def classifier() -> TabularClassifier:
    return TabularClassifier(random_state=0).fit(TABLE[TRAIN], KIND[TRAIN])


@pytest.fixture(scope="module")
def regressor() -> TabularRegressor:
    return TabularRegressor(random_state=0).fit(TABLE[TRAIN], WORTH[TRAIN])


@pytest.fixture(scope="module")
def found(classifier: TabularClassifier) -> Inspection:
    return classifier.inspect(TABLE[TEST], KIND[TEST])


@pytest.mark.slow
def test_recall_and_precision_equal_scikit_learns(classifier: TabularClassifier, found: Inspection) -> None:
    answers = classifier.predict(TABLE[TEST])
    precision, recall, _, rows = precision_recall_fscore_support(KIND[TEST], answers, labels=classifier.classes_)
    assert [one.name for one in found.classes] == classifier.classes_.tolist()
    np.testing.assert_allclose([one.precision for one in found.classes], precision)
    np.testing.assert_allclose([one.recall for one in found.classes], recall)
    assert [one.rows for one in found.classes] == rows.tolist()


def test_mistakes_are_off_the_diagonal(classifier: TabularClassifier, found: Inspection) -> None:
    counts = confusion_matrix(KIND[TEST], classifier.predict(TABLE[TEST]), labels=classifier.classes_)
    names = classifier.classes_.tolist()
    told = {(one.true, one.answered): one.rows for one in found.mistakes}
    places = [(a, b) for a, b in np.ndindex(*counts.shape) if a != b and counts[a, b]]
    assert told == {(names[a], names[b]): counts[a, b] for a, b in places}
    assert [one.rows for one in found.mistakes] == sorted(told.values(), reverse=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_importances_equal_scikit_learns(classifier: Any, regressor: Any, kind: str) -> None:
    model, y = (classifier, KIND) if kind == "classes" else (regressor, WORTH)
    theirs = permutation_importance(model, TABLE[TEST], y[TEST], n_repeats=100, random_state=0).importances_mean
    theirs = dict(zip(TABLE.columns, theirs.tolist(), strict=True))
    ours = model.inspect(TABLE[TEST], y[TEST]).importances
    assert [one.column for one in ours] == ["size", "color", "noise"]
    for one in ours:
        assert one.low <= one.loss <= one.high
        assert one.loss == pytest.approx(theirs[one.column], abs=0.2 * max(theirs.values()) + 0.01), one
        assert one.low <= theirs[one.column] <= one.high


@pytest.mark.parametrize("law", ["normal", "exponential"])
def test_coverage_of_importances_of_a_regressor(law: str) -> None:
    """Also where another column makes most of the spread of the targets, of which the rows tell less."""
    truth, met = 2 / (1 + 9 + 0.09), 0
    for draw in range(200):
        random = np.random.default_rng(draw)
        x = np.stack([random.normal(size=200), 3 * getattr(random, law)(size=200)], axis=1)
        y = x.sum(axis=1) + 0.3 * random.normal(size=200)
        found = r_squared_importances(Sums().predict, TOLD, x, y)
        (told,) = [one for one in found if one.column == "told"]
        met += told.low <= truth <= told.high
    assert 180 <= met <= 199


def test_inputs_of_a_column_are_shuffled_together() -> None:
    columns = [
        Column("color", "category", "texts", categories=("a", "b")),
        Column("same", "unused", "the same"),
        Column("size", "number", "numbers", gaps=True),
    ]
    x = np.eye(4)[np.random.default_rng(0).integers(0, 4, 50)]
    seen: list[Any] = []
    permutation_importances(columns, x, lambda x: seen.append(x.copy()) or np.zeros(len(x)))
    assert len(seen) == 1 + 2 * evaluation.SHUFFLES
    for changed in seen[1 : 1 + evaluation.SHUFFLES]:
        np.testing.assert_array_equal(changed[:, 2:], x[:, 2:])
        assert sorted(map(tuple, changed[:, :2])) == sorted(map(tuple, x[:, :2]))
    np.testing.assert_array_equal(seen[-1][:, :2], x[:, :2])


def test_calibration_groups_cover_all_rows(classifier: TabularClassifier, found: Inspection) -> None:
    said = classifier.predict_proba(TABLE[TEST]).max(axis=1)
    right = classifier.predict(TABLE[TEST]) == KIND[TEST]
    assert sum(one.rows for one in found.calibration) == len(said)
    assert sum(one.rows * one.share for one in found.calibration) == pytest.approx(right.sum())
    assert sum(one.rows * one.probability for one in found.calibration) == pytest.approx(said.sum())
    order = [one.probability for one in found.calibration]
    assert order == sorted(order)


@pytest.mark.slow
@pytest.mark.parametrize("rows", [2, scores.MIN_INTERVAL_ROWS - 1, scores.MIN_INTERVAL_ROWS])
def test_importances_of_few_rows_have_no_interval(
    classifier: TabularClassifier, regressor: TabularRegressor, rows: int
) -> None:
    """Of two rows one shuffle is as good as another, so that it would have no width."""
    few, known = TABLE[TEST][:rows], rows >= scores.MIN_INTERVAL_ROWS
    for model, y in ((classifier, KIND), (regressor, WORTH)):
        found = model.inspect(few, y[TEST][:rows])
        assert {one.column for one in found.importances} == {"size", "color", "noise"}
        for one in found.importances:
            assert np.isfinite(one.loss) and np.isfinite([one.low, one.high]).tolist() == [known, known]
    assert np.isfinite(found.scores.low) == known


@given(st.lists(st.tuples(st.sampled_from([0.5, 0.7, 0.9, 1.0]), st.booleans()), min_size=1, max_size=120))
@example([(0.7, True)] * 70 + [(0.7, False)] * 30)
def test_equal_probabilities_share_a_calibration_group(rows: list[tuple[float, bool]]) -> None:
    """As they would where answers with one and the same probability were parted."""
    said, right = np.array([one for one, _ in rows]), np.array([one for _, one in rows])
    groups = evaluation._calibration_groups(said, right)
    order = np.random.default_rng(0).permutation(len(rows))
    for group, other in zip(groups, evaluation._calibration_groups(said[order], right[order]), strict=True):
        assert dataclasses.astuple(group) == pytest.approx(dataclasses.astuple(other))
    assert min(group.rows for group in groups) >= min(10, len(rows))
    assert sum(group.rows for group in groups) == len(rows)


@pytest.mark.parametrize("rows", [200, 3000])
def test_rows_of_the_training_are_recognized(rows: int) -> None:
    random = np.random.default_rng(rows)
    own, others = random.normal(size=(rows, 3)), random.normal(size=(rows, 3))
    digests = row_digests(own, own[:, 0].tolist())
    kept = digests_to_keep(digests, np.arange(rows // 5, rows), np.arange(rows // 5))
    assert len(kept) <= MAX_KEPT_DIGESTS
    half = np.concatenate([own[: rows // 2], others[: rows - rows // 2]])
    assert share_of_known(digests, kept) == 1
    assert share_of_known(row_digests(half, half[:, 0].tolist()), kept) == pytest.approx(0.5, abs=0.1)
    assert share_of_known(row_digests(others, others[:, 0].tolist()), kept) == 0
    assert share_of_known(row_digests(own, [0] * rows), kept) == 0  # another target


def test_equal_rows_that_are_usual_in_a_table_are_not_taken_for_those_of_the_training() -> None:
    few = np.random.default_rng(0).integers(3, size=(200, 2)) * 1.0
    assert digests_to_keep(row_digests(few, [0] * 200), np.arange(40, 200), np.arange(40)) == ()


@pytest.mark.slow
def test_scores_on_the_rows_of_the_training_are_noted(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x, other = random.normal(size=(2, 60, 2))
    for model, y in ((TabularClassifier(random_state=0), x[:, 0] > 0), (TabularRegressor(random_state=0), x[:, 0])):
        model.fit(x, y).save(tmp_path / "m.safetensors")
        loaded = load_model(tmp_path / "m.safetensors")
        for score in (model.evaluate, loaded.inspect):
            with pytest.warns(UserWarning, match="100 % of these rows are rows that the model was trained on"):
                score(x, y)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                score(other, y)
