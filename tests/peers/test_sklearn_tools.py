"""scikit-learn's tools work with our estimators."""

from io import BytesIO
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from deltarule import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_breast_cancer(return_X_y=True)
X, Y = X[:200], Y[:200]


def model(**given: Any) -> Any:
    return make_pipeline(
        StandardScaler(),
        MLPClassifier((10,), **{"max_iter": 20, "learning_rate_init": 0.02, "random_state": 0, **given}),
    )


def test_data_frames_through_a_pipeline() -> None:
    frame = pd.DataFrame(X[:, :3], columns=["a", "b", "c"])
    fitted = model().set_output(transform="pandas").fit(frame, pd.Series(np.where(Y, "yes", "no")))
    assert fitted[-1].feature_names_in_.tolist() == ["a", "b", "c"]
    assert set(fitted.predict(frame)) <= {"yes", "no"}
    with pytest.raises(ValueError, match="feature names"):
        fitted[-1].predict(frame[["c", "b", "a"]])


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
