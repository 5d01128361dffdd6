from typing import Any

import numpy as np
import pytest

from deltarule import MLPClassifier, MLPRegressor
from deltarule.estimators.mlp.fit import Fit
from deltarule.estimators.search.search_fits import fit_together

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(5).normal(size=(90, 3))
NUMBERS = X[:, 0] * X[:, 1]
CLASSES = np.digitize(NUMBERS, [-0.5, 0.5])


def planned(models: list[Any], rows: list[slice], y: Any, weights: Any = None) -> list[Any]:
    return [
        Fit(model, X[own], y[own], None if weights is None else weights[own]).plan()
        for model, own in zip(models, rows, strict=True)
    ]


def errors_of(fits: list[Any]) -> list[Exception | None]:
    return [error for _, error in fit_together(fits)]


NUMBERS_OF_MEMBERS = [
    {"alpha": 0.0, "learning_rate_init": 0.01},
    {"alpha": 1.0, "random_state": 7},
    {"beta_1": 0.5, "epsilon": 1e-4, "dropout": 0.3},
    {"learning_rate_init": 0.1, "n_members": 2},
]
COMMON: list[dict[str, Any]] = [
    {},
    {"batch_size": 20},
    {"batch_size": 20, "shuffle": False},
    {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 40, "batch_norm": True},
    {"tol": 0.01, "n_iter_no_change": 2, "max_iter": 60},
    {"learning_rate": {"name": "step", "every": 2, "per": "epoch"}},
]


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("common", COMMON, ids=str)
def test_each_is_fitted_as_it_would_be_alone(kind: Any, common: dict[str, Any]) -> None:
    given = {"hidden_layer_sizes": (6,), "max_iter": 5, "random_state": 0, "engine": "reference", **common}
    y = CLASSES if kind is MLPClassifier else NUMBERS
    folds = [slice(0, 60), slice(0, 60), slice(30, 90), slice(0, 70)]
    together, alone = ([kind(**{**given, **own}) for own in NUMBERS_OF_MEMBERS] for _ in range(2))
    assert errors_of(planned(together, folds, y)) == [None] * 4
    for one, other, rows in zip(together, alone, folds, strict=True):
        other.fit(X[rows], y[rows])
        np.testing.assert_array_equal(one.predict(X), other.predict(X))
        for name in ("loss_curve_", "validation_scores_", "best_validation_score_", "n_iter_", "t_"):
            assert getattr(one, name) == getattr(other, name)
        if not common.get("early_stopping"):
            np.testing.assert_array_equal(one.partial_fit(X, y).predict(X), other.partial_fit(X, y).predict(X))


@pytest.mark.slow
def test_folds_are_fitted_together_by_the_compiled_engine_and_keep_their_bits() -> None:
    """Networks of 24 · 3 weights in their first layer, whose products all networks of a fold share."""
    given: dict[str, Any] = {"hidden_layer_sizes": (24,), "engine": "compiled", "max_iter": 30, "tol": 1e-2}
    folds = [slice(0, 60)] * 8 + [slice(30, 90)] * 7
    rates = np.logspace(-3, -1, len(folds))
    together, alone = (
        [MLPRegressor(**given, n_iter_no_change=2, learning_rate_init=rate, random_state=0) for rate in rates]
        for _ in range(2)
    )
    assert errors_of(planned(together, folds, NUMBERS)) == [None] * len(folds)
    for one, other, rows in zip(together, alone, folds, strict=True):
        other.fit(X[rows], NUMBERS[rows])
        np.testing.assert_array_equal(one.predict(X), other.predict(X))
        assert one.loss_curve_ == other.loss_curve_
    assert len({one.n_iter_ for one in together}) > 3, "they end at different epochs"


@pytest.mark.slow
def test_shapes_of_all_kinds_at_once() -> None:
    """What differs in more than numbers is not of one population."""
    common: dict[str, Any] = {"hidden_layer_sizes": (6,), "max_iter": 4, "random_state": 0, "engine": "reference"}
    given: list[dict[str, Any]] = [
        {},
        {"hidden_layer_sizes": (3,)},
        {"hidden_layer_sizes": (4, 2), "activation": ["tanh", "relu"]},
        {"batch_norm": True},
        {"scaling_layer": True},
        {"solver": "sgd"},
        {"solver": "sgd", "momentum": 0.0},
        {"loss": "huber"},
        {"loss": {"name": "huber", "delta": 0.1}},
        {"max_iter": 2},
        {"tol": 10.0, "n_iter_no_change": 1},
        {"batch_size": 20},
        {"batch_size": 20, "shuffle": False},
        {"learning_rate": {"name": "step", "every": 2, "per": "epoch"}},
        {"early_stopping": True},
        {"early_stopping": True, "validation_fraction": 0.3},
        {"engine": "compiled"},
        {},  # with weights
    ]
    weights = [*[None] * (len(given) - 1), np.linspace(0.1, 1, 90)]
    together, alone = ([MLPRegressor(**{**common, **own}) for own in given] for _ in range(2))
    fits = [Fit(one, X, NUMBERS, own).plan() for one, own in zip(together, weights, strict=True)]
    assert errors_of(fits) == [None] * len(given)
    for one, other, own in zip(together, alone, weights, strict=True):
        other.fit(X, NUMBERS, sample_weight=own)
        np.testing.assert_array_equal(one.predict(X), other.predict(X))
        assert (one.loss_curve_, one.n_iter_) == (other.loss_curve_, other.n_iter_)
