from collections.abc import Callable
from dataclasses import replace

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from mpmath import mpf

from deltarule.maths.activations import ACTIVATIONS, SOFTMAX, Activation

mpmath.mp.dps = 50
EPS = 2.0**-52
TINY = 5e-324

HARD = [0.0, -0.0, 1e-300, -1e-300, 1e-17, -1e-17, 1e-8, -1e-8, 0.3, -0.3, 1.0, -1.0, 5.0, -5.0, 8.5, -8.5]
HARD += [36.0, -36.0, 37.5, -37.5, 100.0, -100.0, 700.0, -700.0, 745.0, -745.0, -746.0, 1e4, -1e4, 1e300, -1e300]


def normal_law(z: mpf) -> mpf:
    if abs(z) > 1e5:  # mpmath's own series overflows there
        return mpf(z > 0)
    return mpmath.erfc(-z / mpmath.sqrt(2)) / 2


def mish_gate(z: mpf) -> mpf:
    return mpmath.tanh(EXACT["softplus"](z))


def selu_numbers() -> tuple[mpf, mpf]:
    """λ and α for which a standard normal z gives an activation of mean 0 and variance 1, by equation 14 of the paper.

    E a = λ (E z₊ + α E (eᶻ − 1) for z < 0) = 0, and E a² = 1.
    """
    above, below = 1 / mpmath.sqrt(2 * mpmath.pi), mpmath.exp(mpf(1) / 2) * normal_law(mpf(-1)) - mpf(1) / 2
    alpha = -above / below
    squares = mpmath.exp(2) * normal_law(mpf(-2)) - 2 * mpmath.exp(mpf(1) / 2) * normal_law(mpf(-1)) + mpf(1) / 2
    return 1 / mpmath.sqrt(mpf(1) / 2 + alpha**2 * squares), alpha


SELU_SCALE, SELU_ALPHA = selu_numbers()
ELEMENTWISE = [activation for activation in ACTIVATIONS.values() if not activation.rowwise]
EXACT: dict[str, Callable[[mpf], mpf]] = {
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + mpmath.exp(-z)),
    "tanh": mpmath.tanh,
    "softsign": lambda z: z / (1 + abs(z)),
    "relu": lambda z: max(z, mpf(0)),
    "leaky_relu": lambda z: z if z > 0 else mpf(0.01) * z,
    "elu": lambda z: z if z > 0 else mpmath.expm1(z),
    "selu": lambda z: SELU_SCALE * (z if z > 0 else SELU_ALPHA * mpmath.expm1(z)),
    "softplus": lambda z: mpmath.log1p(mpmath.exp(z)) if z < 200 else z + mpmath.log1p(mpmath.exp(-z)),
    "silu": lambda z: z / (1 + mpmath.exp(-z)),
    "mish": lambda z: z * mish_gate(z),
    "gelu": lambda z: z * normal_law(z),
    "exponential": mpmath.exp,
}
EXACT_SLOPE: dict[str, Callable[[mpf], mpf]] = {
    "identity": lambda z: mpf(1),
    "sigmoid": lambda z: 1 / (2 + mpmath.exp(z) + mpmath.exp(-z)),
    "tanh": lambda z: mpmath.sech(z) ** 2,
    "softsign": lambda z: 1 / (1 + abs(z)) ** 2,
    "relu": lambda z: mpf(z > 0),
    "leaky_relu": lambda z: mpf(1) if z > 0 else mpf(0.01),
    "elu": lambda z: mpf(1) if z > 0 else mpmath.exp(z),
    "selu": lambda z: SELU_SCALE if z > 0 else SELU_SCALE * SELU_ALPHA * mpmath.exp(z),
    "softplus": EXACT["sigmoid"],
    "silu": lambda z: EXACT["sigmoid"](z) * (1 + z * EXACT["sigmoid"](-z)),
    "mish": lambda z: mish_gate(z) + z * EXACT["sigmoid"](z) * (1 - mish_gate(z) ** 2 if abs(z) < 50 else mpf(z < 0)),
    "gelu": lambda z: normal_law(z) + z * mpmath.exp(-z * z / 2) / mpmath.sqrt(2 * mpmath.pi),
    "exponential": mpmath.exp,
}
# GELU as z (1 + erf) / 2 cancels left of 0: it is exact to a part of z. All others are exact to a part of themselves.
SCALED_BY_Z = {"gelu"}


def finite_in_float64(number: mpf) -> bool:
    return abs(number) < mpf(2) ** 1024


@pytest.mark.parametrize("activation", ELEMENTWISE, ids=lambda a: a.name)
@pytest.mark.parametrize("z", HARD)
def test_values_are_exact_to_four_units_in_the_last_place(activation: Activation, z: float) -> None:
    exact = EXACT[activation.name](mpf(z))
    if not finite_in_float64(exact):
        assert activation.name == "exponential"
        return
    with np.errstate(all="raise", under="ignore"):
        value = activation.forward(np.array([z]))[0]
    scale = abs(mpf(z)) if activation.name in SCALED_BY_Z else abs(exact)
    assert abs(mpf(value[0]) - exact) <= 4 * EPS * scale + 2 * TINY * max(1, abs(mpf(z)))


@pytest.mark.parametrize("activation", ELEMENTWISE, ids=lambda a: a.name)
@pytest.mark.parametrize("z", HARD)
def test_slopes_are_finite_and_exact_to_a_few_units_of_1(activation: Activation, z: float) -> None:
    exact = EXACT_SLOPE[activation.name](mpf(z))
    if not finite_in_float64(exact):
        return
    with np.errstate(over="ignore"):  # GELU's z² may be infinite: the density is 0 there
        a, backward = activation.forward(np.array([z]))
        slope = backward(np.ones(1))
    assert abs(mpf(slope[0]) - exact) <= 16 * EPS * max(mpf(1), abs(exact))


