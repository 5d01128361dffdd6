"""Forward and backward pass of a network, layer by layer, on one parameter vector.

θ  [K, P]      all parameters of K networks of one shape; W1, b1, γ1, β1, W2 … are named views into it
x  [B, D] or [K, B, D]   inputs        z  [K, B, C]  logits: the last layer before its activation

    x → scaling (s1) → dense (z1) → batch norm (n1) → activation (a1) → dropout (d1) → dense (z2) → … → zL

Scaling, batch norm and dropout are optional, scaling in the first layer only. The last activation is not applied here:
it belongs to the loss, which is exact when computed from the logits. `forward` records its steps on a tape; `backward`
reads it from the end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from deltarule.maths.activations import Activation
from deltarule.maths.elementary import Array
from deltarule.maths.layers import batch_norm, batch_norm_evaluation, dense, dropout, scaling, transpose

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.1


@dataclass(frozen=True)
class Layer:
    """One layer: its number (from 1), sizes, activation and options."""

    number: int
    inputs: int
    units: int
    activation: Activation
    bias: bool = True
    batch_norm: bool = False
    scaling: bool = False


class Entry(NamedTuple):
    """An array within a flat vector: its symbol, layer, shape and place."""

    symbol: str
    layer: int
    shape: tuple[int, int]
    start: int
    stop: int

    @property
    def name(self) -> str:
        """The name of the array in formulas, files and messages, such as W1."""
        return f"{self.symbol}{self.layer}"


class Taped(NamedTuple):
    """A step of the forward pass: its result (s, z, n, a or d), its backward pass.

    `backward(upstream)` returns ∂J/∂(its input), None for the data themselves, and its parameters' gradients by name.
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


def parameter_entries(layers: Sequence[Layer]) -> tuple[Entry, ...]:
    """The positions of the arrays in θ: scale, W, b, γ and β, layer after layer."""
    arrays: list[tuple[str, Layer, tuple[int, int]]] = []
    for layer in layers:
        of_units = (1, layer.units)
        if layer.scaling:
            arrays.append(("scale", layer, (1, layer.inputs)))
        arrays.append(("W", layer, (layer.inputs, layer.units)))
        if layer.bias:
            arrays.append(("b", layer, of_units))
        if layer.batch_norm:
            arrays += [("gamma", layer, of_units), ("beta", layer, of_units)]
    return _entries(arrays)


def buffer_entries(layers: Sequence[Layer]) -> tuple[Entry, ...]:
    """The positions of batch norm's running statistics in the buffers."""
    normalized = [layer for layer in layers if layer.batch_norm]
    return _entries([(symbol, layer, (1, layer.units)) for layer in normalized for symbol in ("mean", "variance")])


