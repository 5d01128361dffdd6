"""What the program of a large network consists of, beside its formulas: products, batch norm, dropout, softmax.

B rows of a batch · D inputs of a layer · H its units        x [B, D]   z, a, d [B, H]   W [D, H]   b [1, H]

This file is never imported by the library: its text follows those of vector.py and tiles.py in the program.

Products go through tiles while their weights are in the nearer memory, and to a BLAS, which moves less to and fro, when
these are more; `by` are the addresses of both, and an array of a single one. A BLAS is the address of its gemm, a
Fortran function: it takes matrices by columns, so it is asked for Cᵀ = BᵀAᵀ, and gets every argument as a pointer.
Whole numbers and letters are handed over as 64-bit numbers, of which a BLAS of 32-bit integers reads the lower half,
and a letter is the lowest byte. That is right on little-endian processors; others have no such program.

Threads may share a member, each with blocks of the batch's rows: they wait for one another at a gate.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from deltarule.engines.compiled.program_sources.gemm_tiles import VECTOR_BYTES, WIDE, WORD
from deltarule.engines.compiled.program_sources.simd_math import INNER, compiled, exp, philox, select, sqrt

loop = njit(**INNER)
PLAIN, TURNED = ord("N"), ord("T")
# Weights of a product up to which tiles are at least as fast, as measured: with vectors of 512 bits OpenBLAS reaches
# two thirds of what the processor can, with those of 256 bits nearly all.
MAX_TILED = 1 << 17 if WIDE else 1 << 14


def matrix(context, builder, kind, value):
    """The address of a matrix, its rows and its columns."""
    array = context.make_array(kind)(context, builder, value)
    return builder.ptrtoint(array.data, WORD), *cgutils.unpack_tuple(builder, array.shape, 2)


def call(builder, function, given):
    """Call a function at an address, of whole numbers that is."""
    kind = ir.FunctionType(ir.VoidType(), [WORD] * len(given))
    builder.call(builder.inttoptr(function, kind.as_pointer()), given)


@intrinsic
def by_blas(context, function, turn_a, turn_b, one, a, b, plus, out):
    """out = a b + plus · out, with a or b TURNED or PLAIN; `one` and `plus` are numbers like those of the matrices."""

    def generate(context, builder, signature, arguments):
        function, turn_a, turn_b, one, a, b, plus, out = arguments
        (a_at, a_rows, a_row), (b_at, _, b_row), (out_at, rows, columns) = (
            matrix(context, builder, kind, value)
            for kind, value in zip([signature.args[place] for place in (4, 5, 7)], (a, b, out), strict=True)
        )
        shared = builder.select(builder.icmp_signed("==", turn_a, WORD(TURNED)), a_rows, a_row)

        def address_of(value):
            return builder.ptrtoint(cgutils.alloca_once_value(builder, value), WORD)

        sizes = [address_of(value) for value in (turn_b, turn_a, columns, rows, shared, one)]
        call(
            builder,
            function,
            [*sizes, b_at, address_of(b_row), a_at, address_of(a_row), address_of(plus), out_at, address_of(columns)],
        )
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, one, a, b, plus, out), generate


@intrinsic
def in_tiles(context, function, a, a_row, a_term, b, init, out, rows):
    """out = init + a b by `tiles`, compiled, at an address.    b [terms, columns]

    A number of a is so many numbers from that of the next row, or term; all rows have the same init.
    """

    def generate(context, builder, signature, arguments):
        function, a, a_row, a_term, b, init, out, rows = arguments
        (a_at, *_), (b_at, terms, columns), (init_at, *_), (out_at, *_) = (
            matrix(context, builder, kind, value)
            for kind, value in zip([signature.args[place] for place in (1, 4, 5, 6)], (a, b, init, out), strict=True)
        )
        word = WORD(signature.args[1].dtype.bitwidth // 8)
        row, of_a = builder.mul(columns, word), [builder.mul(one, word) for one in (a_row, a_term)]
        call(builder, function, [a_at, *of_a, b_at, row, out_at, row, init_at, WORD(0), rows, terms, columns])
        return context.get_dummy_value()

    i = types.int64
    return types.void(i, a, i, i, b, init, out, i), generate


def array_at(context, builder, kind, data, shape):
    """An array without an owner, whose numbers lie side by side from an address on."""
    array = make_array(kind)(context, builder)
    size = WORD(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [size, builder.mul(shape[-1], size)][kind.ndim - 1 :: -1]
    shape, strides = (cgutils.pack_array(builder, one) for one in (shape, strides))
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None, parent=None)
    return array._getvalue()


@intrinsic
def view(context, vector, start, rows, columns):
    """A matrix that lies in a vector from some place on.

    What NumPy's way of saying it makes counts how often an array is held, which takes longer than a small product.
    """
    kind = types.Array(vector.dtype, 2, "C")

    def generate(context, builder, signature, arguments):
        vector, start, rows, columns = arguments
        whole = make_array(signature.args[0])(context, builder, vector)
        return array_at(context, builder, kind, builder.gep(whole.data, [start]), [rows, columns])

    return kind(vector, *[types.int64] * 3), generate


@intrinsic
def part(context, array, start, stop):
    """Some rows of an array, or numbers of a vector."""
    kind = types.Array(array.dtype, array.ndim, "C")

    def generate(context, builder, signature, arguments):
        array, start, stop = arguments
        whole = make_array(signature.args[0])(context, builder, array)
        columns = cgutils.unpack_tuple(builder, whole.shape, kind.ndim)[1:]
        first = builder.mul(start, columns[0]) if columns else start
        return array_at(context, builder, kind, builder.gep(whole.data, [first]), [builder.sub(stop, start), *columns])

    return kind(array, types.int64, types.int64), generate


@intrinsic
def flat(context, array):
    """All numbers of a matrix, as a vector: NumPy's ways of saying it take long to compile."""
    kind = types.Array(array.dtype, 1, "C")

    def generate(context, builder, signature, arguments):
        whole = make_array(signature.args[0])(context, builder, arguments[0])
        count = builder.mul(*cgutils.unpack_tuple(builder, whole.shape, 2))
        return array_at(context, builder, kind, whole.data, [count])

    return kind(array), generate


