"""A search over parameters whose candidates are trained on all folds as populations."""

import functools
import time
from dataclasses import dataclass, field
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.model_selection import GridSearchCV, ParameterGrid, check_cv
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.metaestimators import available_if

from deltarule.errors import BadInput
from deltarule.estimators.base import BaseMLP
from deltarule.estimators.population import fit_together
from deltarule.problem.problem import Floats, Integers


class PopulationSearchCV(GridSearchCV):
    """`GridSearchCV` for deltarule's estimators: networks that differ in numbers are trained on all folds at once.

    With a `factor` it is a `HalvingGridSearchCV`: rounds with more and more rows, or of another resource, of which each
    goes on with the best 1/factor of the candidates.

    Parameters
    ----------
    estimator : an `MLPClassifier` or `MLPRegressor`, or a pipeline that ends with one.
    param_grid : lists of values by the parameter's name, or several such tables.
    scoring, refit, cv, verbose, error_score, return_train_score : as for `GridSearchCV`.
    factor, resource, max_resources, min_resources, aggressive_elimination, random_state : as for `HalvingGridSearchCV`;
        without a factor, None, they say nothing.

    After `fit` there is what `GridSearchCV` leaves: `cv_results_`, `best_estimator_`, `best_params_`, `best_score_` and
    so on, with the same scores; with a factor what `HalvingGridSearchCV` leaves, `n_resources_` and so on. A
    candidate's fit time is its share of the population's.

    Raises `BadInput` for another estimator.

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
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
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
            refit=refit,
            cv=cv,
            verbose=verbose,
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

        Parameters: `X`, `y` as for the estimator; among the `parameters`, `groups` [N] goes to the splitter and
        `sample_weight` [N] (in a pipeline with the name of its last step before it) to the fits.
        Returns: the search.
        Errors: `BadInput` for another estimator, or other parameters.
        """
        X, y = indexable(X, y)
        task = Task(self.estimator, X, y, parameters)
        common = {
            name: getattr(self, name) for name in ("scoring", "refit", "verbose", "error_score", "return_train_score")
        }
        if self.factor is None:
            folds = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
            splits = list(folds.split(X, y, parameters.pop("groups", None)))
            task.train(list(ParameterGrid(self.param_grid)), splits)
            search = GridSearchCV(LookedUp(self.estimator, task), self.param_grid, cv=splits, **common)
        else:
            search = self._halving(task, common)
        search.fit(np.arange(len(task.y)), y, **parameters)
        self._take(search, np.concatenate(task.seconds))
        return self

    def _halving(self, task: "Task", common: dict[str, Any]) -> Any:
        """scikit-learn's search by halving, whose every round is trained ahead."""
        from sklearn.experimental import enable_halving_search_cv  # noqa: F401, it puts the next name there
        from sklearn.model_selection import HalvingGridSearchCV

        class Halving(HalvingGridSearchCV):
            @functools.wraps(HalvingGridSearchCV._run_search)  # whose signature says what its version hands over
            def _run_search(self, evaluate_candidates: Any, **context: Any) -> None:
                def evaluate(candidates: Any, cv: Any = None, **more: Any) -> Any:
                    folds = self._checked_cv_orig if cv is None else cv
                    groups = {name: task.parameters[name] for name in ("groups",) if name in task.parameters}
                    splits = list(folds.split(np.arange(len(task.y)), task.y, **groups))
                    task.train(list(candidates), splits)
                    return evaluate_candidates(candidates, check_cv(splits), **more)

                super()._run_search(evaluate, **context)

        return Halving(
            LookedUp(self.estimator, task),
            self.param_grid,
            cv=5 if self.cv is None else self.cv,
            factor=self.factor,
            resource=self.resource,
            max_resources=self.max_resources,
            min_resources=self.min_resources,
            aggressive_elimination=self.aggressive_elimination,
            random_state=self.random_state,
            **common,
        )

    def _take(self, search: Any, seconds: Floats) -> None:
        """What a search leaves; the fit times [candidates, folds] are those of the populations."""
        for name, value in vars(search).items():
            if name.endswith("_") and not name.startswith("_"):
                setattr(self, name, value)
        self.cv_results_["mean_fit_time"], self.cv_results_["std_fit_time"] = seconds.mean(axis=1), seconds.std(axis=1)
        if self.refit:
            self.best_estimator_ = search.best_estimator_.fitted
            if hasattr(self.best_estimator_, "feature_names_in_"):
                self.feature_names_in_ = self.best_estimator_.feature_names_in_


