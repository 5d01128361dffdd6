"""From the same weights, our estimators take scikit-learn's own steps: losses, scores and weights agree to rounding."""

from typing import Any

import numpy as np
import pytest
from sklearn import neural_network

import deltarule
from deltarule import from_sklearn

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(90, 4))
NUMBERS = np.sin(X[:, 0]) + X[:, 1] ** 2 + RANDOM.normal(scale=0.1, size=90)
TARGETS = {
    "binary": np.where(NUMBERS > 1, "yes", "no"),
    "multiclass": np.digitize(NUMBERS, [0.2, 1.2]),
    "labels": (X[:, :3] + RANDOM.normal(scale=0.5, size=(90, 3)) > 0).astype(int),
    "numbers": NUMBERS,
    "counts": RANDOM.poisson(np.exp(X[:, 0] / 2)).astype(float),
    "two numbers": np.stack([NUMBERS, X[:, 2] ** 2], axis=1),
}
SETTINGS: list[dict[str, Any]] = [
    {},
    {"batch_size": 20, "shuffle": False},
    {"hidden_layer_sizes": (6, 5), "activation": "logistic", "alpha": 1.0},
    {"hidden_layer_sizes": (), "batch_size": 30, "shuffle": False},
    {"solver": "sgd", "learning_rate_init": 0.05, "activation": "tanh"},
    {"solver": "sgd", "learning_rate_init": 0.05, "nesterovs_momentum": False, "batch_size": 40, "shuffle": False},
    {"solver": "sgd", "learning_rate_init": 0.05, "momentum": 0, "activation": "identity"},
    {"solver": "sgd", "learning_rate_init": 0.3, "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 2},
    {"solver": "sgd", "learning_rate_init": 0.05, "learning_rate": "invscaling", "batch_size": 40, "shuffle": False},
    {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3, "learning_rate_init": 0.05},
]


def pair(kind: str, settings: dict[str, Any]) -> tuple[Any, Any]:
    """One model twice: scikit-learn's after a first epoch, and ours with its weights."""
    regresses = kind in ("numbers", "counts", "two numbers")
    given = {"hidden_layer_sizes": (7,), "random_state": 3, "warm_start": True, "max_iter": 1} | settings
    if kind == "counts":
        given["loss"] = "poisson"
    model = (neural_network.MLPRegressor if regresses else neural_network.MLPClassifier)(**given)
    model.fit(X, TARGETS[kind])
    ours = from_sklearn(model)
    ours.best_validation_score_ = None  # as if no epoch had been scored
    forget(model)
    return model, ours


def forget(model: Any) -> None:
    """What scikit-learn's fit measures the next one by; with ours each begins anew."""
    model._no_improvement_count, model.best_loss_ = 0, np.inf
    if model.early_stopping:
        model.best_validation_score_ = -np.inf


def alike(theirs: Any, ours: Any) -> None:
    for name in ("coefs_", "intercepts_"):
        for one, other in zip(getattr(theirs, name), getattr(ours, name), strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-8, atol=1e-10)
    assert ours.n_iter_ == theirs.n_iter_


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("kind", TARGETS)
def test_the_same_steps(kind: str, settings: dict[str, Any]) -> None:
    theirs, ours = pair(kind, settings)
    for model in (theirs, ours):
        model.set_params(max_iter=12).fit(X, TARGETS[kind])
    alike(theirs, ours)
    if kind != "two numbers":  # there scikit-learn tells half of what it descends
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
        assert ours.best_loss_ <= theirs.best_loss_ * (1 + 1e-9)
    np.testing.assert_array_equal(ours.predict(X[:20]).shape, theirs.predict(X[:20]).shape)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "numbers"])
def test_weighted_rows_take_the_same_steps(kind: str) -> None:
    theirs, ours = pair(kind, {"batch_size": 30, "shuffle": False, "alpha": 0.1})
    weights = RANDOM.uniform(0.5, 3, size=90)
    for model in (theirs, ours):
        model.set_params(max_iter=5).fit(X, TARGETS[kind], sample_weight=weights)
    alike(theirs, ours)


@pytest.mark.parametrize("kind", ["binary", "numbers"])
def test_early_stopping_sets_the_same_rows_aside_and_brings_the_same_weights_back(kind: str) -> None:
    theirs, ours = pair(kind, {"early_stopping": True, "n_iter_no_change": 5, "learning_rate_init": 0.03})
    for model in (theirs, ours):
        model.set_params(max_iter=100).fit(X, TARGETS[kind])
    np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_, rtol=1e-9)
    assert ours.best_validation_score_ == pytest.approx(theirs.best_validation_score_)
    assert ours.best_loss_ is None
    assert theirs.n_iter_ < 100, "the rule stops them"
    alike(theirs, ours)


