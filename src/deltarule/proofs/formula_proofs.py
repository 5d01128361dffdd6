"""Prove a user's derivative: beside the complex step where the function allows it, and beside central differences.

inputs  arrays [n] of the function: z; p and y; or w      place [n]  what a kink is a value of: z, p − y or w
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from deltarule.errors import BadInput, RunFailed
from deltarule.problem.problem import Floats, Integers
from deltarule.proofs import elementwise
from deltarule.proofs.differences import IMAGINARY
from deltarule.proofs.error_scale import NUDGE, size
from deltarule.proofs.formula_calls import check_elementwise

_TOLERANCES = {"the complex step": 1e-10, "a central difference": 1e-6}
_NEAR_KINK = 1e-4
"""Distance to a kink, as a share of the place or of 1, at which the narrowest differences meet it."""
_SMALLEST_SLOPE = 1e-4
"""Slope, as a share of those around 0, below which none is judged: far out a flat function has no digits left."""
_MAX_LISTED_KINKS = 5


def prove_formula(
    what: str,
    curve_with: Callable[[Mapping[str, float]], elementwise.Curve],
    derivative: Callable[..., Any],
    parameters: Mapping[str, float],
    kinks: Sequence[float],
    *,
    takes_value: bool = False,
) -> Floats:
    """Prove a derivative, and return the function's values.

    Parameters
    ----------
    curve_with : the function for given parameters, at the points where it is differentiated.
    takes_value : whether the derivative is also given the function's value, as that of an activation is.

    Raises `RunFailed` for a derivative that is wrong, `BadInput` for a function that cannot be used as it is.
    """
    curve, slope = curve_with(parameters), partial(derivative, **parameters)
    values = check_elementwise(what, curve.function, curve.inputs)
    inputs = [*curve.inputs, values] if takes_value else curve.inputs
    check_elementwise(f"the derivative of {what}", slope, inputs)
    _prove(what, curve, slope, inputs, kinks)
    for key, default in parameters.items():  # at 1² = 1 a wrong power is right
        nearby = (0.95 * default, 1.05 * default) if default else (-0.05, 0.05)
        others = [{**parameters, key: value} for value in nearby]
        proofs = [
            partial(
                _prove_at,
                f"{what} with {key} = {value:g}",
                curve_with(own),
                partial(derivative, **own),
                kinks,
                takes_value,
            )
            for value, own in zip(nearby, others, strict=True)
        ]
        _require_one(proofs)
    return values


def _require_one(proofs: Sequence[Callable[[], bool]]) -> None:
    """Raise the first error if every proof fails: a parameter may have bounds, so that one of two values will do."""
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
    """Prove a derivative for other parameters; False where function or derivative is not made for them."""
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(curve.function(*curve.inputs))
            inputs = [*curve.inputs, values] if takes_value else curve.inputs
            slopes = np.asarray(slope(*inputs))
    except Exception:  # whatever a user's function raises for such values
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
    """Compare a derivative with the complex step, or central differences.

    inputs       what the derivative is given
    is_default   whether parameters have their defaults; at others the function may be flat, and kinks elsewhere
    """
    place = _place(curve)
    distance = _distance_to_kinks(place, kinks)
    with np.errstate(all="ignore"):
        slope = derivative(*inputs)
        scale = size(derivative, inputs, inputs, distance == 0)
        # A derivative that is wrong at a point alone jumps there and back, but not from one side of it to the other.
        before, across = [v - NUDGE * np.abs(v) for v in inputs], [2 * v for v in inputs]
        scale = np.minimum(scale, size(derivative, before, across, distance == 0))
    central = elementwise.central_slopes(curve, 1e-7 * np.maximum(scale, _SMALLEST_SLOPE), slope)
    around = (np.abs(place) <= 1) & (distance > _NEAR_KINK) & ~central.kink
    baseline = np.median(np.abs(central.value[around])) if around.any() else 0.0
    scale = np.maximum(scale, _SMALLEST_SLOPE * max(1.0, baseline))
    unknown = np.flatnonzero(central.kink & (distance > _NEAR_KINK))
    if is_default:
        _refuse_kinks(what, curve, unknown, "kink")
    exact = elementwise.complex_slopes(curve)
    if exact is None:
        method, expected, sure = "a central difference", central.value, ~central.kink & (central.doubt <= 1e-6 * scale)
    else:
        method, expected, sure = "the complex step", exact, (distance > 0) & np.isfinite(exact)
        sure[unknown] = False
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
    if is_default:  # a derivative that is wrong between two kinks jumps, too, and is refused above
        _refuse_between_points(what, curve, derivative, kinks, takes_value=len(inputs) > len(curve.inputs))


def _refuse_between_points(
    what: str, curve: elementwise.Curve, derivative: Callable[..., Any], kinks: Sequence[float], *, takes_value: bool
) -> None:
    """Refuse kinks and jumps between the points of a curve that `kinks` does not name."""

    def slope(*at: Floats) -> Any:
        return derivative(*at, *([curve.function(*at)] * takes_value))

    for kind, find in (("jump", elementwise.unseen_jumps), ("kink", elementwise.unseen_kinks)):
        found = find(curve, slope)
        place = _place(found)
        is_unnamed = _distance_to_kinks(place, kinks) > _NEAR_KINK
        for y in found.inputs[1:]:  # the hinge loss's kink, p y = 1, is another p − y for each target
            is_unnamed &= np.array([np.ptp(y[np.abs(place - one) <= _NEAR_KINK]) > 0 for one in place], bool)
        _refuse_kinks(what, found, np.flatnonzero(is_unnamed), kind)


def _place(curve: elementwise.Curve) -> Floats:
    return np.asarray(np.subtract.reduce(curve.inputs))


def _distance_to_kinks(place: Floats, kinks: Sequence[float]) -> Floats:
    """The distance to the nearest kink, as a share of the place or of 1."""
    away = np.min([np.abs(place - kink) for kink in (*kinks, np.inf)], axis=0)
    return np.asarray(away / np.maximum(1, np.abs(place)))


def _refuse_kinks(what: str, curve: elementwise.Curve, unnamed: Integers, kind: str) -> None:
    """Refuse kinks or jumps, `unnamed` among the points of a curve."""
    if not len(unnamed):
        return
    place = _place(curve)
    nearest = unnamed[np.abs(place[unnamed]).argsort(kind="stable")]
    apart: list[float] = []
    for one in place[nearest] + 0.0:  # never -0
        if _distance_to_kinks(np.array([one]), apart)[0] > _NEAR_KINK:
            apart.append(one)
    names = [f"{one:g}" for one in sorted(apart[:_MAX_LISTED_KINKS])]
    listed = f"({', '.join(names)}{',' if len(names) == 1 else ''})"
    more = f" and {len(apart) - _MAX_LISTED_KINKS} more" if len(apart) > _MAX_LISTED_KINKS else ""
    raise BadInput(f"{what} has a {kind} at {curve.point_name(nearest[0])}; say so with kinks={listed}{more}")
