"""Collect the arrays of a trace from the reference engine's pass.

All numbers are the engine's, bit for bit: they come from its tape, gradient and update, or from the formulas of `maths`
with the same arrays. A rule is a function from an index to the entry's formula.
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import exp, log

from deltarule.engines.reference import Pass, dropout_masks, objective_and_gradient
from deltarule.maths.network import views
from deltarule.problem.batches import Batch
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.registry import is_built_in
from deltarule.problem.state import State
from deltarule.tracing import formulas
from deltarule.tracing.explanation import Quantity
from deltarule.tracing.expressions import ONE, SAMPLES, Expression, Index, Ref, Series
from deltarule.tracing.formulas import Row

Names = tuple[str, ...]


class TraceBuilder:
    """Collects the quantities of one member's update.

    w [B] and y [B, C] are the weights and targets of the batch, `logits` what the engine's forward pass ends with, and
    `gradient` ∂J/∂θ with the penalty's part, by name.
    """

    def __init__(
        self, problem: Problem, state: State, rows: Batch, features: Names, classes: Names, samples: Names
    ) -> None:
        self.problem, self.state, self.rows = problem, state, rows
        self.features, self.classes, self.samples = features, classes, samples
        self.member, self.network = int(state.members[0]), problem.network
        self.at: dict[str, Quantity] = {}
        self.forward_pass: Pass = objective_and_gradient(problem, state, rows)
        self.logits = self.forward_pass.tape[-1]
        self.gradient = views(self.forward_pass.gradient[0], self.network.entries)
        self.w, self.y = drop_member_axis(rows.w)[:, 0], drop_member_axis(rows.y)
        self.has_equal_weights = bool((self.w == 1).all())
        self.dropped = dropout_masks(problem, state, rows)

    @property
    def last(self) -> int:
        return self.network.depth

    def add(
        self,
        name: str,
        section: str,
        value: Any,
        axes: str,
        about: str,
        rule: Callable[..., Expression | None] | None = None,
        *,
        layer: int | None = None,
    ) -> Quantity:
        """Add an array as a `Quantity`, of the layer in its name unless it is a setting."""
        if section != "settings":
            layer = self.last if section == "loss" else layer_number(name)
        array = np.asarray(value)
        array = array.reshape(array.shape[array.ndim - len(axes) :])
        if rule is not None and rule(*axes) is None:  # a custom formula without a tree
            rule = None
        lengths: dict[str, int] = dict(zip(axes, array.shape, strict=True))
        labels = tuple(self._axis_names(name, letter, length, layer) for letter, length in lengths.items())
        self.at[name] = Quantity(name, section, layer, about, array, tuple(axes), labels, rule)  # type: ignore[arg-type]
        return self.at[name]

    def _axis_names(self, name: str, letter: str, length: int, layer: int | None) -> Names | None:
        """The names of samples, features or classes along an axis, or None."""
        if letter == SAMPLES:
            return self.samples
        if name in ("x", "s1", "∂J/∂s1") or (letter == "d" and layer == 1):
            return self.features if len(self.features) == length else None
        is_of_outputs = name == "y" or (layer == self.last and letter != "d")
        return self.classes if is_of_outputs and len(self.classes) == length else None

    def add_setting(
        self, name: str, value: Any, about: str, formula: Expression | None = None, layer: int | None = None
    ) -> Ref:
        if name not in self.at:
            rule = None if formula is None else lambda: formula
            self.add(name, "settings", np.reshape(value, ()), "", about, rule, layer=layer)
        return self.at[name]()

    def row(self, name: str, i: Index) -> Row:
        return lambda j: self.at[name](i, j)

    def add_parameters(self, kind: str, formula: Any, layer: int | None = None) -> dict[str, Ref]:
        """Add a formula's parameters as settings and return references by name.

        Those of custom formulas may have any name, so that the kind becomes part of it.
        """
        suffix = f"{layer}" if layer and is_built_in(formula) else f"_{kind}{layer or ''}"
        return {
            key: self.add_setting(f"{key}{suffix}", value, f"parameter of {formula.name}", layer=layer)
            for key, value in formula.parameters.items()
        }

    def loss_formulas(self, i: Index, j: Index) -> tuple[Expression | None, Expression | None]:
        """The formulas of the loss ℓ[j] of a sample and of its slope.

        The slope is ∂ℓ/∂p[j] or, behind the activation that belongs to the loss, ∂(Σℓ)/∂z[j].
        """
        loss, output, n = self.problem.loss, self.network.output, self.last
        z, p, y = (self.row(name, i) for name in (self.logits.name, f"a{n}", "y"))
        numbers = self.add_parameters("loss", loss)
        match loss.fused_with(output) and loss.name:
            case None:
                slope = formulas.run(f"{loss.name}′", loss.derivative, p(j), y(j), **numbers)
                return formulas.run(loss.name, loss.value, p(j), y(j), **numbers), slope
            case "poisson":
                return loss.fused[output.name].value(z(j), y(j)), p(j) - y(j)
            case "binary_cross_entropy":
                return (1 - y(j)) * log(1 + exp(z(j))) + y(j) * log(1 + exp(-z(j))), p(j) - y(j)
            case "cross_entropy":
                units = self.network.outputs
                value = y(j) * (log(Series(("k",), (units,), lambda k: exp(z(k)))) - z(j))
                return value, p(j) * Series(("k",), (units,), y) - y(j)
        return None, None

    def sum_over_samples(self, term: Callable[[Index], Expression]) -> Series:
        return Series((SAMPLES,), (len(self.w),), term)

    def weight(self, i: Index) -> Expression:
        return ONE if self.has_equal_weights else self.at["w"](i)

    def objective_weight(self, i: Index) -> Ref:
        return self.at["share"]() if self.has_equal_weights else self.at["share"](i)

    @property
    def penalized_names(self) -> list[str]:
        if self.problem.penalty is None:
            return []
        return [entry.name for entry in self.network.entries if self.problem.penalized[entry.start] > 0]

    def strength(self) -> Expression:
        """Return the factor of the penalty, λ or λ/N, and add λ to the settings."""
        assert self.problem.penalty is not None
        strength = self.add_setting("λ", self.problem.strength[self.member], "strength of the penalty")
        return strength / self.at["N"]() if self.problem.penalty.per_sample else strength


def drop_member_axis(array: Floats) -> Floats:
    return np.asarray(array[0] if array.ndim == 3 else array)


def layer_number(name: str) -> int | None:
    found = re.search(r"(\d+)(_new)?$", name)
    return int(found[1]) if found else None
