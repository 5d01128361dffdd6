"""Trace layers: the formulas of a layer's value and gradients, from running its function on grids of formulas.

What a layer computes on the way is shown too, by the names that its variables have.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from deltarule.maths.network import PlacedLayer
from deltarule.problem.problem import Floats
from deltarule.program.numpy_text import with_locals
from deltarule.tracing.expressions import SAMPLES, Expression, Index
from deltarule.tracing.grid import Grid
from deltarule.tracing.trace_builder import TraceBuilder

VALUES = {
    "dense": "{source} W{n}{bias}, pre-activations",
    "scaling": "{source} times scale{n}, scaled inputs",
    "batch_norm": "gamma{n} zhat{n} + beta{n}, normalized",
    "dropout": "{source} after dropout",
    "mean": "mean of {source} over the {over}",
    "variance": "variance of {source} over the {over}",
    "zhat": "{source} with mean 0 and variance 1",
    "centered": "{source} with mean 0",
    "deviation": "standard deviation of {source}",
}
"""What a layer's value is, and what its statistics and named parts are; of others the name of the layer says it."""
GRADIENTS = {
    ("dense", "W"): "{source}ᵀ δ{n}",
    ("dense", "b"): "Σ δ{n} over the samples",
    ("dense", "x"): "δ{n} W{n}ᵀ",
    ("scaling", "scale"): "Σ ∂J/∂s{n} x over the samples",
    ("batch_norm", "gamma"): "Σ ∂J/∂n{n} zhat{n} over the samples",
    ("batch_norm", "beta"): "Σ ∂J/∂n{n} over the samples",
    ("batch_norm", "x"): "back through batch norm, whose mean and variance depend on every sample",
    ("dropout", "x"): "back through the same mask of dropout",
}
"""What a gradient is: of an array of a layer, or of its input, x."""
_SHOWN = {"normalized": "zhat"}
"""Names of parts in the code, and in explanations."""

Rule = Callable[..., Expression | None]


