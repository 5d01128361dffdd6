"""The page of a model says what was found of it, and names from tables do nothing there."""

import html
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest

from deltarule import TabularClassifier, TabularRegressor
from deltarule.estimators.tabular.evaluation import Calibration, Inspection
from deltarule.estimators.tabular.model_page import _merge_equal_groups, model_page
from deltarule.reports.cell_figures import MAX_COLUMNS
from deltarule.stats.intervals import share_interval

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
    assert "Predicted against true values" in page
    assert f"{found.scores.score:.3f}" in page
    assert "recall" not in page.lower()
    assert found.importances[0].column == "<b>size</b>"


@pytest.mark.parametrize(("low", "told"), [(0.6, True), (0.61, False)])
def test_a_page_says_where_there_is_little_for_a_column_to_lose(low: float, told: bool) -> None:
    model = TabularClassifier(random_state=0).fit(X, SIZE > 0)
    found = model.inspect(X, SIZE > 0)
    page = model_page(model, replace(found, scores=replace(found.scores, low=low, baseline=0.6)))
    assert ("an important column may lose nothing" in page) == told


def test_of_a_model_that_is_sure_of_itself_no_probability_is_told_twice() -> None:
    model = TabularClassifier(random_state=0).fit(X, SIZE > 0)
    said = [0.6, 0.981, 0.98104, 0.9992, 1 - 4e-5, 1 - 3e-15]
    hits = [12, 20, 18, 20, 19, 20]
    groups = tuple(Calibration(20, p, n / 20, *share_interval(n, 20)) for p, n in zip(said, hits, strict=True))
    page = model_page(model, replace(model.inspect(X, SIZE > 0), calibration=groups))
    shown = {"60 %": "60 %", "98.1 %": "95 %", "more than 99.9 %": "98.3 %"}
    told = " ".join(f"Predicted with {probability}: {share} right." for probability, share in shown.items())
    assert html.unescape(page).count(told) >= 1 and page.count("Predicted with ") == 3 * page.count("Predicted with 60")
    (curve,) = [one for one in _merge_equal_groups(groups) if one.rows == 60]
    assert (curve.low, curve.high) == share_interval(59, 60) and 0.9992 < curve.probability < 1
    assert sum(one.rows for one in _merge_equal_groups(groups)) == 120


@pytest.mark.parametrize("rows", [1, 2])
def test_a_page_of_few_rows(rows: int) -> None:
    few = {name: column[:rows] for name, column in X.items()}
    classifier = TabularClassifier(random_state=0).fit(X, SIZE > 0)
    assert "Feature importance" in model_page(classifier, classifier.inspect(few, SIZE[:rows] > 0))
    regressor = TabularRegressor(random_state=0).fit(X, SIZE)
    assert "Feature importance" in model_page(regressor, regressor.inspect(few, np.ones(rows)))


@pytest.mark.parametrize("far", [1e200, 1.7e308])
def test_a_page_of_targets_that_are_very_large(far: float) -> None:
    model = TabularRegressor(random_state=0).fit(X, SIZE)
    page = model_page(model, model.inspect(X, np.where(SIZE > 0, far, -far)))
    assert ("too large to be drawn" in page) == (far > 1e300)
    assert ("Predicted against true values" in page) == (far < 1e300)


def test_of_many_classes_there_is_no_matrix_but_a_table() -> None:
    count = MAX_COLUMNS + 1
    y = np.array([f"class {n % count}" for n in range(4 * count)])
    x = {"n": np.arange(4.0 * count) % count, "m": np.arange(4.0 * count) // 3}
    model = TabularClassifier(random_state=0).fit(x, y)
    page = model_page(model, model.inspect(x, y))
    assert "True against predicted classes" not in page
    assert "classes no figure shows which is taken for which" in page
    assert len([row for row in cells(page) if row[0].startswith("class ")]) == count


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


def test_names_that_differ_only_at_their_end_stand_there_whole() -> None:
    page = model_page(*inspected(CLASSES, COLUMNS))
    rows = cells(page)
    assert [row[0] for row in rows if row[0] in CLASSES] == CLASSES
    assert [row[4].split(" (")[0] for row in rows if row[0] in CLASSES] == [CLASSES[1], ""]
    for name in COLUMNS:
        assert len(re.findall(f">{name}</t[dh]>", page)) == 2, "what it is worth, and what was made of it"
    assert len(set(re.findall(">(The [^<]*)</text>", page))) == 4, "names beside what is drawn"
    assert f"taken for class {CLASSES[1]}." in page, "what is to be seen in the figure"
    assert f"always {CLASSES[0]!r}" in html.unescape(page)


def test_names_of_a_hundred_thousand_letters_are_cut_and_differ() -> None:
    p, q, v, w, t = (letter * 100_000 for letter in "ppvvt")
    q, w = q + "2", w + "2"
    model, found = inspected([p, q], [v, w])
    model.target_ = t
    page = model_page(model, found)
    assert not any(name[:300] in page for name in (p, v, t))
    assert t[:20] in page
    ends = [(name[:20], name[-20:]) for name in re.findall("<t[dh][^>]*>([^<]*)</t[dh]>", page)]
    assert [ends.count((name[:20], name[-20:])) for name in (p, q, v, w)] == [1, 1, 2, 2]
    assert len(set(re.findall(">((?:pp|vv)[^<]*)</text>", page))) == 4
    assert [one.name for one in found.classes] == [p, q] and {one.column for one in found.importances} == {v, w}
