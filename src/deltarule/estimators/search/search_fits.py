"""Train all fits of a search before scikit-learn asks for them, as populations where possible.

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
from deltarule.estimators.search.population_fits import FinishedPart, fit_together
from deltarule.estimators.search.search_cache import CachedFit, FitKey, SearchCache
from deltarule.estimators.sklearn_compat import check_method_params, row_count, safe_indexing
from deltarule.problem.problem import Floats, Integers


@dataclass(frozen=True, eq=False)
class PendingFit:
    """A planned fit.

    rows      its features, targets and weights
    is_alone  whether it is trained alone, not in a population
    index     of the candidate and the fold
    key       in the store
    cached    the stored fit, if there is one
    """

    model: BaseMLP
    plan: Plan
    rows: tuple[Any, Any, Any]
    is_alone: bool
    index: tuple[int, int]
    key: FitKey | None = None
    cached: CachedFit | None = None


@dataclass
class SearchFits:
    """The data of a search, and its fits.

    parameters  keyword arguments of `fit`
    fits        fitted estimators, or the errors of their fits, by candidate and fold
    indices     of the fits with the same parameters and rows: without a seed their results differ
    seconds     for each round the time of every candidate on every fold, [candidates, folds]
    cache       the store, if there is one
    """

    estimator: Any
    X: Any
    y: Any
    parameters: dict[str, Any]
    fits: dict[tuple[int, int], Any] = field(default_factory=dict)
    indices: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    seconds: list[Floats] = field(default_factory=list)
    cache: SearchCache | None = None

    def __post_init__(self) -> None:
        if isinstance(self.estimator, type):
            name = self.estimator.__name__
            raise BadInput(f"the estimator is the class {name} itself; give a model of it, {name}()")
        self.prefix = f"{self.estimator.steps[-1][0]}__" if isinstance(self.estimator, Pipeline) else ""
        parts: dict[str, Any] = getattr(self.estimator, "get_params", dict)()
        if not any(isinstance(part, BaseMLP) for part in (self.estimator, *parts.values())):
            raise BadInput(
                f"the estimator, a {type(self.estimator).__name__}, holds no network of deltarule; give an "
                "MLPClassifier or MLPRegressor, or what is made of one, and search over others with GridSearchCV"
            )

    def train(self, candidates: list[dict[str, Any]], splits: list[tuple[Integers, Integers]]) -> None:
        """Fit every candidate on every fold, replacing the fits of an earlier round."""
        self.fits, self.indices = {}, {}
        numbers = [0] * len(candidates) if self.cache is None else self.cache.configurations(candidates)
        seconds = np.zeros((len(candidates), len(splits)))
        pending: list[PendingFit] = []
        valid = set[int]()  # candidates whose parameters were checked on an earlier fold
        every = np.arange(row_count(self.y))
        for fold, (training, _) in enumerate(splits):
            rows = every[np.asarray(training)]  # converts a mask to indices
            prepared: dict[Any, Any] = {}
            for number, candidate in enumerate(candidates):
                started, index = time.perf_counter(), (number, fold)
                self.indices.setdefault(self.key(candidate, rows), []).append(index)
                estimator = self.fits[index] = self.candidate_estimator(candidate)
                try:
                    planned = self._plan_fit(estimator, candidate, rows, index, prepared, valid)
                except Exception as error:  # the search decides what becomes of a fit that fails
                    self.fits[index] = error
                else:
                    if planned is not None:
                        pending.append(self._look_up(*planned, numbers[number], len(splits)))
                seconds[index] = time.perf_counter() - started
        self._fit_together([fit for fit in pending if not fit.is_alone], seconds)
        self._fit_alone([fit for fit in pending if fit.is_alone], seconds)
        self.seconds.append(seconds)
        for indices in self.indices.values():
            indices.sort()  # a search asks candidate by candidate

    def take(self, candidate: dict[str, Any], rows: Integers) -> Any:
        """The fitted estimator, or the error of its fit; None for a fit that was not requested.

        Equal fits are returned one after the other; the last one repeatedly.
        """
        indices = self.indices.get(self.key(candidate, rows))
        return None if indices is None else self.fits[indices.pop(0) if len(indices) > 1 else indices[0]]

    def candidate_estimator(self, candidate: dict[str, Any]) -> Any:
        """An unfitted estimator with the parameters of a candidate."""
        return clone(self.estimator).set_params(**clone(candidate, safe=False))

    def fit(self, estimator: Any, rows: Integers) -> None:
        """Fit an estimator by its own `fit`."""
        parameters = check_method_params(self.X, self.parameters, indices=rows)
        with require_complete_fit():
            estimator.fit(select_rows(self.X, rows), select_rows(self.y, rows), **parameters)

    def _plan_fit(
        self,
        estimator: Any,
        candidate: dict[str, Any],
        rows: Integers,
        index: tuple[int, int],
        prepared: dict[Any, Any],
        valid: set[int],
    ) -> "tuple[PendingFit, Rows] | None":
        """A planned fit, and its rows before the validation split; None if it cannot be planned and was done at once.

        The rows of a fold are checked once for all candidates with the same rows, and stored in `prepared`.
        """
        model = self._network_of(estimator)
        if model is None:
            self.fit(estimator, rows)
            return None
        X, y, weights = self._rows_for(estimator, candidate, rows, prepared)
        is_alone = bool(model.callbacks or model.verbose or model._solver == "lbfgs")
        if is_alone and (self.cache is None or model.callbacks):  # effects of callbacks cannot be stored
            with require_complete_fit():
                model.fit(X, y, sample_weight=weights)
            return None
        key = type(model), id(X)
        if key not in prepared:
            prepared[key] = model._check_shared_rows(X, y)
        checked, is_valid = prepared[key], index[0] in valid
        own, generator, first = model._prepare_rows(X, y, weights, checked=checked, are_parameters_valid=is_valid)
        valid.add(index[0])
        if is_alone:  # its own fit draws from the generator later
            generator = copy.deepcopy(generator)
        return PendingFit(model, model._plan(own, generator, first), (X, y, weights), is_alone, index), own

    def _network_of(self, estimator: Any) -> BaseMLP | None:
        """The network of a candidate; None if only the candidate's own `fit` can train it."""
        if set(self.parameters) - {f"{self.prefix}sample_weight"} or (self.prefix and type(estimator) is not Pipeline):
            return None
        last = estimator[-1] if self.prefix else estimator
        # A subclass with a fit of its own is fitted by it.
        can_join = isinstance(last, BaseMLP) and getattr(type(last).fit, "can_join_population", False)
        return last if can_join else None

    def _look_up(self, pending: PendingFit, rows: Rows, configuration: int, folds: int) -> PendingFit:
        """The same fit, loaded from the store if it is there."""
        if self.cache is None:
            return pending
        key = self.cache.key_of(pending.model, pending.plan, rows, configuration, f"{pending.index[1]}/{folds}")
        return replace(pending, key=key, cached=self.cache.load_fit(key, pending.model, pending.plan))

    def _fit_together(self, pending: list[PendingFit], seconds: Floats) -> None:
        """Train fits as populations, and add the share of each to its seconds [candidates, folds]."""

        def finish(part: FinishedPart, errors: list[Exception | None]) -> None:
            self._finish([pending[index] for index in part.indices], errors, part.engine, part.seconds, seconds)

        cached = {index for index, fit in enumerate(pending) if fit.cached is not None}
        fit_together([fit.model for fit in pending], [fit.plan for fit in pending], cached, finish)
        for fit in pending:
            self._restore_cached(fit, seconds)

    def _fit_alone(self, pending: list[PendingFit], seconds: Floats) -> None:
        """Train one after the other the fits that cannot join a population."""
        for fit in pending:
            started = time.perf_counter()
            if fit.cached is None:
                X, y, weights = fit.rows
                try:
                    with require_complete_fit():
                        fit.model.fit(X, y, sample_weight=weights)
                except Exception as error:  # the search decides what becomes of a fit that fails
                    self.fits[fit.index] = error
                else:
                    self._finish([fit], [None], "reference", time.perf_counter() - started, seconds)
            self._restore_cached(fit, seconds)

    def _finish(
        self, fits: list[PendingFit], errors: list[Exception | None], engine: str, seconds_each: float, seconds: Floats
    ) -> None:
        """Record completed fits and their errors, and store them."""
        to_store = []
        for fit, error in zip(fits, errors, strict=True):
            seconds[fit.index] += seconds_each
            if error is not None:
                self.fits[fit.index] = error
            if fit.key is not None and isinstance(error, ValueError | None):  # other errors may not recur in a rerun
                to_store.append((fit.key, fit.model, fit.plan, error))
        if self.cache is not None and to_store:
            self.cache.add(to_store, engine, seconds_each)

    def _restore_cached(self, fit: PendingFit, seconds: Floats) -> None:
        if fit.cached is not None:
            seconds[fit.index] += fit.cached.seconds
            if fit.cached.error is not None:
                self.fits[fit.index] = fit.cached.error

    def _rows_for(
        self, estimator: Any, candidate: dict[str, Any], rows: Integers, prepared: dict[str, Any]
    ) -> tuple[Any, Any, Any]:
        """The features, targets and weights for the network, after the earlier steps of a pipeline."""
        if "rows" not in prepared:
            parameters = check_method_params(self.X, self.parameters, indices=rows)
            weights = parameters.get(f"{self.prefix}sample_weight")
            prepared["rows"] = select_rows(self.X, rows), select_rows(self.y, rows), weights
        X, y, weights = prepared["rows"]
        if len(getattr(estimator, "steps", ())) > 1:
            key = parameters_key({name: value for name, value in candidate.items() if not name.startswith(self.prefix)})
            if key not in prepared:
                before = estimator[:-1]
                prepared[key] = before.fit_transform(X, y), before.steps
            X, steps = prepared[key]
            estimator.steps = [*steps, estimator.steps[-1]]
        return X, y, weights

    def key(self, candidate: dict[str, Any], rows: Integers) -> str:
        """Identifies the fits of a candidate to some rows."""
        return f"{parameters_key(candidate)} {hashlib.sha256(np.asarray(rows, np.int64).tobytes()).hexdigest()}"


def parameters_key(values: Mapping[str, Any]) -> str:
    """Identifies parameters; clones have the same key.

    >>> parameters_key({"alpha": 0.1, "solver": "sgd"})
    "alpha=0.1 solver='sgd'"
    """
    return " ".join(f"{name}={_value_key(value)}" for name, value in sorted(values.items()))


def _value_key(value: Any) -> str:
    # Types whose repr identifies a value; for others joblib's hash is used, which takes longer.
    if isinstance(value, (bool, int, float, str, type(None))):
        return repr(value)
    if isinstance(value, BaseEstimator):
        kind = type(value)
        return f"{kind.__module__}.{kind.__qualname__} {id(kind)}({parameters_key(value.get_params(deep=False))})"
    try:
        return str(joblib.hash(value))
    except Exception:  # pickling may raise anything: for lambdas, for locks
        return str(id(value))


def select_rows(data: Any, rows: Integers) -> Any:
    """Select rows of any data that scikit-learn accepts, with a shortcut for arrays."""
    return data[rows] if type(data) is np.ndarray else safe_indexing(data, rows)
