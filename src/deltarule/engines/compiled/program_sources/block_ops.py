"""The functions of a program for small networks, beside its formulas.

B rows of a batch · D inputs · J columns: the units of a layer, of one member or of all the members of a block
count B · inputs D · columns J · L lanes
x [B·D]   W [D·J]   b [J], or z itself   and in lanes a, before [B·D·L]   W, G [D·H·L]   z, d [B·H·L]

This file is never imported by the library: its text follows those of simd_math.py and gemm_tiles.py in the program.

The first layer of a block is multiplied in tiles of rows and columns, for its inputs are the same for all members; and
all layers of a member that is alone. In later layers of a block each member has inputs of its own: there a tile is some
rows of a single unit, and vectors of lanes.
"""

from numba import njit

from deltarule.engines.compiled.program_sources.gemm_tiles import lanes, tiles
from deltarule.engines.compiled.program_sources.simd_math import INNER

LANES = 16

separate = njit(**INNER)


@separate
def gather(rows, ids, out):
    """Copy the rows `ids` [B] of rows [N, D] to the flat array out [B·D]."""
    for i in range(len(ids)):
        row = ids[i]
        for d in range(rows.shape[1]):
            out[i * rows.shape[1] + d] = rows[row, d]


@separate
def multiply(x, inputs, W, b, b_row, z, count, columns):
    """z = x W + b for B rows; b's rows are `b_row` numbers apart."""
    x_at, W_at, b_at, z_at = x.ctypes.data, W.ctypes.data, b.ctypes.data, z.ctypes.data
    word, row = x.itemsize, x.itemsize * columns
    tiles(W[0], x_at, word * inputs, word, W_at, row, z_at, row, b_at, word * b_row, count, inputs, columns)


@separate
def add_gradient(x, inputs, d, G, count, columns):
    """G += xᵀ d, the gradient of W.    x [B·D]   d [B·J], ∂J/∂z   G [D·J]."""
    x_at, d_at, G_at = x.ctypes.data, d.ctypes.data, G.ctypes.data
    word, row = x.itemsize, x.itemsize * columns
    tiles(G[0], x_at, word, word * inputs, d_at, row, G_at, row, G_at, row, inputs, count, columns)


@separate
def add_rows(d, G, count, columns):
    """G += Σ d over the rows, the gradient of b.    d [B·J], ∂J/∂z   G [J]."""
    for i in range(count):
        for j in range(columns):
            G[j] += d[i * columns + j]


@separate
def multiply_lanes(a, W, b, b_column, z, count, inputs, units, L):
    """z = a W + b in every lane; b's units are `b_column` numbers apart."""
    a_at, W_at, b_at, z_at = a.ctypes.data, W.ctypes.data, b.ctypes.data, z.ctypes.data
    row, one = a.itemsize * units * L, a.itemsize * L
    for h in range(units):
        own = h * one
        b_own = b_at + a.itemsize * h * b_column
        lanes(W[0], a_at, inputs * one, one, W_at + own, row, z_at + own, row, b_own, 0, count, inputs, L)


@separate
def multiply_back_lanes(d, W, zero, before, count, inputs, units, L):
    """before = d Wᵀ in every lane, ∂J/∂a of the layer before; zero [L], all 0."""
    d_at, W_at, zero_at, before_at = d.ctypes.data, W.ctypes.data, zero.ctypes.data, before.ctypes.data
    row, one = d.itemsize * units * L, d.itemsize * L
    for i in range(inputs):
        own = before_at + i * one
        lanes(W[0], d_at, row, one, W_at + i * row, one, own, inputs * one, zero_at, 0, count, units, L)


@separate
def add_gradient_lanes(a, d, G, count, inputs, units, L):
    """G += aᵀ d in every lane, the gradient of W, with d = ∂J/∂z."""
    a_at, d_at, G_at = a.ctypes.data, d.ctypes.data, G.ctypes.data
    row, one = a.itemsize * units * L, a.itemsize * L
    for h in range(units):
        own = G_at + h * one
        lanes(G[0], a_at, one, inputs * one, d_at + h * one, row, own, row, own, row, inputs, count, L)


@separate
def gather_lanes(rows, members, vector):
    """Copy the rows of a block's members, one into each lane."""
    for lane in range(LANES):
        for p in range(rows.shape[1]):
            vector[p * LANES + lane] = rows[members[lane], p]


@separate
def scatter_lanes(vector, members, count, rows):
    """Copy the first `count` lanes to the rows of their members."""
    for lane in range(count):
        for p in range(rows.shape[1]):
            rows[members[lane], p] = vector[p * LANES + lane]
