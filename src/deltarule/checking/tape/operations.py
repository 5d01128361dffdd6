"""The nodes of a tape, and the derivatives of the operations that it can record.

A node's gradient function maps (k, g, inputs, output) to the gradient of input k, where g is that of the output.
Everything that only moves numbers (indexing, reshaping, stacking, maxima) has the derivative of a gather.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Gradient = Callable[[int, Array, Sequence[Array], Array], Array]
"""(k, g, inputs, output) → the gradient of input k, from the gradient g of the output."""


@dataclass(eq=False)
class Node:
    """One operation of a forward pass, or a parameter or constant.

    index       the position on the tape
    value       the output
    inputs      nodes, or constant arrays
    gradient    gives the gradients of the inputs; None for a parameter or constant
    line        file and line of the user's code, and the position of the instruction
    data        of a gather: by input, the flat index in it of each output entry, −1 for none
    is_active   whether the value depends on a parameter
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
        return tuple(entry.value if isinstance(entry, Node) else entry for entry in self.inputs)

    @cached_property
    def active_inputs(self) -> list[tuple[int, "Node"]]:
        """The inputs that depend on a parameter, with their positions."""
        return [(k, entry) for k, entry in enumerate(self.inputs) if isinstance(entry, Node) and entry.is_active]


def unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sum a gradient over the axes along which an array of `shape` was broadcast."""
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
"""By name of a ufunc, the gradient of an input, before it is summed over broadcast axes."""

WITHOUT_GRADIENT = {
    *("greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "sign", "floor", "ceil", "rint"),
    *("isfinite", "isnan", "isinf", "logical_and", "logical_or", "logical_not", "heaviside", "floor_divide"),
    *("remainder", "bitwise_and", "bitwise_or", "invert", "trunc"),
}
"""Names of ufuncs whose derivative is 0 or not defined; their results are not traced."""


def elementwise_gradient(name: str) -> Gradient:
    """The gradient function of a ufunc, by its name."""
    rule = ELEMENTWISE[name]
    return lambda k, g, x, y: unbroadcast(np.asarray(rule(k, g, x, y)), np.shape(x[k]))


def matmul_gradient(k: int, g: Array, x: Sequence[Array], y: Array) -> Array:
    """The gradient of factor k of the matrix product x[0] @ x[1]."""
    if k == 0:
        return unbroadcast(g @ np.swapaxes(x[1], -1, -2), x[0].shape)
    return unbroadcast(np.swapaxes(x[0], -1, -2) @ g, x[1].shape)


def einsum_gradient(subscripts: str) -> Gradient:
    """The gradient function of np.einsum with explicit subscripts."""
    left, output = subscripts.split("->")
    terms = left.split(",")

    def gradient(k: int, g: Array, x: Sequence[Array], y: Array) -> Array:
        """The gradient of input k of x, from the gradient g of the output."""
        others = [i for i in range(len(terms)) if i != k]
        names = ",".join([output, *(terms[i] for i in others)])
        available = set(output).union(*(terms[i] for i in others))
        remaining = "".join(name for name in terms[k] if name in available)
        reduced = np.einsum(f"{names}->{remaining}", g, *(x[i] for i in others))
        shape = [n if name in available else 1 for name, n in zip(terms[k], x[k].shape, strict=True)]
        return np.array(np.broadcast_to(reduced.reshape(shape), x[k].shape))

    return gradient


def gather_gradient(sources: Sequence[NDArray[np.int64]]) -> Gradient:
    """The gradient function of a gather from flat indices.

    Each output entry's gradient is added where its number came from.

    sources   by input, the flat index in it of each output entry, −1 for none
    """
    positions = [np.flatnonzero(source.ravel() >= 0) for source in sources]  # in the output
    origins = [source.ravel()[indices] for source, indices in zip(sources, positions, strict=True)]  # in the input

    def gradient(k: int, g: Array, x: Sequence[Array], y: Array) -> Array:
        summed = np.bincount(origins[k], g.ravel()[positions[k]], minlength=x[k].size)
        return summed.reshape(x[k].shape)

    return gradient


def sum_gradient(axis: Any, *, keepdims: bool) -> Gradient:
    """The gradient function of np.sum over an axis, several, or all (None)."""

    def gradient(k: int, g: Array, x: Sequence[Array], y: Array) -> Array:
        if axis is not None and not keepdims:
            g = np.expand_dims(g, axis)
        elif axis is None:
            g = g.reshape((1,) * x[0].ndim)
        return np.array(np.broadcast_to(g, x[0].shape))

    return gradient
