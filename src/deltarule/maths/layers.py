"""Layers, each an output and a function that takes the gradient back.

x  [.., B, D]   inputs of a layer                W [.., D, H]   weights, inputs × outputs
z  [.., B, H]   pre-activations                  b [.., 1, H]   biases
dz [.., B, H]   ∂J/∂z, and so on for every other letter

In front (..) stands nothing for one network, K for a population of K networks. A backward function is a true
vector-Jacobian product: it is right for any upstream gradient, whatever the loss. It returns ∂J/∂ the input of the
layer, then the gradient of everything else that the layer takes, in order. `LAYERS` says what that is.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy import sqrt, swapaxes

from deltarule.maths.activations import sigmoid
from deltarule.maths.elementary import Array, Fixed

BATCH_NORM_EPSILON = LAYER_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.1


@dataclass(frozen=True)
class Own:
    """An array of a layer: its shape in letters, such as "D H" or "1 H", and the number at which all of it starts.

    None stands for the network's initializer: weights for a matrix, biases for a row.
    """

    shape: str
    start: float | None = None

    @property
    def role(self) -> str:
        """What a penalty and an initializer take the array for: "weights", "biases", or "" for others."""
        if self.start is not None:
            return ""
        return "biases" if self.shape.split()[0] == "1" else "weights"


@dataclass(frozen=True)
class Layer:
    """A layer: its function, and all that the function takes.

    function : `function(x, *arrays, *shared, *earlier, *given, **parameters)` returns the layer's value and backward
        pass, and behind them its statistics of the batch, if it has any.
    symbol : what the value is called in front of the layer's number: z1, n1.
    arrays : the parameters that are the layer's own, by name.
    sizes : of the shapes, beside D inputs and H units, by name.
    shared : the shapes of parameters that belong to another layer, by name.
    earlier : the names of values of earlier layers that it takes beside its input.
    given : what it takes of an update: "share", each row's share of the batch; "keep" and "dropout", masks and rates.
    statistics : what it keeps between updates, and the start: then `function` returns them for the batch, and
        `update(running, batch, N)` returns the new ones.
    evaluation : computes the layer where nothing is `given`, from the running statistics; without it the layer does
        nothing there.
    can_stop : whether the backward pass takes `to_input`: with False it leaves out ∂J/∂x, for which nobody asks at the
        data and which costs a third of the products.
    agreement : for each gradient the cosine of the angle to the derivative, where it has been compared.
    sentences : what explanations say of its "value", of an array by its name, and of a gradient, by ∂ and the name of
        an array or x: with {source}, what the layer is applied to, its number {n}, and the {bias} that it may have.
    """

    name: str
    symbol: str
    function: Callable[..., Any]
    arrays: Mapping[str, Own] = field(default_factory=Fixed, hash=False)
    shared: Mapping[str, str] = field(default_factory=Fixed, hash=False)
    earlier: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    statistics: Mapping[str, float] = field(default_factory=Fixed, hash=False)
    update: Callable[..., Any] | None = None
    evaluation: Callable[..., Any] | None = None
    parameters: Mapping[str, float] = field(default_factory=Fixed, hash=False)
    can_stop: bool = False
    agreement: Mapping[str, float] = field(default_factory=Fixed, compare=False)
    sentences: Mapping[str, str] = field(default_factory=Fixed, compare=False)
    sizes: Mapping[str, int] = field(default_factory=Fixed, hash=False)

    @property
    def sets_units(self) -> bool:
        """Whether the layer has units of its own, H; others have as many as inputs, D."""
        return any(
            "H" in re.findall(r"\w+", shape)
            for shape in (*(own.shape for own in self.arrays.values()), *self.shared.values())
        )


def transpose(M: Array) -> Array:
    """Exchange the last two axes, rows and columns, of every matrix."""
    return swapaxes(M, -1, -2)


def dense(x: Array, W: Array, b: Array | None = None) -> tuple[Array, Callable[..., tuple[Array, ...]]]:
    """z = x W + b.

    x [.., B, D]   W [.., D, H]   b [.., 1, H] or None   →   z [.., B, H], backward

    >>> import numpy as np
    >>> z, backward = dense(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]), np.array([[5.0]]))
    >>> z
    array([[16.]])
    >>> dx, dW, db = backward(np.array([[1.0]]))
    >>> dx, dW.tolist(), db
    (array([[3., 4.]]), [[1.0], [2.0]], array([[1.]]))
    """
    z = x @ W if b is None else x @ W + b

    def backward(dz: Array, to_input: bool = True) -> tuple[Any, ...]:
        """∂J/∂x = ∂J/∂z Wᵀ,   ∂J/∂W = xᵀ ∂J/∂z,   ∂J/∂b = Σ over samples of ∂J/∂z"""
        dx = dz @ transpose(W) if to_input else None
        return dx, transpose(x) @ dz, dz.sum(-2, keepdims=True)

    return z, backward


def scaling(x: Array, s: Array) -> tuple[Array, Callable[..., tuple[Array | None, Array]]]:
    """u = x · s, every input times a weight of its own.

    x [.., B, D]   s [.., 1, D]   →   u [.., B, D], backward

    Source: Holzmüller, Grinsztajn & Steinwart 2024, section 3
    """

    def backward(du: Array, to_input: bool = True) -> tuple[Array | None, Array]:
        """∂J/∂x = ∂J/∂u · s,   ∂J/∂s = Σ over samples of ∂J/∂u · x"""
        return du * s if to_input else None, (du * x).sum(-2, keepdims=True)

    return x * s, backward


def dropout(a: Array, keep: Array, rate: Array) -> tuple[Array, Callable[[Array], Array]]:
    """d = a · keep / (1 − rate), so that the mean of a unit stays.

    a [.., B, H]   keep [.., B, H], 1 for a unit that stays and 0 for one that is dropped   rate [.., 1, 1]

    Source: Srivastava et al. 2014, in the inverted form, which leaves evaluation as it is.
    """
    gain = keep / (1 - rate)

    def backward(dd: Array) -> Array:
        """∂J/∂a = ∂J/∂d · keep / (1 − rate): through the same mask as on the way forward"""
        return dd * gain

    return a * gain, backward


def batch_norm(
    z: Array, gamma: Array, beta: Array, share: Array, epsilon: float
) -> tuple[Array, Callable[[Array], tuple[Array, Array, Array]], Array, Array]:
    """n = γ ẑ + β with ẑ = (z − μ) / √(σ² + ε), by the statistics of the batch.

    z [.., B, H]   γ, β [.., 1, H]   share [.., B, 1], each row's share of the batch, which sums to 1 (all 1/B where
    rows weigh the same)   →   n [.., B, H], backward, μ [.., 1, H], σ² [.., 1, H]

    Source: Ioffe & Szegedy 2015, algorithm 1; with rows that weigh differently.
    """
    mean = (share * z).sum(-2, keepdims=True)
    centered = z - mean
    variance = (share * centered * centered).sum(-2, keepdims=True)
    deviation = sqrt(variance + epsilon)
    normalized = centered / deviation

    def backward(dn: Array) -> tuple[Array, Array, Array]:
        """∂J/∂β = Σ ∂J/∂n,   ∂J/∂γ = Σ ∂J/∂n ẑ,   and as μ and σ² depend on every row,

        ∂J/∂zᵢ = γ / √(σ² + ε) · (∂J/∂nᵢ − shareᵢ Σ ∂J/∂n − shareᵢ ẑᵢ Σ ∂J/∂n ẑ)
        """
        dbeta = dn.sum(-2, keepdims=True)
        dgamma = (dn * normalized).sum(-2, keepdims=True)
        dz = gamma / deviation * (dn - share * dbeta - share * normalized * dgamma)
        return dz, dgamma, dbeta

    return gamma * normalized + beta, backward, mean, variance


def batch_norm_evaluation(
    z: Array, gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float
) -> tuple[Array, Callable[[Array], tuple[Array, Array, Array]]]:
    """n = γ ẑ + β with ẑ = (z − μ) / √(σ² + ε), by the running statistics.

    z [.., B, H]   γ, β, μ, σ² [.., 1, H]   →   n [.., B, H], backward
    """
    deviation = sqrt(variance + epsilon)
    normalized = (z - mean) / deviation

    def backward(dn: Array) -> tuple[Array, Array, Array]:
        """∂J/∂z = γ / √(σ² + ε) ∂J/∂n,   ∂J/∂γ = Σ ∂J/∂n ẑ,   ∂J/∂β = Σ ∂J/∂n"""
        return gamma / deviation * dn, (dn * normalized).sum(-2, keepdims=True), dn.sum(-2, keepdims=True)

    return gamma * normalized + beta, backward


def running_statistics(running: Mapping[str, Array], batch: Mapping[str, Array], total: Array) -> dict[str, Array]:
    """μ and σ², moved a tenth of the way to those of a batch.

    total [K, 1, 1] or a number: N, the samples of the batch, or the sum of their weights. In N / (N − 1), N and N − 1
    are each raised to at least 1: weights that sum to 1, but for rounding, must not make σ² infinite.
    """
    unbiased = batch["variance"] * np.maximum(total, 1) / np.maximum(total - 1, 1)
    new = {"mean": batch["mean"], "variance": unbiased}
    return {name: (1 - BATCH_NORM_MOMENTUM) * running[name] + BATCH_NORM_MOMENTUM * new[name] for name in running}


def layer_norm(x: Array, gamma: Array, beta: Array, epsilon: float) -> tuple[Array, Callable[..., tuple[Array, ...]]]:
    """n = γ x̂ + β with x̂ = (x − μ) / √(σ² + ε), by the mean and variance of each row.

    x [.., B, D]   γ, β [.., 1, D]   →   n [.., B, D], backward

    Source: Ba, Kiros & Hinton 2016
    """
    mean = x.mean(-1, keepdims=True)
    centered = x - mean
    deviation = sqrt((centered * centered).mean(-1, keepdims=True) + epsilon)
    normalized = centered / deviation

    def backward(dn: Array) -> tuple[Array, ...]:
        """∂J/∂x = (u − mean u − x̂ mean(u x̂)) / √(σ² + ε) with u = γ ∂J/∂n, the means over the row"""
        u = gamma * dn
        dx = (u - u.mean(-1, keepdims=True) - normalized * (u * normalized).mean(-1, keepdims=True)) / deviation
        return dx, (dn * normalized).sum(-2, keepdims=True), dn.sum(-2, keepdims=True)

    return gamma * normalized + beta, backward


def glu(x: Array, W: Array, b: Array, V: Array, c: Array) -> tuple[Array, Callable[..., tuple[Array, ...]]]:
    """z = (x W + b) · σ(x V + c), a gated linear unit.

    x [.., B, D]   W, V [.., D, H]   b, c [.., 1, H]   →   z [.., B, H], backward

    Source: Dauphin, Fan, Auli & Grangier 2017
    """
    (u, to_u), (v, to_v) = dense(x, W, b), dense(x, V, c)
    gate = sigmoid(v)

    def backward(dz: Array) -> tuple[Array, ...]:
        """Through both products:   ∂J/∂u = ∂J/∂z · σ(v),   ∂J/∂v = ∂J/∂z · u σ(v) (1 − σ(v))"""
        du, dv = dz * gate, dz * u * gate * (1 - gate)
        (x_of_u, dW, db), (x_of_v, dV, dc) = to_u(du), to_v(dv)
        return x_of_u + x_of_v, dW, db, dV, dc

    return u * gate, backward


def tied(x: Array, b: Array, W: Array) -> tuple[Array, Callable[..., tuple[Array, ...]]]:
    """z = x Wᵀ + b, with the weights W of another layer.

    x [.., B, D]   W [.., H, D]   b [.., 1, H]   →   z [.., B, H], backward
    """
    z, through_dense = dense(x, transpose(W), b)

    def backward(dz: Array) -> tuple[Array, ...]:
        """As through a dense layer; ∂J/∂W = ∂J/∂zᵀ x"""
        dx, _, db = through_dense(dz)
        return dx, db, transpose(dz) @ x

    return z, backward


def residual(x: Array, skip: Array) -> tuple[Array, Callable[[Array], tuple[Array, Array]]]:
    """r = x + skip, the value of an earlier layer.

    x, skip [.., B, D]   →   r [.., B, D], backward

    Source: He, Zhang, Ren & Sun 2016
    """
    return x + skip, lambda dr: (dr, dr)


_NORM = Fixed({"gamma": Own("1 D", 1.0), "beta": Own("1 D", 0.0)})
_WEIGHTS, _BIASES = Own("D H"), Own("1 H")
_OF_DENSE = Fixed(
    {
        "value": "{source} W{n}{bias}, pre-activations",
        "W": "weights of layer {n}, inputs × units",
        "b": "biases of layer {n}",
        "∂W": "{source}ᵀ δ{n}",
        "∂b": "Σ δ{n} over the samples",
        "∂x": "δ{n} W{n}ᵀ",
    }
)

DENSE = Layer("dense", "z", dense, Fixed({"W": _WEIGHTS, "b": _BIASES}), can_stop=True, sentences=_OF_DENSE)
DENSE_WITHOUT_BIASES = Layer("dense", "z", dense, Fixed({"W": _WEIGHTS}), can_stop=True, sentences=_OF_DENSE)
SCALING = Layer(
    "scaling",
    "s",
    scaling,
    Fixed({"scale": Own("1 D", 1.0)}),
    can_stop=True,
    sentences=Fixed(
        {
            "value": "{source} times scale{n}, scaled inputs",
            "scale": "weights of the inputs, one for each",
            "∂scale": "Σ ∂J/∂s{n} {source} over the samples",
            "∂x": "∂J/∂s{n} · scale{n}",
        }
    ),
)
DROPOUT = Layer(
    "dropout",
    "d",
    dropout,
    given=("keep", "dropout"),
    sentences=Fixed({"value": "{source} after dropout", "∂x": "back through the same mask of dropout"}),
)
BATCH_NORM = Layer(
    "batch_norm",
    "n",
    batch_norm,
    _NORM,
    given=("share",),
    statistics=Fixed({"mean": 0.0, "variance": 1.0}),
    update=running_statistics,
    evaluation=batch_norm_evaluation,
    parameters=Fixed({"epsilon": BATCH_NORM_EPSILON}),
    sentences=Fixed(
        {
            "value": "gamma{n} zhat{n} + beta{n}, normalized",
            "gamma": "scale of layer {n}'s batch norm",
            "beta": "shift of layer {n}'s batch norm",
            "∂gamma": "Σ ∂J/∂n{n} zhat{n} over the samples",
            "∂beta": "Σ ∂J/∂n{n} over the samples",
            "∂x": "back through batch norm, whose mean and variance depend on every sample",
        }
    ),
)

LAYERS = {
    layer.name: layer
    for layer in (
        DENSE,
        SCALING,
        DROPOUT,
        BATCH_NORM,
        Layer("layer_norm", "n", layer_norm, _NORM, parameters=Fixed({"epsilon": LAYER_NORM_EPSILON})),
        Layer("glu", "z", glu, Fixed({"W": _WEIGHTS, "b": _BIASES, "V": _WEIGHTS, "c": _BIASES})),
        Layer("tied", "z", tied, Fixed({"b": _BIASES}), shared=Fixed({"W": "H D"})),
        Layer("residual", "r", residual, earlier=("skip",)),
    )
}
