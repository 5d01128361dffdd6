"""Evaluate a population with a compiled program.

K members · B blocks of members · L lanes, one member in each · C outputs

The program is the forward half of that for small networks, with sizes that are known at run time alone: it is compiled
once for the formulas of a network, and the metrics that are asked for. Parts that it shares with the programs of
updates come from the same files, so a member has the same outputs in all of them to the last bit.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from deltarule.engines.compiled.codegen_formulas import (
    elementary_source_files,
    is_softmax_cross_entropy,
    loss_calls,
    read_program_sources,
)
from deltarule.engines.compiled.codegen_large import hidden_activations
from deltarule.engines.compiled.formula_printer import Formulas
from deltarule.maths.losses import divisor
from deltarule.maths.network import BATCH_NORM_EPSILON, views, without_scaling
from deltarule.problem.batches import groups, rows_at, split_by_kind
from deltarule.problem.problem import Floats, Integers, Problem
from deltarule.problem.state import State

IS_RIGHT, MEAN = "one if row[lane] == zero else zero", "row[lane] / units"
SCORES = {
    "accuracy": (None, IS_RIGHT),
    "thresholded": ("(zero if (a[j] > half) == (targets[j] > half) else one) + (a[j] - a[j])", IS_RIGHT),
    "correct_output": ("one if (a[j] > half) & (targets[j] > half) else zero", "one if row[lane] > zero else zero"),
    "mean_squared_error": ("(a[j] - targets[j]) * (a[j] - targets[j])", MEAN),
    "mean_absolute_error": ("abs(a[j] - targets[j])", MEAN),
}
"""Metrics of which a program has the mean over rows: the expression of an output's value, and what a row's number is
from their sum. The sum of accuracy depends on all outputs of a row, see `count_wrong`."""
DERIVED: dict[str, tuple[str, Callable[[Floats], Floats]]] = {
    "error_rate": ("accuracy", lambda mean: 1 - mean),
    "half_mean_squared_error": ("mean_squared_error", lambda mean: mean / 2),
    **{name: (name, lambda mean: mean) for name in SCORES},
}
"""Metrics by name: the one of which a program has the sum, and what follows from its mean."""

OUTPUTS = "outputs"
"""What a program is asked for that stores logits and outputs, and computes nothing from them."""

LANES, ROWS_AT_ONCE, ROWS_AT_ONCE_ALONE = 32, 12, 128
"""Members of a block, and the rows that go through the layers together, with lanes and without: few enough that a block
of lanes stays in the nearest memory."""

LOSS, PENALTY, WEIGHT, FIRST_METRIC = range(4)
"""The indices of a member's sums: losses, penalties, weights of the rows, and one for each metric."""


def program(problem: Problem, lanes: int, asked: tuple[str, ...]) -> str:
    formulas, output = Formulas(problem.dtype), problem.network.output
    constants = {
        "STORES_OUTPUTS": asked == (OUTPUTS,),
        "NEEDS_OUTPUTS": bool(asked) or output.rowwise or problem.loss.fused_with(output) is None,
        "IS_ROWWISE": output.rowwise,
        "IS_CROSS_ENTROPY": is_softmax_cross_entropy(problem),
        **{"LOSS": LOSS, "PENALTY": PENALTY, "WEIGHT": WEIGHT},
    }
    is_elementwise = not constants["IS_CROSS_ENTROPY"]
    functions = {
        "output(z)": "z" if output.rowwise else formulas.call(output.function, "z", parameters=output.parameters),
        "loss(z, a, target)": loss_calls(problem, formulas, "z", "a", "target")[0] if is_elementwise else "z",
        "penalty(w)": formulas.call(problem.penalty.value, "w") if problem.penalty else "w",
    }
    parts = [f"@compiled\ndef {head}:\n    return {value}" for head, value in functions.items()]
    parts += [_emit_activate(problem, formulas), _emit_scores(problem, asked)]
    sources = ["linking.py", *elementary_source_files(problem.dtype), "shared_tiles.py", "block_ops.py"]
    return "\n\n\n".join(
        [
            *read_program_sources(*sources, "evaluation.py", lanes=lanes),
            "\n".join(f"{name} = {value}" for name, value in constants.items()),
            *formulas.texts,
            *parts,
        ]
    )


