"""Measure the correct gradient of `Code` from its loss alone.

`reference_gradient.py` measures along the lines of `parameter_lines.py`, by `proofs/differences.py`; `probes.py` calls
the code at other parameters, to see whether it is repeatable, stale or rounded.
"""
