"""Many fits as populations: networks of one shape are trained together, each of them as it would be alone.

K members
"""

import hashlib
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from deltarule.engines.base import Engine
from deltarule.engines.compiled.engine import available_processors
from deltarule.engines.selection import engine_for, expected_seconds, form_of
from deltarule.estimators.mlp.base import BaseMLP
from deltarule.estimators.mlp.fit_context import Plan
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State
from deltarule.training.epochs import EpochRun, Stall, Validation, train_epochs

MAX_PART_SECONDS = 10.0
"""About how long a part of a population is trained that is noted as a whole: whoever ends a search loses no more."""
MANY = 32
"""Fits with the same rows from which on they are a part by themselves: where all see the same, an update of the
reference engine takes less. The compiled engine finds out by itself who does."""


@dataclass(frozen=True, eq=False)
class Part:
    """Fits that have just been made together: their places, the name of the engine, and the seconds of each."""

    places: list[int]
    engine: str
    seconds: float


def fit_together(
    models: Sequence[BaseMLP],
    plans: Sequence[Plan],
    known: Collection[int] = (),
    note: Callable[[Part, list[Exception | None]], None] = lambda part, errors: None,
) -> list[Exception | None]:
    """Fit models whose plans were made; each becomes, bit for bit, what the same engine would make of it alone.

    Parameters: `models`, of one engine; `plans`, one of each; `known`, the places of those that need no training any
    more, but count where an engine is chosen, so that it is the same whatever is left to do; `note`, called with every
    part that is done, and what went wrong with each of its fits.
    Returns: what went wrong, one for each model, or None.
    """
    errors: list[Exception | None] = [None] * len(models)
    digests = _digests([plan.problem for plan in plans])
    groups: dict[Any, list[int]] = {}
    for place, (model, plan) in enumerate(zip(models, plans, strict=True)):
        groups.setdefault(_shape(model, plan), []).append(place)
    for places in groups.values():
        left = [place for place in places if place not in known]
        if not left:
            continue
        engine, seconds_each = _engine([plans[place] for place in places], models[places[0]])
        for part in _parts(left, [""] * len(plans) if engine.name == "compiled" else digests, seconds_each):
            started = time.perf_counter()
            runs = _train_plans(
                [plans[place] for place in part], [digests[place] for place in part], models[part[0]], engine
            )
            for place, own in zip(part, runs, strict=True):
                try:
                    models[place]._finish_fit(plans[place], own)
                except Exception as error:  # it diverged, or somebody made errors of warnings; the others did not
                    errors[place] = error
            seconds = (time.perf_counter() - started) / len(part)
            note(Part(part, engine.name, seconds), [errors[place] for place in part])
    return errors


def _engine(plans: list[Plan], model: BaseMLP) -> tuple[Engine, float]:
    """The engine for plans of one shape, and how many seconds each of them should take."""
    first = plans[0].problem
    members = sum(plan.problem.members for plan in plans)
    whole = first.take(np.zeros(members, np.int64))  # as many of one kind: what differs has no price
    steps = plans[0].rules.max_epochs * first.steps_per_epoch(0)
    engine = engine_for(model.engine, whole, steps, one_of_many=True)
    return engine, expected_seconds(form_of(engine, whole), whole, steps) / len(plans)


def _parts(places: list[int], digests: list[str], seconds_each: float) -> Iterator[list[int]]:
    """Plans of one shape, divided so that no part takes long, and all processors have something to do."""
    most = max(available_processors(), int(MAX_PART_SECONDS / seconds_each))
    by_rows: dict[str, list[int]] = {}
    for place in places:
        by_rows.setdefault(digests[place], []).append(place)
    alike = [group for group in by_rows.values() if len(group) >= MANY]
    others = [place for group in by_rows.values() if len(group) < MANY for place in group]
    for group in [*alike, others]:
        yield from (group[first : first + most] for first in range(0, len(group), most))


def _shape(model: BaseMLP, plan: Plan) -> Any:
    """What members of a population have in common: everything but numbers."""
    problem, validation = plan.problem, plan.validation
    return (
        problem.network.sizes,
        tuple(_plain(layer.activation) for layer in problem.network.layers),
        problem.network.layers[0].batch_norm,
        _plain(problem.loss),
        (problem.optimizer.name, *problem.numbers),
        (problem.schedule.name, problem.schedule.per, *problem.schedule_numbers),
        (problem.row_count(0), problem.batch_size, problem.dtype.name, problem.weights is None),
        plan.rules,
        None if validation is None else (validation.x.shape, validation.metric, validation.decides),
        (model.shuffle, model.engine),
    )


def _plain(formula: Any) -> tuple[Any, ...]:
    return (formula.name, *sorted(formula.parameters.items()))


