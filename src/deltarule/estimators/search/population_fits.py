"""Train many fits as populations: networks of one shape together, with the same results as one by one.

K members
"""

import hashlib
import time
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from deltarule.engines.base import Engine
from deltarule.engines.compiled.engine import available_processors
from deltarule.engines.selection import engine_for, expected_seconds, form_of
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.fit_context import Plan
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State
from deltarule.training.epoch_records import EpochRun, Patience, Validation
from deltarule.training.epochs import train_epochs
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
                    models[index]._finish_fit(plans[index], run)
                    errors.append(None)
                except Exception as error:  # this fit diverged, or warnings are errors; the others are kept
                    errors.append(error)
            seconds = (time.perf_counter() - started) / len(part)
            results |= {index: JointFit(seconds, error) for index, error in zip(part, errors, strict=True)}
    return [results[index] for index in range(len(fits))]


def _select_engine(plans: list[Plan], model: BaseMLP) -> tuple[Engine, float]:
    """Select the engine for plans of one shape by the parameter of `model`; returns it and the seconds per plan."""
    problem = plans[0].problem
    members = sum(plan.problem.members for plan in plans)
    population = problem.take(np.zeros(members, np.int64))  # copies of the first: cost depends on the shape alone
    steps = plans[0].rules.max_epochs * problem.steps_per_epoch(0)
    engine = engine_for(model.engine, population, steps, others_follow=True)
    return engine, expected_seconds(form_of(engine, population), population, steps) / len(plans)


def _divide(indices: list[int], digests: list[str], seconds_each: float) -> Iterator[list[int]]:
    """Divide indices of fits into parts of about 10 s; `digests` of all fits, by index, are equal for equal rows."""
    part_size = max(available_processors(), int(MAX_PART_SECONDS / seconds_each))
    same_rows = plan_populations(digests[index] for index in indices).values()
    by_rows = [[indices[position] for position in positions] for positions in same_rows]
    large = [group for group in by_rows if len(group) >= MIN_FITS_WITH_SHARED_ROWS]
    rest = [index for group in by_rows if len(group) < MIN_FITS_WITH_SHARED_ROWS for index in group]
    for group in [*large, rest]:
        yield from (group[first : first + part_size] for first in range(0, len(group), part_size))


def _population_key(model: BaseMLP, plan: Plan) -> Hashable:
    """A key that is equal for fits that can train as one population: same shapes, rules and kind of validation."""
    validation = plan.validation
    return (
        problem_key(plan.problem),
        plan.rules,
        None if validation is None else (validation.x.shape, validation.metric, validation.decides),
        (model.shuffle, model.engine),
    )


def _train_plans(plans: list[Plan], digests: list[str], model: BaseMLP, engine: Engine) -> list[EpochRun]:
    """Train plans of one shape as one population, shuffled or not as `model` is; returns the run of each."""
    run = train_epochs(
        merge_problems([plan.problem for plan in plans], digests),
        _merge_states([plan.start for plan in plans]),
        plans[0].rules,
        engine=engine,
        in_order=not model.shuffle,
        validation=_merge_validations(plans),
    )
    if "interrupted" in run.reasons:  # partially trained candidates must not be compared
        raise KeyboardInterrupt
    ends = np.cumsum([plan.problem.members for plan in plans]).tolist()
    steps = plans[0].problem.steps_per_epoch(0)
    return [select_members(run, np.arange(first, end), steps) for first, end in pairwise([0, *ends])]


