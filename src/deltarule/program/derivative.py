"""Derive the backward pass of a layer from its forward pass.

The layer runs on values that note each operation and the way back from it. They hold arrays, or what records a program:
so the derived backward pass is computed, recorded and compiled as one written by hand.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.maths.elementary import Array, select
from deltarule.program.array_methods import COMPOSED, ArrayMethods, computed
from deltarule.program.program import NotTraceable

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
    """Sum a gradient over the axes along which a value was repeated."""
    for axis in range(-1, -value.ndim - 1, -1):
        if value.shape[axis] == 1 and gradient.shape[axis] != 1:
            gradient = gradient.sum(axis, keepdims=True)
    return gradient


class Noted(ArrayMethods):
    """A value of a layer's forward pass, and the ways back to what it was computed from."""

    holds_traced = True

    def __init__(self, notes: list["Noted"], value: Array, ways: Sequence[Way] = ()) -> None:
        self.notes, self.value, self.ways = notes, value, ways
        notes.append(self)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.value.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.value.dtype)

    @property
    def real(self) -> Array:
        return self.value.real

    def _result(self, value: Array, *ways: Way) -> "Noted":
        return Noted(self.notes, value, ways)

    def astype(self, dtype: Any) -> "Noted":
        before = self.dtype
        return self._result(self.value.astype(dtype), (self, lambda g: g.astype(before)))

    def total(self, axes: tuple[int, ...]) -> "Noted":
        shape = self.shape

        def back(g: Array) -> Array:
            return np.broadcast_to(g, (*g.shape[: g.ndim - len(shape)], *shape))  # x [B, D] may have no members

        return self._result(self.value.sum(_one_or_all(axes), keepdims=True), (self, back))

    def largest(self, axes: tuple[int, ...]) -> "Noted":
        """The largest; where several are, each gets an equal share of the gradient."""
        largest = self.value.max(_one_or_all(axes), keepdims=True)
        is_largest = np.where(self.value == largest, self.dtype.type(1), self.dtype.type(0))
        share = is_largest / is_largest.sum(_one_or_all(axes), keepdims=True)
        return self._result(largest, (self, lambda g: g * share))

    def part(self, axis: int, start: int, stop: int, step: int) -> "Noted":
        size, entries = int(self.shape[axis]), range(start, stop, step)
        value = _cut(self.value, axis, start, None if stop < 0 else stop, step)
        return self._result(value, (self, lambda g: _spread(g, axis, entries, size)))

    def reshaped(self, sizes: tuple[Any, ...]) -> "Noted":
        shape, count = self.shape, len(sizes)
        return self._result(self.value.reshape(*sizes), (self, lambda g: g.reshape(*g.shape[: g.ndim - count], *shape)))

    def transposed(self, order: tuple[int, ...]) -> "Noted":
        inverse = np.argsort(order).tolist()

        def back(g: Array) -> Array:
            more = g.ndim - len(order)
            return np.transpose(g, (*range(more), *(more + k for k in inverse)))

        return self._result(np.transpose(self.value, order), (self, back))

    def broadcast(self, shape: tuple[Any, ...]) -> "Noted":
        more = tuple(range(-len(shape), -self.ndim))
        return self._result(np.broadcast_to(self.value, shape), (self, lambda g: g.sum(more) if more else g))

    def joined(self, arrays: Sequence[Any], axis: int) -> "Noted":
        ways: list[Way] = []
        start = 0
        for array in arrays:
            stop = start + int(array.shape[axis])
            if isinstance(array, Noted):
                ways.append((array, partial(_cut, axis=axis, start=start, stop=stop)))
            start = stop
        return self._result(np.concatenate(_alike([_value(each) for each in arrays], axis), axis), *ways)

    def padded(self, axis: int, before: int, after: int) -> "Noted":
        size = int(self.shape[axis])
        back = partial(_cut, axis=axis, start=before, stop=before + size)
        return self._result(_padded(self.value, axis, before, after), (self, back))

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
            raise NotTraceable(f"it uses np.{name}{f'.{method}' * (method != '__call__')}{_with(options)}")
        if name in COMPOSED:
            return COMPOSED[name](*inputs)
        values = [_value(each) for each in inputs]
        result = ufunc(*values)
        if name in _FLAT:
            return result
        if name not in _SLOPES:
            raise NotTraceable(f"it uses np.{name}")
        ways = [
            (each, _way_back(slope, values, result))
            for each, slope in zip(inputs, _SLOPES[name], strict=False)
            if isinstance(each, Noted)
        ]
        return self._result(result, *ways)

    def __array_function__(self, function: Any, types: Any, arguments: Sequence[Any], options: Any) -> Any:
        if function in (np.iscomplexobj, np.zeros_like, np.ones_like):
            return function(self.value, **options)
        if function is np.where and len(arguments) == 3:
            test = _value(arguments[0])
            return self._choose(lambda a, b: np.where(test, a, b), *arguments[1:])
        return computed(function, arguments, options)


def _with(options: Mapping[str, Any]) -> str:
    return f" with {', '.join(options)}" if options else ""


def _one_or_all(axes: tuple[int, ...]) -> int | tuple[int, ...]:
    return axes[0] if len(axes) == 1 else axes


def _cut(array: Array, axis: int, start: int | None, stop: int | None, step: int | None = None) -> Array:
    return array[(..., slice(start, stop, step), *[slice(None)] * (-1 - axis))]


def _padded(array: Array, axis: int, before: int, after: int) -> Array:
    return np.pad(array, [(before, after) if k == axis else (0, 0) for k in range(-array.ndim, 0)])


def _spread(g: Array, axis: int, entries: range, size: int) -> Array:
    """Return zeros with a gradient's entries in some places along an axis: the way back from a slice."""
    if entries.step < 0:
        g, entries = _cut(g, axis, None, None, -1), entries[::-1]
    if entries.step > 1 and len(entries) > 1:
        at = g.ndim + axis + 1
        apart = _padded(g.reshape(*g.shape[:at], 1, *g.shape[at:]), axis, 0, entries.step - 1)
        g = apart.reshape(*g.shape[: at - 1], len(entries) * entries.step, *g.shape[at:])
        g = _cut(g, axis, 0, entries[-1] - entries[0] + 1)
    before, after = entries[0], size - 1 - entries[-1]
    return _padded(g, axis, before, after) if before or after else g


def _alike(arrays: Sequence[Array], axis: int) -> Sequence[Array]:
    """Repeat arrays without members, so that NumPy concatenates them with others; recorded ones do so themselves."""
    if any(isinstance(array, ArrayMethods) for array in arrays):
        return arrays
    others = [(*array.shape[:axis], 1, *(array.shape[axis + 1 :] if axis < -1 else ())) for array in arrays]
    whole = [*np.broadcast_shapes(*others)]
    repeated = []
    for array in arrays:
        whole[axis] = array.shape[axis]
        repeated.append(np.broadcast_to(array, whole))
    return repeated


def _value(each: Any) -> Any:
    return each.value if isinstance(each, Noted) else each


def _way_back(slope: Callable[..., Array], values: Sequence[Any], result: Array) -> Callable[[Array], Array]:
    return lambda g: slope(g, result, *values)


_FLAT = (
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "equal",
    "not_equal",
    "sign",
    "floor",
    "ceil",
    "trunc",
    "isfinite",
)
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