def _emit_activate(problem: Problem, formulas: Formulas) -> str:
    """Generate the function that applies the activation number `kind` to z in place."""
    lines = ["@separate", "def activate(kind, z, largest, logs, count, units):"]
    for index, activation in enumerate(hidden_activations(problem)):
        lines.append(f"    if kind == {index}:")
        if activation.rowwise:
            lines.append("        softmax_lanes(z, z, largest, logs, count, units)")
            continue
        lines.append("        for j in range(count * units * LANES):")
        lines.append(
            f"            z[j] = {formulas.call(activation.function, 'z[j]', parameters=activation.parameters)}"
        )
    return "\n".join([*lines, "    return"])


def _emit_scores(problem: Problem, asked: tuple[str, ...]) -> str:
    lines = ["@separate", "def add_scores(a, targets, losses, row, weight, totals, count, units):"]
    lines.append("    one, half, zero = a.dtype.type(1), a.dtype.type(0.5), a.dtype.type(0)")
    for index, name in enumerate(asked if asked != (OUTPUTS,) else (), FIRST_METRIC):
        lines += [f"    {line}" for line in _score_lines(name, index, problem.network.outputs)]
    return "\n".join([*lines, "    return"])


def _score_lines(name: str, index: int, units: int) -> list[str]:
    """Generate the lines that add the rows' values of a metric to the sum `index`."""
    parts = f"weight[i * LANES : (i + 1) * LANES], totals[{index} * LANES : {index + 1} * LANES]"
    value, number = SCORES["thresholded" if name == "accuracy" and units == 1 else name]
    lines, add = [], "count_wrong(a, targets, i * units * LANES, units, row)"
    if value:
        lines = ["for j in range(count * units * LANES):", f"    losses[j] = {value}"]
        add = "sum_of_row(losses, i * units * LANES, units, row)"
    return [
        *lines,
        "for i in range(count):",
        f"    {add}",
        "    for lane in range(LANES):",
        f"        row[lane] = {number}",
        f"    add_row(row, {parts})",
    ]


@dataclass(frozen=True, eq=False)
class RowSets:
    """The rows of an evaluation: for each set of members, where they are in x and y.

    sets    the indices of members with equal rows        ids [sets, N]    weights [N] or [K, N], or None
    """

    sets: list[Integers]
    x: Floats
    y: Floats
    ids: Integers
    weights: Floats | None


def sets_of_rows(problem: Problem, state: State, rows: tuple[Any, Any] | None) -> Iterator[RowSets]:
    """Yield sets of members with equally many rows each."""
    if rows is not None:
        x, y = (np.asarray(array, problem.dtype) for array in rows)
        yield RowSets([np.arange(len(state.members))], x, y, np.arange(len(x))[None], None)
        return
    for group in groups(problem, state.members):
        sets = split_by_kind(group, problem.row_kinds[state.members[group]])
        firsts = state.members[[members[0] for members in sets]]
        ids = np.atleast_2d(rows_at(problem, firsts, np.arange(problem.row_count(firsts[0]))))
        yield RowSets(sets, problem.x, problem.y, ids, problem.weights)


def values_of(
    problem: Problem, members: Integers, sums: Floats, asked: tuple[str, ...], metrics: Iterable[str]
) -> dict[str, Floats]:
    with np.errstate(all="ignore"):
        objective = sums[LOSS] / divisor(problem.reduction, sums[WEIGHT], problem.network.layers[-1].units)
        if problem.penalty is not None:
            strength = problem.strength[members]
            share = strength / sums[WEIGHT] if problem.penalty.per_sample else strength
            objective = objective + np.where(strength == 0, 0.0, share * sums[PENALTY])  # 0 · ∞ is no number
        values = {"objective": objective}
        for name in metrics:
            if name in DERIVED:
                summed, follow = DERIVED[name]
                values[name] = follow(sums[FIRST_METRIC + asked.index(summed)] / sums[WEIGHT])
    return {name: value.astype(problem.dtype) for name, value in values.items()}


