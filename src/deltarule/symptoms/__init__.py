"""Diagnose why a network does not learn.

Begin at `causes.py`: each cause is a function of what `observations.py` measures in a run. `report.py` combines the
findings of several members.
"""
