"""Programs: a formula, or one whole update of a network, run once on numbers that note each operation.

Begin at `program.py`. `formula.py` records an elementwise formula and `update.py` an update; `interpreter.py` computes
one operation in NumPy. `numpy_text.py` prints programs, as do engines and exports.
May import `maths` and `errors`.
"""
