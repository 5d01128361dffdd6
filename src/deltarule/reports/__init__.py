"""Draw figures, tables and pages from records; nothing is computed here.

`*figures.py` return charts (`chart.py`, made of `marks.py`), which `render.py` lays out. `report.py`, `trace_page.py`
and `notebook.py` write HTML with the templates. May import every package below: records, `stats`, `tracing`,
`estimators`.
"""
