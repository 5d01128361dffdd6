"""Derive the backward pass of a layer from its forward pass.

The layer runs on values that note each operation and the way back from it. They hold arrays, or what records a program:
so the derived backward pass is computed, recorded and compiled as one written by hand.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from deltarule.errors import BadInput
from deltarule.maths.elementary import Array, select

Way = tuple["Noted", Callable[[Array], Array]]
"""An operand, and the function from ∂J/∂ the result to ∂J/∂ the operand."""


def with_derived_backward(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of the same arrays that returns the value and its backward pass.

    >>> value, backward = with_derived_backward(lambda x, W: np.tanh(x @ W))(np.array([[1.0, 2.0]]), np.zeros((2, 1)))
    >>> [gradient.tolist() for gradient in backward(np.array([[1.0]]))]
    [[[0.0, 0.0]], [[1.0], [2.0]]]
    """

    @wraps(function)
    def layer(*arrays: Array, **parameters: Any) -> tuple[Array, Callable[[Array], tuple[Array, ...]]]:
        notes: list[Noted] = []
        inputs = [Noted(notes, array) for array in arrays]
        result = function(*inputs, **parameters)
        if not isinstance(result, Noted):
            raise BadInput(f"the layer's value is a {type(result).__name__} that does not depend on its input")

        def backward(upstream: Array) -> tuple[Array, ...]:
            gradients = {id(result): upstream}
            for noted in reversed(notes):
                if id(noted) in gradients:
                    for operand, way_back in noted.ways:
                        slope = _summed_like(way_back(gradients[id(noted)]), operand.value)
                        known = gradients.get(id(operand))
                        gradients[id(operand)] = slope if known is None else known + slope
            return tuple(gradients.get(id(each), 0 * each.value) for each in inputs)

        return result.value, backward

    return layer


def _summed_like(gradient: Array, value: Array) -> Array:
    """Sum a gradient over the rows and units along which a value was repeated."""
    for axis in (-1, -2):
        if value.ndim >= -axis and value.shape[axis] == 1 and gradient.shape[axis] != 1:
            gradient = gradient.sum(axis, keepdims=True)
    return gradient


class Noted(NDArrayOperatorsMixin):
    """A value of a layer's forward pass, and the ways back to what it was computed from."""

    holds_traced = True

    def __init__(self, notes: list["Noted"], value: Array, ways: Sequence[Way] = ()) -> None:
        self.notes, self.value, self.ways = notes, value, ways
        notes.append(self)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.value.dtype)

    @property
    def real(self) -> Array:
        return self.value.real

    def _result(self, value: Array, *ways: Way) -> "Noted":
        return Noted(self.notes, value, ways)

    def sum(self, axis: int | tuple[int, ...], keepdims: bool = False) -> "Noted":
        shape = self.value.shape
        if not keepdims:
            raise BadInput("a layer's sums, means and maxima need keepdims=True, so that they fit the array again")

        def back(g: Array) -> Array:
            return np.broadcast_to(g, (*g.shape[: g.ndim - len(shape)], *shape))  # x [B, D] may have no members

        return self._result(self.value.sum(axis, keepdims=True), (self, back))

    def mean(self, axis: int | tuple[int, ...], keepdims: bool = False) -> "Noted":
        axes = axis if isinstance(axis, tuple) else (axis,)
        return self.sum(axis, keepdims) / int(np.prod([int(self.shape[each]) for each in axes]))

    def max(self, axis: int | tuple[int, ...], keepdims: bool = False) -> "Noted":
        """The largest; where several are, each gets an equal share of the gradient."""
        largest = self.value.max(axis, keepdims=True)
        is_largest = np.where(self.value == largest, self.dtype.type(1), self.dtype.type(0))
        share = is_largest / is_largest.sum(axis, keepdims=True)
        return self._result(largest, (self, lambda g: g * share))

    def swapaxes(self, first: int, second: int) -> "Noted":
        return self._result(np.swapaxes(self.value, first, second), (self, lambda g: np.swapaxes(g, first, second)))

    def where_positive(self, yes: Any, no: Any) -> "Noted":
        return self._choose(lambda a, b: select(self.value, a, b), yes, no)

    def _choose(self, choose: Callable[[Any, Any], Array], yes: Any, no: Any) -> "Noted":
        ways: list[Way] = []
        if isinstance(yes, Noted):
            ways.append((yes, lambda g: choose(g, 0 * g)))
        if isinstance(no, Noted):
            ways.append((no, lambda g: choose(0 * g, g)))
        return self._result(choose(_value(yes), _value(no)), *ways)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        name = ufunc.__name__
        if method != "__call__" or options:
            raise BadInput(f"the tape has no derivative of np.{name}.{method}; write the layer's backward pass")
        values = [_value(each) for each in inputs]
        result = ufunc(*values)
        if name in _FLAT:
            return result
        if name not in _SLOPES:
            raise BadInput(f"the tape has no derivative of np.{name}; write the layer's backward pass")
        ways = [
            (each, _way_back(slope, values, result))
            for each, slope in zip(inputs, _SLOPES[name], strict=False)
            if isinstance(each, Noted)
        ]
        return self._result(result, *ways)

    def __array_function__(self, function: Any, types: Any, arguments: Sequence[Any], options: Any) -> Any:
        if function in (np.sum, np.mean, np.max, np.swapaxes):
            return getattr(self, function.__name__.removeprefix("a"))(*arguments[1:], **options)
        if function is np.where and len(arguments) == 3:
            test = _value(arguments[0])
            return self._choose(lambda a, b: np.where(test, a, b), *arguments[1:])
        if function is np.iscomplexobj:
            return np.iscomplexobj(self.value)
        raise BadInput(f"the tape has no derivative of np.{function.__name__}; write the layer's backward pass")


