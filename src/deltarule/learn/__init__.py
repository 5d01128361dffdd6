"""Lessons with worksheets, as pages that need no connection.

`lessons/` has their texts and data, `page/` the script of all lessons. Begin at `pages.py`. May import `playground`.
"""
