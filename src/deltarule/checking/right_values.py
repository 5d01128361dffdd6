"""The right intermediate values of an update, in the layout of the user's code."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.checking.formulas import Formulas
from deltarule.checking.mistakes.network_matching import Layout
from deltarule.engines.reference import apply_optimizer, objective_and_gradient
from deltarule.maths.elementary import Array
from deltarule.maths.losses import Loss, divisor
from deltarule.maths.network import flatten, views
from deltarule.maths.objective import data_term
from deltarule.problem.batches import Batch, batch
from deltarule.problem.create import create_problem
from deltarule.problem.network import Network
from deltarule.problem.problem import Floats, Problem
from deltarule.problem.registry import Named
from deltarule.problem.state import initial_state


@dataclass(frozen=True, eq=False)
class RightValue:
    """An intermediate value: its name, the right numbers, the formula, and the parameter of a gradient.

    penalty  c of the penalty's part c w, or c sign(w), of a parameter's gradient
    """

    name: str
    array: Floats
    formula: str
    parameter: Floats | None = None
    penalty: float = 0.0


def right_values(
    network: Network,
    params: Sequence[Floats],
    layout: Layout,
    x: Floats,
    y: Floats,
    loss: Named | Loss,
    options: Mapping[str, Any],
    *,
    is_per_sample: bool,
) -> Iterator[RightValue]:
    """The right values in the order in which they are computed, in the user's layout.

    is_per_sample   dz and da are those of single samples, without 1 / N
    """
    problem = create_problem(network, x, y, loss=loss, **options)
    ours = layout.to_ours(tuple(np.asarray(value, float) for value in params), network)
    theta = flatten({name: array[None] for name, array in ours.items()}, network.entries)
    state = initial_state(problem, theta)
    rows = batch(problem, state.members, 0)
    result = objective_and_gradient(problem, state, rows)
    formulas = Formulas(problem, layout, is_per_sample=is_per_sample)
    scale = _sample_count(problem, rows) if is_per_sample else 1.0

    def in_layout(value: Array) -> Floats:
        return np.asarray(value[0].T if layout.columns else value[0])

    for taped in result.tape:
        yield RightValue(taped.name, in_layout(taped.value), formulas.forward(taped.name))
    last = network.layers[-1].number
    yield RightValue(
        f"a{last}", in_layout(network.output.forward(result.tape[-1].value)[0]), formulas.forward(f"a{last}")
    )
    yield RightValue("loss", np.asarray(result.objective[0]), formulas.objective())
    gradients = layout.to_theirs({name: array[0] for name, array in views(result.gradient, network.entries).items()})
    with np.errstate(all="ignore"):
        at_output = _output_derivative(problem, result.tape[-1].value, rows)
    if np.isfinite(at_output).all():
        yield RightValue(f"da{last}", in_layout(scale * at_output), formulas.at_output(last))
    upstream = data_term(problem.loss, problem.reduction, network.output, result.tape[-1].value, rows.y, rows.w)[1]()
    for i in reversed(range(len(result.tape))):
        name = result.tape[i].name
        yield RightValue(f"d{name}", in_layout(scale * upstream), formulas.backward(f"d{name}"))
        upstream = result.tape[i].backward(upstream)[0]
        if name[0] == "z":
            for array in (f"W{name[1:]}", f"b{name[1:]}"):
                if array in layout.index:
                    index = layout.index[array]
                    penalty = _penalty_factor(problem, rows, array)
                    yield RightValue(
                        f"d{array}", gradients[index], formulas.backward(f"d{array}"), params[index], penalty
                    )
    if problem.optimizer.update is not None:
        after, _ = apply_optimizer(problem, state, result.gradient)
        updated = layout.to_theirs({name: array[0] for name, array in views(after, network.entries).items()})
        for name, index in layout.index.items():
            yield RightValue(name, updated[index], formulas.update(name))


def _sample_count(problem: Problem, rows: Batch) -> Array:
    """The number of samples in a mean; 1 where there is none."""
    return divisor(problem.reduction, rows.w.sum(-2, keepdims=True), 1)


def _penalty_factor(problem: Problem, rows: Batch, name: str) -> float:
    """c of the penalty's part c w, or c sign(w), in an array's gradient."""
    penalty = problem.penalty
    entry = next(one for one in problem.network.entries if one.name == name)
    if penalty is None or not problem.penalized[entry.start]:
        return 0.0
    c = float(problem.strength[0] * penalty.derivative(np.ones(1))[0])
    return c / float(rows.w.sum()) if penalty.per_sample else c


def _output_derivative(problem: Problem, z: Array, rows: Batch) -> Array:
    """∂J/∂a of the last layer, which the backward pass of a fused loss and output does not compute."""
    loss = problem.loss
    p, _ = problem.network.output.forward(z)
    share = rows.w / divisor(problem.reduction, rows.w.sum(-2, keepdims=True), rows.y.shape[-1])
    return share * loss.derivative(p, rows.y, **loss.parameters)
