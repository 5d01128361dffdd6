"""Trace an update: every number with the formula that gives it.

Begin at `explain.py`. The passes of `maths` run on grids of numbers with their formulas (`grid.py`, `layers.py`);
`forward.py`, `backward.py` and `update.py` add what they give in the order of computation. `expressions.py` has
formulas as trees, `formulas.py` those of `maths`, `explanation.py` the record and its text.
"""
