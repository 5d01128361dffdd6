"""Train all fits of a search, as populations where possible, as if one by one.

K members · N rows
"""

import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import joblib
import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from deltarule import platforms
from deltarule.engines.base import Engine
from deltarule.engines.selection import FITS_OF_A_PROGRAM, engine_for, reference_seconds
from deltarule.errors import BadInput
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.fit import Fit
from deltarule.estimators.mlp.fit_context import require_complete_fit, warn_user
from deltarule.estimators.mlp.row_checks import check_rows
from deltarule.estimators.sklearn_compat import check_feature_names, check_method_params, row_count, safe_indexing
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.training.epochs import Validation, train_epochs
from deltarule.training.populations import plan_populations, problem_key
from deltarule.training.run import Run

MAX_PART_SECONDS = 10.0
"""Approximate training time of a part of a population: its seconds are shared among its fits alone."""
COMPILED_SPEEDUP = 6
"""How many times as long NumPy takes for an update, in the middle of 160 measured shapes."""
MIN_FITS_WITH_SHARED_ROWS = 32
"""From this number on, fits to the same rows form separate parts, because an update of the reference engine is faster
if all members see the same rows. The compiled engine groups members by their rows itself."""


@dataclass
class SearchFits:
    """Fits a search's candidates to parts of its data.

    `parameters` are the keyword arguments of `fit`, of which those for rows have one for each row of X.
    """

    estimator: Any
    X: Any
    y: Any
    parameters: dict[str, Any]

    def __post_init__(self) -> None:
        self.prefix = f"{self.estimator.steps[-1][0]}__" if isinstance(self.estimator, Pipeline) else ""
        if not any(isinstance(part, BaseMLP) for part in (self.estimator, *self.estimator.get_params().values())):
            raise BadInput(f"{type(self.estimator).__name__} holds no network of deltarule; use GridSearchCV")

    def train(
        self, candidates: list[dict[str, Any]], splits: list[tuple[Integers, Integers]]
    ) -> tuple[dict[tuple[int, int], Any], Floats]:
        """Fit every candidate to the training rows of all splits.

        The results are estimators, or the errors of their fits, by the numbers of candidate and fold, and the seconds
        of each fit, [candidates, folds].
        """
        fits: dict[tuple[int, int], Any] = {}
        seconds = np.zeros((len(candidates), len(splits)))
        plans: dict[tuple[int, int], Fit] = {}
        all_rows = np.arange(row_count(self.y))
        for fold, (training, _) in enumerate(splits):
            rows = all_rows[np.asarray(training)]  # converts a mask to indices
            prepared: dict[Any, Any] = {}
            for number, candidate in enumerate(candidates):
                started = time.perf_counter()
                index = (number, fold)
                estimator = fits[index] = self.candidate_estimator(candidate)
                try:
                    planned = self._plan_fit(estimator, candidate, rows, prepared)
                except Exception as error:  # the search decides how to treat a failed fit
                    fits[index] = error
                else:
                    if planned is not None:
                        plans[index] = planned
                seconds[index] = time.perf_counter() - started
        for index, (share, failure) in zip(plans, fit_together(list(plans.values())), strict=True):
            seconds[index] += share
            if failure is not None:
                fits[index] = failure
        return fits, seconds

    def candidate_estimator(self, candidate: dict[str, Any]) -> Any:
        return clone(self.estimator).set_params(**clone(candidate, safe=False))

    def _plan_fit(
        self, estimator: Any, candidate: dict[str, Any], rows: Integers, prepared: dict[Any, Any]
    ) -> Fit | None:
        """Plan a fit, or train it at once if it cannot join a population."""
        model = self._network_of(estimator)
        if model is None:
            parameters = check_method_params(self.X, self.parameters, indices=rows)
            with require_complete_fit():
                estimator.fit(safe_indexing(self.X, rows), safe_indexing(self.y, rows), **parameters)
            return None
        X, y, weights = self._rows_for(estimator, candidate, rows, prepared)
        if model.callbacks or model.verbose or model._solver == "lbfgs":
            with require_complete_fit():
                model.fit(X, y, sample_weight=weights)
            return None
        key = type(model), id(X)
        if key not in prepared:  # checked once, so that all candidates share the array
            prepared[key] = X, check_rows(model, X, y, reset=True)
        _, (array, checked_y) = prepared[key]
        fit = Fit(model, array, checked_y, weights).plan()
        check_feature_names(model, X, reset=True)
        return fit

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
            prepared["rows"] = safe_indexing(self.X, rows), safe_indexing(self.y, rows), weights
        X, y, weights = prepared["rows"]
        if len(getattr(estimator, "steps", ())) > 1:
            key = _key_of({name: value for name, value in candidate.items() if not name.startswith(self.prefix)})
            if key not in prepared:
                transformers = estimator[:-1]
                prepared[key] = transformers.fit_transform(X, y), transformers.steps
            X, steps = prepared[key]
            estimator.steps = [*steps, estimator.steps[-1]]
        return X, y, weights


