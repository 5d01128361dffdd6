"""All fits of a search, made before it asks for them: what can be trained together is.

N rows
"""

import copy
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from deltarule.errors import BadInput
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.fit_context import Plan, Rows, require_complete_fit
from deltarule.estimators.search.population_fits import Part, fit_together
from deltarule.estimators.search.search_cache import CachedFit, Fit, SearchCache
from deltarule.estimators.sklearn_compat import check_method_params, row_count, safe_indexing
from deltarule.problem.problem import Floats, Integers

PLAIN = (bool, int, float, str, type(None))
"""Types of values whose text tells them from others: for anything else there is joblib's hash, which takes longer."""


@dataclass(frozen=True, eq=False)
class PendingFit:
    """A fit whose rows were checked.

    given, its features, targets and weights   alone, whether it is not trained among others
    place, of the candidate and the fold
    fit, in the store   taken, what is known of it there
    """

    model: BaseMLP
    plan: Plan
    given: tuple[Any, Any, Any]
    alone: bool
    place: tuple[int, int]
    fit: Fit | None = None
    taken: CachedFit | None = None


@dataclass
class SearchFits:
    """What is searched on, and every fit that has been made ahead.

    parameters   what `fit` is given beside the rows and their targets
    fits         or what went wrong with them, by their places: the candidate and the fold
    places       by the fit's parameters and rows: without a seed equal fits have other results
    seconds      of each training, how long every candidate took on every fold, [candidates, folds]
    kept         the store, if there is one
    """

    estimator: Any
    X: Any
    y: Any
    parameters: dict[str, Any]
    fits: dict[tuple[int, int], Any] = field(default_factory=dict)
    places: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    seconds: list[Floats] = field(default_factory=list)
    kept: SearchCache | None = None

    def __post_init__(self) -> None:
        if isinstance(self.estimator, type):
            name = self.estimator.__name__
            raise BadInput(f"the estimator is the class {name} itself; give a model of it, {name}()")
        self.prefix = f"{self.estimator.steps[-1][0]}__" if isinstance(self.estimator, Pipeline) else ""
        parts: dict[str, Any] = getattr(self.estimator, "get_params", dict)()
        if not any(isinstance(one, BaseMLP) for one in (self.estimator, *parts.values())):
            raise BadInput(
                f"the estimator, a {type(self.estimator).__name__}, holds no network of deltarule; give an "
                "MLPClassifier or MLPRegressor, or what is made of one, and search over others with GridSearchCV"
            )

    def train(self, candidates: list[dict[str, Any]], splits: list[tuple[Integers, Integers]]) -> None:
        """Fit every candidate on every fold; what was made before is forgotten."""
        self.fits, self.places = {}, {}
        numbers = [0] * len(candidates) if self.kept is None else self.kept.configurations(candidates)
        seconds = np.zeros((len(candidates), len(splits)))
        waiting: list[PendingFit] = []
        sound = set[int]()  # candidates whose parameters were found good, which are the same on every fold
        every = np.arange(row_count(self.y))
        for fold, (chosen, _) in enumerate(splits):
            rows = every[np.asarray(chosen)]  # a mask, too, as numbers, which is how they are asked for
            prepared: dict[Any, Any] = {}
            for number, candidate in enumerate(candidates):
                started, place = time.perf_counter(), (number, fold)
                self.places.setdefault(self.key(candidate, rows), []).append(place)
                estimator = self.fits[place] = self.made_of(candidate)
                try:
                    one = self._begin_fit(estimator, candidate, rows, place, prepared, sound)
                except Exception as error:  # the search decides what becomes of a fit that fails
                    self.fits[place] = error
                else:
                    waiting += [] if one is None else [self._looked_up(*one, numbers[number], len(splits))]
                seconds[place] = time.perf_counter() - started
        self._fit_together([one for one in waiting if not one.alone], seconds)
        self._fit_alone([one for one in waiting if one.alone], seconds)
        self.seconds.append(seconds)
        for places in self.places.values():
            places.sort()  # as a search asks: candidate by candidate

    def take(self, candidate: dict[str, Any], rows: Integers) -> Any:
        """A fit that was made ahead, or what went wrong with it; None for one that was not.

        Of equal fits each is given once, and the last again.
        """
        places = self.places.get(self.key(candidate, rows))
        return None if places is None else self.fits[places.pop(0) if len(places) > 1 else places[0]]

    def made_of(self, candidate: dict[str, Any]) -> Any:
        """An estimator that is to be fitted."""
        return clone(self.estimator).set_params(**clone(candidate, safe=False))

    def fit(self, estimator: Any, rows: Integers) -> None:
        """Fit an estimator by its own `fit`."""
        parameters = check_method_params(self.X, self.parameters, indices=rows)
        with require_complete_fit():
            estimator.fit(select_rows(self.X, rows), select_rows(self.y, rows), **parameters)

    def _begin_fit(
        self,
        estimator: Any,
        candidate: dict[str, Any],
        rows: Integers,
        place: tuple[int, int],
        prepared: dict[Any, Any],
        sound: set[int],
    ) -> "tuple[PendingFit, Rows] | None":
        """A fit that is to be made, and its rows before a part of them is set aside; None for one that is made at once,
        because it cannot be trained among others.

        The rows of a fold are checked once for all candidates that see the same: that is in `prepared`.
        """
        model = self._network_of(estimator)
        if model is None:
            self.fit(estimator, rows)
            return None
        X, y, weights = self._rows_for(estimator, candidate, rows, prepared)
        alone = bool(model.callbacks or model.verbose or model._solver == "lbfgs")
        if alone and (self.kept is None or model.callbacks):  # what callbacks do, no store can know
            with require_complete_fit():
                model.fit(X, y, sample_weight=weights)
            return None
        same = type(model), id(X)
        if same not in prepared:
            prepared[same] = model._checked_rows(X, y)
        ready = model._prepare_rows(X, y, weights, checked=prepared[same], are_parameters_valid=place[0] in sound)
        sound.add(place[0])
        if alone:  # its fit is still to come, and draws from the generator, too
            ready = ready[0], copy.deepcopy(ready[1]), ready[2]
        return PendingFit(model, model._plan(*ready), (X, y, weights), alone, place), ready[0]

    def _network_of(self, estimator: Any) -> BaseMLP | None:
        """The network of a candidate; None where only the candidate's own `fit` knows what is to be done."""
        if set(self.parameters) - {f"{self.prefix}sample_weight"} or (self.prefix and type(estimator) is not Pipeline):
            return None
        last = estimator[-1] if self.prefix else estimator
        # A subclass with a fit of its own is fitted by it.
        can_join = isinstance(last, BaseMLP) and getattr(type(last).fit, "can_join_population", False)
        return last if can_join else None

    def _looked_up(self, one: "PendingFit", rows: Rows, configuration: int, folds: int) -> "PendingFit":
        """The same, with what the store knows of it."""
        if self.kept is None:
            return one
        fit = self.kept.key_of(one.model, one.plan, rows, configuration, f"{one.place[1]}/{folds}")
        return replace(one, fit=fit, taken=self.kept.load_fit(fit, one.model, one.plan))

    def _fit_together(self, waiting: list["PendingFit"], seconds: Floats) -> None:
        """Train what waits as populations; the share of each is added to its seconds [candidates, folds]."""

        def note(part: Part, errors: list[Exception | None]) -> None:
            self._end([waiting[place] for place in part.places], errors, part.engine, part.seconds, seconds)

        known = {place for place, one in enumerate(waiting) if one.taken is not None}
        fit_together([one.model for one in waiting], [one.plan for one in waiting], known, note)
        for one in waiting:
            self._take_up(one, seconds)

    def _fit_alone(self, waiting: list["PendingFit"], seconds: Floats) -> None:
        """Fit one after another what cannot be trained among others."""
        for one in waiting:
            started = time.perf_counter()
            if one.taken is None:
                X, y, weights = one.given
                try:
                    with require_complete_fit():
                        one.model.fit(X, y, sample_weight=weights)
                except Exception as error:  # the search decides what becomes of a fit that fails
                    self.fits[one.place] = error
                else:
                    self._end([one], [None], "reference", time.perf_counter() - started, seconds)
            self._take_up(one, seconds)

    def _end(
        self, done: list["PendingFit"], errors: list[Exception | None], engine: str, took: float, seconds: Floats
    ) -> None:
        """Note fits that have been made, of which each took so long."""
        for one, error in zip(done, errors, strict=True):
            seconds[one.place] += took
            if error is not None:
                self.fits[one.place] = error
        if self.kept is not None:
            fits = zip(done, errors, strict=True)
            kept = [
                (one.fit, one.model, one.plan, error)
                for one, error in fits
                if one.fit is not None and isinstance(error, ValueError | None)  # others are of this run alone
            ]
            if kept:
                self.kept.add(kept, engine, took)

    def _take_up(self, one: "PendingFit", seconds: Floats) -> None:
        if one.taken is not None:
            seconds[one.place] += one.taken.seconds
            if one.taken.error is not None:
                self.fits[one.place] = one.taken.error

    def _rows_for(
        self, estimator: Any, candidate: dict[str, Any], rows: Integers, prepared: dict[str, Any]
    ) -> tuple[Any, Any, Any]:
        """The features, targets and weights that the network is to learn from, after the steps before it."""
        if "rows" not in prepared:
            parameters = check_method_params(self.X, self.parameters, indices=rows)
            weights = parameters.get(f"{self.prefix}sample_weight")
            prepared["rows"] = select_rows(self.X, rows), select_rows(self.y, rows), weights
        X, y, weights = prepared["rows"]
        if len(getattr(estimator, "steps", ())) > 1:
            key = parameters_key({name: one for name, one in candidate.items() if not name.startswith(self.prefix)})
            if key not in prepared:
                before = estimator[:-1]
                prepared[key] = before.fit_transform(X, y), before.steps
            X, steps = prepared[key]
            estimator.steps = [*steps, estimator.steps[-1]]
        return X, y, weights

    def key(self, candidate: dict[str, Any], rows: Integers) -> str:
        """What tells a fit from all others."""
        return f"{parameters_key(candidate)} {hashlib.sha256(np.asarray(rows, np.int64).tobytes()).hexdigest()}"


def parameters_key(values: Mapping[str, Any]) -> str:
    """What tells parameters from others, and their clones from none.

    >>> parameters_key({"alpha": 0.1, "solver": "sgd"})
    "alpha=0.1 solver='sgd'"
    """
    return " ".join(f"{name}={_value_key(one)}" for name, one in sorted(values.items()))


def _value_key(value: Any) -> str:
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, BaseEstimator):
        kind = type(value)
        return f"{kind.__module__}.{kind.__qualname__} {id(kind)}({parameters_key(value.get_params(deep=False))})"
    try:
        return str(joblib.hash(value))
    except Exception:  # whatever an object's pickling raises: functions without a name, locks
        return str(id(value))


def select_rows(data: Any, rows: Integers) -> Any:
    """Some rows of anything that scikit-learn takes; of an array without a search for what it might be."""
    return data[rows] if type(data) is np.ndarray else safe_indexing(data, rows)
