"""Name the mistake in a wrong gradient.

`diagnose.py` begins with hypotheses that need only numbers (`factors.py`, `shapes.py`, `penalties.py`).
If they explain nothing, `planting.py` plants mistakes in the recorded forward pass of the user's code, or of a NumPy
program of the network that it is (`network_program.py`), and compares the gradients that result with the user's. The
mistakes are a table of wrong derivatives by operation (`rules.py`) and by function (`functions.py`), generic edits
of a correct step, as another operand, or `=` for `+=` (`edits.py`). A new kind of mistake is a section of `kinds.toml`,
a row of a table, and an example in tests/checking/mistakes/examples.md.
"""
