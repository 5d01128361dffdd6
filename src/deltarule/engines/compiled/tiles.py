"""Products of matrices in tiles that stay in registers, in which every number is summed in one fixed order.

B rows of a batch · D inputs · J columns: the units of a layer, of one member or of all the members of a block

This file is never imported by the library: its text follows that of vector.py in the program.

The first layer of a block is multiplied so, whose inputs are the same for all members, and all layers of a member that
is alone. In later layers of a block each member has inputs of its own: there a tile is some rows of a single unit, and
vectors of lanes.

A BLAS adds up a product's terms in an order of its own, which differs from column to column of the same matrix. Here
every number is init + a₀ b₀ + a₁ b₁ + …, term after term, each rounded once: the bits are those of the same sum written
as a loop, whatever the tile. A tile is some rows and vectors of columns, so that what is loaded is used several times.
"""

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from deltarule.engines.compiled.vector import HAS_FMA

WORD, NUMBER, BYTES = ir.IntType(64), ir.DoubleType(), 8
WIDE, AVX = (get_host_cpu_features().get(name) for name in ("avx512f", "avx"))
WIDTH = 8 if WIDE else 4 if AVX else 2  # numbers in a vector of this processor
# Rows and vectors of a tile: one register for each of its vectors, and some for what they are made of.
ROWS, VECTORS = (6, 4) if WIDE or HAS_FMA and not AVX else (4, 2)
ROWS_BY_LANE, VECTORS_BY_LANE = 4, 2


def loop_while(builder, name, test, body):
    """Write a loop: `test` and `body` are written where they belong."""
    ask, do, out = (builder.append_basic_block(f"{name}_{part}") for part in ("ask", "do", "out"))
    builder.branch(ask)
    builder.position_at_end(ask)
    builder.cbranch(test(), do, out)
    builder.position_at_end(do)
    body()
    builder.branch(ask)
    builder.position_at_end(out)


def vector_at(builder, kind, address, place):
    """The address of the place-th vector from an address on."""
    offset = place * BYTES * (kind.count if isinstance(kind, ir.VectorType) else 1)
    return builder.inttoptr(builder.add(address, WORD(offset)), kind.as_pointer())


def loaded(builder, pointer):
    """What is at an address, which need not be a multiple of a vector's size."""
    value = builder.load(pointer)
    value.align = BYTES
    return value


def repeated(builder, kind, value):
    """A vector of one number."""
    if not isinstance(kind, ir.VectorType):
        return value
    nothing, places = ir.Constant(kind, ir.Undefined), ir.VectorType(ir.IntType(32), kind.count)
    first = builder.insert_element(nothing, value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(places, [0] * kind.count))


def joined(builder, kind, x, y, z):
    """x y + z: the same as `fma` of single numbers."""
    if not HAS_FMA:
        return builder.fadd(builder.fmul(x, y), z)
    name = f"llvm.fma.v{kind.count}f64" if isinstance(kind, ir.VectorType) else "llvm.fma.f64"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
    return builder.call(function, [x, y, z])


def tile(builder, rows, vectors, width, a, b, c, init, terms, by_lane):
    """One tile of c = init + a b: a, b, c and init are their addresses and the bytes to the next row (and term).

    A number of a is that of all columns, or `by_lane` each column's own.
    """
    kind = ir.VectorType(NUMBER, width) if width > 1 else NUMBER
    places = [(row, vector) for row in range(rows) for vector in range(vectors)]
    a_rows, c_rows, init_rows = (
        [builder.add(address, builder.mul(stride, WORD(row))) for row in range(rows)]
        for address, stride in (a[:2], c, init)
    )
    begun = [loaded(builder, vector_at(builder, kind, init_rows[row], vector)) for row, vector in places]
    before, again, done = builder.block, builder.append_basic_block("term"), builder.append_basic_block("terms_out")
    builder.cbranch(builder.icmp_signed(">", terms, WORD(0)), again, done)
    builder.position_at_end(again)
    term, a_offset, b_address = (builder.phi(WORD) for _ in range(3))
    sums = [builder.phi(kind) for _ in places]
    right = [loaded(builder, vector_at(builder, kind, b_address, vector)) for vector in range(vectors)]
    left_at = [builder.add(one, a_offset) for one in a_rows]
    if by_lane:
        left = [
            [loaded(builder, vector_at(builder, kind, one, vector)) for vector in range(vectors)] for one in left_at
        ]
    else:
        numbers = [loaded(builder, vector_at(builder, NUMBER, one, 0)) for one in left_at]
        left = [[repeated(builder, kind, number)] * vectors for number in numbers]
    after = [
        joined(builder, kind, left[row][vector], right[vector], total)
        for (row, vector), total in zip(places, sums, strict=True)
    ]
    following = builder.add(term, WORD(1))
    for phi, first, later in (
        (term, WORD(0), following),
        (a_offset, WORD(0), builder.add(a_offset, a[2])),
        (b_address, b[0], builder.add(b_address, b[1])),
        *zip(sums, begun, after, strict=True),
    ):
        phi.add_incoming(first, before)
        phi.add_incoming(later, again)
    builder.cbranch(builder.icmp_signed("<", following, terms), again, done)
    builder.position_at_end(done)
    for (row, vector), first, later in zip(places, begun, after, strict=True):
        total = builder.phi(kind)
        total.add_incoming(first, before)
        total.add_incoming(later, again)
        sums[row * vectors + vector] = total
    for (row, vector), total in zip(places, sums, strict=True):
        builder.store(total, vector_at(builder, kind, c_rows[row], vector)).align = BYTES


