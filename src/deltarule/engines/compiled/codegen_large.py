"""Generate the program for large networks: matrix products on views of θ.

B rows of a batch · D inputs of a layer · H its units · P parameters
z, a, d [B, H]   θ, g [P]   one member at a time, batch by batch: one compiled program for many updates

A member's update is a handful of products, which begin from the bias, and, between them, loops that read and write each
number once: activation, loss and ∂J/∂z, the activation's derivative, the penalty and the optimizer over the whole of θ.
The loops are compiled from the formulas of `maths`; no array of the batch's size is allocated in an update.
"""

import sys

from deltarule.engines.compiled.codegen_formulas import (
    is_softmax_cross_entropy,
    loss_calls,
    loss_divisor,
    softmax_cross_entropy,
)
from deltarule.engines.compiled.codegen_large_update import LOOP, emit_numbers, emit_step, emit_update
from deltarule.engines.compiled.formula_compiler import ENTRY, Formulas, elementary_source_files, read_program_sources
from deltarule.engines.compiled.formula_rewriter import NotCompilable
from deltarule.maths.network import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, Entry, Layer
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
    """Return the source text of the program for problems with this structure.

    Layers without dropout in all members have no code for it, which would take a tenth of the compilation.
    """
    formulas, layers = Formulas(problem.dtype), problem.network.layers
    loops = [
        text for layer in layers[:-1] for text in (*_emit_activation(layer, formulas), *_emit_slope(layer, formulas))
    ]
    loops += [SCALING] if layers[0].scaling else []
    parts = [*loops, _emit_loss(problem, formulas), emit_update(problem, formulas), emit_numbers(problem, formulas)]
    parts.append(_emit_advance(problem))
    return "\n\n\n".join(
        [
            *read_program_sources(
                "linking.py", *elementary_source_files(problem.dtype), "gemm_tiles.py", "large_ops.py"
            ),
            *formulas.texts,
            *parts,
        ]
    )


def _emit_activation(layer: Layer, formulas: Formulas) -> list[str]:
    """Generate the text of a hidden layer's activation function, a = f(z)."""
    n, function = layer.number, layer.activation
    if function.rowwise:
        return []
    # All numbers in one loop, not row by row: the last few of each row would not fill a vector.
    lines = [
        *(LOOP, f"def activate{n}(z, a):"),
        "    from_z, to_a = flat(z), flat(a)",
        "    for p in range(len(from_z)):",
        f"        to_a[p] = {formulas.call(function.function, 'from_z[p]', **function.parameters)}",
    ]
    return ["\n".join(lines)]


def _emit_slope(layer: Layer, formulas: Formulas) -> list[str]:
    """Generate the function that turns a hidden layer's ∂J/∂a into ∂J/∂z in place.

    A second one, `slope1_of_single` …, computes ∂J/∂z directly if the next layer has a single unit.
    """
    n, function = layer.number, layer.activation
    head = [LOOP, f"def slope{n}(z, a, d):"]
    if function.rowwise:
        return ["\n".join([*head, "    for i in range(len(a)):", "        softmax_row_back(a, d, i)"])]

    def call(z: str, a: str) -> str:
        """Return the call of f'(z), with z and a = f(z) as expressions."""
        return formulas.call(function.derivative, z, a, **function.parameters)

    flat = ["    from_z, from_a, to_d = flat(z), flat(a), flat(d)", "    for p in range(len(to_d)):"]
    single = [LOOP, f"def slope{n}_of_single(z, a, of_next, w, d):", "    for i in range(len(z)):"]
    single += ["        q = of_next[i, 0]", "        for h in range(z.shape[1]):"]
    return [
        "\n".join([*head, *flat, f"        to_d[p] *= {call('from_z[p]', 'from_a[p]')}"]),
        "\n".join([*single, f"            d[i, h] = q * w[h] * {call('z[i, h]', 'a[i, h]')}"]),
    ]


def _emit_loss(problem: Problem, formulas: Formulas) -> str:
    """Generate the function `loss`, which replaces the logits z by ∂J/∂z."""
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
        return LOOP + "\n" + "\n".join([*lines, "    return J"])
    value, slope = loss_calls(problem, formulas, "q", "p", "t")
    is_fused = loss.fused_with(output) is not None
    if output.rowwise:
        lines += [*each_row, f"        for c in range({units}):", "            t = y[row, c]"]
        lines += ["            q = z[i, c]", *([] if is_fused else ["            p = a[i, c]"])]
        lines += [f"            J += share * {value}", f"            z[i, c] = share * {slope}"]
        lines += [] if is_fused else ["        softmax_row_back(a, z, i)"]
        return LOOP + "\n" + "\n".join([*lines, "    return J"])
    p = [] if is_fused else [f"        p = {formulas.call(output.function, 'q', **output.parameters)}"]
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
    return LOOP + "\n" + "\n".join([*lines, "    return J"])


