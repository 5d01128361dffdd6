"""Run the program for large networks on some members, on one or more threads."""

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from deltarule.engines.base import Updates
from deltarule.engines.compiled.cache import load_module
from deltarule.engines.compiled.codegen_formulas import read_program_sources
from deltarule.engines.compiled.codegen_large import hidden_activations
from deltarule.maths.random import drop_threshold, key_words
from deltarule.problem.batches import row_orders
from deltarule.problem.problem import Integers, Problem

NEAR_BYTES, MIN_MEMBERS_TOGETHER = 400_000, 4
"""The bytes that θ and the optimizer's slots of members that are updated together may take, beside a batch's arrays;
and the fewest such members for which it is worth gathering the batch's rows again for each group."""

MIN_SHARED_WORK = 2**20
"""The products of rows and parameters of an update that each of several threads gets at least: fewer of them take less
time than the threads would wait for one another."""

MAX_SHARING_THREADS = 4
"""The most of them: on eight processors eight threads took 1.2 to 3.3 times as long as four for each of five
networks."""

CHUNK_PARAMETERS, MAX_CHUNKS = 8192, 48
"""The fewest parameters of a chunk of θ, in which the penalty is summed, and the most chunks."""


@dataclass(frozen=True, eq=False)
class Members:
    """The members at `indices` of a state, which the program `run` advances."""

    run: Callable[..., None]
    updates: Updates
    indices: Integers

    @property
    def together(self) -> int:
        """How many members make an update before the next one."""
        after = self.updates.after
        near = NEAR_BYTES // sum(vector[0].nbytes for vector in (after.theta, *after.slots.values()))
        return near if near >= MIN_MEMBERS_TOGETHER else len(self.indices)

    def shared_threads(self, threads: int) -> int:
        """Return among how many of these threads each update is divided."""
        problem = self.updates.problem
        work = problem.batch_rows(self.updates.state.members[self.indices[0]]) * problem.network.parameters
        return int(np.clip(work // MIN_SHARED_WORK, 1, min(threads, MAX_SHARING_THREADS)))

    def thread_functions(self, threads: int) -> list[Callable[[], None]]:
        """Divide the work into one function a thread; no result depends on their number."""
        shared = {"threads": threads, "barrier": np.zeros(1, np.int64), "yield_address": _yield_address()}
        run = partial(self.run, **shared, **self._arrays(), **self._spaces(threads))
        return [partial(run, thread=thread) for thread in range(threads)]

    def _arrays(self) -> dict[str, Any]:
        """Return what the program reads, and what it writes for the caller."""
        problem, state, n, dtype = self.updates.problem, self.updates.state, self.updates.n, self.updates.problem.dtype
        after, members = self.updates.after, state.members[self.indices]
        size, rows = problem.batch_rows(members[0]), problem.row_count(members[0])
        ids, positions = row_orders(problem, members, state.step, n)
        dropout = problem.dropout[members]
        weights = np.ones((1, 1), dtype) if problem.weights is None else np.atleast_2d(problem.weights)
        rates = problem.rates(members, np.arange(state.step, state.step + n)) * state.factor[self.indices]
        # The hyperparameters [K, ranges, numbers], with a factor in place of the learning rate.
        numbers = {name: problem.numbers[name][members] for name in ("learning_rate", *problem.optimizer.parameters)}
        numbers["learning_rate"] = np.ones(len(members))
        by_range = [list(problem.range_numbers(part, numbers).values()) for part in problem.update_ranges]
        return {
            "updates": n,
            "step": state.step,
            "batches": -(-rows // size),
            "batch_size": size,
            "rows": rows,
            "sizes": np.array(problem.network.sizes),
            "table": _table_of(problem),
            "ranges": np.array([*(part.start for part in problem.update_ranges), problem.network.parameters]),
            "penalized": np.array([part.penalized for part in problem.update_ranges]),
            "group_size": self.together,
            "indices": self.indices,
            "theta": after.theta,
            "slots": tuple(after.slots[name] for name in problem.optimizer.slots),
            "buffers": after.buffers,
            "rates": rates,
            "hyperparameters": np.ascontiguousarray(np.array(by_range).transpose(2, 0, 1)),
            "strengths": problem.strength[members],
            "dropout": dropout,
            "limits": drop_threshold(dropout),
            "keys": np.stack(key_words(problem.dropout_seeds[members]), 1).astype(np.uint64),
            "X": problem.x,
            "Y": problem.y,
            "weights": weights[members] if len(weights) > 1 else weights,
            "weighted": problem.weights is not None,
            "ids": ids,
            "positions": positions,
            "objective": self.updates.objective,
            "bad": self.updates.bad,
        }

    def _spaces(self, threads: int) -> dict[str, Any]:
        """Return the program's scratch arrays."""
        problem = self.updates.problem
        dtype, parameters = problem.dtype, problem.network.parameters
        # By parameters alone, so that the sum of the penalties does not depend on the threads.
        chunks = int(np.clip(parameters // CHUNK_PARAMETERS, 1, MAX_CHUNKS))
        layers, ranges = problem.network.layers, len(problem.update_ranges)
        size = problem.batch_rows(self.updates.state.members[self.indices[0]])
        units = sum(layer.units for layer in layers)
        outputs, normalized = size * layers[-1].units, units if problem.network.buffers else 0
        return {
            "row_losses": np.empty(size),
            "values": np.zeros((ranges, chunks)),
            "partial_sums": np.empty((threads, 64)),
            "nonfinite": np.zeros((ranges, chunks), np.int64),
            "x_space": np.empty(size * problem.network.inputs, dtype),
            **{f"{name}_space": np.empty(size * units, dtype) for name in "zad"},
            "keep_space": np.empty(size * units if problem.drops else 0, dtype),
            "normalized_space": np.empty(size * normalized, dtype),
            "sums_space": np.empty(3 * normalized),
            "targets_space": np.empty(outputs, dtype),
            "shares_space": np.empty(outputs),
            "losses_space": np.empty(outputs),
            "zeros": np.zeros(max(problem.network.sizes), dtype),
            "ones": np.ones(1, dtype),
            "scaled": np.empty(layers[0].inputs * layers[0].units if layers[0].scaling else 0, dtype),
            "G": np.empty(parameters, dtype),
        }


def _table_of(problem: Problem) -> tuple[Integers, ...]:
    """Return the program's `table`: arrays with a number for each layer."""
    network, activations = problem.network, hidden_activations(problem)
    starts = {entry.name: entry.start for entry in (*network.entries, *network.buffers)}
    numbers = [layer.number for layer in network.layers]
    kinds = [activations.index(layer.activation) for layer in network.layers[:-1]]
    arrays = ("W", "b", "gamma", "beta", "mean")
    W, b, gamma, beta, mean = (np.array([starts.get(f"{name}{n}", -1) for n in numbers]) for name in arrays)
    first_units = np.cumsum([0, *(layer.units for layer in network.layers[:-1])])
    return W, b, np.array([*kinds, 0]), gamma, beta, mean, first_units


@cache
def tiles_of(dtype: np.dtype[Any], name: str = "tiles") -> int:
    """Return the address of a shared function: `tiles`, `lanes` or `products`."""
    import llvmlite.binding as llvm

    sources, pipeline = ["gemm_tiles.py"], "LinkedAsWritten"
    if name == "products":
        tiles_of(dtype)
        sources, pipeline = ["shared_tiles.py", "array_views.py", "panel_products.py"], "LinkedOnce"
    numbers = ", ".join(f"n{index}" for index in range(12))
    lines = [
        "from numba import cfunc",
        f"@cfunc(types.void({', '.join(['types.int64'] * 12)}), cache=True, pipeline_class={pipeline})",
        f"def shared({numbers}):",
        f"    {name}(np.{dtype.name}(1), {numbers})",
    ]
    texts = read_program_sources("linking.py", "simd_math.py", *sources)
    address = int(load_module("\n".join([*texts, *lines])).shared.address)
    llvm.add_symbol(f"deltarule_{name}_{dtype.name}", address)
    return address


@cache
def _yield_address() -> int:
    if sys.platform == "win32":
        function = ctypes.windll.kernel32.SwitchToThread
    else:
        function = ctypes.CDLL(None).sched_yield
    return int(ctypes.cast(function, ctypes.c_void_p).value or 0)