def merge_problems(problems: Sequence[Problem], digests: Sequence[str]) -> Problem:
    """Merge problems of one shape into a population; rows with equal digests are stored once.

    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> parts = [create_problem(Network([1, 1]), [[0.0], [1.0]], [n, 1.0], learning_rate=n) for n in (1, 2, 1)]
    >>> whole = merge_problems(parts, ["a", "b", "a"])
    >>> whole.members, len(whole.x), whole.numbers["learning_rate"].tolist()
    (3, 4, [1.0, 2.0, 1.0])
    """
    first = problems[0]
    blocks: dict[str, int] = {}
    distinct: list[Problem] = []
    rows: list[np.ndarray] = []
    for problem, key in zip(problems, digests, strict=True):
        if key not in blocks:
            blocks[key] = sum(len(earlier.x) for earlier in distinct)
            distinct.append(problem)
        rows += [np.arange(len(problem.x)) + blocks[key]] * problem.members
    return replace(
        first,
        x=np.concatenate([problem.x for problem in distinct]),
        y=np.concatenate([problem.y for problem in distinct]),
        weights=None if first.weights is None else np.concatenate([_weights_of(problem) for problem in distinct]),
        rows=tuple(rows) if len(distinct) > 1 else None,
        penalty=next((problem.penalty for problem in problems if problem.penalty is not None), None),
        numbers=_join_numbers([problem.numbers for problem in problems]),
        schedule_numbers=_join_numbers([problem.schedule_numbers for problem in problems]),
        notes=(),
        strength=np.concatenate([problem.strength for problem in problems]),
        dropout=np.concatenate([problem.dropout for problem in problems]),
        initial_scale=np.concatenate([problem.initial_scale for problem in problems]),
        seeds=np.concatenate([problem.seeds for problem in problems]),
        data_seeds=np.concatenate([problem.data_seeds for problem in problems]),
        dropout_seeds=np.concatenate([problem.dropout_seeds for problem in problems]),
    )


def _row_digests(problems: Sequence[Problem]) -> list[str]:
    """A hash of the rows and weights of each problem; an array that several problems share is read once."""
    array_digests: dict[int, bytes] = {}

    def digest(array: np.ndarray | None) -> bytes:
        """The SHA-256 of an array, which is computed once for each array object; that of no bytes for None."""
        if id(array) not in array_digests:
            array_digests[id(array)] = hashlib.sha256(b"" if array is None else array.tobytes()).digest()
        return array_digests[id(array)]

    return [b"".join(digest(array) for array in (problem.x, problem.y, problem.weights)).hex() for problem in problems]


def _weights_of(problem: Problem) -> Floats:
    """The sample weights of a problem, which must have some."""
    assert problem.weights is not None
    return problem.weights


def _join_numbers(numbers: Sequence[Any]) -> dict[str, Floats]:
    """Concatenate hyperparameters {name: [K]} of several problems along the member axis."""
    return {name: np.concatenate([member[name] for member in numbers]) for name in numbers[0]}


def _merge_states(states: list[State]) -> State:
    """Concatenate initial states along the member axis."""

    def join(name: str) -> Floats:
        return np.concatenate([getattr(state, name) for state in states])

    slots = {name: np.concatenate([state.slots[name] for state in states]) for name in states[0].slots}
    members = np.arange(sum(len(state.members) for state in states))
    return State(join("theta"), slots, join("buffers"), join("factor"), members, states[0].step)


def _merge_validations(plans: list[Plan]) -> Validation | None:
    """Stack the validation rows of plans along the member axis [K, n, D]; None if there are none."""
    first = plans[0].validation
    if first is None:
        return None

    def join(name: str) -> Floats:
        each = [np.broadcast_to(array := getattr(p.validation, name), (p.problem.members, *array.shape)) for p in plans]
        return np.concatenate(each)

    return Validation(join("x"), join("y"), join("w"), first.metric, first.decides)


def select_members(run: EpochRun, members: np.ndarray, steps_per_epoch: int) -> EpochRun:
    """The run of members, by their indices, as if trained alone; `steps_per_epoch` gives the number of its steps."""
    epochs = run.epochs[members]
    last = int(epochs.max(initial=0))

    def select(curves: Floats | None) -> Any:
        return None if curves is None else curves[:last, members]

    return replace(
        run,
        state=replace(run.state.take(members), members=np.arange(len(members)), step=last * steps_per_epoch),
        epochs=epochs,
        reasons=tuple(run.reasons[member] for member in members),
        losses=select(run.losses),
        validation_losses=select(run.validation_losses),
        validation_scores=select(run.validation_scores),
        best_scores=None if run.best_scores is None else run.best_scores[members],
        patience=Patience(run.patience.best[members], run.patience.waited[members]),
    )
