"""Train all fits of a search, as populations where possible.

N rows
"""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from deltarule.errors import BadInput
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.fit_context import Plan, require_complete_fit
from deltarule.estimators.search.population_fits import fit_together
from deltarule.estimators.sklearn_compat import check_method_params, row_count, safe_indexing
from deltarule.problem.problem import Floats, Integers


@dataclass
class SearchFits:
    """The data of a search, and the fits of its candidates on all folds.

    parameters  keyword arguments of `fit`
    fits        fitted estimators, or the errors of their fits, by the numbers of candidate and fold
    indices     the keys in `fits` of equal fits, by `fit_key`: without a seed their results differ
    seconds     for each round the time of every candidate on every fold, [candidates, folds]
    """

    estimator: Any
    X: Any
    y: Any
    parameters: dict[str, Any]
    fits: dict[tuple[int, int], Any] = field(default_factory=dict)
    indices: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    seconds: list[Floats] = field(default_factory=list)

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
        """Fit every candidate to the training rows of all splits."""
        self.fits, self.indices = {}, {}
        seconds = np.zeros((len(candidates), len(splits)))
        plans: dict[tuple[int, int], tuple[BaseMLP, Plan]] = {}
        valid = set[int]()  # candidates whose parameters were checked on an earlier fold
        all_rows = np.arange(row_count(self.y))
        for fold, (training, _) in enumerate(splits):
            rows = all_rows[np.asarray(training)]  # converts a mask to indices
            prepared: dict[Any, Any] = {}
            for number, candidate in enumerate(candidates):
                started, index = time.perf_counter(), (number, fold)
                self.indices.setdefault(self.fit_key(candidate, rows), []).append(index)
                estimator = self.fits[index] = self.candidate_estimator(candidate)
                try:
                    planned = self._plan_fit(estimator, candidate, rows, prepared, number in valid)
                except Exception as error:  # the search decides how to treat a failed fit
                    self.fits[index] = error
                else:
                    if planned is not None:
                        valid.add(number)
                        plans[index] = planned
                seconds[index] = time.perf_counter() - started
        for index, fit in zip(plans, fit_together(list(plans.values())), strict=True):
            seconds[index] += fit.seconds
            if fit.error is not None:
                self.fits[index] = fit.error
        self.seconds.append(seconds)
        for indices in self.indices.values():
            indices.sort()  # a search asks candidate by candidate

    def take(self, candidate: dict[str, Any], rows: Integers) -> Any:
        """The estimator, or the error, of a candidate's fit to training rows.

        Equal fits are returned one after the other; the last one repeatedly.
        """
        indices = self.indices.get(self.fit_key(candidate, rows))
        return None if indices is None else self.fits[indices.pop(0) if len(indices) > 1 else indices[0]]

    def candidate_estimator(self, candidate: dict[str, Any]) -> Any:
        """An unfitted estimator with the parameters of a candidate."""
        return clone(self.estimator).set_params(**clone(candidate, safe=False))

    def fit(self, estimator: Any, rows: Integers) -> None:
        """Fit an estimator to some rows by its own `fit`."""
        parameters = check_method_params(self.X, self.parameters, indices=rows)
        with require_complete_fit():
            estimator.fit(select_rows(self.X, rows), select_rows(self.y, rows), **parameters)

    def _plan_fit(
        self,
        estimator: Any,
        candidate: dict[str, Any],
        rows: Integers,
        prepared: dict[Any, Any],
        are_parameters_valid: bool,
    ) -> tuple[BaseMLP, Plan] | None:
        """Plan a fit, or train it at once if it cannot join a population.

        `prepared` caches checked rows for all candidates on a fold.
        """
        model = self._network_of(estimator)
        if model is None:
            self.fit(estimator, rows)
            return None
        X, y, weights = self._rows_for(estimator, candidate, rows, prepared)
        if model.callbacks or model.verbose or model._solver == "lbfgs":
            with require_complete_fit():
                model.fit(X, y, sample_weight=weights)
            return None
        key = type(model), id(X)
        if key not in prepared:
            prepared[key] = model._check_shared_rows(X, y)
        fit_rows, generator, is_new_fit = model._prepare_rows(
            X, y, weights, checked=prepared[key], are_parameters_valid=are_parameters_valid
        )
        return model, model._plan(fit_rows, generator, is_new_fit)

    def _network_of(self, estimator: Any) -> BaseMLP | None:
        """The network of a candidate, which may be the last step of a pipeline."""
        if set(self.parameters) - {f"{self.prefix}sample_weight"} or (self.prefix and type(estimator) is not Pipeline):
            return None
        last = estimator[-1] if self.prefix else estimator
        # A subclass that overrides `fit` is fitted by its own.
        return last if isinstance(last, BaseMLP) and type(last).fit is BaseMLP.fit else None

    def _rows_for(
        self, estimator: Any, candidate: dict[str, Any], rows: Integers, prepared: dict[str, Any]
    ) -> tuple[Any, Any, Any]:
        """Fit a pipeline's earlier steps and return the network's X, y and weights."""
        if "rows" not in prepared:
            parameters = check_method_params(self.X, self.parameters, indices=rows)
            weights = parameters.get(f"{self.prefix}sample_weight")
            prepared["rows"] = select_rows(self.X, rows), select_rows(self.y, rows), weights
        X, y, weights = prepared["rows"]
        if len(getattr(estimator, "steps", ())) > 1:
            key = parameters_key({name: value for name, value in candidate.items() if not name.startswith(self.prefix)})
            if key not in prepared:
                transformers = estimator[:-1]
                prepared[key] = transformers.fit_transform(X, y), transformers.steps
            X, steps = prepared[key]
            estimator.steps = [*steps, estimator.steps[-1]]
        return X, y, weights

    def fit_key(self, candidate: dict[str, Any], rows: Integers) -> str:
        """A text that identifies the fits of a candidate to some rows."""
        return f"{parameters_key(candidate)} {hashlib.sha256(np.asarray(rows, np.int64).tobytes()).hexdigest()}"


def parameters_key(values: Mapping[str, Any]) -> str:
    """A text that identifies parameters by name and value; clones have the same one.

    >>> parameters_key({"alpha": 0.1, "solver": "sgd"})
    "alpha=0.1 solver='sgd'"
    """
    return " ".join(f"{name}={_value_key(value)}" for name, value in sorted(values.items()))


def _value_key(value: Any) -> str:
    """A text that identifies the value of a parameter."""
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
    """Select rows, given by their indices, of any data that scikit-learn accepts."""
    return data[rows] if type(data) is np.ndarray else safe_indexing(data, rows)
