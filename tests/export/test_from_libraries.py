from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes import examples
from refusals import refuses
from sklearn import neural_network
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from deltarule import BadInput, MLPClassifier, MLPRegressor, from_sklearn, from_torch, load_model, to_torch

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(4).normal(size=(50, 3))
SHORT: dict[str, Any] = {"max_iter": 5, "random_state": 0}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("hidden", [(), (4,), (5, 3)])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_converted_regressors_predict_the_same(activation: str, hidden: tuple[int, ...], dtype: Any) -> None:
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
def test_converted_classifiers_predict_the_same(y: Any) -> None:
    theirs = neural_network.MLPClassifier((4,), **SHORT, early_stopping=True).fit(X, y)
    ours = from_sklearn(theirs)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-12)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.validation_scores_ == theirs.validation_scores_


def test_the_converted_model_shares_no_memory() -> None:
    theirs = neural_network.MLPRegressor(hidden_layer_sizes=(4,), **SHORT).fit(X, X[:, 0])
    ours = from_sklearn(theirs)
    ours.coefs_[0][:] = 0
    ours.partial_fit(X, X[:, 0])
    assert theirs.coefs_[0].any() and len(theirs.loss_curve_) == 5 and len(ours.loss_curve_) == 6


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_a_fit_continues_where_scikit_learn_ended(solver: str) -> None:
    theirs = neural_network.MLPRegressor(hidden_layer_sizes=(4,), solver=solver, **SHORT).fit(X, X[:, 0])
    for one in (
        from_sklearn(theirs).set_params(solver="adam").partial_fit(X, X[:, 0]),
        from_sklearn(theirs).set_params(warm_start=True, max_iter=1).fit(X, X[:, 0]),
    ):
        assert 0 < np.abs(one.coefs_[0] - theirs.coefs_[0]).max() < 0.1


def test_other_models_are_refused() -> None:
    with refuses("LogisticRegression", "MLPClassifier", "MLPRegressor"):
        from_sklearn(LogisticRegression())
    with pytest.raises(NotFittedError):
        from_sklearn(neural_network.MLPClassifier())


def outputs_of(module: Any, x: Any) -> Any:
    with torch.no_grad():
        return module(torch.tensor(x)).numpy()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(
    "activation",
    ["tanh", ["elu", {"name": "leaky_relu", "slope": 0.3}], "logistic", "identity", "softplus", ["softmax", "gelu"]],
)
def test_networks_exported_to_pytorch_convert_back(activation: Any, batch_norm: bool, dtype: Any) -> None:
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


def test_half_precision_becomes_single() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).to(torch.bfloat16)
    answers = from_torch(module).predict(X.astype(np.float32))
    np.testing.assert_array_equal(answers, from_torch(module.float()).predict(X.astype(np.float32)))
    assert answers.dtype == np.float32


def test_members_have_their_own_dropout() -> None:
    rates = [[0.1, 0.2], [0.3, 0.4]]
    ours = MLPRegressor("squared_error", (5, 4), dropout=rates, n_members=2, **SHORT).fit(X, X[:, 0])
    modules = [to_torch(ours, member) for member in range(2)]
    assert [[one.p for one in module if isinstance(one, torch.nn.Dropout)] for module in modules] == rates


L, S = torch.nn.Linear, torch.nn.Sequential
ACTIVATIONS = [torch.nn.Tanh(), torch.nn.ReLU(), torch.nn.Sigmoid(), torch.nn.SiLU(), torch.nn.Dropout(0.2)]
I = torch.nn.Identity()  # noqa: E741


