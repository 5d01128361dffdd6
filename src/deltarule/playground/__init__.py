"""The workbench: a page in the browser in which a population of networks trains, live, on the user's data.

Entry points: `widget.play` (in notebooks), `play.open_session` (for `deltarule play`), `workbench.Workbench` (which a
page controls), `picture.draw` (what a page shows), `server.PlayServer`. It may import everything below the command
line.
"""
