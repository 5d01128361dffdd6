"""Draw figures, tables and pages from records; nothing is computed here.

`*figures.py` return charts (`chart.py`, made of `marks.py`), which `render.py` draws; `*_table(s).py` return what Rich
prints; `report.py`, `model_page.py`, `trace_page.py` and `notebook.py` write HTML with templates (`html_templates.py`);
`formatting.py` has the formats of numbers and names. May import every package below: records, `stats`, `tracing`.
"""
