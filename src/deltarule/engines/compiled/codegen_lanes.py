"""The layout of a block's arrays, the expressions of its values, and its lines.

L lanes (members of a block)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from deltarule.engines.compiled.codegen_formulas import update_numbers
from deltarule.engines.compiled.formula_printer import Formulas, NotCompilable
from deltarule.maths.activations import Activation
from deltarule.maths.network import Layer
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.registry import is_built_in

MIN_TILED, MIN_TILED_ALONE = 64, 16
"""The weights of the largest layer from which on products are computed in tiles, with lanes and for a single member.

With fewer, tiles were measured to take longer, or with lanes to save less than the 0.8 s that they take to compile."""


STEP_VALUES = "step_values"
"""The name of the array of numbers that belong to a step and not to a row, such as the learning rate."""


Space = tuple[int, type]
"""The length and the dtype of a flat scratch array."""


class ArrayRange(NamedTuple):
    """`rows` rows from `start` on of the flat array named `array`."""

    name: str
    array: str
    start: int
    rows: int


class LaneEmitter:
    """Collects the source lines of a program, with loops over lanes."""

    def __init__(self, lane_count: int) -> None:
        self.lines: list[str] = []
        self.depth = 0
        self.L = lane_count

    def add(self, *lines: str) -> None:
        self.lines += ["    " * self.depth + line for line in lines]

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Add `head` with a colon, and indent the lines added within this context."""
        self.add(f"{head}:")
        self.depth += 1
        yield
        self.depth -= 1

    def lanes(self, *lines: str, over: str = "") -> None:
        """Add lines in a loop over the lanes l, within a loop `over`."""
        if over:
            with self.block(f"for {over}"):
                self.lanes(*lines)
            return
        with self.block(f"for l in range({self.L})"):
            self.add(*lines)


@dataclass(frozen=True)
class Shape:
    """What a program for small networks is specialized for besides the structure.

    lanes      members of a block
    own_rows   whether members differ in the rows that they see, or in the order of these
    weights    the rows' weights: "none", "shared" by all members, or each member's "own"
    drops      for each hidden layer, whether any member drops units of it
    """

    lanes: int
    own_rows: bool
    weights: str
    drops: tuple[bool, ...]


