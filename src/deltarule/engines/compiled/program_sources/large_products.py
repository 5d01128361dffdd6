"""Matrix products and views in a program for large networks.

B rows of a batch · D inputs of a layer · H its units        x [B, D]   z, a, d [B, H]   W [D, H]   b [1, H]

This file is never imported by the library: its text follows those of simd_math.py and shared_tiles.py in the program.

Products are computed in tiles if their weights fit into the cache, and else by a BLAS, which moves less data.
`backends` is (address of the BLAS's gemm, the array [[1]] of the program's dtype). The gemm is a Fortran function: it
takes matrices by columns, so it computes Cᵀ = BᵀAᵀ, and gets every argument as a pointer. Integers and letters are
passed as 64-bit integers, of which a BLAS of 32-bit integers reads the lower half, and a letter is the lowest byte.
That is right on little-endian processors; others have no such program.
"""

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from deltarule.engines.compiled.program_sources.shared_tiles import WORD, tiles
from deltarule.engines.compiled.program_sources.simd_math import INNER, VECTOR_BYTES, compiled

loop = njit(**INNER)
PLAIN, TRANSPOSED = ord("N"), ord("T")
# Weights of a product up to which tiles are at least as fast, as measured: with vectors of 512 bits OpenBLAS reaches
# two thirds of what the processor can, with those of 256 bits nearly all.
MAX_TILED = 1 << 17 if VECTOR_BYTES == 64 else 1 << 14


def matrix(context, builder, kind, value):
    """Return a matrix's address and its numbers of rows and columns, for LLVM."""
    array = context.make_array(kind)(context, builder, value)
    return builder.ptrtoint(array.data, WORD), *cgutils.unpack_tuple(builder, array.shape, 2)


@intrinsic
def by_blas(context, function, transpose_a, transpose_b, one, a, b, plus, out):
    """out = a b + plus · out by the gemm at the address `function`.

    transpose_a, transpose_b : TRANSPOSED to transpose, else PLAIN.
    `one` is 1 in the matrices' dtype, `plus` a number of it.
    """

    def generate(context, builder, signature, arguments):
        """Write the call of gemm for outᵀ = bᵀ aᵀ + plus · outᵀ."""
        function, transpose_a, transpose_b, one, a, b, plus, out = arguments
        (a_at, a_rows, a_row), (b_at, _, b_row), (out_at, rows, columns) = (
            matrix(context, builder, kind, value)
            for kind, value in zip([signature.args[argument] for argument in (4, 5, 7)], (a, b, out), strict=True)
        )
        shared = builder.select(builder.icmp_signed("==", transpose_a, WORD(TRANSPOSED)), a_rows, a_row)

        def address_of(value):
            return builder.ptrtoint(cgutils.alloca_once_value(builder, value), WORD)

        sizes = [address_of(value) for value in (transpose_b, transpose_a, columns, rows, shared, one)]
        given = [
            *sizes,
            b_at,
            address_of(b_row),
            a_at,
            address_of(a_row),
            address_of(plus),
            out_at,
            address_of(columns),
        ]
        kind = ir.FunctionType(ir.VoidType(), [WORD] * len(given))
        builder.call(builder.inttoptr(function, kind.as_pointer()), given)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, one, a, b, plus, out), generate


@compiled
def in_tiles(a, a_row, a_term, b, init, out, rows):
    """out [rows, columns] = init + a b [terms, columns] by `tiles`.

    Entry [i, s] of a is number i · a_row + s · a_term of its array; all rows have the same init [1, columns].
    """
    terms, columns = b.shape
    word = b.itemsize
    a_at, b_at, out_at, init_at, row = a.ctypes.data, b.ctypes.data, out.ctypes.data, init.ctypes.data, word * columns
    tiles(b[0, 0], a_at, word * a_row, word * a_term, b_at, row, out_at, row, init_at, 0, rows, terms, columns)


def array_at(context, builder, kind, data, shape):
    """Return an array of type `kind` on the contiguous numbers at address `data`."""
    array = make_array(kind)(context, builder)
    size = WORD(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [size, builder.mul(shape[-1], size)][kind.ndim - 1 :: -1]
    shape, strides = (cgutils.pack_array(builder, one) for one in (shape, strides))
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None, parent=None)
    return array._getvalue()


