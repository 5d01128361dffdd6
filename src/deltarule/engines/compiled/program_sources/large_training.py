"""The program for large networks: updates of some members, batch by batch.

B rows of a batch · D inputs of a layer · H its units · P parameters
z, a, d [B, H]   T, G [P], a member's θ and its gradient

A member's update is a handful of products, which begin from the bias, and, between them, loops that read and write each
number once: activation, loss and ∂J/∂z, the activation's derivative, the penalty and the optimizer over the whole of θ.
No array of the batch's size is allocated in an update.

Threads that share a member divide the rows of its batch on the way forward and back, where rows need nothing of one
another but for batch norm; then each layer's gradient by inputs; then θ. Each number is summed by one thread in one
order, so that no bit depends on how many they are.

This file is never imported by the library: its text follows that of large_ops.py in the program. Numbers in capitals
get a problem's values; Numba drops branches on them before it compiles. The functions at the end are replaced by those
of a problem's formulas.
"""

import numpy as np

from deltarule.engines.compiled.program_sources.array_views import flat, part, view
from deltarule.engines.compiled.program_sources.large_ops import (
    drop,
    gather,
    loop,
    meet,
    multiply,
    normalize,
    normalize_back,
    product,
    share_of,
    softmax_row_back,
    softmax_rows,
    sum_of,
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
    thread, threads, barrier, yield_address, updates, step, batches, batch_size, rows, sizes, table, ranges, penalized,
    group_size, indices, theta, slots, buffers, rates, hyperparameters, strengths, dropout, limits, keys, X, Y, weights,
    weighted, ids, positions, objective, bad, row_losses, values, partial_sums, nonfinite, x_space, z_space, a_space,
    d_space, keep_space, normalized_space, sums_space, targets_space, shares_space, losses_space, zeros, ones,
    scaled, G,
):  # fmt: on
    """Update the members at `indices`, in `threads` threads on the same arrays.

    The arrays of `table` have a number for every layer: where its arrays begin in θ and in the buffers, −1 for none;
    its activation; and the number of units in the layers before it, where its part of a space begins.
    """
    weights_at, biases_at, kinds, gammas_at, betas_at, running_at, first_units = table
    counter, sums = barrier.ctypes.data, partial_sums[thread]
    arrivals, layers, chunks = 0, len(sizes) - 1, values.shape[1]
    for group_start in range(0, len(indices), group_size):
        for i in range(updates):
            t = step + i
            epoch = t // batches - step // batches if batches > 1 else 0
            start = t % batches * batch_size
            count = min(batch_size, rows - start)
            low, high = share_of(count, thread, threads)
            length = high - low
            for k in range(group_start, min(group_start + group_size, len(indices))):
                index = indices[k]
                batch_ids = ids[epoch, min(k, ids.shape[1] - 1), start : start + count]
                batch_positions = positions[epoch, min(k, positions.shape[1] - 1), start : start + count]
                own_ids, own_positions = batch_ids[low:high], batch_positions[low:high]
                w = weights[min(k, len(weights) - 1)]
                total = count * 1.0
                if weighted:
                    total = 0.0
                    for r in range(count):
                        total += w[batch_ids[r]]
                T = theta[index]
                first, last = low * sizes[layers], high * sizes[layers]
                flat_targets = part(targets_space, first, last)
                flat_shares, flat_losses = part(shares_space, first, last), part(losses_space, first, last)
                value = part(x_space, low * sizes[0], high * sizes[0])
                if k == group_start or ids.shape[1] > 1:
                    gather(X, own_ids, value)
                for n in range(layers):
                    inputs, units = sizes[n], sizes[n + 1]
                    at = first_units[n] * batch_size + low * units
                    W, b = part(T, weights_at[n], weights_at[n] + inputs * units), zeros
                    z, a = view(z_space, at, length, units), view(a_space, at, length, units)
                    if biases_at[n] >= 0:
                        b = part(T, biases_at[n], biases_at[n] + units)
                    if HAS_SCALING:
                        # (x · s) W = x (s · W): so members share x, and no product is added.
                        if n == 0:
                            scale_rows(T, W, scaled, units, *share_of(inputs, thread, threads))
                            arrivals = meet(counter, arrivals, threads, yield_address)
                            W = scaled
                    product(value, inputs, 1, W, units, 1, b, flat(z), units, length, inputs, units)
                    if HAS_NORM:
                        if running_at[n] >= 0:
                            arrivals = meet(counter, arrivals, threads, yield_address)
                            running = buffers[index, running_at[n] : running_at[n] + 2 * units]
                            gamma = part(T, gammas_at[n], gammas_at[n] + units)
                            beta = part(T, betas_at[n], betas_at[n] + units)
                            whole = view(z_space, at - low * units, count, units)
                            normalized = view(normalized_space, at - low * units, count, units)
                            sums_of = view(sums_space, 3 * first_units[n], 3, units)
                            normalize(
                                *(whole, normalized, batch_ids, w, weighted, total, gamma, beta, sums_of, running),
                                *(NORM_EPSILON, NORM_MOMENTUM, *share_of(units, thread, threads)),
                            )
                            arrivals = meet(counter, arrivals, threads, yield_address)
                    if n < layers - 1:
                        # Softmax stores numbers of its rows, which are not needed, where the loss will write.
                        activate(kinds[n], z, a, flat_shares, flat_losses)
                        value = flat(a)
                        if HAS_DROPOUT:
                            if dropout[k, n] > 0:
                                limit, gain = limits[k, n], 1 / (1 - dropout[k, n])
                                purpose = DROPOUT_PURPOSE | (n + 1) << 8
                                dropped, keep = view(d_space, at, length, units), view(keep_space, at, length, units)
                                words = keys[k]
                                drop(a, dropped, keep, own_positions, t, purpose, limit, gain, words[0], words[1])
                                value = flat(dropped)
                # The loss replaces the logits by ∂J/∂z.
                loss(
                    *(z, a, Y, own_ids, w, weighted, total, flat_targets, flat_shares, flat_losses),
                    part(row_losses, low, high),
                )
                d = z
                for n in range(layers - 1, -1, -1):
                    inputs, units = sizes[n], sizes[n + 1]
                    if HAS_NORM:
                        if running_at[n] >= 0:
                            arrivals = meet(counter, arrivals, threads, yield_address)
                            at = first_units[n] * batch_size
                            gamma = part(T, gammas_at[n], gammas_at[n] + units)
                            to_gamma = part(G, gammas_at[n], gammas_at[n] + units)
                            to_beta = part(G, betas_at[n], betas_at[n] + units)
                            whole = view(d_space, at, count, units)
                            if n == layers - 1:
                                whole = view(z_space, at, count, units)
                            normalized = view(normalized_space, at, count, units)
                            sums_of = view(sums_space, 3 * first_units[n], 3, units)
                            normalize_back(
                                *(whole, normalized, batch_ids, w, weighted, total, gamma, sums_of),
                                *(to_gamma, to_beta, *share_of(units, thread, threads)),
                            )
                            arrivals = meet(counter, arrivals, threads, yield_address)
                    if n > 0:
                        # `before` holds a after dropout, then ∂J/∂a, then ∂J/∂z.
                        at = first_units[n - 1] * batch_size + low * inputs
                        z, a = view(z_space, at, length, inputs), view(a_space, at, length, inputs)
                        before = view(d_space, at, length, inputs)
                        W = part(T, weights_at[n], weights_at[n] + inputs * units)
                        product(flat(d), units, 1, W, 1, units, zeros, flat(before), inputs, length, units, inputs)
                        if HAS_DROPOUT:
                            if dropout[k, n - 1] > 0:
                                keep = view(keep_space, at, length, inputs)
                                multiply(before, keep)
                                slope(kinds[n - 1], z, a, before)
                                multiply(a, keep)  # for the gradient of W
                            else:
                                slope(kinds[n - 1], z, a, before)
                        else:
                            slope(kinds[n - 1], z, a, before)
                        d = before
                arrivals = meet(counter, arrivals, threads, yield_address)
                J = 0.0
                if thread == 0:
                    J = sum_of(part(row_losses, 0, count))
                for n in range(layers):
                    inputs, units = sizes[n], sizes[n + 1]
                    at = first_units[n] * batch_size
                    value, d = x_space, part(d_space, at, at + count * units)
                    if n > 0:
                        value = part(a_space, first_units[n - 1] * batch_size, len(a_space))
                    if n == layers - 1:
                        d = part(z_space, at, at + count * units)
                    low_input, high_input = share_of(inputs, thread, threads)
                    first, last = weights_at[n] + low_input * units, weights_at[n] + high_input * units
                    gradient = part(G, first, last)
                    product(
                        *(part(value, low_input, len(value)), 1, inputs, d, units, 1, zeros, gradient, units),
                        *(high_input - low_input, count, units),
                    )
                    if HAS_SCALING:
                        if n == 0:
                            scale_back(T, part(T, first, last), gradient, G, units, low_input, high_input)
                    if biases_at[n] >= 0:
                        low_unit, high_unit = share_of(units, thread, threads)
                        gradient = part(G, biases_at[n] + low_unit, biases_at[n] + high_unit)
                        product(
                            *(ones, 0, 0, part(d, low_unit, len(d)), units, 1, zeros, gradient, units),
                            *(1, count, high_unit - low_unit),
                        )
                arrivals = meet(counter, arrivals, threads, yield_address)
                strength = strengths[k]
                if PENALTY_PER_SAMPLE:
                    strength = strengths[k] / total
                numbers = numbers_of(t, rates[i, k], hyperparameters[k, 0])
                flush = (t + 1) % FLUSH_EVERY == 0
                for chunk in range(*share_of(chunks, thread, threads)):
                    for r in range(len(penalized)):
                        if HAS_NUMBERS_OF_RANGES:
                            numbers = numbers_of(t, rates[i, k], hyperparameters[k, r])
                        begin, end = share_of(ranges[r + 1] - ranges[r], chunk, chunks)
                        own_strength = strength if penalized[r] else 0.0
                        penalty, nonfinite[r, chunk] = update(
                            sums, T, G, slots, index, ranges[r] + begin, ranges[r] + end, own_strength, numbers, flush
                        )
                        values[r, chunk] = own_strength * penalty if own_strength != 0 else 0.0  # 0 · ∞ is no number
                arrivals = meet(counter, arrivals, threads, yield_address)
                if thread == 0:
                    nonfinite_count = 0
                    if HAS_PENALTY:
                        for value_of_chunk in flat(values):
                            J += value_of_chunk
                    for is_nonfinite in flat(nonfinite):
                        nonfinite_count += is_nonfinite
                    if HAS_NORM:
                        for statistic in buffers[index]:
                            nonfinite_count += 1 if statistic - statistic != 0 else 0
                    objective[i, index] = J
                    if bad[index] < 0 and (nonfinite_count or not np.isfinite(objective[i, index])):
                        bad[index] = t


