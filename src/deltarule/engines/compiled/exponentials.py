"""Exponentials, logarithms and powers of vectors, by fma and polynomials: the same bits on every processor.

Each is within 2.5 units in the last place of the true value. NaN gives NaN, and what overflows gives infinity.
"""

import math

from deltarule.engines.compiled.values import Value

LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # so that k · LN2_HIGH is exact
ROUND = 6755399441055744.0  # 1.5 · 2⁵²: adding it leaves a number's whole part in the lowest bits
ROOT_HALF_BITS = 0x3FE6A09E667F3BCD
SINGLE_LN2_HIGH, SINGLE_LN2_LOW = 0.693359375, -2.12194440e-4
SINGLE_ROUND = 1.5 * 2**23 + 126  # adding it leaves k + 126, for a whole k, in the lowest bits
SINGLE_ROOT_HALF_BITS = 0x3F3504F3
# (e^r − 1 − r) / r² between ± ln 2 / 2, the highest coefficient first: interpolated where a Chebyshev polynomial is 0.
EXPONENTIAL = [
    *(2.510038549551032e-08, 2.7620088445409746e-07, 2.7557268459997064e-06, 2.4801521295954376e-05),
    *(0.00019841269863053618, 0.0013888888917213717, 0.008333333333330062, 0.04166666666662413),
    *(0.16666666666666669, 0.5000000000000001),
]
SINGLE_EXPONENTIAL = [
    *(0.001392637612298131, 0.008363333530724049, 0.04166655242443085, 0.16666576266288757, 0.5),
]
# (log(1 + t) − t + t²/2) / t³ for 1 + t between √½ and √2: Cephes, logf.
SINGLE_LOGARITHM = [
    *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
    *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
]
# (tanh x − x) / x³ by x², up to x = 0.625: Cephes, tanhf.
SINGLE_TANH = [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1]


def polynomial(x: Value, coefficients: list[float]) -> Value:
    """The polynomial in x with these coefficients, the highest first."""
    value = x.text.value(coefficients[0], x.kind)
    for coefficient in coefficients[1:]:
        value = x.text.fma(value, x, coefficient)
    return value


def absolute(x: Value) -> Value:
    return x.text.call("llvm.fabs", x) if x.is_float else (x < 0).choose(-x, x)


def short_exp(r: Value) -> Value:
    """e^r − 1 for |r| up to ln 2 / 2."""
    p = polynomial(r, EXPONENTIAL if r.kind == "double" else SINGLE_EXPONENTIAL)
    return r.text.fma(r * r, p, r)


def exp(x: Value) -> Value:
    """e^x = 2^k e^r with k whole and |r| up to ln 2 / 2."""
    if x.kind == "float":
        r, half_power = _reduced_single(x)
        p = short_exp(r) + 1.0
        return (p + p) * half_power
    x = (x > 710.0).choose(710.0, x)
    x = (x < -746.0).choose(-746.0, x)
    shifted = x.text.fma(x, LOG2_E, ROUND)
    k = shifted - ROUND
    r = x.text.fma(-k, LN2_LOW, x.text.fma(-k, LN2_HIGH, x))
    bits = (shifted.bits_as("i64") << 32) >> 32
    half = bits >> 1  # 2^k in two factors: neither overflows, and what is below the smallest number fades away
    first, second = (((part + 1023) << 52).bits_as("double") for part in (half, bits - half))
    return (short_exp(r) + 1.0) * first * second


def _reduced_single(x: Value) -> tuple[Value, Value]:
    """Return r and 2^(k − 1) of e^x = 2^k e^r."""
    x = (x > 89.0).choose(89.0, x)
    x = (x < -87.5).choose(-87.5, x)
    shifted = x.text.fma(x, LOG2_E, SINGLE_ROUND)
    k = shifted - SINGLE_ROUND
    r = x.text.fma(-k, SINGLE_LN2_LOW, x.text.fma(-k, SINGLE_LN2_HIGH, x))
    return r, (shifted.bits_as("i32") << 23).bits_as("float")


def expm1(x: Value) -> Value:
    if x.kind == "float":
        r, half_power = _reduced_single(x)
        half = x.text.fma(half_power, short_exp(r), half_power - 0.5)
        return half + half
    return (absolute(x) < 0.35).choose(short_exp(x), exp(x) - 1.0)


