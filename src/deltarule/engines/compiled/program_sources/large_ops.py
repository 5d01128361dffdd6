"""The functions of a program for large networks, beside formulas and products.

B rows of a batch · H units of a layer        z, a, d [B, H]

This file is never imported by the library: its text follows that of array_views.py in the program.

Threads may share a member: they wait for one another at a counter of arrivals.
"""

import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from deltarule.engines.compiled.program_sources.array_views import flat, part
from deltarule.engines.compiled.program_sources.shared_tiles import WORD, products
from deltarule.engines.compiled.program_sources.simd_math import INNER, compiled, exp, philox, select

loop = njit(**INNER)


@intrinsic
def arrive(context, counter):
    """Add 1 atomically to the counter at an address, and return its old value."""

    def generate(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], WORD.as_pointer())
        return builder.atomic_rmw("add", pointer, WORD(1), "seq_cst")

    return types.int64(types.int64), generate


@intrinsic
def load_counter(context, counter):
    """Return the 64-bit counter at the address `counter`, read atomically."""

    def generate(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], WORD.as_pointer())
        return builder.load_atomic(pointer, "seq_cst", 8)

    return types.int64(types.int64), generate


@intrinsic
def yield_processor(context, function):
    """Call the function at the address `function`, which yields the processor."""

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.IntType(32), [])
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@loop
def meet(counter, arrivals, threads, yield_address):
    """Wait for all threads; return the arrivals, to be handed to the next call.

    counter : the address of the number of arrivals
    yield_address : the address of the function that yields the processor
    """
    if threads > 1:
        arrivals += threads
        arrive(counter)
        turns = 0
        while load_counter(counter) < arrivals:
            turns += 1
            if turns > 2000:  # after microseconds: the missing thread may lack a free processor
                yield_processor(yield_address)
    return arrivals


@compiled
def share_of(count, thread, threads):
    """Return where a thread's part of `count` things begins, and where it ends."""
    return thread * count // threads, (thread + 1) * count // threads


@compiled
def product(a, a_row, a_term, b, b_term, b_column, init, out, out_row, rows, terms, columns):
    """`products` of flat arrays, each beginning with the first entry that is used."""
    a_at, b_at, init_at, out_at = a.ctypes.data, b.ctypes.data, init.ctypes.data, out.ctypes.data
    products(a[0], a_at, a_row, a_term, b_at, b_term, b_column, init_at, out_at, out_row, rows, terms, columns)


@loop
def gather(rows, ids, out):
    """Copy the rows `ids` [B] of rows [N, D] to the flat array out [B · D]."""
    numbers, columns = flat(rows), rows.shape[1]
    for i in range(len(ids)):
        source = part(numbers, ids[i] * columns, (ids[i] + 1) * columns)
        target = part(out, i * columns, (i + 1) * columns)
        for d in range(columns):
            target[d] = source[d]


@loop
def sum_of(values):
    """Return the sum of a vector as four interleaved sums, faster than one."""
    first, second, third, fourth = 0.0, 0.0, 0.0, 0.0
    for i in range(0, len(values) - 3, 4):
        first += values[i]
        second += values[i + 1]
        third += values[i + 2]
        fourth += values[i + 3]
    for i in range(len(values) - len(values) % 4, len(values)):
        first += values[i]
    return (first + second) + (third + fourth)


@loop
def sum_in_order(values):
    """Return the sum of a vector, added in order, one number after another."""
    total = 0.0
    for i in range(len(values)):
        total += values[i]
    return total