def _train_plans(plans: list[Plan], digests: list[str], model: BaseMLP, engine: Engine) -> list[EpochRun]:
    """What became of each of the plans."""
    run = train_epochs(
        merge_problems([plan.problem for plan in plans], digests),
        _states([plan.start for plan in plans]),
        plans[0].rules,
        engine=engine,
        in_order=not model.shuffle,
        validation=_validations(plans),
    )
    if "interrupted" in run.reasons:  # what is half trained is not to be compared
        raise KeyboardInterrupt
    ends = np.cumsum([plan.problem.members for plan in plans]).tolist()
    steps = plans[0].problem.steps_per_epoch(0)
    return [select_members(run, np.arange(first, end), steps) for first, end in pairwise([0, *ends])]


def merge_problems(problems: Sequence[Problem], digests: Sequence[str]) -> Problem:
    """Problems of one shape as one, whose members are theirs: the same rows, by their digests, are held once.

    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> parts = [create_problem(Network([1, 1]), [[0.0], [1.0]], [n, 1.0], learning_rate=n) for n in (1, 2, 1)]
    >>> whole = merge_problems(parts, ["a", "b", "a"])
    >>> whole.members, len(whole.x), whole.numbers["learning_rate"].tolist()
    (3, 4, [1.0, 2.0, 1.0])
    """
    first = problems[0]
    blocks: dict[str, int] = {}
    kept: list[Problem] = []
    rows: list[np.ndarray] = []
    for problem, key in zip(problems, digests, strict=True):
        if key not in blocks:
            blocks[key] = sum(len(one.x) for one in kept)
            kept.append(problem)
        rows += [np.arange(len(problem.x)) + blocks[key]] * problem.members
    return replace(
        first,
        x=np.concatenate([one.x for one in kept]),
        y=np.concatenate([one.y for one in kept]),
        weights=None if first.weights is None else np.concatenate([_row_weights(one) for one in kept]),
        rows=tuple(rows) if len(kept) > 1 else None,
        penalty=next((one.penalty for one in problems if one.penalty is not None), None),
        numbers=_join_numbers([one.numbers for one in problems]),
        schedule_numbers=_join_numbers([one.schedule_numbers for one in problems]),
        notes=(),
        strength=np.concatenate([one.strength for one in problems]),
        dropout=np.concatenate([one.dropout for one in problems]),
        initial_scale=np.concatenate([one.initial_scale for one in problems]),
        seeds=np.concatenate([one.seeds for one in problems]),
        data_seeds=np.concatenate([one.data_seeds for one in problems]),
        dropout_seeds=np.concatenate([one.dropout_seeds for one in problems]),
    )


def _digests(problems: Sequence[Problem]) -> list[str]:
    """The rows and weights of problems, told from others by hashes; what several problems hold is read once."""
    known: dict[int, bytes] = {}

    def digest(array: np.ndarray | None) -> bytes:
        if id(array) not in known:
            known[id(array)] = hashlib.sha256(b"" if array is None else array.tobytes()).digest()
        return known[id(array)]

    return [b"".join(digest(array) for array in (one.x, one.y, one.weights)).hex() for one in problems]


def _row_weights(problem: Problem) -> Floats:
    assert problem.weights is not None
    return problem.weights


def _join_numbers(numbers: Sequence[Any]) -> dict[str, Floats]:
    return {name: np.concatenate([each[name] for each in numbers]) for name in numbers[0]}


def _states(states: list[State]) -> State:
    def join(name: str) -> Floats:
        return np.concatenate([getattr(state, name) for state in states])

    slots = {name: np.concatenate([state.slots[name] for state in states]) for name in states[0].slots}
    members = np.arange(sum(len(state.members) for state in states))
    return State(join("theta"), slots, join("buffers"), join("factor"), members, states[0].step)


def _validations(plans: list[Plan]) -> Validation | None:
    first = plans[0].validation
    if first is None:
        return None

    def join(name: str) -> Floats:
        each = [np.broadcast_to(array := getattr(p.validation, name), (p.problem.members, *array.shape)) for p in plans]
        return np.concatenate(each)

    return Validation(join("x"), join("y"), join("w"), first.metric, first.decides)


def select_members(run: EpochRun, members: np.ndarray, steps: int) -> EpochRun:
    """The record of some of the members, as if they had been trained by themselves, in epochs of so many steps."""
    epochs = run.epochs[members]
    last = int(epochs.max(initial=0))

    def curves(values: Floats | None) -> Any:
        return None if values is None else values[:last, members]

    return replace(
        run,
        state=replace(run.state.take(members), members=np.arange(len(members)), step=last * steps),
        epochs=epochs,
        reasons=tuple(run.reasons[member] for member in members),
        losses=curves(run.losses),
        validation_losses=curves(run.validation_losses),
        validation_scores=curves(run.validation_scores),
        best_scores=None if run.best_scores is None else run.best_scores[members],
        stall=Stall(run.stall.best[members], run.stall.waited[members]),
    )
