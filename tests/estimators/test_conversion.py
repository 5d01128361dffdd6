from typing import Any

import numpy as np
import pytest
import torch
from sklearn import neural_network
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from deltarule import BadInput, MLPClassifier, MLPRegressor, from_sklearn, from_torch, to_torch

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
    ours.partial_fit(X, X[:, 0])
    assert theirs.coefs_[0].any() and len(theirs.loss_curve_) == 5 and len(ours.loss_curve_) == 6


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_fit_goes_on_where_scikit_learn_ended(solver: str) -> None:
    theirs = neural_network.MLPRegressor(hidden_layer_sizes=(4,), solver=solver, **SHORT).fit(X, X[:, 0])
    for one in (
        from_sklearn(theirs).set_params(solver="adam").partial_fit(X, X[:, 0]),
        from_sklearn(theirs).set_params(warm_start=True, max_iter=1).fit(X, X[:, 0]),
    ):
        assert 0 < np.abs(one.coefs_[0] - theirs.coefs_[0]).max() < 0.1


def test_others_are_refused() -> None:
    with pytest.raises(BadInput, match="the model is a LogisticRegression; give an MLPClassifier or MLPRegressor"):
        from_sklearn(LogisticRegression())
    with pytest.raises(NotFittedError):
        from_sklearn(neural_network.MLPClassifier())


def outputs_of(module: Any, x: Any) -> Any:
    with torch.no_grad():
        return module(torch.tensor(x)).numpy()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("activation", ["tanh", ["elu", {"name": "leaky_relu", "slope": 0.3}], "logistic", "identity"])
def test_networks_come_back_from_pytorch(activation: Any, batch_norm: bool, dtype: Any) -> None:
    given = {"activation": activation, "batch_norm": batch_norm, "dropout": [0.0, 0.3], **SHORT}
    x = X.astype(dtype)
    for y in (X[:, 0] > 0, np.arange(50) % 3):
        ours = MLPClassifier((5, 4), **given).fit(x, y)
        again = from_torch(to_torch(ours), classes=ours.classes_)
        np.testing.assert_array_equal(again.predict_proba(x), ours.predict_proba(x))
        assert again.predict(x).tolist() == ours.predict(x).tolist()
    numbers = MLPRegressor("squared_error", (5, 4), **given).fit(x, X[:, :2])
    again = from_torch(to_torch(numbers))
    np.testing.assert_array_equal(again.predict(x), numbers.predict(x))
    assert again.dropout == [0.0, 0.3]
    again.set_params(max_iter=2, warm_start=True).fit(x, X[:, :2])


def test_logits_become_probabilities_where_classes_are_named() -> None:
    module = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.GELU(), torch.nn.Dropout(0.5), torch.nn.Linear(4, 3)
    ).eval()
    model = from_torch(module, classes=["a", "b", "c"])
    theirs = torch.nn.functional.softmax(torch.tensor(outputs_of(module, X.astype(np.float32))), dim=1).numpy()
    np.testing.assert_allclose(model.predict_proba(X), theirs, rtol=1e-5)
    assert set(model.predict(X)) <= {"a", "b", "c"} and model.dropout == [0.5]
    two = from_torch(torch.nn.Sequential(torch.nn.Linear(3, 1, bias=False)), classes=[False, True])
    assert two.predict(X).dtype == bool and two.predict_proba(X).shape == (50, 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_single(dtype: Any) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).to(dtype)
    answers = from_torch(module).predict(X.astype(np.float32))
    np.testing.assert_array_equal(answers, from_torch(module.float()).predict(X.astype(np.float32)))
    assert answers.dtype == np.float32


L, S = torch.nn.Linear, torch.nn.Sequential


@pytest.mark.parametrize(
    ("module", "classes", "sentence"),
    [
        (L(3, 2), None, "the module is a Linear without a Linear; give an nn.Sequential"),
        (S(), None, "the module is a Sequential without a Linear"),
        (S(torch.nn.ReLU(), L(3, 2)), None, r"there is no form for ReLU\(\) where it stands"),
        (S(L(3, 2), torch.nn.ReLU(), torch.nn.Tanh(), L(2, 1)), None, r"there is no form for Tanh\(\)"),
        (S(L(3, 2), torch.nn.GELU("tanh"), L(2, 1)), None, "there is no form for GELU"),
        (S(L(3, 2), torch.nn.BatchNorm1d(2, eps=0.1), L(2, 1)), None, "there is no form for BatchNorm1d"),
        (S(L(3, 2), torch.nn.Dropout(), torch.nn.ReLU(), L(2, 1)), None, r"there is no form for ReLU"),
        (S(L(3, 2), torch.nn.Conv1d(1, 1, 1), L(2, 1)), None, "there is no form for Conv1d"),
        (S(L(3, 2), torch.nn.Softmax(dim=1), L(2, 1)), None, "a Softmax stands behind a hidden layer"),
        (S(L(3, 2), torch.nn.ReLU()), None, "behind the last Linear stands more than a Sigmoid or a Softmax"),
        (S(L(3, 2), torch.nn.BatchNorm1d(2), L(2, 2), L(2, 1)), None, "some hidden layers have batch norm"),
        (S(L(3, 2), L(3, 1)), None, r"Linear\(in_features=3, .*\) takes 3 inputs from a layer of 2 units"),
        (S(L(3, 2)), ["a", "b", "c"], "the network has 2 outputs for 3 classes"),
        (S(L(3, 2)), ["b", "a"], "must be different and in sorted order"),
    ],
)
def test_other_modules_are_refused(module: Any, classes: Any, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        from_torch(module, classes)
