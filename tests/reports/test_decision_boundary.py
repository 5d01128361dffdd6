import warnings

import numpy as np
import pandas as pd
import pytest
from figure_reading import assert_readable, marks_of, named
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import examples
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

import deltarule
from deltarule.errors import BadInput
from deltarule.reports.marks import Dots, Regions
from deltarule.reports.model_figures import decision_boundary

X, Y = load_iris(return_X_y=True)
NAMES = ["sepal length", "sepal width", "petal length", "petal width"]
SPECIES = np.array(["setosa", "versicolor", "virginica"])[Y]


@pytest.fixture(scope="module", autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of trainings that stop early
        yield


def regions(chart):
    """The classes of the plane, and the values across and down at which they were asked for."""
    [drawn] = marks_of(chart, Regions, 1)
    return drawn.classes, drawn.first, drawn.second


def asked_at(chart, ask, base, one, other):
    """Ask a model at some points of the plane, each a row made by hand."""
    values, first, second = regions(chart)
    for row, column in ((0, 0), (30, 70), (77, 5), (100, 100)):
        point = base.copy()
        point[one], point[other] = first[column], second[row]
        assert values[row, column] == ask(point), (row, column)


@pytest.mark.slow
@settings(max_examples=examples(10))
@given(st.data())
def test_a_function_is_asked_with_all_others_at_their_lower_medians(data):
    inputs, classes = data.draw(st.integers(2, 9)), data.draw(st.integers(2, 8))
    one, other = data.draw(st.permutations(range(inputs)))[:2]
    random = np.random.default_rng(inputs)
    x, mixing = random.normal(size=(data.draw(st.integers(1, 30)), inputs)), random.normal(size=(inputs, classes))
    labels = random.integers(0, classes, len(x))
    chart = decision_boundary(lambda rows: np.asarray(rows) @ mixing, x, labels, (one, other))
    assert_readable(chart)
    base = np.sort(x, axis=0)[(len(x) - 1) // 2]
    asked_at(chart, lambda point: (point @ mixing).argmax(), base, one, other)
    told = " ".join(chart.notes).partition("Held: ")[2]
    assert told.count(" at ") == min(inputs - 2, 6) and f"x{one} at" not in told


@pytest.mark.parametrize("as_frame", [False, True])
def test_a_classifier_is_drawn_as_it_answers(as_frame):
    x = pd.DataFrame(X, columns=NAMES) if as_frame else X
    model = make_pipeline(StandardScaler(), deltarule.MLPClassifier((8,), max_iter=30, random_state=0)).fit(x, SPECIES)
    chosen = ("petal length", "petal width") if as_frame else (2, 3)
    chart = decision_boundary(model, x, SPECIES, chosen, held={1: 2.5}, names=() if as_frame else NAMES)
    assert_readable(chart)
    assert [chart.panels[0].x.label, chart.panels[0].y.label] == NAMES[2:]
    assert named(chart)[:3] == ["setosa", "versicolor", "virginica"]
    assert f"{(model.predict(x) == SPECIES).sum()} of 150 predictions are right" in " ".join(chart.notes)
    assert "Held: sepal width at 2.5, sepal length at 5.8." in " ".join(chart.notes)

    def ask(point):
        row = pd.DataFrame([point], columns=NAMES) if as_frame else [point]
        return list(model.classes_).index(model.predict(row)[0])

    asked_at(chart, ask, np.array([5.8, 2.5, 0.0, 0.0]), 2, 3)


def test_a_network_and_that_of_a_sweep_are_drawn_as_they_answer():
    problem = deltarule.create_problem(
        deltarule.Network([4, 5, 3], "tanh", "softmax"), X, np.eye(3)[Y], loss="cross_entropy", seeds=[4, 5]
    )
    run = deltarule.train(problem, max_steps=20)
    table = deltarule.sweep("boundary-xor", [{"stopping.max_epochs": 5}], seeds=1, keep=True)
    network = table.network(table.best(1)[0]["key"])
    chart = decision_boundary(run, X, Y, (0, 2))
    asked_at(chart, lambda point: run.outputs([point])[0, 0].argmax(), np.sort(X, axis=0)[74], 0, 2)
    chart = decision_boundary(network, X[:100, :2], Y[:100])
    asked_at(chart, lambda point: int(network.outputs([point])[0, 0] > 0.5), np.zeros(2), 0, 1)


def orchard():
    random = np.random.default_rng(0)
    weight = random.normal(100, 20, 60)
    color = np.where(random.uniform(size=60) < 0.7, "red", "green")
    frame = pd.DataFrame({"weight": weight, "color": pd.Categorical(color), "age": random.integers(1, 5, 60)})
    frame.loc[[3, 7], "weight"] = np.nan
    frame["height"] = random.normal(3, 1, 60)
    return frame, np.where(np.where(np.isnan(weight), 0, weight) + 20 * (color == "red") > 110, "apple", "plum")


def test_a_table_with_texts_and_gaps_keeps_the_types_of_its_columns():
    frame, fruit = orchard()
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="error"), ["color", "age"]), remainder=StandardScaler()
    )
    whole = frame.fillna({"weight": 100.0})
    model = make_pipeline(encoder, deltarule.MLPClassifier((4,), max_iter=20, random_state=0)).fit(whole, fruit)
    chart = decision_boundary(model, whole, fruit, ("weight", "height"), held={"color": "green"})
    age = int(np.sort(whole["age"])[29])
    assert f"Held: color at green, age at {age}." in " ".join(chart.notes)
    values, first, second = regions(chart)
    row = pd.DataFrame({"weight": [first[9]], "color": ["green"], "age": [age], "height": [second[80]]})
    assert values[80, 9] == list(model.classes_).index(model.predict(row)[0])