def _entries(arrays: list[tuple[str, Layer, tuple[int, int]]]) -> tuple[Entry, ...]:
    entries, start = [], 0
    for symbol, layer, shape in arrays:
        stop = start + shape[0] * shape[1]
        entries.append(Entry(symbol, layer.number, shape, start, stop))
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
    layers: Sequence[Layer],
    parameters: Mapping[str, Array],
    x: Array,
    *,
    share: Array | None = None,
    keep: Mapping[int, Array] | None = None,
    rate: Mapping[int, Array] | None = None,
    buffers: Mapping[str, Array] | None = None,
) -> tuple[list[Taped], dict[str, tuple[Array, Array]]]:
    """Forward pass: a tape that ends with the logits, and batch norm's (μ, σ²).

    In training, `share` [.., B, 1] is each row's share of the batch (batch norm takes its statistics with it), `keep`
    and `rate` hold the dropout masks [K, B, H] and rates [K, 1, 1] by layer number. In evaluation these are absent,
    and `buffers` hold the running statistics of batch norm.

    >>> from deltarule.maths.activations import IDENTITY, RELU
    >>> layers = [Layer(1, 1, 1, RELU, bias=False), Layer(2, 1, 1, IDENTITY, bias=False)]
    >>> tape, _ = forward(layers, {"W1": np.array([[2.0]]), "W2": np.array([[3.0]])}, np.array([[5.0]]))
    >>> [(taped.name, float(taped.value[0, 0])) for taped in tape]
    [('z1', 10.0), ('a1', 10.0), ('z2', 30.0)]
    """
    tape: list[Taped] = []
    statistics: dict[str, tuple[Array, Array]] = {}
    value = x
    back: Callable[..., Any]

    def record(symbol: str, n: int, kind: str, result: Sequence[Any], *parameter_names: str) -> Array:
        value, back = result
        tape.append(Taped(symbol, n, kind, value, partial(_backward_step, back, parameter_names)))
        return value

    for layer in layers:
        n = layer.number
        if layer.scaling:
            u, back = scaling(value, parameters[f"scale{n}"])
            value = record("s", n, "scaling", (u, partial(back, to_input=n > 1)), f"scale{n}")
        z, back = dense(value, parameters[f"W{n}"], parameters.get(f"b{n}"))
        names = [f"W{n}", f"b{n}"] if layer.bias else [f"W{n}"]
        value = record("z", n, "dense", (z, partial(back, to_input=n > 1 or layer.scaling)), *names)
        if layer.batch_norm:
            gamma, beta = parameters[f"gamma{n}"], parameters[f"beta{n}"]
            if share is None:
                assert buffers is not None, "batch norm in evaluation needs its running statistics"
                running = buffers[f"mean{n}"], buffers[f"variance{n}"]
                normalized, back = batch_norm_evaluation(value, gamma, beta, *running, BATCH_NORM_EPSILON)
            else:
                normalized, back, mean, variance = batch_norm(value, gamma, beta, share, BATCH_NORM_EPSILON)
                statistics[str(n)] = mean, variance
            value = record("n", n, "batch_norm", (normalized, back), f"gamma{n}", f"beta{n}")
        if layer is layers[-1]:
            break
        value = record("a", n, layer.activation.name, layer.activation.forward(value))
        if keep and rate and n in keep:
            value = record("d", n, "dropout", dropout(value, keep[n], rate[n]))
    return tape, statistics


def _backward_step(
    back: Callable[[Array], Any], names: Sequence[str], upstream: Array
) -> tuple[Array, dict[str, Array]]:
    """∂J/∂ the input of a step, and the gradients of its parameters by name."""
    if not names:
        return back(upstream), {}
    dx, *gradients = back(upstream)
    return dx, dict(zip(names, gradients, strict=False))  # a dense layer without biases leaves out their gradient


def backward(tape: Sequence[Taped], dz: Array) -> dict[str, Array]:
    """Go back from dz = ∂J/∂(logits) to the gradient of every parameter array."""
    gradients: dict[str, Array] = {}
    upstream = dz
    for taped in reversed(tape):
        upstream, parameter_gradients = taped.backward(upstream)
        gradients |= parameter_gradients
    return gradients


def updated_buffers(
    buffers: Mapping[str, Array], statistics: Mapping[str, tuple[Array, Array]], total: Array
) -> dict[str, Array]:
    """Running means and variances, moved a tenth of the way to a batch's μ and σ².

    total [K, 1, 1] or a number: N, the samples of the batch, or the sum of their weights. In N / (N − 1), N and N − 1
    are each raised to at least 1: weights that sum to 1, but for rounding, must not make σ² infinite.
    """
    updated = dict(buffers)
    for n, (mean, variance) in statistics.items():
        unbiased = variance * np.maximum(total, 1) / np.maximum(total - 1, 1)
        for name, new in ((f"mean{n}", mean), (f"variance{n}", unbiased)):
            updated[name] = (1 - BATCH_NORM_MOMENTUM) * buffers[name] + BATCH_NORM_MOMENTUM * new
    return updated


def without_scaling(
    layers: Sequence[Layer], parameters: Mapping[str, Array]
) -> tuple[tuple[Layer, ...], dict[str, Array]]:
    """Layers and arrays without scaling that compute the same: rows of W times s."""
    arrays = dict(parameters)
    for layer in layers:
        if layer.scaling:
            arrays[f"W{layer.number}"] = transpose(arrays.pop(f"scale{layer.number}")) * arrays[f"W{layer.number}"]
    return tuple(replace(layer, scaling=False) if layer.scaling else layer for layer in layers), arrays
