"""Check the gradient code of users, and name the mistake.

Begin at `check.py`. `callables.py`, `layers.py`, `object_adapter.py` and `updates.py` bring code into one form;
`reference_gradient.py` measures the right gradient, `array_verdicts.py` compares, `mistakes/` explains what is wrong,
`verdict.py` is the pipeline. `compare.py` compares intermediate values. May import `proofs` and what is below.
"""
