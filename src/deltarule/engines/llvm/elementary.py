"""Elementary functions of vectors, by fma and polynomials: the same bits on every processor.

Each is within 2.5 units in the last place of the true value. NaN gives NaN, and what overflows gives infinity.
"""

import math
from collections.abc import Callable
from typing import Any

from deltarule.engines.llvm.values import FunctionText, Value

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

# Numerators and denominators, the highest coefficient first: fdlibm, s_erf.c.
ERF_OF_ONE = 8.45062911510467529297e-01
ERF_NEAR = (
    [
        *(-2.37630166566501626084e-05, -5.77027029648944159157e-03, -2.84817495755985104766e-02),
        *(-3.25042107247001499370e-01, 1.28379167095512558561e-01),
    ],
    [
        *(-3.96022827877536812320e-06, 1.32494738004321644526e-04, 5.08130628187576562776e-03),
        *(6.50222499887672944485e-02, 3.97917223959155352819e-01, 1.0),
    ],
)
ERF_MIDDLE = (
    [
        *(-2.16637559486879084300e-03, 3.54783043256182359371e-02, -1.10894694282396677476e-01),
        *(3.18346619901161753674e-01, -3.72207876035701323847e-01, 4.14856118683748331666e-01),
        -2.36211856075265944077e-03,
    ],
    [
        *(1.19844998467991074170e-02, 1.36370839120290507362e-02, 1.26171219808761642112e-01),
        *(7.18286544141962662868e-02, 5.40397917702171048937e-01, 1.06420880400844228286e-01, 1.0),
    ],
)
ERFC_BELOW = (
    [
        *(-9.81432934416914548592e00, -8.12874355063065934246e01, -1.84605092906711035994e02),
        *(-1.62396669462573470355e02, -6.23753324503260060396e01, -1.05586262253232909814e01),
        *(-6.93858572707181764372e-01, -9.86494403484714822705e-03),
    ],
    [
        *(-6.04244152148580987438e-02, 6.57024977031928170135e00, 1.08635005541779435134e02),
        *(4.29008140027567833386e02, 6.45387271733267880336e02, 4.34565877475229228821e02),
        *(1.37657754143519042600e02, 1.96512716674392571292e01, 1.0),
    ],
)
ERFC_ABOVE = (
    [
        *(-4.83519191608651397019e02, -1.02509513161107724954e03, -6.37566443368389627722e02),
        *(-1.60636384855821916062e02, -1.77579549177547519889e01, -7.99283237680523006574e-01),
        -9.86494292470009928597e-03,
    ],
    [
        *(-2.24409524465858183362e01, 4.74528541206955367215e02, 2.55305040643316442583e03),
        *(3.19985821950859553908e03, 1.53672958608443695994e03, 3.25792512996573918826e02),
        *(3.03380607434824582924e01, 1.0),
    ],
)
HALF_PI_PARTS = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33)
# (sin r − r) / r³ and (cos r − 1 + r²/2) / r⁴ by r²: fdlibm, k_sin.c and k_cos.c.
SINE = [
    *(1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06),
    *(-1.98412698298579493134e-04, 8.33333333332248946124e-03, -1.66666666666666324348e-01),
]
COSINE = [
    *(-1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07),
    *(2.48015872894767294178e-05, -1.38888888888741095749e-03, 4.16666666666666019037e-02),
]


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
    e = (exponent + round_bits).bits_as(x.kind) - round_number - is_tiny.choose(exponent_raised, _number(x, 0.0))
    value = _log_double(m, e) if is_double else _log_single(m, e)
    value = (x < math.inf).choose(value, x)  # infinity, or not a number
    value = (x < 0.0).choose(math.nan, value)
    return x.compared("oeq", "eq", 0.0).choose(-math.inf, value)


def _number(like: Value, number: float) -> Value:
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
        value = (size < 0.625).choose(short, _number(x, 1.0) - (t + t) / (t + 1.0))
    return (x > 0.0).choose(value, -value)


def erf(x: Value) -> Value:
    """By rational functions in four ranges.    Source: Sun's fdlibm, s_erf.c"""
    if x.kind == "float":
        return erf(x.converted("double")).converted("float")
    size = absolute(x)
    square = size * size
    near = x.text.fma(size, polynomial(square, ERF_NEAR[0]) / polynomial(square, ERF_NEAR[1]), size)
    shifted = size - 1.0
    middle = polynomial(shifted, ERF_MIDDLE[0]) / polynomial(shifted, ERF_MIDDLE[1]) + ERF_OF_ONE
    # The bell e^(−x²) = e^(−z²) e^((z − x)(z + x)), z the upper half of x's digits, whose square is exact.
    upper = (size.bits_as("i64") & ~0xFFFFFFFF).bits_as("double")
    inverse = _number(x, 1.0) / square
    below, above = (polynomial(inverse, top) / polynomial(inverse, bottom) for top, bottom in (ERFC_BELOW, ERFC_ABOVE))
    ratio = (size < 1 / 0.35).choose(below, above)
    bell = exp(-upper * upper - 0.5625) * exp(x.text.fma(upper - size, upper + size, ratio))
    value = (size < 6.0).choose(_number(x, 1.0) - bell / size, 1.0)
    value = (size < 1.25).choose(middle, value)
    value = (size < 0.84375).choose(near, value)
    value = (x < 0.0).choose(-value, value)
    return x.compared("une", "ne", x).choose(x, value)


