"""Trace the backward pass: ∂J/∂ every array, from the logits to the first layer."""

from collections.abc import Callable

from numpy import sqrt

from deltarule.maths.elementary import Array
from deltarule.maths.losses import divisor
from deltarule.maths.network import Layer
from deltarule.tracing import formulas
from deltarule.tracing.expressions import Expression, Index, Series
from deltarule.tracing.trace_builder import TraceBuilder, layer_number


def backward(trace: TraceBuilder) -> None:
    """Add every array of the backward pass, in reverse order of the tape."""
    through = {"scaling": _scaling, "dense": _dense, "batch_norm": _batch_norm, "dropout": _dropout}
    upstream = _add_output_derivatives(trace)
    for taped in reversed(trace.forward_pass.tape):
        layer = trace.network.layers[taped.layer - 1]
        value, _ = taped.backward(upstream)
        through.get(taped.kind, _activation)(trace, layer, value)
        upstream = value


def derivative_name(name: str) -> str:
    """The name of ∂J/∂ the array `name`, such as ∂J/∂W2 for W2 or δ2 for z2.

    >>> derivative_name("z2"), derivative_name("W2")
    ('δ2', '∂J/∂W2')
    """
    return f"δ{name[1:]}" if name.startswith("z") else f"∂J/∂{name}"


def _add_derivative(
    trace: TraceBuilder, name: str, value: Array, about: str, rule: Callable[..., Expression | None], axes: str = "ij"
) -> None:
    short = derivative_name(name)
    description = f"∂J/∂{name}, {about}" if short.startswith("δ") else about
    trace.add(short, "backward", value, axes, description, rule, layer=layer_number(name))


def _add_output_derivatives(trace: TraceBuilder) -> Array:
    """Add the derivatives at the output layer and return ∂J/∂z."""
    problem, n, layer = trace.problem, trace.last, trace.network.layers[-1]
    loss, output, outputs, rows = problem.loss, trace.network.output, trace.network.outputs, trace.rows
    share = rows.w / divisor(problem.reduction, rows.w.sum(-2, keepdims=True), outputs)
    logits = trace.tape[f"z{n}"].value
    delta = loss.forward(output, logits, rows.y)[1](share)
    numbers = trace.add_parameters("loss", loss)

    def slope(i: Index, j: Index) -> Expression | None:
        p, y = trace.row(f"a{n}", i), trace.row("y", i)
        found = formulas.loss_slope(loss, output, p, y, j, outputs, numbers)
        return None if found is None else trace.objective_weight(i) * found

    if formulas.is_fused(loss, output):
        _add_derivative(trace, f"z{n}", delta, f"{loss.name} behind {output.name}: predicted minus target", slope)
        return delta
    at_p = share * loss.derivative(output.forward(logits)[0], rows.y, **loss.parameters)
    _add_derivative(trace, f"a{n}", at_p, f"the slope of {loss.name}", slope)
    _activation(trace, layer, delta)
    return delta


def _activation(trace: TraceBuilder, layer: Layer, input_gradient: Array) -> None:
    """Add the gradient with respect to the input of a layer's activation."""
    n, source, activation = layer.number, trace.activation_argument(layer), layer.activation
    numbers = trace.add_parameters("activation", activation, n)

    def rule(i: Index, j: Index) -> Expression | None:
        z, a, da = (trace.row(name, i) for name in (source, f"a{n}", f"∂J/∂a{n}"))
        return formulas.activation_backward(activation, z, a, da, j, layer.units, numbers)

    _add_derivative(trace, source, input_gradient, f"back through {activation.name}", rule)


def _dropout(trace: TraceBuilder, layer: Layer, input_gradient: Array) -> None:
    """Add `input_gradient` as ∂J/∂ the activations a of a layer, before dropout."""
    at, n = trace.at, layer.number

    def rule(i: Index, j: Index) -> Expression:
        return at[f"∂J/∂d{n}"](i, j) * at[f"keep{n}"](i, j) / (1 - at[f"dropout{n}"]())

    _add_derivative(trace, f"a{n}", input_gradient, "back through the same mask of dropout", rule)