def _emit_advance(problem: Problem) -> str:
    """Generate the program's entry `advance`, which updates some members.

    It runs in `threads` threads at a time on the same arrays; each takes its share of the blocks of rows, and then of
    the chunks of θ. Sums over blocks or chunks are added in their order, by the first thread.
    """
    layers, network = problem.network.layers, problem.network
    slots = [f"S{i}" for i in range(len(problem.optimizer.slots))]
    spaces = ["x", *(f"{letter}{layer.number}" for layer in layers for letter in "zad")]
    spaces += [f"k{layer.number}" for layer in layers[:-1]]
    spaces += [f"{letter}{layer.number}" for layer in layers if layer.batch_norm for letter in "hs"]
    loss_spaces = [f"{name}_space" for name in LOSS_ARRAYS]
    head = [
        ENTRY,
        f"def advance({', '.join(ARGUMENTS)}, {', '.join(f'{space}_space' for space in spaces)}, "
        f"{', '.join(loss_spaces)}, "
        f"{', '.join(['zeros', 'transposed', 'G', *slots])}):",
        "    expected_arrivals, blocks, sums = 0, len(losses), partial_sums[thread]",
        "    for group_start in range(0, len(indices), group_size):",
        "        for i in range(updates):",
        "            t = step + i",
        "            epoch = t // batches - step // batches if batches > 1 else 0",
        "            start = t % batches * batch_size",
        "            count = min(batch_size, rows - start)",
        "            for k in range(group_start, min(group_start + group_size, len(indices))):",
    ]
    member = [
        "index = indices[k]",
        "batch_ids = ids[epoch, min(k, ids.shape[1] - 1), start : start + count]",
        "batch_positions = positions[epoch, min(k, positions.shape[1] - 1), start : start + count]",
        "w = weights[min(k, len(weights) - 1)]",
        "total = count * 1.0",
        "if weighted:",
        "    total = 0.0",
        "    for r in range(count):",
        "        total += w[batch_ids[r]]",
        "T = theta[index]",
        *(f"{slot}_of = {slot}[index]" for slot in slots),
        *(_view_line(problem, "T", entry) for entry in network.entries),
        "for block in range(thread, blocks, threads):",
    ]
    rows = [
        "low, high = block * count // blocks, (block + 1) * count // blocks",
        "block_ids, block_positions, g = batch_ids[low:high], batch_positions[low:high], G[block]",
        *(_view_line(problem, "g", entry) for entry in network.entries),
        *(f"{space} = part({space}_space, low, high)" for space in spaces if space[0] != "s"),
        *(f"{space} = {space}_space" for space in spaces if space[0] == "s"),
        f"first, last = low * sizes[{len(layers)}], high * sizes[{len(layers)}]",
        *(f"{name} = part({name}_space, first, last)" for name in LOSS_ARRAYS),
        "if k == group_start or ids.shape[1] > 1:",
        "    gather(X, block_ids, x)",
        *_forward_lines(problem),
        *_backward_lines(problem),
    ]
    lines = [
        *head,
        *(f"                {line}" for line in [*member, *(f"    {row}" for row in rows), *emit_step(problem, slots)]),
    ]
    return "\n".join(lines)


def _view_line(problem: Problem, vector: str, entry: Entry) -> str:
    """Return the line "W1 = view(T, …)" for a parameter array or its gradient."""
    index, number = problem.network.entries.index(entry), entry.layer
    rows = f"sizes[{number - 1}]" if entry.symbol == "W" else "1"
    columns = f"sizes[{number - 1 if entry.symbol == 'scale' else number}]"
    name = entry.name if vector == "T" else f"g{entry.name}"
    return f"{name} = view({vector}, starts[{index}], {rows}, {columns})"


