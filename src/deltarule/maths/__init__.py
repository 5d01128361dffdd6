"""The hand-derived formulas: a page each, function and derivative side by side.

Read `layers.py` and `network.py` and you have seen all of backpropagation.
"""
