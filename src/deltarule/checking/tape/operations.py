"""Operations of a tape: their values, and the gradients of their inputs.

A node's gradient function maps (k, g, inputs, output) to the gradient of input k, where g is that of the output.
Everything that only moves numbers (indexing, reshaping, stacking, maxima) is one operation, `gather`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Gradient = Callable[[int, Array, Sequence[Array], Array], Array]


@dataclass(eq=False)
class Node:
    """One operation of a forward pass.

    inputs     nodes, or constant arrays
    line       file and line of the user's code, and the position of the instruction
    data       of a gather: by input, the flat index in it of each output entry, −1 for none
    """

    index: int
    name: str
    value: Array
    inputs: tuple[Any, ...] = ()
    gradient: Gradient | None = None
    line: tuple[str, int, int] = ("", 0, 0)
    data: Any = None
    is_active: bool = field(default=False)

    @cached_property
    def values(self) -> tuple[Array, ...]:
        """The values of the inputs."""
        return tuple(one.value if isinstance(one, Node) else one for one in self.inputs)

    @cached_property
    def active_inputs(self) -> list[tuple[int, "Node"]]:
        """The inputs that depend on a parameter, with their positions."""
        return [(k, one) for k, one in enumerate(self.inputs) if isinstance(one, Node) and one.is_active]


def unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sum a gradient over the axes along which its array was repeated."""
    if gradient.shape == shape:
        return gradient
    extra = gradient.ndim - len(shape)
    if extra > 0:
        gradient = gradient.sum(axis=tuple(range(extra)))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and gradient.shape[i] != 1)
    return gradient.sum(axis=axes, keepdims=True) if axes else gradient


def _power_slope(k: int, g: Array, x: Sequence[Array], y: Array) -> Array:
    return g * x[1] * x[0] ** (x[1] - 1) if k == 0 else g * y * np.log(np.where(x[0] > 0, x[0], 1))


ELEMENTWISE: dict[str, Gradient] = {
    "add": lambda k, g, x, y: g,
    "subtract": lambda k, g, x, y: g if k == 0 else -g,
    "multiply": lambda k, g, x, y: g * x[1 - k],
    "divide": lambda k, g, x, y: g / x[1] if k == 0 else -g * x[0] / x[1] ** 2,
    "negative": lambda k, g, x, y: -g,
    "positive": lambda k, g, x, y: g,
    "power": _power_slope,
    "float_power": _power_slope,
    "square": lambda k, g, x, y: 2 * g * x[0],
    "sqrt": lambda k, g, x, y: g / (2 * y),
    "reciprocal": lambda k, g, x, y: -g * y**2,
    "exp": lambda k, g, x, y: g * y,
    "exp2": lambda k, g, x, y: g * y * np.log(2),
    "expm1": lambda k, g, x, y: g * (y + 1),
    "log": lambda k, g, x, y: g / x[0],
    "log2": lambda k, g, x, y: g / x[0] / np.log(2),
    "log10": lambda k, g, x, y: g / x[0] / np.log(10),
    "log1p": lambda k, g, x, y: g / (1 + x[0]),
    "logaddexp": lambda k, g, x, y: g * np.exp(x[k] - y),
    "tanh": lambda k, g, x, y: g * (1 - y**2),
    "sinh": lambda k, g, x, y: g * np.cosh(x[0]),
    "cosh": lambda k, g, x, y: g * np.sinh(x[0]),
    "sin": lambda k, g, x, y: g * np.cos(x[0]),
    "cos": lambda k, g, x, y: -g * np.sin(x[0]),
    "arctan": lambda k, g, x, y: g / (1 + x[0] ** 2),
    "absolute": lambda k, g, x, y: g * np.sign(x[0]),
    "maximum": lambda k, g, x, y: g * (x[k] > x[1 - k]) if k == 0 else g * (x[1] >= x[0]),
    "minimum": lambda k, g, x, y: g * (x[k] < x[1 - k]) if k == 0 else g * (x[1] <= x[0]),
}
"""By ufunc, the gradient of an input, before it is summed over repeated axes."""

WITHOUT_GRADIENT = {
    *("greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "sign", "floor", "ceil", "rint"),
    *("isfinite", "isnan", "isinf", "logical_and", "logical_or", "logical_not", "heaviside", "floor_divide"),
    *("remainder", "bitwise_and", "bitwise_or", "invert", "trunc"),
}


def elementwise_gradient(name: str) -> Gradient:
    """The gradient function of a ufunc."""
    rule = ELEMENTWISE[name]
    return lambda k, g, x, y: unbroadcast(np.asarray(rule(k, g, x, y)), np.shape(x[k]))


def matmul_gradient(k: int, g: Array, x: Sequence[Array], y: Array) -> Array:
    """The gradient of a matrix product with arrays of at least two axes."""
    if k == 0:
        return unbroadcast(g @ np.swapaxes(x[1], -1, -2), x[0].shape)
    return unbroadcast(np.swapaxes(x[0], -1, -2) @ g, x[1].shape)


def einsum_gradient(subscripts: str) -> Gradient:
    """The gradient function of np.einsum with explicit subscripts, no index of which occurs in one input alone."""
    left, right = subscripts.split("->")
    terms = left.split(",")

    def gradient(k: int, g: Array, x: Sequence[Array], y: Array) -> Array:
        others = [i for i in range(len(terms)) if i != k]
        names = ",".join([right, *(terms[i] for i in others)])
        available = set(right).union(*(terms[i] for i in others))
        kept = "".join(name for name in terms[k] if name in available)
        reduced = np.einsum(f"{names}->{kept}", g, *(x[i] for i in others))
        shape = [n if name in available else 1 for name, n in zip(terms[k], x[k].shape, strict=True)]
        return np.array(np.broadcast_to(reduced.reshape(shape), x[k].shape))

    return gradient


def gather_gradient(sources: Sequence[NDArray[np.int64]]) -> Gradient:
    """The gradient function of a gather: each output entry's gradient goes to where its number came from."""
    positions = [np.flatnonzero(source.ravel() >= 0) for source in sources]  # in the output
    origins = [source.ravel()[at] for source, at in zip(sources, positions, strict=True)]  # in the input

    def gradient(k: int, g: Array, x: Sequence[Array], y: Array) -> Array:
        summed = np.bincount(origins[k], g.ravel()[positions[k]], minlength=x[k].size)
        return summed.reshape(x[k].shape)

    return gradient


def sum_gradient(axis: Any, *, keepdims: bool) -> Gradient:
    """The gradient function of a sum."""

    def gradient(k: int, g: Array, x: Sequence[Array], y: Array) -> Array:
        if axis is not None and not keepdims:
            g = np.expand_dims(g, axis)
        elif axis is None:
            g = g.reshape((1,) * x[0].ndim)
        return np.array(np.broadcast_to(g, x[0].shape))

    return gradient
