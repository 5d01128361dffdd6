"""The program for large networks: updates of some members, batch by batch.

B rows of a batch · D inputs of a layer · H its units · P parameters
z, a, d [B, H]   T, g [P], a member's θ and its gradient by a block of rows

A member's update is a handful of products, which begin from the bias, and, between them, loops that read and write each
number once: activation, loss and ∂J/∂z, the activation's derivative, the penalty and the optimizer over the whole of θ.
No array of the batch's size is allocated in an update.

This file is never imported by the library: its text follows that of large_ops.py in the program. Numbers in capitals
get a problem's values; Numba drops branches on them before it compiles. The functions at the end are replaced by those
of a problem's formulas.
"""

import numpy as np

from deltarule.engines.compiled.program_sources.large_ops import (
    add,
    column_sums,
    drop,
    gather,
    multiply,
    normalize,
    normalize_back,
    softmax_row_back,
    softmax_rows,
    sum_of,
    wait,
)
from deltarule.engines.compiled.program_sources.large_products import (
    flat,
    loop,
    part,
    product,
    product_transposed_left,
    product_transposed_right,
    view,
)
from deltarule.engines.compiled.program_sources.linking import entry
from deltarule.engines.compiled.program_sources.simd_math import log

HAS_SCALING, HAS_NORM, HAS_DROPOUT, HAS_PENALTY = False, False, False, False
PENALTY_PER_SAMPLE, HAS_NUMBERS_OF_RANGES = False, False
IS_ROWWISE, IS_FUSED, IS_CROSS_ENTROPY = False, False, False
IS_SUM, IS_MEAN_OF_ELEMENTS = False, False
NORM_EPSILON, NORM_MOMENTUM, DROPOUT_PURPOSE, FLUSH_EVERY = 1e-5, 0.1, 0, 100