@compiled
def suits_tiles(word, columns, numbers):
    """Whether a vector is filled by the columns of a product, and the nearer memory not by all numbers of its weights.

    With fewer columns, or more numbers, a BLAS is faster.
    """
    return columns * word >= VECTOR_BYTES and numbers <= MAX_TILED


@loop
def product(by, a, b, init, out):
    """out = a b + init in every row.    a [B, D]   b [D, H]   init [1, H]   out [B, H]"""
    if suits_tiles(b.itemsize, b.shape[1], b.size):
        in_tiles(by[1], a, a.shape[1], 1, b, init, out, len(a))
        return
    for i in range(out.shape[0]):
        for h in range(out.shape[1]):
            out[i, h] = init[0, h]
    one = by[2][0, 0]
    by_blas(by[0], PLAIN, PLAIN, one, a, b, one, out)


@loop
def product_turned_left(by, a, b, zeros, out):
    """out = aᵀ b.    a [B, D]   b [B, H]   zeros [1, at least D and H]   out [D, H]"""
    if suits_tiles(out.itemsize, out.shape[1], out.size):
        in_tiles(by[1], a, 1, a.shape[1], b, zeros, out, len(out))
    elif b.shape[1] == 1 and suits_tiles(out.itemsize, a.shape[1], out.size):
        in_tiles(by[1], b, 0, 1, a, zeros, out, 1)
    else:
        one = by[2][0, 0]
        by_blas(by[0], TURNED, PLAIN, one, a, b, one - one, out)


@loop
def product_turned_right(by, a, b, zeros, turned, out):
    """out = a bᵀ.    a [B, H]   b [D, H]   zeros [1, at least D]   turned [at least D · H]   out [B, D]"""
    if not suits_tiles(out.itemsize, out.shape[1], b.size):
        one = by[2][0, 0]
        by_blas(by[0], PLAIN, TURNED, one, a, b, one - one, out)
        return
    inputs, units = b.shape
    right = view(turned, 0, units, inputs)
    for d in range(inputs):
        for h in range(units):
            right[h, d] = b[d, h]
    in_tiles(by[1], a, units, 1, right, zeros, out, len(a))


@intrinsic
def arrive(context, gate):
    """Add 1 to the number at an address, in one piece whoever else does so."""

    def generate(context, builder, signature, arguments):
        place = builder.inttoptr(arguments[0], WORD.as_pointer())
        return builder.atomic_rmw("add", place, WORD(1), "seq_cst")

    return types.int64(types.int64), generate


@intrinsic
def load_counter(context, gate):
    """The number at an address, as it is now."""

    def generate(context, builder, signature, arguments):
        place = builder.inttoptr(arguments[0], WORD.as_pointer())
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
    while load_counter(gate) < comers:
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
def add(G, start, stop):
    """The gradients of several blocks of rows, added up in the first one's place."""
    whole = G[0, start:stop]
    for block in range(1, len(G)):
        part = G[block, start:stop]
        for p in range(len(whole)):
            whole[p] += part[p]


@loop
def sum_of(values):
    """The sum of some numbers, four sums side by side: one alone would wait for each addition before the next."""
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
    """The sum of some numbers, one after another."""
    total = 0.0
    for i in range(len(values)):
        total += values[i]
    return total


@loop
def column_sums(by, d, zeros, out):
    """The sums over the rows: a product with a row of ones."""
    units = d.shape[1]
    if suits_tiles(out.itemsize, units, 0):
        in_tiles(by[1], by[2], 0, 0, d, zeros, out, 1)
        return
    if units == 1:
        out[0, 0] = sum_of(flat(d))
        return
    for h in range(units):
        out[0, h] = 0.0
    for i in range(len(d)):
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


@loop
def softmax_rows(z, a, largest, totals):
    """a = softmax(z), row by row; of each row its largest z and Σ exp(z − largest) are kept."""
    for i in range(len(z)):
        most = z[i, 0]
        for h in range(1, z.shape[1]):
            most = select(z[i, h] - most, z[i, h], most)
        largest[i] = most
        for h in range(z.shape[1]):
            a[i, h] = z[i, h] - most
    # A loop over all numbers, which becomes vectors however few the units are.
    of_all = flat(a)
    for p in range(len(of_all)):
        of_all[p] = exp(of_all[p])
    for i in range(len(z)):
        total = 0.0
        for h in range(z.shape[1]):
            total += a[i, h]
        totals[i] = total
        for h in range(z.shape[1]):
            a[i, h] /= total


@compiled
def softmax_row_back(a, d, i):
    """A row of ∂J/∂z in the place of ∂J/∂a."""
    total = 0.0
    for h in range(a.shape[1]):
        total += a[i, h] * d[i, h]
    for h in range(a.shape[1]):
        d[i, h] = a[i, h] * (d[i, h] - total)
