"""The compiled engine: programs generated for a network's structure and compiled by Numba.

`engine.py` drives them. `codegen_small.py` writes the program for small networks, a member in each SIMD lane, with the
layout in `codegen_lanes.py` and `addressing.py`, and `lane_blocks.py` calls it; `codegen_large.py` and
`codegen_large_update.py` write the one for matrix products. `formula_compiler.py` takes the formulas from `maths`,
`linking.py` compiles the functions of a program together, and `cache.py` keeps compiled programs on disk. May import
what `engines` may.
"""
