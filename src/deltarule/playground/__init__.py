"""The workbench: a page on which a population of networks trains live.

Begin at `play` (in notebooks and for `deltarule play`), `workbench` (which a page controls) and `picture` (what a page
shows). May import everything below.
"""
