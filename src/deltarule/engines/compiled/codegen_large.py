"""Generate the program for large networks: matrix products on views of θ.

B rows of a batch · D inputs of a layer · H its units · P parameters
z, a, d [B, H]   θ, g [P]   one member at a time, batch by batch: one compiled program for many updates

A member's update is a handful of products, which begin from the bias, and, between them, loops that read and write each
number once: activation, loss and ∂J/∂z, the activation's derivative, the penalty and the optimizer over the whole of θ.
The loops are compiled from the formulas of `maths`; no array of the batch's size is allocated in an update.
"""

import sys

from deltarule.engines.compiled.codegen_formulas import (
    ENTRY,
    elementary_source_files,
    is_softmax_cross_entropy,
    loss_calls,
    loss_divisor,
    read_program_sources,
    softmax_cross_entropy,
)
from deltarule.engines.compiled.codegen_large_update import LOOP, emit_numbers, emit_step, emit_update
from deltarule.engines.compiled.formula_printer import Formulas, NotCompilable
from deltarule.maths.activations import Activation
from deltarule.maths.network import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM
from deltarule.maths.random import DROPOUT
from deltarule.problem.problem import Problem
from deltarule.problem.registry import is_built_in


def not_fusible(problem: Problem) -> str:
    """Return what the program for large networks lacks for a problem, or ""."""
    for layer in problem.network.layers:
        if layer.activation.rowwise and not is_built_in(layer.activation):
            return f"the activation '{layer.activation.name}', which couples units"
    if problem.optimizer.norms:
        return f"large networks with the optimizer '{problem.optimizer.name}'"
    if sys.byteorder != "little":
        return "a big-endian processor"
    try:
        program(problem)
    except NotCompilable as reason:
        return str(reason)
    return ""


def program(problem: Problem) -> str:
    """Return the program's source text, without code for what no member uses."""
    formulas = Formulas(problem.dtype)
    parts = [
        *_emit_activations(problem, formulas),
        *([SCALING] if problem.network.layers[0].scaling else []),
        "\n".join([LOOP, *_loss_lines(problem, formulas), "    return J"]),
        emit_update(problem, formulas),
        emit_numbers(problem, formulas),
        _emit_advance(problem),
    ]
    sources = ("linking.py", *elementary_source_files(problem.dtype), "shared_tiles.py", "large_products.py")
    return "\n\n\n".join([*read_program_sources(*sources, "large_ops.py"), *formulas.texts, *parts])


def hidden_activations(problem: Problem) -> list[Activation]:
    """Return the distinct hidden activations; a layer's `kind` is an index into them."""
    distinct: list[Activation] = []
    for layer in problem.network.layers[:-1]:
        if layer.activation not in distinct:
            distinct.append(layer.activation)
    return distinct


def _emit_activations(problem: Problem, formulas: Formulas) -> list[str]:
    """Generate the functions for a = f(z) and for ∂J/∂z = f'(z) ∂J/∂a."""
    # All numbers in one loop, not row by row: the last few of each row would not fill a vector.
    activate = [LOOP, "def activate(kind, z, a, largest, totals):", "    from_z, to_a = flat(z), flat(a)"]
    slope = [LOOP, "def slope(kind, z, a, d):", "    from_z, from_a, to_d = flat(z), flat(a), flat(d)"]
    single = [LOOP, "def slope_of_single(kind, z, a, of_next, w, d):"]
    for kind, function in enumerate(hidden_activations(problem)):
        for lines in (activate, slope, single):
            lines.append(f"    if kind == {kind}:")
        if function.rowwise:
            activate.append("        softmax_rows(z, a, largest, totals)")
            slope += ["        for i in range(len(a)):", "            softmax_row_back(a, d, i)"]
            single.append("        return False")
            continue
        value = formulas.call(function.function, "from_z[p]", parameters=function.parameters)
        flat_slope, row_slope = (
            formulas.call(function.derivative, z, a, parameters=function.parameters)
            for z, a in (("from_z[p]", "from_a[p]"), ("z[i, h]", "a[i, h]"))
        )
        activate += ["        for p in range(len(from_z)):", f"            to_a[p] = {value}"]
        slope += ["        for p in range(len(to_d)):", f"            to_d[p] *= {flat_slope}"]
        single += [
            *("        for i in range(len(z)):", "            q = of_next[i, 0]"),
            *("            for h in range(z.shape[1]):", f"                d[i, h] = q * w[h] * {row_slope}"),
        ]
    single.append("    return True")
    return ["\n".join(lines) for lines in (activate, slope, single)]


