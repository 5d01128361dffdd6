"""`tiles` and `lanes` of gemm_tiles.py and `products`, compiled once for all programs.

This file is never imported by the library: its text takes the place of gemm_tiles.py in a program of which they would
be most of the compilation. `shared_functions.address_of` compiles them and tells LLVM their addresses.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

WORD = ir.IntType(64)


def shared(name):
    """Return the intrinsic that calls the shared function `name` of a dtype."""

    @intrinsic
    def function(context, one, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11, n12):
        def generate(context, builder, signature, arguments):
            kind = ir.FunctionType(ir.VoidType(), [WORD] * 12)
            symbol = f"deltarule_{name}_{signature.args[0]}"
            builder.call(cgutils.get_or_insert_function(builder.module, kind, symbol), arguments[1:])
            return context.get_dummy_value()

        return types.void(one, *[types.int64] * 12), generate

    return function


tiles, lanes, products = shared("tiles"), shared("lanes"), shared("products")