def _batch_norm(trace: TraceBuilder, layer: Layer, input_gradient: Array) -> None:
    """Add the gradients with respect to batch norm's beta, gamma and input."""
    at, n = trace.at, layer.number
    gamma, beta, slope = f"gamma{n}", f"beta{n}", f"∂J/∂n{n}"

    def beta_rule(j: Index) -> Expression:
        return trace.sum_over_samples(lambda i: at[slope](i, j))

    def gamma_rule(j: Index) -> Expression:
        return trace.sum_over_samples(lambda i: at[slope](i, j) * at[f"zhat{n}"](i, j))

    def z_rule(i: Index, j: Index) -> Expression:
        through_mean = trace.mean_weight(i) * at[f"∂J/∂{beta}"](j)
        through_variance = trace.mean_weight(i) * at[f"zhat{n}"](i, j) * at[f"∂J/∂{gamma}"](j)
        gain = at[gamma](j) / sqrt(at[f"variance{n}"](j) + at["ε_norm"]())
        return gain * (at[slope](i, j) - through_mean - through_variance)

    _add_derivative(trace, beta, trace.gradient[beta], f"Σ ∂J/∂n{n} over the samples", beta_rule, "j")
    _add_derivative(trace, gamma, trace.gradient[gamma], f"Σ ∂J/∂n{n} zhat{n} over the samples", gamma_rule, "j")
    about = "back through batch norm, whose mean and variance depend on every sample"
    _add_derivative(trace, f"z{n}", input_gradient, about, z_rule)


def _dense(trace: TraceBuilder, layer: Layer, input_gradient: Array) -> None:
    """Add the gradients with respect to a layer's W, b and input."""
    at, n, inputs, delta = trace.at, layer.number, trace.input_name(layer.number), f"δ{layer.number}"

    def weights_rule(d: Index, j: Index) -> Expression:
        return _with_penalty(
            trace, f"W{n}", (d, j), trace.sum_over_samples(lambda i: at[inputs](i, d) * at[delta](i, j))
        )

    def biases_rule(j: Index) -> Expression:
        return _with_penalty(trace, f"b{n}", (j,), trace.sum_over_samples(lambda i: at[delta](i, j)))

    def input_rule(i: Index, j: Index) -> Expression:
        return Series(("k",), (layer.units,), lambda k: at[delta](i, k) * at[f"W{n}"](j, k))

    about = {f"W{n}": f"{inputs}ᵀ {delta}", f"b{n}": f"Σ {delta} over the samples"}
    for name, rule, axes in ((f"W{n}", weights_rule, "dj"), (f"b{n}", biases_rule, "j")):
        if name in trace.gradient:
            penalty = ", and the penalty's part" if name in trace.penalized_names else ""
            _add_derivative(trace, name, trace.gradient[name], about[name] + penalty, rule, axes)
    if n > 1 or layer.scaling:
        axes = "id" if layer.scaling else "ij"
        _add_derivative(trace, inputs, input_gradient, f"{delta} W{n}ᵀ", input_rule, axes)


def _scaling(trace: TraceBuilder, layer: Layer, input_gradient: Array) -> None:
    """Add the gradient with respect to the scale of the inputs."""
    at, n = trace.at, layer.number

    def rule(d: Index) -> Expression:
        return trace.sum_over_samples(lambda i: at[f"∂J/∂s{n}"](i, d) * at["x"](i, d))

    name = f"scale{n}"
    _add_derivative(trace, name, trace.gradient[name], f"Σ ∂J/∂s{n} x over the samples", rule, "d")


def _with_penalty(trace: TraceBuilder, name: str, index: tuple[Index, ...], gradient: Expression) -> Expression:
    penalty = trace.problem.penalty
    if penalty is None or name not in trace.penalized_names:
        return gradient
    return gradient + trace.strength() * formulas.run(f"{penalty.name}′", penalty.derivative, trace.at[name](*index))
