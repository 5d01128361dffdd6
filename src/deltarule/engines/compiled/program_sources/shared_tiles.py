"""`tiles` and `lanes` of gemm_tiles.py, compiled once for all programs.

This file is never imported by the library: its text takes the place of gemm_tiles.py in a program of which they would
be most of the compilation. `large_members.tiles_of` compiles them and tells LLVM their addresses.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

WORD = ir.IntType(64)


def shared(name):
    """Return the intrinsic that calls the shared function `name` of a dtype."""

    @intrinsic
    def function(context, one, a, a_row, a_term, b, b_term, c, c_row, init, init_row, rows, terms, columns):
        def generate(context, builder, signature, arguments):
            kind = ir.FunctionType(ir.VoidType(), [WORD] * 12)
            symbol = f"deltarule_{name}_{signature.args[0]}"
            builder.call(cgutils.get_or_insert_function(builder.module, kind, symbol), arguments[1:])
            return context.get_dummy_value()

        return types.void(one, *[types.int64] * 12), generate

    return function


tiles, lanes = shared("tiles"), shared("lanes")
