"""Source files whose text compiled programs begin with; they are never imported.

`linking.py` comes first: it compiles the functions of a program together. `simd_math.py` and `simd_math_float32.py`
hold elementary functions, `gemm_tiles.py` products in tiles; `block_ops.py` is for small networks, `large_products.py`
and `large_ops.py` for large ones. Any edit of these files, even of a docstring, changes the programs, which are then
compiled again.
"""
