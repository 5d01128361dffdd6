"""Prove the backward pass of a custom layer, and that engines can call it.

x [K, B, D]   each array [K, rows, columns]   value [K, B, H]     K members · B rows · D inputs · H units

All entries of ∂J/∂x and of the gradients of the arrays are compared with central differences of J = Σ upstream · value,
for several sizes, scales and upstream gradients.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.errors import BadInput, RunFailed, count_of
from deltarule.maths.layers import Layer
from deltarule.maths.network import PlacedLayer
from deltarule.problem.problem import Floats
from deltarule.user_functions import call_user_function

TOLERANCE = 1e-6
"""Of central differences, relative to the largest derivative of an array: their error is below 1e-9 where a layer is
smooth, and a mistake of a thousandth is found."""
_STEP = 2.0**-17
_SIZES = ((2, 5, 3, 4), (2, 1, 1, 1), (2, 4, 6, 2))
"""K, B, D and H of the cases."""
_SAME = 1e-9


@dataclass(frozen=True)
class _Case:
    """A layer with numbers for all that it takes; `training` without which it is the layer of evaluation."""

    layer: Layer
    operands: dict[str, Floats]
    upstream: Floats
    training: bool

    def call(self, operands: Mapping[str, Floats]) -> tuple[Floats, Callable[[Floats], Any]]:
        function = self.layer.function if self.training else self.layer.evaluation
        assert function is not None
        what = f"the layer '{self.layer.name}'" + ("" if self.training else " in evaluation")
        result = _called(function, tuple(operands.values()), self.layer.parameters, what)
        expected = 2 + (len(self.layer.statistics) if self.training else 0)
        if not isinstance(result, tuple) or len(result) != expected or not callable(result[1]):
            parts = ["its value", "its backward pass", *(self.layer.statistics if self.training else ())]
            raise BadInput(f"{what} returns {_shape_text(result)}; return a tuple of {', '.join(parts)}")
        value, backward = result[:2]
        return np.asarray(value), backward

    def gradients(self, operands: Mapping[str, Floats], upstream: Floats) -> dict[str, Floats]:
        """Return what the backward pass gives for x and all that learns, by name."""
        names = [name for name in operands if name not in (*self.layer.given, *self.layer.statistics)]
        what = f"the backward pass of the layer '{self.layer.name}'"
        returned = _called(self.call(operands)[1], (upstream,), {}, what)
        parts = returned if isinstance(returned, tuple) else (returned,)
        if len(parts) != len(names):
            wanted = ", ".join(f"∂J/∂{name}" for name in names)
            raise BadInput(f"{what} returns {count_of(len(parts), 'array')}; return {wanted}, in this order")
        gradients = dict(zip(names, map(np.asarray, parts), strict=True))
        for name, gradient in gradients.items():
            if gradient.shape != operands[name].shape:
                raise BadInput(
                    f"{what} gives ∂J/∂{name} the shape {gradient.shape} for {name} of {operands[name].shape}; give "
                    "the same shape"
                )
        return gradients


def returns_backward(layer: Layer) -> bool:
    """Whether a layer's function returns a backward pass, not the value alone."""
    case = _case(layer, _SIZES[0], 1.0, np.random.default_rng(0), training=True)
    arguments = tuple(case.operands.values())
    return isinstance(_called(layer.function, arguments, layer.parameters, f"the layer '{layer.name}'"), tuple)


def prove_layer(layer: Layer, *, is_derivative: bool = True) -> dict[str, float]:
    """Prove a layer's backward pass; return by array its least agreement with the derivative, 1 for the same.

    The agreement is the cosine of the angle between both; a backward pass that is declared to be another one is only
    compared.
    """
    agreement: dict[str, float] = {}
    for training in (True, False):
        if not training and layer.evaluation in (None, layer.function):
            continue
        for number, sizes in enumerate(_SIZES):
            for scale in (0.3, 1.0, 3.0):
                case = _case(layer, sizes, scale, np.random.default_rng(number), training=training)
                _check_value(case, sizes)
                for name, cosine in _compare(case, is_derivative=is_derivative).items():
                    agreement[name] = min(cosine, agreement.get(name, 1.0))
    return agreement


def _called(function: Callable[..., Any], arguments: Sequence[Any], parameters: Mapping[str, Any], what: str) -> Any:
    try:
        with np.errstate(all="ignore"):
            return call_user_function(function, arguments, parameters, what)
    except BadInput as error:
        if not isinstance(error.__cause__, ValueError | IndexError):
            raise
        hint = "arrays have an axis of members in front: use axes -1 and -2, and np.swapaxes(W, -1, -2) for Wᵀ"
        raise BadInput(f"{error}; {hint}") from None