@intrinsic
def view(context, vector, start, rows, columns):
    """Return a view of a vector's numbers from `start` on as [rows, columns].

    NumPy's slices count references to the array, which takes longer than a small product.
    """
    kind = types.Array(vector.dtype, 2, "C")

    def generate(context, builder, signature, arguments):
        vector, start, rows, columns = arguments
        whole = make_array(signature.args[0])(context, builder, vector)
        return array_at(context, builder, kind, builder.gep(whole.data, [start]), [rows, columns])

    return kind(vector, *[types.int64] * 3), generate


@intrinsic
def part(context, array, start, stop):
    """Return a view of an array's rows, or numbers, from `start` to `stop` − 1."""
    kind = types.Array(array.dtype, array.ndim, "C")

    def generate(context, builder, signature, arguments):
        """Write the view, an array that owns no memory."""
        array, start, stop = arguments
        whole = make_array(signature.args[0])(context, builder, array)
        columns = cgutils.unpack_tuple(builder, whole.shape, kind.ndim)[1:]
        first = builder.mul(start, columns[0]) if columns else start
        return array_at(context, builder, kind, builder.gep(whole.data, [first]), [builder.sub(stop, start), *columns])

    return kind(array, types.int64, types.int64), generate


@intrinsic
def flat(context, array):
    """Return a view of a matrix as a vector; NumPy's `ravel` takes long to compile."""
    kind = types.Array(array.dtype, 1, "C")

    def generate(context, builder, signature, arguments):
        whole = make_array(signature.args[0])(context, builder, arguments[0])
        count = builder.mul(*cgutils.unpack_tuple(builder, whole.shape, 2))
        return array_at(context, builder, kind, whole.data, [count])

    return kind(array), generate


@compiled
def suits_tiles(word, columns, numbers):
    """Whether tiles beat a BLAS: `columns` fill a vector, and weights are few."""
    return columns * word >= VECTOR_BYTES and numbers <= MAX_TILED


@loop
def product(backends, a, b, init, out):
    """out [B, H] = a [B, D] b [D, H] + init [1, H], by one of the `backends`."""
    if suits_tiles(b.itemsize, b.shape[1], b.size):
        in_tiles(a, a.shape[1], 1, b, init, out, len(a))
        return
    for i in range(out.shape[0]):
        for h in range(out.shape[1]):
            out[i, h] = init[0, h]
    one = backends[1][0, 0]
    by_blas(backends[0], PLAIN, PLAIN, one, a, b, one, out)


@loop
def product_transposed_left(backends, a, b, zeros, out):
    """out [D, H] = aᵀ b with a [B, D], b [B, H]; zeros [1, at least D and H]."""
    if suits_tiles(out.itemsize, out.shape[1], out.size):
        in_tiles(a, 1, a.shape[1], b, zeros, out, len(out))
    elif b.shape[1] == 1 and suits_tiles(out.itemsize, a.shape[1], out.size):
        in_tiles(b, 0, 1, a, zeros, out, 1)
    else:
        one = backends[1][0, 0]
        by_blas(backends[0], TRANSPOSED, PLAIN, one, a, b, one - one, out)


@loop
def product_transposed_right(backends, a, b, zeros, transposed, out):
    """out = a bᵀ, by tiles or BLAS.    a [B, H]   b [D, H]   out [B, D].

    zeros [1, ≥ D], all 0, which tiles start from   transposed [≥ D · H], scratch for bᵀ
    """
    if not suits_tiles(out.itemsize, out.shape[1], b.size):
        one = backends[1][0, 0]
        by_blas(backends[0], PLAIN, TRANSPOSED, one, a, b, one - one, out)
        return
    inputs, units = b.shape
    right = view(transposed, 0, units, inputs)
    for d in range(inputs):
        for h in range(units):
            right[h, d] = b[d, h]
    in_tiles(a, units, 1, right, zeros, out, len(a))