ARGUMENTS = (
    *("thread", "threads", "barrier", "yield_address", "backends", "updates", "step", "batches", "batch_size", "rows"),
    *("sizes", "starts", "ranges", "group_size", "indices", "theta"),
    *(
        "buffers",
        "rates",
        "hyperparameters",
        "strengths",
        "dropout",
        "limits",
        "keys",
        "X",
        "Y",
        "weights",
        "weighted",
        "ids",
    ),
    *("positions", "objective", "bad", "losses", "values", "partial_sums", "nonfinite"),
)
"""The first parameters of the program's function `advance`; its scratch arrays and the optimizer's slots follow."""

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
    """Generate the lines of the forward pass of a block of rows."""
    lines, value = [], "x"
    for index, layer in enumerate(problem.network.layers):
        n, last = layer.number, layer is problem.network.layers[-1]
        weights = f"W{n}"
        if layer.scaling:
            # (x · s) W = x (s · W): so members share x, and no product is added.
            weights = "scaled"
            lines += [
                f"scaled = view(transposed[block], 0, sizes[{n - 1}], sizes[{n}])",
                f"scale_rows(scale{n}, W{n}, scaled)",
            ]
        lines.append(f"product(backends, {value}, {weights}, {f'b{n}' if layer.bias else 'zeros'}, z{n})")
        if layer.batch_norm:
            previous = [earlier.number for earlier in problem.network.layers[:index] if earlier.batch_norm]
            first = " + ".join(["0", *(f"2 * sizes[{number}]" for number in previous)])
            lines += [
                f"running = buffers[index, {first} : {first} + 2 * sizes[{n}]]",
                f"normalize(z{n}, h{n}, block_ids, w, weighted, total, gamma{n}, beta{n}, s{n}, running, "
                f"{BATCH_NORM_EPSILON}, {BATCH_NORM_MOMENTUM})",
            ]
        if last:
            break
        value = f"v{n}"
        lines += [
            # softmax stores numbers of its rows, which are not needed, where the loss will write
            f"softmax_rows(z{n}, a{n}, flat_shares, flat_losses)"
            if layer.activation.rowwise
            else f"activate{n}(z{n}, a{n})",
            f"{value} = a{n}",
        ]
        if problem.dropout[:, index].any():
            lines += [
                f"if dropout[k, {index}] > 0:",
                f"    limit, gain, purpose = limits[k, {index}], 1 / (1 - dropout[k, {index}]), {DROPOUT | n << 8}",
                f"    drop(a{n}, d{n}, k{n}, block_positions, t, purpose, limit, gain, keys[k, 0], keys[k, 1])",
                f"    {value} = d{n}",
            ]
    return lines


def _backward_lines(problem: Problem) -> list[str]:
    """Generate the lines of the loss and the backward pass of a block of rows."""
    layers = problem.network.layers
    last = len(layers)
    # The loss replaces the logits by ∂J/∂z. An array d first holds a after dropout, then ∂J/∂a, then ∂J/∂z.
    lines = [f"losses[block] = loss(z{last}, a{last}, Y, block_ids, w, weighted, total, {', '.join(LOSS_ARRAYS)})"]
    d = f"z{last}"
    for layer in reversed(layers):
        n = layer.number
        if layer.batch_norm:
            lines.append(
                f"normalize_back({d}, h{n}, block_ids, w, weighted, total, gamma{n}, s{n}, ggamma{n}, gbeta{n})"
            )
        lines.append(f"product_transposed_left(backends, {f'v{n - 1}' if n > 1 else 'x'}, {d}, zeros, gW{n})")
        lines += [f"scale_back(scale{n}, W{n}, gW{n}, gscale{n})"] if layer.scaling else []
        lines += [f"column_sums(backends, {d}, zeros, gb{n})"] if layer.bias else []
        if n > 1:
            lines += _backward_through(layers[n - 2], d, drops=bool(problem.dropout[:, n - 2].any()))
            d = f"d{n - 1}"
    return lines


def _backward_through(layer: Layer, d: str, drops: bool) -> list[str]:
    """Generate the lines for ∂J/∂z of a hidden layer, from that of the next."""
    n, index = layer.number, layer.number - 1
    lines = [
        f"product_transposed_right(backends, {d}, W{n + 1}, zeros, transposed[block], d{n})",
        *([f"if dropout[k, {index}] > 0:", f"    multiply(d{n}, k{n})"] if drops else []),
        f"slope{n}(z{n}, a{n}, d{n})",
    ]
    if layer.activation.rowwise:
        return lines
    return [
        f"if sizes[{n + 1}] == 1{f' and dropout[k, {index}] == 0' if drops else ''}:",
        f"    slope{n}_of_single(z{n}, a{n}, {d}, flat(W{n + 1}), d{n})",
        "else:",
        *(f"    {line}" for line in lines),
    ]
