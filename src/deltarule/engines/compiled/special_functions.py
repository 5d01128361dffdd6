"""Functions of vectors that few networks need: erf, waves, arctan and hyperbolic functions."""

import math

from deltarule.engines.compiled.exponentials import ROUND, absolute, exp, expm1, number, polynomial
from deltarule.engines.compiled.values import Value

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
# Where arctan is reduced, and arctan there in two parts; (t − arctan t) / t³ by t²: fdlibm, s_atan.c.
ARCTAN_OF_ONE = (7.85398163397448278999e-01, 3.06161699786838301793e-17)
ARCTAN_OF_HALF = (4.63647609000806093515e-01, 2.26987774529616870924e-17)
ARCTAN_OF_THREE_HALVES = (9.82793723247329054082e-01, 1.39033110312309984516e-17)
ARCTAN_OF_INFINITY = (1.57079632679489655800e00, 6.12323399573676603587e-17)
ARCTAN = [
    *(1.62858201153657823623e-02, -3.65315727442169155270e-02, 4.97687799461593236017e-02),
    *(-5.83357013379057348645e-02, 6.66107313738753120669e-02, -7.69187620504482999495e-02),
    *(9.09088713343650656196e-02, -1.11111104054623557880e-01, 1.42857142725034663711e-01),
    *(-1.99999999998764832476e-01, 3.33333333333329318027e-01),
]


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
    inverse = number(x, 1.0) / square
    below, above = (polynomial(inverse, top) / polynomial(inverse, bottom) for top, bottom in (ERFC_BELOW, ERFC_ABOVE))
    ratio = (size < 1 / 0.35).choose(below, above)
    bell = exp(-upper * upper - 0.5625) * exp(x.text.fma(upper - size, upper + size, ratio))
    value = (size < 6.0).choose(number(x, 1.0) - bell / size, 1.0)
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


def arctan(x: Value) -> Value:
    """arctan c + arctan((x − c) / (1 + c x)), with c near |x|."""
    if x.kind == "float":
        return arctan(x.converted("double")).converted("float")
    size = absolute(x)
    reduced, high, low = size, number(x, 0.0), number(x, 0.0)
    for start, c, parts in (
        (7 / 16, 0.5, ARCTAN_OF_HALF),
        (11 / 16, 1.0, ARCTAN_OF_ONE),
        (19 / 16, 1.5, ARCTAN_OF_THREE_HALVES),
        (39 / 16, math.inf, ARCTAN_OF_INFINITY),
    ):
        of_range = number(x, -1.0) / size if c == math.inf else (size - c) / x.text.fma(size, c, 1.0)
        is_in_range = size > start
        reduced = is_in_range.choose(of_range, reduced)
        high, low = (is_in_range.choose(part, before) for part, before in zip(parts, (high, low), strict=True))
    square = reduced * reduced
    value = high - ((reduced * square * polynomial(square, ARCTAN) - low) - reduced)
    value = (x < 0.0).choose(-value, value)
    return x.compared("une", "ne", x).choose(x, value)


def sinh(x: Value) -> Value:
    size = absolute(x)
    e, half = expm1(size), exp(size * 0.5)
    value = (size < 20.0).choose((e + e / (e + 1.0)) * 0.5, half * 0.5 * half)
    return (x > 0.0).choose(value, -value)


def cosh(x: Value) -> Value:
    size = absolute(x)
    e, half = exp((size > 20.0).choose(20.0, size)), exp(size * 0.5)
    return (size > 20.0).choose(half * 0.5 * half, (e + number(x, 1.0) / e) * 0.5)
