"""Products of large matrices, with every number summed in the order of its terms.

Compiled once for all programs, as are the tiles that it calls (`large_members.tiles_of`); this file is never imported
by the library. How a product is divided, among threads or into the panels below, changes no bit, because each entry is
summed by `tiles`. The right matrix is copied panel by panel to where it stays in the nearest memory and its rows follow
one another; this takes about as long as a BLAS does with kernels for the same vectors.
"""

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from deltarule.engines.compiled.program_sources.array_views import numbers_at, part
from deltarule.engines.compiled.program_sources.shared_tiles import WORD, tiles
from deltarule.engines.compiled.program_sources.simd_math import INNER, VECTOR_BYTES, WIDE

PANEL_VECTORS, PANEL_TERMS, PANEL_ROWS = (4, 128, 192) if WIDE else (3, 256, 192)
"""Columns of a panel in vectors, as many as those of a tile, and its terms: 32 KB at most. So many rows of the left
matrix go through all panels before the next ones, so that they stay near, too."""
FEW_ROWS = 32
"""Fewer rows than these use a panel too seldom for its copying to pay."""


@intrinsic
def panel_address(context):
    """Return the address of memory for a panel, on the stack."""

    def generate(context, builder, signature, arguments):
        size = PANEL_VECTORS * VECTOR_BYTES * PANEL_TERMS
        with builder.goto_entry_block():
            memory = builder.alloca(ir.ArrayType(ir.IntType(8), size))
        memory.align = 64
        return builder.ptrtoint(memory, WORD)

    return types.int64(), generate


@intrinsic
def copy_square(context, one, source, source_row, target, target_row):
    """Copy a square as wide as a vector, transposed, between two addresses.

    `source_row` and `target_row` are the bytes from one row to the next.
    """

    def generate(context, builder, signature, arguments):
        """Exchange numbers beside the diagonal, then pairs, and so on: each step joins two rows to two others."""
        _, source, source_row, target, target_row = arguments
        number = context.get_data_type(one)
        size = context.get_abi_sizeof(number)
        kind = ir.VectorType(number, VECTOR_BYTES // size)

        def row_at(address, stride, index):
            return builder.inttoptr(builder.add(address, builder.mul(stride, WORD(index))), kind.as_pointer())

        rows = [builder.load(row_at(source, source_row, index), align=size) for index in range(kind.count)]
        step = 1
        while step < kind.count:
            masks = [
                [(column & ~step | chosen) + (kind.count if column & step else 0) for column in range(kind.count)]
                for chosen in (0, step)
            ]
            masks = [ir.Constant(ir.VectorType(ir.IntType(32), kind.count), mask) for mask in masks]
            for index in (index for index in range(kind.count) if not index & step):
                pair = rows[index], rows[index + step]
                rows[index], rows[index + step] = (builder.shuffle_vector(*pair, mask) for mask in masks)
            step *= 2
        for index, row in enumerate(rows):
            builder.store(row, row_at(target, target_row, index), align=size)
        return context.get_dummy_value()

    return types.void(one, *[types.int64] * 4), generate


@njit(**INNER)
def copy_panel(one, b, b_term, b_column, panel, terms, columns):
    """Copy b to panel [terms, columns].

    Entry [s, j] of b is `b_term` · s + `b_column` · j numbers from its address; one of the two distances is 1.
    """
    target = numbers_at(one, panel, terms * columns)
    word = target.itemsize
    source = numbers_at(one, b, (terms - 1) * b_term + (columns - 1) * b_column + 1)
    wide = VECTOR_BYTES // word
    if b_column == 1:
        for s in range(terms):
            from_row, to_row = (
                part(source, s * b_term, s * b_term + columns),
                part(target, s * columns, (s + 1) * columns),
            )
            for j in range(columns):
                to_row[j] = from_row[j]
        return
    squares = terms // wide * wide
    for j in range(0, columns - wide + 1, wide):
        for s in range(0, squares, wide):
            copy_square(
                one, b + word * (s + j * b_column), word * b_column, panel + word * (s * columns + j), word * columns
            )
    for j in range(columns):
        for s in range(squares if j < columns // wide * wide else 0, terms):
            target[s * columns + j] = source[s + j * b_column]


@njit(**INNER)
def products(one, a, a_row, a_term, b, b_term, b_column, init, out, out_row, rows, terms, columns):
    """out [rows, columns] = init [columns] + a b in `one`'s dtype, each entry summed in the order of its terms.

    a, b, init and out are addresses; entry [i, s] of a is `a_row` · i + `a_term` · s numbers behind its address, and so
    on; the entries of a row of out follow one another.
    """
    word = numbers_at(one, a, 1).itemsize
    lanes = VECTOR_BYTES // word
    panel = panel_address()
    is_copied = b_column != 1 or (rows >= FEW_ROWS and columns > PANEL_VECTORS * lanes)
    for row in range(0, rows, PANEL_ROWS):
        row_count = min(PANEL_ROWS, rows - row)
        column = 0
        while column < columns:
            column_count = columns - column
            if is_copied:  # panels of about as many vectors each
                vectors = (column_count + lanes - 1) // lanes
                panels = (vectors + PANEL_VECTORS - 1) // PANEL_VECTORS
                column_count = min(column_count, (vectors + panels - 1) // panels * lanes)
            for term in range(0, terms, PANEL_TERMS):
                term_count = min(PANEL_TERMS, terms - term)
                right, right_row = b + word * (term * b_term + column * b_column), b_term
                if is_copied:
                    copy_panel(one, right, b_term, b_column, panel, term_count, column_count)
                    right, right_row = panel, column_count
                to, to_row = out + word * (row * out_row + column), word * out_row
                # From the second panel of terms on the sums so far are what the others are added to.
                begin, begin_row = (to, to_row) if term else (init + word * column, 0)
                left = a + word * (row * a_row + term * a_term)
                tiles(
                    *(one, left, word * a_row, word * a_term, right, word * right_row, to, to_row),
                    *(begin, begin_row, row_count, term_count, column_count),
                )
            column += column_count
