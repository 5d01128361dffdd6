"""The way forward, noted: data, parameters, every z, n, a and d, the loss of each output, the penalty, and J."""

from collections.abc import Callable

import numpy as np

from deltarule.maths.layers import batch_norm
from deltarule.maths.losses import divisor
from deltarule.maths.network import BATCH_NORM_EPSILON, Layer, views
from deltarule.maths.objective import data_term, penalty_term
from deltarule.tracing import formulas
from deltarule.tracing.expressions import Expression, Index, Number, Series, sqrt
from deltarule.tracing.trace_builder import Notes, alone, number_in

KINDS = {
    "W": "weights of layer {}, inputs × units",
    "b": "biases of layer {}",
    "gamma": "scale of layer {}'s batch norm",
    "beta": "shift of layer {}'s batch norm",
}


def note_inputs(notes: Notes) -> None:
    """The data, the parameters, and N."""
    notes.note("x", "data", alone(notes.rows.x), "id", "inputs")
    notes.note("y", "data", notes.y, "ij", "targets")
    if notes.equal:
        notes.note_setting("N", notes.w.sum(), "samples in the batch")
    else:
        weights = notes.note("w", "data", notes.w, "i", "weights of the samples")
        notes.note_setting("N", notes.w.sum(), "the samples' weights together", lambda: notes.over_samples(weights))
    theta = views(notes.state.theta[0], notes.network.entries)
    for entry in notes.network.entries:
        n, kind = number_in(entry.name), entry.name.rstrip("0123456789")
        axes = "dj" if kind == "W" else "j"
        notes.note(entry.name, "parameters", theta[entry.name], axes, KINDS[kind].format(n), layer=n)


def forward(notes: Notes, layer: Layer) -> None:
    """z, n, a and d of a layer."""
    n = layer.number
    _dense(notes, layer)
    if layer.batch_norm:
        _batch_norm(notes, n)
    _note_activation(notes, layer)
    if f"d{n}" in notes.tape:
        _dropout(notes, n)


def _dense(notes: Notes, layer: Layer) -> None:
    at, n, inputs = notes.at, layer.number, notes.inputs_of(layer.number)

    def z(i: Index, j: Index) -> Expression:
        total = Series(("d",), (layer.inputs,), lambda d: at[inputs](i, d) * at[f"W{n}"](d, j))
        return total + at[f"b{n}"](j) if layer.bias else total

    about = f"{inputs} W{n}" + (f" + b{n}" if layer.bias else "") + ", pre-activations"
    notes.note(f"z{n}", "forward", notes.tape[f"z{n}"].value, "ij", about, z, layer=n)


def _batch_norm(notes: Notes, n: int) -> None:
    at, z = notes.at, notes.tape[f"z{n}"].value[0]
    share = (notes.w / notes.w.sum())[:, None]
    gamma, beta = at[f"gamma{n}"], at[f"beta{n}"]
    _, _, mean, variance = batch_norm(z, gamma.value, beta.value, share, BATCH_NORM_EPSILON)
    normalized = (z - mean) / np.sqrt(variance + BATCH_NORM_EPSILON)
    epsilon = notes.note_setting("ε_norm", BATCH_NORM_EPSILON, "keeps batch norm's division finite")

    def mean_rule(j: Index) -> Expression:
        return notes.mean(lambda i: at[f"z{n}"](i, j))

    def variance_rule(j: Index) -> Expression:
        return notes.mean(lambda i: (at[f"z{n}"](i, j) - at[f"mean{n}"](j)) ** 2)

    def normalized_rule(i: Index, j: Index) -> Expression:
        return (at[f"z{n}"](i, j) - at[f"mean{n}"](j)) / sqrt(at[f"variance{n}"](j) + epsilon)

    def n_rule(i: Index, j: Index) -> Expression:
        return gamma(j) * at[f"zhat{n}"](i, j) + beta(j)

    for name, value, axes, about, rule in (
        (f"mean{n}", mean, "j", f"mean of z{n} over the batch", mean_rule),
        (f"variance{n}", variance, "j", f"variance of z{n} over the batch", variance_rule),
        (f"zhat{n}", normalized, "ij", f"z{n} with mean 0 and variance 1", normalized_rule),
        (f"n{n}", notes.tape[f"n{n}"].value, "ij", f"gamma{n} zhat{n} + beta{n}, normalized", n_rule),
    ):
        notes.note(name, "forward", value, axes, about, rule, layer=n)


