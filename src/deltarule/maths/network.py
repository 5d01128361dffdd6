"""Forward and backward pass of a network, layer by layer, on one parameter vector.

θ  [K, P]      all parameters of K networks of one shape; W1, b1, γ1, β1, W2 … are named views into it
x  [B, D] or [K, B, D]   inputs        z  [K, B, C]  logits: the last layer before its activation

    x → scaling (s1) → dense (z1) → norm (n1) → activation (a1) → dropout (d1) → dense (z2) → … → zL

is the usual chain; any layers of `LAYERS` may stand in it. The activation of the output is not applied here: it belongs
to the loss, which is exact when computed from the logits. `forward` records its layers on a tape; `backward` reads it
from the end.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from deltarule.maths.activations import Activation
from deltarule.maths.elementary import Array, Fixed
from deltarule.maths.layers import SCALING, Layer, transpose


@dataclass(frozen=True)
class PlacedLayer:
    """A layer in its place: its number (from 1), inputs and units, and what it takes from other layers.

    names : {"W": "W1"} for a parameter of another layer, {"skip": "a1"} for the value of an earlier one, "x" the data.
    """

    formula: Layer | Activation
    number: int
    inputs: int
    units: int
    names: Mapping[str, str] = field(default_factory=Fixed, hash=False)

    @cached_property
    def layer(self) -> Layer:
        """The layer; that of an activation has only a function."""
        if isinstance(self.formula, Activation):
            return Layer(self.formula.name, "a", self.formula.forward)
        return self.formula

    @property
    def symbol(self) -> str:
        return self.layer.symbol

    @property
    def name(self) -> str:
        """The name of the value, such as z1."""
        return f"{self.layer.symbol}{self.number}"

    def shape(self, letters: str) -> tuple[int, int]:
        """The shape of an array, from letters such as "D H"."""
        sizes = {"D": self.inputs, "H": self.units, "1": 1, **self.layer.sizes}
        rows, columns = (size_of(word, sizes) for word in letters.split())
        return rows, columns

    @cached_property
    def arrays(self) -> list[str]:
        """The names of its parameters, then of the parameters and values that it takes from others."""
        own = [numbered(name, self.number) for name in self.layer.arrays]
        return own + [self.names[name] for name in (*self.layer.shared, *self.layer.earlier)]

    @cached_property
    def statistics(self) -> list[str]:
        """The names of what it keeps between updates."""
        return [f"{name}{self.number}" for name in self.layer.statistics]


def numbered(symbol: str, layer: int) -> str:
    """The name of a layer's array: W1, or C0_1 where the symbol ends with a digit."""
    return f"{symbol}_{layer}" if symbol[-1].isdigit() else f"{symbol}{layer}"


def size_of(word: str, sizes: Mapping[str, int]) -> int:
    """The size that a word of a shape means: a name, a number, or such with * and / between them, as in H/2 or 4*k."""
    first, *others = re.split(r"([*/])", word)
    result = sizes[first] if first in sizes else int(first)
    for sign, factor in zip(others[::2], others[1::2], strict=True):
        number = int(sizes[factor]) if factor in sizes else int(factor)
        if sign == "/" and int(result) % number:
            raise ValueError(f"{word} is no whole number, as {int(result)} is not divisible by {number}")
        result = int(result) * number if sign == "*" else int(result) // number
    return result


class Entry(NamedTuple):
    """An array within a flat vector: its symbol, layer, shape, place, and role: "weights", "biases" or ""."""

    symbol: str
    layer: int
    shape: tuple[int, int]
    start: int
    stop: int
    role: str = ""

    @property
    def name(self) -> str:
        """The name of the array in formulas, files and messages, such as W1."""
        return numbered(self.symbol, self.layer)


class Taped(NamedTuple):
    """A layer of the forward pass: its value (s, z, n, a, d …) and its backward pass.

    `backward(upstream)` returns ∂J/∂(its input), None for the data themselves, and by name the gradients of the
    parameters and of the earlier values that it takes.
    """

    symbol: str
    layer: int
    kind: str
    value: Array
    backward: Callable[[Array], tuple[Array, dict[str, Array]]]

    @property
    def name(self) -> str:
        """The name of the result, such as z1."""
        return f"{self.symbol}{self.layer}"


def parameter_entries(layers: Sequence[PlacedLayer]) -> tuple[Entry, ...]:
    """The positions of the arrays in θ, layer after layer: scale1, W1, b1, γ1, β1, W2 …"""
    return _entries(
        (symbol, placed, own.shape, own.role) for placed in layers for symbol, own in placed.layer.arrays.items()
    )


def buffer_entries(layers: Sequence[PlacedLayer]) -> tuple[Entry, ...]:
    """The positions of running statistics in the buffers."""
    return _entries((symbol, placed, "1 H", "") for placed in layers for symbol in placed.layer.statistics)


def _entries(arrays: Iterable[tuple[str, PlacedLayer, str, str]]) -> tuple[Entry, ...]:
    entries, start = [], 0
    for symbol, placed, letters, role in arrays:
        shape = placed.shape(letters)
        stop = start + shape[0] * shape[1]
        entries.append(Entry(symbol, placed.number, shape, start, stop, role))
        start = stop
    return tuple(entries)


def views(vector: Array, entries: Sequence[Entry]) -> dict[str, Array]:
    """The named arrays of a flat vector, as views through which it can be written.

    vector [.., P]  →  {name: [.., rows, columns]}
    """
    return {
        entry.name: vector[..., entry.start : entry.stop].reshape(*vector.shape[:-1], *entry.shape) for entry in entries
    }


