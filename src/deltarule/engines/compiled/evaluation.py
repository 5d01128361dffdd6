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

LARGEST = "largest_output"
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
    **{name: (name, lambda mean: mean) for name in (*SCORES, LARGEST)},
}
"""Metrics by name: the one of which a program has the sum, and what follows from its mean; not R², which needs more."""

OUTPUTS = "outputs"
"""What a program is asked for that stores logits and outputs, and computes nothing from them."""

LANES, ROWS_AT_ONCE, ROWS_AT_ONCE_ALONE = 32, 12, 128
"""Members of a block, and the rows that go through the layers together, with lanes and without: few enough that a block
of lanes stays in the nearest memory."""

LOSS, PENALTY, WEIGHT, FIRST_METRIC = range(4)
"""The indices of a member's sums: losses, penalties, weights of the rows, and one for each metric."""


def program(problem: Problem, lanes: int, asked: tuple[str, ...]) -> str:
    formulas, output = Formulas(problem.dtype), problem.network.output
    stores_outputs = asked == (OUTPUTS,)
    needs_outputs = bool(asked) or output.rowwise or problem.loss.fused_with(output) is None
    parts = [_emit_activate(problem, formulas)]
    after_rows, after_block = [], []
    if needs_outputs:
        call = formulas.call(output.function, "z[j]", parameters=output.parameters) if not output.rowwise else ""
        after_rows += (
            ["softmax_lanes(z, a, largest, logs, count, units)"]
            if output.rowwise
            else ["for j in range(count * units * LANES):", f"    a[j] = {call}"]
        )
    if stores_outputs:
        after_rows += ["for i in range(count):"]
        after_rows += [f"    store_row({of}, i * units * LANES, units, own, start + i, {to})" for of, to in _STORED]
    else:
        after_rows += ["if not is_gathered:", "    gather_targets(y, of_rows[start : start + count], targets)"]
        after_rows += _loss_lines(problem, formulas)
        for index, name in enumerate(asked, FIRST_METRIC):
            after_rows += _score_lines(name, index, problem.network.outputs)
        after_block += _penalty_lines(problem, formulas)
    text = "\n".join([f"@entry\ndef advance({', '.join(ARGUMENTS)}):", _HEAD.strip("\n")])
    text += "".join(f"\n            {line}" for line in after_rows)
    text += "".join(f"\n        {line}" for line in after_block)
    text += "" if stores_outputs else f"\n{_TAIL.strip(chr(10))}"
    sources = (
        "linking.py",
        *elementary_source_files(problem.dtype),
        "shared_tiles.py",
        "block_ops.py",
        "lane_copies.py",
        "evaluation.py",
    )
    files = read_program_sources(*sources, lanes=lanes)
    return "\n\n\n".join([*files, *formulas.texts, *parts, text, ""])


_STORED = (("z", "logits"), ("a", "outputs"))

ARGUMENTS = (
    *("theta", "members", "x", "y", "weights", "weights_of", "ids", "sizes", "starts", "biases", "kinds", "penalized"),
    *("rows_at_once", "parameters", "inputs", "first", "second", "targets", "losses", "largest", "logs", "row"),
    *("weight", "zeros", "totals", "sums", "logits", "outputs"),
)

_HEAD = """
    one, half, zero = weight.dtype.type(1), weight.dtype.type(0.5), weight.dtype.type(0)
    weight[:] = one
    layers = len(sizes) - 1
    units = sizes[layers]
    for block in range(len(members) // LANES):
        own = members[block * LANES : (block + 1) * LANES]
        own_weights = weights_of[block * LANES : (block + 1) * LANES]
        of_rows = ids[min(block, len(ids) - 1)]
        gather_lanes(theta, own, parameters)
        totals[:] = 0.0
        for start in range(0, len(of_rows), rows_at_once):
            count = min(rows_at_once, len(of_rows) - start)
            is_gathered = block > 0 and len(ids) == 1 and len(of_rows) <= rows_at_once
            if not is_gathered:
                gather(x, of_rows[start : start + count], inputs)
            z, a = first, second
            for n in range(layers):
                W = parameters[starts[n] * LANES : (starts[n] + sizes[n] * sizes[n + 1]) * LANES]
                b = zeros
                if biases[n] >= 0:
                    b = parameters[biases[n] * LANES : (biases[n] + sizes[n + 1]) * LANES]
                if n == 0:
                    multiply(inputs, sizes[0], W, b, 0, z, count, sizes[1] * LANES)
                elif LANES == 1:
                    multiply(a, sizes[n], W, b, 0, z, count, sizes[n + 1])
                else:
                    multiply_lanes(a, W, b, LANES, z, count, sizes[n], sizes[n + 1], LANES)
                if n < layers - 1:
                    activate(kinds[n], z, largest, logs, count, sizes[n + 1])
                    z, a = a, z
"""

_TAIL = """
        for index in range(len(sums)):
            for lane in range(LANES):
                sums[index, own[lane]] = totals[index * LANES + lane]
"""


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


def _loss_lines(problem: Problem, formulas: Formulas) -> list[str]:
    if is_softmax_cross_entropy(problem):
        lines = ["cross_entropy_of_softmax(z, targets, largest, logs, losses, count, units)"]
    else:
        value, _ = loss_calls(problem, formulas, "z[j]", "a[j]", "targets[j]")
        lines = ["for j in range(count * units * LANES):", f"    losses[j] = {value}"]
    return [
        *lines,
        "for i in range(count):",
        "    r, own_weight = of_rows[start + i], weight[i * LANES : (i + 1) * LANES]",
        "    sum_of_row(losses, i * units * LANES, units, row)",
        "    for lane in range(LANES):",
        "        if len(weights):",
        "            own_weight[lane] = weights[own_weights[lane], r]",
        f"        totals[{WEIGHT} * LANES + lane] += own_weight[lane]",
        f"        totals[{LOSS} * LANES + lane] += own_weight[lane] * row[lane]",
    ]


def _score_lines(name: str, index: int, units: int) -> list[str]:
    """Generate the lines that add the rows' values of a metric to the sum `index`."""
    parts = f"weight[i * LANES : (i + 1) * LANES], totals[{index} * LANES : {index + 1} * LANES]"
    if name == LARGEST:
        return ["for i in range(count):", f"    keep_largest(a, i * units * LANES, units, {parts})"]
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


def _penalty_lines(problem: Problem, formulas: Formulas) -> list[str]:
    if problem.penalty is None:
        return []
    return [
        "for part in range(len(penalized)):",
        "    for p in range(penalized[part, 0], penalized[part, 1]):",
        "        at = np.uint64(p * LANES)",
        "        for lane in range(LANES):",
        "            q = parameters[at + np.uint64(lane)]",
        f"            totals[{PENALTY} * LANES + lane] += {formulas.call(problem.penalty.value, 'q')}",
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
                total = sums[FIRST_METRIC + asked.index(summed)]
                values[name] = total if summed == LARGEST else follow(total / sums[WEIGHT])
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
    """Return the arguments of the program for some blocks, with scratch arrays of their own."""
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