def _note_activation(notes: Notes, layer: Layer) -> None:
    n, source, activation = layer.number, notes.source_of(layer), layer.activation
    numbers = notes.parameters_of("activation", activation, n)
    if n == notes.last:
        value, what = activation.forward(notes.tape[source].value)[0], "what the network answers"
    else:
        value, what = notes.tape[f"a{n}"].value, "activations"

    def a(i: Index, j: Index) -> Expression | None:
        return formulas.activation_value(activation, notes.row(source, i), j, layer.units, numbers)

    notes.note(f"a{n}", "forward", value, "ij", f"{activation.name}({source}), {what}", a, layer=n)


def _dropout(notes: Notes, n: int) -> None:
    assert notes.keep is not None and notes.rate is not None
    at = notes.at
    rate = notes.note_setting(f"dropout{n}", notes.rate[n], f"dropout rate after layer {n}", layer=n)
    about = "1 where a unit stays, 0 where it is dropped: drawn from the seed, the step and the sample's place"
    notes.note(f"keep{n}", "forward", notes.keep[n], "ij", about, layer=n)

    def d(i: Index, j: Index) -> Expression:
        return at[f"a{n}"](i, j) * at[f"keep{n}"](i, j) / (1 - rate)

    notes.note(f"d{n}", "forward", notes.tape[f"d{n}"].value, "ij", f"a{n} after dropout", d, layer=n)


def objective(notes: Notes) -> None:
    """The loss of each output, the penalty, and J."""
    problem, n = notes.problem, notes.last
    _note_loss(notes)
    _note_sample_weight(notes)

    def total() -> Expression:
        return Series(("i", "j"), notes.y.shape, lambda i, j: notes.share(i) * notes.at["loss"](i, j))

    about = "the objective: what training lowers"
    if problem.penalty is None:
        notes.note("J", "loss", notes.done.objective, "", about, total, layer=n)
        return
    logits = notes.tape[f"z{n}"].value
    value, _ = data_term(problem.loss, problem.reduction, notes.network.output, logits, notes.rows.y, notes.rows.w)
    notes.note("L", "loss", value, "", "the loss of the batch", total, layer=n)
    _penalty(notes)
    notes.note("J", "loss", notes.done.objective, "", about, lambda: notes.at["L"]() + notes.at["R"](), layer=n)


def _note_loss(notes: Notes) -> None:
    loss, output, n = notes.problem.loss, notes.network.output, notes.last
    numbers = notes.parameters_of("loss", loss)

    def loss_term(i: Index, j: Index) -> Expression | None:
        z, p, y = (notes.row(name, i) for name in (f"z{n}", f"a{n}", "y"))
        return formulas.loss_value(loss, output, z, p, y, j, notes.network.outputs, numbers)

    value, _ = loss.forward(output, notes.tape[f"z{n}"].value, notes.rows.y)
    fused = ", computed from the logits" if formulas.is_fused(loss, output) else ""
    notes.note("loss", "loss", value, "ij", f"{loss.name} of each output{fused}", loss_term, layer=n)


def _note_sample_weight(notes: Notes) -> None:
    """What each sample counts in J: one number where all weigh the same."""
    outputs, reduction, at = notes.network.outputs, notes.problem.reduction, notes.at
    value = notes.w / divisor(reduction, notes.w.sum(), outputs)
    divided: dict[str, Callable[[Expression], Expression]] = {
        "sum": lambda w: w,
        "mean_samples": lambda w: w / at["N"](),
        "mean_elements": lambda w: w / (at["N"]() * outputs),
    }
    about = f"what a sample counts in J, by the reduction {reduction}"
    if notes.equal:
        notes.note_setting("share", value[0], about, lambda: divided[reduction](Number(1)))
    else:
        notes.note("share", "loss", value, "i", about, lambda i: divided[reduction](at["w"](i)), layer=notes.last)


def _penalty(notes: Notes) -> None:
    problem, penalty = notes.problem, notes.problem.penalty
    assert penalty is not None
    strength = problem.strength[notes.state.members, None].astype(problem.dtype)
    chosen, samples = problem.penalized.astype(problem.dtype), notes.rows.w.sum(-2, keepdims=True)[..., 0]
    value, _ = penalty_term(penalty, strength, notes.state.theta, chosen, samples)
    notes.strength()  # among the settings, before it is needed

    def of_array(name: str) -> Expression:
        array = notes.at[name]
        return Series(array.axes, array.value.shape, lambda *index: formulas.penalty_value(penalty, array(*index)))

    def rule() -> Expression:
        first, *others = map(of_array, notes.penalized_names)
        return notes.strength() * sum(others, first)

    notes.note(
        "R",
        "loss",
        value,
        "",
        f"the penalty {penalty.name} on {', '.join(notes.penalized_names)}",
        rule,
        layer=notes.last,
    )
