"""Trace the forward pass from the data to the objective J."""

from collections.abc import Callable

import numpy as np
from numpy import sqrt

from deltarule.maths.layers import batch_norm
from deltarule.maths.losses import divisor
from deltarule.maths.network import BATCH_NORM_EPSILON, Layer, views
from deltarule.maths.objective import data_term, penalty_term
from deltarule.tracing import formulas
from deltarule.tracing.expressions import Expression, Index, Number, Series
from deltarule.tracing.trace_builder import TraceBuilder, drop_member_axis, layer_number

KINDS = {
    "scale": "weights of the inputs, one for each",
    "W": "weights of layer {}, inputs × units",
    "b": "biases of layer {}",
    "gamma": "scale of layer {}'s batch norm",
    "beta": "shift of layer {}'s batch norm",
}


def add_inputs(trace: TraceBuilder) -> None:
    """Add the data, the parameters and the sample count or weight sum N."""
    trace.add("x", "data", drop_member_axis(trace.rows.x), "id", "inputs")
    trace.add("y", "data", trace.y, "ij", "targets")
    if trace.has_equal_weights:
        trace.add_setting("N", trace.w.sum(), "samples in the batch")
    else:
        weights = trace.add("w", "data", trace.w, "i", "weights of the samples")
        trace.add_setting("N", trace.w.sum(), "sum of the samples' weights", lambda: trace.sum_over_samples(weights))
    theta = views(trace.state.theta[0], trace.network.entries)
    for entry in trace.network.entries:
        n, kind = layer_number(entry.name), entry.name.rstrip("0123456789")
        axes = {"W": "dj", "scale": "d"}.get(kind, "j")
        trace.add(entry.name, "parameters", theta[entry.name], axes, KINDS[kind].format(n), layer=n)


def forward(trace: TraceBuilder, layer: Layer) -> None:
    """Add the forward pass of a layer."""
    n = layer.number
    if layer.scaling:
        _scaling(trace, n)
    _dense(trace, layer)
    if layer.batch_norm:
        _batch_norm(trace, n)
    _activation(trace, layer)
    if f"d{n}" in trace.tape:
        _dropout(trace, n)


def _scaling(trace: TraceBuilder, n: int) -> None:
    def s(i: Index, d: Index) -> Expression:
        return trace.at["x"](i, d) * trace.at[f"scale{n}"](d)

    trace.add(f"s{n}", "forward", trace.tape[f"s{n}"].value, "id", f"x times scale{n}, scaled inputs", s, layer=n)


def _dense(trace: TraceBuilder, layer: Layer) -> None:
    """Add the pre-activations z of a layer."""
    at, n, inputs = trace.at, layer.number, trace.input_name(layer.number)

    def z(i: Index, j: Index) -> Expression:
        total = Series(("d",), (layer.inputs,), lambda d: at[inputs](i, d) * at[f"W{n}"](d, j))
        return total + at[f"b{n}"](j) if layer.bias else total

    about = f"{inputs} W{n}" + (f" + b{n}" if layer.bias else "") + ", pre-activations"
    trace.add(f"z{n}", "forward", trace.tape[f"z{n}"].value, "ij", about, z, layer=n)


def _batch_norm(trace: TraceBuilder, n: int) -> None:
    """Add batch norm's mean, variance, normalized input and output in layer n."""
    at, z = trace.at, trace.tape[f"z{n}"].value[0]
    share = (trace.w / trace.w.sum())[:, None]
    gamma, beta = at[f"gamma{n}"], at[f"beta{n}"]
    _, _, mean, variance = batch_norm(z, gamma.value, beta.value, share, BATCH_NORM_EPSILON)
    normalized = (z - mean) / np.sqrt(variance + BATCH_NORM_EPSILON)
    epsilon = trace.add_setting("ε_norm", BATCH_NORM_EPSILON, "keeps batch norm's division finite")

    def mean_rule(j: Index) -> Expression:
        return trace.mean(lambda i: at[f"z{n}"](i, j))

    def variance_rule(j: Index) -> Expression:
        return trace.mean(lambda i: (at[f"z{n}"](i, j) - at[f"mean{n}"](j)) ** 2)

    def normalized_rule(i: Index, j: Index) -> Expression:
        return (at[f"z{n}"](i, j) - at[f"mean{n}"](j)) / sqrt(at[f"variance{n}"](j) + epsilon)

    def n_rule(i: Index, j: Index) -> Expression:
        return gamma(j) * at[f"zhat{n}"](i, j) + beta(j)

    for name, value, axes, about, rule in (
        (f"mean{n}", mean, "j", f"mean of z{n} over the batch", mean_rule),
        (f"variance{n}", variance, "j", f"variance of z{n} over the batch", variance_rule),
        (f"zhat{n}", normalized, "ij", f"z{n} with mean 0 and variance 1", normalized_rule),
        (f"n{n}", trace.tape[f"n{n}"].value, "ij", f"gamma{n} zhat{n} + beta{n}, normalized", n_rule),
    ):
        trace.add(name, "forward", value, axes, about, rule, layer=n)


