"""Name the mistake in a wrong gradient: `diagnose.py` by its numbers, else by mistakes that `planting.py` plants.

A new kind of mistake is a section of `../kinds.toml`, a row of a table, and an example in
tests/checking/mistakes/examples.md.
"""
