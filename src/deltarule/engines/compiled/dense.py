"""What the program of a large network consists of, beside its formulas: products by BLAS, batch norm, dropout, softmax.

B rows of a batch · D inputs of a layer · H its units        x [B, D]   z, a, d [B, H]   W [D, H]   b [1, H]

This file is never imported by the library: its text follows that of vector.py in the program.

A BLAS is the address of its gemm, a Fortran function: it takes matrices by columns, so it is asked for Cᵀ = BᵀAᵀ, and
gets every argument as a pointer. Whole numbers and letters are handed over as 64-bit numbers, of which a BLAS of 32-bit
integers reads the lower half, and a letter is the lowest byte. That is right on little-endian processors; others have
no such program.

Threads may share a member, each with blocks of the batch's rows: they wait for one another at a gate.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from deltarule.engines.compiled.vector import compiled, exp, log, philox, select, sqrt

loop = njit(error_model="numpy", nogil=True)
PLAIN, TURNED = ord("N"), ord("T")


@intrinsic
def gemm(context, blas, left, right, m, n, k, one, a, lda, b, ldb, zero, c, ldc):
    """c = one · op(a) op(b) + zero · c, matrices by columns; a, b and c are addresses of numbers."""

    def generate(context, builder, signature, arguments):
        function, *given = arguments
        word = ir.IntType(64)
        addresses = [
            value if place in (6, 8, 11) else builder.ptrtoint(cgutils.alloca_once_value(builder, value), word)
            for place, value in enumerate(given)
        ]
        gemm_type = ir.FunctionType(ir.VoidType(), [word] * len(given))
        builder.call(builder.inttoptr(function, gemm_type.as_pointer()), addresses)
        return context.get_dummy_value()

    i = types.int64
    return types.void(i, i, i, i, i, i, one, i, i, i, i, one, i, i), generate


@compiled
def product(blas, one, a, b, out):
    """out = a b.    a [B, D]   b [D, H]   out [B, H]"""
    rows, columns, shared = a.shape[0], b.shape[1], a.shape[1]
    a_at, b_at, out_at = a.ctypes.data, b.ctypes.data, out.ctypes.data
    gemm(blas, PLAIN, PLAIN, columns, rows, shared, one, b_at, columns, a_at, shared, one - one, out_at, columns)


@compiled
def product_turned_left(blas, one, a, b, out):
    """out = aᵀ b.    a [B, D]   b [B, H]   out [D, H]"""
    rows, columns, shared = a.shape[1], b.shape[1], a.shape[0]
    a_at, b_at, out_at = a.ctypes.data, b.ctypes.data, out.ctypes.data
    gemm(blas, PLAIN, TURNED, columns, rows, shared, one, b_at, columns, a_at, rows, one - one, out_at, columns)


@compiled
def product_turned_right(blas, one, a, b, out):
    """out = a bᵀ.    a [B, H]   b [D, H]   out [B, D]"""
    rows, columns, shared = a.shape[0], b.shape[0], a.shape[1]
    a_at, b_at, out_at = a.ctypes.data, b.ctypes.data, out.ctypes.data
    gemm(blas, TURNED, PLAIN, columns, rows, shared, one, b_at, shared, a_at, shared, one - one, out_at, columns)


@intrinsic
def arrive(context, gate):
    """Add 1 to the number at an address, in one piece whoever else does so."""

    def generate(context, builder, signature, arguments):
        word = ir.IntType(64)
        place = builder.inttoptr(arguments[0], word.as_pointer())
        return builder.atomic_rmw("add", place, ir.Constant(word, 1), "seq_cst")

    return types.int64(types.int64), generate


@intrinsic
def arrived(context, gate):
    """The number at an address, as it is now."""

    def generate(context, builder, signature, arguments):
        place = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        return builder.load_atomic(place, "seq_cst", 8)

    return types.int64(types.int64), generate


@intrinsic
def step_aside(context, function):
    """Call a function of no arguments, which gives the processor to another thread for a moment."""

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.IntType(32), [])
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@loop
def wait(gate, comers, aside):
    """Wait until so many have come to the gate, counted from the first on."""
    arrive(gate)
    turns = 0
    while arrived(gate) < comers:
        turns += 1
        if turns > 2000:  # a few microseconds: then there may be no processor free for who is missing
            step_aside(aside)


@loop
def gather(rows, ids, out):
    """The rows of a batch, one after another."""
    for i in range(len(ids)):
        row = ids[i]
        for d in range(rows.shape[1]):
            out[i, d] = rows[row, d]


@loop
def add_bias(z, b):
    for i in range(z.shape[0]):
        for h in range(z.shape[1]):
            z[i, h] += b[0, h]


@loop
def add(G, start, stop):
    """The gradients of several blocks of rows, added up in the first one's place."""
    whole = G[0, start:stop]
    for block in range(1, len(G)):
        part = G[block, start:stop]
        for p in range(len(whole)):
            whole[p] += part[p]


