"""PopulationSearchCV, a hyperparameter search that trains populations."""

import copy
from collections.abc import Iterator
from typing import Any

from sklearn.base import BaseEstimator, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import check_scoring
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.utils import indexable

from deltarule.estimators.mlp.fit_context import require_complete_fit
from deltarule.estimators.search.search_fits import SearchFits
from deltarule.estimators.sklearn_compat import check_method_params


class PopulationSearchCV(GridSearchCV):
    """`GridSearchCV` that trains candidates on all folds as populations.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, or a pipeline that ends with one
        Other estimators that contain one, such as a `TransformedTargetRegressor`, are fitted candidate by candidate.
    param_grid : dict of lists, or list of such dicts
        Values by parameter name.
    scoring : str, callable, sequence, dict or None, default=None
        As for `GridSearchCV`.
    n_jobs : int or None, default=None
        Accepted for compatibility and ignored: one process trains on all processors.
    refit : bool, str or callable, default=True
        As for `GridSearchCV`.
    cv : int, splitter, iterable or None, default=None
        As for `GridSearchCV`.
    verbose : int, default=0
        As for `GridSearchCV`.
    pre_dispatch : int or str, default="2*n_jobs"
        Accepted for compatibility and ignored.
    error_score : "raise" or float, default=nan
        As for `GridSearchCV`.
    return_train_score : bool, default=False
        As for `GridSearchCV`.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        As in `GridSearchCV`, with the same scores. The fit time of a candidate is its share of the population's.
    best_estimator_ : estimator
        The best candidate, fitted on all rows.
    best_params_ : dict
        Its parameters.
    best_score_ : float
        Its mean score over the folds.

    Raises
    ------
    BadInput
        For another estimator.

    Examples
    --------
    >>> from deltarule import MLPClassifier, PopulationSearchCV
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((5,), solver="sgd", max_iter=20, random_state=0)
    >>> search = PopulationSearchCV(model, {"learning_rate_init": [1e-6, 0.05]}, cv=3).fit(X, y)
    >>> search.best_params_
    {'learning_rate_init': 0.05}
    """

    def fit(self, X: Any, y: Any = None, **parameters: Any) -> "PopulationSearchCV":
        """Search, and fit the best candidate to all rows.

        Parameters
        ----------
        X, y : array-like, [N, D] and [N]
            As for the estimator.
        **parameters
            Passed on as in `GridSearchCV`: `groups` [N] to the splitter, `sample_weight` [N] (in a pipeline prefixed
            with the name of its last step) to the fits.

        Returns
        -------
        self

        Raises
        ------
        BadInput
            For another estimator.
        """
        self._validate_params()
        X, y = indexable(X, y)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        routed = self._get_routed_params_for_fit(check_method_params(X, parameters))
        folds = list(
            check_cv(self.cv, y, classifier=is_classifier(self.estimator)).split(X, y, **routed.splitter.split)
        )
        candidates = SearchFits(self.estimator, X, y, routed.estimator.fit)
        fits, seconds = candidates.train(list(ParameterGrid(self.param_grid)), folds)
        search = copy.copy(self)
        search.estimator = TrainedCandidates(candidates, iter([fits[index] for index in sorted(fits)]))
        # One job even inside a parallel_backend: trained fits are not sent to other processes.
        search.cv, search.n_jobs = folds, 1
        if self.scoring is None:
            search.scoring = check_scoring(self.estimator)  # keeps its estimator, which must not be all candidates
        # What is left for the folds that are given now.
        used = routed.estimator.fit.keys() | routed.scorer.score.keys()
        with require_complete_fit():
            super(PopulationSearchCV, search).fit(X, y, **{name: parameters[name] for name in used & parameters.keys()})
        results = {name: value for name, value in vars(search).items() if name.endswith("_") and name[0] != "_"}
        self.__dict__.update(results)
        self.cv_results_["mean_fit_time"], self.cv_results_["std_fit_time"] = seconds.mean(axis=1), seconds.std(axis=1)
        return self


class TrainedCandidates(BaseEstimator):
    """Gives a search its candidates, which are trained already, when it sets their parameters.

    `fits` are trained estimators, or errors, in the order in which the search asks for them. After them it asks for
    the best one, which is not trained yet. In all else it is the searched estimator.
    """

    def __init__(self, candidates: SearchFits, fits: Iterator[Any]) -> None:
        self.candidates, self.fits = candidates, fits

    def __sklearn_clone__(self) -> "TrainedCandidates":
        return self

    def __sklearn_tags__(self) -> Any:
        return self.candidates.estimator.__sklearn_tags__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.candidates.estimator, name)

    def get_metadata_routing(self) -> Any:
        return self.candidates.estimator.get_metadata_routing()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        parameters: dict[str, Any] = self.candidates.estimator.get_params(deep)
        return parameters

    def set_params(self, **parameters: Any) -> Any:
        fitted = next(self.fits, None)
        if fitted is None:
            return self.candidates.candidate_estimator(parameters)
        return _Failed(fitted) if isinstance(fitted, Exception) else FrozenEstimator(fitted)


class _Failed(BaseEstimator):
    """A candidate whose fit has raised an error, and raises it again."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def fit(self, *rows: Any, **parameters: Any) -> Any:
        raise self.error