def log(x: Value) -> Value:
    """log x = e ln 2 + log m, x = 2^e m with √½ ≤ m < √2."""
    is_double = x.kind == "double"
    tiny, raising, exponent_raised = (2.0**-1022, 2.0**54, 54.0) if is_double else (2.0**-126, 2.0**24, 24.0)
    integers, digits, root_half = ("i64", 52, ROOT_HALF_BITS) if is_double else ("i32", 23, SINGLE_ROOT_HALF_BITS)
    is_tiny = x < tiny
    bits = is_tiny.choose(x * raising, x).bits_as(integers)
    exponent = (bits - root_half) >> digits
    m = (bits - (exponent << digits)).bits_as(x.kind)
    # A whole number becomes a float without a conversion, which few processors have: in the lowest digits of `round`.
    round_number = ROUND if is_double else 1.5 * 2**23
    round_bits = x.text.value(round_number, x.kind).bits_as(integers)
    e = (exponent + round_bits).bits_as(x.kind) - round_number - is_tiny.choose(exponent_raised, number(x, 0.0))
    value = _log_double(m, e) if is_double else _log_single(m, e)
    value = (x < math.inf).choose(value, x)  # infinity, or not a number
    value = (x < 0.0).choose(math.nan, value)
    return x.compared("oeq", "eq", 0.0).choose(-math.inf, value)


def number(like: Value, number: float) -> Value:
    return like.text.value(number, like.kind)


def _log_double(m: Value, e: Value) -> Value:
    f = (m - 1.0) / (m + 1.0)  # log m = 2 artanh f
    s = f * f
    p = polynomial(s, [1 / n for n in range(23, 1, -2)])
    double = f + f
    return m.text.fma(e, LN2_HIGH, double + m.text.fma(double * s, p, e * LN2_LOW))


def _log_single(m: Value, e: Value) -> Value:
    t = m - 1.0
    square = t * t
    p = polynomial(t, SINGLE_LOGARITHM)
    rest = m.text.fma(square, -0.5, m.text.fma(t * square, p, e * SINGLE_LN2_LOW))
    return m.text.fma(e, SINGLE_LN2_HIGH, t + rest)


def log1p(x: Value) -> Value:
    """log(1 + x), corrected for what rounding 1 + x lost."""
    u = x + 1.0
    lost = (x - (u - 1.0)) / u
    return log(u) + ((u > 0.0) & (u < math.inf)).choose(lost, 0.0)


def tanh(x: Value) -> Value:
    """(1 − t) / (1 + t) with t = e^(−2|x|), or for small x what loses nothing."""
    size = absolute(x)
    if x.kind == "double":
        e = expm1(size * -2.0)
        value = -e / (e + 2.0)
    else:
        square = x * x
        short = x.text.fma(size * square, polynomial(square, SINGLE_TANH), size)
        t = exp(size * -2.0)
        value = (size < 0.625).choose(short, number(x, 1.0) - (t + t) / (t + 1.0))
    return (x > 0.0).choose(value, -value)


def power(base: Value, exponent: Value) -> Value:
    """base^exponent, 1 for a base 1 or an exponent 0; a negative base has whole powers alone."""
    value = exp(exponent * log(absolute(base)))
    value = base.compared("oeq", "eq", 1.0).choose(1.0, value)
    half = exponent * 0.5
    is_odd = half.compared("une", "ne", floor(half))
    is_whole = exponent.compared("oeq", "eq", floor(exponent))
    of_negative = is_whole.choose(is_odd.choose(-value, value), float("nan"))
    value = (base < 0.0).choose(of_negative, value)
    return exponent.compared("oeq", "eq", 0.0).choose(1.0, value)


def whole_power(base: Value, exponent: int) -> Value:
    """base^exponent by products: the square of the square for 4."""
    if exponent < 0:
        return number(base, 1.0) / whole_power(base, -exponent)
    if exponent < 2:
        return base if exponent else number(base, 1.0)
    root = whole_power(base, exponent // 2)
    return root * root * base if exponent % 2 else root * root


def floor(x: Value) -> Value:
    return x.text.call("llvm.floor", x)
