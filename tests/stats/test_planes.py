import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refuses

import deltarule
from deltarule.errors import BadInput
from deltarule.stats.planes import decision_plane


@given(st.data())
def test_the_plane_is_what_is_answered_at_its_points(data):
    inputs = data.draw(st.integers(2, 5))
    features = tuple(data.draw(st.permutations(range(inputs)))[:2])
    x = np.random.default_rng(0).normal(size=(7, inputs))
    plane = decision_plane(lambda rows: np.stack([rows @ np.arange(1, inputs + 1), rows[:, 0]], 1), x, features, 5)
    for row, second in enumerate(plane.second):
        for column, first in enumerate(plane.first):
            point = np.median(x, axis=0)
            point[list(features)] = first, second
            assert plane.outputs[row, column] == pytest.approx([point @ np.arange(1, inputs + 1), point[0]])
    for values, feature in zip((plane.first, plane.second), features, strict=True):
        assert values[0] < x[:, feature].min() <= x[:, feature].max() < values[-1]


@pytest.mark.parametrize(
    ("x", "more", "told"),
    [
        ([[0.0, 1.0]], {"features": (0, 0)}, "give two different ones from 0 to 1"),
        ([[0.0, 1.0]], {"features": (0,)}, "give two different ones from 0 to 1"),
        ([[0.0, 1.0]], {"points": 0}, "^points is 0; give a whole number of 1 or more$"),
        ([["a", "b"]], {}, r"^the rows are \[\['a', 'b'\]\].*; give numbers, \[rows, inputs\]$"),
    ],
)
def test_bad_input_gets_one_sentence(x, more, told):
    with pytest.raises(BadInput, match=told):
        decision_plane(lambda rows: rows[:, 0], x, **more)


X, LABELS = np.random.default_rng(1).normal(size=(30, 2)), np.arange(30) % 3


def network():
    return deltarule.train(deltarule.create_problem(deltarule.Network([2, 3]), X, np.eye(3)[LABELS]), max_steps=3)


def fitted(kind, y):
    return kind(hidden_layer_sizes=(2,), max_iter=3, random_state=0).fit(X, y)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (network(), lambda run, rows: run.outputs(rows)[0]),
        (fitted(deltarule.MLPClassifier, LABELS), lambda model, rows: model.predict_proba(rows)),
        (fitted(deltarule.MLPRegressor, X[:, 0]), lambda model, rows: model.predict(rows)[:, None]),
    ],
    ids=["run", "classifier", "regressor"],
)
def test_models_answer_as_they_do_by_themselves(model, answer):
    plane = decision_plane(model, X, points=3)
    corners = np.array([[one, other] for other in plane.second for one in plane.first])
    assert plane.outputs.reshape(9, -1) == pytest.approx(answer(model, corners))


def test_a_classifier_without_probabilities_has_its_class_at_1():
    class Signs:
        classes_ = np.array([-1.0, 1.0])

        def predict(self, rows):
            return np.where(rows[:, 0] > 0, 1.0, -1.0)

    plane = decision_plane(Signs(), [[-1.0, 0.0], [1.0, 2.0]], points=2)
    assert np.array_equal(plane.outputs[0], [[1, 0], [0, 1]])


def test_what_answers_no_rows_is_reported():
    with refuses("rows", 3):
        decision_plane(3, X)