def _loss_lines(problem: Problem, formulas: Formulas) -> list[str]:
    """Generate the lines of `loss`, which replaces the logits z by ∂J/∂z."""
    loss, output, units = problem.loss, problem.network.output, "z.shape[1]"
    divisor = loss_divisor(problem.reduction, "total", units)
    lines = [
        f"def loss(z, a, y, ids, w, weighted, total, {', '.join(LOSS_ARRAYS)}):",
        *("    J = 0.0", f"    each = 1.0 / {divisor}"),
        *(["    softmax_rows(z, a, flat_shares, flat_losses)"] if output.rowwise else []),
    ]
    each_row = [
        *("    for i in range(len(ids)):", "        row = ids[i]"),
        f"        share = w[row] / {divisor} if weighted else each",
    ]
    if is_softmax_cross_entropy(problem):
        entropy, entropy_slope = softmax_cross_entropy(
            "z[i, c]", "a[i, c]", "t", "target_sum", maximum="flat_shares[i]", log_sum="flat_losses[i]"
        )
        lines += [
            "    for i in range(len(ids)):",
            "        flat_losses[i] = log(flat_losses[i])",
            *each_row,
            "        target_sum = 0.0",
            f"        for c in range({units}):",
            "            target_sum += y[row, c]",
            f"        for c in range({units}):",
            "            t = y[row, c]",
            f"            J += share * ({entropy})",
            f"            z[i, c] = share * ({entropy_slope})",
        ]
        return lines
    value, slope = loss_calls(problem, formulas, "q", "p", "t")
    is_fused = loss.fused_with(output) is not None
    if output.rowwise:
        lines += [*each_row, f"        for c in range({units}):", "            t = y[row, c]"]
        lines += ["            q = z[i, c]", *([] if is_fused else ["            p = a[i, c]"])]
        lines += [f"            J += share * {value}", f"            z[i, c] = share * {slope}"]
        lines += [] if is_fused else ["        softmax_row_back(a, z, i)"]
        return lines
    p = [] if is_fused else [f"        p = {formulas.call(output.function, 'q', parameters=output.parameters)}"]
    # All numbers in a separate loop, which is vectorized however few the units are.
    lines += [
        *each_row,
        *(f"        for c in range({units}):", f"            j = i * {units} + c"),
        "            flat_targets[j], flat_shares[j] = y[row, c], share",
        *("    slopes = flat(z)", "    for j in range(len(slopes)):"),
        *("        q, t = slopes[j], flat_targets[j]", *p),
        *(f"        flat_losses[j] = flat_shares[j] * {value}", f"        slopes[j] = flat_shares[j] * {slope}"),
        "    J = sum_of(flat_losses)",
    ]
    return lines


def _emit_advance(problem: Problem) -> str:
    """Generate the program's entry `advance`, which updates some members.

    It runs in `threads` threads at a time on the same arrays; each takes its share of the blocks of rows, and then of
    the chunks of θ. Sums over blocks or chunks are added in their order, by the first thread.
    """
    slots = [f"S{i}" for i in range(len(problem.optimizer.slots))]
    head = f"{ENTRY}\ndef advance({', '.join([*ARGUMENTS, *slots])}):"
    rows = [*_BLOCK.splitlines(), *_forward_lines(problem), *_backward_lines(problem)]
    lines = [
        *_MEMBER.splitlines(),
        *(f"{slot}_of = {slot}[index]" for slot in slots),
        "for block in range(thread, blocks, threads):",
        *(f"    {line}" for line in rows),
        *emit_step(problem, slots),
    ]
    return "\n".join([head, _UPDATES, *(f"                {line}" for line in lines)])


