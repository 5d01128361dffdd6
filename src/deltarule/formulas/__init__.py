"""Elementwise formulas in other forms: a formula is run once, and printed from that.

`tracer.py` runs a formula on traced numbers and returns its program; `javascript.py` prints one as JavaScript. The
engines and exports have printers of their own. May import `errors`.
"""
