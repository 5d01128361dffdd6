import pickle  # noqa: TID251, joblib and copies do the same
import warnings
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from refusals import refuses
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from deltarule import MLPClassifier, MLPRegressor, PopulationSearchCV

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning"),
    pytest.mark.filterwarnings("ignore:One or more of the test scores"),
    pytest.mark.filterwarnings("ignore:Scoring failed"),
]

X, Y = load_breast_cancer(return_X_y=True)
X, Y = StandardScaler().fit_transform(X[:150, :8]), Y[:150]
SHORT: dict[str, Any] = {"max_iter": 5, "random_state": 0, "learning_rate_init": 0.01, "engine": "reference"}


def same(estimator: Any, grid: Any, X: Any = X, y: Any = Y, fit: dict[str, Any] | None = None, **given: Any) -> Any:
    """Search in both ways, and hold every score and the winner to scikit-learn's search over our estimator."""
    fit = {} if fit is None else fit
    theirs = GridSearchCV(estimator, grid, **given).fit(X, y, **fit)
    ours = PopulationSearchCV(estimator, grid, **given).fit(X, y, **fit)
    assert set(ours.cv_results_) == set(theirs.cv_results_)
    for name, values in theirs.cv_results_.items():
        if "_score" in name and not name.endswith("_time"):
            np.testing.assert_array_equal(ours.cv_results_[name], values)
        elif "param" in name:
            assert list(ours.cv_results_[name]) == list(values)
    assert ours.best_index_ == theirs.best_index_ and ours.best_params_ == theirs.best_params_
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert (ours.cv_results_["mean_fit_time"] > 0).all()
    return ours


@pytest.mark.slow
def test_numbers_and_shapes() -> None:
    grid = {"alpha": [0.0, 0.1, 10.0], "hidden_layer_sizes": [(4,), (3, 3)]}
    search = same(MLPClassifier(**SHORT), grid, cv=3, return_train_score=True)
    np.testing.assert_array_equal(search.classes_, [0, 1])
    assert search.score(X, Y) == search.best_estimator_.score(X, Y)
    assert isinstance(search.best_estimator_, MLPClassifier)


@pytest.mark.slow
def test_pipeline_over_a_data_frame() -> None:
    frame = pd.DataFrame(X, columns=[f"feature {n}" for n in range(8)])
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((4,), **SHORT))
    grid = [
        {"standardscaler__with_mean": [True, False], "mlpclassifier__learning_rate_init": [0.001, 0.03]},
        {"mlpclassifier__dropout": [0.0, 0.4]},
    ]
    search = same(pipeline, grid, X=frame, y=np.where(Y, "benign", "malignant"), cv=2)
    assert search.feature_names_in_.tolist() == list(frame.columns)


def test_several_scorers_and_a_refit_function() -> None:
    def last(results: dict[str, Any]) -> int:
        return len(results["params"]) - 1

    given = {"scoring": ["accuracy", "roc_auc", "neg_log_loss"], "cv": 2}
    same(MLPClassifier((4,), **SHORT), {"alpha": [0.1, 1.0]}, refit="roc_auc", **given)
    same(MLPClassifier((4,), **SHORT), {"alpha": [0.1, 1.0]}, refit=last, **given)


def test_weights_groups_and_sparse_rows() -> None:
    weights = np.random.default_rng(0).uniform(0, 2, size=150).round()
    groups = np.arange(150) // 10
    holes = sparse.csr_matrix(np.where(np.abs(X) < 0.5, 0, X))
    model = MLPClassifier((4,), **SHORT)
    grid = {"alpha": [0.1, 1.0]}
    same(model, grid, X=holes, cv=GroupKFold(3), fit={"sample_weight": weights, "groups": groups})


def test_candidates_of_different_networks() -> None:
    """Each of which has a target of its own in them."""
    kinds = [MLPClassifier((3,), **SHORT), MLPRegressor(hidden_layer_sizes=(3,), **SHORT)]
    same(Pipeline([("net", kinds[0])]), {"net": kinds}, cv=3)


def test_lbfgs_and_callbacks_are_fitted_alone() -> None:
    search = same(MLPClassifier((3,), **SHORT), [{"solver": ["lbfgs", "adam"]}, {"callbacks": [print_nothing]}], cv=2)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def print_nothing(epoch: Any, model: Any) -> None:
    """A callback."""


def test_failing_candidate() -> None:
    grid = {"learning_rate_init": [0.01, 1e200, -1.0]}
    model = MLPRegressor(hidden_layer_sizes=(3,), **SHORT | {"solver": "sgd"})
    search = same(model, grid, y=X[:, 0], cv=2)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True, True]
    with pytest.raises(ValueError, match="non-finite"):
        PopulationSearchCV(model, {"learning_rate_init": [1e200]}, cv=2, error_score="raise").fit(X, X[:, 0])