@dataclass
class Task:
    """What is searched on, and every fit that has been made ahead, by its parameters and its rows.

    seconds   of each training, how long every candidate took on every fold, [candidates, folds]
    """

    estimator: Any
    X: Any
    y: Any
    parameters: dict[str, Any]
    fits: dict[str, Any] = field(default_factory=dict)
    seconds: list[Floats] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.prefix = f"{self.estimator.steps[-1][0]}__" if isinstance(self.estimator, Pipeline) else ""
        last = self.estimator[-1] if self.prefix else self.estimator
        if not isinstance(last, BaseMLP):
            raise BadInput(f"the estimator is {last!r}; give an MLPClassifier or MLPRegressor, or a pipeline of one")
        unknown = set(self.parameters) - {f"{self.prefix}sample_weight", "groups"}
        if unknown:
            raise BadInput(f"the search cannot hand on {', '.join(sorted(unknown))}; give {self.prefix}sample_weight")
        self.weights = self.parameters.get(f"{self.prefix}sample_weight")

    def train(self, candidates: list[dict[str, Any]], splits: list[tuple[Integers, Integers]]) -> None:
        """Fit every candidate on every fold."""
        seconds = np.zeros((len(candidates), len(splits)))
        plans, models, places = [], [], []
        for fold, (rows, _) in enumerate(splits):
            prepared: dict[str, Any] = {}
            for place, candidate in enumerate(candidates):
                started = time.perf_counter()
                key = self.key(candidate, rows)
                try:
                    fitted, model, plan = self._planned(candidate, rows, prepared)
                except Exception as error:  # the search decides what becomes of a fit that fails
                    self.fits[key] = error
                else:
                    self.fits[key] = fitted
                    if plan is not None:
                        plans.append(plan)
                        models.append(model)
                        places.append((place, fold, key))
                seconds[place, fold] = time.perf_counter() - started
        started = time.perf_counter()
        for (_, _, key), failure in zip(places, fit_together(models, plans), strict=True):
            if failure is not None:
                self.fits[key] = failure
        for place, fold, _ in places:
            seconds[place, fold] += (time.perf_counter() - started) / len(places)
        self.seconds.append(seconds)

    def _planned(self, candidate: dict[str, Any], rows: Integers, prepared: dict[str, Any]) -> tuple[Any, Any, Any]:
        """The estimator of a fit, its network and its plan; fitted at once, without a plan, where it has no epochs."""
        estimator = clone(self.estimator).set_params(**clone(candidate, safe=False))
        model = estimator[-1] if self.prefix else estimator
        X, y = _safe_indexing(self.X, rows), _safe_indexing(self.y, rows)
        weights = None if self.weights is None else _safe_indexing(self.weights, rows)
        if self.prefix:
            key = joblib.hash({name: one for name, one in candidate.items() if not name.startswith(self.prefix)})
            if key not in prepared:
                before = estimator[:-1]
                prepared[key] = before.fit_transform(X, y), before.steps
            X, steps = prepared[key]
            estimator = Pipeline([*steps, estimator.steps[-1]])
        if model.callbacks or model.verbose or model._solver == "lbfgs":
            model.fit(X, y, sample_weight=weights)
            return estimator, model, None
        return estimator, model, model._plan(*model._ready(X, y, weights))

    def key(self, candidate: dict[str, Any], rows: Integers) -> str:
        """What tells a fit from all others."""
        return f"{joblib.hash(candidate)} {joblib.hash(np.asarray(rows, np.int64))}"


class LookedUp(BaseEstimator):
    """An estimator for scikit-learn's search whose rows are numbers of rows, and whose fits have been made ahead."""

    def __init__(self, estimator: Any, task: Task) -> None:
        self.estimator, self.task = estimator, task
        self.candidate: dict[str, Any] = {}

    def __sklearn_clone__(self) -> "LookedUp":
        made = LookedUp(self.estimator, self.task)
        made.candidate = dict(self.candidate)
        return made

    def __sklearn_tags__(self) -> Any:
        return self.estimator.__sklearn_tags__()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Those of the estimator."""
        parameters: dict[str, Any] = self.estimator.get_params(deep)
        return parameters

    def set_params(self, **parameters: Any) -> "LookedUp":
        """Be another candidate."""
        self.candidate |= parameters
        return self

    def fit(self, rows: Integers, y: Any, **parameters: Any) -> "LookedUp":
        """Look the fit up, or make it: that of the best candidate to all rows."""
        found = self.task.fits.get(self.task.key(self.candidate, rows))
        if isinstance(found, Exception):
            raise found
        if found is None:
            found = clone(self.estimator).set_params(**clone(self.candidate, safe=False))
            found.fit(_safe_indexing(self.task.X, rows), y, **parameters)
        self.fitted = found
        return self

    @property
    def classes_(self) -> Any:
        """The classes, which scorers ask for."""
        return self.fitted.classes_

    def score(self, rows: Integers, y: Any, sample_weight: Any = None) -> Any:
        """The estimator's own score."""
        given = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self.fitted.score(_safe_indexing(self.task.X, rows), y, **given)

    def predict(self, rows: Integers) -> Any:
        """The estimator's answers."""
        return self.fitted.predict(_safe_indexing(self.task.X, rows))

    @available_if(lambda self: hasattr(self.estimator, "predict_proba"))
    def predict_proba(self, rows: Integers) -> Any:
        """The estimator's probabilities."""
        return self.fitted.predict_proba(_safe_indexing(self.task.X, rows))
