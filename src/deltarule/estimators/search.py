"""A search over parameters whose candidates are trained on all folds as populations."""

import contextlib
import functools
import hashlib
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
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
from deltarule.estimators.kept import Fit, Kept, Taken
from deltarule.estimators.population import Part, fit_together
from deltarule.estimators.records import Plan
from deltarule.problem.problem import Floats, Integers
from deltarule.sweeps.store import Store

PLAIN = (bool, int, float, str, type(None))
"""Types of values whose text tells them from others: for anything else there is joblib's hash, which takes longer."""


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
    path : a folder for the store of the search. Every fit is in it as soon as it is done, some seconds of work at a
        time; a search with the same path makes only those that are not there yet.

    After `fit` there is what `GridSearchCV` leaves: `cv_results_`, `best_estimator_`, `best_params_`, `best_score_` and
    so on, with the same scores; with a factor what `HalvingGridSearchCV` leaves, `n_resources_` and so on. A
    candidate's fit time is its share of the population's.

    Raises `BadInput` for another estimator, or a folder that holds something else; `RunFailed` while another process
    is writing to it, and for a full disk.

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
        path: Any = None,
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
        self.path = path

    def fit(self, X: Any, y: Any = None, **parameters: Any) -> "PopulationSearchCV":
        """Search, and fit the best candidate to all rows.

        Parameters: `X`, `y` as for the estimator; among the `parameters`, `groups` [N] goes to the splitter and
        `sample_weight` [N] (in a pipeline with the name of its last step before it) to the fits.
        Returns: the search.
        Errors: `BadInput` for another estimator, or other parameters; those of the store.
        """
        X, y = indexable(X, y)
        task = Task(self.estimator, X, y, parameters)
        with contextlib.nullcontext() if self.path is None else Store(Path(self.path)) as store:
            task.kept = None if store is None else Kept(store, self.estimator)
            search = self._search(task)
        self._take(search, np.concatenate(task.seconds))
        return self

    def _search(self, task: "Task") -> Any:
        """scikit-learn's search over fits that are made ahead."""
        y, parameters = task.y, task.parameters
        common = {
            name: getattr(self, name) for name in ("scoring", "refit", "verbose", "error_score", "return_train_score")
        }
        if self.factor is None:
            folds = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
            splits = list(folds.split(task.X, y, parameters.get("groups")))
            parameters = {name: value for name, value in parameters.items() if name != "groups"}
            task.train(list(ParameterGrid(self.param_grid)), splits)
            search = GridSearchCV(LookedUp(self.estimator, task), self.param_grid, cv=splits, **common)
        else:
            search = self._halving(task, common)
        search.fit(np.arange(len(task.y)), y, **parameters)
        return search

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


@dataclass(frozen=True, eq=False)
class Waiting:
    """A fit whose rows were checked.

    given, its features, targets and weights   alone, whether it is not trained among others
    key, of the task   place, of the candidate and the fold
    fit, in the store   taken, what is known of it there
    """

    model: BaseMLP
    plan: Plan
    given: tuple[Any, Any, Any]
    alone: bool
    key: str
    place: tuple[int, int]
    fit: Fit | None = None
    taken: Taken | None = None


