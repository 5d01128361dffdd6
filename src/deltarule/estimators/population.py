"""Many fits as populations: networks of one shape are trained together, each of them as it would be alone.

K members
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.estimators.base import BaseMLP
from deltarule.estimators.records import Plan
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.state import State
from deltarule.training.epochs import EpochRun, Stall, Validation, train_epochs


def fit_together(models: Sequence[BaseMLP], plans: Sequence[Plan]) -> list[Exception | None]:
    """Fit models whose plans were made; each becomes, bit for bit, what the same engine would make of it alone.

    Parameters: `models`, of one engine; `plans`, one of each.
    Returns: what went wrong, one for each model, or None.
    """
    errors: list[Exception | None] = [None] * len(models)
    groups: dict[Any, list[int]] = {}
    for place, (model, plan) in enumerate(zip(models, plans, strict=True)):
        groups.setdefault(_shape(model, plan), []).append(place)
    for places in groups.values():
        run = _trained([plans[place] for place in places], models[places[0]])
        first = 0
        for place in places:
            members = np.arange(first, first + plans[place].problem.members)
            first += len(members)
            own = _of_members(run, members, plans[place].problem.steps_per_epoch(0))
            try:
                models[place]._conclude(plans[place], own)
            except ValueError as error:  # it diverged; the others did not
                errors[place] = error
    return errors


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


def _trained(plans: list[Plan], model: BaseMLP) -> EpochRun:
    problem = together([plan.problem for plan in plans])
    run = train_epochs(
        problem,
        _states([plan.start for plan in plans]),
        plans[0].rules,
        engine=model.engine,
        in_order=not model.shuffle,
        validation=_validations(plans),
    )
    if "interrupted" in run.reasons:  # what is half trained is not to be compared
        raise KeyboardInterrupt
    return run


def together(problems: Sequence[Problem]) -> Problem:
    """Problems of one shape as one, whose members are theirs: the same rows are held once.

    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> parts = [create_problem(Network([1, 1]), [[0.0], [1.0]], [n, 1.0], learning_rate=n) for n in (1, 2, 1)]
    >>> whole = together(parts)
    >>> whole.members, len(whole.x), whole.numbers["learning_rate"].tolist()
    (3, 4, [1.0, 2.0, 1.0])
    """
    first = problems[0]
    blocks: dict[str, int] = {}
    kept: list[Problem] = []
    rows: list[np.ndarray] = []
    for problem in problems:
        key = _digest(problem)
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
        numbers=_joined([one.numbers for one in problems]),
        schedule_numbers=_joined([one.schedule_numbers for one in problems]),
        notes=(),
        strength=np.concatenate([one.strength for one in problems]),
        dropout=np.concatenate([one.dropout for one in problems]),
        initial_scale=np.concatenate([one.initial_scale for one in problems]),
        seeds=np.concatenate([one.seeds for one in problems]),
        data_seeds=np.concatenate([one.data_seeds for one in problems]),
        dropout_seeds=np.concatenate([one.dropout_seeds for one in problems]),
    )


def _digest(problem: Problem) -> str:
    """Rows and their weights, told from others by a hash."""
    sha = hashlib.sha256()
    for array in (problem.x, problem.y, problem.weights):
        sha.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()


def _row_weights(problem: Problem) -> Floats:
    assert problem.weights is not None
    return problem.weights


def _joined(numbers: Sequence[Any]) -> dict[str, Floats]:
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


def _of_members(run: EpochRun, members: np.ndarray, steps: int) -> EpochRun:
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
