"""Elementwise formulas in other forms: run once, and printed from that.

`tracer.py` runs a formula on traced numbers and returns its program; `javascript.py` prints one as JavaScript. The
compiled engine, ONNX graphs and fingerprints of custom formulas take theirs from here. May import `errors`.
"""
