"""Evaluate objective and metrics at intervals and store them as the history.

T history points · K members · N rows · C outputs · L layers
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
from deltarule.problem.batches import Batch, all_rows, groups, split_by_kind
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State
from deltarule.stats import metrics

Result = TypeVar("Result")

MAX_ROWS_PER_PASS = 4096
MAX_NUMBERS_PER_PASS = 2**16
"""The rows of a forward pass, always the same, and the unit values of its members: an evaluation of a large data set,
or of many members, needs no more memory than a small one. These values, 0.5 MB, stay in a processor's cache: with four
times as many an evaluation of 4,096 networks 8-3-8 takes twice as long."""
MAX_COPIED_NUMBERS = 2**18
"""Up to this many inputs are copied to evaluate members with different rows together."""


@dataclass(frozen=True)
class EvaluationSchedule:
    """What the history holds beside the objective, and how often.

    Parameters
    ----------
    every : int
        Updates between two history points; 0 for no history.
    metrics : tuple of str
        Names of metrics, on the training rows and on the validation rows if there are any.
    outputs : bool
        Whether to store the outputs for every training row.
    gradients : bool
        Whether to store the norm of each parameter array's gradient over all rows, in training mode.
    """

    every: int
    metrics: tuple[str, ...] = ()
    outputs: bool = False
    gradients: bool = False


@dataclass(eq=False)
class History:
    """The evaluations of a training; NaN for a member that had ended before.

    steps [T]; objective [T, K], over all training rows with dropout off; metrics and validation (by name) [T, K];
    outputs [T, K, N, C]; gradients (by array name) [T, K].
    """

    steps: list[int] = field(default_factory=list)
    values: dict[str, list[NDArray[Any]]] = field(default_factory=dict)

    def series(self, name: str) -> Floats:
        """Return a series by name, such as "objective" or "validation accuracy".

        Raises `BadInput` for a name that is not among `names`.
        """
        if not isinstance(name, str) or name not in self.values:
            raise BadInput(
                f"the history has no series {short_repr(name)}; it has: {', '.join(self.names) or 'none'}; "
                "metrics, outputs and gradients of train add others"
            )
        return np.stack(self.values[name])

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the series."""
        return tuple(self.values)

    @property
    def objective(self) -> Floats:
        """The objective over all training rows at each history point, [T, K]."""
        return self.series("objective")

    def add(self, step: int, members: Integers, seen: dict[str, Floats], total: int) -> None:
        """Add the values `seen`, by name, of some `members`; NaN for the other `total`."""
        self.steps.append(step)
        for name, value in seen.items():
            row = np.full((total, *value.shape[1:]), np.nan, value.dtype)
            row[members] = value
            self.values.setdefault(name, []).append(row)

    def take(self, chosen: Any) -> "History":
        """Return the history of some members, chosen as in `Run.take`."""
        indices = {name: checks.member_indices(chosen, len(rows[0])) for name, rows in self.values.items()}
        taken = {name: [row[indices[name]] for row in rows] for name, rows in self.values.items()}
        return History(list(self.steps), taken)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the series and their steps as arrays, for a file."""
        stacked = {f"history {name}": np.stack(rows) for name, rows in self.values.items()}
        return {"history steps": np.array(self.steps, np.int64), **stacked}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "History":
        """Return the history in the arrays of a file: the inverse of `arrays`."""
        series = {name.removeprefix("history "): rows for name, rows in arrays.items() if name.startswith("history ")}
        return cls(series.pop("steps").tolist(), {name: list(rows) for name, rows in series.items()})

    def check(self, members: int, names: set[str]) -> None:
        """Raise `ValueError` unless the history has these names and members."""
        is_ascending = all(isinstance(step, int) for step in self.steps) and sorted(set(self.steps)) == self.steps
        is_complete = all(len(rows) == len(self.steps) for rows in self.values.values())
        if not (is_ascending and is_complete and (not self.steps or names <= set(self.values))):
            raise ValueError("the points of its history do not fit each other")
        if any(row.shape[:1] != (members,) or row.dtype.kind != "f" for rows in self.values.values() for row in rows):
            raise ValueError(f"its history is not of {members} members")

    def __repr__(self) -> str:
        members = len(next(iter(self.values.values()))[0]) if self.steps else 0
        names = ", ".join(self.names) or "nothing"
        return f"History of {count_of(len(self.steps), 'point')} of {count_of(members, 'member')}: {names}"


def evaluate(
    problem: Problem,
    engine: Engine,
    state: State,
    schedule: EvaluationSchedule,
    validation: tuple[Floats, Floats] | None,
) -> dict[str, Floats]:
    """Return a history point of a state on training and validation rows."""
    values: dict[str, Floats] = {}

    def evaluate_block(block: Integers) -> tuple[Integers, dict[str, Floats]]:
        """Evaluate the members at some indices; return the indices and the values by name."""
        part = state.take(block)
        block_values = _evaluate_training_rows(problem, engine, part, rows, schedule)
        if validation is not None:
            validation_values = evaluate_rows(problem, engine, part, *validation, schedule.metrics)
            block_values |= {f"validation {name}": value for name, value in validation_values.items()}
        return block, block_values

    for group in groups(problem, state.members):
        for indices in _split_by_rows(problem, state.members, group):
            rows = all_rows(problem, state.members[indices])
            is_shared = rows.x.ndim == 2 and rows.w.ndim == 2
            blocks = (
                map_blocks(evaluate_block, problem, indices, len(rows.x)) if is_shared else [evaluate_block(indices)]
            )
            for block, block_values in blocks:
                for name, value in block_values.items():
                    empty = np.empty((len(state.members), *value.shape[1:]), value.dtype)
                    values.setdefault(name, empty)[block] = value
    return values


def map_blocks(
    function: Callable[[Integers], Result], problem: Problem, indices: Integers, row_count: int
) -> Iterator[Result]:
    """Yield a function's results for blocks of member indices, in parallel.

    Parameters
    ----------
    function : callable
        Called with each block of `indices`. A member's numbers must not depend on the other members of its block.
    problem : Problem
    indices : array of int
        The members that are divided into blocks.
    row_count : int
        How many rows the function evaluates.

    Yields
    ------
    The results, block by block.
    """
    widths = problem.network.inputs + sum(layer.units for layer in problem.network.layers)
    block_size = max(1, MAX_NUMBERS_PER_PASS // (min(row_count, MAX_ROWS_PER_PASS) * widths))
    blocks = np.array_split(indices, -(-len(indices) // block_size))
    if len(blocks) == 1:
        yield function(indices)
    else:
        yield from platforms.thread_pool(platforms.processor_count(), "look").map(function, blocks)


def _split_by_rows(problem: Problem, members: Integers, group: Integers) -> list[Integers]:
    rows = problem.row_count(int(members[group[0]]))
    if problem.rows is None or len(group) * rows * problem.network.inputs <= MAX_COPIED_NUMBERS:
        return [group]
    return split_by_kind(group, problem.row_kinds[members[group]])


def outputs_of(problem: Problem, engine: Engine, state: State, x: Floats) -> tuple[Floats, Floats]:
    """Return logits and outputs of every member, z and a [K, B, C].

    >>> from deltarule.engines.reference import ReferenceEngine
    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.state import initial_state
    >>> problem = create_problem(Network([1, 1]), [[0.0]], [0.0], seeds=range(2))
    >>> outputs_of(problem, ReferenceEngine(), initial_state(problem), np.ones((10_000, 1)))[1].shape
    (2, 10000, 1)
    """
    parts = [engine.outputs(problem, state, rows) for rows in _split_rows(x)]
    if len(parts) == 1:
        return parts[0]
    logits, outputs = (np.concatenate(arrays, axis=-2) for arrays in zip(*parts, strict=True))
    return logits, outputs


def _split_rows(x: Floats) -> list[Floats]:
    starts = range(0, x.shape[-2], MAX_ROWS_PER_PASS)
    return [x[..., start : start + MAX_ROWS_PER_PASS, :] for start in starts]


def _logits_and_outputs(
    problem: Problem, engine: Engine, state: State, x: Floats, needs_outputs: bool
) -> tuple[Floats, Floats]:
    if needs_outputs:
        return outputs_of(problem, engine, state, x)
    parts = [engine.logits(problem, state, rows) for rows in _split_rows(x)]
    logits = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-2)
    return logits, logits


def _evaluate_training_rows(
    problem: Problem, engine: Engine, state: State, rows: Batch, schedule: EvaluationSchedule
) -> dict[str, Floats]:
    """Return a history point's values on the training rows, {name: [K, ..]}."""
    logits, outputs = _logits_and_outputs(problem, engine, state, rows.x, schedule.outputs or bool(schedule.metrics))
    values = _objective_and_metrics(problem, state, logits, outputs, rows, schedule.metrics)
    if schedule.gradients:
        with np.errstate(all="ignore"):
            values |= gradient_norms(problem, state, rows)
    if schedule.outputs:
        values["outputs"] = outputs
    return values