def _value(each: Any) -> Any:
    return each.value if isinstance(each, Noted) else each


def _way_back(slope: Callable[..., Array], values: Sequence[Any], result: Array) -> Callable[[Array], Array]:
    return lambda g: slope(g, result, *values)


_FLAT = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "sign", "floor", "ceil", "isfinite")
"""Operations that are constant between their steps: their derivative is 0."""

_SLOPES: dict[str, tuple[Callable[..., Array], ...]] = {
    "add": (lambda g, r, a, b: g, lambda g, r, a, b: g),
    "subtract": (lambda g, r, a, b: g, lambda g, r, a, b: -g),
    "multiply": (lambda g, r, a, b: g * b, lambda g, r, a, b: g * a),
    "divide": (lambda g, r, a, b: g / b, lambda g, r, a, b: -g * r / b),
    "power": (lambda g, r, a, b: g * b * a ** (b - 1), lambda g, r, a, b: g * r * np.log(a)),
    "maximum": (lambda g, r, a, b: np.where(a > b, g, 0 * g), lambda g, r, a, b: np.where(a > b, 0 * g, g)),
    "minimum": (lambda g, r, a, b: np.where(a < b, g, 0 * g), lambda g, r, a, b: np.where(a < b, 0 * g, g)),
    "matmul": (lambda g, r, a, b: g @ np.swapaxes(b, -1, -2), lambda g, r, a, b: np.swapaxes(a, -1, -2) @ g),
    "negative": (lambda g, r, a: -g,),
    "positive": (lambda g, r, a: g,),
    "square": (lambda g, r, a: g * (2 * a),),
    "sqrt": (lambda g, r, a: g / (2 * r),),
    "reciprocal": (lambda g, r, a: -g * r * r,),
    "absolute": (lambda g, r, a: g * np.sign(a),),
    "exp": (lambda g, r, a: g * r,),
    "expm1": (lambda g, r, a: g * (r + 1),),
    "log": (lambda g, r, a: g / a,),
    "log1p": (lambda g, r, a: g / (1 + a),),
    "sin": (lambda g, r, a: g * np.cos(a),),
    "cos": (lambda g, r, a: -g * np.sin(a),),
    "tanh": (lambda g, r, a: g * (1 - r * r),),
    "sinh": (lambda g, r, a: g * np.cosh(a),),
    "cosh": (lambda g, r, a: g * np.sinh(a),),
    "arctan": (lambda g, r, a: g / (1 + a * a),),
    "erf": (lambda g, r, a: g * np.exp(-a * a) * (2 / float(np.sqrt(np.pi))),),
}
"""By operation, for each operand: from g = ∂J/∂ the result r, r and the operands a, b to ∂J/∂ the operand."""
