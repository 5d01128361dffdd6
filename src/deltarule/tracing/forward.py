"""Trace the forward pass from the data to the objective J."""

from deltarule.maths.losses import divisor
from deltarule.maths.network import PlacedLayer, Taped, numbered, views
from deltarule.maths.network import forward as network_forward
from deltarule.maths.objective import data_term, penalty_term
from deltarule.maths.penalties import Penalty
from deltarule.tracing import formulas
from deltarule.tracing.expressions import SAMPLES, Expression, Index, Series
from deltarule.tracing.grid import Grid
from deltarule.tracing.layers import traced
from deltarule.tracing.trace_builder import TraceBuilder, drop_member_axis


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
    for placed in trace.network.layers:
        layer, n = placed.layer, placed.number
        for symbol, own in layer.arrays.items():
            axes = "d" if layer.symbol == "s" else "j" if own.shape.split()[0] == "1" else "dj"
            about = layer.sentences.get(symbol, f"array of layer {{n}}'s {layer.name}").format(n=n)
            trace.add(numbered(symbol, n), "parameters", theta[numbered(symbol, n)], axes, about)


def forward(trace: TraceBuilder) -> list[Taped]:
    """Run the forward pass on grids, which add the values of all layers to the trace; return the tape."""
    network, at = trace.network, trace.at
    output = PlacedLayer(network.output, trace.last, network.outputs, network.outputs)
    layers = [traced(trace, placed) for placed in (*network.layers, output)]
    parameters = {
        name: Grid(array, "dj").give_name(at[name]) for name, array in views(trace.state.theta, network.entries).items()
    }
    share = trace.rows.w / trace.rows.w.sum(-2, keepdims=True)
    given = {"share": Grid(share, "ij", lambda i, _: trace.weight(i) / at["N"]())}
    given |= {name: Grid(array, "ij") for name, array in trace.dropped.items()}
    return network_forward(layers, parameters, Grid(trace.rows.x, "id").give_name(at["x"]), given)[0]


def objective(trace: TraceBuilder) -> None:
    """Add the losses, the samples' weights, the penalty and the objective J."""
    problem, at = trace.problem, trace.at
    _add_loss(trace)
    _add_sample_weight(trace)

    def total() -> Expression:
        return Series(("i", "j"), trace.y.shape, lambda i, j: trace.objective_weight(i) * at["loss"](i, j))

    about, value = "the objective, which training minimizes", trace.forward_pass.objective
    if problem.penalty is None:
        trace.add("J", "loss", value, "", about, total)
        return
    rows, output = trace.rows, trace.network.output
    term, _ = data_term(problem.loss, problem.reduction, output, trace.logits.value, rows.y, rows.w)
    trace.add("L", "loss", term, "", "the loss of the batch", total)
    _add_penalty(trace, problem.penalty)
    trace.add("J", "loss", value, "", about, lambda: at["L"]() + at["R"]())


def _add_loss(trace: TraceBuilder) -> None:
    """Add the unweighted loss of each output [B, C] and the loss's parameters."""
    loss, output = trace.problem.loss, trace.network.output
    value, _ = loss.forward(output, trace.logits.value, trace.rows.y)
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
