"""Diagnose why a network does not learn: `causes.py` judges what `observations.py` measures."""
