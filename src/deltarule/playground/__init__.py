"""The workbench: a page on which a population of networks trains live.

Entry points: `play.play` (in notebooks), `play.open_session` (for `deltarule play`), `workbench.Workbench` (which a
page controls), `picture.draw` (what a page shows), `server.PlayServer`. It may import everything below the command
line.
"""
