"""Programs: a formula, or one whole update of a network, run once on numbers that note each operation.

Begin at `program.py`. `formula.py` records an elementwise formula and `update.py` an update; `interpreter.py` computes
a program in NumPy, `javascript.py` prints one. Engines, exports and checks of custom formulas print theirs from these.
May import `maths` and `errors`.
"""