@dataclass
class Task:
    """What is searched on, and every fit that has been made ahead, by its parameters and its rows.

    seconds   of each training, how long every candidate took on every fold, [candidates, folds]
    kept      the store, if there is one
    """

    estimator: Any
    X: Any
    y: Any
    parameters: dict[str, Any]
    fits: dict[str, Any] = field(default_factory=dict)
    seconds: list[Floats] = field(default_factory=list)
    kept: Kept | None = None

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
        numbers = [0] * len(candidates) if self.kept is None else self.kept.configurations(candidates)
        seconds = np.zeros((len(candidates), len(splits)))
        waiting: list[Waiting] = []
        sound = set[int]()  # candidates whose parameters were found good, which are the same on every fold
        for fold, (rows, _) in enumerate(splits):
            prepared: dict[Any, Any] = {}
            for place, candidate in enumerate(candidates):
                started, key = time.perf_counter(), self.key(candidate, rows)
                try:
                    self.fits[key], model, given = self._prepared(candidate, rows, prepared)
                    one = self._begun(model, given, key, (place, fold), prepared, sound)
                except Exception as error:  # the search decides what becomes of a fit that fails
                    self.fits[key] = error
                else:
                    waiting += [] if one is None else [self._looked_up(one, numbers[place], len(splits))]
                seconds[place, fold] = time.perf_counter() - started
        self._fit_together([one for one in waiting if not one.alone], seconds)
        self._fit_alone([one for one in waiting if one.alone], seconds)
        self.seconds.append(seconds)

    def _begun(
        self,
        model: BaseMLP,
        given: tuple[Any, Any, Any],
        key: str,
        place: tuple[int, int],
        prepared: dict[Any, Any],
        sound: set[int],
    ) -> "Waiting | None":
        """A fit that is to be made; None for one that is made at once, because it cannot be trained among others.

        The rows of a fold are checked once for all candidates that see the same: that is in `prepared`.
        """
        X, y, weights = given
        alone = bool(model.callbacks or model.verbose or model._solver == "lbfgs")
        if alone and (self.kept is None or model.callbacks):  # what callbacks do, no store can know
            model.fit(X, y, sample_weight=weights)
            return None
        same = type(model), id(X)
        if same not in prepared:
            prepared[same] = model._checked_rows(X, y)
        ready = model._ready(X, y, weights, checked=prepared[same], sound=place[0] in sound)
        sound.add(place[0])
        return Waiting(model, model._plan(*ready), given, alone, key, place)

    def _looked_up(self, one: "Waiting", configuration: int, folds: int) -> "Waiting":
        """The same, with what the store knows of it."""
        if self.kept is None:
            return one
        fit = self.kept.fit_of(one.model, one.plan, configuration, f"{one.place[1]}/{folds}")
        return replace(one, fit=fit, taken=self.kept.take_up(fit, one.model, one.plan))

    def _fit_together(self, waiting: list["Waiting"], seconds: Floats) -> None:
        """Train what waits as populations; the share of each is added to its seconds [candidates, folds]."""

        def note(part: Part, errors: list[Exception | None]) -> None:
            self._end([waiting[place] for place in part.places], errors, part.engine, part.seconds, seconds)

        known = {place for place, one in enumerate(waiting) if one.taken is not None}
        fit_together([one.model for one in waiting], [one.plan for one in waiting], known, note)
        for one in waiting:
            self._take_up(one, seconds)

    def _fit_alone(self, waiting: list["Waiting"], seconds: Floats) -> None:
        """Fit one after another what cannot be trained among others."""
        for one in waiting:
            started = time.perf_counter()
            if one.taken is None:
                X, y, weights = one.given
                try:
                    one.model.fit(X, y, sample_weight=weights)
                except Exception as error:  # the search decides what becomes of a fit that fails
                    self.fits[one.key] = error
                else:
                    self._end([one], [None], "reference", time.perf_counter() - started, seconds)
            self._take_up(one, seconds)

    def _end(
        self, done: list["Waiting"], errors: list[Exception | None], engine: str, took: float, seconds: Floats
    ) -> None:
        """Note fits that have been made, of which each took so long."""
        for one, error in zip(done, errors, strict=True):
            seconds[one.place] += took
            if error is not None:
                self.fits[one.key] = error
        if self.kept is not None:
            fits = zip(done, errors, strict=True)
            kept = [(one.fit, one.model, one.plan, error) for one, error in fits if one.fit is not None]
            self.kept.add(kept, engine, took)

    def _take_up(self, one: "Waiting", seconds: Floats) -> None:
        if one.taken is not None:
            seconds[one.place] += one.taken.seconds
            if one.taken.error is not None:
                self.fits[one.key] = one.taken.error

    def _prepared(self, candidate: dict[str, Any], rows: Integers, prepared: dict[str, Any]) -> tuple[Any, Any, Any]:
        """The estimator of a fit, its network, and the features, targets and weights that this is to learn from."""
        estimator = clone(self.estimator).set_params(**clone(candidate, safe=False))
        model = estimator[-1] if self.prefix else estimator
        if "rows" not in prepared:
            given = self.X, self.y, self.weights
            prepared["rows"] = [None if one is None else rows_of(one, rows) for one in given]
        X, y, weights = prepared["rows"]
        if self.prefix:
            key = joblib.hash({name: one for name, one in candidate.items() if not name.startswith(self.prefix)})
            if key not in prepared:
                before = estimator[:-1]
                prepared[key] = before.fit_transform(X, y), before.steps
            X, steps = prepared[key]
            estimator = Pipeline([*steps, estimator.steps[-1]])
        return estimator, model, (X, y, weights)

    def key(self, candidate: dict[str, Any], rows: Integers) -> str:
        """What tells a fit from all others."""
        told = [f"{name}={one!r}" for name, one in sorted(candidate.items()) if isinstance(one, PLAIN)]
        others = {name: one for name, one in candidate.items() if not isinstance(one, PLAIN)}
        seen = hashlib.sha256(np.asarray(rows, np.int64).tobytes()).hexdigest()
        return " ".join([*told, joblib.hash(others) if others else "", seen])


def rows_of(data: Any, rows: Integers) -> Any:
    """Some rows of anything that scikit-learn takes; of an array without a search for what it might be."""
    return data[rows] if type(data) is np.ndarray else _safe_indexing(data, rows)


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
            found.fit(rows_of(self.task.X, rows), y, **parameters)
        self.fitted = found
        return self

    @property
    def classes_(self) -> Any:
        """The classes, which scorers ask for."""
        return self.fitted.classes_

    def score(self, rows: Integers, y: Any, sample_weight: Any = None) -> Any:
        """The estimator's own score."""
        given = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self.fitted.score(rows_of(self.task.X, rows), y, **given)

    def predict(self, rows: Integers) -> Any:
        """The estimator's answers."""
        return self.fitted.predict(rows_of(self.task.X, rows))

    @available_if(lambda self: hasattr(self.estimator, "predict_proba"))
    def predict_proba(self, rows: Integers) -> Any:
        """The estimator's probabilities."""
        return self.fitted.predict_proba(rows_of(self.task.X, rows))
