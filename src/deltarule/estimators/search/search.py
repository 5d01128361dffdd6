"""PopulationSearchCV, a hyperparameter search that trains populations."""

import functools
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.model_selection import GridSearchCV, check_cv
from sklearn.utils import indexable

from deltarule.estimators.mlp.fit_context import require_complete_fit
from deltarule.estimators.search.search_fits import SearchFits, select_rows
from deltarule.estimators.sklearn_compat import MultimetricScorer, check_method_params, row_count
from deltarule.problem.problem import Floats, Integers


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
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        routed = self._get_routed_params_for_fit(check_method_params(X, parameters))
        fits = SearchFits(self.estimator, X, y, routed.estimator.fit)
        search = self._search(fits, routed, (scorers, refit_metric))
        self._copy_results(search, np.concatenate(fits.seconds), scorers)
        return self

    def _search(self, fits: SearchFits, routed: Any, scorers: tuple[Any, str]) -> Any:
        """Run and return scikit-learn's search over `fits`."""
        common = {
            name: getattr(self, name) for name in ("scoring", "refit", "verbose", "error_score", "return_train_score")
        }
        common["n_jobs"] = 1  # even inside a parallel_backend: precomputed fits are not sent to other processes
        estimator, split = PrecomputedEstimator(self.estimator, fits), routed.splitter.split
        if self.factor is None:
            folds = check_cv(self.cv, fits.y, classifier=is_classifier(self.estimator))
            splits = list(folds.split(fits.X, fits.y, **split))
            search = precomputed_search_class(GridSearchCV, fits, routed, scorers)(
                estimator, self.param_grid, cv=splits, **common
            )
        else:
            from sklearn.experimental import enable_halving_search_cv  # noqa: F401, it enables the next import
            from sklearn.model_selection import HalvingGridSearchCV

            if self.resource != "n_samples" and self.resource not in self.estimator.get_params():
                kind = type(self.estimator).__name__
                raise ValueError(f"Cannot use resource={self.resource} which is not supported by estimator {kind}")
            names = ("resource", "max_resources", "min_resources", "aggressive_elimination", "random_state")
            common |= {name: getattr(self, name) for name in ("factor", *names)}
            cv = 5 if self.cv is None else self.cv
            search = precomputed_search_class(HalvingGridSearchCV, fits, routed, scorers)(
                estimator, self.param_grid, cv=cv, **common
            )
        return search.fit(np.arange(row_count(fits.y)), fits.y)

    def _copy_results(self, search: Any, seconds: Floats, scorers: Any) -> None:
        """Copy the fitted attributes of scikit-learn's search."""
        for name in getattr(self, "_taken", ()):  # those of an earlier search, but no attribute of a subclass or a user
            self.__dict__.pop(name, None)
        taken = {name: value for name, value in vars(search).items() if name.endswith("_") and not name.startswith("_")}
        self.__dict__.update(taken)
        self._taken = (*taken, "feature_names_in_")
        self.scorer_ = scorers._scorers if isinstance(scorers, MultimetricScorer) else scorers
        self.cv_results_["mean_fit_time"], self.cv_results_["std_fit_time"] = seconds.mean(axis=1), seconds.std(axis=1)
        if self.refit:
            self.best_estimator_ = search.best_estimator_.fitted
            if hasattr(self.best_estimator_, "feature_names_in_"):
                self.feature_names_in_ = self.best_estimator_.feature_names_in_


def precomputed_search_class(kind: Any, fits: SearchFits, routed: Any, scorers: tuple[Any, str]) -> Any:
    """A subclass of `kind` that trains all candidates of a round at once.

    routed    the parameters for the estimator, the scorer and the splitter
    scorers   the scorer of the estimator itself, and the name of the metric that decides
    """

    class PrecomputedSearch(kind):
        """The search `kind`, for which `fits` are trained before it asks for them."""

        def _get_scorers(self) -> tuple[Any, str]:
            scorer, refit_metric = scorers
            several = isinstance(scorer, MultimetricScorer)
            return (PrecomputedScorers(scorer, fits) if several else PrecomputedScorer(scorer, fits)), refit_metric

        def _get_routed_params_for_fit(self, params: Any) -> Any:
            return routed

        @functools.wraps(kind._run_search)  # its signature depends on scikit-learn's version
        def _run_search(self, evaluate_candidates: Any, **context: Any) -> None:
            """Run the search, training all candidates of a round before it evaluates them."""

            def evaluate(candidates: Any, cv: Any = None, **more: Any) -> Any:
                split = {} if cv is None else routed.splitter.split
                splits = self.cv if cv is None else list(cv.split(fits.X, fits.y, **split))
                fits.train(list(candidates), splits)
                return evaluate_candidates(candidates, check_cv(splits), **more)

            super()._run_search(evaluate, **context)

    PrecomputedSearch.__name__ = PrecomputedSearch.__qualname__ = kind.__name__  # for error messages
    return PrecomputedSearch


class PrecomputedScorer:
    """A scorer that applies another one to a `PrecomputedEstimator`."""

    def __init__(self, scorer: Any, fits: SearchFits) -> None:
        self.scorer, self.fits = scorer, fits

    def __repr__(self) -> str:  # scikit-learn names a scorer that fails
        return repr(self.scorer)

    def __call__(self, estimator: "PrecomputedEstimator", rows: Integers, *targets: Any, **parameters: Any) -> Any:
        """The score of a fitted estimator on some rows, given by their indices."""
        return self.scorer(estimator.fitted, select_rows(self.fits.X, rows), *targets, **parameters)


class PrecomputedScorers(MultimetricScorer):
    """Several scorers for `PrecomputedEstimator`, for multimetric scoring."""

    def __init__(self, scorers: Any, fits: SearchFits) -> None:
        super().__init__(scorers=scorers._scorers, raise_exc=scorers._raise_exc)
        self.fits = fits

    def __call__(self, estimator: "PrecomputedEstimator", rows: Integers, *targets: Any, **parameters: Any) -> Any:
        """The scores of a fitted estimator on rows given by their indices."""
        return super().__call__(estimator.fitted, select_rows(self.fits.X, rows), *targets, **parameters)


class PrecomputedEstimator(BaseEstimator):
    """An estimator that takes row indices as X and looks up precomputed fits."""

    def __init__(self, estimator: Any, fits: SearchFits) -> None:
        self.estimator, self.fits = estimator, fits
        self.candidate: dict[str, Any] = {}

    def __sklearn_clone__(self) -> "PrecomputedEstimator":
        copy = PrecomputedEstimator(self.estimator, self.fits)
        copy.candidate = dict(self.candidate)
        return copy

    def __sklearn_tags__(self) -> Any:
        return self.estimator.__sklearn_tags__()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters of the estimator."""
        parameters: dict[str, Any] = self.estimator.get_params(deep)
        return parameters

    def set_params(self, **parameters: Any) -> "PrecomputedEstimator":
        """Set the parameters of the candidate that is looked up."""
        self.candidate |= parameters
        return self

    def fit(self, rows: Integers, y: Any, **parameters: Any) -> "PrecomputedEstimator":
        """Set `fitted` to the fit to rows given by their indices."""
        fitted = self.fits.take()
        if isinstance(fitted, Exception):
            raise fitted
        if fitted is None:
            fitted = self.fits.candidate_estimator(self.candidate)
            with require_complete_fit():
                fitted.fit(select_rows(self.fits.X, rows), y, **parameters)
        self.fitted = fitted
        return self
