"""Check gradient code, and name the mistake.

Begin at `check.py`. `user_code/` brings code into one form, `numerics/` measures the correct gradient,
`array_verdicts.py` compares by `tolerances.py`, `tape/` records the forward pass,
`mistakes/` explains what is wrong, `verdict.py` is the pipeline.
`compare.py` compares intermediate values with those of `tracing`, `problem_gradient.py` checks our own gradient.
May import `tracing`, `proofs` and what is below.
"""
