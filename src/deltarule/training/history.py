"""The history of a training: what each member reached, whenever it was looked at.

T looks · K members · N rows · C outputs · L layers
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from deltarule import platforms
from deltarule.blas_threads import one_blas_thread
from deltarule.engines.base import Engine
from deltarule.engines.reference import objective_and_gradient, objective_of_logits
from deltarule.errors import BadInput, count_of, short_repr
from deltarule.maths.network import views
from deltarule.problem import validation as checks
from deltarule.problem.batches import Batch, all_rows, groups, of_a_kind
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.stats import metrics

Seen = TypeVar("Seen")

ROWS_AT_ONCE = 4096
NUMBERS_AT_ONCE = 2**18
"""How much is evaluated at a time: rows of a pass, always the same, and numbers of the members' units in it.
So a look at a large data set, or at many members, needs no more memory than at a small one."""


@dataclass(frozen=True)
class Looks:
    """What the history holds: an objective at least, and whatever else is asked for.

    every : updates between two looks; 0 for none at all.
    metrics : names of metrics, on the training rows and on the validation rows where there are any.
    outputs : keep the outputs of every training row.
    gradients : keep the length of the gradient of every parameter array, over all rows, in training mode.
    """

    every: int
    metrics: tuple[str, ...] = ()
    outputs: bool = False
    gradients: bool = False


@dataclass(eq=False)
class History:
    """The record of the looks. A member that has ended before a look stands there as NaN.

    steps [T]; objective [T, K], over all training rows with dropout off; metrics and validation (by name) [T, K];
    outputs [T, K, N, C]; gradients (by array name) [T, K].
    """

    steps: list[int] = field(default_factory=list)
    values: dict[str, list[NDArray[Any]]] = field(default_factory=dict)

    def series(self, name: str) -> Floats:
        """One series by name: "objective", a metric's name, "validation accuracy", "gradient W1", "outputs".

        Raises `BadInput` for a name that is not among `names`.
        """
        if not isinstance(name, str) or name not in self.values:
            raise BadInput(
                f"the history has no series {short_repr(name)}; it has: {', '.join(self.names) or 'none'}; others are "
                "there "
                "where train is asked for metrics, outputs or gradients"
            )
        return np.stack(self.values[name])

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the series that there are."""
        return tuple(self.values)

    @property
    def objective(self) -> Floats:
        """[T, K]"""
        return self.series("objective")

    def add(self, step: int, members: Integers, seen: dict[str, Floats], total: int) -> None:
        """Write a look at some of the members; the others have ended."""
        self.steps.append(step)
        for name, value in seen.items():
            row = np.full((total, *value.shape[1:]), np.nan, value.dtype)
            row[members] = value
            self.values.setdefault(name, []).append(row)

    def take(self, chosen: Any) -> "History":
        """The history of some of the members, given as to `Run.take`."""
        places = {name: checks.member_indices(chosen, len(rows[0])) for name, rows in self.values.items()}
        taken = {name: [row[places[name]] for row in rows] for name, rows in self.values.items()}
        return History(list(self.steps), taken)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The series as arrays, with their steps, for a file."""
        stacked = {f"history {name}": np.stack(rows) for name, rows in self.values.items()}
        return {"history steps": np.array(self.steps, np.int64), **stacked}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "History":
        """The inverse of `arrays`; other arrays among them are passed over."""
        series = {name.removeprefix("history "): rows for name, rows in arrays.items() if name.startswith("history ")}
        return cls(series.pop("steps").tolist(), {name: list(rows) for name, rows in series.items()})

    def check(self, members: int, names: set[str]) -> None:
        """Whether these are looks at so many members, one after the other, that saw all of these names.

        Errors: `ValueError` where they are not.
        """
        rising = all(isinstance(step, int) for step in self.steps) and sorted(set(self.steps)) == self.steps
        complete = all(len(rows) == len(self.steps) for rows in self.values.values())
        if not (rising and complete and (not self.steps or names <= set(self.values))):
            raise ValueError("the looks of its history do not fit each other")
        if any(row.shape[:1] != (members,) or row.dtype.kind != "f" for rows in self.values.values() for row in rows):
            raise ValueError(f"its history is not of {members} members")

    def __repr__(self) -> str:
        members = len(next(iter(self.values.values()))[0]) if self.steps else 0
        names = ", ".join(self.names) or "nothing"
        return f"History of {count_of(len(self.steps), 'look')} at {count_of(members, 'member')}: {names}"


def look(
    problem: Problem, engine: Engine, state: State, looks: Looks, validation: tuple[Floats, Floats] | None
) -> dict[str, Floats]:
    """Everything that the history holds of the members of a state, at this moment.   {name: [K, ..]}"""
    seen: dict[str, Floats] = {}

    def see(places: Integers) -> tuple[Integers, dict[str, Floats]]:
        part = state.take(places)
        found = _on_training(problem, engine, part, rows, looks)
        if validation is not None:
            found |= _on_validation(problem, engine, part, validation, looks)
        return places, found

    for group in groups(problem, state.members):
        for alike in _split_by_rows(problem, state.members, group):
            rows = all_rows(problem, state.members[alike])
            is_shared = rows.x.ndim == 2 and rows.w.ndim == 2
            for places, found in each_block(see, problem, alike, len(rows.x)) if is_shared else [see(alike)]:
                for name, value in found.items():
                    seen.setdefault(name, np.empty((len(state.members), *value.shape[1:]), value.dtype))[places] = value
    return seen


def each_block(see: Callable[[Integers], Seen], problem: Problem, places: Integers, rows: int) -> Iterator[Seen]:
    """Look at so many of the members at a time as memory is meant for, and at a block on each processor.

    Parameters: `see`, called with each block of the `places`; `rows`, how many are looked at.
    Returns: what it gives, block by block. A member's numbers do not depend on who else is in its block.
    """
    widths = problem.network.inputs + sum(layer.units for layer in problem.network.layers)
    at_once = max(1, NUMBERS_AT_ONCE // (min(rows, ROWS_AT_ONCE) * widths))
    blocks = np.array_split(places, -(-len(places) // at_once))
    if len(blocks) == 1:
        yield see(places)
    else:
        yield from platforms.threads(platforms.processors(), "look").map(see, blocks)


def _split_by_rows(problem: Problem, members: Integers, group: Integers) -> list[Integers]:
    """Members of equally many rows, divided by which rows these are where a copy for each of them would be large."""
    rows = problem.row_count(int(members[group[0]]))
    if problem.rows is None or len(group) * rows * problem.network.inputs <= NUMBERS_AT_ONCE:
        return [group]
    return of_a_kind(group, problem.row_kinds[members[group]])


def outputs_of(problem: Problem, engine: Engine, state: State, x: Floats) -> tuple[Floats, Floats]:
    """The logits and outputs of every member, so many rows at a time.   x [B, D] or [K, B, D]  →  z, a [K, B, C]

    >>> from deltarule.engines.reference import ReferenceEngine
    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.state import initial_state
    >>> problem = create_problem(Network([1, 1]), [[0.0]], [0.0], seeds=range(2))
    >>> outputs_of(problem, ReferenceEngine(), initial_state(problem), np.ones((10_000, 1)))[1].shape
    (2, 10000, 1)
    """
    starts = range(0, x.shape[-2], ROWS_AT_ONCE)
    parts = [engine.outputs(problem, state, x[..., start : start + ROWS_AT_ONCE, :]) for start in starts]
    if len(parts) == 1:
        return parts[0]
    logits, outputs = (np.concatenate(arrays, axis=-2) for arrays in zip(*parts, strict=True))
    return logits, outputs


def _on_training(problem: Problem, engine: Engine, state: State, rows: Batch, looks: Looks) -> dict[str, Floats]:
    logits, outputs = outputs_of(problem, engine, state, rows.x)
    seen = {"objective": objective_of_logits(problem, state, logits, rows)}
    with np.errstate(all="ignore"):
        seen |= {name: metrics.find(name).value(outputs, rows.y, rows.w) for name in looks.metrics}
        if looks.gradients:
            seen |= gradient_norms(problem, state, rows)
    if looks.outputs:
        seen["outputs"] = outputs
    return seen


def _on_validation(
    problem: Problem, engine: Engine, state: State, validation: tuple[Floats, Floats], looks: Looks
) -> dict[str, Floats]:
    found = on_rows(problem, engine, state, *validation, looks.metrics)
    return {f"validation {name}": value for name, value in found.items()}


def on_rows(
    problem: Problem, engine: Engine, state: State, x: Floats, y: Floats, names: tuple[str, ...]
) -> dict[str, Floats]:
    """Objective and metrics of every member on rows that are the same for all.   x [M, D], y [M, C] → {name: [K]}

    >>> from deltarule.engines.reference import ReferenceEngine
    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.state import initial_state
    >>> problem = create_problem(Network([1, 1], initializer="zeros"), [[0.0]], [0.0])
    >>> on_rows(problem, ReferenceEngine(), initial_state(problem), np.ones((1, 1)), np.ones((1, 1)), ())
    {'objective': array([1.])}
    """
    rows = Batch(x, y, np.ones((len(x), 1), problem.dtype), np.arange(len(x)))
    logits, outputs = outputs_of(problem, engine, state, x)
    seen = {"objective": objective_of_logits(problem, state, logits, rows)}
    with np.errstate(all="ignore"):
        seen |= {name: metrics.find(name).value(outputs, rows.y, rows.w) for name in names}
    return seen


def gradient_norms(problem: Problem, state: State, rows: Batch) -> dict[str, Floats]:
    """The length of the gradient of every parameter array over the given rows, [K] by "gradient W1" and so on."""
    with one_blas_thread():
        gradient = views(objective_and_gradient(problem, state, rows).gradient, problem.network.entries)
    return {f"gradient {name}": np.sqrt((part * part).sum((-2, -1))) for name, part in gradient.items()}