ALL = np.arange(len(X))


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize(
    ("grid", "folds"),
    [
        ({"alpha": [0.1]}, [(ALL[:100], ALL[100:])] * 6),
        ({"alpha": [0.1] * 6}, [(ALL[:100], ALL[100:])]),
        ({"random_state": [None] * 6}, [(ALL[:100], ALL[100:])]),
    ],
    ids=["folds", "numbers", "seeds"],
)
def test_equal_fits_without_a_seed_differ(grid: Any, folds: Any, early_stopping: bool) -> None:
    """What scikit-learn's search draws from NumPy's own generator, ours draws in the same order."""
    model = MLPClassifier((3,), "tanh", **SHORT | {"random_state": None}, early_stopping=early_stopping)
    found = []
    for search in (GridSearchCV, PopulationSearchCV):
        np.random.seed(0)
        results = search(model, grid, cv=folds, scoring="neg_log_loss", refit=False).fit(X, Y).cv_results_
        found.append([results[f"split{fold}_test_score"] for fold in range(len(folds))])
    np.testing.assert_array_equal(found[1], found[0])
    assert len(np.unique(found[1])) == 6


@pytest.mark.parametrize(
    "folds",
    [
        [(ALL < 100, ALL >= 100), (ALL >= 50, ALL < 50)],
        [((ALL < 100).tolist(), (ALL >= 100).tolist())] * 2,
        [(ALL[:100] - 150, ALL[100:] - 150)] * 2,
        [(tuple(range(100)), tuple(range(100, 150)))] * 2,
    ],
    ids=["masks", "lists of masks", "from the end", "tuples"],
)
def test_folds_may_be_masks_or_indices(folds: Any) -> None:
    same(MLPClassifier((3,), **SHORT), {"alpha": [0.1, 1.0, 10.0]}, cv=folds)


def test_invalid_estimators() -> None:
    with refuses("LogisticRegression", "GridSearchCV"):
        PopulationSearchCV(LogisticRegression(), {"C": [1]}).fit(X, Y)
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        PopulationSearchCV(MLPClassifier(), {"alpha": [1]}).fit(X)


def test_search_inside_a_parallel_backend() -> None:
    with joblib.parallel_config(backend="loky", n_jobs=2):
        search = PopulationSearchCV(MLPClassifier((3,), **SHORT), {"alpha": [0.5, 1.0]}, cv=2).fit(X, Y)
    assert search.best_score_ > 0.5


def in_words(estimator: Any, X: Any, y: Any) -> Any:
    """Not a score."""
    return "good"


@pytest.mark.parametrize(
    ("given", "fit"),
    [
        ({"scoring": "acuracy"}, {}),
        ({"scoring": ["accuracy", "roc_auc"]}, {}),
        ({"param_grid": [{"alpha": [0.1]}, {"alphaa": [1.0]}]}, {}),
        ({"scoring": in_words, "estimator": MLPClassifier((3,), **SHORT)}, {}),
        ({"error_score": "raise", "estimator": MLPClassifier((3,), **SHORT)}, {"sample_weight": np.ones(140)}),
        ({"error_score": "raise", "estimator": MLPClassifier((3,), **SHORT)}, {"sample_weight": 2.0}),
    ],
    ids="scoring several parameter score weights weight".split(),
)
def test_errors_equal_scikit_learns(given: Any, fit: Any) -> None:
    """And before anything is trained, where that is what it does: a million epochs would take minutes."""
    given = {"estimator": MLPClassifier(max_iter=10**6), "param_grid": {"alpha": [1.0]}, **given}
    with pytest.raises(ValueError) as ours:
        PopulationSearchCV(**given).fit(X, Y, **fit)
    with pytest.raises(ValueError) as theirs:
        GridSearchCV(**given).fit(X, Y, **fit)
    assert str(ours.value).replace("PopulationSearchCV", "GridSearchCV") == str(theirs.value)


# --- scorers see the estimator and the rows ---


def gap(estimator: Any, X: Any, y: Any) -> float:
    """How far the predicted positives are from what the rows themselves say."""
    return -float(abs(estimator.predict(X).sum() - (X[:, 0] < 0).sum()))


def inside(estimator: Any, X: Any, y: Any) -> dict[str, float]:
    """What only a fitted network can tell."""
    size = sum(float((array**2).sum()) for array in estimator.coefs_)
    return {"likely": float(estimator.predict_log_proba(X).mean()), "size": -size, "epochs": estimator.n_iter_}


@pytest.mark.parametrize(
    "scoring", [None, "accuracy", gap, ["accuracy", "roc_auc"]], ids=["none", "name", "own", "two"]
)
def test_pickle_holds_neither_rows_nor_fits(scoring: Any) -> None:
    several = isinstance(scoring, list)
    search = PopulationSearchCV(
        MLPClassifier((4,), **SHORT),
        {"alpha": [0.1, 1.0]},
        cv=2,
        scoring=scoring,
        refit="accuracy" if several else True,
    )
    pickled = pickle.dumps(search.fit(X, Y))
    again = pickle.loads(pickled)
    assert len(pickled) < X.nbytes  # 150 rows of 8
    np.testing.assert_array_equal(again.predict(X), search.predict(X))
    assert again.score(X, Y) == search.score(X, Y)
    theirs = GridSearchCV(search.estimator, search.param_grid, cv=2, scoring=scoring, refit=search.refit).fit(X, Y)
    assert repr(search.scorer_) == repr(theirs.scorer_)


