"""The correct intermediate values of an update, with their formulas."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.checking.mistakes.catalog import join_names
from deltarule.checking.mistakes.network_matching import Layout
from deltarule.engines.reference import apply_optimizer, objective_and_gradient
from deltarule.maths.elementary import Array
from deltarule.maths.losses import Loss, divisor
from deltarule.maths.network import flatten, views
from deltarule.maths.objective import data_term
from deltarule.problem.batches import batch
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.registry import Named
from deltarule.problem.state import initial_state


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

    params            the parameters before the update, in that layout
    problem_options   further arguments of `create_problem`
    is_per_sample     dz and da are those of single samples, without 1 / N
    """
    problem = create_problem(network, x, y, loss=loss, **problem_options)
    ours = layout.to_ours(tuple(np.asarray(value, float) for value in params), network)
    state = initial_state(problem, flatten({name: array[None] for name, array in ours.items()}, network.entries))
    rows = batch(problem, state.members, 0)
    result = objective_and_gradient(problem, state, rows)
    samples = rows.w.sum(-2, keepdims=True)
    formulas = _Formulas(problem, layout, is_per_sample)
    scale = divisor(problem.reduction, samples, 1) if is_per_sample else 1.0

    def in_layout(value: Array) -> Floats:
        return np.asarray(value[0].T if layout.columns else value[0])

    def parameters_in_layout(theta: Array) -> tuple[Floats, ...]:
        return layout.to_theirs({name: array[0] for name, array in views(theta, network.entries).items()})

    for taped in result.tape:
        yield CorrectValue(taped.name, in_layout(taped.value), formulas.forward(taped.name))
    last, logits = network.layers[-1].number, result.tape[-1].value
    prediction = network.output.forward(logits)[0]
    yield CorrectValue(f"a{last}", in_layout(prediction), formulas.forward(f"a{last}"))
    yield CorrectValue("loss", np.asarray(result.objective[0]), formulas.objective())
    with np.errstate(all="ignore"):  # the backward pass of a fused loss and output does not compute ∂J/∂a
        slope = problem.loss.derivative(prediction, rows.y, **problem.loss.parameters)
        at_output = rows.w / divisor(problem.reduction, samples, rows.y.shape[-1]) * slope
    if np.isfinite(at_output).all():
        yield CorrectValue(f"da{last}", in_layout(scale * at_output), formulas.at_output())
    gradients = parameters_in_layout(result.gradient)
    upstream = data_term(problem.loss, problem.reduction, network.output, logits, rows.y, rows.w)[1]()
    for taped in reversed(result.tape):
        name = f"d{taped.name}"
        yield CorrectValue(name, in_layout(scale * upstream), formulas.backward(name))
        upstream = taped.backward(upstream)[0]
        for array in (f"W{taped.name[1:]}", f"b{taped.name[1:]}") if taped.name[0] == "z" else ():
            if array in layout.index:
                index, penalty = layout.index[array], _penalty_factor(problem, float(samples.sum()), array)
                formula = formulas.backward(f"d{array}")
                yield CorrectValue(f"d{array}", gradients[index], formula, params[index], penalty)
    updated = parameters_in_layout(apply_optimizer(problem, state, result.gradient)[0])
    for name, index in layout.index.items():
        yield CorrectValue(name, updated[index], formulas.update(name))


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

    def forward(self, name: str) -> str:
        """The formula of z, n or a, as `name` with the layer number says, such as z1."""
        n = int(name[1:])
        layer = self.problem.network.layers[n - 1]
        if name[0] == "z":
            product = self._product(_input_name(n), f"W{n}{'ᵀ' if self._is_weight_transposed else ''}")
            return f"{name} = {product}" + (f" + b{n}" if layer.bias else "")
        if name[0] == "n":
            return f"{name} = gamma{n} (z{n} − mean) / √(variance + ε) + beta{n}, over the batch"
        formula = _formula_in_docstring(layer.activation.function, layer.activation.name)
        return f"{name} = {layer.activation.name}(z{n}){f': {formula}' if formula else ''}"

    def backward(self, name: str) -> str:
        """The formula of a backward value such as dz1."""
        n, kind, network = int(name[2:]), name[:2], self.problem.network
        if kind == "dz" and n == network.layers[-1].number:
            return f"{name} = {self._output_delta(n)}"
        if kind in ("dz", "dn"):
            activation = network.layers[n - 1].activation
            slope = _formula_in_docstring(activation.derivative, f"the derivative of {activation.name} at z{n}")
            return f"{name} = da{n} through {activation.name}: {slope}"
        if kind == "da":
            return f"{name} = {self._product(f'dz{n + 1}', f'W{n + 1}' + ('' if self._is_weight_transposed else 'ᵀ'))}"
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

    def at_output(self) -> str:
        n, loss = self.problem.network.layers[-1].number, self.problem.loss
        slope = _formula_in_docstring(loss.derivative, f"the derivative of {loss.name}")
        return f"da{n} = ({slope}){self._share}, with p = a{n}"

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
