"""Name the mistake in a wrong gradient.

`diagnose.py` tries the hypotheses of `hypotheses/`, which need only numbers, and `mutations.py` those that plant a
mistake in a recognized network (`network_matching.py`), then `tape_hypotheses.py`, which plants one in the recorded
forward pass of the user's own code. A new kind of mistake is a `Kind` in `catalog.py`, with its
fix, and an entry in one family that predicts its gradient; docs/reference/mistakes.md shows it.
"""
