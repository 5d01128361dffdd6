"""Elementwise formulas in other forms: run once, and printed from that.

`tracer.py` runs a formula on traced numbers and returns its program; `javascript.py` prints one as JavaScript. The
compiled engine, exports and traces still read formulas in ways of their own. May import `errors`.
"""
