"""The page of a model says what was found of it, and names from tables do nothing there."""

import html
import re
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deltarule import TabularClassifier, TabularRegressor
from deltarule.estimators.tabular.evaluation import ClassScores, Importance, Inspection, Mistake
from deltarule.estimators.tabular.scores import Scores
from deltarule.reports.model_page import class_table, describe_networks, importance_table, model_page, score_lines

pytestmark = [
    pytest.mark.filterwarnings("ignore:the column .* alone predicts"),
    pytest.mark.usefixtures("one_candidate"),
]

RANDOM = np.random.default_rng(4)
X = {"<b>size</b>": RANDOM.normal(size=120), "$noise$": RANDOM.normal(size=120)}
SIZE = X["<b>size</b>"]


def cells(page: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(<th scope=\"row\">.*?)</tr>", page)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


def test_page_of_a_classifier() -> None:
    y = np.where(SIZE > 0.5, "<i>large</i>", np.where(SIZE > -0.5, "medium", "small"))
    model = TabularClassifier(random_state=0).fit(X, y)
    found = model.inspect(X, y)
    page = model_page(model, found, ["deltarule evaluate m t --report <p>"], ["a note"])
    for one in found.classes:
        name = one.name.replace("<", "&lt;").replace(">", "&gt;")
        (row,) = [row for row in cells(page) if row[0] == name and len(row) == 5]
        assert row[1:4] == [str(one.rows), f"{100 * one.recall:.1f} %", f"{100 * one.precision:.1f} %"]
    assert "True against predicted classes" in page
    assert "Are the probabilities right?" in page
    assert "Note: a note." in page
    assert "deltarule evaluate m t --report &lt;p&gt;" in page
    assert "<b>size" not in page
    assert "<i>large" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_caveat_if_accuracy_is_close_to_the_baseline() -> None:
    model = TabularClassifier(random_state=0).fit(X, SIZE > 0)
    found = model.inspect(X, SIZE > 0)
    for low, told in ((0.6, True), (0.61, False)):
        page = model_page(model, replace(found, scores=replace(found.scores, low=low, baseline=0.6)))
        assert ("an important column may lose nothing" in page) == told


def test_page_of_few_rows() -> None:
    classifier = TabularClassifier(random_state=0).fit(X, SIZE > 0)
    regressor = TabularRegressor(random_state=0).fit(X, SIZE)
    for rows in (1, 2):
        few = {name: column[:rows] for name, column in X.items()}
        assert "Feature importance" in model_page(classifier, classifier.inspect(few, SIZE[:rows] > 0))
        assert "Feature importance" in model_page(regressor, regressor.inspect(few, np.ones(rows)))


CLASSES = [f"The patient has a disease of the kind that is type {which}" for which in ("one", "two")]
COLUMNS = [f"The measured concentration in the left lung, in mg/l {which}" for which in ("A", "B")]


def inspected(classes: list[str], columns: list[str]) -> tuple[TabularClassifier, Inspection]:
    """Some answers of which are wrong, in the first class alone."""
    size = np.linspace(0, 1, 60)
    x = dict(zip(columns, (size, 1 - size), strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the columns all but tell the target
        model = TabularClassifier(random_state=0).fit(x, np.array(classes, object)[(size > 0.5).astype(int)])
        return model, model.inspect(x, np.array(classes, object)[(size > 0.6).astype(int)])


def test_long_names_are_complete() -> None:
    page = model_page(*inspected(CLASSES, COLUMNS))
    rows = [row for row in cells(page) if row[0] in CLASSES and len(row) == 5]
    assert [row[0] for row in rows] == CLASSES
    assert [row[4].split(" (")[0] for row in rows] == [CLASSES[1], ""]
    for name in COLUMNS:
        assert len(re.findall(f">{name}</t[dh]>", page)) == 3, "what it is worth, what was made of it, how it was read"
    assert len(set(re.findall(">(The [^<]*)</text>", page))) == 4, "names beside what is drawn"
    assert f"taken for class {CLASSES[1]}." in page, "what is to be seen in the figure"
    assert f"always {CLASSES[0]!r}" in html.unescape(page)


def test_score_lines_have_baselines() -> None:
    scores = Scores(
        "accuracy", 10, 0.9, 0.6, 0.98, 0.8, log_loss=0.25, baseline_log_loss=0.5, area_under_roc=0.75, confidence=0.95
    )
    told = dict(score_lines(scores, "no"))
    assert told["log loss"] == "0.2500, 0.5000 for a constant prediction"
    assert told["mean probability"] == "95.0 %, 5.0 points above the accuracy"
    assert told["area under ROC"] == "0.750, 0.5 by chance"


def found(metric: str, **given: Any) -> Inspection:
    parts = dict.fromkeys(("importances", "classes", "mistakes", "calibration"), ())
    scores = Scores(metric, 10, 0.9, 0.6, 0.98, 0.8)
    return Inspection(scores, **parts | given, targets=np.empty(0), answers=np.empty(0))


def test_class_table() -> None:
    classes = ClassScores("a", 10, 4, 0.0, 0.75), ClassScores("b", 0, 0, None, None)
    mistakes = Mistake("a", "b", 9), Mistake("a", "c", 1)
    told = class_table(found("accuracy", classes=classes, mistakes=mistakes))
    assert told.cells == [["a", "10", "0.0 %", "75.0 %", "b (9)"], ["b", "0", "–", "–", ""]]


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        ("accuracy", ["50.0", "0.0 to 60.0"]),  # no minus 0
        ("r_squared", ["0.500", "0.000 to 0.600"]),
    ],
)
def test_importance_table(metric: str, told: list[str]) -> None:
    worth = Importance("x", 0.5, -0.0004, 0.6)
    assert importance_table(found(metric, importances=(worth,))).cells == [["x", *told]]


@pytest.mark.complete_search
def test_a_linear_model_has_no_chart_of_its_training() -> None:
    y = SIZE + RANDOM.normal(size=120)
    model = TabularRegressor(random_state=0, preset="fast").fit(X, y)
    assert describe_networks(model) == "linear, no hidden layer"
    page = model_page(model, model.inspect(X, y))
    training = page.partition("How it was trained")[2].partition("</section>")[0]
    assert "linear, no hidden layer" in training and "such networks" not in training and "<svg" not in training
    model.report_ = replace(model.report_, settings={"hidden_layer_sizes": (64,)})
    assert describe_networks(model) == "1 hidden layer of 64 units"
    model.model_.n_members = 8
    assert describe_networks(model) == "1 hidden layer of 64 units, 8 such networks together"
    model.report_ = replace(model.report_, kinds=4)
    assert describe_networks(model) == "linear models, small and deep networks, 8 together"
