"""Copies between arrays [K, P] of all members and the lanes of a block.

vector [P·L], L lanes (`LANES` in the program)   members [L]

This file is never imported by the library: its text follows that of simd_math.py in a program, after `LANES = …`.
"""

from numba import njit

from deltarule.engines.compiled.program_sources.simd_math import INNER

LANES = 16


@njit(**INNER)
def gather_lanes(rows, members, vector):
    """Copy the rows of a block's members, one into each lane."""
    for lane in range(LANES):
        for p in range(rows.shape[1]):
            vector[p * LANES + lane] = rows[members[lane], p]


@njit(**INNER)
def scatter_lanes(vector, members, count, rows):
    """Copy the first `count` lanes to the rows of their members."""
    for lane in range(count):
        for p in range(rows.shape[1]):
            rows[members[lane], p] = vector[p * LANES + lane]
