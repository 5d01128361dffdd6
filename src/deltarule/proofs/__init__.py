"""Numerical derivatives, and proofs of custom formulas with them.

`differences.py` has the numerical derivatives, which `checking` uses too. Begin at `custom_formulas.py` for formulas.
May import `problem` and what is below.
"""