@settings(deadline=None, max_examples=examples(30))
@given(st.lists(st.sampled_from(ACTIVATIONS), min_size=1, max_size=5), st.integers(0, 2**31))
def test_a_module_that_stands_in_several_places_works_in_each(between: list[Any], seed: int) -> None:
    torch.manual_seed(seed)
    shared = L(3, 3)
    module = S(*(one for each in between for one in (shared, each)), shared).double().eval()
    np.testing.assert_allclose(from_torch(module).predict(X), outputs_of(module, X), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("columns", [2, 3])
def test_labels_exported_to_pytorch_convert_back(columns: int) -> None:
    y = (X[:, :columns] > 0).astype(int)
    ours = MLPClassifier((4,), **SHORT).fit(X, y)
    for classes in (None, ours.classes_):
        again = from_torch(to_torch(ours), classes)
        np.testing.assert_array_equal(again.predict_proba(X), ours.predict_proba(X))
        np.testing.assert_array_equal(again.predict(X), ours.predict(X))
        assert again.classes_.tolist() == ours.classes_.tolist()
        assert again.partial_fit(X, y).predict(X).shape == y.shape


@pytest.mark.parametrize("ending", [(), (torch.nn.Softmax(dim=1),)], ids=["logits", "softmax"])
def test_two_logits_are_one_of_a_classifier_of_two(ending: Any, tmp_path: Path) -> None:
    module = S(L(3, 4), torch.nn.Tanh(), L(4, 2), *ending).double()
    theirs = outputs_of(module, X) if ending else outputs_of(S(module, torch.nn.Softmax(dim=1)), X)
    model = from_torch(module, classes=["no", "yes"])
    np.testing.assert_allclose(model.predict_proba(X), theirs, rtol=1e-12)
    assert model.predict(X).tolist() == np.array(["no", "yes"])[theirs.argmax(1)].tolist()
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(load_model(tmp_path / "model").predict_proba(X), model.predict_proba(X))
    model.partial_fit(X, ["no", "yes"] * 25)


def test_sequentials_within_one_another_and_what_stands_at_both_ends() -> None:
    """As networks for images are often written: flattened first, and the logarithms of probabilities at the end."""
    torch.manual_seed(1)
    module = S(torch.nn.Flatten(), S(L(3, 4), S(torch.nn.ReLU(), torch.nn.Dropout(0.3))), S(S(L(4, 3))))
    module = S(module, torch.nn.LogSoftmax(dim=1)).double().eval()
    model = from_torch(module, ["a", "b", "c"])
    np.testing.assert_allclose(model.predict_log_proba(X), outputs_of(module, X), rtol=1e-10)
    assert model.dropout == [0.3]


def test_modules_that_do_nothing_may_stand_anywhere() -> None:
    modules = (I, L(3, 4), I, torch.nn.BatchNorm1d(4), I, torch.nn.ReLU(), I, torch.nn.Dropout(), L(4, 1), I)
    module = S(*modules).double().eval()
    np.testing.assert_allclose(from_torch(module).predict(X), outputs_of(module, X)[:, 0], rtol=1e-10, atol=1e-12)
    alone = L(3, 2).double()
    np.testing.assert_allclose(from_torch(alone).predict(X), outputs_of(alone, X), rtol=1e-12, atol=1e-14)


class Linear(torch.nn.Linear):
    """Called as PyTorch's own."""


@pytest.mark.parametrize(
    ("module", "classes", "sentence"),
    [
        (S(), None, "the module is a Sequential without a Linear; give an nn.Sequential"),
        (S(Linear(3, 2)), None, r"there is no form for Linear\("),
        (S(L(3, 2), torch.nn.Softplus(threshold=5), L(2, 1)), None, "has threshold=5, .*; give one with threshold=20"),
        (S(L(3, 2), torch.nn.Softmax(dim=0)), None, "has dim=0, .*; give one with dim=1 or -1"),
        (S(L(3, 1), torch.nn.Softmax(dim=1)), None, "a Softmax over 1 output always gives 1; put a Sigmoid there"),
        (S(L(3, 2), torch.nn.Sigmoid()), ["no", "yes"], "a Sigmoid over 2 outputs makes labels, which have no names"),
        (S(torch.nn.ReLU(), L(3, 2)), None, r"there is no form for ReLU\(\) where it stands"),
        (S(L(3, 2), torch.nn.ReLU(), torch.nn.Tanh(), L(2, 1)), None, r"there is no form for Tanh\(\)"),
        (S(L(3, 2), torch.nn.GELU("tanh"), L(2, 1)), None, "has approximate=tanh, .* approximate=none"),
        (S(L(3, 2), torch.nn.BatchNorm1d(2, eps=0.1), L(2, 1)), None, "has eps=0.1, .* give one with eps=1e-05"),
        (S(L(3, 2), torch.nn.Dropout(), torch.nn.ReLU(), L(2, 1)), None, r"there is no form for ReLU"),
        (S(L(3, 2), torch.nn.ReLU(), torch.nn.BatchNorm1d(2), L(2, 1)), None, "there is no form for BatchNorm1d"),
        (S(L(3, 2), torch.nn.LogSoftmax(dim=1), L(2, 1)), None, "a LogSoftmax stands behind a hidden layer"),
        (S(L(3, 2), torch.nn.ReLU()), None, "behind the last Linear stands more than a Sigmoid or a Softmax"),
        (S(L(3, 2), torch.nn.BatchNorm1d(2), L(2, 2), L(2, 1)), None, "some hidden layers have batch norm"),
        (S(L(3, 2)), ["a", "b", "c"], "the network has 2 outputs for 3 classes"),
        (S(L(3, 2)), ["b", "a"], "must be different and in sorted order"),
    ],
)
def test_other_modules_are_refused(module: Any, classes: Any, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        from_torch(module, classes)
