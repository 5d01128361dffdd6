"""Trace the backward pass: ∂J/∂ every array, from the logits to the first layer."""

from collections.abc import Sequence
from typing import Any

from deltarule.maths.losses import divisor
from deltarule.maths.network import Taped, numbered
from deltarule.maths.network import backward as network_backward
from deltarule.tracing import formulas
from deltarule.tracing.expressions import Expression, Index
from deltarule.tracing.grid import Grid
from deltarule.tracing.layers import about, rule_of
from deltarule.tracing.trace_builder import TraceBuilder


def backward(trace: TraceBuilder, tape: Sequence[Taped]) -> None:
    """Run the backward pass on the grids of the forward pass, and add its arrays in the order of the way back."""
    upstreams: dict[str, Grid] = {}

    def noted(taped: Taped) -> Taped:
        def back(upstream: Grid) -> Any:
            upstreams[taped.name] = upstream
            return taped.backward(upstream)

        return taped._replace(backward=back)

    loss, output = trace.problem.loss, trace.network.output
    is_fused = loss.fused_with(output) is not None
    tape = tape[:-1] if is_fused else tape
    gradients = network_backward([*map(noted, tape)], _output_derivative(trace, is_fused))
    what = f"{loss.name} behind {output.name}: predicted minus target" if is_fused else f"the slope of {loss.name}"
    layers = {placed.name: placed for placed in trace.network.layers}
    for taped, before in zip(reversed(tape), [*reversed(["x", *(each.name for each in tape)])][1:], strict=True):
        if taped.name not in upstreams:  # in front of the first parameters
            break
        _add_derivative(trace, taped.name, upstreams[taped.name], what)
        what = f"back through {taped.kind}"
        if taped.name in layers:
            placed = layers[taped.name]
            for symbol in placed.layer.arrays:
                name = numbered(symbol, placed.number)
                _add_parameter_gradient(trace, name, gradients[name], about(placed, symbol, before))
            what = about(placed, "x", before)


def derivative_name(name: str) -> str:
    """The name of ∂J/∂ the array `name`, such as ∂J/∂W2 for W2 or δ2 for z2."""
    return f"δ{name[1:]}" if name.startswith("z") else f"∂J/∂{name}"


def _output_derivative(trace: TraceBuilder, is_fused: bool) -> Grid:
    """∂J/∂ the predictions, or ∂J/∂ the logits where the loss is computed from these."""
    problem, rows, loss, output = trace.problem, trace.rows, trace.problem.loss, trace.network.output
    share = rows.w / divisor(problem.reduction, rows.w.sum(-2, keepdims=True), trace.network.outputs)
    if is_fused:
        array = loss.forward(output, trace.logits.value, rows.y)[1](share)
    else:
        array = share * loss.derivative(output.forward(trace.logits.value)[0], rows.y, **loss.parameters)

    def slope(i: Index, j: Index) -> Expression | None:
        _, formula = trace.loss_formulas(i, j)
        return None if formula is None else trace.objective_weight(i) * formula

    return Grid(array, "ij", slope)


def _add_derivative(trace: TraceBuilder, name: str, grid: Grid, about: str) -> None:
    short, axes = derivative_name(name), "id" if name.startswith("s") else "ij"
    description = f"∂J/∂{name}, {about}" if short.startswith("δ") else about
    grid.give_name(trace.add(short, "backward", grid.array, axes, description, rule_of(grid, axes)))


def _add_parameter_gradient(trace: TraceBuilder, name: str, of_layers: Grid, about: str) -> None:
    """Add the gradient of an array: that of all layers that take it, and the penalty's part."""
    axes = "".join(trace.at[name].axes)
    penalty = trace.problem.penalty if name in trace.penalized_names else None
    rule = rule_of(of_layers, axes)

    def penalized(*index: Index) -> Expression | None:
        gradient = rule and rule(*index)
        if gradient is None or penalty is None:
            return gradient
        slope = formulas.run(f"{penalty.name}′", penalty.derivative, trace.at[name](*index))
        return gradient + trace.strength() * slope

    part = ", and the penalty's part" if penalty else ""
    value, short = trace.gradient[name], derivative_name(name)
    quantity = trace.add(short, "backward", value, axes, about + part, penalized)
    if penalty is None:
        of_layers.give_name(quantity)