@pytest.mark.parametrize(("kind", "high"), [("binary", 20.0), ("numbers", 10.0)])
def test_a_fit_that_goes_on_from_better_weights_comes_back_to_them(kind: str, high: float) -> None:
    theirs, ours = pair(kind, {"early_stopping": True, "solver": "sgd", "momentum": 0, "learning_rate_init": 0.1})
    kept = []
    for rate, epochs in ((0.1, 30), (high, 2), (0.1, 40)):
        for model in (theirs, ours):
            model.set_params(max_iter=epochs, learning_rate_init=rate).fit(X, TARGETS[kind])
            assert model.best_validation_score_ == max(model.validation_scores_)
        alike(theirs, ours)
        kept.append(ours.coefs_[0])
        theirs._no_improvement_count = 0
        # What it keeps as the best is what it trains on; as copies the best stay what they are.
        theirs.coefs_, theirs.intercepts_ = (
            [one.copy() for one in each] for each in (theirs.coefs_, theirs.intercepts_)
        )
    np.testing.assert_array_equal(kept[1], kept[0])


@pytest.mark.parametrize(
    ("solver", "learning_rate"), [("sgd", "constant"), ("sgd", "invscaling"), ("adam", "constant")]
)
def test_partial_fit_goes_on_like_it(solver: str, learning_rate: str) -> None:
    settings = {"solver": solver, "learning_rate": learning_rate, "learning_rate_init": 0.2, "shuffle": False}
    theirs, ours = pair("multiclass", {**settings, "batch_size": 10, "tol": 0.1, "n_iter_no_change": 1})
    del theirs._optimizer  # its memory is not taken over
    for model in (theirs, ours):
        model.set_params(warm_start=False)
        model.t_ = 0
    for start in (0, 30, 60, 0, 30, 60, 0):
        rows = slice(start, start + 30)
        for model in (theirs, ours):
            model.partial_fit(X[rows], TARGETS["multiclass"][rows])
        assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-9)
    alike(theirs, ours)
    assert ours.t_ == theirs.t_ == 210


@pytest.mark.parametrize("kind", ["binary", "multiclass", "labels", "numbers", "counts"])
def test_lbfgs_comes_to_the_same_loss(kind: str) -> None:
    theirs, ours = pair(kind, {"solver": "lbfgs", "alpha": 1.0})
    for model in (theirs, ours):
        model.set_params(max_iter=15).fit(X, TARGETS[kind])
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-4)
    assert ours.n_iter_ == theirs.n_iter_


def test_what_they_have_in_common_has_the_same_default() -> None:
    for name in ("MLPClassifier", "MLPRegressor"):
        theirs, ours = getattr(neural_network, name)().get_params(), getattr(deltarule, name)().get_params()
        assert {key: ours[key] for key in theirs} == theirs


WRONG: list[dict[str, Any]] = [
    {"hidden_layer_sizes": -1},
    {"hidden_layer_sizes": (5, 0)},
    {"alpha": -0.5},
    {"batch_size": 0},
    {"learning_rate_init": 0},
    {"max_iter": 0},
    {"shuffle": "yes"},
    {"tol": -1},
    {"momentum": 1.5},
    {"validation_fraction": 1.0},
    {"beta_1": 1.0},
    {"epsilon": 0.0},
    {"n_iter_no_change": 0},
    {"early_stopping": True, "validation_fraction": 0.001},
]


@pytest.mark.parametrize("settings", WRONG, ids=str)
def test_errors_have_its_wording(settings: dict[str, Any]) -> None:
    said = []
    for library in (neural_network, deltarule):
        with pytest.raises(ValueError) as error:
            library.MLPClassifier(**settings).fit(X, TARGETS["binary"])  # type: ignore[attr-defined]
        said.append(str(error.value))
    assert said[0] == said[1]


def test_diverging_says_so_in_its_words() -> None:
    model = deltarule.MLPRegressor(solver="sgd", learning_rate_init=1e3, random_state=0)
    with pytest.raises(ValueError, match=r"Solver produced non-finite parameter weights\. .* in epoch \d+\."):
        model.fit(X, NUMBERS)


def test_partial_fit_errors() -> None:
    y = TARGETS["multiclass"]
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        deltarule.MLPRegressor(early_stopping=True).partial_fit(X, NUMBERS)
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        deltarule.MLPClassifier().partial_fit(X, y)
    model = deltarule.MLPClassifier((3,), random_state=0).partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
        model.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="`y` has classes not in `self.classes_`"):
        model.partial_fit(X, y + 1)
    assert not hasattr(deltarule.MLPClassifier(solver="lbfgs"), "partial_fit")


def test_warm_start_keeps_its_classes() -> None:
    model = deltarule.MLPClassifier((3,), warm_start=True, max_iter=2).fit(X, TARGETS["multiclass"])
    with pytest.raises(ValueError, match="warm_start can only be used where `y` has the same classes"):
        model.fit(X, TARGETS["binary"])