@loop
def loss(z, a, y, ids, w, weighted, total, flat_targets, flat_shares, flat_losses, row_losses):
    """Write the loss of each of some rows, and replace their logits z by ∂J/∂z.

    The three flat arrays [B · C] are for targets, shares of the rows, and losses.
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
        for i in range(len(ids)):
            row, J = ids[i], 0.0
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
            row_losses[i] = J
        return
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
    for i in range(len(ids)):
        row_losses[i] = sum_of(part(flat_losses, i * units, (i + 1) * units))


@loop
def scale_rows(scale, weights, scaled, units, start, stop):
    """The scaling layer: `scaled` = s · W, for the inputs from `start` to `stop` − 1."""
    for d in range(start, stop):
        for h in range(d * units, (d + 1) * units):
            scaled[h] = scale[d] * weights[h]


@loop
def scale_back(scale, weights, gradient, scale_gradient, units, start, stop):
    """Turn the gradient of scaled weights into those of W and of the scales."""
    for d in range(start, stop):
        own_weights = part(weights, (d - start) * units, (d - start + 1) * units)
        own_gradient = part(gradient, (d - start) * units, (d - start + 1) * units)
        total = 0.0
        for h in range(units):
            total += own_weights[h] * own_gradient[h]
        scale_gradient[d] = total
        for h in range(units):
            own_gradient[h] *= scale[d]


def activate(kind, z, a, largest, totals):
    """a = f(z), f the hidden activation number `kind`."""


def slope(kind, z, a, d):
    """Replace ∂J/∂a in d by ∂J/∂z = f'(z) ∂J/∂a."""


def loss_and_slope(z, a, target, share):
    """An output's share of the loss and ∂J/∂z, or ∂J/∂a behind softmax."""


def update(values, T, g, slots, index, start, stop, strength, numbers, flush):
    """Update a range of θ; return its penalty, and whether a number is not finite."""


def numbers_of(step, rate, hyperparameters):
    """The numbers of an update that the optimizer takes."""
