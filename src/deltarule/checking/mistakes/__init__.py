"""Name the mistake in a wrong gradient.

`diagnose.py` tries the hypotheses of `hypotheses/`, which need only numbers, and those of `mutations.py`, which plant
mistakes in a recognized network (`network_matching.py`). `catalog.py` has the codes and fixes.
"""
