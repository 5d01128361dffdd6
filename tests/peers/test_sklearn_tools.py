"""scikit-learn's tools work with our estimators."""

from io import BytesIO
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deltarule import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_breast_cancer(return_X_y=True)
X, Y = X[:200], Y[:200]


def model(**given: Any) -> Any:
    return make_pipeline(
        StandardScaler(),
        MLPClassifier((10,), **{"max_iter": 20, "learning_rate_init": 0.02, "random_state": 0, **given}),
    )


def test_pipeline_and_cross_validation() -> None:
    assert cross_val_score(model(solver="lbfgs"), X, Y, cv=3).mean() > 0.9


def test_data_frames_through_a_pipeline() -> None:
    frame = pd.DataFrame(X[:, :3], columns=["a", "b", "c"])
    fitted = model().set_output(transform="pandas").fit(frame, pd.Series(np.where(Y, "yes", "no")))
    assert fitted[-1].feature_names_in_.tolist() == ["a", "b", "c"]
    assert set(fitted.predict(frame)) <= {"yes", "no"}
    with pytest.raises(ValueError, match="feature names"):
        fitted[-1].predict(frame[["c", "b", "a"]])


def test_clone_takes_the_parameters_alone() -> None:
    fitted = MLPClassifier((4,), dropout=[0.1], callbacks=[print], class_weight="balanced", max_iter=2).fit(X / 100, Y)
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "coefs_")


def test_grid_search() -> None:
    grid = {
        "mlpclassifier__dropout": [0.0, 0.2],
        "mlpclassifier__activation": ["relu", {"name": "leaky_relu", "slope": 0.1}],
    }
    search = GridSearchCV(model(), grid, cv=2).fit(X, Y)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_score_ > 0.8


def test_sample_weights_are_handed_on() -> None:
    weights = np.where(Y, 1.0, 0.25)
    fitted = model().fit(X, Y, mlpclassifier__sample_weight=weights)
    direct = clone(fitted[-1]).fit(fitted[0].transform(X), Y, sample_weight=weights)
    np.testing.assert_array_equal(fitted.predict_proba(X), direct.predict_proba(fitted[0].transform(X)))
    assert (model().fit(X, Y).predict_proba(X) != fitted.predict_proba(X)).any()


def test_calibration() -> None:
    calibrated = CalibratedClassifierCV(model(), cv=2).fit(X, Y)
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)


def test_permutation_importance() -> None:
    x, y = load_diabetes(return_X_y=True)
    fitted = MLPRegressor(hidden_layer_sizes=(10,), solver="lbfgs", scale_target=True, random_state=0).fit(10 * x, y)
    importances = permutation_importance(fitted, 10 * x, y, n_repeats=2, random_state=0).importances_mean
    assert importances[[2, 8]].min() > 0.05  # body-mass index and a blood value, as every model of these data finds


@pytest.mark.parametrize("members", [1, 2])
def test_joblib_brings_back_all_that_goes_on(members: int) -> None:
    fitted = MLPClassifier((5,), n_members=members, batch_norm=True, random_state=0, max_iter=3).fit(X / 100, Y)
    file = BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    again = joblib.load(file)
    for one in (fitted, again):
        one.partial_fit(X / 100, Y)
    np.testing.assert_array_equal(again.predict_proba(X / 100), fitted.predict_proba(X / 100))