def cos(x: Value) -> Value:
    return _wave(x, 1)


def sin(x: Value) -> Value:
    return _wave(x, 0)


def _wave(x: Value, quarter_turns: int) -> Value:
    """sin(x + quarter turns) by x = k π/2 + r; its digits are lost from |x| of about 10⁵ on."""
    if x.kind == "float":
        return _wave(x.converted("double"), quarter_turns).converted("float")
    shifted = x.text.fma(x, 2 / math.pi, ROUND)
    k = shifted - ROUND
    r = x
    for part in HALF_PI_PARTS:
        r = x.text.fma(-k, part, r)
    square = r * r
    sine = x.text.fma(r * square, polynomial(square, SINE), r)
    cosine = x.text.fma(square * square, polynomial(square, COSINE), x.text.fma(square, -0.5, 1.0))
    turns = shifted.bits_as("i64") + quarter_turns
    value = ((turns & 1) > 0).choose(cosine, sine)
    return ((turns & 2) > 0).choose(-value, value)


def power(base: Value, exponent: Value) -> Value:
    """base^exponent for a base of 0 or more, 1 for a base 1 or an exponent 0."""
    value = exp(exponent * log(base))
    value = base.compared("oeq", "eq", 1.0).choose(1.0, value)
    return exponent.compared("oeq", "eq", 0.0).choose(1.0, value)


def maximum(x: Value, y: Value) -> Value:
    return x.compared("une", "ne", x).choose(x, (x > y).choose(x, y))


def minimum(x: Value, y: Value) -> Value:
    return x.compared("une", "ne", x).choose(x, (x < y).choose(x, y))


def sign(x: Value) -> Value:
    return (x > 0.0).choose(1.0, (x < 0.0).choose(-1.0, x))


def _comparison(of_floats: str, of_integers: str) -> Callable[[Value, Value], Value]:
    return lambda x, y: x.compared(of_floats, of_integers, y)


def _intrinsic(name: str) -> Callable[[Value], Value]:
    return lambda x: x.text.call(f"llvm.{name}", x)


IN_PLACE: dict[str, Callable[..., Value]] = {
    "add": lambda x, y: x | y if x.kind == "i1" else x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x & y if x.kind == "i1" else x * y,
    "divide": lambda x, y: x / y,
    "negative": lambda x: -x,
    "positive": lambda x: x,
    "square": lambda x: x * x,
    "reciprocal": lambda x: _number(x, 1.0) / x,
    "absolute": absolute,
    "maximum": maximum,
    "minimum": minimum,
    "sign": sign,
    "select": lambda test, yes, no: (test > 0).choose(yes, no),
    "where": lambda test, yes, no: test.choose(yes, no),
    "greater": _comparison("ogt", "sgt"),
    "greater_equal": _comparison("oge", "sge"),
    "less": _comparison("olt", "slt"),
    "less_equal": _comparison("ole", "sle"),
    "equal": _comparison("oeq", "eq"),
    "not_equal": _comparison("une", "ne"),
    "logical_or": lambda x, y: x | y,
    "bitwise_or": lambda x, y: x | y,
    "logical_and": lambda x, y: x & y,
    "bitwise_and": lambda x, y: x & y,
    "logical_not": lambda x: x ^ True,
    "invert": lambda x: x ^ True,
    **{name: _intrinsic(name) for name in ("sqrt", "floor", "ceil", "trunc")},
}
"""Operations that are one instruction, or few, by NumPy's names."""

FUNCTIONS: dict[str, Callable[..., Value]] = {
    function.__name__: function for function in (exp, expm1, log, log1p, tanh, erf, sin, cos, power)
}
"""Operations that are functions of their own in a program's text."""


def definition(name: str, kind: str, lanes: int) -> tuple[str, set[tuple[str, str, int]]]:
    """Return the text of an elementary function, and what it calls."""
    text = FunctionText(lanes)
    arguments = [Value(text, f"%a{index}", kind) for index in range(2 if name == "power" else 1)]
    result = FUNCTIONS[name](*arguments)
    given = ", ".join(f"{text.vector(kind)} {argument.name}" for argument in arguments)
    head = f"define internal {text.vector(kind)} @{name}.{kind}({given}) alwaysinline {{"
    return "\n".join([head, *text.lines, f"  ret {text.vector(kind)} {result.name}", "}"]), text.called


def definitions(called: set[tuple[str, str, int]], lanes: int) -> str:
    """Return the texts of all functions that are called, and of what these call."""
    texts: dict[Any, str] = {}
    waiting = sorted(called)
    while waiting:
        name, kind, count = each = waiting.pop()
        if each in texts:
            continue
        if name.startswith("llvm."):
            vector = f"<{lanes} x {kind}>"
            bits = 64 if kind == "double" else 32
            texts[each] = f"declare {vector} @{name}.v{lanes}f{bits}({', '.join([vector] * count)})"
        else:
            texts[each], more = definition(name, kind, lanes)
            waiting += sorted(more)
    return "\n".join(texts.values())
