"""Trace an update: every number with the formula that gives it.

Begin at `explain.py`. `forward.py`, `backward.py` and `update.py` add arrays in the order of computation;
`expressions.py` has formulas as trees, `formulas.py` those of `maths`, `explanation.py` the record and its text.
"""
