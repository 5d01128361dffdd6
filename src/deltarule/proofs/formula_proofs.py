"""Prove the derivatives of custom formulas numerically, at many points at once.

z [n]  points     f(z, y) [n]  the function's values; only the first input is varied
inputs  the function's arrays [n]: z; p and y; or w      location [n]  the variable of the kinks: z, p − y or w
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from deltarule.errors import BadInput, RunFailed
from deltarule.maths.activations import Activation
from deltarule.maths.elementary import Array
from deltarule.maths.losses import Loss
from deltarule.maths.penalties import Penalty
from deltarule.problem.problem import Floats, Integers
from deltarule.proofs.differences import IMAGINARY, Slopes, central, complex_step, keeps_imaginary_part, rounding_error
from deltarule.proofs.formula_calls import check_elementwise

NUDGE = 2.0**-48  # 16 units in the last place
_TOLERANCES = {"the complex step": 1e-10, "a central difference": 1e-6}
_NEAR_KINK = 1e-4
"""Distance to a kink, relative to the value or to 1, within which the smallest steps reach it."""
_MIN_SLOPE = 1e-4
"""Slopes below this share of those around 0 are not judged: far out a flat function has no digits left."""
# Near 0, where differences cancel, and far from it, where exponentials overflow or saturate.
_SIZES = (1e-8, 1e-3, 0.1, 0.3, 0.5, 0.9, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0)
# In between, at no round numbers, where a piecewise function may change: evenly spaced, and denser near 0.
_BETWEEN = (np.arange(1, 241) * (5**0.5 - 1) / 2) % 1
_SPREAD = np.concatenate([_BETWEEN * max(_SIZES), max(_SIZES) * 10 ** (-6 * _BETWEEN[:120])])
_FAR = np.array([35.3, 37.1, 39.7, 57.3, 93.7, 131.1])
_POSITIVE = np.concatenate([_SIZES, _SPREAD])
_REAL = np.concatenate([[0.0], _POSITIVE, -_POSITIVE])
_UNIT = np.concatenate([[1e-6, 1e-3, 0.1, 0.3, 0.5, 0.8, 0.99, 1 - 2.0**-20], _BETWEEN])
_PREDICTIONS = {"real": _REAL, "positive": _POSITIVE, "unit": _UNIT, "simplex": _UNIT}
_TARGETS = {
    "real": np.array([-20.0, -1.2, -0.3, 0.0, 0.4, 1.0, 17.0]),
    "nonnegative": np.array([0.0, 0.7, 1.0, 3.0, 40.0]),
    "unit": np.array([0.0, 0.2, 0.55, 1.0]),
}


@dataclass(frozen=True, eq=False)
class Curve:
    """A function with the points at which it is differentiated by its first input.

    points  the inputs by name, each [n]      room [n]  distance that the first may move within the function's domain
    """

    function: Callable[..., Array]
    points: Mapping[str, Floats]
    room: Floats

    @property
    def inputs(self) -> list[Floats]:
        return list(self.points.values())

    def point_name(self, i: int) -> str:
        return ", ".join(f"{name} = {values[i]:g}" for name, values in self.points.items())

    def along(self, lines: Integers, t: Floats) -> Floats:
        """The function's values at some points after a move of the first input by t."""
        if not len(lines):
            return np.zeros(np.shape(t))  # np.vectorize takes no empty array
        first, *others = (values[lines] for values in self.inputs)
        with np.errstate(all="ignore"):
            return np.asarray(self.function(first + t, *others))


def prove_formula(what: str, formula: Any) -> Floats:
    """Prove the derivative of a formula, also at nearby parameters."""
    curve = curve_of(formula)
    values = check_elementwise(what, curve.function, curve.inputs)
    inputs = _inputs_of_derivative(formula, curve, values)
    check_elementwise(f"the derivative of {what}", _derivative_of(formula), inputs)
    _prove(what, formula, curve, inputs)
    parameters: Mapping[str, float] = getattr(formula, "parameters", {})
    for key, default in parameters.items():  # a wrong power is right at 1² = 1
        for value in (0.95 * default, 1.05 * default) if default else (-0.05, 0.05):
            if _prove_at(f"{what} with {key} = {value:g}", replace(formula, parameters={**parameters, key: value})):
                break
    return values


def _prove_at(what: str, formula: Any) -> bool:
    """Prove the derivative of a formula at other parameters, if it is finite there."""
    curve = curve_of(formula)
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(curve.function(*curve.inputs))
            inputs = _inputs_of_derivative(formula, curve, values)
            slope = np.broadcast_to(_derivative_of(formula)(*inputs), values.shape)
            is_finite = bool(np.isfinite([values, slope]).all())
    except Exception:  # a user's function may raise anything for such values
        return False
    if is_finite:
        _prove(what, formula, curve, inputs, is_default=False)
    return is_finite


def _derivative_of(formula: Any) -> Callable[..., Any]:
    return partial(formula.derivative, **getattr(formula, "parameters", {}))


def _inputs_of_derivative(formula: Any, curve: Curve, values: Floats) -> list[Floats]:
    return [*curve.inputs, values] if isinstance(formula, Activation) else curve.inputs