ARGUMENTS = (
    *("thread", "threads", "barrier", "yield_address", "backends", "updates", "step", "batches", "batch_size", "rows"),
    *("sizes", "table", "ranges", "group_size", "indices", "theta", "buffers", "rates", "hyperparameters", "strengths"),
    *("dropout", "limits", "keys", "X", "Y", "weights", "weighted", "ids", "positions", "objective", "bad"),
    *("losses", "values", "partial_sums", "nonfinite", "x_space", "z_space", "a_space", "d_space", "keep_space"),
    *("normalized_space", "sums_space", "targets_space", "shares_space", "losses_space", "zeros", "transposed", "G"),
)
"""The parameters of the program's function `advance`, which the optimizer's slots follow."""

TABLE = ("weights_at", "biases_at", "kinds", "gammas_at", "betas_at", "running_at", "first_units")
"""The rows of `table`, each with a number for every layer: where its arrays begin in θ and in the buffers, −1 for none;
its activation; and the number of units in the layers before it, where its part of a space begins."""

_UPDATES = f"""
    expected_arrivals, blocks, sums, layers = 0, len(losses), partial_sums[thread], len(sizes) - 1
    {", ".join(TABLE)} = {", ".join(f"table[{row}]" for row in range(len(TABLE)))}
    for group_start in range(0, len(indices), group_size):
        for i in range(updates):
            t = step + i
            epoch = t // batches - step // batches if batches > 1 else 0
            start = t % batches * batch_size
            count = min(batch_size, rows - start)
            for k in range(group_start, min(group_start + group_size, len(indices))):
""".strip("\n")

_MEMBER = """
index = indices[k]
batch_ids = ids[epoch, min(k, ids.shape[1] - 1), start : start + count]
batch_positions = positions[epoch, min(k, positions.shape[1] - 1), start : start + count]
w = weights[min(k, len(weights) - 1)]
total = count * 1.0
if weighted:
    total = 0.0
    for r in range(count):
        total += w[batch_ids[r]]
T = theta[index]
""".strip()

_BLOCK = """
low, high = block * count // blocks, (block + 1) * count // blocks
block_ids, block_positions, g, length = batch_ids[low:high], batch_positions[low:high], G[block], high - low
x = part(x_space, low, high)
first, last = low * sizes[layers], high * sizes[layers]
flat_targets = part(targets_space, first, last)
flat_shares, flat_losses = part(shares_space, first, last), part(losses_space, first, last)
if k == group_start or ids.shape[1] > 1:
    gather(X, block_ids, x)
""".strip()

SCALING = """
@loop
def scale_rows(scale, weights, scaled):
    for d in range(weights.shape[0]):
        for h in range(weights.shape[1]):
            scaled[d, h] = scale[0, d] * weights[d, h]


@loop
def scale_back(scale, weights, gradient, scale_gradient):
    for d in range(weights.shape[0]):
        total = 0.0
        for h in range(weights.shape[1]):
            total += weights[d, h] * gradient[d, h]
        scale_gradient[0, d] = total
        for h in range(weights.shape[1]):
            gradient[d, h] *= scale[0, d]
""".strip()
"""The scaling layer: the scaled weights, and from their gradient those of W and of the scales."""

LOSS_ARRAYS = ("flat_targets", "flat_shares", "flat_losses")
"""The scratch arrays of the loss, each flat [B · C]: targets, shares of the rows, and losses."""