# fmt: off
@entry
def advance(
    thread, threads, barrier, yield_address, backends, updates, step, batches, batch_size, rows, sizes, table,
    ranges, penalized, group_size, indices, theta, slots, buffers, rates, hyperparameters, strengths, dropout,
    limits, keys, X, Y, weights, weighted, ids, positions, objective, bad, losses, values, partial_sums, nonfinite,
    x_space, z_space, a_space, d_space, keep_space, normalized_space, sums_space, targets_space, shares_space,
    losses_space, zeros, transposed, G,
):  # fmt: on
    """Update the members at `indices` in `threads` threads on the same arrays.

    Each takes its share of the blocks of rows, and then of the chunks of θ. Sums over blocks or chunks are added in
    their order, by the first thread. The arrays of `table` have a number for every layer: where its arrays begin in θ
    and in the buffers, −1 for none; its activation; and the number of units in the layers before it, where its part of
    a space begins.
    """
    weights_at, biases_at, kinds, gammas_at, betas_at, running_at, first_units = table
    expected_arrivals, blocks, sums, layers = 0, len(losses), partial_sums[thread], len(sizes) - 1
    for group_start in range(0, len(indices), group_size):
        for i in range(updates):
            t = step + i
            epoch = t // batches - step // batches if batches > 1 else 0
            start = t % batches * batch_size
            count = min(batch_size, rows - start)
            for k in range(group_start, min(group_start + group_size, len(indices))):
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
                for block in range(thread, blocks, threads):
                    low, high = block * count // blocks, (block + 1) * count // blocks
                    block_ids, block_positions = batch_ids[low:high], batch_positions[low:high]
                    g, length = G[block], high - low
                    x = part(x_space, low, high)
                    first, last = low * sizes[layers], high * sizes[layers]
                    flat_targets = part(targets_space, first, last)
                    flat_shares, flat_losses = part(shares_space, first, last), part(losses_space, first, last)
                    if k == group_start or ids.shape[1] > 1:
                        gather(X, block_ids, x)
                    value = x
                    for n in range(layers):
                        inputs, units = sizes[n], sizes[n + 1]
                        at = first_units[n] * batch_size + low * units
                        W, b = view(T, weights_at[n], inputs, units), zeros
                        z, a = view(z_space, at, length, units), view(a_space, at, length, units)
                        if biases_at[n] >= 0:
                            b = view(T, biases_at[n], 1, units)
                        if HAS_SCALING:
                            # (x · s) W = x (s · W): so members share x, and no product is added.
                            if n == 0:
                                W = view(transposed[block], 0, inputs, units)
                                scale_rows(view(T, 0, 1, inputs), view(T, weights_at[0], inputs, units), W)
                        product(backends, value, W, b, z)
                        if HAS_NORM:
                            if running_at[n] >= 0:
                                running = buffers[index, running_at[n] : running_at[n] + 2 * units]
                                gamma, beta = view(T, gammas_at[n], 1, units), view(T, betas_at[n], 1, units)
                                normalized = view(normalized_space, at, length, units)
                                sums_of = view(sums_space, 3 * first_units[n], 3, units)
                                normalize(
                                    *(z, normalized, block_ids, w, weighted, total, gamma, beta, sums_of, running),
                                    *(NORM_EPSILON, NORM_MOMENTUM),
                                )
                        if n < layers - 1:
                            # Softmax stores numbers of its rows, which are not needed, where the loss will write.
                            activate(kinds[n], z, a, flat_shares, flat_losses)
                            value = a
                            if HAS_DROPOUT:
                                if dropout[k, n] > 0:
                                    limit, gain = limits[k, n], 1 / (1 - dropout[k, n])
                                    purpose = DROPOUT_PURPOSE | (n + 1) << 8
                                    value, keep = view(d_space, at, length, units), view(keep_space, at, length, units)
                                    words = keys[k]
                                    drop(a, value, keep, block_positions, t, purpose, limit, gain, words[0], words[1])
                    # The loss replaces the logits by ∂J/∂z.
                    losses[block] = loss(z, a, Y, block_ids, w, weighted, total, flat_targets, flat_shares, flat_losses)
                    d = z
                    for n in range(layers - 1, -1, -1):
                        inputs, units = sizes[n], sizes[n + 1]
                        W, gW = view(T, weights_at[n], inputs, units), view(g, weights_at[n], inputs, units)
                        if HAS_NORM:
                            if running_at[n] >= 0:
                                at = first_units[n] * batch_size + low * units
                                gamma = view(T, gammas_at[n], 1, units)
                                normalized = view(normalized_space, at, length, units)
                                sums_of = view(sums_space, 3 * first_units[n], 3, units)
                                to_gamma, to_beta = view(g, gammas_at[n], 1, units), view(g, betas_at[n], 1, units)
                                normalize_back(
                                    d, normalized, block_ids, w, weighted, total, gamma, sums_of, to_gamma, to_beta
                                )
                        value = x
                        if n > 0:
                            # `before` holds a after dropout, then ∂J/∂a, then ∂J/∂z.
                            at = first_units[n - 1] * batch_size + low * inputs
                            z, a = view(z_space, at, length, inputs), view(a_space, at, length, inputs)
                            before = view(d_space, at, length, inputs)
                            value = a
                            if HAS_DROPOUT:
                                if dropout[k, n - 1] > 0:
                                    value = before
                        product_transposed_left(backends, value, d, zeros, gW)
                        if HAS_SCALING:
                            if n == 0:
                                scale_back(view(T, 0, 1, inputs), W, gW, view(g, 0, 1, inputs))
                        if biases_at[n] >= 0:
                            column_sums(backends, d, zeros, view(g, biases_at[n], 1, units))
                        if n > 0:
                            is_single = units == 1
                            if HAS_DROPOUT:
                                is_single = is_single and dropout[k, n - 1] == 0
                            if not is_single or not slope_of_single(kinds[n - 1], z, a, d, flat(W), before):
                                product_transposed_right(backends, d, W, zeros, transposed[block], before)
                                if HAS_DROPOUT:
                                    if dropout[k, n - 1] > 0:
                                        multiply(before, view(keep_space, at, length, inputs))
                                slope(kinds[n - 1], z, a, before)
                            d = before
                if threads > 1:
                    expected_arrivals += threads
                    wait(barrier.ctypes.data, expected_arrivals, yield_address)
                J = 0.0
                if thread == 0:
                    for block in range(blocks):
                        J += losses[block]
                strength = strengths[k]
                if PENALTY_PER_SAMPLE:
                    strength = strengths[k] / total
                numbers = numbers_of(t, rates[i, k], hyperparameters[k, 0])
                flush = (t + 1) % FLUSH_EVERY == 0
                for chunk in range(thread, blocks, threads):
                    for r in range(len(penalized)):
                        if HAS_NUMBERS_OF_RANGES:
                            numbers = numbers_of(t, rates[i, k], hyperparameters[k, r])
                        begin, length = ranges[r], ranges[r + 1] - ranges[r]
                        low, high = begin + chunk * length // blocks, begin + (chunk + 1) * length // blocks
                        add(G, low, high)
                        own_strength = strength if penalized[r] else 0.0
                        penalty, nonfinite[r, chunk] = update(
                            sums, T, G[0], slots, index, low, high, own_strength, numbers, flush
                        )
                        values[r, chunk] = own_strength * penalty if own_strength != 0 else 0.0  # 0 · ∞ is no number
                if threads > 1:
                    expected_arrivals += threads
                    wait(barrier.ctypes.data, expected_arrivals, yield_address)
                if thread == 0:
                    nonfinite_count = 0
                    if HAS_PENALTY:
                        for value in flat(values):
                            J += value
                    for is_nonfinite in flat(nonfinite):
                        nonfinite_count += is_nonfinite
                    if HAS_NORM:
                        for value in buffers[index]:
                            nonfinite_count += 1 if value - value != 0 else 0
                    objective[i, index] = J
                    if bad[index] < 0 and (nonfinite_count or not np.isfinite(objective[i, index])):
                        bad[index] = t