@pytest.mark.slow
@pytest.mark.parametrize("form", [lambda frame: frame, lambda frame: dict(frame), lambda frame: frame.to_numpy(object)])
def test_a_table_of_any_form_is_drawn_and_rows_with_gaps_are_left_out(form):
    frame, fruit = orchard()
    x = form(frame.assign(color=frame["color"].astype(object)))
    model = deltarule.TabularClassifier(random_state=0).fit(x, fruit)
    chart = decision_boundary(model, x, fruit, (0, 3), names=list(frame))
    assert_readable(chart)
    assert sum(len(dots.x) for dots in marks_of(chart, Dots)) == 58
    assert "Held: color at red, age at " in " ".join(chart.notes)


def test_a_classifier_that_gives_no_probabilities_is_asked_for_its_classes():
    model = SVC().fit(X, SPECIES)
    chart = decision_boundary(model, X, SPECIES, (2, 3))
    base = np.sort(X, axis=0)[74]
    asked_at(chart, lambda point: list(model.classes_).index(model.predict([point])[0]), base, 2, 3)


def answers(rows):
    return np.zeros((len(rows), 3))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: decision_boundary(LinearRegression().fit(X, Y), X, Y), "LinearRegression has no classes; give"),
        (lambda: decision_boundary(SVC().fit(X, Y), X, SPECIES), "the label 'setosa' is none of .* classes: 0, 1, 2"),
        (lambda: decision_boundary(answers, X, SPECIES), "the label 'setosa' is none of .* whole numbers from 0"),
        (lambda: decision_boundary(answers, X, Y[:9]), r"the labels are \(9,\) for 150 rows"),
        (lambda: decision_boundary(answers, X, Y, (0, 4)), "no feature 4; give a name, or an index from 0 to 3: x0"),
        (lambda: decision_boundary(answers, X, Y, (1, 1)), "the features are 'x1' and 'x1'; give two, neither"),
        (lambda: decision_boundary(answers, X, Y, names=["a"]), "1 names for 4 features; give each a name"),
        (lambda: decision_boundary(answers, X, Y, held={1: 0.0}), "the features are 'x0' and 'x1'; give two, neither"),
        (lambda: decision_boundary(answers, [["a", 1.0]], [0]), "the feature 'x0' holds texts; vary two features that"),
        (lambda: decision_boundary(lambda rows: np.zeros((len(rows), 9)), X, Y + 6), "there are 9 classes; at most 8"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(call, sentence):
    with pytest.raises(BadInput, match=sentence):
        call()
