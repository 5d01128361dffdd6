"""Trace the forward pass from the data to the objective J."""

import numpy as np
from numpy import sqrt

from deltarule.maths.activations import Activation
from deltarule.maths.layers import BATCH_NORM_EPSILON, batch_norm
from deltarule.maths.losses import divisor
from deltarule.maths.network import PlacedLayer, views
from deltarule.maths.objective import data_term, penalty_term
from deltarule.maths.penalties import Penalty
from deltarule.tracing import formulas
from deltarule.tracing.expressions import SAMPLES, Expression, Index, Series
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
        trace.add_setting("N", trace.w.sum(), "sum of the samples' weights", trace.sum_over_samples(weights))
    theta = views(trace.state.theta[0], trace.network.entries)
    for entry in trace.network.entries:
        n, kind = layer_number(entry.name), entry.name.rstrip("0123456789")
        axes = {"W": "dj", "scale": "d"}.get(kind, "j")
        trace.add(entry.name, "parameters", theta[entry.name], axes, KINDS[kind].format(n))


def forward(trace: TraceBuilder) -> None:
    for placed in trace.network.layers:
        if isinstance(placed.formula, Activation):
            activation(trace, placed.number, placed.formula, placed.units)
        elif placed.name in trace.tape:
            _LAYERS[placed.layer.name](trace, placed)
    activation(trace, trace.last, trace.network.output, trace.network.outputs)


def _scaling(trace: TraceBuilder, layer: PlacedLayer) -> None:
    at, n = trace.at, layer.number
    about, value = f"x times scale{n}, scaled inputs", trace.tape[f"s{n}"].value
    trace.add(f"s{n}", "forward", value, "id", about, lambda i, d: at["x"](i, d) * at[f"scale{n}"](d))


def _dense(trace: TraceBuilder, layer: PlacedLayer) -> None:
    at, n, inputs = trace.at, layer.number, trace.input_name(layer.name)
    has_biases = "b" in layer.layer.arrays

    def z(i: Index, j: Index) -> Expression:
        total = Series(("d",), (layer.inputs,), lambda d: at[inputs](i, d) * at[f"W{n}"](d, j))
        return total + at[f"b{n}"](j) if has_biases else total

    about = f"{inputs} W{n}" + (f" + b{n}" if has_biases else "") + ", pre-activations"
    trace.add(f"z{n}", "forward", trace.tape[f"z{n}"].value, "ij", about, z)


def _batch_norm(trace: TraceBuilder, layer: PlacedLayer) -> None:
    """Add batch norm's mean, variance, normalized input and output in layer n."""
    n = layer.number
    gamma, beta, z = trace.at[f"gamma{n}"], trace.at[f"beta{n}"], trace.at[f"z{n}"]
    share = (trace.w / trace.w.sum())[:, None]
    _, _, means, variances = batch_norm(z.value, gamma.value, beta.value, share, BATCH_NORM_EPSILON)
    normalized = (z.value - means) / np.sqrt(variances + BATCH_NORM_EPSILON)
    epsilon = trace.add_setting("ε_norm", BATCH_NORM_EPSILON, "keeps batch norm's division finite")
    about = f"mean of z{n} over the batch"
    mean = trace.add(f"mean{n}", "forward", means, "j", about, lambda j: trace.mean(lambda i: z(i, j)))
    about = f"variance of z{n} over the batch"
    variance = trace.add(
        f"variance{n}", "forward", variances, "j", about, lambda j: trace.mean(lambda i: (z(i, j) - mean(j)) ** 2)
    )
    about = f"z{n} with mean 0 and variance 1"
    zhat = trace.add(
        f"zhat{n}", "forward", normalized, "ij", about, lambda i, j: (z(i, j) - mean(j)) / sqrt(variance(j) + epsilon)
    )
    about, value = f"gamma{n} zhat{n} + beta{n}, normalized", trace.tape[f"n{n}"].value
    trace.add(f"n{n}", "forward", value, "ij", about, lambda i, j: gamma(j) * zhat(i, j) + beta(j))