def _objective_and_metrics(
    problem: Problem, state: State, logits: Floats, outputs: Floats, rows: Batch, names: tuple[str, ...]
) -> dict[str, Floats]:
    values = {"objective": objective_of_logits(problem, state, logits, rows)}
    with np.errstate(all="ignore"):
        return values | {name: metrics.find(name).value(outputs, rows.y, rows.w) for name in names}


def evaluate_rows(
    problem: Problem, engine: Engine, state: State, x: Floats, y: Floats, names: tuple[str, ...]
) -> dict[str, Floats]:
    """Return objective and metrics of every member on shared rows, {name: [K]}.

    >>> from deltarule.engines.reference import ReferenceEngine
    >>> from deltarule.problem.create import create_problem
    >>> from deltarule.problem.network import Network
    >>> from deltarule.problem.state import initial_state
    >>> problem = create_problem(Network([1, 1], initializer="zeros"), [[0.0]], [0.0])
    >>> evaluate_rows(problem, ReferenceEngine(), initial_state(problem), np.ones((1, 1)), np.ones((1, 1)), ())
    {'objective': array([1.])}
    """
    rows = Batch(x, y, np.ones((len(x), 1), problem.dtype), np.arange(len(x)))
    logits, outputs = _logits_and_outputs(problem, engine, state, x, bool(names))
    return _objective_and_metrics(problem, state, logits, outputs, rows, names)


def gradient_norms(problem: Problem, state: State, rows: Batch) -> dict[str, Floats]:
    """Return the norm of each array's gradient, as {"gradient W1": [K], ...}."""
    with one_blas_thread():
        gradient = views(objective_and_gradient(problem, state, rows).gradient, problem.network.entries)
    return {f"gradient {name}": np.sqrt((part * part).sum((-2, -1))) for name, part in gradient.items()}
