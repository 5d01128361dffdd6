"""Tiles against sums in exact arithmetic: every number is rounded term after term, whatever the sizes."""

import ctypes
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deltarule.engines.compiled.large_members import tiles_of
from deltarule.engines.compiled.program_sources.gemm_tiles import HAS_FMA, ROWS, VECTOR_BYTES, VECTORS

SIZES = st.integers(1, 2 * ROWS + 3), st.integers(0, 4), st.integers(1, 2 * VECTORS * VECTOR_BYTES // 4 + 3)


def multiplied(a, b, c, init):
    """c = init + a b by the compiled function; `init` has the rows of c, or one for all."""
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 12)(tiles_of(c.dtype))
    strides = (*a.strides, b.ctypes.data, b.strides[0], c.ctypes.data, c.strides[0])
    rows_of_init = (init.ctypes.data, init.strides[0] if len(init) > 1 else 0)
    function(a.ctypes.data, *strides, *rows_of_init, len(a), a.shape[1], b.shape[1])


def in_turn(a, b, init):
    """The same sum, exactly as it is promised."""
    rounded = init.dtype.type
    out = np.empty((len(a), b.shape[1]), init.dtype)
    for i, j in np.ndindex(out.shape):
        total = init[i % len(init), j]
        for s in range(a.shape[1]):
            x, y = float(a[i, s]), float(b[s, j])
            if HAS_FMA:
                # By way of float64 float32 is rounded once, too: sums of numbers of so few digits are exact there.
                total = rounded(float(Fraction(x) * Fraction(y) + Fraction(float(total))))
            else:
                total = rounded(total + a[i, s] * b[s, j])
        out[i, j] = total
    return out


def numbers(random, shape, dtype):
    """Numbers with so many binary digits after the point that their products have to be rounded."""
    digits = 40 if dtype == "float64" else 14
    return np.round(random.normal(size=shape) * 2.0**digits).astype(dtype) / 2**digits


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@given(*SIZES, st.integers(0, 10**6))
@example(6, 3, 13, 0)
@example(8, 3, 33, 1)
def test_every_number_is_the_sum_term_after_term(dtype, rows, terms, columns, seed):
    random = np.random.default_rng(seed)
    a, b, c = (numbers(random, shape, dtype) for shape in ((rows, terms), (terms, columns), (rows, columns)))
    init = numbers(random, (1, columns), dtype)
    multiplied(a, b, c, init)
    np.testing.assert_array_equal(c, in_turn(a, b, init))
    turned = np.ascontiguousarray(a.T).T  # of which the terms lie far apart, and the rows side by side
    multiplied(turned, b, c, init)
    np.testing.assert_array_equal(c, in_turn(a, b, init))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@given(*SIZES, st.integers(0, 10**6))
def test_a_sum_goes_on_in_its_own_place_and_nothing_beside_it_is_touched(dtype, rows, terms, columns, seed):
    random = np.random.default_rng(seed)
    a, b = numbers(random, (rows, terms), dtype), numbers(random, (terms, columns), dtype)
    space = numbers(random, (rows + 2, columns + 7), dtype)
    before, c = space.copy(), space[1:-1, 3:-4]
    expected = in_turn(a, b, c.copy())
    multiplied(a, b, c, c)
    np.testing.assert_array_equal(c, expected)
    space[1:-1, 3:-4] = before[1:-1, 3:-4]
    np.testing.assert_array_equal(space, before)
