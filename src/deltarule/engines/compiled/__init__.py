"""The compiled engine: programs for a network's structure, compiled by Numba.

`engine.py` runs them. `codegen_small.py` generates the program for small networks, a member in each SIMD lane, with the
layout in `codegen_lanes.py`, and `lane_blocks.py` calls it; `codegen_large.py` and
`codegen_large_update.py` generate the one with matrix products, and `large_members.py` calls it. `evaluation.py`
generates and calls the one that evaluates. `formula_compiler.py` takes the formulas from `maths`, `program_sources/`
holds the source text with which programs begin, and `cache.py` stores compiled programs on disk. May import what
`engines` may.
"""
