"""Lessons with worksheets, as pages that need no connection.

`lessons/` has their texts, data and exercises, `page/` the script of all lessons. Begin at `pages.py`.
May import `playground`.
"""