class LaneWriter:
    """Base of the generator: lays out a block's arrays, and writes expressions.

    Values are those of one row, which the next row overwrites, or with `is_batched` those of all rows of a batch or a
    tile. All lanes see the same row, unless they `has_own_rows`.
    """

    def __init__(self, problem: Problem, shape: Shape) -> None:
        self.problem, self.shape, self.L = problem, shape, shape.lanes
        self.layers, self.formulas, self.out = problem.network.layers, Formulas(problem.dtype), LaneEmitter(self.L)
        self.number_names = list(member_numbers(problem))
        _check_compilable(problem)
        self.is_single = self.L == 1
        self.has_own_rows = shape.own_rows and not self.is_single
        self.is_tiled = is_tiled(problem, self.L, self.has_own_rows)
        self.is_batched = self.is_single or self.is_tiled
        self.row_counts: dict[str, int] = dict.fromkeys(
            ("pre_activations", "activations", "grad_z", "gains", "row_values", STEP_VALUES, "inputs"), 0
        )
        self.array_ranges: dict[tuple[str, int], ArrayRange] = {}
        self._reserve_ranges()
        self.objective = "value" if self.is_single else f"objective[s * {self.L} + l]"
        self.row_index, self.row_range = ("start + i", "count") if self.is_batched else ("i", "begin, end")

    def _reserve_ranges(self) -> None:
        network, optimizer = self.problem.network, self.problem.optimizer
        kinds = {"z": "pre_activations", "a": "activations", "d": "activations", "g": "grad_z", "k": "gains"}
        for layer in self.layers:
            for kind, array in kinds.items():
                self._reserve(kind, layer.number, array, layer.units)
        self._reserve("x", 0, "inputs" if self.is_tiled else "activations", self.layers[0].inputs)
        for kind, rows in (("y", self.layers[-1].units), ("v", self.layers[-1].units), ("max", 1), ("log", 1)):
            self._reserve(kind, 0, "row_values", rows)
        counts = dict.fromkeys(("share", "total", "sum", "rate", "check"), 1)
        counts |= {
            "once": len(update_numbers(optimizer)) if optimizer.once_a_step else 0,
            "norm": len(network.entries),
            "zero": 1,
        }
        counts |= {"setting": len(self.number_names) if self.formulas.rounds else 0}
        for kind, rows in counts.items():
            self._reserve(kind, 0, STEP_VALUES, rows)

    def _reserve(self, kind: str, number: int, array: str, rows: int) -> None:
        self.array_ranges[kind, number] = ArrayRange(f"{kind}{number}", array, self.row_counts[array], rows)
        self.row_counts[array] += rows

    def at(self, kind: str, number: int = 0, row: int = 0, unit: str = "") -> str:
        """Return the expression of a value in lane l, for unit `row` + `unit`."""
        reserved, offset = self.array_ranges[kind, number], f" + {unit} * {self.L}" if unit else ""
        if not self.is_batched or reserved.array == STEP_VALUES:
            return f"{reserved.array}[{(reserved.start + row) * self.L}{offset} + l]"
        if self.is_single:
            return f"{reserved.name}[i * {reserved.rows} + {unit or row}]"
        return f"{reserved.name}[i * {reserved.rows * self.L} + {row * self.L}{offset} + l]"

    def every(self, kind: str, number: int = 0) -> str:
        """Return the expression of value j in an elementwise loop, see `units`."""
        reserved = self.array_ranges[kind, number]
        return f"{reserved.name}[j]" if self.is_batched else f"{reserved.array}[{reserved.start * self.L} + j]"

    def parameter(self, array: str, row: int = 0, unit: str = "", stride: int = 1, vector: str = "theta") -> str:
        """Return the expression of an entry of a parameter array in lane l."""
        offset = f" + {unit} * {stride * self.L}" if unit else ""
        start = next(entry.start for entry in self.problem.network.entries if entry.name == array)
        return f"{vector}[{(start + row) * self.L}{offset} + l]"

    def parameters(self, array: str, vector: str = "theta") -> str:
        """Return the expression of a parameter array (W1, b1 …) of all lanes."""
        entry = next(entry for entry in self.problem.network.entries if entry.name == array)
        return f"{vector}[{entry.start * self.L} : {entry.stop * self.L}]"

    def units(self, number: int, *lines: str) -> None:
        """Add lines in an elementwise loop j over the units of layer `number`."""
        count = f"{'count * ' if self.is_batched else ''}{self.layers[number - 1].units * self.L}"
        with self.out.block(f"for j in range({count})"):
            self.out.add(*lines)

    @contextmanager
    def each_row(self, inputs: bool = False) -> Iterator[None]:
        """Add the lines of this context in a loop over rows, unless one is around it."""
        if not self.is_batched:
            yield
            return
        with self.out.block("for i in range(count)"):
            self.load_row(inputs)
            yield

    def load_row(self, inputs: bool = True) -> None:
        count = self.layers[0].inputs if inputs and not self.is_tiled else 0  # for tiles, inputs were gathered before
        if not self.has_own_rows:
            self.out.add(f"r = ids[epoch, {self.row_index}]", *(f"x{d} = x[r, {d}]" for d in range(count)))
            return
        for d in range(count):
            self.out.lanes(f"{self.at('x', 0, d)} = x[{self.row()}, {d}]")

    def row(self) -> str:
        """Return the expression of the row's index in x, y and the weights."""
        return f"ids[epoch, i * {self.L} + l]" if self.has_own_rows else "r"

    def row_weight(self) -> str:
        return {"none": "1.0", "shared": f"w[{self.row()}, 0]", "own": f"w[{self.row()}, l]"}[self.shape.weights]

    def input(self, layer: Layer, d: int) -> str:
        """Return the expression of a layer's input number `d`, after dropout, in lane l."""
        before = layer.number - 1
        if not before:
            return self.at("x", 0, d) if self.has_own_rows else f"x{d}"
        return self.at("d" if self.shape.drops[before - 1] else "a", before, d)

    def add_to_objective(self, value: str) -> str:
        return f"value = np.{self.problem.dtype}(value + {value})" if self.is_single else f"{self.objective} += {value}"

    def inputs(self, layer: Layer) -> str:
        """Return the name of the array of all inputs of a layer, for products in tiles."""
        before = layer.number - 1
        return f"{'d' if self.shape.drops[before - 1] else 'a'}{before}" if before else "inputs"

    def activation(self, activation: Activation, z: str) -> str:
        return self.formulas.call(activation.function, z, parameters=activation.parameters)

    def slope(self, activation: Activation, z: str, a: str) -> str:
        return self.formulas.call(activation.derivative, z, a, parameters=activation.parameters)

    def number(self, name: str) -> str:
        """Return the expression of a member's hyperparameter, by name, in float64."""
        return f"hyperparameters[{self.number_names.index(name) * self.L} + l]"

    def setting(self, name: str) -> str:
        """Return the expression of a member's hyperparameter, rounded to θ's dtype."""
        if not self.formulas.rounds:
            return self.number(name)
        return self.at("setting", 0, self.number_names.index(name))


def _check_compilable(problem: Problem) -> None:
    for layer in problem.network.layers:
        if layer.batch_norm:
            raise NotCompilable("batch norm")
        if layer.scaling:
            raise NotCompilable("a scaling layer")
        # Layers are unrolled up to 640 weights; beyond, matrix products are faster than lanes anyway.
        if layer.inputs * layer.units > 640:
            raise NotCompilable(f"a layer of {layer.inputs} × {layer.units} weights")
        if layer.activation.rowwise and not is_built_in(layer.activation):
            raise NotCompilable(f"the activation '{layer.activation.name}', which couples units")


def member_numbers(problem: Problem) -> dict[str, Floats]:
    """Return the hyperparameters [K] that a program reads, by name.

    The optimizer's are those of each range of θ, with a factor in place of the learning rate.
    """
    numbers = {**problem.numbers, "learning_rate": np.ones(problem.members)}
    return {
        "learning_rate": problem.numbers["learning_rate"],
        **{f"schedule's {name}": value for name, value in problem.schedule_numbers.items()},
        "strength": problem.strength,
        **{f"gain of layer {n}": 1 / (1 - rates) for n, rates in enumerate(problem.dropout.T, start=1)},
        **{
            f"{name} of range {index}": value
            for index, part in enumerate(problem.number_ranges)
            for name, value in problem.range_numbers(part, numbers).items()
        },
    }


def is_tiled(problem: Problem, lanes: int, own_rows: bool) -> bool:
    weights = max(layer.inputs * layer.units for layer in problem.network.layers)
    return not own_rows and weights >= (MIN_TILED_ALONE if lanes == 1 else MIN_TILED)
