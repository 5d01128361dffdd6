"""Measure the correct gradient of `Code` from its loss alone; begin at `reference_gradient.py`."""