def _activation(trace: TraceBuilder, layer: Layer) -> None:
    """Add the activations a of a layer and the activation's parameters."""
    n, source, activation = layer.number, trace.activation_argument(layer), layer.activation
    numbers = trace.add_parameters("activation", activation, n)
    if n == trace.last:
        value, what = activation.forward(trace.tape[source].value)[0], "predictions"
    else:
        value, what = trace.tape[f"a{n}"].value, "activations"

    def a(i: Index, j: Index) -> Expression | None:
        return formulas.activation_value(activation, trace.row(source, i), j, layer.units, numbers)

    trace.add(f"a{n}", "forward", value, "ij", f"{activation.name}({source}), {what}", a, layer=n)


def _dropout(trace: TraceBuilder, n: int) -> None:
    """Add the dropout rate, the mask, and the activations d after dropout of layer n."""
    assert trace.keep is not None and trace.rate is not None
    at = trace.at
    rate = trace.add_setting(f"dropout{n}", trace.rate[n], f"dropout rate after layer {n}", layer=n)
    about = "1 where a unit stays, 0 where it is dropped: drawn from the seed, the step and the sample's position"
    trace.add(f"keep{n}", "forward", trace.keep[n], "ij", about, layer=n)

    def d(i: Index, j: Index) -> Expression:
        return at[f"a{n}"](i, j) * at[f"keep{n}"](i, j) / (1 - rate)

    trace.add(f"d{n}", "forward", trace.tape[f"d{n}"].value, "ij", f"a{n} after dropout", d, layer=n)


def objective(trace: TraceBuilder) -> None:
    """Add the losses, the samples' weights, the penalty and the objective J."""
    problem, n = trace.problem, trace.last
    _add_loss(trace)
    _add_sample_weight(trace)

    def total() -> Expression:
        return Series(("i", "j"), trace.y.shape, lambda i, j: trace.objective_weight(i) * trace.at["loss"](i, j))

    about = "the objective, which training minimizes"
    if problem.penalty is None:
        trace.add("J", "loss", trace.forward_pass.objective, "", about, total, layer=n)
        return
    logits = trace.tape[f"z{n}"].value
    value, _ = data_term(problem.loss, problem.reduction, trace.network.output, logits, trace.rows.y, trace.rows.w)
    trace.add("L", "loss", value, "", "the loss of the batch", total, layer=n)
    _add_penalty(trace)
    trace.add("J", "loss", trace.forward_pass.objective, "", about, lambda: trace.at["L"]() + trace.at["R"](), layer=n)


def _add_loss(trace: TraceBuilder) -> None:
    """Add the unweighted loss of each output [B, C] and the loss's parameters."""
    loss, output, n = trace.problem.loss, trace.network.output, trace.last
    numbers = trace.add_parameters("loss", loss)

    def loss_term(i: Index, j: Index) -> Expression | None:
        z, p, y = (trace.row(name, i) for name in (f"z{n}", f"a{n}", "y"))
        return formulas.loss_value(loss, output, z, p, y, j, trace.network.outputs, numbers)

    value, _ = loss.forward(output, trace.tape[f"z{n}"].value, trace.rows.y)
    fused = ", computed from the logits" if formulas.is_fused(loss, output) else ""
    trace.add("loss", "loss", value, "ij", f"{loss.name} of each output{fused}", loss_term, layer=n)


def _add_sample_weight(trace: TraceBuilder) -> None:
    """Add the weights `share` of the samples in the objective J."""
    outputs, reduction, at = trace.network.outputs, trace.problem.reduction, trace.at
    value = trace.w / divisor(reduction, trace.w.sum(), outputs)
    divided: dict[str, Callable[[Expression], Expression]] = {
        "sum": lambda w: w,
        "mean_samples": lambda w: w / at["N"](),
        "mean_elements": lambda w: w / (at["N"]() * outputs),
    }
    about = f"weight of a sample in J, by the reduction {reduction}"
    if trace.has_equal_weights:
        trace.add_setting("share", value[0], about, lambda: divided[reduction](Number(1)))
    else:
        trace.add("share", "loss", value, "i", about, lambda i: divided[reduction](at["w"](i)), layer=trace.last)


def _add_penalty(trace: TraceBuilder) -> None:
    """Add the penalty R: its strength times the sum over all penalized parameters."""
    problem, penalty = trace.problem, trace.problem.penalty
    assert penalty is not None
    strength = problem.strength[trace.state.members, None].astype(problem.dtype)
    chosen, samples = problem.penalized.astype(problem.dtype), trace.rows.w.sum(-2, keepdims=True)[..., 0]
    value, _ = penalty_term(penalty, strength, trace.state.theta, chosen, samples)
    trace.strength()  # added to the settings before it is needed

    def of_array(name: str) -> Expression:
        array = trace.at[name]
        return Series(
            array.axes, array.value.shape, lambda *index: formulas.run(penalty.name, penalty.value, array(*index))
        )

    def rule() -> Expression:
        first, *others = map(of_array, trace.penalized_names)
        return trace.strength() * sum(others, first)

    about = f"the penalty {penalty.name} on {', '.join(trace.penalized_names)}"
    trace.add("R", "loss", value, "", about, rule, layer=trace.last)