def softmax_of(row: np.ndarray) -> list[mpf]:
    exponentials = [mpmath.exp(mpf(z) - mpf(float(row.max()))) for z in row]
    return [one / sum(exponentials) for one in exponentials]


@pytest.mark.parametrize(
    "row",
    [[0.0], [-1e4], [1.0, 1.0], [0.0, 745.0], [1e4, -1e4, 1e4], [1e300, 0.0], [1e-300, -1e-300], [-36.0, 0.5, 36.0]],
)
def test_softmax_of_hard_rows(row: list[float]) -> None:
    z = np.array([row])
    with np.errstate(all="raise", under="ignore"):
        a = SOFTMAX.forward(z)[0][0]
    for value, exact, from_largest in zip(a, softmax_of(z[0]), z[0].max() - z[0], strict=True):
        # The exponent is rounded, by a part of itself; past e⁻⁷⁴⁵ nothing is left.
        assert abs(mpf(value) - exact) <= (8 + min(float(from_largest), 750)) * EPS * exact + 2 * TINY


ROWS = arrays(np.float64, array_shapes(min_dims=1, max_dims=3, max_side=6), elements=st.floats(-1e6, 1e6))


@given(ROWS, st.floats(-1e3, 1e3))
def test_softmax_rows_sum_to_1_whatever_is_added_to_them(z: np.ndarray, shift: float) -> None:
    a = SOFTMAX.forward(z)[0]
    assert ((a >= 0) & (a <= 1)).all()
    assert np.allclose(a.sum(-1), 1, rtol=0, atol=z.shape[-1] * EPS)
    # Adding the shift rounds z itself, by half a unit of the larger of the two.
    assert np.allclose(SOFTMAX.forward(z + shift)[0], a, rtol=0, atol=4 * EPS * (np.abs(z).max() + abs(shift) + 1))


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=lambda a: a.name)
@given(data=st.data())
def test_dtype_and_shape_stay_and_a_population_is_its_members(activation: Activation, data: st.DataObject) -> None:
    shape = data.draw(array_shapes(min_dims=3, max_dims=3, max_side=4))
    z = data.draw(arrays(np.float64, shape, elements=st.floats(-20, 20)))
    for dtype in (np.float32, np.float64, np.complex128):
        a, backward = activation.forward(z.astype(dtype))
        dz = backward(np.ones_like(a))
        assert a.dtype == dz.dtype == dtype and a.shape == dz.shape == shape
        for k in range(shape[0]):
            alone, backward_alone = activation.forward(z[k].astype(dtype))
            assert np.array_equal(a[k], alone) and np.array_equal(dz[k], backward_alone(np.ones_like(alone)))


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=lambda a: a.name)
@given(z=arrays(np.float64, (3, 2), elements=st.floats(-20, 20)))
def test_float32_and_complex_are_the_same_function(activation: Activation, z: np.ndarray) -> None:
    z = z.astype(np.float32).astype(np.float64)
    a = activation.forward(z)[0]
    assert np.allclose(activation.forward(z.astype(np.float32))[0], a, rtol=1e-5, atol=1e-5)
    of_complex = activation.forward(z.astype(complex))[0]
    assert np.allclose(of_complex.real, a, rtol=1e-14, atol=1e-14) and not of_complex.imag.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=lambda a: a.name)
def test_nan_is_passed_on(activation: Activation, dtype: type) -> None:
    z = np.array([[0.5, np.nan], [0.5, 1.0]], dtype)
    a, backward = activation.forward(z)
    assert np.isnan(a[0, 1]) and np.isfinite(a[1]).all()
    assert np.isfinite(a[0, 0]) != activation.rowwise  # softmax couples a row, and only a row
    dz = backward(np.array([[np.nan, 1.0], [np.nan, 1.0]], dtype))
    assert np.isnan(dz[1, 0])
    assert np.isfinite(dz[1, 1]) != activation.rowwise


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=lambda a: a.name)
@given(z=arrays(np.float64, (2, 5), elements=st.floats(-700, 700)))
def test_values_lie_in_the_range_that_is_promised(activation: Activation, z: np.ndarray) -> None:
    a = activation.forward(z)[0]
    lowest = {"real": -np.inf, "nonnegative": 0, "positive": TINY, "unit": 0, "simplex": 0}[activation.range]
    highest = 1 if activation.range in ("unit", "simplex") else np.inf
    assert (a >= lowest).all() and (a <= highest).all()


@pytest.mark.parametrize("activation", ELEMENTWISE, ids=lambda a: a.name)
def test_slopes_go_to_0_where_the_activation_says_so(activation: Activation) -> None:
    slopes = [EXACT_SLOPE[activation.name](mpf(z)) for z in (-1e6, 1e6)]
    assert [slope < 1e-9 for slope in slopes] == [activation.flat in ("left", "both"), activation.flat == "both"]


@pytest.mark.parametrize("activation", ELEMENTWISE, ids=lambda a: a.name)
def test_kinks_are_where_the_slope_jumps(activation: Activation) -> None:
    activation = replace(activation, parameters=dict.fromkeys(activation.parameters, 0.5))
    left, right = (activation.forward(np.array([z]))[1](np.ones(1))[0] for z in (-1e-9, 1e-9))
    assert activation.kinks == ((0.0,) if abs(left - right) > 1e-6 else ())