class LayerTrace:
    """A layer that has run on numbers and on formulas."""

    def __init__(self, trace: TraceBuilder, placed: PlacedLayer) -> None:
        self.trace, self.placed = trace, placed
        self.n, self.layer, self.source = placed.number, placed.layer, trace.input_name(placed.name)
        given = [self._given(name) for name in self.layer.given]
        operands = [self._operand(name) for name in (self.source, *map(trace.resolved, placed.arrays))]
        operands += given
        parameters = {
            key: _of_one(reference, float(self.layer.parameters[key]))
            for key, reference in trace.add_parameters("layer", self.layer, self.n).items()
        }
        numbers = {key: value for key, (_, value) in parameters.items()}
        self.numbers, variables, _ = with_locals(self.layer.function, *(array for _, array in operands), **numbers)
        self.grids: Sequence[Any] | None = None
        self.parts: dict[str, tuple[Floats, Grid]] = {}
        try:
            formulas = {key: grid for key, (grid, _) in parameters.items()}
            self.grids, named, _ = with_locals(self.layer.function, *(grid for grid, _ in operands), **formulas)
        except Exception:  # whatever an own layer raises on what is not an array: it has no formulas then
            return
        known = {id(grid) for grid, _ in [*operands, *parameters.values()]} | {id(self.grids[0])}
        for name, grid in named.items():
            is_truth = np.asarray(variables[name]).dtype.kind == "b"  # it stands where it is asked for
            if isinstance(grid, Grid) and id(grid) not in known and not is_truth:
                self.parts[name] = variables[name], grid

    def _operand(self, name: str) -> tuple[Grid, Floats]:
        quantity = self.trace.at[name]
        array = np.atleast_2d(quantity.value)
        of_rows = SAMPLES if quantity.axes[:1] == (SAMPLES,) else "d"
        grid = Grid(array.shape, of_rows + ("d" if name == self.source else quantity.axes[-1]), _no_entry)
        grid.give_name(quantity)
        return grid, array

    def _given(self, name: str) -> tuple[Grid, Any]:
        """Return what a layer takes of the update: each row's share of the batch, or a mask and the rate."""
        trace, n = self.trace, self.n
        if name == "share":
            grid = Grid((len(trace.w), 1), "ij", lambda i, _: trace.weight(i) / trace.at["N"]())
            return grid, (trace.w / trace.w.sum())[:, None]
        if name == "dropout":
            value = trace.dropped[f"dropout{n}"]
            setting = trace.add_setting(f"dropout{n}", value, f"dropout rate after layer {n}", layer=n)
            return _of_one(setting, float(value.ravel()[0]))
        about = "1 where a unit stays, 0 where it is dropped: drawn from the seed, the step and the sample's position"
        trace.add(f"keep{n}", "forward", trace.dropped[f"keep{n}"], "ij", about)
        return self._operand(f"keep{n}")

    def add_value(self) -> None:
        """Add the layer's statistics, what it computes on the way, and its value."""
        grids = self.grids or (None, None, *[None] * len(self.layer.statistics))
        statistics = zip(self.layer.statistics, zip(self.numbers[2:], grids[2:], strict=True), strict=True)
        parts = dict(statistics) | self.parts
        bias = f" + b{self.n}" if "b" in self.layer.arrays else ""
        over = "batch" if self.layer.given else "row"
        words = {"source": self.source, "n": self.n, "bias": bias, "over": over}
        for name, (array, grid) in parts.items():
            shown = _SHOWN.get(name, name)
            about = VALUES.get(shown, f"{shown} of {self.layer.name}").format(**words)
            name = f"{shown}{self.n}"
            is_taken = name in self.trace.at or name == self.placed.name
            self._add(f"{shown}_{self.placed.name}" if is_taken else name, "forward", array, grid, about)
        about = VALUES.get(self.layer.name, f"{self.layer.name} of {{source}}").format(**words)
        array = self.trace.tape[self.placed.name].value
        self._add(self.placed.name, "forward", array[0] if array.ndim == 3 else array, grids[0], about)

    def _add(self, name: str, section: str, array: Floats, grid: Grid | None, about: str) -> None:
        rows, columns = array.shape
        of_rows = SAMPLES if rows == len(self.trace.w) else "d"[: rows - 1]
        of_columns = "d" if self.layer.name == "scaling" or self.placed.units != columns == self.placed.inputs else "j"
        axes = of_rows + (of_columns if columns != 1 or self.placed.units == 1 or not of_rows else "")
        shape = array.shape if len(axes) == 2 else (max(rows, columns),)
        self.trace.add(name, section, array.reshape(shape), axes, about, rule_of(grid, axes))
        if grid is not None:
            grid.give_name(self.trace.at[name])

    def gradients(self, upstream: str) -> list[Grid | None]:
        """Return the formulas of the gradients of the layer's input, and of all that it takes, in order."""
        count = 1 + len(self.placed.arrays)
        if self.grids is not None:
            grid = Grid(self.grids[0].shape, "ij", _no_entry)
            grid.give_name(self.trace.at[upstream])
            with suppress(Exception):  # as above
                returned = self.grids[1](grid)
                return list(returned if isinstance(returned, tuple) else (returned,))[:count]
        return [None] * count

    def about(self, name: str) -> str:
        known = GRADIENTS.get((self.layer.name, name), f"back through {self.layer.name}")
        return known.format(source=self.source, n=self.n)


def rule_of(grid: Any, axes: str) -> Rule | None:
    """The formula of an entry by the indices of some axes; None where a function has none."""
    if not isinstance(grid, Grid):
        return None

    def rule(*index: Any) -> Expression | None:
        row, column = index if len(index) == 2 else (index[0], 0) if axes == SAMPLES else (0, *index)
        try:
            formula = grid(row, column) if grid.formula is _no_entry else grid.formula(row, column)
        except Exception:  # whatever a formula of the user's raises on what is not a number
            return None
        return formula if isinstance(formula, Expression) else None

    return rule


def _no_entry(row: Index, column: Index) -> None:
    """The formula of what has a name."""


def _of_one(reference: Expression, value: float) -> tuple[Grid, float]:
    return Grid((1, 1), "ij", lambda *index: reference), value
