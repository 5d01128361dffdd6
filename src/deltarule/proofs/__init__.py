"""Numerical derivatives (`differences.py`), and proofs of custom formulas with them (`custom_formulas.py`)."""
