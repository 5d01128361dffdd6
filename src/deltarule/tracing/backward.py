"""Trace the backward pass: ∂J/∂ every array, from the logits to the first layer."""

from collections.abc import Callable

from numpy import sqrt

from deltarule.maths.activations import Activation
from deltarule.maths.elementary import Array
from deltarule.maths.losses import divisor
from deltarule.maths.network import PlacedLayer
from deltarule.tracing import formulas
from deltarule.tracing.expressions import Expression, Index, Series
from deltarule.tracing.trace_builder import TraceBuilder


def backward(trace: TraceBuilder) -> None:
    """Add every array of the backward pass, in reverse order of the tape."""
    through = {"scaling": _scaling, "dense": _dense, "batch_norm": _batch_norm, "dropout": _dropout}
    upstream = _add_output_derivatives(trace)
    for taped in reversed(trace.forward_pass.tape):
        layer = next(placed for placed in trace.network.layers if placed.name == taped.name)
        value, _ = taped.backward(upstream)
        if isinstance(layer.formula, Activation):
            _activation(trace, layer.number, layer.formula, value)
        else:
            through[taped.kind](trace, layer, value)
        upstream = value


def derivative_name(name: str) -> str:
    """The name of ∂J/∂ the array `name`, such as ∂J/∂W2 for W2 or δ2 for z2."""
    return f"δ{name[1:]}" if name.startswith("z") else f"∂J/∂{name}"


def _add_derivative(
    trace: TraceBuilder, name: str, value: Array, about: str, rule: Callable[..., Expression | None], axes: str = "ij"
) -> None:
    short = derivative_name(name)
    description = f"∂J/∂{name}, {about}" if short.startswith("δ") else about
    trace.add(short, "backward", value, axes, description, rule)


def _add_output_derivatives(trace: TraceBuilder) -> Array:
    """Add the derivatives at the output layer and return ∂J/∂z."""
    problem, n, rows = trace.problem, trace.last, trace.rows
    loss, output, logits = problem.loss, trace.network.output, trace.tape[f"z{n}"].value
    share = rows.w / divisor(problem.reduction, rows.w.sum(-2, keepdims=True), trace.network.outputs)
    delta = loss.forward(output, logits, rows.y)[1](share)

    def slope(i: Index, j: Index) -> Expression | None:
        _, found = trace.loss_formulas(i, j)
        return None if found is None else trace.objective_weight(i) * found

    if loss.fused_with(output):
        _add_derivative(trace, f"z{n}", delta, f"{loss.name} behind {output.name}: predicted minus target", slope)
        return delta
    at_p = share * loss.derivative(output.forward(logits)[0], rows.y, **loss.parameters)
    _add_derivative(trace, f"a{n}", at_p, f"the slope of {loss.name}", slope)
    _activation(trace, n, output, delta)
    return delta


def _activation(trace: TraceBuilder, n: int, activation: Activation, input_gradient: Array) -> None:
    source, units = trace.input_name(f"a{n}"), trace.at[f"a{n}"].value.shape[-1]
    numbers = trace.add_parameters("activation", activation, n)

    def rule(i: Index, j: Index) -> Expression | None:
        z, a, da = (trace.row(name, i) for name in (source, f"a{n}", f"∂J/∂a{n}"))
        return formulas.activation_backward(activation, z, a, da, j, units, numbers)

    _add_derivative(trace, source, input_gradient, f"back through {activation.name}", rule)


def _dropout(trace: TraceBuilder, layer: PlacedLayer, input_gradient: Array) -> None:
    n = layer.number
    slope, keep, rate = trace.at[f"∂J/∂d{n}"], trace.at[f"keep{n}"], trace.at[f"dropout{n}"]()
    about = "back through the same mask of dropout"
    _add_derivative(trace, f"a{n}", input_gradient, about, lambda i, j: slope(i, j) * keep(i, j) / (1 - rate))


def _batch_norm(trace: TraceBuilder, layer: PlacedLayer, input_gradient: Array) -> None:
    """Add the gradients with respect to batch norm's beta, gamma and input."""
    at, n = trace.at, layer.number
    slope, zhat = at[f"∂J/∂n{n}"], at[f"zhat{n}"]

    def z_rule(i: Index, j: Index) -> Expression:
        share = trace.weight(i) / at["N"]()
        through_mean, through_variance = share * at[f"∂J/∂beta{n}"](j), share * zhat(i, j) * at[f"∂J/∂gamma{n}"](j)
        gain = at[f"gamma{n}"](j) / sqrt(at[f"variance{n}"](j) + at["ε_norm"]())
        return gain * (slope(i, j) - through_mean - through_variance)

    terms = {
        "beta": (f"∂J/∂n{n}", lambda j: trace.sum_over_samples(lambda i: slope(i, j))),
        "gamma": (f"∂J/∂n{n} zhat{n}", lambda j: trace.sum_over_samples(lambda i: slope(i, j) * zhat(i, j))),
    }
    for name, (term, rule) in terms.items():
        _add_derivative(trace, f"{name}{n}", trace.gradient[f"{name}{n}"], f"Σ {term} over the samples", rule, "j")
    about = "back through batch norm, whose mean and variance depend on every sample"
    _add_derivative(trace, f"z{n}", input_gradient, about, z_rule)


def _dense(trace: TraceBuilder, layer: PlacedLayer, input_gradient: Array) -> None:
    """Add the gradients with respect to a layer's W, b and input."""
    n, inputs, weights = layer.number, trace.input_name(layer.name), trace.at[f"W{layer.number}"]
    x, delta = trace.at[inputs], trace.at[f"δ{n}"]
    terms: dict[str, tuple[str, str, Callable[..., Expression]]] = {
        f"W{n}": ("dj", f"{inputs}ᵀ δ{n}", lambda i, d, j: x(i, d) * delta(i, j)),
        f"b{n}": ("j", f"Σ δ{n} over the samples", lambda i, j: delta(i, j)),
    }
    for name, (axes, about, term) in terms.items():
        if name in trace.gradient:
            _add_parameter_gradient(trace, name, axes, about, term)
    if inputs != "x":
        axes = "id" if inputs == f"s{n}" else "ij"

        def rule(i: Index, j: Index) -> Expression:
            return Series(("k",), (layer.units,), lambda k: delta(i, k) * weights(j, k))

        _add_derivative(trace, inputs, input_gradient, f"δ{n} W{n}ᵀ", rule, axes)


def _add_parameter_gradient(
    trace: TraceBuilder, name: str, axes: str, about: str, term: Callable[..., Expression]
) -> None:
    """Add the gradient of W or b: a sum over the samples, and the penalty's part."""
    penalty = trace.problem.penalty if name in trace.penalized_names else None

    def rule(*index: Index) -> Expression:
        gradient = trace.sum_over_samples(lambda i: term(i, *index))
        if penalty is None:
            return gradient
        slope = formulas.run(f"{penalty.name}′", penalty.derivative, trace.at[name](*index))
        return gradient + trace.strength() * slope

    part = ", and the penalty's part" if penalty else ""
    _add_derivative(trace, name, trace.gradient[name], about + part, rule, axes)


def _scaling(trace: TraceBuilder, layer: PlacedLayer, input_gradient: Array) -> None:
    n, x, slope = layer.number, trace.at["x"], trace.at[f"∂J/∂s{layer.number}"]
    name, about = f"scale{n}", f"Σ ∂J/∂s{n} x over the samples"

    def rule(d: Index) -> Expression:
        return trace.sum_over_samples(lambda i: slope(i, d) * x(i, d))

    _add_derivative(trace, name, trace.gradient[name], about, rule, "d")
