"""Where the numbers of a program in lanes lie, and the loops over them: what the writer of the program is made of.

L lanes (members of a block)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from deltarule.engines.compiled.codegen_formulas import once_a_step_count
from deltarule.engines.compiled.formula_compiler import Formulas
from deltarule.engines.compiled.formula_rewriter import NotCompilable
from deltarule.maths.activations import Activation
from deltarule.maths.network import Layer
from deltarule.problem.problem import Problem

MIN_TILED = 64
"""Weights of the first layer from which on its products go through tiles."""


@dataclass(frozen=True)
class Shape:
    """What a program is made for, beside the formulas: everything else is a number that it is given.

    own_rows   members differ in the rows they see, or in their order      weights   "none", "shared" or "own"
    drops      for each hidden layer, whether any member drops units of it
    """

    lanes: int
    own_rows: bool
    weights: str
    drops: tuple[bool, ...]


class Lines:
    """The lines of a program, at their depth."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0

    def add(self, *lines: str) -> None:
        """Add lines at the current depth."""
        self.lines += ["    " * self.depth + line for line in lines]


class LaneWriter:
    """The lines of a program, the places of its values in the arrays of a block, and loops over units and lanes."""

    def __init__(self, problem: Problem, shape: Shape) -> None:
        self.problem, self.shape, self.L = problem, shape, shape.lanes
        self.alone = shape.lanes == 1
        self.own_rows = shape.own_rows and not self.alone
        self.tiled = is_tiled(problem, self.own_rows)
        self.layered = self.alone or self.tiled
        self.layers, self.formulas, self.out = problem.network.layers, Formulas(problem.dtype), Lines()
        self.start = {entry.name: entry.start for entry in problem.network.entries}
        self.check()
        # Where each layer's values lie: pre-activations in Z, activations (dropped ones too) and own inputs in A,
        # ∂J/∂z in E, dropout's gains in K, targets, losses and what softmax subtracts in V, in M one row for each
        # number that is found on the way, and the inputs of tiles in X. All but those of M are a row's own.
        self.rows_of: dict[str, int] = dict.fromkeys("ZAEKVMX", 0)
        self.place: dict[tuple[str, int], tuple[str, int, int]] = {}
        for layer in self.layers:
            for kind, array in (("z", "Z"), ("a", "A"), ("d", "A"), ("g", "E"), ("k", "K")):
                self.reserve(kind, layer.number, array, layer.units)
        self.reserve("x", 0, "X" if self.tiled else "A", self.layers[0].inputs)
        self.reserve("y", 0, "V", self.layers[-1].units)
        self.reserve("v", 0, "V", self.layers[-1].units)
        self.reserve("most", 0, "V", 1)
        self.reserve("log", 0, "V", 1)
        for kind in ("share", "total", "sum", "rate", "check"):
            self.reserve(kind, 0, "M", 1)
        self.reserve("once", 0, "M", once_a_step_count(problem.optimizer))
        self.reserve("norm", 0, "M", len(problem.network.entries))
        self.reserve("zero", 0, "M", 1)

    def reserve(self, kind: str, number: int, array: str, rows: int) -> None:
        """Give the values of a kind their rows in an array."""
        self.place[kind, number] = array, self.rows_of[array], rows
        self.rows_of[array] += rows

    def check(self) -> None:
        """Raise `NotCompilable` for what a program in lanes lacks."""
        for layer in self.layers:
            if layer.batch_norm:
                raise NotCompilable("batch norm")
            # Weights of a layer up to which it is unrolled; beyond it, matrix products are faster than lanes anyway.
            if layer.inputs * layer.units > 640:
                raise NotCompilable(f"a layer of {layer.inputs} × {layer.units} weights")
            if layer.activation.rowwise and layer.activation.name != "softmax":
                raise NotCompilable(f"the activation '{layer.activation.name}', which couples units")
        if self.problem.optimizer.update is None:
            raise NotCompilable(f"the optimizer '{self.problem.optimizer.name}'")

    def at(self, kind: str, number: int = 0, row: int = 0, unit: str = "") -> str:
        """A value in this lane: of the row-th unit, or of the unit that a loop's variable names."""
        array, start, units = self.place[kind, number]
        if self.alone and array != "M":
            return f"{kind}{number}[i * {units} + {unit or row}]"
        if self.layered and array != "M":
            each = f" + {unit} * {self.L}" if unit else ""
            return f"{kind}{number}[i * {units * self.L} + {row * self.L}{each} + l]"
        offset = f" + {unit} * {self.L}" if unit else ""
        return f"{array}[{(start + row) * self.L}{offset} + l]"

    def parameter(self, array: str, row: int = 0, unit: str = "", stride: int = 1, vector: str = "T") -> str:
        """An entry of a parameter array (W1, b1 …), or with vector "G" of its gradient, in this lane."""
        offset = f" + {unit} * {stride * self.L}" if unit else ""
        return f"{vector}[{(self.start[array] + row) * self.L}{offset} + l]"

    def lanes(self, *lines: str, over: str = "") -> None:
        """A loop over the members of the block; `over` is a loop around it, such as "h in range(3)"."""
        if over:
            self.out.add(f"for {over}:")
            self.out.depth += 1
        self.out.add(f"for l in range({self.L}):", *(f"    {line}" for line in lines))
        self.out.depth -= bool(over)

    def every(self, kind: str, number: int = 0) -> str:
        """A value in a loop over all units of a layer and all lanes, and rows where these go through it together."""
        array, start, _ = self.place[kind, number]
        return f"{kind}{number}[j]" if self.layered else f"{array}[{start * self.L} + j]"

    def units(self, number: int, *lines: str) -> None:
        """A loop over all units of a layer and all lanes or rows: what is elementwise needs no other."""
        count = self.layers[number - 1].units * self.L
        values = f"count * {count}" if self.layered else f"{count}"
        self.out.add(f"for j in range({values}):", *(f"    {line}" for line in lines))

    @contextmanager
    def rows(self, inputs: bool = False) -> Iterator[None]:
        """What is done with each row: a loop of its own, or what is written is within such a loop already."""
        if not self.layered:
            yield
            return
        self.out.add("for i in range(count):")
        self.out.depth += 1
        self.row_of(inputs)
        yield
        self.out.depth -= 1

    def exactly(self, value: str) -> str:
        """A value in float64, in which a loss is computed: a product of two float32 numbers would be rounded."""
        return value if self.problem.dtype == np.float64 else f"np.float64({value})"

    def in_dtype(self, value: str) -> str:
        """A number as it is in θ's dtype, in which the reference engine gives it to an optimizer."""
        return value if self.problem.dtype == np.float64 else f"np.float64(np.float32({value}))"

    def add_to_objective(self, value: str) -> str:
        """A line that adds to the objective; that of a member alone is rounded as if it were in an array, too."""
        if not self.alone:
            return f"J[s * {self.L} + l] += {value}"
        return f"value = np.{self.problem.dtype}(value + {value})"

    def row_of(self, inputs: bool = True) -> None:
        """Which row this is: `r` and its inputs, the same in all lanes, or inputs found anew for each lane."""
        columns = range(self.layers[0].inputs if inputs else 0)
        if self.own_rows:
            for d in columns:
                self.lanes(f"{self.at('x', 0, d)} = x[ids[epoch, i * {self.L} + l], {d}]")
        else:
            place = "start + i" if self.layered else "i"
            columns = range(0) if self.tiled else columns
            self.out.add(f"r = ids[epoch, {place}]", *(f"x{d} = x[r, {d}]" for d in columns))

    def weight(self) -> str:
        """The weight of this row."""
        row = f"ids[epoch, i * {self.L} + l]" if self.own_rows else "r"
        return {"none": "1.0", "shared": f"w[{row}, 0]", "own": f"w[{row}, l]"}[self.shape.weights]

    def input(self, layer: Layer, d: int) -> str:
        """The d-th input of a layer."""
        if layer.number == 1:
            return self.at("x", 0, d) if self.own_rows else f"x{d}"
        before = layer.number - 1
        return self.at("d" if self.shape.drops[before - 1] else "a", before, d)

    def shares_inputs(self, layer: Layer) -> bool:
        """Whether the inputs of a layer are the same in all lanes: those of the first, or there is but one lane."""
        return layer.number == 1 or self.alone

    def inputs(self, layer: Layer) -> str:
        """All inputs of a layer, where products go through tiles."""
        before = layer.number - 1
        return f"{'d' if self.shape.drops[before - 1] else 'a'}{before}" if before else "X"

    def sizes(self, layer: Layer) -> str:
        """What products in lanes are told of a layer."""
        return f"count, {layer.inputs}, {layer.units}, {self.L}"

    def whole(self, array: str, vector: str = "T") -> str:
        """A parameter array of all lanes, or with vector "G" its gradient."""
        entry = next(entry for entry in self.problem.network.entries if entry.name == array)
        return f"{vector}[{entry.start * self.L} : {entry.stop * self.L}]"

    def activation(self, activation: Activation, z: str) -> str:
        """f(z)"""
        return self.formulas.call(activation.function, z, **activation.parameters)

    def slope(self, activation: Activation, z: str, a: str) -> str:
        """f'(z), of z and a = f(z)"""
        return self.formulas.call(activation.derivative, z, a, **activation.parameters)

    def check_of(self, names: list[str]) -> list[str]:
        """Lines that notice a number that is not finite."""
        if self.alone:  # to count them is no sum that depends on its order
            return [f"unsound += 1 if {name} - {name} != 0 else 0" for name in names]
        # 0 for a finite number and NaN for any other: one sum tells whether all of them are finite.
        return [f"{self.at('check')} += {' + '.join(f'0 * {name}' for name in names)}"]

    def number(self, name: str) -> str:
        """A member's number, by name."""
        return f"N[{number_names(self.problem).index(name) * self.L} + l]"


def number_names(problem: Problem) -> list[str]:
    """The numbers of a member that a program reads, in the order of its array N."""
    return [
        *problem.numbers,
        *(f"schedule's {name}" for name in problem.schedule_numbers),
        "strength",
        *(f"gain of layer {layer.number}" for layer in problem.network.layers[:-1]),
    ]


def is_tiled(problem: Problem, own_rows: bool) -> bool:
    """Whether the products of the first layer go through tiles: its inputs must be the same in all lanes."""
    first = problem.network.layers[0]
    return not own_rows and problem.dtype == np.float64 and first.inputs * first.units >= MIN_TILED
