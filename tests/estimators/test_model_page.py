"""The page of a model says what was found of it, and names from tables do nothing there."""

import re

import numpy as np
import pytest

from deltarule import TabularClassifier, TabularRegressor
from deltarule.estimators.model_page import model_page
from deltarule.reports.network_figures import MOST_COLUMNS

pytestmark = pytest.mark.filterwarnings("ignore:the column .* alone tells")

RANDOM = np.random.default_rng(4)
X = {"<b>size</b>": RANDOM.normal(size=120), "$noise$": RANDOM.normal(size=120)}
SIZE = X["<b>size</b>"]


def cells(page: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(<th scope=\"row\">.*?)</tr>", page)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in rows]


def test_a_classifiers_page() -> None:
    y = np.where(SIZE > 0.5, "<i>large</i>", np.where(SIZE > -0.5, "medium", "small"))
    model = TabularClassifier(random_state=0).fit(X, y)
    found = model.inspect(X, y)
    page = model_page(model, found, ["deltarule evaluate m t --report <p>"], ["a note"])
    for one in found.classes:
        name = one.name.replace("<", "&lt;").replace(">", "&gt;")
        (row,) = [row for row in cells(page) if row[0] == name]
        assert row[1:4] == [str(one.rows), f"{100 * one.recall:.1f} %", f"{100 * one.precision:.1f} %"]
    assert "True against predicted classes" in page
    assert "Are the probabilities right?" in page
    assert "Note: a note." in page
    assert "deltarule evaluate m t --report &lt;p&gt;" in page
    assert "<b>size" not in page
    assert "<i>large" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_a_regressors_page() -> None:
    y = 100 * SIZE
    model = TabularRegressor(random_state=0).fit(X, y)
    found = model.inspect(X, y)
    page = model_page(model, found)
    assert "Answers against the truth" in page
    assert f"{found.scores.score:.3f}" in page
    assert "recall" not in page.lower()
    assert found.importances[0].column == "<b>size</b>"


@pytest.mark.parametrize("rows", [1, 2])
def test_a_page_of_few_rows(rows: int) -> None:
    few = {name: column[:rows] for name, column in X.items()}
    classifier = TabularClassifier(random_state=0).fit(X, SIZE > 0)
    assert "What its answers hang on" in model_page(classifier, classifier.inspect(few, SIZE[:rows] > 0))
    regressor = TabularRegressor(random_state=0).fit(X, SIZE)
    assert "What its answers hang on" in model_page(regressor, regressor.inspect(few, np.ones(rows)))


@pytest.mark.parametrize("far", [1e200, 1.7e308])
def test_a_page_of_targets_that_are_very_large(far: float) -> None:
    model = TabularRegressor(random_state=0).fit(X, SIZE)
    page = model_page(model, model.inspect(X, np.where(SIZE > 0, far, -far)))
    assert ("too large to be drawn" in page) == (far > 1e300)
    assert ("Answers against the truth" in page) == (far < 1e300)


def test_of_many_classes_there_is_no_matrix_but_a_table() -> None:
    count = MOST_COLUMNS + 1
    y = np.array([f"class {n % count}" for n in range(4 * count)])
    x = {"n": np.arange(4.0 * count) % count, "m": np.arange(4.0 * count) // 3}
    model = TabularClassifier(random_state=0).fit(x, y)
    page = model_page(model, model.inspect(x, y))
    assert "True against predicted classes" not in page
    assert len([row for row in cells(page) if row[0].startswith("class ")]) == count