def flatten(arrays: Mapping[str, Array], entries: Sequence[Entry]) -> Array:
    """The flat vector [.., P] of named arrays, the inverse of `views`."""
    return np.concatenate(
        [arrays[e.name].reshape(*arrays[e.name].shape[:-2], e.stop - e.start) for e in entries], axis=-1
    )


def forward(
    layers: Sequence[PlacedLayer], parameters: Mapping[str, Array], x: Array, given: Mapping[str, Array]
) -> tuple[list[Taped], dict[str, Array]]:
    """Forward pass of training: a tape that ends with the logits, and the batch's statistics by name (mean1 …).

    `given` has "share" [.., B, 1], each row's share of the batch, with which statistics are taken, and for
    each layer with dropout "keep1" [K, B, H] and "dropout1" [K, 1, 1], mask and rate; a layer that is not given them
    does nothing.

    >>> from deltarule.maths.layers import DENSE_WITHOUT_BIASES
    >>> from deltarule.maths.activations import RELU
    >>> formulas = [DENSE_WITHOUT_BIASES, RELU, DENSE_WITHOUT_BIASES]
    >>> layers = [PlacedLayer(formula, n, 1, 1) for formula, n in zip(formulas, (1, 1, 2))]
    >>> tape, _ = forward(layers, {"W1": np.array([[2.0]]), "W2": np.array([[3.0]])}, np.array([[5.0]]), {})
    >>> [(taped.name, float(taped.value[0, 0])) for taped in tape]
    [('z1', 10.0), ('a1', 10.0), ('z2', 30.0)]
    """
    tape: list[Taped] = []
    statistics: dict[str, Array] = {}
    values, same = {"x": x}, dict[str, str]()
    value, name, has_parameters = x, "x", False
    for placed in layers:
        layer, n = placed.layer, placed.number
        taken = [one if one in given else f"{one}{n}" for one in layer.given]
        if not all(one in given for one in taken):
            same[placed.name] = name  # what others take from it is the value before it
            continue
        others = [same.get(other, other) for other in placed.arrays]
        operands = [values[other] if other in values else parameters[other] for other in others]
        value, back, *of_batch = layer.function(value, *operands, *(given[one] for one in taken), **layer.parameters)
        statistics |= zip(placed.statistics, of_batch, strict=True)
        if layer.can_stop and not has_parameters:
            back = partial(back, to_input=False)
        has_parameters = has_parameters or bool(layer.arrays)
        name = placed.name
        values[name] = value
        tape.append(Taped(layer.symbol, n, layer.name, value, partial(_backward_step, back, others)))
    return tape, statistics


def evaluated(layers: Sequence[PlacedLayer], parameters: Mapping[str, Array], x: Array) -> dict[str, Array]:
    """The values of layers in evaluation by name, the logits last; `parameters` has the running statistics too.

    A layer that does nothing in evaluation has the value before it.
    """
    values = {"x": x}
    for placed in layers:
        layer = placed.layer
        function = layer.evaluation if layer.given else layer.function
        if function is not None:
            names = (*placed.arrays, *placed.statistics)
            x = function(x, *[values.get(name, parameters.get(name)) for name in names], **layer.parameters)[0]
        values[placed.name] = x
    return values


def _backward_step(
    back: Callable[[Array], Any], names: Sequence[str], upstream: Array
) -> tuple[Array | None, dict[str, Array]]:
    """∂J/∂ the input of a layer, and the gradients of all else that it takes by name."""
    returned = back(upstream)
    dx, *gradients = returned if isinstance(returned, tuple) else (returned,)
    return dx, dict(zip(names, gradients, strict=False))  # a dense layer without biases leaves out their gradient


def backward(tape: Sequence[Taped], dz: Array) -> dict[str, Array]:
    """Go back from dz = ∂J/∂(logits) to the gradient of every parameter array.

    What several layers take has the sum of their gradients.
    """
    gradients: dict[str, Array] = {}
    upstream: Array | None = dz
    for taped in reversed(tape):
        if upstream is None:  # in front of the first parameters
            break
        if taped.name in gradients:
            upstream = upstream + gradients.pop(taped.name)
        upstream, others = taped.backward(upstream)
        for name, gradient in others.items():
            gradients[name] = gradients[name] + gradient if name in gradients else gradient
    gradients.pop("x", None)
    return gradients


def updated_buffers(
    layers: Sequence[PlacedLayer], buffers: Mapping[str, Array], statistics: Mapping[str, Array], total: Array
) -> dict[str, Array]:
    """Running statistics after a batch with N = `total` samples, or the sum of their weights [K, 1, 1]."""
    updated = dict(buffers)
    for placed in layers:
        if placed.layer.update is not None:
            old, new = (
                {name: arrays[f"{name}{placed.number}"] for name in placed.layer.statistics}
                for arrays in (buffers, statistics)
            )
            moved = placed.layer.update(old, new, total)
            updated |= {f"{name}{placed.number}": array for name, array in moved.items()}
    return updated


def without_scaling(
    layers: Sequence[PlacedLayer], parameters: Mapping[str, Array]
) -> tuple[tuple[PlacedLayer, ...], dict[str, Array]]:
    """Layers and arrays that compute the same with the scaling in front of dense layers in their weights: rows times s.

    Other scaling stays, and all of it where layers share arrays or values.
    """
    arrays, kept = dict(parameters), list(layers)
    for placed, dense in pairwise(layers):
        if placed.formula is SCALING and dense.layer.name == "dense" and not any(each.names for each in layers):
            [scale], W = placed.arrays, dense.arrays[0]
            arrays[W] = transpose(arrays.pop(scale)) * arrays[W]
            kept.remove(placed)
    return tuple(kept), arrays
