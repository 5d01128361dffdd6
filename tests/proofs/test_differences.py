from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deltarule.proofs.differences import Slopes, central, complex_step

EPS = np.finfo(float).eps
Function = Callable[[np.ndarray], np.ndarray]
SMOOTH: dict[str, tuple[Function, Function]] = {
    "sine": (np.sin, np.cos),
    "exponential": (np.exp, np.exp),
    "fifth power": (lambda z: z**5, lambda z: 5 * z**4),
    "quotient": (lambda z: z / (1 + z * z), lambda z: (1 - z * z) / (1 + z * z) ** 2),
    "sharp turn": (lambda z: np.tanh(300 * z), lambda z: 300 * (1 - np.tanh(300 * z) ** 2)),
}


def slopes(function: Function, z: float, wanted: float = 1e-9, noise: float = EPS) -> Slopes:
    middle = function(np.full(1, z))
    return central(lambda lines, t: function(z + t), middle, np.ones(1), np.full(1, wanted), np.full(1, noise))


@pytest.mark.parametrize("name", SMOOTH)
@given(z=st.floats(-1.5, 1.5))
def test_smooth_functions_are_differentiated_within_the_acceptable_doubt(name: str, z: float) -> None:
    function, derivative = SMOOTH[name]
    found = slopes(function, z, wanted=1e-8 * max(1, abs(derivative(np.array(z)))))
    assert not found.kink[0]
    assert abs(found.value[0] - derivative(np.array(z))) <= max(found.doubt[0], 1e-8)


@given(z=st.floats(-1.5, 1.5))
def test_the_complex_step_is_exact_to_rounding(z: float) -> None:
    for function, derivative in (SMOOTH["sine"], SMOOTH["exponential"], SMOOTH["quotient"]):
        found = complex_step(lambda lines, t, function=function: function(z + t), 1)
        assert abs(found[0] - derivative(np.array(z))) <= 8 * EPS * max(1, abs(derivative(np.array(z))))


@given(slope=st.floats(0.01, 100), jump=st.floats(0.01, 100), curvature=st.floats(-50, 50))
@example(slope=1.0, jump=0.01, curvature=-1.0)  # the widest step's difference is curvature, the narrowest one's a kink
def test_a_kink_is_found_beside_any_slope_and_curvature(slope: float, jump: float, curvature: float) -> None:
    def function(z: np.ndarray) -> np.ndarray:
        return slope * z + curvature * z * z + jump * np.maximum(z, 0)

    assert slopes(function, 0.0, wanted=1e-8 * (slope + jump)).kink[0]
    found = slopes(function, 0.01, wanted=1e-8 * (slope + jump))
    assert not found.kink[0]
    assert abs(found.value[0] - (slope + jump + 0.02 * curvature)) <= 1e-8 * (slope + jump)


def test_a_kink_nearer_than_the_narrowest_step_counts_as_one() -> None:
    assert slopes(np.abs, 1e-9).kink[0]
    assert slopes(np.abs, 1e-9).doubt[0] == np.inf  # what differences agree on across a kink is not the slope


@pytest.mark.parametrize("wanted", [1e-12, 2e-12, 5e-12, 1e-11])
def test_a_bend_that_narrow_steps_cannot_see_is_in_doubt_and_no_kink(wanted: float) -> None:
    """What is left of it at the widest step, 0.03 h⁴ or so, is more than is wanted, and than is seen of 1 + f below."""
    for size in np.geomspace(1e-3, 1e2, 11):
        found = slopes(lambda z, size=size: 1 + size * np.sin(z), 0.3, wanted=wanted)
        assert not found.kink[0]
        assert abs(found.value[0] - size * np.cos(0.3)) <= found.doubt[0]


def test_a_slope_below_the_rounding_of_the_function_is_in_doubt_and_no_kink() -> None:
    found = slopes(lambda z: 1 + 1e-14 * z, 0.3, wanted=1e-21)
    assert found.doubt[0] > 1e-21
    assert not found.kink[0]


def test_steps_avoid_where_the_function_has_no_value() -> None:
    with np.errstate(all="ignore"):
        found = slopes(np.log, 0.002, wanted=1e-6 * 500)
    assert abs(found.value[0] - 500) <= 1e-6 * 500
