"""Train many fits as populations, with the same results as one by one.

K members
"""

import hashlib
import time
from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from deltarule.engines.base import Engine
from deltarule.engines.compiled.engine import available_processors
from deltarule.engines.selection import engine_for, expected_seconds, form_of
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.fit_context import Plan, warn_user
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State
from deltarule.training.epochs import EpochRun, Validation, train_epochs
from deltarule.training.populations import plan_populations, problem_key

MAX_PART_SECONDS = 10.0
"""Approximate training time of a part of a population: its seconds are shared among its fits alone."""
MIN_FITS_WITH_SHARED_ROWS = 32
"""From this number on, fits to the same rows form separate parts, because an update of the reference engine is faster
if all members see the same rows. The compiled engine groups members by their rows itself."""


class JointFit(NamedTuple):
    """A fit's share of the seconds of its population, and its error if it failed."""

    seconds: float
    error: Exception | None


def fit_together(fits: Sequence[tuple[BaseMLP, Plan]]) -> list[JointFit]:
    """Fit planned models in place, each bit for bit as alone on the same engine.

    Parameters
    ----------
    fits : sequence of (model, plan)

    Returns
    -------
    list of JointFit
        For each fit its seconds and its error.
    """
    models, plans = [model for model, _ in fits], [plan for _, plan in fits]
    results: dict[int, JointFit] = {}
    digests = _row_digests([plan.problem for plan in plans])
    for indices in plan_populations(map(_population_key, models, plans)).values():
        engine, seconds_each = _select_engine([plans[index] for index in indices], models[indices[0]])
        for part in _divide(indices, [""] * len(plans) if engine.name == "compiled" else digests, seconds_each):
            started = time.perf_counter()
            runs = _train_plans(
                [plans[index] for index in part], [digests[index] for index in part], models[part[0]], engine
            )
            errors: list[Exception | None] = []
            for index, run in zip(part, runs, strict=True):
                try:
                    for message in models[index]._store_run(plans[index], run):
                        warn_user(message)
                    errors.append(None)
                except Exception as error:  # this fit diverged, or warnings are errors; the others are kept
                    errors.append(error)
            seconds = (time.perf_counter() - started) / len(part)
            results |= {index: JointFit(seconds, error) for index, error in zip(part, errors, strict=True)}
    return [results[index] for index in range(len(fits))]


def _select_engine(plans: list[Plan], model: BaseMLP) -> tuple[Engine, float]:
    """Select the engine for plans of one shape."""
    problem = plans[0].problem
    members = sum(plan.problem.members for plan in plans)
    population = problem.take(np.zeros(members, np.int64))  # copies of the first: cost depends on the shape alone
    steps = plans[0].rules.max_epochs * problem.steps_per_epoch(0)
    engine = engine_for(model.engine, population, steps, others_follow=True)
    return engine, expected_seconds(form_of(engine, population), population, steps) / len(plans)


def _divide(indices: list[int], digests: list[str], seconds_each: float) -> Iterator[list[int]]:
    """Divide indices of fits into parts of about 10 s."""
    part_size = max(available_processors(), int(MAX_PART_SECONDS / seconds_each))
    same_rows = plan_populations(digests[index] for index in indices).values()
    by_rows = [[indices[position] for position in positions] for positions in same_rows]
    large = [group for group in by_rows if len(group) >= MIN_FITS_WITH_SHARED_ROWS]
    rest = [index for group in by_rows if len(group) < MIN_FITS_WITH_SHARED_ROWS for index in group]
    for group in [*large, rest]:
        yield from (group[first : first + part_size] for first in range(0, len(group), part_size))


def _population_key(model: BaseMLP, plan: Plan) -> Hashable:
    """A key that is equal for fits that can train as one population."""
    validation = plan.validation
    return (
        problem_key(plan.problem),
        plan.rules,
        None if validation is None else (validation.x.shape, validation.metric, validation.decides),
        (model.shuffle, model.engine),
    )


def _train_plans(plans: list[Plan], digests: list[str], model: BaseMLP, engine: Engine) -> list[EpochRun]:
    """Train plans of one shape as one population."""
    run = train_epochs(
        Problem.concatenate([plan.problem for plan in plans], digests),
        State.concatenate([plan.start for plan in plans]),
        plans[0].rules,
        engine=engine,
        in_order=not model.shuffle,
        validation=_merge_validations(plans),
    )
    if "interrupted" in run.reasons:  # partially trained candidates must not be compared
        raise KeyboardInterrupt
    ends = np.cumsum([plan.problem.members for plan in plans]).tolist()
    steps = plans[0].problem.steps_per_epoch(0)
    return [run.take(np.arange(first, end), steps) for first, end in pairwise([0, *ends])]


def _row_digests(problems: Sequence[Problem]) -> list[str]:
    """A hash of the rows and weights of each problem."""
    array_digests: dict[int, bytes] = {}

    def digest(array: np.ndarray | None) -> bytes:
        if id(array) not in array_digests:
            array_digests[id(array)] = hashlib.sha256(b"" if array is None else array.tobytes()).digest()
        return array_digests[id(array)]

    return [b"".join(digest(array) for array in (problem.x, problem.y, problem.weights)).hex() for problem in problems]


def _merge_validations(plans: list[Plan]) -> Validation | None:
    """Stack the validation rows of plans along the member axis [K, n, D]."""
    first = plans[0].validation
    if first is None:
        return None

    def join(name: str) -> Floats:
        each = [np.broadcast_to(array := getattr(p.validation, name), (p.problem.members, *array.shape)) for p in plans]
        return np.concatenate(each)

    return Validation(join("x"), join("y"), join("w"), first.metric, first.decides)