def _case(
    layer: Layer, sizes: tuple[int, int, int, int], scale: float, random: np.random.Generator, *, training: bool
) -> _Case:
    K, B, D, H = sizes
    placed = PlacedLayer(layer, 1, D, H if layer.sets_units else D)

    def drawn(*shape: int) -> Floats:
        return scale * random.normal(size=(K, *shape))

    operands = {"x": drawn(B, D)}
    operands |= {name: drawn(*placed.shape(own.shape)) for name, own in layer.arrays.items()}
    operands |= {name: drawn(*placed.shape(letters)) for name, letters in layer.shared.items()}
    operands |= {name: drawn(B, D) for name in layer.earlier}
    if not training:
        operands |= {name: 0.5 + random.random((K, 1, placed.units)) for name in layer.statistics}
    elif "share" in layer.given:
        weights = 0.5 + random.random((K, B, 1))
        operands["share"] = weights / weights.sum(-2, keepdims=True)
    return _Case(layer, operands, random.normal(size=(K, B, placed.units)), training)


def _check_value(case: _Case, sizes: tuple[int, int, int, int]) -> None:
    """Check that a layer's value has its shape and dtype, and for each member and row depends on that one alone."""
    operands, what = case.operands, f"the layer '{case.layer.name}'"
    copies = {name: array.copy() for name, array in operands.items()}
    value, _ = case.call(copies)
    if not all(np.array_equal(copies[name], array) for name, array in operands.items()):
        raise BadInput(f"{what} changes what it is given; let it make a new array")
    if value.shape != case.upstream.shape:
        raise BadInput(
            f"{what} gives the shape {value.shape} for x of {operands['x'].shape}; give {case.upstream.shape}: "
            "[members, rows, units]"
        )
    if not np.isfinite(value).all():
        raise BadInput(f"{what} gives {value[~np.isfinite(value)][0]}; make it finite for all finite numbers")
    if not np.array_equal(value, case.call(operands)[0]):
        raise BadInput(f"{what} is different from call to call; it may depend on nothing but what it is given")
    last = {name: array[-1] for name, array in operands.items()}
    if not _is_close(case.call(last)[0], value[-1]):
        raise BadInput(f"{what} gives one member other values alone; use axes -1 and -2, and keepdims=True")
    by_rows = ("x", *case.layer.earlier)
    first = {name: array[:, :1] if name in by_rows else array for name, array in operands.items()}
    if "share" not in operands and not _is_close(case.call(first)[0], value[:, :1]):
        raise BadInput(f"{what} gives a row other values alone; it may mix the units of a row, but no rows")
    single, _ = case.call({name: array.astype(np.float32) for name, array in operands.items()})
    if single.dtype != np.float32:
        raise BadInput(
            f"{what} gives {single.dtype} numbers for float32 ones; keep the dtype: Python's numbers take it from the "
            "array beside them, and new arrays need .astype"
        )


def _is_close(found: Floats, expected: Floats) -> bool:
    return found.shape == expected.shape and np.allclose(found, expected, rtol=_SAME, atol=_SAME)


def _compare(case: _Case, *, is_derivative: bool) -> dict[str, float]:
    """Compare all gradients with central differences, and return the cosines."""
    cosines = {}
    for name, gradient in case.gradients(case.operands, case.upstream).items():
        expected = np.empty_like(case.operands[name])
        for index in np.ndindex(expected.shape):
            expected[index] = _central_difference(case, name, index)
        if is_derivative:
            _refuse_difference(case.layer, name, gradient, expected)
        lengths = float(np.linalg.norm(gradient) * np.linalg.norm(expected))
        is_same = np.array_equal(gradient, expected)  # if both are 0
        cosines[name] = float((gradient * expected).sum() / lengths) if lengths else float(is_same)
    return cosines


def _central_difference(case: _Case, name: str, index: Sequence[int]) -> float:
    values = []
    for step in (_STEP, -_STEP):
        array = case.operands[name].copy()
        array[tuple(index)] += step
        values.append(case.call({**case.operands, name: array})[0])
    return float((case.upstream * (values[0] - values[1])).sum() / (2 * _STEP))


def _refuse_difference(layer: Layer, name: str, gradient: Floats, expected: Floats) -> None:
    scale = max(1.0, float(np.abs(expected).max()))
    errors = np.abs(gradient - expected) / scale
    if not (errors <= TOLERANCE).all():  # not for NaN either
        worst = np.unravel_index(np.nanargmax(np.where(np.isnan(errors), np.inf, errors)), errors.shape)
        at = ", ".join(map(str, worst[1:]))
        raise RunFailed(
            f"the backward pass of the layer '{layer.name}' is wrong: ∂J/∂{name}[{at}] is {gradient[worst]:.6g}, and a "
            f"central difference gives {expected[worst]:.6g}. Correct it; or leave the backward pass out, and it is "
            "derived; or say derivative=False if it is meant to be another one"
        )


def _shape_text(result: Any) -> str:
    return f"a tuple of {len(result)}" if isinstance(result, tuple) else f"a {type(result).__name__}"