def tasks(
    run: Callable[..., None],
    problem: Problem,
    state: State,
    rows: RowSets,
    lanes: int,
    threads: int,
    sums: Floats,
    *stored: Floats,
) -> list[Callable[[], None]]:
    """Return an evaluation as functions for threads, which write the sums [sums, K].

    `stored` are the arrays for logits and outputs.
    """
    blocks = []
    for members in rows.sets:
        count = -(-len(members) // lanes)
        filled = members[np.minimum(np.arange(count * lanes), len(members) - 1)]
        blocks.append(filled.reshape(count, lanes))
    indices, set_of = np.concatenate(blocks), np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    if not stored:
        stored = (np.empty((0, 0, 0), problem.dtype),) * 2
    parts = np.array_split(np.arange(len(indices)), min(threads, len(indices)))
    logits, outputs = stored
    arrays = (_arrays(problem, state, rows, indices[part], set_of[part], sums) for part in parts)
    return [partial(run, **each, sums=sums, logits=logits, outputs=outputs) for each in arrays]


def _arrays(
    problem: Problem, state: State, rows: RowSets, indices: Integers, set_of: Integers, sums: Floats
) -> dict[str, Any]:
    """Return the program's arguments for some blocks, with own scratch arrays."""
    network, lanes = problem.network, indices.shape[1]
    theta, starts, biases = _dense_parameters(problem, state)
    weights = np.empty((0, 0), problem.dtype) if rows.weights is None else np.atleast_2d(rows.weights)
    members = state.members[indices.ravel()]
    activations = hidden_activations(problem)
    at_once = ROWS_AT_ONCE if lanes > 1 else ROWS_AT_ONCE_ALONE
    widest, units = max(network.sizes), network.layers[-1].units
    penalized = [part[:2] for part in problem.update_ranges if part.penalized and problem.penalty is not None]
    spaces = {
        "parameters": theta.shape[1] * lanes,
        "inputs": at_once * network.inputs,
        **dict.fromkeys(("first", "second"), at_once * widest * lanes),
        **dict.fromkeys(("targets", "losses"), at_once * units * lanes),
        **dict.fromkeys(("largest", "logs", "weight"), at_once * lanes),
        "row": lanes,
    }
    return {
        **{name: np.empty(space, problem.dtype) for name, space in spaces.items()},
        "theta": read_only(theta),
        "members": np.ascontiguousarray(indices.ravel()),
        "x": read_only(rows.x),
        "y": read_only(rows.y),
        "weights": read_only(weights),
        "weights_of": members if len(weights) > 1 else np.zeros_like(members),
        "ids": rows.ids if len(rows.ids) == 1 else np.ascontiguousarray(rows.ids[set_of]),
        "sizes": np.array(network.sizes),
        "starts": np.array(starts),
        "biases": np.array(biases),
        "kinds": np.array([*(activations.index(layer.activation) for layer in network.layers[:-1]), 0]),
        "penalized": np.array(penalized, np.int64).reshape(-1, 2),
        "rows_at_once": at_once,
        "zeros": np.zeros(widest * lanes, problem.dtype),
        "totals": np.empty(len(sums) * lanes),
    }


def _dense_parameters(problem: Problem, state: State) -> tuple[Floats, list[int], list[int]]:
    """Return θ with batch norm and scaling in W and b, and where these begin or −1."""
    network = problem.network
    if not any(layer.batch_norm or layer.scaling for layer in network.layers):
        entries = {entry.name: entry.start for entry in network.entries}
        numbers = [layer.number for layer in network.layers]
        return state.theta, [entries[f"W{n}"] for n in numbers], [entries.get(f"b{n}", -1) for n in numbers]
    _, parameters = without_scaling(network.layers, views(state.theta, network.entries))
    buffers = views(state.buffers, network.buffers)
    parts = [state.theta]  # which the penalty reads
    starts: list[int] = []
    biases: list[int] = []
    count = network.parameters
    for layer in network.layers:
        n = layer.number
        W, b = parameters[f"W{n}"], parameters.get(f"b{n}", np.zeros((1, layer.units), problem.dtype))
        if layer.batch_norm:
            factor = parameters[f"gamma{n}"] / np.sqrt(buffers[f"variance{n}"] + problem.dtype.type(BATCH_NORM_EPSILON))
            W, b = W * factor, parameters[f"beta{n}"] + (b - buffers[f"mean{n}"]) * factor
        for array, places in ((W, starts), (np.broadcast_to(b, (len(W), 1, layer.units)), biases)):
            places.append(count)
            parts.append(array.reshape(len(array), -1))
            count += parts[-1].shape[1]
    return np.concatenate(parts, axis=1), starts, biases


def read_only(array: Floats) -> Floats:
    """Return a contiguous read-only view, for which programs are compiled."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
