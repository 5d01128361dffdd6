"""Name the mistake in a wrong gradient: `diagnose.py` by its numbers, else by mistakes that `planting.py` plants.

Where neither has a name, `repair/naming.py` reads one off the correction. A new kind of mistake is a section of
`../kinds.toml`, with a wrong and a right line, and a row of a table, as of `wrong_formulas.toml`.
"""
