"""Elementary functions of float32, whose vectors have twice float64's lanes.

This file is never imported: its text follows that of simd_math.py in every compiled program of float32. All functions
take and return float32. Each is within 1.6 units in the last place of the true value (a test compares with mpmath).
NaN gives NaN, what overflows gives infinity, and an exponential below 1.7e-38, about the smallest normal number, is 0.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from deltarule.engines.compiled.program_sources.simd_math import compiled, fma

# Global numbers of NumPy's: beside a number of Python's, which is of float64, all lanes would become float64.
ZERO, ONE, TWO, HALF = np.float32(0), np.float32(1), np.float32(2), np.float32(0.5)
SINGLE_LOG2_E = np.float32(1.4426950408889634)
SINGLE_LN2_HIGH = np.float32(0.693359375)  # its last bits are 0, so that k · SINGLE_LN2_HIGH is exact
SINGLE_LN2_LOW = np.float32(-2.12194440e-4)
SINGLE_ROUND = np.float32(1.5 * 2**23 + 126)  # adding it leaves k + 126, for a whole k, in the lowest bits
LARGEST_EXPONENT, SMALLEST_EXPONENT = np.float32(89), np.float32(-87.5)
# (e^r − 1 − r) / r² between ± ln 2 / 2: interpolated where a Chebyshev polynomial is 0.
EXP0, EXP1, EXP2, EXP3, EXP4 = map(
    np.float32, (0.5, 0.16666576266288757, 0.04166655242443085, 0.008363333530724049, 0.001392637612298131)
)
# (log(1 + t) − t + t²/2) / t³ for 1 + t between √½ and √2: Cephes, logf.
LOG0, LOG1, LOG2, LOG3, LOG4, LOG5, LOG6, LOG7, LOG8 = map(
    np.float32,
    (
        *(3.3333331174e-1, -2.4999993993e-1, 2.0000714765e-1, -1.6668057665e-1, 1.4249322787e-1),
        *(-1.2420140846e-1, 1.1676998740e-1, -1.1514610310e-1, 7.0376836292e-2),
    ),
)
# (tanh x − x) / x³ by x², up to x = 0.625: Cephes, tanhf.
TANH_LIMIT = np.float32(0.625)
TANH0, TANH1, TANH2, TANH3, TANH4 = map(
    np.float32, (-3.33332819422e-1, 1.33314422036e-1, -5.37397155531e-2, 2.06390887954e-2, -5.70498872745e-3)
)
SINGLE_TINY, SINGLE_HUGE, TO_NORMAL = np.float32(2.0**-126), np.float32(3.4028235e38), np.float32(2.0**24)
TINY_EXPONENT = np.float32(24)
INFINITE, NOT_A_NUMBER = np.float32(math.inf), np.float32(math.nan)

INT32, FLOAT32 = ir.IntType(32), ir.FloatType()
ROOT_HALF_BITS = 0x3F3504F3  # those of √½


@intrinsic
def power_of_two(context, shifted):
    """Return 2^(k − 1), 0 for k = −126, from `shifted` = k + SINGLE_ROUND."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(builder.shl(builder.bitcast(arguments[0], INT32), INT32(23)), FLOAT32)

    return types.float32(types.float32), generate


@intrinsic
def exponent_of(context, x):
    """Return e, as float32, of x = 2^e m with m between √½ and √2."""

    def generate(context, builder, signature, arguments):
        distance = builder.sub(builder.bitcast(arguments[0], INT32), INT32(ROOT_HALF_BITS))
        return builder.sitofp(builder.ashr(distance, INT32(23)), FLOAT32)

    return types.float32(types.float32), generate


@intrinsic
def mantissa_of(context, x):
    """Return m of x = 2^e m with m between √½ and √2."""

    def generate(context, builder, signature, arguments):
        bits = builder.bitcast(arguments[0], INT32)
        exponent = builder.ashr(builder.sub(bits, INT32(ROOT_HALF_BITS)), INT32(23))
        return builder.bitcast(builder.sub(bits, builder.shl(exponent, INT32(23))), FLOAT32)

    return types.float32(types.float32), generate


@compiled
def short_exp_single(r):
    """e^r − 1 for |r| up to ln 2 / 2."""
    p = fma(EXP4, r, EXP3)
    p = fma(p, r, EXP2)
    p = fma(p, r, EXP1)
    p = fma(p, r, EXP0)
    return fma(r * r, p, r)


@compiled
def reduced_single(x):
    """Return r and 2^(k − 1) of e^x = 2^k e^r with k whole and |r| up to ln 2 / 2."""
    x = LARGEST_EXPONENT if x > LARGEST_EXPONENT else x
    x = SMALLEST_EXPONENT if x < SMALLEST_EXPONENT else x
    shifted = fma(x, SINGLE_LOG2_E, SINGLE_ROUND)
    k = shifted - SINGLE_ROUND
    return fma(-k, SINGLE_LN2_LOW, fma(-k, SINGLE_LN2_HIGH, x)), power_of_two(shifted)


@compiled
def exp_single(x):
    """e^x = 2^k e^r."""
    r, half_power = reduced_single(x)
    p = ONE + short_exp_single(r)
    return (p + p) * half_power


@compiled
def expm1_single(x):
    """e^x − 1 = 2^k (e^r − 1) + (2^k − 1), with k and r as in `reduced_single`."""
    r, half_power = reduced_single(x)
    half = fma(half_power, short_exp_single(r), half_power - HALF)
    return half + half


@compiled
def log_single(x):
    """log x = e ln 2 + log m with x = 2^e m, m between √½ and √2."""
    normal = x if x >= SINGLE_TINY else x * TO_NORMAL
    e = exponent_of(normal)
    e = e if x >= SINGLE_TINY else e - TINY_EXPONENT
    t = mantissa_of(normal) - ONE
    p = fma(LOG8, t, LOG7)
    p = fma(p, t, LOG6)
    p = fma(p, t, LOG5)
    p = fma(p, t, LOG4)
    p = fma(p, t, LOG3)
    p = fma(p, t, LOG2)
    p = fma(p, t, LOG1)
    p = fma(p, t, LOG0)
    square = t * t
    rest = fma(-HALF, square, fma(t * square, p, e * SINGLE_LN2_LOW))
    value = fma(e, SINGLE_LN2_HIGH, t + rest)
    value = value if x <= SINGLE_HUGE else x  # infinity, or not a number
    value = value if x != ZERO else -INFINITE
    return NOT_A_NUMBER if x < ZERO else value


@compiled
def log1p_single(x):
    """log(1 + x), corrected for what rounding 1 + x lost."""
    u = ONE + x
    lost = (x - (u - ONE)) / u
    return log_single(u) + (lost if u > ZERO and u <= SINGLE_HUGE else ZERO)


@compiled
def tanh_single(x):
    """1 − 2t / (1 + t), t = e^(−2|x|), or up to |x| = 0.625 an accurate polynomial."""
    size = abs(x)
    square = x * x
    p = fma(TANH4, square, TANH3)
    p = fma(p, square, TANH2)
    p = fma(p, square, TANH1)
    p = fma(p, square, TANH0)
    t = exp_single(-TWO * size)
    value = fma(size * square, p, size) if size < TANH_LIMIT else ONE - (t + t) / (ONE + t)
    return value if x > ZERO else -value
