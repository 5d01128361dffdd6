"""PopulationSearchCV, a hyperparameter search that trains populations."""

import functools
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.model_selection import GridSearchCV, check_cv
from sklearn.utils import indexable

from deltarule.estimators.mlp.fit_context import require_complete_fit
from deltarule.estimators.search.search_fits import SearchFits
from deltarule.estimators.sklearn_compat import check_method_params


class PopulationSearchCV(GridSearchCV):
    """`GridSearchCV` that trains candidates on all folds as populations.

    With a `factor` it is a `HalvingGridSearchCV`: every round has more rows, or more of another resource, and keeps the
    best 1/factor of the candidates.

    Parameters
    ----------
    estimator : MLPClassifier, MLPRegressor, or a pipeline that ends with one
        Other estimators that contain one, such as a `TransformedTargetRegressor`, are fitted candidate by candidate.
    param_grid : dict of lists, or list of such dicts
        Values by parameter name.
    scoring, refit, cv, verbose, error_score
        As for `GridSearchCV`.
    return_train_score : bool, default=False
        Whether to compute training scores; off by default with a factor, too, unlike in `HalvingGridSearchCV`.
    n_jobs, pre_dispatch
        Accepted for compatibility and ignored: one process trains on all processors.
    factor : float or None, default=None
        The share 1/factor of the candidates that each round keeps; None for a single round with all candidates.
    resource, max_resources, min_resources, aggressive_elimination, random_state
        As for `HalvingGridSearchCV`; ignored without a factor.

    Attributes
    ----------
    cv_results_, best_estimator_, best_params_, best_score_, ...
        Those of `GridSearchCV`, with the same scores; with a factor those of `HalvingGridSearchCV`. The fit time of a
        candidate is its share of the population's.

    Raises
    ------
    BadInput
        For another estimator.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from deltarule import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((5,), solver="sgd", max_iter=20, random_state=0)
    >>> search = PopulationSearchCV(model, {"learning_rate_init": [1e-6, 0.05]}, cv=3).fit(X, y)
    >>> search.best_params_
    {'learning_rate_init': 0.05}
    """

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
        factor: float | None = None,
        resource: str = "n_samples",
        max_resources: Any = "auto",
        min_resources: Any = "exhaust",
        aggressive_elimination: bool = False,
        random_state: Any = None,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.factor = factor
        self.resource = resource
        self.max_resources = max_resources
        self.min_resources = min_resources
        self.aggressive_elimination = aggressive_elimination
        self.random_state = random_state

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
            The search.

        Raises
        ------
        BadInput
            For another estimator.
        """
        self._validate_params()
        scorers = self._get_scorers()
        X, y = indexable(X, y)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        routed = self._get_routed_params_for_fit(check_method_params(X, parameters))
        fits = SearchFits(self.estimator, X, y, routed.estimator.fit)
        search = self._make_search(fits, routed, scorers).fit(X, y)
        for name in getattr(self, "_copied", ()):  # those of an earlier search, but no attribute of a user
            self.__dict__.pop(name, None)
        copied = {
            name: value for name, value in vars(search).items() if name.endswith("_") and not name.startswith("_")
        }
        self.__dict__.update(copied)
        self._copied = tuple(copied)
        seconds = np.concatenate(fits.seconds)
        self.cv_results_["mean_fit_time"], self.cv_results_["std_fit_time"] = seconds.mean(axis=1), seconds.std(axis=1)
        return self

    def _make_search(self, fits: SearchFits, routed: Any, scorers: tuple[Any, str]) -> Any:
        """scikit-learn's search over `fits`."""
        names = ["scoring", "refit", "verbose", "error_score", "return_train_score"]
        kind, cv = GridSearchCV, self.cv
        if self.factor is None:
            folds = check_cv(self.cv, fits.y, classifier=is_classifier(self.estimator))
            cv = list(folds.split(fits.X, fits.y, **routed.splitter.split))
        else:
            from sklearn.experimental import enable_halving_search_cv  # noqa: F401, it enables the next import
            from sklearn.model_selection import HalvingGridSearchCV

            kind, cv = HalvingGridSearchCV, 5 if cv is None else cv
            names += ["factor", "resource", "max_resources", "min_resources", "aggressive_elimination", "random_state"]
        options = {name: getattr(self, name) for name in names}
        # One job even inside a parallel_backend: trained fits are not sent to other processes.
        search = _search_class(kind, fits, routed, scorers)
        return search(TrainedCandidate(fits), self.param_grid, cv=cv, n_jobs=1, **options)


def _search_class(kind: Any, fits: SearchFits, routed: Any, scorers: tuple[Any, str]) -> Any:
    """A subclass of `kind` that trains all candidates of a round at once.

    routed    the parameters for the estimator, the scorer and the splitter
    scorers   the scorer of the estimator itself, and the name of the metric that decides
    """

    class PopulationSearch(kind):
        def _get_scorers(self) -> tuple[Any, str]:
            return scorers

        def _get_routed_params_for_fit(self, params: Any) -> Any:
            return routed

        @functools.wraps(kind._run_search)  # its signature depends on scikit-learn's version
        def _run_search(self, evaluate_candidates: Any, **context: Any) -> None:
            def evaluate(candidates: Any, cv: Any = None, **more: Any) -> Any:
                splits = self.cv if cv is None else list(cv.split(fits.X, fits.y, **routed.splitter.split))
                fits.train(list(candidates), splits)
                return evaluate_candidates(candidates, check_cv(splits), **more)

            super()._run_search(evaluate, **context)

    PopulationSearch.__name__ = kind.__name__  # for error messages
    return PopulationSearch


class TrainedCandidate(BaseEstimator):
    """A candidate of a search; its `fit` turns it into the estimator trained before."""

    def __init__(self, fits: SearchFits) -> None:
        self.fits = fits
        self.candidate: dict[str, Any] = {}

    def __sklearn_clone__(self) -> "TrainedCandidate":
        return TrainedCandidate(self.fits)

    def __sklearn_tags__(self) -> Any:
        return self.fits.estimator.__sklearn_tags__()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters of the estimator of the search."""
        parameters: dict[str, Any] = self.fits.estimator.get_params(deep)
        return parameters

    def set_params(self, **parameters: Any) -> "TrainedCandidate":
        """Set the parameters of the candidate."""
        self.candidate = parameters
        return self

    def fit(self, X: Any, y: Any, **parameters: Any) -> Any:
        """Become the next trained estimator, or one fitted here to all rows."""
        fitted = self.fits.take()
        if isinstance(fitted, Exception):
            raise fitted
        if fitted is None:
            fitted = self.fits.candidate_estimator(self.candidate)
            with require_complete_fit():
                fitted.fit(X, y, **parameters)
        # Scorers, and the users of `best_estimator_`, see the estimator itself.
        del self.fits, self.candidate
        self.__class__ = type(fitted)
        self.__dict__.update(vars(fitted))
        return self
