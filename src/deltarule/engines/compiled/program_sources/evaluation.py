"""The functions of an evaluation program.

B rows that go through the layers together · H units · C outputs · L lanes, `LANES` in the program
theta [K, P]   z, a [B·H·L]   targets [B·C·L]   row, weight [L]   totals [sums · L], float64

This file is never imported by the library: its text follows that of block_ops.py in the program. Sizes are known at
run time alone, so one program serves all of them, however many layers; the lanes are a constant, so that loops over
them become vectors. A member's sums run over its rows in their order, and in float64: they have the same bits for any
number of lanes. Numbers in capitals get a problem's values; Numba drops branches on them before it compiles. The
functions at the end are replaced by those of a problem's formulas.
"""

import numpy as np
from numba import njit

from deltarule.engines.compiled.program_sources.block_ops import LANES, gather, gather_lanes, multiply, multiply_lanes
from deltarule.engines.compiled.program_sources.linking import entry
from deltarule.engines.compiled.program_sources.simd_math import INNER, exp, log, select

STORES_OUTPUTS, NEEDS_OUTPUTS, IS_ROWWISE, IS_CROSS_ENTROPY = False, False, False, False
LOSS, PENALTY, WEIGHT = 0, 1, 2

separate = njit(**INNER)


# fmt: off
@entry
def advance(
    theta, members, x, y, weights, weights_of, ids, sizes, starts, biases, kinds, penalized, rows_at_once, parameters,
    inputs, first, second, targets, losses, largest, logs, row, weight, zeros, totals, sums, logits, outputs,
):  # fmt: on
    """Write the sums, or the logits and outputs, of the members of some blocks."""
    weight[:] = weight.dtype.type(1)
    layers = len(sizes) - 1
    units = sizes[layers]
    for block in range(len(members) // LANES):
        own = members[block * LANES : (block + 1) * LANES]
        own_weights = weights_of[block * LANES : (block + 1) * LANES]
        of_rows = ids[min(block, len(ids) - 1)]
        gather_lanes(theta, own, parameters)
        totals[:] = 0.0
        for start in range(0, len(of_rows), rows_at_once):
            count = min(rows_at_once, len(of_rows) - start)
            is_gathered = block > 0 and len(ids) == 1 and len(of_rows) <= rows_at_once
            if not is_gathered:
                gather(x, of_rows[start : start + count], inputs)
            z, a = first, second
            for n in range(layers):
                W = parameters[starts[n] * LANES : (starts[n] + sizes[n] * sizes[n + 1]) * LANES]
                b = zeros
                if biases[n] >= 0:
                    b = parameters[biases[n] * LANES : (biases[n] + sizes[n + 1]) * LANES]
                if n == 0:
                    multiply(inputs, sizes[0], W, b, 0, z, count, sizes[1] * LANES)
                elif LANES == 1:
                    multiply(a, sizes[n], W, b, 0, z, count, sizes[n + 1])
                else:
                    multiply_lanes(a, W, b, LANES, z, count, sizes[n], sizes[n + 1], LANES)
                if n < layers - 1:
                    activate(kinds[n], z, largest, logs, count, sizes[n + 1])
                    z, a = a, z
            if NEEDS_OUTPUTS:
                if IS_ROWWISE:
                    softmax_lanes(z, a, largest, logs, count, units)
                else:
                    for j in range(count * units * LANES):
                        a[j] = output(z[j])
            if STORES_OUTPUTS:
                for i in range(count):
                    store_row(z, i * units * LANES, units, own, start + i, logits)
                    store_row(a, i * units * LANES, units, own, start + i, outputs)
            else:
                if not is_gathered:
                    gather_targets(y, of_rows[start : start + count], targets)
                if IS_CROSS_ENTROPY:
                    cross_entropy_of_softmax(z, targets, largest, logs, losses, count, units)
                else:
                    for j in range(count * units * LANES):
                        losses[j] = loss(z[j], a[j], targets[j])
                for i in range(count):
                    r, own_weight = of_rows[start + i], weight[i * LANES : (i + 1) * LANES]
                    sum_of_row(losses, i * units * LANES, units, row)
                    for lane in range(LANES):
                        if len(weights):
                            own_weight[lane] = weights[own_weights[lane], r]
                        totals[WEIGHT * LANES + lane] += own_weight[lane]
                        totals[LOSS * LANES + lane] += own_weight[lane] * row[lane]
                add_scores(a, targets, losses, row, weight, totals, count, units)
        if not STORES_OUTPUTS:
            for part in range(len(penalized)):
                for p in range(penalized[part, 0], penalized[part, 1]):
                    at = np.uint64(p * LANES)
                    for lane in range(LANES):
                        totals[PENALTY * LANES + lane] += penalty(parameters[at + np.uint64(lane)])
            for index in range(len(sums)):
                for lane in range(LANES):
                    sums[index, own[lane]] = totals[index * LANES + lane]


@separate
def gather_targets(y, ids, targets):
    """Copy the targets of some rows into all lanes."""
    units = y.shape[1]
    for i in range(len(ids)):
        for h in range(units):
            for lane in range(LANES):
                targets[(i * units + h) * LANES + lane] = y[ids[i], h]


@separate
def softmax_lanes(z, a, largest, logs, count, units):
    """a = softmax(z) of `count` rows; also their largest z, log Σ exp(z − largest)."""
    for i in range(count):
        row = i * units * LANES
        for lane in range(LANES):
            largest[i * LANES + lane] = z[row + lane]
        for h in range(units):
            for lane in range(LANES):
                value = z[row + h * LANES + lane]
                largest[i * LANES + lane] = select(value - largest[i * LANES + lane], value, largest[i * LANES + lane])
        for h in range(units):
            for lane in range(LANES):
                a[row + h * LANES + lane] = z[row + h * LANES + lane] - largest[i * LANES + lane]
    for j in range(count * units * LANES):
        a[j] = exp(a[j])
    for i in range(count):
        row = i * units * LANES
        for lane in range(LANES):
            logs[i * LANES + lane] = 0.0
        for h in range(units):
            for lane in range(LANES):
                logs[i * LANES + lane] += a[row + h * LANES + lane]
        for h in range(units):
            for lane in range(LANES):
                a[row + h * LANES + lane] /= logs[i * LANES + lane]
        for lane in range(LANES):
            logs[i * LANES + lane] = log(logs[i * LANES + lane])


@separate
def cross_entropy_of_softmax(z, targets, largest, logs, losses, count, units):
    """losses = targets · (log Σ exp(z − largest) − (z − largest))."""
    for i in range(count):
        for h in range(units):
            for lane in range(LANES):
                j = (i * units + h) * LANES + lane
                losses[j] = targets[j] * (logs[i * LANES + lane] - (z[j] - largest[i * LANES + lane]))


@separate
def sum_of_row(values, first, units, row):
    """row = Σ over the units of the values from index `first` on."""
    for lane in range(LANES):
        row[lane] = 0.0
    for h in range(units):
        at = np.uint64(first + h * LANES)  # an index that might be negative, from the end, would keep lanes apart
        for lane in range(LANES):
            row[lane] += values[at + np.uint64(lane)]


@separate
def add_row(row, weight, total):
    """Add a row's number times its weight to a sum, 0 for a weight of 0."""
    for lane in range(LANES):
        total[lane] += select(weight[lane], weight[lane] * row[lane], 0.0)


@separate
def count_wrong(a, targets, first, units, row):
    """row = how many outputs win over the class's, of equal ones the first; NaN unless all are finite."""
    true = 0
    for h in range(units):
        if targets[first + h * LANES] > targets[first + true * LANES]:
            true = h
    one, zero, of_class = a.dtype.type(1), a.dtype.type(0), np.uint64(first + true * LANES)
    for lane in range(LANES):
        row[lane] = zero
    for h in range(units):
        at = np.uint64(first + h * LANES)
        if h < true:
            for lane in range(LANES):
                value = a[at + np.uint64(lane)]
                row[lane] += (one if value >= a[of_class + np.uint64(lane)] else zero) + (value - value)
        else:
            for lane in range(LANES):
                value = a[at + np.uint64(lane)]
                row[lane] += (one if value > a[of_class + np.uint64(lane)] else zero) + (value - value)


@separate
def store_row(values, first, units, members, i, out):
    """Copy a row's values into the arrays of the members of a block.    out [K, N, C]."""
    for h in range(units):
        for lane in range(LANES):
            out[members[lane], i, h] = values[first + h * LANES + lane]


def activate(kind, z, largest, logs, count, units):
    """Apply the hidden activation number `kind` in place."""


def output(z):
    """The output of an elementwise output activation."""


def loss(z, a, target):
    """The loss of an output, before weights and reduction."""


def penalty(w):
    """The penalty of a weight."""


def add_scores(a, targets, losses, row, weight, totals, count, units):
    """Add the rows' values of the metrics that are asked for."""