def activation(trace: TraceBuilder, n: int, activation: Activation, units: int) -> None:
    source = trace.input_name(f"a{n}")
    numbers = trace.add_parameters("activation", activation, n)
    value, what = activation.forward(trace.tape[source].value)[0], "predictions" if n == trace.last else "activations"

    def a(i: Index, j: Index) -> Expression | None:
        return formulas.activation_value(activation, trace.row(source, i), j, units, numbers)

    trace.add(f"a{n}", "forward", value, "ij", f"{activation.name}({source}), {what}", a)


def _dropout(trace: TraceBuilder, layer: PlacedLayer) -> None:
    """Add the dropout rate, the mask, and the activations d after dropout of layer n."""
    n = layer.number
    a, d = trace.at[f"a{n}"], trace.tape[f"d{n}"].value
    rate = trace.add_setting(f"dropout{n}", trace.dropped[f"dropout{n}"], f"dropout rate after layer {n}", layer=n)
    about = "1 where a unit stays, 0 where it is dropped: drawn from the seed, the step and the sample's position"
    keep = trace.add(f"keep{n}", "forward", trace.dropped[f"keep{n}"], "ij", about)
    about = f"a{n} after dropout"
    trace.add(f"d{n}", "forward", d, "ij", about, lambda i, j: a(i, j) * keep(i, j) / (1 - rate))


_LAYERS = {"scaling": _scaling, "dense": _dense, "batch_norm": _batch_norm, "dropout": _dropout}


def is_explained(placed: PlacedLayer) -> bool:
    return isinstance(placed.formula, Activation) or placed.layer.name in _LAYERS


def objective(trace: TraceBuilder) -> None:
    """Add the losses, the samples' weights, the penalty and the objective J."""
    problem, at, n = trace.problem, trace.at, trace.last
    _add_loss(trace)
    _add_sample_weight(trace)

    def total() -> Expression:
        return Series(("i", "j"), trace.y.shape, lambda i, j: trace.objective_weight(i) * at["loss"](i, j))

    about, value = "the objective, which training minimizes", trace.forward_pass.objective
    if problem.penalty is None:
        trace.add("J", "loss", value, "", about, total)
        return
    logits = trace.tape[f"z{n}"].value
    term, _ = data_term(problem.loss, problem.reduction, trace.network.output, logits, trace.rows.y, trace.rows.w)
    trace.add("L", "loss", term, "", "the loss of the batch", total)
    _add_penalty(trace, problem.penalty)
    trace.add("J", "loss", value, "", about, lambda: at["L"]() + at["R"]())


def _add_loss(trace: TraceBuilder) -> None:
    """Add the unweighted loss of each output [B, C] and the loss's parameters."""
    loss, output = trace.problem.loss, trace.network.output
    value, _ = loss.forward(output, trace.tape[f"z{trace.last}"].value, trace.rows.y)
    about = f"{loss.name} of each output" + (", computed from the logits" if loss.fused_with(output) else "")
    trace.add("loss", "loss", value, "ij", about, lambda i, j: trace.loss_formulas(i, j)[0])


def _add_sample_weight(trace: TraceBuilder) -> None:
    """Add the weights `share` of the samples in the objective J."""
    outputs, reduction, at = trace.network.outputs, trace.problem.reduction, trace.at
    value = trace.w / divisor(reduction, trace.w.sum(), outputs)
    about = f"weight of a sample in J, by the reduction {reduction}"

    def share(i: Index) -> Expression:
        weight = trace.weight(i)
        if reduction == "sum":
            return weight
        return weight / (at["N"]() * outputs if reduction == "mean_elements" else at["N"]())

    if trace.has_equal_weights:
        trace.add_setting("share", value[0], about, share(SAMPLES))
    else:
        trace.add("share", "loss", value, "i", about, share)


def _add_penalty(trace: TraceBuilder, penalty: Penalty) -> None:
    """Add the penalty R: its strength times the sum over all penalized parameters."""
    problem = trace.problem
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
    trace.add("R", "loss", value, "", about, rule)
