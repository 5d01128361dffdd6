"""The formulas of a network's values, as text in the user's layout."""

import re
from typing import Any

from deltarule.checking.mistakes.catalog import join_names
from deltarule.checking.mistakes.network_matching import Layout
from deltarule.problem.problem import Problem


class Formulas:
    """Formulas of the values, with samples as rows or columns and weights inputs × outputs or transposed.

    is_per_sample   dz and da are those of single samples, without 1 / N
    """

    def __init__(self, problem: Problem, layout: Layout, *, is_per_sample: bool) -> None:
        self.problem, self.network, self.is_per_sample = problem, problem.network, is_per_sample
        self.columns, self.transposed = layout.columns, layout.transposed

    def _input(self, n: int) -> str:
        return "x" if n == 1 else f"a{n - 1}"

    def forward(self, name: str) -> str:
        """The formula of z, n or a."""
        n = int(name[1:])
        if name[0] == "z":
            factors = [self._input(n), f"W{n}{'ᵀ' if self.transposed != self.columns else ''}"]
            product = " ".join(reversed(factors) if self.columns else factors)
            return f"{name} = {product}" + (f" + b{n}" if self.network.layers[n - 1].bias else "")
        if name[0] == "n":
            return f"{name} = gamma{n} (z{n} − mean) / √(variance + ε) + beta{n}, over the batch"
        activation = self.network.layers[n - 1].activation
        formula = formula_in_docstring(activation.function, activation.name)
        return f"{name} = {activation.name}(z{n}){f': {formula}' if formula else ''}"

    def backward(self, name: str) -> str:
        """The formula of dz, dn, da, dW or db."""
        n, kind = int(name[2:]), name[:2]
        last = self.network.layers[-1].number
        if kind == "dz" and n == last:
            return f"{name} = {self._output_delta(n)}"
        if kind == "dz" or kind == "dn":
            activation = self.network.layers[n - 1].activation
            slope = formula_in_docstring(activation.derivative, f"the derivative of {activation.name} at z{n}")
            return f"{name} = da{n} through {activation.name}: {slope}"
        if kind == "da":
            factors = [f"dz{n + 1}", f"W{n + 1}{'' if self.transposed != self.columns else 'ᵀ'}"]
            return f"{name} = {' '.join(reversed(factors) if self.columns else factors)}"
        if kind == "db":
            return f"{name} = the sum of dz{n} over the samples{self._mean}{self._penalty(n, 'b')}"
        return f"{name} = {self._weight_gradient(n)}{self._mean}{self._penalty(n, 'W')}"

    @property
    def _share(self) -> str:
        C = self.network.outputs
        if self.is_per_sample:
            return f" / {C}" if self.problem.reduction == "mean_elements" else ""
        return {"sum": "", "mean_samples": " / N", "mean_elements": f" / ({C} N)"}[self.problem.reduction]

    @property
    def _mean(self) -> str:
        return " / N" if self.is_per_sample else ""

    def objective(self) -> str:
        """The formula of the loss."""
        problem, penalty = self.problem, self.problem.penalty
        entries = [one.name for one in self.network.entries if problem.penalized[one.start]]
        data = f"the {problem.loss.name}, as a {problem.reduction}"
        if penalty is None:
            return data
        each = formula_in_docstring(penalty.value, penalty.name)
        return f"{data}, + {self._strength} · the sum of ({each}), with w = {join_names(entries)}"

    @property
    def _strength(self) -> str:
        return "λ / N" if self.problem.penalty and self.problem.penalty.per_sample else "λ"

    def at_output(self, n: int) -> str:
        """The formula of da of the last layer."""
        slope = formula_in_docstring(self.problem.loss.derivative, f"the derivative of {self.problem.loss.name}")
        return f"da{n} = ({slope}){self._share}, with p = a{n}"

    def _output_delta(self, n: int) -> str:
        loss, output = self.problem.loss, self.network.output
        fused = loss.fused.get(output.name)
        if fused:
            return f"({formula_in_docstring(fused.derivative, 'predicted minus target')}){self._share}, with z = z{n}"
        through = (
            ""
            if output.name == "identity"
            else f", through {output.name}: {formula_in_docstring(output.derivative, 'f′(z)')}"
        )
        return f"da{n}{through}"

    def _weight_gradient(self, n: int) -> str:
        """xᵀ δ, in one of its four forms."""
        inputs, delta = self._input(n), f"dz{n}"
        if self.columns:
            return f"{delta} {inputs}ᵀ" if self.transposed else f"{inputs} {delta}ᵀ"
        return f"{delta}ᵀ {inputs}" if self.transposed else f"{inputs}ᵀ {delta}"

    def _penalty(self, n: int, letter: str) -> str:
        penalty = self.problem.penalty
        entry = next((one for one in self.network.entries if one.name == f"{letter}{n}"), None)
        if penalty is None or entry is None or not self.problem.penalized[entry.start]:
            return ""
        return f" + {self._strength} · ({formula_in_docstring(penalty.derivative, penalty.name)}), with w = {letter}{n}"

    def update(self, name: str) -> str:
        """The formula of W or b after the update."""
        optimizer = self.problem.optimizer
        return f"{name}: {formula_in_docstring(optimizer.update, optimizer.name)}, with θ = {name} and g = d{name}"


def formula_in_docstring(function: Any, default: str) -> str:
    """The formula at the beginning of a function's docstring."""
    text = (getattr(function, "__doc__", None) or "").strip().split("\n")[0]
    return re.split(r"(?:\.    Source|: |; )", text)[0].strip() or default