def written(builder, arguments, by_lane):
    """Write the loops over tiles of all sizes, the largest first."""
    a, a_row, a_term, b, b_term, c, c_row, init, init_row, rows, terms, columns = arguments
    column, row = (cgutils.alloca_once_value(builder, WORD(0)) for _ in range(2))

    def some_rows(count, vectors, width):
        i, j = builder.load(row), builder.mul(builder.load(column), WORD(BYTES))
        at = [
            (builder.add(builder.add(address, builder.mul(i, stride)), offset), stride)
            for address, stride, offset in ((a, a_row, j if by_lane else WORD(0)), (c, c_row, j), (init, init_row, j))
        ]
        tile(builder, count, vectors, width, (*at[0], a_term), (builder.add(b, j), b_term), *at[1:], terms, by_lane)
        builder.store(builder.add(i, WORD(count)), row)

    def some_columns(vectors, width):
        builder.store(WORD(0), row)
        for count in (ROWS_BY_LANE if by_lane else ROWS, 1):
            loop_while(
                builder,
                "rows",
                lambda count=count: builder.icmp_signed("<=", builder.add(builder.load(row), WORD(count)), rows),
                lambda count=count: some_rows(count, vectors, width),
            )
        builder.store(builder.add(builder.load(column), WORD(vectors * width)), column)

    shapes, width = [(VECTORS_BY_LANE if by_lane else VECTORS, WIDTH)], WIDTH
    while width:
        shapes.append((1, width))
        width //= 2
    for vectors, width in shapes:
        wide = vectors * width
        loop_while(
            builder,
            "columns",
            lambda wide=wide: builder.icmp_signed("<=", builder.add(builder.load(column), WORD(wide)), columns),
            lambda vectors=vectors, width=width: some_columns(vectors, width),
        )


@intrinsic
def tiles(context, a, a_row, a_term, b, b_term, c, c_row, init, init_row, rows, terms, columns):
    """c[i, j] = init[i, j] + Σ a[i, s] b[s, j] over s, term after term, in float64.

    a, b, c and init are addresses, and what follows each are the bytes to its next row or term; columns lie side by
    side.
    """

    def generate(context, builder, signature, arguments):
        written(builder, arguments, by_lane=False)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 12), generate


@intrinsic
def lanes(context, a, a_row, a_term, b, b_term, c, c_row, init, init_row, rows, terms, columns):
    """c[i, l] = init[i, l] + Σ a[i, s, l] b[s, l] over s: the same in every lane."""

    def generate(context, builder, signature, arguments):
        written(builder, arguments, by_lane=True)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 12), generate


separate = njit(error_model="numpy", nogil=True)


@separate
def gather(rows, ids, out):
    """The rows of a batch, one after another, in a flat array."""
    for i in range(len(ids)):
        row = ids[i]
        for d in range(rows.shape[1]):
            out[i * rows.shape[1] + d] = rows[row, d]


@separate
def multiply(x, inputs, W, b, b_row, z, count, columns):
    """z = x W + b for so many rows, where b's own rows are so far apart.    x [B·D]   W [D·J]   b [J] or z itself"""
    x_at, W_at, b_at, z_at = x.ctypes.data, W.ctypes.data, b.ctypes.data, z.ctypes.data
    tiles(x_at, 8 * inputs, 8, W_at, 8 * columns, z_at, 8 * columns, b_at, 8 * b_row, count, inputs, columns)


@separate
def add_gradient(x, inputs, d, G, count, columns):
    """∂J/∂W += xᵀ d.    x [B·D]   d [B·J]   G [D·J]"""
    x_at, d_at, G_at = x.ctypes.data, d.ctypes.data, G.ctypes.data
    tiles(x_at, 8, 8 * inputs, d_at, 8 * columns, G_at, 8 * columns, G_at, 8 * columns, inputs, count, columns)


@separate
def add_rows(d, G, count, columns):
    """∂J/∂b += Σ d over the rows.    d [B·J]   G [J]"""
    for i in range(count):
        for j in range(columns):
            G[j] += d[i * columns + j]


@separate
def multiply_lanes(a, W, b, b_column, z, count, inputs, units, L):
    """z = a W + b in every lane, where b's own columns are so far apart.   a [B·D·L]   W [D·H·L]   z [B·H·L]"""
    a_at, W_at, b_at, z_at = a.ctypes.data, W.ctypes.data, b.ctypes.data, z.ctypes.data
    row, one = 8 * units * L, 8 * L
    for h in range(units):
        own = h * one
        b_own = b_at + 8 * h * b_column
        lanes(a_at, inputs * one, one, W_at + own, row, z_at + own, row, b_own, 0, count, inputs, L)


@separate
def multiply_back_lanes(d, W, zero, before, count, inputs, units, L):
    """∂J/∂a of the layer before = d Wᵀ in every lane.   d [B·H·L]   W [D·H·L]   zero [L]   before [B·D·L]"""
    d_at, W_at, zero_at, before_at = d.ctypes.data, W.ctypes.data, zero.ctypes.data, before.ctypes.data
    row, one = 8 * units * L, 8 * L
    for i in range(inputs):
        own = before_at + i * one
        lanes(d_at, row, one, W_at + i * row, one, own, inputs * one, zero_at, 0, count, units, L)


@separate
def add_gradient_lanes(a, d, G, count, inputs, units, L):
    """∂J/∂W += aᵀ d in every lane.   a [B·D·L]   d [B·H·L]   G [D·H·L]"""
    a_at, d_at, G_at = a.ctypes.data, d.ctypes.data, G.ctypes.data
    row, one = 8 * units * L, 8 * L
    for h in range(units):
        own = G_at + h * one
        lanes(a_at, one, inputs * one, d_at + h * one, row, own, row, own, row, inputs, count, L)
