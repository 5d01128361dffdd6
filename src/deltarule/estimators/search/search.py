"""A search over parameters whose candidates are trained on all folds as populations."""

import contextlib
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.utils import indexable

from deltarule.errors import BadInput
from deltarule.estimators.mlp.fit_context import require_complete_fit
from deltarule.estimators.search.search_cache import SearchCache
from deltarule.estimators.search.search_fits import SearchFits, select_rows
from deltarule.estimators.sklearn_compat import MultimetricScorer, check_method_params, row_count
from deltarule.problem.problem import Floats, Integers
from deltarule.sweeps.store import Store


class PopulationSearchCV(GridSearchCV):
    """`GridSearchCV` for deltarule's estimators: networks that differ in numbers are trained on all folds at once.

    With a `factor` it is a `HalvingGridSearchCV`: rounds with more and more rows, or of another resource, of which each
    goes on with the best 1/factor of the candidates.

    Parameters
    ----------
    estimator : an `MLPClassifier` or `MLPRegressor`, or a pipeline that ends with one; what else is made of one, as a
        `TransformedTargetRegressor`, is fitted candidate by candidate.
    param_grid : lists of values by the parameter's name, or several such tables.
    scoring, refit, cv, verbose, error_score, return_train_score : as for `GridSearchCV`; so without train scores unless
        they are asked for, also with a factor, where `HalvingGridSearchCV` has them by default.
    n_jobs, pre_dispatch : taken so that a `GridSearchCV` can be exchanged; whatever they say, one process trains on all
        processors.
    factor, resource, max_resources, min_resources, aggressive_elimination, random_state : as for `HalvingGridSearchCV`;
        without a factor, None, they say nothing.
    path : a folder for the store of the search. Every fit is in it as soon as it is done, some seconds of work at a
        time; a search with the same path makes only those that are not there yet.

    After `fit` there is what `GridSearchCV` leaves: `cv_results_`, `best_estimator_`, `best_params_`, `best_score_` and
    so on, with the same scores; with a factor what `HalvingGridSearchCV` leaves, `n_resources_` and so on. A
    candidate's fit time is its share of the population's.

    Raises `BadInput` for another estimator, for callbacks of scikit-learn's `set_callbacks`, or a folder that holds
    something else; `RunFailed` while another process is writing to it, and for a full disk.

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
        path: Any = None,
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
        self.path = path

    def fit(self, X: Any, y: Any = None, **parameters: Any) -> "PopulationSearchCV":
        """Search, and fit the best candidate to all rows.

        Parameters: `X`, `y` as for the estimator; the `parameters` go where they go in `GridSearchCV`: `groups` [N] to
        the splitter, `sample_weight` [N] (in a pipeline with the name of its last step before it) to the fits.
        Returns: the search.
        Errors: `BadInput` for another estimator, and callbacks of scikit-learn; those of `GridSearchCV`, and the store.
        """
        self._validate_params()
        scorers, refit_metric = self._get_scorers()
        X, y = indexable(X, y)
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        routed = self._get_routed_params_for_fit(check_method_params(X, parameters))
        task = SearchFits(self.estimator, X, y, routed.estimator.fit)
        self._refuse_callbacks(task)
        with contextlib.nullcontext() if self.path is None else Store(Path(self.path)) as store:
            task.kept = None if store is None else SearchCache(store, self.estimator)
            search = self._search(task, routed, (scorers, refit_metric))
        self._take(search, np.concatenate(task.seconds), scorers)
        return self

    def _refuse_callbacks(self, task: SearchFits) -> None:
        """Callbacks of scikit-learn, which has them from 1.9 on, are told of fits that are made one by one."""
        told: list[Any] = [self] if hasattr(self, "_skl_callbacks") else []
        common = _with_callbacks([self.estimator])
        for candidate in ParameterGrid(self.param_grid):
            own = common + _with_callbacks(candidate.values())
            if own and task._network_of(task.made_of(candidate)) is not None:
                told += own
                break
        if told:
            raise BadInput(
                f"the {type(told[0]).__name__} has callbacks of scikit-learn, and many fits are made at once here; "
                "take GridSearchCV (with a factor HalvingGridSearchCV), or leave them out"
            )

    def _search(self, task: SearchFits, routed: Any, scorers: tuple[Any, str]) -> Any:
        """scikit-learn's search over fits that are made ahead."""
        common = {
            name: getattr(self, name) for name in ("scoring", "refit", "verbose", "error_score", "return_train_score")
        }
        common["n_jobs"] = 1  # also where joblib is told otherwise: what is made ahead is not handed to others
        estimator, split = PrecomputedEstimator(self.estimator, task), routed.splitter.split
        if self.factor is None:
            folds = check_cv(self.cv, task.y, classifier=is_classifier(self.estimator))
            splits = list(folds.split(task.X, task.y, **split))
            search = precomputed_search_class(GridSearchCV, task, routed, scorers)(
                estimator, self.param_grid, cv=splits, **common
            )
        else:
            from sklearn.experimental import enable_halving_search_cv  # noqa: F401, it puts the next name there
            from sklearn.model_selection import HalvingGridSearchCV

            if self.resource != "n_samples" and self.resource not in self.estimator.get_params():
                kind = type(self.estimator).__name__
                raise ValueError(f"Cannot use resource={self.resource} which is not supported by estimator {kind}")
            names = ("resource", "max_resources", "min_resources", "aggressive_elimination", "random_state")
            common |= {name: getattr(self, name) for name in ("factor", *names)}
            cv = 5 if self.cv is None else self.cv
            search = precomputed_search_class(HalvingGridSearchCV, task, routed, scorers)(
                estimator, self.param_grid, cv=cv, **common
            )
        return search.fit(np.arange(row_count(task.y)), task.y)

    def _take(self, search: Any, seconds: Floats, scorers: Any) -> None:
        """What a search leaves, and nothing of one before; the fit times [candidates, folds] are the populations'."""
        for name in getattr(self, "_taken", ()):  # what a subclass or a user has noted is theirs
            self.__dict__.pop(name, None)
        taken = {name: one for name, one in vars(search).items() if name.endswith("_") and not name.startswith("_")}
        self.__dict__.update(taken)
        self._taken = (*taken, "feature_names_in_")
        self.scorer_ = scorers._scorers if isinstance(scorers, MultimetricScorer) else scorers
        self.cv_results_["mean_fit_time"], self.cv_results_["std_fit_time"] = seconds.mean(axis=1), seconds.std(axis=1)
        if self.refit:
            self.best_estimator_ = search.best_estimator_.fitted
            if hasattr(self.best_estimator_, "feature_names_in_"):
                self.feature_names_in_ = self.best_estimator_.feature_names_in_


