"""For benchmarks/performance.py: time the same work by our engines, other libraries and lower bounds, in one process.

`workloads` holds the rows of the table, `contenders` our engines, `peers_*` the other libraries, `floors` the lower
bounds; `timing` compares and times them; `curves`, `process_measurements` and `targets` give the rest of the record,
and `record` puts it together. Other libraries are imported only when a contender is made of them.
"""