@loop
def column_sums(d, out):
    """The sums over the rows, four rows at a time: each sum is read and written once for all of them."""
    rows, units = d.shape
    for h in range(units):
        out[0, h] = 0.0
    for i in range(0, rows - 3, 4):
        for h in range(units):
            out[0, h] += (d[i, h] + d[i + 1, h]) + (d[i + 2, h] + d[i + 3, h])
    for i in range(rows - rows % 4, rows):
        for h in range(units):
            out[0, h] += d[i, h]


@loop
def drop(a, dropped, keep, positions, step, purpose, limit, gain, key0, key1):
    """Dropout: a · keep / (1 − rate), and beside it keep / (1 − rate), which the way back needs."""
    for i in range(a.shape[0]):
        for group in range((a.shape[1] + 3) // 4):
            words = philox(np.uint64(group), np.uint64(positions[i]), np.uint64(step), np.uint64(purpose), key0, key1)
            for j in range(min(4, a.shape[1] - 4 * group)):
                keep[i, 4 * group + j] = gain * (words[j] >= limit)
                dropped[i, 4 * group + j] = a[i, 4 * group + j] * keep[i, 4 * group + j]


@loop
def multiply(values, by):
    for i in range(values.shape[0]):
        for h in range(values.shape[1]):
            values[i, h] *= by[i, h]


@loop
def normalize(z, normalized, ids, w, weighted, total, gamma, beta, sums, running, epsilon, momentum):
    """Batch norm: z becomes γ ẑ + β; ẑ and, in `sums`, each unit's √(σ² + ε) are kept for the way back.

    sums [3, H]   running [2 · H], the mean and the variance, which go a little way towards the batch's own
    """
    units = z.shape[1]
    for h in range(units):
        sums[0, h] = 0.0
        sums[1, h] = 0.0
    for i in range(z.shape[0]):
        share = (w[ids[i]] if weighted else 1.0) / total
        for h in range(units):
            sums[0, h] += share * z[i, h]
    for i in range(z.shape[0]):
        share = (w[ids[i]] if weighted else 1.0) / total
        for h in range(units):
            normalized[i, h] = z[i, h] - sums[0, h]
            sums[1, h] += share * normalized[i, h] * normalized[i, h]
    unbiased = max(total, 1.0) / max(total - 1, 1.0)
    for h in range(units):
        running[h] = (1 - momentum) * running[h] + momentum * sums[0, h]
        running[units + h] = (1 - momentum) * running[units + h] + momentum * (sums[1, h] * unbiased)
        sums[2, h] = sqrt(sums[1, h] + epsilon)
    for i in range(z.shape[0]):
        for h in range(units):
            normalized[i, h] /= sums[2, h]
            z[i, h] = gamma[0, h] * normalized[i, h] + beta[0, h]


@loop
def normalize_back(d, normalized, ids, w, weighted, total, gamma, sums, to_gamma, to_beta):
    """∂J/∂n becomes ∂J/∂z, and the gradients of γ and β are found, which are part of it."""
    units = d.shape[1]
    for h in range(units):
        sums[0, h] = 0.0
        sums[1, h] = 0.0
    for i in range(d.shape[0]):
        for h in range(units):
            sums[0, h] += d[i, h]
            sums[1, h] += d[i, h] * normalized[i, h]
    for i in range(d.shape[0]):
        share = (w[ids[i]] if weighted else 1.0) / total
        for h in range(units):
            inner = d[i, h] - share * sums[0, h] - share * normalized[i, h] * sums[1, h]
            d[i, h] = gamma[0, h] / sums[2, h] * inner
    for h in range(units):
        to_gamma[0, h] = sums[1, h]
        to_beta[0, h] = sums[0, h]


@compiled
def softmax_row(z, a, i):
    """A row of a = softmax(z), and log Σ exp z."""
    most = z[i, 0]
    for h in range(1, z.shape[1]):
        most = select(z[i, h] - most, z[i, h], most)
    # A loop of its own: one that also added up, number after number, could not be made of vectors.
    for h in range(z.shape[1]):
        a[i, h] = exp(z[i, h] - most)
    total = 0.0
    for h in range(z.shape[1]):
        total += a[i, h]
    for h in range(z.shape[1]):
        a[i, h] /= total
    return most + log(total)


@compiled
def softmax_row_back(a, d, i):
    """A row of ∂J/∂z in the place of ∂J/∂a."""
    total = 0.0
    for h in range(a.shape[1]):
        total += a[i, h] * d[i, h]
    for h in range(a.shape[1]):
        d[i, h] = a[i, h] * (d[i, h] - total)
