"""Prove the derivatives of custom formulas numerically.

inputs  the function's arrays [n]: z; p and y; or w      location [n]  the variable of the kinks: z, p − y or w
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from deltarule.errors import BadInput, RunFailed
from deltarule.problem.problem import Floats
from deltarule.proofs import elementwise
from deltarule.proofs.differences import IMAGINARY
from deltarule.proofs.formula_calls import check_elementwise

NUDGE = 2.0**-48  # 16 units in the last place
_TOLERANCES = {"the complex step": 1e-10, "a central difference": 1e-6}
_NEAR_KINK = 1e-4
"""Distance to a kink, relative to the value or to 1, within which the smallest steps reach it."""
_MIN_SLOPE = 1e-4
"""Slopes below this share of those around 0 are not judged: far out a flat function has no digits left."""


def prove_formula(
    what: str,
    make_curve: Callable[[Mapping[str, float]], elementwise.Curve],
    derivative: Callable[..., Any],
    parameters: Mapping[str, float],
    kinks: Sequence[float],
    *,
    takes_value: bool = False,
) -> Floats:
    """Prove the derivative of a formula, also at nearby parameters.

    Parameters
    ----------
    what : the formula in error messages.
    make_curve : returns the formula with given parameters, as a curve with the points where it is differentiated.
    takes_value : whether the derivative also takes the formula's value, as that of an activation does.

    Raises `RunFailed` for a derivative that is wrong, `BadInput` for a function that cannot be used as it is.
    """
    curve, slope = make_curve(parameters), partial(derivative, **parameters)
    values = check_elementwise(what, curve.function, curve.inputs)
    inputs = [*curve.inputs, values] if takes_value else curve.inputs
    check_elementwise(f"the derivative of {what}", slope, inputs)
    _prove(what, curve, slope, inputs, kinks)
    for key, default in parameters.items():  # a wrong power is right at 1² = 1
        nearby = (0.95 * default, 1.05 * default) if default else (-0.05, 0.05)
        others = [{**parameters, key: value} for value in nearby]
        proofs = [
            partial(
                _prove_at,
                f"{what} with {key} = {value:g}",
                make_curve(changed),
                partial(derivative, **changed),
                kinks,
                takes_value,
            )
            for value, changed in zip(nearby, others, strict=True)
        ]
        _require_any(proofs)
    return values


def _require_any(proofs: Sequence[Callable[[], bool]]) -> None:
    """Run proofs until one succeeds."""
    first_error = None
    for proof in proofs:
        try:
            if proof():
                return
        except (BadInput, RunFailed) as error:
            first_error = first_error or error
    if first_error is not None:
        raise first_error


def _prove_at(
    what: str, curve: elementwise.Curve, slope: Callable[..., Any], kinks: Sequence[float], takes_value: bool
) -> bool:
    """Prove that `slope` is a curve's derivative at other parameters."""
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(curve.function(*curve.inputs))
            inputs = [*curve.inputs, values] if takes_value else curve.inputs
            slopes = np.asarray(slope(*inputs))
    except Exception:  # a user's function may raise anything for such values
        return False
    if values.shape != curve.room.shape or slopes.shape != values.shape or not np.isfinite([values, slopes]).all():
        return False
    _prove(what, curve, slope, inputs, kinks, is_default=False)
    return True


def _prove(
    what: str,
    curve: elementwise.Curve,
    derivative: Callable[..., Any],
    inputs: Sequence[Floats],
    kinks: Sequence[float],
    *,
    is_default: bool = True,
) -> None:
    """Prove a derivative by the complex step or by central differences.

    inputs       arguments of the derivative
    is_default   whether parameters have their defaults; at others the function may be flat or have other kinks
    """
    location = np.subtract.reduce(curve.inputs)
    distance = np.min([np.abs(location - kink) for kink in (*kinks, np.inf)], axis=0)
    distance = distance / np.maximum(1, np.abs(location))
    with np.errstate(all="ignore"):
        slope = derivative(*inputs)
        scale = rounding_of_result(derivative, inputs, inputs, distance == 0)
        # A derivative that is wrong at a single point differs from both sides there, but the sides agree.
        before, across = [v - NUDGE * np.abs(v) for v in inputs], [2 * v for v in inputs]
        scale = np.minimum(scale, rounding_of_result(derivative, before, across, distance == 0))
    central = elementwise.central_slopes(curve, 1e-7 * np.maximum(scale, _MIN_SLOPE), slope)
    around = (np.abs(location) <= 1) & (distance > _NEAR_KINK) & ~central.kink
    baseline = np.median(np.abs(central.value[around])) if around.any() else 0.0
    scale = np.maximum(scale, _MIN_SLOPE * max(1.0, baseline))
    undeclared = np.flatnonzero(central.kink & (distance > _NEAR_KINK))
    if is_default and len(undeclared):
        nearest = undeclared[np.abs(location[undeclared]).argmin()]
        kink = f"{location[nearest] + 0.0:g}"  # never -0
        raise BadInput(f"{what} has a kink at {curve.point_name(nearest)}; say so with kinks=({kink},)")
    exact = elementwise.complex_slopes(curve)
    if exact is None:
        method, expected, sure = "a central difference", central.value, ~central.kink & (central.doubt <= 1e-6 * scale)
    else:
        method, expected, sure = "the complex step", exact, (distance > 0) & np.isfinite(exact)
        sure[undeclared] = False
    if is_default and not (expected[sure] != 0).any():
        raise RunFailed(f"{what} has the slope 0 wherever one can be seen, so that nothing is proved")
    difference, scale = np.abs(slope - expected), np.maximum(scale, np.abs(expected))
    errors = np.divide(difference, scale, out=np.zeros(len(scale)), where=sure & (difference > IMAGINARY))
    worst = int(errors.argmax())
    if errors[worst] > _TOLERANCES[method]:
        raise RunFailed(
            f"the derivative of {what} is wrong: at {curve.point_name(worst)} it gives {slope[worst]:.8g}, and "
            f"{method} of the function gives {expected[worst]:.8g}"
        )


def rounding_of_result(
    function: Callable[..., Any], inputs: Sequence[Floats], rounded: Sequence[Floats], jumps: Any = False
) -> Floats:
    """The rounding error of `function(*inputs)`.

    inputs, rounded : the inputs and their rounding errors, in units in the last place. jumps : a mask of the results.

    >>> p, y = np.array([3.0]), np.array([4.0])
    >>> rounding_of_result(lambda p, y: (p - y) / 5, [p, y], [p, y]).round(2)
    array([1.02])
    """
    value = function(*inputs)
    squares = value * value
    for i, r in enumerate(rounded):
        moved = function(*inputs[:i], inputs[i] + NUDGE * np.abs(r), *inputs[i + 1 :])
        squares = squares + np.where(jumps, 0, (moved - value) / NUDGE) ** 2
    return np.asarray(np.sqrt(squares))
