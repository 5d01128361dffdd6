"""The compiled engine: programs for a network's structure, compiled by Numba.

`engine.py` runs them. `codegen_small.py` generates those for small networks, a member in each SIMD lane;
`codegen_large.py` what those with matrix products have of a problem; `evaluation.py` those that evaluate;
`structure_cache.py` keeps them. Programs begin with the source text in `program_sources/`; `formula_printer.py` prints
the traced formulas of `maths`.
May import what `engines` may.
"""
