"""`deltarule bench`: time the same work by our engines, other libraries and lower bounds, in one process.

`work` holds the rows of the table, `contenders` what a contender is and our own, the `peers_*` the other libraries,
`floors` what cannot be beaten, `measure` the comparing and the timing, `curves`, `processes` and `targets` the rest of
the record, and `bench` puts it together. Other libraries are imported only where a contender is made of them.
"""