def _forward_lines(problem: Problem) -> list[str]:
    lines = [
        "value = x",
        "for n in range(layers):",
        "    inputs, units = sizes[n], sizes[n + 1]",
        "    at, W, b = first_units[n] * batch_size + low * units, view(T, weights_at[n], inputs, units), zeros",
        "    z, a = view(z_space, at, length, units), view(a_space, at, length, units)",
        "    if biases_at[n] >= 0:",
        "        b = view(T, biases_at[n], 1, units)",
    ]
    if problem.network.layers[0].scaling:
        # (x · s) W = x (s · W): so members share x, and no product is added.
        lines += [
            "    if n == 0:",
            "        W = view(transposed[block], 0, inputs, units)",
            "        scale_rows(view(T, 0, 1, inputs), view(T, weights_at[0], inputs, units), W)",
        ]
    lines.append("    product(backends, value, W, b, z)")
    if problem.network.buffers:
        lines += [
            "    if running_at[n] >= 0:",
            "        running = buffers[index, running_at[n] : running_at[n] + 2 * units]",
            *(f"        {line}" for line in _NORM_VIEWS),
            "        normalize(z, normalized, block_ids, w, weighted, total, gamma, beta, sums_of, running, "
            f"{BATCH_NORM_EPSILON}, {BATCH_NORM_MOMENTUM})",
        ]
    # Softmax stores numbers of its rows, which are not needed, where the loss will write.
    lines += [
        "    if n < layers - 1:",
        "        activate(kinds[n], z, a, flat_shares, flat_losses)",
        "        value = a",
    ]
    if problem.dropout.any():
        lines += [
            "        if dropout[k, n] > 0:",
            f"            limit, gain, purpose = limits[k, n], 1 / (1 - dropout[k, n]), {DROPOUT} | (n + 1) << 8",
            "            value, keep = view(d_space, at, length, units), view(keep_space, at, length, units)",
            "            drop(a, value, keep, block_positions, t, purpose, limit, gain, keys[k, 0], keys[k, 1])",
        ]
    return lines


_NORM_VIEWS = (
    "gamma, beta = view(T, gammas_at[n], 1, units), view(T, betas_at[n], 1, units)",
    "normalized = view(normalized_space, at, length, units)",
    "sums_of = view(sums_space, 3 * first_units[n], 3, units)",
)


def _backward_lines(problem: Problem) -> list[str]:
    """Generate the lines of the loss and the backward pass of a block of rows.

    The loss replaces the logits by ∂J/∂z. A hidden layer's d holds a after dropout, then ∂J/∂a, then ∂J/∂z.
    """
    drops, scaling = bool(problem.dropout.any()), problem.network.layers[0].scaling
    lines = [
        f"losses[block] = loss(z, a, Y, block_ids, w, weighted, total, {', '.join(LOSS_ARRAYS)})",
        "d = z",
        "for n in range(layers - 1, -1, -1):",
        "    inputs, units = sizes[n], sizes[n + 1]",
        "    W, gW = view(T, weights_at[n], inputs, units), view(g, weights_at[n], inputs, units)",
    ]
    if problem.network.buffers:
        lines += [
            "    if running_at[n] >= 0:",
            "        at = first_units[n] * batch_size + low * units",
            *(f"        {line}" for line in _NORM_VIEWS),
            "        ggamma, gbeta = view(g, gammas_at[n], 1, units), view(g, betas_at[n], 1, units)",
            "        normalize_back(d, normalized, block_ids, w, weighted, total, gamma, sums_of, ggamma, gbeta)",
        ]
    lines += [
        "    value = x",
        "    if n > 0:",
        "        at = first_units[n - 1] * batch_size + low * inputs",
        "        z, a, before = (",
        "            view(z_space, at, length, inputs),",
        "            view(a_space, at, length, inputs),",
        "            view(d_space, at, length, inputs),",
        "        )",
        f"        value = {'before if dropout[k, n - 1] > 0 else a' if drops else 'a'}",
        "    product_transposed_left(backends, value, d, zeros, gW)",
    ]
    if scaling:
        lines += ["    if n == 0:", "        scale_back(view(T, 0, 1, inputs), W, gW, view(g, 0, 1, inputs))"]
    lines += [
        "    if biases_at[n] >= 0:",
        "        column_sums(backends, d, zeros, view(g, biases_at[n], 1, units))",
        "    if n > 0:",
        f"        is_single = units == 1{' and dropout[k, n - 1] == 0' if drops else ''}",
        "        if not is_single or not slope_of_single(kinds[n - 1], z, a, d, flat(W), before):",
        "            product_transposed_right(backends, d, W, zeros, transposed[block], before)",
    ]
    if drops:
        lines += [
            "            if dropout[k, n - 1] > 0:",
            "                multiply(before, view(keep_space, at, length, inputs))",
        ]
    return [*lines, "            slope(kinds[n - 1], z, a, before)", "        d = before"]
