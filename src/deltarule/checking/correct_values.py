"""The correct intermediate values of an update, with their formulas."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.checking.mistakes.catalog import join_names
from deltarule.checking.mistakes.network_matching import Layout
from deltarule.maths.losses import Loss, divisor
from deltarule.maths.network import flatten
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.registry import Named
from deltarule.problem.state import initial_state
from deltarule.tracing.explain import explain_update
from deltarule.tracing.explanation import Explanation


@dataclass(frozen=True, eq=False)
class CorrectValue:
    """A correct intermediate value: its name, numbers and formula.

    parameter  for a gradient, the values of its parameter
    penalty    c of the penalty's part c w, or c sign(w), of a parameter's gradient
    """

    name: str
    array: Floats
    formula: str
    parameter: Floats | None = None
    penalty: float = 0.0


def correct_values(
    network: Network,
    params: Sequence[Floats],
    layout: Layout,
    x: Floats,
    y: Floats,
    loss: Named | Loss,
    problem_options: Mapping[str, Any],
    *,
    is_per_sample: bool,
) -> Iterator[CorrectValue]:
    """Yield the correct values of a network's update in order of computation.

    is_per_sample     dz and da are those of single samples, without 1 / N
    """
    problem = create_problem(network, x, y, loss=loss, **problem_options)
    ours = layout.to_ours(tuple(np.asarray(value, float) for value in params), network)
    state = initial_state(problem, flatten({name: array[None] for name, array in ours.items()}, network.entries))
    trace, formulas = explain_update(problem, state), _Formulas(problem, layout, is_per_sample)
    samples = float(trace["N"])
    scale = float(divisor(problem.reduction, np.asarray(samples), 1)) if is_per_sample else 1.0
    gradients = layout.to_theirs({name: trace[f"∂J/∂{name}"] for name in layout.index})
    for quantity in trace.quantities.values():
        name = _standard_name(quantity.name)
        if re.fullmatch(r"d?[zna]\d+", name):
            value = scale * quantity.value if quantity.section == "backward" else quantity.value
            yield CorrectValue(name, value.T if layout.columns else value, formulas.of(name))
        elif re.fullmatch(r"d[Wb]\d+", name):
            index, penalty = layout.index[name[1:]], _penalty_factor(problem, samples, name[1:])
            yield CorrectValue(name, gradients[index], formulas.of(name), params[index], penalty)
        elif quantity.name == "J":
            yield CorrectValue("loss", quantity.value, formulas.objective())
            yield from _output_gradient(trace, formulas, scale)
    updated = layout.to_theirs({name: trace[f"{name}_new"] for name in layout.index})
    for name, index in layout.index.items():
        yield CorrectValue(name, updated[index], formulas.update(name))


def _standard_name(name: str) -> str:
    return f"dz{name[1:]}" if name[0] == "δ" else name.replace("∂J/∂", "d")


def _output_gradient(trace: Explanation, formulas: "_Formulas", scale: float) -> Iterator[CorrectValue]:
    """Yield ∂J/∂a of the outputs, which a loss fused with them does not compute."""
    problem, n = trace.problem, len(trace.problem.network.layers)
    if f"∂J/∂a{n}" in trace.quantities:
        return
    with np.errstate(all="ignore"):
        slope = problem.loss.derivative(trace[f"a{n}"], trace["y"], **problem.loss.parameters)
    gradient = scale * np.reshape(trace["share"], (-1, 1)) * slope
    if np.isfinite(gradient).all():
        yield CorrectValue(f"da{n}", gradient.T if formulas.layout.columns else gradient, formulas.of(f"da{n}"))


def _penalty_factor(problem: Problem, samples: float, name: str) -> float:
    penalty = problem.penalty
    if penalty is None or not _is_penalized(problem, name):
        return 0.0
    c = float(problem.strength[0] * penalty.derivative(np.ones(1))[0])
    return c / samples if penalty.per_sample else c


def _is_penalized(problem: Problem, name: str) -> bool:
    return any(problem.penalized[entry.start] for entry in problem.network.entries if entry.name == name)


@dataclass(frozen=True)
class _Formulas:
    """The formulas of a network's values as text, in the user's layout."""

    problem: Problem
    layout: Layout
    is_per_sample: bool

    def of(self, name: str) -> str:
        """The formula of a value such as z1 or dW2."""
        kind, n, network = name.rstrip("0123456789"), int(re.sub(r"\D", "", name)), self.problem.network
        layer, last = network.layers[n - 1], network.layers[-1].number
        activation, weights, transposed = layer.activation, f"W{n}", f"W{n}ᵀ"
        if self._is_weight_transposed:
            weights, transposed = transposed, weights
        if kind == "z":
            return f"{name} = {self._product(_input_name(n), weights)}" + (f" + b{n}" if layer.bias else "")
        if kind == "n":
            return f"{name} = gamma{n} (z{n} − mean) / √(variance + ε) + beta{n}, over the batch"
        if kind == "a":
            formula = _formula_in_docstring(activation.function, activation.name)
            return f"{name} = {activation.name}(z{n}){f': {formula}' if formula else ''}"
        if kind == "da" and n == last:
            loss = self.problem.loss
            slope = _formula_in_docstring(loss.derivative, f"the derivative of {loss.name}")
            return f"{name} = ({slope}){self._share}, with p = a{n}"
        if kind == "da":
            return f"{name} = {self._product(f'dz{n + 1}', transposed.replace(f'W{n}', f'W{n + 1}'))}"
        if kind == "dz" and n == last:
            return f"{name} = {self._output_delta(n)}"
        if kind in ("dz", "dn"):
            slope = _formula_in_docstring(activation.derivative, f"the derivative of {activation.name} at z{n}")
            return f"{name} = da{n} through {activation.name}: {slope}"
        mean, penalty = " / N" if self.is_per_sample else "", self._penalty(name[1:])
        if kind == "db":
            return f"{name} = the sum of dz{n} over the samples{mean}{penalty}"
        factors = (_input_name(n), f"dz{n}")  # xᵀ δ, in one of its four forms
        left, right = reversed(factors) if self.layout.transposed else factors
        product = f"{left} {right}ᵀ" if self.layout.columns else f"{left}ᵀ {right}"
        return f"{name} = {product}{mean}{penalty}"

    def objective(self) -> str:
        """The formula of the loss."""
        problem, penalty = self.problem, self.problem.penalty
        data = f"the {problem.loss.name}, as a {problem.reduction}"
        if penalty is None:
            return data
        entries = [entry.name for entry in problem.network.entries if problem.penalized[entry.start]]
        each = _formula_in_docstring(penalty.value, penalty.name)
        return f"{data}, + {self._strength} · the sum of ({each}), with w = {join_names(entries)}"

    def update(self, name: str) -> str:
        optimizer = self.problem.optimizer
        return f"{name}: {_formula_in_docstring(optimizer.update, optimizer.name)}, with θ = {name} and g = d{name}"

    @property
    def _is_weight_transposed(self) -> bool:
        return self.layout.transposed != self.layout.columns

    def _product(self, left: str, right: str) -> str:
        return f"{right} {left}" if self.layout.columns else f"{left} {right}"

    @property
    def _share(self) -> str:
        C, reduction = self.problem.network.outputs, self.problem.reduction
        if self.is_per_sample:
            return f" / {C}" if reduction == "mean_elements" else ""
        return {"sum": "", "mean_samples": " / N", "mean_elements": f" / ({C} N)"}[reduction]

    @property
    def _strength(self) -> str:
        return "λ / N" if self.problem.penalty and self.problem.penalty.per_sample else "λ"

    def _output_delta(self, n: int) -> str:
        """The formula of dz{n}, where n is the number of the last layer."""
        output = self.problem.network.output
        fused = self.problem.loss.fused_with(output)
        if fused:
            return f"({_formula_in_docstring(fused.derivative, 'predicted minus target')}){self._share}, with z = z{n}"
        if output.name == "identity":
            return f"da{n}"
        return f"da{n}, through {output.name}: {_formula_in_docstring(output.derivative, 'f′(z)')}"

    def _penalty(self, name: str) -> str:
        penalty = self.problem.penalty
        if penalty is None or not _is_penalized(self.problem, name):
            return ""
        return f" + {self._strength} · ({_formula_in_docstring(penalty.derivative, penalty.name)}), with w = {name}"


def _input_name(n: int) -> str:
    return "x" if n == 1 else f"a{n - 1}"


def _formula_in_docstring(function: Any, default: str) -> str:
    text = (getattr(function, "__doc__", None) or "").strip().split("\n")[0]
    return re.split(r"(?:\.    Source|: |; )", text)[0].strip() or default
