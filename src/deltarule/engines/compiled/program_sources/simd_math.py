"""Elementary functions without branches or calls, so that loops become SIMD.

This file is never imported: its text follows that of linking.py in every compiled program. Exponentials and logarithms
take and return float64; each is within 2 units in the last place of the true value (a test compares with mpmath), NaN
gives NaN, and what overflows gives infinity.
"""

import math

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import njit, types
from numba.extending import intrinsic

# No fast mathematics: the compiler would join products and sums as it likes, otherwise in a loop of one lane than in
# one of sixteen, and a member alone would differ from itself among others. Where they are to be joined stands `fma`.
# What compiled functions alone call needs no way in from Python or C: compiling these takes a sixth of the whole.
# Programs make no arrays, so none of their functions counts how often one is held (`_nrt`).
INNER = {"error_model": "numpy", "_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
compiled = njit(forceinline=True, **INNER)
WIDE, AVX = (get_host_cpu_features().get(name) for name in ("avx512f", "avx"))
VECTOR_BYTES = 64 if WIDE else 32 if AVX else 16  # of this processor
HAS_FMA = any(get_host_cpu_features().get(name) for name in ("fma", "neon", "vfp4"))

LOG2_E = 1.4426950408889634
LN2_HIGH = 0.6931471803691238  # its last bits are 0, so that k · LN2_HIGH is exact
LN2_LOW = 1.9082149292705877e-10
ROUND = 6755399441055744.0  # 1.5 · 2⁵²: adding it leaves a number's whole part in the lowest bits


@intrinsic
def to_bits(context, number):
    """Return the 64 bits of a float64 as an integer."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def from_bits(context, bits):
    """Return the float64 with these 64 bits."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


@intrinsic
def fma(context, x, y, z):
    """x y + z in float64, or float32 if all are, rounded once if the processor can."""
    number = types.float32 if {x, y, z} == {types.float32} else types.float64

    def generate(context, builder, signature, arguments):
        x, y, z = arguments
        return builder.fma(x, y, z) if HAS_FMA else builder.fadd(builder.fmul(x, y), z)

    return number(number, number, number), generate


@compiled
def select(test, yes, no):
    """Return `yes` if test > 0; `no` otherwise, also if the test is NaN."""
    return yes if test > 0 else no


@compiled
def maximum(x, y):
    return select(x - y, x, y) if x == x else x


@compiled
def minimum(x, y):
    return select(y - x, x, y) if x == x else x


@compiled
def short_exp(r):
    """e^r − 1 for |r| up to 0.35: the Taylor series, in which nothing is lost near 0."""
    p = 1 / 87178291200
    p = fma(p, r, 1 / 6227020800)
    p = fma(p, r, 1 / 479001600)
    p = fma(p, r, 1 / 39916800)
    p = fma(p, r, 1 / 3628800)
    p = fma(p, r, 1 / 362880)
    p = fma(p, r, 1 / 40320)
    p = fma(p, r, 1 / 5040)
    p = fma(p, r, 1 / 720)
    p = fma(p, r, 1 / 120)
    p = fma(p, r, 1 / 24)
    p = fma(p, r, 1 / 6)
    p = fma(p, r, 0.5)
    return fma(r * r, p, r)


@compiled
def exp(x):
    """e^x = 2^k e^r with k whole and |r| up to ln 2 / 2."""
    x = select(x - 710, 710.0, x)
    x = select(-x - 746, -746.0, x)
    shifted = fma(x, LOG2_E, ROUND)
    k = shifted - ROUND
    r = fma(-k, LN2_LOW, fma(-k, LN2_HIGH, x))
    bits = (to_bits(shifted) << 32) >> 32
    half = bits >> 1  # 2^k in two factors: neither overflows, and what is below the smallest number fades away
    return ((1 + short_exp(r)) * from_bits((half + 1023) << 52)) * from_bits((bits - half + 1023) << 52)


@compiled
def expm1(x):
    return select(0.35 - select(x, x, -x), short_exp(x), exp(x) - 1)


@compiled
def log(x):
    """log x = e ln 2 + 2 artanh f, x = 2^e m with √½ ≤ m < √2, f = (m − 1) / (m + 1)."""
    tiny = select(2.2250738585072014e-308 - x, 1.0, 0.0)
    bits = to_bits(x * select(tiny, 18014398509481984.0, 1.0))
    exponent = ((bits - 0x3FE6A09E667F3BCD) >> 52) * 1.0
    m = from_bits(bits - (((bits - 0x3FE6A09E667F3BCD) >> 52) << 52))
    f = (m - 1) / (m + 1)
    s = f * f
    p = 1 / 23
    p = fma(p, s, 1 / 21)
    p = fma(p, s, 1 / 19)
    p = fma(p, s, 1 / 17)
    p = fma(p, s, 1 / 15)
    p = fma(p, s, 1 / 13)
    p = fma(p, s, 1 / 11)
    p = fma(p, s, 1 / 9)
    p = fma(p, s, 1 / 7)
    p = fma(p, s, 1 / 5)
    p = fma(p, s, 1 / 3)
    e = exponent - 54 * tiny
    value = fma(e, LN2_HIGH, 2 * f + fma(2 * f * s, p, e * LN2_LOW))
    value = select(x - 1.7976931348623157e308, x, value)
    value = select(-x, math.nan, value)
    value = select(select(x, x, -x), value, -math.inf)  # 0, or not a number
    return value + 0 * select(x - 1.7976931348623157e308, 0.0, x)


@compiled
def log1p(x):
    """log(1 + x), corrected for what rounding 1 + x lost."""
    u = 1 + x
    return log(u) + select(u, select(1e300 - u, (x - (u - 1)) / u, 0.0), 0.0)


@compiled
def tanh(x):
    """(1 − t) / (1 + t) with t = e^(−2|x|), by e^(−2|x|) − 1 for small x."""
    e = expm1(-2 * select(x, x, -x))
    return select(x, -e, e) / (2 + e)


@compiled
def raised(base, exponent):
    """base^exponent for a base of 0 or more, 1 for a base 1 or an exponent 0."""
    power = 1.0 if base == 1 else exp(exponent * log(base))
    return 1.0 if exponent == 0 else power


@compiled
def philox(c0, c1, c2, c3, k0, k1):
    """Return four words of Philox for the counter c and key k, as `maths.random`."""
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        product0 = np.uint64(c0) * np.uint64(0xD2511F53)
        product1 = np.uint64(c2) * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (
            (product1 >> np.uint64(32)) ^ c1 ^ k0,
            product1 & low,
            (product0 >> np.uint64(32)) ^ c3 ^ k1,
            product0 & low,
        )
        k0 = (k0 + np.uint64(0x9E3779B9)) & low
        k1 = (k1 + np.uint64(0xBB67AE85)) & low
    return c0, c1, c2, c3
