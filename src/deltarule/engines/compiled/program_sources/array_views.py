"""Views of arrays' numbers, which cost nothing.

This file is never imported by the library: its text follows that of simd_math.py in a program. NumPy's own slices count
references to the array, which takes longer than a small product.
"""

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from deltarule.engines.compiled.program_sources.shared_tiles import WORD


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
    """Return a view of a vector's numbers from `start` on as [rows, columns]."""
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


@intrinsic
def numbers_at(context, one, address, count):
    """Return a view of `count` numbers of `one`'s dtype at an address."""
    kind = types.Array(one, 1, "C")

    def generate(context, builder, signature, arguments):
        data = builder.inttoptr(arguments[1], context.get_data_type(one).as_pointer())
        return array_at(context, builder, kind, data, arguments[2:])

    return kind(one, types.int64, types.int64), generate