# --- candidates that are not trained among others ---


class Clipped(MLPClassifier):
    """Has a fit of its own."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:  # type: ignore[override]
        return super().fit(np.clip(X, -0.1, 0.1), y, sample_weight)


class OtherPipeline(Pipeline):
    """Has rules of its own."""

    def fit(self, X: Any, y: Any = None, **parameters: Any) -> Any:
        return super().fit(X[::2], y[::2], **parameters)


def test_subclass_with_its_own_fit() -> None:
    same(Clipped((4,), **SHORT), {"alpha": [0.1, 100.0]}, cv=3)
    steps = [("mlp", MLPClassifier((4,), **SHORT))]
    same(OtherPipeline([("scale", StandardScaler()), *steps]), {"mlp__alpha": [0.1, 100.0]}, cv=3)


@pytest.mark.slow
def test_meta_estimators() -> None:
    model = make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(4,), **SHORT))
    target = TransformedTargetRegressor(model, func=np.log1p, inverse_func=np.expm1)
    same(target, {"regressor__mlpregressor__alpha": [0.1, 100.0]}, y=np.exp(X[:, 0]), cv=3)
    several = VotingClassifier([("mlp", MLPClassifier((4,), **SHORT)), ("linear", LogisticRegression())])
    same(several, {"mlp__alpha": [0.1, 100.0]}, cv=3)


def test_fit_parameters() -> None:
    model = MLPClassifier((4,), early_stopping=True, **SHORT)
    same(model, {"alpha": [0.1, 10.0]}, cv=2, fit={"X_val": X[:40], "y_val": Y[:40]})
    weights = np.where(Y, 10.0, 0.1)
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((4,), **SHORT))
    fit = {"mlpclassifier__sample_weight": weights, "standardscaler__sample_weight": weights}
    same(pipeline, {"mlpclassifier__alpha": [0.1, 10.0]}, cv=2, fit=fit)


@pytest.mark.slow
def test_metadata_routing() -> None:
    weights, grid = np.where(Y, 10.0, 0.1), {"alpha": [1e-4, 10.0]}
    with config_context(enable_metadata_routing=True):
        fitted = MLPClassifier((4,), **SHORT).set_fit_request(sample_weight=True)
        scored = make_scorer(f1_score).set_score_request(sample_weight=True)
        for request, scoring in ((True, None), (False, None), (False, scored), (True, scored)):
            model = clone(fitted).set_score_request(sample_weight=request)
            search = same(model, grid, cv=3, scoring=scoring, fit={"sample_weight": weights})
            theirs = GridSearchCV(model, grid, cv=3, scoring=scoring).fit(X, Y, sample_weight=weights)
            np.testing.assert_array_equal(search.best_estimator_.coefs_[0], theirs.best_estimator_.coefs_[0])
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        pipeline = make_pipeline(scaler, fitted.set_score_request(sample_weight=True))
        same(pipeline, {"mlpclassifier__alpha": [1e-4, 10.0]}, cv=3, fit={"sample_weight": weights})
        apart = MLPClassifier((4,), early_stopping=True, **SHORT).set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), apart, transform_input=["X_val"])
        search = same(pipeline, {"mlpclassifier__alpha": [1e-4, 10.0]}, cv=3, fit={"X_val": X[:40], "y_val": Y[:40]})
        assert search.best_estimator_[-1].best_validation_score_ == search.score(X[:40], Y[:40])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("functiontransformer__func", [None, lambda x: x**3, lambda x: x**2]),
        ("mlpclassifier__callbacks", [None, lambda epoch, _: epoch.number > 2]),
        ("functiontransformer", [FunctionTransformer(lambda x: x**3), FunctionTransformer(lambda x: x**2)]),
    ],
    ids=["function", "callback", "step"],
)
def test_candidate_values_may_be_functions(name: str, values: list[Any]) -> None:
    model = make_pipeline(FunctionTransformer(), MLPClassifier((3,), **SHORT))
    theirs = GridSearchCV(model, {name: values}, cv=2).fit(X, Y)
    ours = PopulationSearchCV(model, {name: values}, cv=2).fit(X, Y)
    scores = ours.cv_results_["mean_test_score"]
    np.testing.assert_array_equal(scores, theirs.cv_results_["mean_test_score"])
    assert len(set(scores)) == len(values)


def test_warnings_that_are_errors_fail_their_fit_alone() -> None:
    """How somebody leaves out fits that did not converge."""
    model = MLPClassifier((3,), **SHORT | {"max_iter": 300}, tol=0.5, n_iter_no_change=2)
    grid, given = {"max_iter": [1, 300]}, {"cv": 2, "refit": False}
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        theirs = GridSearchCV(model, grid, **given).fit(X, Y).cv_results_["mean_test_score"]
        ours = PopulationSearchCV(model, grid, **given).fit(X, Y).cv_results_["mean_test_score"]
    assert np.isnan(theirs).tolist() == [True, False]
    np.testing.assert_array_equal(ours, theirs)
