from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.estimators.tabular.evaluation import ClassScores, Importance, Inspection, Mistake
from deltarule.estimators.tabular.scores import Scores
from deltarule.reports.model_scores import class_table, importance_table, score_lines


@given(st.data(), st.integers(1, 10**6))
def test_percent_is_0_or_100_only_if_exact(data: st.DataObject, of: int) -> None:
    count = data.draw(st.sampled_from([0, 1, of // 2, of - 1, of]))
    told = dict(score_lines(Scores("accuracy", of, count / of, 0.0, 1.0, 0.5), "a"))["accuracy"].split(" %")[0]
    assert (float(told) == 100) == (count == of) and (float(told) == 0) == (count == 0)
    assert abs(float(told) - 100 * count / of) <= 0.05
    assert len(told) <= 4 or not 0.05 <= 100 * count / of < 99.95  # more digits only where they are needed


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
    assert told[0] == ["class", "rows", "recall", "precision", "most often taken for"]
    assert told[1:] == [["a", "10", "0.0 %", "75.0 %", "b (9)"], ["b", "0", "–", "–", ""]]


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        ("accuracy", ["50.0", "0.0 to 60.0"]),  # no minus 0
        ("r_squared", ["0.500", "0.000 to 0.600"]),
    ],
)
def test_importance_table(metric: str, told: list[str]) -> None:
    worth = Importance("x", 0.5, -0.0004, 0.6)
    assert importance_table(found(metric, importances=(worth,)))[1:] == [["x", *told]]


def test_importance_without_an_interval() -> None:
    worth = Importance("x", 0.5, np.nan, np.nan)
    assert importance_table(found("accuracy", importances=(worth,)))[1:] == [["x", "50.0", "–"]]
