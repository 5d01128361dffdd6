from typing import Any

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from deltarule import BadInput, from_sklearn

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(4).normal(size=(50, 3))
SHORT: dict[str, Any] = {"max_iter": 5, "random_state": 0}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("hidden", [(), (4,), (5, 3)])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_regressors_answer_the_same(activation: str, hidden: tuple[int, ...], dtype: Any) -> None:
    for y, loss in ((X[:, 0], "squared_error"), (X[:, :2], "squared_error"), (X[:, 0] ** 2, "poisson")):
        theirs = neural_network.MLPRegressor(loss, hidden, activation, **SHORT).fit(X.astype(dtype), y)
        ours = from_sklearn(theirs)
        assert {name: ours.get_params()[name] for name in theirs.get_params()} == theirs.get_params()
        tolerance = 1e-12 if dtype == np.float64 else 1e-5
        one, other = theirs.predict(X.astype(dtype)), ours.predict(X.astype(dtype))
        np.testing.assert_allclose(other, one, rtol=tolerance, atol=tolerance)
        assert one.dtype == other.dtype
        assert ours.loss_curve_ == theirs.loss_curve_


@pytest.mark.parametrize(
    "y", [X[:, 0] > 0, np.array(list("abcde") * 10), (X > 0).astype(int)], ids=["2", "5", "labels"]
)
def test_classifiers_answer_the_same(y: Any) -> None:
    theirs = neural_network.MLPClassifier((4,), **SHORT, early_stopping=True).fit(X, y)
    ours = from_sklearn(theirs)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-12)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.validation_scores_ == theirs.validation_scores_


def test_the_two_share_no_memory() -> None:
    theirs = neural_network.MLPRegressor(hidden_layer_sizes=(4,), **SHORT).fit(X, X[:, 0])
    ours = from_sklearn(theirs)
    ours.coefs_[0][:] = 0
    assert theirs.coefs_[0].any()


def test_others_are_refused() -> None:
    with pytest.raises(BadInput, match="the model is a LogisticRegression; give an MLPClassifier or MLPRegressor"):
        from_sklearn(LogisticRegression())
    with pytest.raises(NotFittedError):
        from_sklearn(neural_network.MLPClassifier())
