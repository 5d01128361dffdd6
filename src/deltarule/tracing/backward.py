"""Trace the backward pass: ∂J/∂ every array, from the logits to the first layer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from deltarule.maths.elementary import Array
from deltarule.maths.losses import divisor
from deltarule.tracing import formulas
from deltarule.tracing.expressions import Expression, Index
from deltarule.tracing.layers import LayerTrace, Rule, rule_of
from deltarule.tracing.trace_builder import TraceBuilder

Part = tuple[Array, Rule | None]
"""A gradient and its formula."""


def backward(trace: TraceBuilder, layers: Mapping[str, LayerTrace]) -> None:
    """Add every array of the backward pass, in reverse order of the tape.

    The gradient of what several layers take is the sum of their parts.
    """
    upstream: Array | None = _add_output_derivatives(trace)
    parts: dict[str, list[Part]] = defaultdict(list)
    for taped in reversed(trace.forward_pass.tape):
        source, about = trace.input_name(taped.name), f"back through {taped.kind}"
        if upstream is None:
            break
        value, others = taped.backward(upstream)
        if taped.name not in layers:
            of_source: Rule | None = activation_rule(trace, taped.layer)
        else:
            layer, axes = layers[taped.name], "id" if source.startswith("s") else "ij"
            of_input, *grids = layer.gradients(derivative_name(taped.name))
            of_source, about = rule_of(of_input, axes), layer.about("x")
            for (name, array), grid in zip(others.items(), grids, strict=False):
                own = "".join(trace.at[name].axes)
                parts[name].append((array, rule_of(grid, own)))
                symbol = name.removesuffix(f"{layer.n}")
                if symbol in layer.layer.arrays:
                    _add_parameter_gradient(trace, name, own, layer.about(symbol), parts.pop(name))
                    if grid is not None:
                        grid.give_name(trace.at[derivative_name(name)])
        if source != "x" and value is not None:
            parts[source].append((value, of_source))
            upstream, rule = _total(parts.pop(source))
            axes = "id" if source.startswith("s") else "ij"
            _add_derivative(trace, source, upstream, about, rule, axes)
        else:
            upstream = None


def _total(parts: Sequence[Part]) -> tuple[Array, Rule | None]:
    """Return the sum of the gradients of several layers, and its formula."""
    rules = [rule for _, rule in parts]

    def rule(*index: Index) -> Expression | None:
        total: Any = None
        for each in rules:
            term = each and each(*index)
            if term is None:
                return None
            total = term if total is None else total + term
        return total

    total = parts[0][0]
    for array, _ in parts[1:]:
        total = total + array
    return total, rule


def derivative_name(name: str) -> str:
    """The name of ∂J/∂ the array `name`, such as ∂J/∂W2 for W2 or δ2 for z2."""
    return f"δ{name[1:]}" if name.startswith("z") else f"∂J/∂{name}"


def _add_derivative(
    trace: TraceBuilder, name: str, value: Array, about: str, rule: Rule | None, axes: str = "ij"
) -> None:
    short = derivative_name(name)
    description = f"∂J/∂{name}, {about}" if short.startswith("δ") else about
    trace.add(short, "backward", value, axes, description, rule)


def _add_output_derivatives(trace: TraceBuilder) -> Array:
    """Add the derivatives at the output layer and return ∂J/∂z."""
    problem, n, rows = trace.problem, trace.last, trace.rows
    z = trace.input_name(f"a{n}")
    loss, output, logits = problem.loss, trace.network.output, trace.tape[z].value
    share = rows.w / divisor(problem.reduction, rows.w.sum(-2, keepdims=True), trace.network.outputs)
    delta = loss.forward(output, logits, rows.y)[1](share)

    def slope(i: Index, j: Index) -> Expression | None:
        _, found = trace.loss_formulas(i, j)
        return None if found is None else trace.objective_weight(i) * found

    if loss.fused_with(output):
        _add_derivative(trace, z, delta, f"{loss.name} behind {output.name}: predicted minus target", slope)
        return delta
    at_p = share * loss.derivative(output.forward(logits)[0], rows.y, **loss.parameters)
    _add_derivative(trace, f"a{n}", at_p, f"the slope of {loss.name}", slope)
    _add_derivative(trace, z, delta, f"back through {output.name}", activation_rule(trace, n))
    return delta


def activation_rule(trace: TraceBuilder, n: int) -> Rule:
    """Return the formula of ∂J/∂z from that of ∂J/∂a."""
    activation, source, units = (
        trace.network.activations[n],
        trace.input_name(f"a{n}"),
        trace.at[f"a{n}"].value.shape[-1],
    )
    numbers = trace.add_parameters("activation", activation, n)

    def rule(i: Index, j: Index) -> Expression | None:
        z, a, da = (trace.row(name, i) for name in (source, f"a{n}", f"∂J/∂a{n}"))
        return formulas.activation_backward(activation, z, a, da, j, units, numbers)

    return rule


def _add_parameter_gradient(trace: TraceBuilder, name: str, axes: str, about: str, parts: Sequence[Part]) -> None:
    """Add the gradient of an array: that of all layers that take it, and the penalty's part."""
    penalty = trace.problem.penalty if name in trace.penalized_names else None
    _, of_layers = _total(parts)

    def rule(*index: Index) -> Expression | None:
        gradient = of_layers and of_layers(*index)
        if penalty is None or gradient is None:
            return gradient
        slope = formulas.run(f"{penalty.name}′", penalty.derivative, trace.at[name](*index))
        return gradient + trace.strength() * slope

    part = ", and the penalty's part" if penalty else ""
    _add_derivative(trace, name, trace.gradient[name], about + part, rule, axes)
