"""Name the mistake in a wrong gradient.

`diagnose.py` tries the hypotheses of `hypotheses/`, which need only numbers. `network_hypotheses.py` plants mistakes in
a recognized network (`network_matching.py`), `tape_hypotheses.py` in the recorded forward pass of the user's own code;
both compare the gradient that results with the user's. A new kind of mistake is a `Kind` in `catalog.py`, with its fix,
and an entry in one family that predicts its gradient; docs/reference/mistakes.md shows it.
"""
