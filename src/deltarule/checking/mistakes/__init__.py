"""Name the mistake in a wrong gradient.

`diagnose.py` tries the hypotheses of `hypotheses/`, which need only numbers. `tape_hypotheses.py` plants mistakes in a
recording of the forward pass, of the user's code or of a NumPy program of the network that it is
(`network_program.py`), and compares the gradient that results with the user's. A new kind of mistake is a section of
`kinds.toml`, a function that predicts its gradient, and an example in tests/checking/mistakes/examples.md.
"""
