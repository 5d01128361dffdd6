"""The members of a large network's program: their arrays, blocks of rows, and tiles."""

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from deltarule.engines.compiled.blas import blas
from deltarule.engines.compiled.cache import load_module
from deltarule.engines.compiled.formula_compiler import heads
from deltarule.maths.random import drop_threshold, key_words
from deltarule.problem.batches import row_orders
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State

NEAR_BYTES, MIN_MEMBERS_TOGETHER = 400_000, 4
"""What θ and the optimizer's memory of the members that go through updates together may take, beside what is a batch's;
and members from which on it is worth that each such group brings its rows together anew."""

BLOCK_ROWS, MAX_BLOCKS = 128, 8
"""Rows of a block at least, so that products stay large; and blocks at most, for each has a gradient of its own."""


@dataclass(frozen=True, eq=False)
class Members:
    """Some members of a state that have equally many rows, and what is theirs for n updates.

    run              the compiled function `advance` of the problem's program
    after            the state that is changed, in the members' places
    objective, bad   the trace's [n, K] and [K], which are changed likewise
    """

    run: Callable[..., None]
    problem: Problem
    state: State
    after: State
    places: Integers
    n: int
    objective: Floats
    bad: Integers

    @property
    def blocks(self) -> int:
        """Into how many blocks the rows of their batches are divided."""
        return blocks_of(self.problem, self.problem.batch_rows(self.state.members[self.places[0]]))

    @property
    def together(self) -> int:
        """How many of them make an update before the next: many share a batch's rows, few stay in the nearer memory."""
        near = NEAR_BYTES // sum(vector[0].nbytes for vector in (self.after.theta, *self.after.slots.values()))
        return near if near >= MIN_MEMBERS_TOGETHER else len(self.places)

    def advance(self) -> None:
        """Advance them, on this thread."""
        self.shares(1)[0]()

    def shares(self, threads: int) -> list[Callable[[], None]]:
        """The work as so many shares, which must run at the same time; the result does not depend on how many."""
        gate, arrays = np.zeros(1, np.int64), self._arrays()
        return [partial(self.run, me, threads, gate, _step_aside(), *arrays) for me in range(threads)]

    def _arrays(self) -> list[Any]:
        problem, state, n = self.problem, self.state, self.n
        members, layers, dtype = state.members[self.places], problem.network.layers, problem.dtype
        size, rows = problem.batch_rows(members[0]), problem.row_count(members[0])
        batches, blocks = -(-rows // size), self.blocks
        ids, positions = row_orders(problem, members, state.step, n)
        ranges = problem.update_ranges
        rates = problem.rates(members, np.arange(state.step, state.step + n)) * state.factor[self.places]
        dropout = problem.dropout[members]
        weights = np.ones((1, 1), dtype) if problem.weights is None else np.atleast_2d(problem.weights)
        of_batch = [problem.network.inputs, *(layer.units for layer in layers for _ in "zad")]
        of_batch += [layer.units for layer in layers[:-1]]
        spaces = [np.empty((size, units), dtype) for units in of_batch]
        for layer in layers:
            if layer.batch_norm:
                spaces += [np.empty((size, layer.units), dtype), np.empty((3, layer.units))]
        answers = size * layers[-1].units
        spaces += [np.empty(answers, dtype), np.empty(answers), np.empty(answers)]
        spaces += [np.zeros((1, max(problem.network.sizes)), dtype)]
        return [
            *((blas().gemm(dtype), tiles_of(dtype), np.ones((1, 1), dtype)), n, state.step, batches, size, rows),
            np.array([problem.network.inputs, *(layer.units for layer in layers)]),
            np.array([*(entry.start for entry in problem.network.entries), problem.network.parameters]),
            *(np.array([*(part.start for part in ranges), problem.network.parameters]), self.together, self.places),
            *(self.after.theta, self.after.buffers, rates),
            self._optimizer_numbers(members),
            *(problem.strength[members], dropout, drop_threshold(dropout)),
            np.stack(key_words(problem.dropout_seeds[members]), 1).astype(np.uint64),
            *(problem.x, problem.y, weights[members] if len(weights) > 1 else weights, problem.weights is not None),
            *(ids, positions, self.objective, self.bad, np.zeros(blocks)),
            *(np.zeros((len(ranges), blocks)), np.empty((blocks, 64)), np.zeros((len(ranges), blocks), np.int64)),
            *(*spaces, np.empty((blocks, self._turned_numbers()), dtype)),
            np.empty((blocks, problem.network.parameters), dtype),
            *(self.after.slots[name] for name in problem.optimizer.slots),
        ]

    def _turned_numbers(self) -> int:
        """The numbers of the largest weights that are turned, or scaled, before a product."""
        layers = self.problem.network.layers
        return max((layer.inputs * layer.units for layer in layers if layer.number > 1 or layer.scaling), default=0)

    def _optimizer_numbers(self, members: Integers) -> Floats:
        """The optimizer's numbers of each member, [K, numbers]; where arrays have factors [K, ranges, numbers].

        In the place of the learning rate then stands its factor, as each update has a rate of its own.
        """
        problem = self.problem
        numbers = {name: problem.numbers[name][members] for name in ("learning_rate", *problem.optimizer.parameters)}
        if not problem.factors:
            return np.stack(list(numbers.values()), 1)
        numbers["learning_rate"] = np.ones(len(members))
        of_ranges = [list(problem.range_numbers(part, numbers).values()) for part in problem.update_ranges]
        return np.ascontiguousarray(np.array(of_ranges).transpose(2, 0, 1))


def blocks_of(problem: Problem, rows: int) -> int:
    """Into how many blocks a batch's rows are divided: by their number alone, so that a member's bits are its own.

    Batch norm looks at all rows at a time.
    """
    if problem.network.buffers:
        return 1
    return int(np.clip(rows // BLOCK_ROWS, 1, MAX_BLOCKS))


@cache
def tiles_of(dtype: np.dtype[Any]) -> int:
    """The address of the function that multiplies in tiles: one for all programs, as it takes longer to compile than
    what calls it."""
    numbers = ", ".join(["a", "a_row", "a_term", "b", "b_row", "c", "c_row", "init", "init_row", "rows", "terms"])
    lines = [
        "from numba import cfunc",
        f"@cfunc(types.void({', '.join(['types.int64'] * 12)}), cache=True, pipeline_class=LinkedAsWritten)",
        f"def tiled({numbers}, columns):",
        f"    tiles(np.{dtype.name}(1), {numbers}, columns)",
    ]
    return int(load_module("\n".join([*heads("linking.py", "simd_math.py", "gemm_tiles.py"), *lines])).tiled.address)


@cache
def _step_aside() -> int:
    """The address of the system's function that gives the processor to another thread for a moment."""
    if sys.platform == "win32":
        function = ctypes.windll.kernel32.SwitchToThread
    else:
        function = ctypes.CDLL(None).sched_yield
    return int(ctypes.cast(function, ctypes.c_void_p).value or 0)
