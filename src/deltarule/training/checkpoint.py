"""Checkpoints: a training's arrays in one file, written whole, and only ever taken up by the same training."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.array_files import load_arrays, save_arrays
from deltarule.errors import BadInput
from deltarule.problem.problem import Problem
from deltarule.problem.registry import describe_formula, own_digest
from deltarule.problem.state import State
from deltarule.training.history import Looks
from deltarule.training.stopping import StopRules

FORMAT = "deltarule checkpoint 1"
STEP = " step"
VALIDATION = "validation rows"


def write(file: Path, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> None:
    """Write a checkpoint; a reader finds the whole of it or the one before."""
    save_arrays(file, arrays, {"format": FORMAT, **about})


def read_checkpoint(file: Path, identity: Mapping[str, Any]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read a checkpoint of the training with this identity."""
    arrays, about = load_arrays(file)
    if about.get("format") != FORMAT:
        raise BadInput(f"{file} is no checkpoint of this version; delete it, or name another file")
    for what, value in identity.items():
        if what == VALIDATION and what not in about:  # earlier checkpoints do not tell of them
            continue
        if about.get(what) != value:
            differ = "differ" if what.endswith("s") else "differs"
            raise BadInput(f"{file} is a checkpoint of another training: its {what} {differ}; start without resume")
    return arrays, about


def identity(
    problem: Problem,
    engine: str,
    rules: StopRules,
    looks: Looks,
    score: str,
    validation: tuple[NDArray[Any], NDArray[Any]] | None,
) -> dict[str, Any]:
    """What must be equal for a checkpoint to be taken up: all that decides the result."""
    history = {**asdict(looks), "metrics": list(looks.metrics)}
    rules_given = asdict(rules)
    told = {"problem": digest(problem), "engine": engine, "stop rules": rules_given, "history": history, "score": score}
    return told | {VALIDATION: validation and _hash_arrays(hashlib.sha256(), validation)}


def engine_of(file: Path) -> str | None:
    """The engine that wrote a checkpoint: "auto" goes on with it, because another one's last digits differ."""
    name = load_arrays(file)[1].get("engine")
    return name if isinstance(name, str) else None


def digest(problem: Problem) -> str:
    """SHA-256 of everything that decides a training's numbers.

    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.create import create_problem
    >>> one, other = (create_problem(Network([1, 1]), [[0.0]], [0.0], seeds=seed) for seed in (0, 1))
    >>> digest(one) == digest(one), digest(one) == digest(other)
    (True, False)
    """
    network = problem.network
    words = [
        network.sizes,
        [describe_formula(layer.activation) for layer in network.layers],
        [(layer.bias, layer.batch_norm) for layer in network.layers],
        describe_formula(network.initializer),
        describe_formula(problem.loss),
        problem.reduction,
        problem.penalty and problem.penalty.name,
        problem.optimizer.name,
        problem.schedule.name,
        problem.schedule.per,
        problem.batch_size,
        str(problem.dtype),
        list(problem.numbers),
        list(problem.schedule_numbers),
    ]
    formulas = [*(layer.activation for layer in network.layers), network.initializer]
    formulas += [problem.loss, problem.optimizer, problem.schedule, *filter(None, [problem.penalty])]
    words += filter(None, map(own_digest, formulas))  # of a built-in formula its name says what it does
    sha = hashlib.sha256(repr(words).encode())
    arrays = [problem.x, problem.y, problem.penalized, problem.strength, problem.dropout, problem.initial_scale]
    arrays += [problem.seeds, problem.data_seeds, problem.dropout_seeds]
    arrays += [*problem.numbers.values(), *problem.schedule_numbers.values()]
    arrays += [] if problem.weights is None else [problem.weights]
    arrays += list(problem.rows or ())
    return _hash_arrays(sha, arrays)


def _hash_arrays(sha: Any, arrays: Iterable[NDArray[Any]]) -> str:
    """The hexadecimal digest of what a hash has seen, and of arrays."""
    for array in arrays:
        sha.update(repr((array.shape, array.dtype.str)).encode())
        sha.update(np.ascontiguousarray(array))  # not `tobytes`, which is a copy
    return str(sha.hexdigest())


def state_arrays(name: str, state: State) -> dict[str, NDArray[Any]]:
    """A state's arrays under names of their own."""
    named = {field: getattr(state, field) for field in ("theta", "buffers", "factor", "members")}
    named |= {f"slot {slot}": value for slot, value in state.slots.items()}
    return {f"{name} {field}": value for field, value in named.items()} | {f"{name}{STEP}": np.array([state.step])}


def checked_state(name: str, arrays: Mapping[str, NDArray[Any]], whole: State) -> State:
    """A state of some members that a file holds, if it is of the form of the state of all.

    A compiled program looks at no bounds: what does not fit must not get to it.

    Errors: `KeyError` or `ValueError` for one that does not fit.
    """
    state = state_of(name, arrays)
    members = state.members
    found, needed = state_arrays("", state), state_arrays("", whole)
    same = found.keys() == needed.keys() and all(
        found[key].dtype == array.dtype and found[key].shape[1:] == array.shape[1:] for key, array in needed.items()
    )
    rising = members.shape == (len(members),) and np.isin(members, whole.members).all() and (np.diff(members) > 0).all()
    of_members = all(len(array) == len(members) for key, array in found.items() if key != STEP)
    if not (same and rising and of_members and len(found[STEP]) == 1 and state.step >= 0):
        raise ValueError(f"the arrays named {name!r} do not fit the training")
    return state


def check_arrays(arrays: Mapping[str, NDArray[Any]], needed: Mapping[str, NDArray[Any]]) -> None:
    """Whether arrays that a file holds have the form of these.

    Errors: `KeyError` or `ValueError` for the first that has not.
    """
    for name, array in needed.items():
        if (arrays[name].dtype, arrays[name].shape) != (array.dtype, array.shape):
            raise ValueError(f"{name!r} is {arrays[name].dtype} of shape {arrays[name].shape}")


def state_of(name: str, arrays: Mapping[str, NDArray[Any]]) -> State:
    """The inverse of `state_arrays`."""
    slots = f"{name} slot "
    return State(
        theta=arrays[f"{name} theta"],
        slots={key.removeprefix(slots): value for key, value in arrays.items() if key.startswith(slots)},
        buffers=arrays[f"{name} buffers"],
        factor=arrays[f"{name} factor"],
        members=arrays[f"{name} members"],
        step=int(arrays[f"{name}{STEP}"][0]),
    )
