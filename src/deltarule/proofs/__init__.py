"""Prove the gradients of deltarule and of custom formulas.

Begin at `gradcheck.py` and `custom_formulas.py`. `differences.py` has the numerical derivatives, which `checking` uses
too; `error_scale.py` says how large a rounding error may be. May import `engines` and what is below.
"""
