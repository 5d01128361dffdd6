"""The protocol of engines, their trace, and evaluation in NumPy.

K members · B rows that are evaluated together · C outputs
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np

from deltarule import platforms
from deltarule.maths.objective import data_term, penalty_term
from deltarule.problem.batches import Batch, all_rows, groups, split_by_kind
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State

Result = TypeVar("Result")
Metrics = Mapping[str, Callable[[Floats, Floats, Floats], Floats]]
"""Functions of outputs [K, B, C], targets and weights that return [K], by the name of the metric."""

MAX_ROWS_PER_PASS = 4096
MAX_NUMBERS_PER_PASS = 2**16
"""The rows of a forward pass, always the same, and the unit values of its members: an evaluation of a large data set,
or of many members, needs no more memory than a small one. These values, 0.5 MB, stay in a processor's cache: with four
times as many an evaluation of 4,096 networks 8-3-8 takes twice as long."""
MAX_COPIED_NUMBERS = 2**18
"""Up to this many inputs are copied to evaluate members with different rows together."""

FLUSH_EVERY = 100
"""The interval, in updates, at which subnormal numbers are set to 0.

It is for θ and for the optimizer's slots: a penalty lets the weights of a unit that is never active decay for ever, and
products with subnormal numbers take a processor forty times as long. Steps are counted from the training's start: its
division into calls changes no bit.
"""


@dataclass(frozen=True, eq=False)
class Trace:
    """The objectives before each of n updates, and the first nonfinite steps.

    objective [n, K]  each member's objective on its batch, before each update
    bad [K]           the first step at which the objective or the updated state is not finite; −1 if there is none
    """

    objective: Floats
    bad: Integers


@dataclass(frozen=True, eq=False)
class Updates:
    """n updates of `state`, and where programs write: `after`, `objective` [n, K] and `bad` [K]."""

    problem: Problem
    state: State
    after: State
    n: int
    objective: Floats
    bad: Integers


class Engine(Protocol):
    """An engine: `advance` makes updates, `outputs` computes outputs.

    A member's result depends on nothing but the member: not on the other members of the state, on how the updates are
    divided into calls, or on the number of threads. All bits are the same.
    """

    name: str

    def advance(self, problem: Problem, state: State, n: int) -> tuple[State, Trace]:
        """Return the state after n updates, and their trace."""

    def outputs(self, problem: Problem, state: State, x: Floats) -> tuple[Floats, Floats]:
        """Evaluation-mode logits and outputs.   x [B, D] or [K, B, D]  →  z, a [K, B, C]."""

    def evaluate(
        self, problem: Problem, state: State, rows: tuple[Any, Any] | None, metrics: Metrics
    ) -> dict[str, Floats]:
        """Return objective and metrics of every member in evaluation mode, {name: [K]}.

        `rows` are inputs and targets that all members share; None for each member's training rows, with their weights.
        """
        values: dict[str, Floats] = {}
        for indices, part in row_parts(problem, state, rows):

            def evaluate_block(block: Integers, part: Batch = part) -> tuple[Integers, dict[str, Floats]]:
                return block, _values(self, problem, state.take(block), part, metrics)

            is_shared = part.x.ndim == 2 and part.w.ndim == 2
            blocks = (
                map_blocks(evaluate_block, problem, indices, len(part.x)) if is_shared else [evaluate_block(indices)]
            )
            for block, block_values in blocks:
                for name, value in block_values.items():
                    values.setdefault(name, np.empty(len(state.members), value.dtype))[block] = value
        return values

    def notes(self, problem: Problem) -> tuple[str, ...]:
        """Return notes for the user on how this problem is advanced."""
        return ()

    def __repr__(self) -> str:
        return f"Engine '{self.name}'"


def flush_subnormals(array: Floats) -> Floats:
    """Return a copy of an array in which subnormal numbers of its dtype are 0."""
    return np.where(np.abs(array) < np.finfo(array.dtype).tiny, array.dtype.type(0), array)


def row_parts(problem: Problem, state: State, rows: tuple[Any, Any] | None) -> Iterator[tuple[Integers, Batch]]:
    """Yield groups of members that are evaluated together: their indices and rows."""
    if rows is not None:
        x, y = rows
        yield np.arange(len(state.members)), Batch(x, y, np.ones((len(x), 1), problem.dtype), np.arange(len(x)))
        return
    for group in groups(problem, state.members):
        # Few inputs are copied, to evaluate members with different rows together.
        numbers = len(group) * problem.row_count(int(state.members[group[0]])) * problem.network.inputs
        is_one = problem.rows is None or numbers <= MAX_COPIED_NUMBERS
        for indices in [group] if is_one else split_by_kind(group, problem.row_kinds[state.members[group]]):
            yield indices, all_rows(problem, state.members[indices])


def map_blocks(
    function: Callable[[Integers], Result], problem: Problem, indices: Integers, row_count: int
) -> Iterator[Result]:
    """Yield a function's results for blocks of member indices, in parallel.

    The function evaluates `row_count` rows; a member's numbers must not depend on the other members of its block.
    """
    widths = sum(problem.network.sizes)
    block_size = max(1, MAX_NUMBERS_PER_PASS // (min(row_count, MAX_ROWS_PER_PASS) * widths))
    blocks = np.array_split(indices, -(-len(indices) // block_size))
    if len(blocks) == 1:
        yield function(indices)
    else:
        yield from platforms.thread_pool(platforms.processor_count(), "look").map(function, blocks)


def split_rows(x: Floats) -> list[Floats]:
    starts = range(0, x.shape[-2], MAX_ROWS_PER_PASS)
    return [x[..., start : start + MAX_ROWS_PER_PASS, :] for start in starts]


def outputs_of(problem: Problem, engine: Engine, state: State, x: Floats) -> tuple[Floats, Floats]:
    """Return logits and outputs of every member, z and a [K, B, C]; threads divide the rows of a single network."""
    parts = split_rows(x)
    if len(parts) == 1:
        return engine.outputs(problem, state, x)
    threads = platforms.available_processors() if problem.members == 1 else 1  # blocks of several have theirs
    over_parts = platforms.thread_pool(threads, "rows").map if threads > 1 else map
    of_parts = [*over_parts(partial(engine.outputs, problem, state), parts)]
    logits, outputs = (np.concatenate(arrays, axis=-2) for arrays in zip(*of_parts, strict=True))
    return logits, outputs


def _values(engine: Engine, problem: Problem, state: State, rows: Batch, metrics: Metrics) -> dict[str, Floats]:
    logits, outputs = outputs_of(problem, engine, state, rows.x)
    values = {"objective": objective_of_logits(problem, state, logits, rows)}
    with np.errstate(all="ignore"):
        return values | {name: metric(outputs, rows.y, rows.w) for name, metric in metrics.items()}


def objective_of_logits(problem: Problem, state: State, logits: Floats, rows: Batch) -> Floats:
    """Return the objective [K], penalty included, of logits [K, B, C]."""
    with np.errstate(all="ignore"):
        J, _ = data_term(problem.loss, problem.reduction, problem.network.output, logits, rows.y, rows.w)
        if problem.penalty is not None:
            strength = problem.strength[state.members, None].astype(problem.dtype)
            samples = rows.w.sum(-2)
            chosen = problem.penalized.astype(problem.dtype)
            J = J + penalty_term(problem.penalty, strength, state.theta, chosen, samples)[0]
    return np.asarray(J)