def _key_of(values: dict[str, Any]) -> Any:
    """A key that is equal for equal parameters."""
    if not values:
        return ""
    try:
        return joblib.hash(values)
    except Exception:  # pickling may raise anything: for lambdas, for locks
        return tuple((name, id(value)) for name, value in values.items())


# --- fits as populations ---------------------------------------------------------------------------------------------


def fit_together(fits: Sequence[Fit]) -> list[tuple[float, Exception | None]]:
    """Train planned fits and store them, each bit for bit as alone on the same engine.

    Each gets its share of the seconds of its population, and its error if it failed.
    """
    results: dict[int, tuple[float, Exception | None]] = {}
    digests = _row_digests([fit.problem for fit in fits])
    for indices in plan_populations(map(_population_key, fits)).values():
        engine, seconds_each = _select_engine([fits[index] for index in indices])
        for part in _divide(indices, [""] * len(fits) if engine.name == "compiled" else digests, seconds_each):
            started = time.perf_counter()
            runs = _train_together([fits[index] for index in part], [digests[index] for index in part], engine)
            errors = [_store(fits[index], run) for index, run in zip(part, runs, strict=True)]
            seconds = (time.perf_counter() - started) / len(part)
            results |= {index: (seconds, error) for index, error in zip(part, errors, strict=True)}
    return [results[index] for index in range(len(fits))]


def _store(fit: Fit, run: Run) -> Exception | None:
    """Store the run of a fit; return its error if there is one.

    A diverged run is an error, and so is a warning if warnings are errors. The other fits are kept.
    """
    try:
        with require_complete_fit():  # partially trained candidates must not be compared
            for message in fit.model._keep(fit.result(run)):
                warn_user(message)
    except Exception as error:
        return error
    return None


def _select_engine(fits: Sequence[Fit]) -> tuple[Engine, float]:
    """Estimate the cost of all fits as one population; return the engine and the seconds per fit."""
    first = fits[0]
    members = sum(fit.problem.members for fit in fits)
    population = first.problem.take(np.zeros(members, np.int64))  # copies of the first: cost depends on the shape alone
    steps = first.rules.max_epochs * first.problem.steps_per_epoch(0)
    engine = engine_for(first.model.engine, population, steps, FITS_OF_A_PROGRAM)
    seconds = reference_seconds(population, steps) / (1 if engine.name == "reference" else COMPILED_SPEEDUP)
    return engine, seconds / len(fits)


def _divide(indices: list[int], digests: list[str], seconds_each: float) -> Iterator[list[int]]:
    """Divide indices of fits into parts of about 10 s."""
    part_size = max(platforms.available_processors(), int(MAX_PART_SECONDS / seconds_each))
    same_rows = plan_populations(digests[index] for index in indices).values()
    by_rows = [[indices[position] for position in positions] for positions in same_rows]
    large = [group for group in by_rows if len(group) >= MIN_FITS_WITH_SHARED_ROWS]
    rest = [index for group in by_rows if len(group) < MIN_FITS_WITH_SHARED_ROWS for index in group]
    for group in [*large, rest]:
        yield from (group[first : first + part_size] for first in range(0, len(group), part_size))


def _population_key(fit: Fit) -> Hashable:
    """A key that is equal for fits that can train as one population."""
    validation = fit.validation
    return (
        problem_key(fit.problem),
        fit.rules,
        None if validation is None else (validation.x.shape, validation.metric, validation.decides),
        (fit.model.shuffle, fit.model.engine),
    )


def _row_digests(problems: Sequence[Problem]) -> list[str]:
    rows = [(problem.x, problem.y, problem.weights) for problem in problems]
    arrays = {id(array): array for of_problem in rows for array in of_problem}  # candidates share some
    digests = {key: joblib.hash(array) for key, array in arrays.items()}
    return ["".join(digests[id(array)] for array in of_problem) for of_problem in rows]


def _train_together(fits: Sequence[Fit], digests: Sequence[str], engine: Engine) -> list[Run]:
    """Train planned fits that share rules and shapes as one population.

    Return the run of each fit.
    """
    first = fits[0]
    run = train_epochs(
        Problem.concatenate([fit.problem for fit in fits], digests),
        State.concatenate([fit.state for fit in fits]),
        first.rules,
        engine=engine,
        in_order=not first.model.shuffle,
        validation=_joined_validations(fits),
    )
    ends = np.cumsum([fit.problem.members for fit in fits]).tolist()
    return [run.take(np.arange(begin, end)) for begin, end in pairwise([0, *ends])]


def _joined_validations(fits: Sequence[Fit]) -> Validation | None:
    """Concatenate the validation rows along the axis of members, repeated for each fit's members."""
    first = fits[0].validation
    if first is None:
        return None

    def join(name: str) -> Floats:
        arrays = [(getattr(fit.validation, name), fit.problem.members) for fit in fits]
        return np.concatenate([np.broadcast_to(array, (members, *array.shape)) for array, members in arrays])

    return Validation(join("x"), join("y"), join("w"), first.metric, first.decides)
