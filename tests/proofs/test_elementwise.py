from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltarule.maths.activations import ACTIVATIONS, Activation
from deltarule.maths.losses import LOSSES, Loss
from deltarule.maths.penalties import PENALTIES, Penalty
from deltarule.proofs.elementwise import (
    Curve,
    central_slopes,
    complex_slopes,
    curve_of_activation,
    curve_of_loss,
    curve_of_penalty,
)

POINTS = np.array([-3.0, -0.4, 0.0, 0.2, 1.0, 7.0])
ANYWHERE = np.full(len(POINTS), np.inf)


def curve(function: Callable[[np.ndarray], np.ndarray]) -> Curve:
    return Curve(function, {"z": POINTS}, ANYWHERE)


@pytest.mark.parametrize(
    "function",
    [np.abs, lambda z: np.maximum(z.real, 0), lambda z: z * np.conj(z), lambda z: np.real(z) ** 2, np.floor],
    ids=["abs", "maximum", "conjugate", "real part", "floor"],
)
def test_a_function_that_loses_the_imaginary_part_is_detected(function: Callable[[np.ndarray], np.ndarray]) -> None:
    assert complex_slopes(curve(function)) is None


def test_a_function_that_partly_loses_the_imaginary_part_is_detected() -> None:
    assert complex_slopes(curve(lambda z: np.sin(z) + 0.01 * np.abs(z) * z)) is None


@pytest.mark.parametrize("function", [np.sin, np.exp, lambda z: z**3, lambda z: z / (1 + z * z)])
def test_a_function_that_keeps_it_has_the_same_slopes_by_both_methods(
    function: Callable[[np.ndarray], np.ndarray],
) -> None:
    exact = complex_slopes(curve(function))
    assert exact is not None
    slopes = central_slopes(curve(function), np.full(len(POINTS), 1e-8), exact)
    np.testing.assert_allclose(slopes.value, exact, rtol=1e-8, atol=1e-8)


@given(st.floats(1, 200))
def test_a_fast_wave_is_not_taken_for_a_slow_one(frequency: float) -> None:
    wave = curve_of_activation(
        Activation("wave", lambda z: np.sin(frequency * z), lambda z, a: frequency * np.cos(z * frequency))
    )
    exact = complex_slopes(wave)
    assert exact is not None
    np.testing.assert_allclose(exact, frequency * np.cos(frequency * wave.inputs[0]), atol=1e-9 * frequency)


@pytest.mark.parametrize("activation", [a for a in ACTIVATIONS.values() if not a.rowwise], ids=lambda a: a.name)
def test_built_in_activations_keep_the_imaginary_part(activation: Activation) -> None:
    assert complex_slopes(curve_of_activation(activation)) is not None


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=lambda penalty: penalty.name)
def test_built_in_penalties_keep_the_imaginary_part(penalty: Penalty) -> None:
    assert complex_slopes(curve_of_penalty(penalty)) is not None


@pytest.mark.parametrize("loss", [loss for loss in LOSSES.values() if loss.exact], ids=lambda loss: loss.name)
def test_built_in_losses_keep_the_imaginary_part_and_accept_all_points(loss: Loss) -> None:
    found = curve_of_loss(loss)
    assert np.isfinite(found.function(*found.inputs)).all()
    assert complex_slopes(found) is not None


def test_steps_stay_inside_the_domain() -> None:
    found = curve_of_loss(LOSSES["binary_cross_entropy"])
    claimed = LOSSES["binary_cross_entropy"].derivative(*found.inputs)
    slopes = central_slopes(found, 1e-6 * np.abs(claimed), claimed)
    assert np.isfinite(slopes.doubt).all()


def test_a_point_is_written_with_its_names() -> None:
    assert curve_of_loss(LOSSES["poisson"]).point_name(0) == "p = 1e-08, y = 0"