@loop
def drop(a, dropped, keep, positions, step, purpose, limit, gain, key0, key1):
    """Dropout: keep = `gain` or 0, dropped = a · keep, all [B, H].

    gain is 1 / (1 − rate). A unit is kept if its random word, from philox with the key, is not below `limit`.
    """
    for i in range(a.shape[0]):
        for group in range((a.shape[1] + 3) // 4):
            words = philox(np.uint64(group), np.uint64(positions[i]), np.uint64(step), np.uint64(purpose), key0, key1)
            for j in range(min(4, a.shape[1] - 4 * group)):
                keep[i, 4 * group + j] = gain * (words[j] >= limit)
                dropped[i, 4 * group + j] = a[i, 4 * group + j] * keep[i, 4 * group + j]


@loop
def multiply(values, factors):
    """values ← values · factors, entry by entry.    values, factors [B, H]."""
    for i in range(values.shape[0]):
        for h in range(values.shape[1]):
            values[i, h] *= factors[i, h]


@loop
def normalize(z, normalized, ids, w, weighted, total, gamma, beta, sums, running, epsilon, momentum, start, stop):
    """Batch norm of the units from `start` to `stop` − 1: z becomes γ ẑ + β, `normalized` ẑ, sums[2] √(σ² + ε).

    z, normalized [B, H]   sums [3, H]   running [2 · H], the running mean and variance   ids [B], rows of the weights w
    """
    units = z.shape[1]
    for h in range(start, stop):
        sums[0, h] = 0.0
        sums[1, h] = 0.0
    for i in range(z.shape[0]):
        share = (w[ids[i]] if weighted else 1.0) / total
        for h in range(start, stop):
            sums[0, h] += share * z[i, h]
    for i in range(z.shape[0]):
        share = (w[ids[i]] if weighted else 1.0) / total
        for h in range(start, stop):
            normalized[i, h] = z[i, h] - sums[0, h]
            sums[1, h] += share * normalized[i, h] * normalized[i, h]
    unbiased = max(total, 1.0) / max(total - 1, 1.0)
    for h in range(start, stop):
        running[h] = (1 - momentum) * running[h] + momentum * sums[0, h]
        running[units + h] = (1 - momentum) * running[units + h] + momentum * (sums[1, h] * unbiased)
        sums[2, h] = math.sqrt(sums[1, h] + epsilon)
    for i in range(z.shape[0]):
        for h in range(start, stop):
            normalized[i, h] /= sums[2, h]
            z[i, h] = gamma[h] * normalized[i, h] + beta[h]


@loop
def normalize_back(d, normalized, ids, w, weighted, total, gamma, sums, to_gamma, to_beta, start, stop):
    """Replace ∂J/∂(γ ẑ + β) in d by ∂J/∂z; store the gradients of γ and β."""
    for h in range(start, stop):
        sums[0, h] = 0.0
        sums[1, h] = 0.0
    for i in range(d.shape[0]):
        for h in range(start, stop):
            sums[0, h] += d[i, h]
            sums[1, h] += d[i, h] * normalized[i, h]
    for i in range(d.shape[0]):
        share = (w[ids[i]] if weighted else 1.0) / total
        for h in range(start, stop):
            inner = d[i, h] - share * sums[0, h] - share * normalized[i, h] * sums[1, h]
            d[i, h] = gamma[h] / sums[2, h] * inner
    for h in range(start, stop):
        to_gamma[h] = sums[1, h]
        to_beta[h] = sums[0, h]


@loop
def softmax_rows(z, a, largest, totals):
    """a = softmax(z) [B, H]; also each row's largest z, and Σ exp(z − largest)."""
    for i in range(len(z)):
        maximum = z[i, 0]
        for h in range(1, z.shape[1]):
            maximum = select(z[i, h] - maximum, z[i, h], maximum)
        largest[i] = maximum
        for h in range(z.shape[1]):
            a[i, h] = z[i, h] - maximum
    # A loop over all numbers is vectorized however few the units are.
    all_values = flat(a)
    for p in range(len(all_values)):
        all_values[p] = exp(all_values[p])
    for i in range(len(z)):
        total = 0.0
        for h in range(z.shape[1]):
            total += a[i, h]
        totals[i] = total
        for h in range(z.shape[1]):
            a[i, h] /= total


@compiled
def softmax_row_back(a, d, i):
    """Replace ∂J/∂a in row i of d by ∂J/∂z = a (∂J/∂a − Σ a ∂J/∂a).    a, d [B, H]."""
    total = 0.0
    for h in range(a.shape[1]):
        total += a[i, h] * d[i, h]
    for h in range(a.shape[1]):
        d[i, h] = a[i, h] * (d[i, h] - total)
