from collections.abc import Callable

import numpy as np
import pytest

from deltarule.maths.losses import LOSSES
from deltarule.proofs.formula_proofs import (
    Curve,
    central_slopes,
    complex_slopes,
    curve_of,
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
    slopes = central_slopes(curve(function), np.full(len(POINTS), 1e-8))
    np.testing.assert_allclose(slopes.value, exact, rtol=1e-8, atol=1e-8)


def test_steps_stay_inside_the_domain() -> None:
    found = curve_of(LOSSES["binary_cross_entropy"])
    claimed = LOSSES["binary_cross_entropy"].derivative(*found.inputs)
    slopes = central_slopes(found, 1e-6 * np.abs(claimed))
    assert np.isfinite(slopes.doubt).all()
