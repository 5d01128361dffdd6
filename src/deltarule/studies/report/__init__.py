"""The report of a folder as one HTML page, with a module for each kind of block.

A block is drawn from records alone: runs, sweeps, claims and variants.
Entry points: `page.write_report` and `page.report_of`. May import everything in `studies` but `reproduce_studies`.
"""
