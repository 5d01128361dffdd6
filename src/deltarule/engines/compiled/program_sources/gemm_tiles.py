"""Products of matrices in tiles, with every number summed in a fixed order.

This file is never imported by the library: its text follows that of simd_math.py in the program.

A BLAS adds up a product's terms in an order of its own, which differs from column to column of the same matrix. Here
every number is init + a₀ b₀ + a₁ b₁ + …, term after term, each rounded once: the bits are those of the same sum written
as a loop, whatever the tile. A tile is some rows and vectors of columns, so that what is loaded is used several times.

What it buys: small networks take 1.2 to 1.6 times as long without it. Large ones take 1.1 times as long with a BLAS of
512-bit kernels, 1.4 to 1.7 times with narrow ones. Evaluations have the same bits in lanes and alone because of it. The
code is written for LLVM and not for Numba, which keeps no tile of sums in registers. All programs share one compiled
copy where a call costs little (`shared_tiles.py`); those for small networks hold their own.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from deltarule.engines.compiled.program_sources.simd_math import AVX, HAS_FMA, VECTOR_BYTES, WIDE

WORD = ir.IntType(64)
# Rows and vectors of a tile: one register for each of its vectors, and some for what they are made of. There are 32 of
# 512 bits, and on ARM; else 16.
ROWS, VECTORS = (6, 4) if WIDE or HAS_FMA and not AVX else (4, 3) if HAS_FMA else (6, 2)
ROWS_BY_LANE, VECTORS_BY_LANE = 4, 2
"""Rows and vectors of a tile whose weights differ by lane: each then needs registers for its own weights."""


def loop_while(builder, name, test, body):
    """Write a while loop as LLVM code, by the writers of its condition and body."""
    ask, do, out = (builder.append_basic_block(f"{name}_{part}") for part in ("ask", "do", "out"))
    builder.branch(ask)
    builder.position_at_end(ask)
    builder.cbranch(test(), do, out)
    builder.position_at_end(do)
    body()
    builder.branch(ask)
    builder.position_at_end(out)


def bytes_of(kind):
    """Return the bytes of a number of an LLVM type, or of one entry of a vector type."""
    number = kind.element if isinstance(kind, ir.VectorType) else kind
    return 8 if isinstance(number, ir.DoubleType) else 4


def at(builder, kind, address, offset):
    """Return a pointer to a number or vector, `offset` bytes from an address."""
    return builder.inttoptr(builder.add(address, offset), kind.as_pointer())


def load_unaligned(builder, pointer):
    """Load the number or vector at `pointer`, aligned to one number at least."""
    value = builder.load(pointer)
    value.align = bytes_of(value.type)
    return value


def broadcast(builder, kind, value):
    """Return a vector of type `kind` with `value` in every entry, or a number alone."""
    if not isinstance(kind, ir.VectorType):
        return value
    nothing, places = ir.Constant(kind, ir.Undefined), ir.VectorType(ir.IntType(32), kind.count)
    first = builder.insert_element(nothing, value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, nothing, ir.Constant(places, [0] * kind.count))


def multiply_add(builder, kind, x, y, z):
    """Return x y + z of type `kind`, rounded in each entry as by `fma`."""
    if not HAS_FMA:
        return builder.fadd(builder.fmul(x, y), z)
    number = f"f{8 * bytes_of(kind)}"
    name = f"llvm.fma.v{kind.count}{number}" if isinstance(kind, ir.VectorType) else f"llvm.fma.{number}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
    return builder.call(function, [x, y, z])


def tile(builder, kind, rows, offsets, a, b, c, init, terms, by_lane):
    """Write one tile, c = init + a b: `rows` rows, a vector of columns per offset.

    a is (address, bytes to the next row, bytes to the next term); b is (address, bytes to the next term); c and init
    are (address, bytes to the next row). An entry of a holds for all columns, or with `by_lane` for one column.
    """
    places = [(row, vector) for row in range(rows) for vector in range(len(offsets))]
    a_rows, c_rows, init_rows = (
        [builder.add(address, builder.mul(stride, WORD(row))) for row in range(rows)]
        for address, stride in (a[:2], c, init)
    )
    begun = [load_unaligned(builder, at(builder, kind, init_rows[row], offsets[vector])) for row, vector in places]
    before, again, done = builder.block, builder.append_basic_block("term"), builder.append_basic_block("terms_out")
    builder.cbranch(builder.icmp_signed(">", terms, WORD(0)), again, done)
    builder.position_at_end(again)
    term, a_offset, b_address = (builder.phi(WORD) for _ in range(3))
    sums = [builder.phi(kind) for _ in places]
    right = [load_unaligned(builder, at(builder, kind, b_address, offset)) for offset in offsets]
    left_rows = [builder.add(one, a_offset) for one in a_rows]
    if by_lane:
        left = [[load_unaligned(builder, at(builder, kind, one, offset)) for offset in offsets] for one in left_rows]
    else:
        number = kind.element if isinstance(kind, ir.VectorType) else kind
        numbers = [load_unaligned(builder, at(builder, number, one, WORD(0))) for one in left_rows]
        left = [[broadcast(builder, kind, number)] * len(offsets) for number in numbers]
    after = [
        multiply_add(builder, kind, left[row][vector], right[vector], total)
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
        sums[row * len(offsets) + vector] = total
    for (row, vector), total in zip(places, sums, strict=True):
        builder.store(total, at(builder, kind, c_rows[row], offsets[vector])).align = bytes_of(kind)


def write_tile_loops(builder, number, arguments, by_lane):
    """Write the loops over tiles of all sizes, for the `arguments` of `tiles`.

    Columns are divided into tiles of about as many vectors each. Where they do not fill the last vector of the last
    tile, it begins earlier and shares columns with the one before, which both find and store alike.
    """
    a, a_row, a_term, b, b_term, c, c_row, init, init_row, rows, terms, columns = arguments
    column, row = (cgutils.alloca_once_value(builder, WORD(0)) for _ in range(2))
    most_rows, most = (ROWS_BY_LANE, VECTORS_BY_LANE) if by_lane else (ROWS, VECTORS)

    def rounded_up(value, by):
        """Return ⌈value / by⌉."""
        return builder.sdiv(builder.add(value, builder.sub(by, WORD(1))), by)

    def left():
        """Return the number of columns that are not yet written."""
        return builder.sub(columns, builder.load(column))

    def next_has(vectors, wide):
        """Return whether the next tile has this many vectors of `wide` columns."""
        needed = rounded_up(left(), WORD(wide))
        some = builder.icmp_signed(">", needed, WORD(0))
        tiles_left = builder.select(some, rounded_up(needed, WORD(most)), WORD(1))
        return builder.icmp_signed("==", rounded_up(needed, tiles_left), WORD(vectors))

    def some_rows(kind, count, offsets):
        """Write a tile of the next `count` rows, and advance `row`."""
        i = builder.load(row)
        of_a, of_c, of_init = (
            (builder.add(address, builder.mul(i, stride)), stride)
            for address, stride in ((a, a_row), (c, c_row), (init, init_row))
        )
        tile(builder, kind, count, offsets, (*of_a, a_term), (b, b_term), of_c, of_init, terms, by_lane)
        builder.store(builder.add(i, WORD(count)), row)

    def some_columns(wide, vectors):
        """Write all rows' tiles for the next `vectors` vectors, and advance `column`."""
        kind = ir.VectorType(number, wide) if wide > 1 else number
        first, last = builder.load(column), builder.sub(columns, WORD(wide))
        starts = [builder.add(first, WORD(vector * wide)) for vector in range(vectors)]
        starts = [builder.select(builder.icmp_signed("<", start, last), start, last) for start in starts]
        offsets = [builder.mul(start, WORD(bytes_of(number))) for start in starts]
        builder.store(WORD(0), row)
        for count in (most_rows, 2, 1):
            loop_while(
                builder,
                "rows",
                lambda count=count: builder.icmp_signed("<=", builder.add(builder.load(row), WORD(count)), rows),
                lambda count=count: some_rows(kind, count, offsets),
            )
        builder.store(builder.add(first, WORD(vectors * wide)), column)

    wide, largest = VECTOR_BYTES // bytes_of(number), most
    while wide:
        for vectors in range(largest, 0, -1):
            loop_while(
                builder,
                "columns",
                lambda wide=wide, vectors=vectors: builder.and_(
                    builder.icmp_signed(">=", left(), WORD(wide)), next_has(vectors, wide)
                ),
                lambda wide=wide, vectors=vectors: some_columns(wide, vectors),
            )
        wide //= 2
        largest = min(2, wide)  # of columns that are fewer than a vector


def products_in_tiles(by_lane):
    """Return an intrinsic: c = init + a b in `one`'s dtype, one term after another.

    a, b, c and init are addresses; a_row, a_term … are the bytes to the next row or term; columns are contiguous.
    """

    @intrinsic
    def function(context, one, a, a_row, a_term, b, b_term, c, c_row, init, init_row, rows, terms, columns):
        def generate(context, builder, signature, arguments):
            write_tile_loops(builder, arguments[0].type, arguments[1:], by_lane)
            return context.get_dummy_value()

        return types.void(one, *[types.int64] * 12), generate

    return function


tiles = products_in_tiles(by_lane=False)
"""c[i, j] = init[i, j] + Σ a[i, s] b[s, j]."""
lanes = products_in_tiles(by_lane=True)
"""c[i, l] = init[i, l] + Σ a[i, s, l] b[s, l], with lanes l."""