def _with_callbacks(values: Iterable[Any]) -> list[Any]:
    """What of some values, or of what estimators among them are made of, has callbacks of scikit-learn."""
    parts = [[one, *one.get_params().values()] if isinstance(one, BaseEstimator) else [one] for one in values]
    return [one for part in parts for one in part if hasattr(one, "_skl_callbacks")]


def precomputed_search_class(kind: Any, task: SearchFits, routed: Any, scorers: tuple[Any, str]) -> Any:
    """A kind of scikit-learn's searches whose fits are made as soon as it says which it wants, all of them at once.

    routed    which parameters go to the estimator, the scorer and the splitter, as the search over the estimator has it
    scorers   what scores the estimator itself, and which of the scores counts
    """

    class LookingUp(kind):
        def _get_scorers(self) -> tuple[Any, str]:
            scorer, refit_metric = scorers
            several = isinstance(scorer, MultimetricScorer)
            return (PrecomputedScorers(scorer, task) if several else PrecomputedScorer(scorer, task)), refit_metric

        def _get_routed_params_for_fit(self, params: Any) -> Any:
            return routed

        @functools.wraps(kind._run_search)  # whose signature says what its version hands over
        def _run_search(self, evaluate_candidates: Any, **context: Any) -> None:
            def evaluate(candidates: Any, cv: Any = None, **more: Any) -> Any:
                split = {} if cv is None else routed.splitter.split
                splits = self.cv if cv is None else list(cv.split(task.X, task.y, **split))
                task.train(list(candidates), splits)
                return evaluate_candidates(candidates, check_cv(splits), **more)

            super()._run_search(evaluate, **context)

    LookingUp.__name__ = LookingUp.__qualname__ = kind.__name__  # as sentences have it
    return LookingUp


class PrecomputedScorer:
    """A scorer that is given the estimator behind a `PrecomputedEstimator`, and the rows behind their numbers."""

    def __init__(self, scorer: Any, task: SearchFits) -> None:
        self.scorer, self.task = scorer, task

    def __repr__(self) -> str:  # scikit-learn names a scorer whose score is none
        return repr(self.scorer)

    def __call__(self, estimator: "PrecomputedEstimator", rows: Integers, *targets: Any, **parameters: Any) -> Any:
        """What the scorer says."""
        return self.scorer(estimator.fitted, select_rows(self.task.X, rows), *targets, **parameters)


class PrecomputedScorers(MultimetricScorer):
    """Several scorers that are given the same; scikit-learn knows by their class that one of them may fail."""

    def __init__(self, scorers: Any, task: SearchFits) -> None:
        super().__init__(scorers=scorers._scorers, raise_exc=scorers._raise_exc)
        self.task = task

    def __call__(self, estimator: "PrecomputedEstimator", rows: Integers, *targets: Any, **parameters: Any) -> Any:
        """What each of the scorers says."""
        return super().__call__(estimator.fitted, select_rows(self.task.X, rows), *targets, **parameters)


class PrecomputedEstimator(BaseEstimator):
    """An estimator for scikit-learn's search whose rows are numbers of rows, and whose fits have been made ahead."""

    def __init__(self, estimator: Any, task: SearchFits) -> None:
        self.estimator, self.task = estimator, task
        self.candidate: dict[str, Any] = {}

    def __sklearn_clone__(self) -> "PrecomputedEstimator":
        made = PrecomputedEstimator(self.estimator, self.task)
        made.candidate = dict(self.candidate)
        return made

    def __sklearn_tags__(self) -> Any:
        return self.estimator.__sklearn_tags__()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Those of the estimator."""
        parameters: dict[str, Any] = self.estimator.get_params(deep)
        return parameters

    def set_params(self, **parameters: Any) -> "PrecomputedEstimator":
        """Be another candidate."""
        self.candidate |= parameters
        return self

    def fit(self, rows: Integers, y: Any, **parameters: Any) -> "PrecomputedEstimator":
        """Look the fit up, or make it: that of the best candidate to all rows."""
        found = self.task.take(self.candidate, rows)
        if isinstance(found, Exception):
            raise found
        if found is None:
            found = self.task.made_of(self.candidate)
            with require_complete_fit():
                found.fit(select_rows(self.task.X, rows), y, **parameters)
        self.fitted = found
        return self