def _prove(what: str, formula: Any, curve: Curve, inputs: Sequence[Floats], *, is_default: bool = True) -> None:
    """Prove a derivative by the complex step or by central differences."""
    derivative, location = _derivative_of(formula), np.subtract.reduce(curve.inputs)
    distance = np.min([np.abs(location - kink) for kink in (*formula.kinks, np.inf)], axis=0)
    distance = distance / np.maximum(1, np.abs(location))
    with np.errstate(all="ignore"):
        slope = derivative(*inputs)
        scale = rounding_of_result(derivative, inputs, inputs, distance == 0)
        # A derivative that is wrong at a single point differs from both sides there, but the sides agree.
        before, across = [v - NUDGE * np.abs(v) for v in inputs], [2 * v for v in inputs]
        scale = np.minimum(scale, rounding_of_result(derivative, before, across, distance == 0))
    central = central_slopes(curve, 1e-7 * np.maximum(scale, _MIN_SLOPE))
    around = (np.abs(location) <= 1) & (distance > _NEAR_KINK) & ~central.kink
    baseline = np.median(np.abs(central.value[around])) if around.any() else 0.0
    scale = np.maximum(scale, _MIN_SLOPE * max(1.0, baseline))
    undeclared = np.flatnonzero(central.kink & (distance > _NEAR_KINK))
    if is_default and len(undeclared):
        nearest = undeclared[np.abs(location[undeclared]).argmin()]
        kink = f"{location[nearest] + 0.0:g}"  # never -0
        raise BadInput(f"{what} has a kink at {curve.point_name(nearest)}; say so with kinks=({kink},)")
    exact = complex_slopes(curve)
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


def curve_of(formula: Any) -> Curve:
    """The curve of an activation of z, a penalty of w, or a loss ℓ(p, y) of p."""
    if isinstance(formula, Loss):
        return _curve_of_loss(formula)
    points = np.concatenate([_REAL, _FAR, -_FAR, _points_beside_kinks(formula.kinks)])
    room = np.full(len(points), np.inf)
    if isinstance(formula, Penalty):
        return Curve(formula.value, {"w": points}, room)
    return Curve(partial(formula.function, **formula.parameters), {"z": points}, room)


def _points_beside_kinks(kinks: Sequence[float]) -> Floats:
    return np.array([kink + side * max(1.0, abs(kink)) / 32 for kink in kinks for side in (-1, 1)])


def _curve_of_loss(loss: Loss) -> Curve:
    p, y = (axis.ravel() for axis in np.meshgrid(_PREDICTIONS[loss.domain], _TARGETS[loss.targets]))
    off, target = (axis.ravel() for axis in np.meshgrid(_points_beside_kinks(loss.kinks), _TARGETS[loss.targets]))
    low, high = {"real": (-np.inf, np.inf), "positive": (0, np.inf)}.get(loss.domain, (0, 1))
    inside = (low < off + target) & (off + target < high)
    p, y = np.concatenate([p, (off + target)[inside]]), np.concatenate([y, target[inside]])
    room = {"real": np.full(len(p), np.inf), "positive": p}.get(loss.domain, np.minimum(p, 1 - p))
    return Curve(partial(loss.value, **loss.parameters), {"p": p, "y": y}, room)


def central_slopes(curve: Curve, max_doubt: Floats) -> Slopes:
    """The derivative of a curve by central differences."""
    lines = np.arange(len(curve.room))
    unit = 2.0 ** np.floor(np.log2(np.minimum(np.maximum(1, np.abs(curve.inputs[0])), curve.room)) - 3)
    # One third difference may be small by chance: the rounding error is the root mean square of three.
    squares = [rounding_error(curve.along, lines, unit * factor) ** 2 for factor in (1.0, 0.7, 0.4)]
    # If 1 is added on the way, as in 1 + erf z, small values change in stairs, and small differences show no rounding.
    least = np.finfo(float).eps * np.maximum(1, np.abs(curve.inputs[0]))
    noise = np.maximum(np.sqrt(np.mean(squares, axis=0)), least)
    return central(curve.along, curve.along(lines, np.zeros(len(lines))), unit, max_doubt, noise)


def complex_slopes(curve: Curve) -> Floats | None:
    """The derivative of a curve at its points [n] by the complex step."""
    try:
        found = complex_step(curve.along, len(curve.room))
    except Exception:  # a user's function may raise anything for complex numbers
        return None
    return found if keeps_imaginary_part(found, central_slopes(curve, 1e-6 * np.abs(found))) else None


def rounding_of_result(
    function: Callable[..., Any], inputs: Sequence[Floats], rounded: Sequence[Floats], jumps: Any = False
) -> Floats:
    """The rounding error of `function(*inputs)`.

    inputs, rounded : the inputs and their rounding errors, in units in the last place. jumps : a mask of the results.
    """
    value = function(*inputs)
    squares = value * value
    for i, r in enumerate(rounded):
        moved = function(*inputs[:i], inputs[i] + NUDGE * np.abs(r), *inputs[i + 1 :])
        squares = squares + np.where(jumps, 0, (moved - value) / NUDGE) ** 2
    return np.asarray(np.sqrt(squares))