@loop
def loss(z, a, y, ids, w, weighted, total, flat_targets, flat_shares, flat_losses):
    """Return the loss of some rows, and replace their logits z by ∂J/∂z.

    The last three are scratch arrays, flat [B · C]: targets, shares of the rows, and losses.
    """
    units, divisor = z.shape[1], total
    if IS_SUM:
        divisor = 1.0
    if IS_MEAN_OF_ELEMENTS:
        divisor = total * units
    each = 1.0 / divisor
    if IS_ROWWISE:
        softmax_rows(z, a, flat_shares, flat_losses)
        if IS_CROSS_ENTROPY:
            for i in range(len(ids)):
                flat_losses[i] = log(flat_losses[i])
        J = 0.0
        for i in range(len(ids)):
            row = ids[i]
            share = w[row] / divisor if weighted else each
            if IS_CROSS_ENTROPY:
                target_sum = 0.0
                for c in range(units):
                    target_sum += y[row, c]
                for c in range(units):
                    t = y[row, c]
                    # Maximum and logarithm are kept apart: a large maximum would swallow the logarithm's digits.
                    J += share * (t * (flat_losses[i] - (z[i, c] - flat_shares[i])))
                    z[i, c] = share * (a[i, c] * target_sum - t)
            else:
                for c in range(units):
                    value, z[i, c] = loss_and_slope(z[i, c], a[i, c], y[row, c], share)
                    J += value
                if not IS_FUSED:
                    softmax_row_back(a, z, i)
        return J
    for i in range(len(ids)):
        row = ids[i]
        share = w[row] / divisor if weighted else each
        for c in range(units):
            j = i * units + c
            flat_targets[j], flat_shares[j] = y[row, c], share
    # All numbers in a separate loop, which is vectorized however few the units are.
    slopes = flat(z)
    for j in range(len(slopes)):
        flat_losses[j], slopes[j] = loss_and_slope(slopes[j], slopes[j], flat_targets[j], flat_shares[j])
    return sum_of(flat_losses)


@loop
def scale_rows(scale, weights, scaled):
    """The scaling layer: `scaled` = s · W."""
    for d in range(weights.shape[0]):
        for h in range(weights.shape[1]):
            scaled[d, h] = scale[0, d] * weights[d, h]


@loop
def scale_back(scale, weights, gradient, scale_gradient):
    """Turn the gradient of scaled weights into those of W and of the scales."""
    for d in range(weights.shape[0]):
        total = 0.0
        for h in range(weights.shape[1]):
            total += weights[d, h] * gradient[d, h]
        scale_gradient[0, d] = total
        for h in range(weights.shape[1]):
            gradient[d, h] *= scale[0, d]


def activate(kind, z, a, largest, totals):
    """a = f(z), f the hidden activation number `kind`."""


def slope(kind, z, a, d):
    """Replace ∂J/∂a in d by ∂J/∂z = f'(z) ∂J/∂a."""


def slope_of_single(kind, z, a, of_next, w, d):
    """Write ∂J/∂z before a layer of one unit from its ∂J/∂z; whether that is possible."""


def loss_and_slope(z, a, target, share):
    """An output's share of the loss and ∂J/∂z, or ∂J/∂a behind softmax."""


def update(values, T, g, slots, index, start, stop, strength, numbers, flush):
    """Update a range of θ; return its penalty, and whether a number is not finite."""


def numbers_of(step, rate, hyperparameters):
    """The numbers of an update that the optimizer takes."""
