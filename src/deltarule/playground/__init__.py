"""The workbench: a page in the browser in which a population of networks trains, live, on a person's own data.

Entry points: `play` (`deltarule play`), `workbench.Workbench` (what a page controls), `picture.draw` (what it shows),
`server.serve`. It may import everything below the command line.
"""
