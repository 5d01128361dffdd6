"""Networks in plain NumPy, as a student would write them, in which a single mistake can be planted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

ACTIVATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]] = {
    # the function, its derivative as a function of z, and its derivative as a function of a
    "sigmoid": (
        lambda z: 1 / (1 + np.exp(-z)),
        lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
        lambda a: a * (1 - a),
    ),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2, lambda a: 1 - a**2),
    "relu": (lambda z: z * (z.real > 0), lambda z: 1.0 * (z.real > 0), lambda a: 1.0 * (a.real > 0)),
    "softplus": (lambda z: np.log(1 + np.exp(z)), lambda z: 1 / (1 + np.exp(-z)), lambda a: 1 - np.exp(-a)),
    "leaky_relu": (
        lambda z: np.where(z.real > 0, z, 0.01 * z),
        lambda z: np.where(z.real > 0, 1.0, 0.01),
        lambda a: np.where(a.real > 0, 1.0, 0.01),
    ),
}


def softmax(z: Any) -> Any:
    """The softmax of each row of z."""
    e = np.exp(z - z.real.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@dataclass
class Student:
    """A network in plain NumPy (samples are rows inside), with at most one mistake.

    mean      whether the loss is a mean over samples     columns     whether users see samples as columns
    strength  of the penalty                              turned      whether weights are outputs × inputs
    masks     dropout masks by layer                      normalized  whether hidden layers have batch norm
    mistake   its name, or ""                             place       its layer, or 0 for all
    """

    sizes: list[int]
    hidden: str
    output: str
    loss: str
    mean: bool
    x: Any
    y: Any
    strength: float
    columns: bool
    turned: bool
    masks: dict[int, Any]
    normalized: bool
    mistake: str = ""
    place: int = 0
    rate: float = 0.1
    draws: Any = field(default_factory=lambda: np.random.default_rng(0))

    @property
    def layers(self) -> int:
        """The number of layers with weights."""
        return len(self.sizes) - 1

    @property
    def share(self) -> float:
        """The factor of the sum of losses: 1 / N for a mean, else 1."""
        return 1 / len(self.x) if self.mean else 1.0

    def parameters(self, generator: np.random.Generator) -> dict[str, Any]:
        """Draw random parameters, by name."""
        arrays = {}
        for n in range(1, self.layers + 1):
            shape = (self.sizes[n - 1], self.sizes[n])
            arrays[f"W{n}"] = generator.normal(size=shape[::-1] if self.turned else shape) / np.sqrt(shape[0]) * 1.5
            bias = 0.5 * generator.normal(size=shape[1])
            arrays[f"b{n}"] = bias.reshape(-1, 1) if self.columns else bias
            if self.normalized and n < self.layers:
                arrays[f"gamma{n}"], arrays[f"beta{n}"] = 1 + 0.3 * generator.normal(size=(2, shape[1]))
        return arrays

    def weights(self, p: dict[str, Any], n: int) -> Any:
        """The weights of layer n as inputs × outputs."""
        return p[f"W{n}"].T if self.turned else p[f"W{n}"]

    def makes_mistake(self, name: str, n: int) -> bool:
        """Whether the network makes the mistake of this name in layer n."""
        return self.mistake == name and self.place in (0, n)

    def value(self, p: dict[str, Any]) -> Any:
        """The objective at parameters p."""
        return self.forward(p)[0]

    def gradient(self, p: dict[str, Any]) -> dict[str, Any]:
        """The gradient at parameters p, with the mistake, by name."""
        _, cache, d = self.forward(p)
        return self.backward(p, cache, d)

    def value_and_gradient(self, p: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The objective and the gradient at parameters p."""
        value, cache, d = self.forward(p)
        return value, self.backward(p, cache, d)

    def forward(self, p: dict[str, Any]) -> tuple[Any, list[Any], Any]:
        """The forward pass: the objective, a cache of each layer's values, and ∂J/∂z of the last layer."""
        a, cache = self.x, list[Any]([(None, None, self.x, None)])
        for n in range(1, self.layers + 1):
            z = a @ self.weights(p, n) + p[f"b{n}"].reshape(1, -1)
            normal = None
            if self.normalized and n < self.layers:
                centered = z - z.mean(0)
                deviation = np.sqrt((centered**2).mean(0) + 1e-5)
                normal = centered / deviation, deviation
                z = p[f"gamma{n}"] * normal[0] + p[f"beta{n}"]
            if n < self.layers:
                f = softmax if self.hidden == "softmax" else ACTIVATIONS[self.hidden][0]
                h = f(z)
                a = h * self.masks[n] if n in self.masks else h
                cache.append((z, h, a, normal))
        value, d = self.loss_and_delta(z)
        penalty = self.strength * sum((p[f"W{n}"] ** 2).sum() for n in range(1, self.layers + 1))
        return value + penalty, cache, d

    def loss_and_delta(self, z: Any) -> tuple[Any, Any]:
        """The loss of the data at the last layer's z, and ∂J/∂z, with mistakes in either."""
        y, c = self.y, self.share
        if self.output == "softmax":
            q = softmax(z)
            shown = softmax(q) if self.mistake == "activation_twice" else q
        elif self.output == "sigmoid":
            q = 1 / (1 + np.exp(-z))
            shown = 1 / (1 + np.exp(-q)) if self.mistake == "activation_twice" else q
        else:
            q = shown = z
        t = y.T if self.mistake == "broadcast" else y  # (N,) against (N, 1): a table
        if self.loss == "cross_entropy":
            value, dq, d = -(t * np.log(shown)).sum(), -y / q, q - y
        elif self.loss == "binary_cross_entropy":
            value = -(t * np.log(shown) + (1 - t) * np.log(1 - shown)).sum()
            if self.mistake == "loss_wrong":
                value = -(t * np.log(shown)).sum()
            dq, d = (1 - y) / (1 - q) - y / q, q - y
            if self.mistake == "epsilon":
                d = ((1 - y) / (1 - q + 1e-3) - y / (q + 1e-3)) * q * (1 - q)
        else:
            value, dq = ((shown - t) ** 2).sum(), 2 * (q - y)
            if self.mistake == "loss_wrong":
                value = ((shown - t) ** 4).sum()
            if self.mistake == "target_missing":
                dq = 2 * q
            d = dq * (1 if self.output == "identity" else q * (1 - q))
            if self.output == "softmax":
                d = q * (dq - (q * dq).sum(1, keepdims=True))
        if self.mistake == "broadcast" and self.mean:
            value = value / len(y)
        return c * value, c * self.output_delta(z, q, dq, d)

    def output_delta(self, z: Any, q: Any, dq: Any, d: Any) -> Any:
        """Return ∂J/∂z of the last layer with the network's mistake in it; `d` is the correct one, `dq` ∂J/∂q."""
        last = self.layers
        if self.mistake == "target_missing" and self.loss != "squared_error":
            d = q + 0 * d
        if self.output == "identity":
            return d
        if self.place in (0, last):
            if self.makes_mistake("derivative_missing", last):
                d = dq
            if self.makes_mistake("derivative_twice", last):
                d = q * (d - (q * d).sum(1, keepdims=True)) if self.output == "softmax" else d * q * (1 - q)
            if self.mistake == "derivative_at_output" and self.output == "sigmoid":
                s = 1 / (1 + np.exp(-q))
                d = dq * s * (1 - s)
            if self.mistake == "derivative_of_z" and self.output == "sigmoid":
                d = dq * z * (1 - z)
            if self.mistake == "softmax_elementwise" and self.output == "softmax":
                d = dq * q * (1 - q)
        if self.mistake == "wrong_axis_softmax" and self.loss == "cross_entropy":
            e = np.exp(z)
            d = e / e.sum(0) - self.y
        return d

    def backward(self, p: dict[str, Any], cache: list[Any], d: Any) -> dict[str, Any]:
        """The backward pass from ∂J/∂z of the last layer: the gradient by name, with the network's mistake."""
        g: dict[str, Any] = {}
        for n in range(self.layers, 0, -1):
            _, _, before, _ = cache[n - 1]
            if self.makes_mistake("summed_early", n):
                d = np.broadcast_to(d.sum(0, keepdims=True), d.shape)
            if n < self.layers and self.normalized:
                normal, deviation = cache[n][3]
                g[f"gamma{n}"], g[f"beta{n}"] = (d * normal).sum(0), d.sum(0)
                gain = p[f"gamma{n}"] / deviation
                if self.makes_mistake("batch_norm_constants", n):
                    d = gain * d
                else:
                    d = gain * (d - d.mean(0) - normal * (d * normal).mean(0))
            if self.makes_mistake("penalty_through_network", n) and n == self.layers:
                d = d + 2 * self.strength * self.weights(p, n).reshape(d.shape)
            inputs = before
            if self.makes_mistake("wrong_input", n) and n > 1:
                inputs = cache[n - 1][0]
            dW = inputs.T @ d
            db = d.sum(0)
            if self.mistake == "wrong_axis" and self.place == n:
                db = d.sum(1) if d.shape[0] == d.shape[1] else 0 * db + d.sum()
            if self.mistake == "not_summed" and self.place == n:
                db = d
            g[f"W{n}"] = dW + 2 * self.strength * self.weights(p, n)
            if n > 1:
                W = self.weights(p, n)
                if self.makes_mistake("updated_weights", n):
                    W = W - self.rate * g[f"W{n}"]
                if self.makes_mistake("weights_not_transposed", n) and W.shape[0] == W.shape[1]:
                    W = W.T
                if self.makes_mistake("other_weights", n):
                    others = [self.weights(p, m) for m in range(1, self.layers + 1) if m != n]
                    W = next((one for one in others if one.shape == W.shape), W)
                below = d @ W.T
                d = self.activation_backward(cache, n - 1, below)
            g[f"b{n}"] = db if db.ndim == 2 else db.reshape(p[f"b{n}"].shape)
            if db.ndim == 2 and self.columns:
                g[f"b{n}"] = db.T
        return self.finish_gradient(p, g)

    def activation_backward(self, cache: list[Any], n: int, d: Any) -> Any:
        """The backward pass through dropout and the activation of hidden layer n: ∂J/∂z from d = ∂J/∂a."""
        z, h, _, _ = cache[n]
        if n in self.masks and not self.makes_mistake("dropout_mask", n):
            d = d * self.masks[n]
        if self.makes_mistake("derivative_missing", n):
            return d
        if self.hidden == "softmax":
            if self.makes_mistake("softmax_elementwise", n):
                return d * h * (1 - h)
            return h * (d - (h * d).sum(1, keepdims=True))
        _, slope, slope_of_a = ACTIVATIONS[self.hidden]
        if self.makes_mistake("derivative_at_output", n):
            return d * slope(h)
        if self.makes_mistake("derivative_of_z", n):
            return d * slope_of_a(z)
        if self.makes_mistake("derivative_twice", n):
            return d * slope(z) ** 2
        if self.makes_mistake("other_mask", n):
            z = cache[self.layers - 1 if n < self.layers - 1 else 1][0] if self.place else cache[self.layers - 1][0]
        return d * slope(z)

    def finish_gradient(self, p: dict[str, Any], g: dict[str, Any]) -> dict[str, Any]:
        """Bring the gradient into the shapes of the parameters, and make the mistakes that are made at the end."""
        g = {name: array.T if self.turned and name[0] == "W" else array for name, array in g.items()}
        names = [f"W{n}" for n in range(1, self.layers + 1)]
        own = f"W{self.place or 1}"
        if self.mistake == "sign":
            g = {name: -array for name, array in g.items()}
        elif self.mistake == "factor_two":
            g = {name: array * (2 if self.place else 0.5) for name, array in g.items()}
        elif self.mistake in ("mean_missing", "mean_twice"):
            count = len(self.x) if self.mistake == "mean_missing" else 1 / len(self.x)
            add = {name: 2 * self.strength * p[name] if name[0] == "W" else 0.0 for name in g}
            chosen = g if not self.place else [own, f"b{self.place}"]
            g = {name: (dW - add[name]) * count + add[name] if name in chosen else dW for name, dW in g.items()}
        elif self.mistake == "factor":
            g = {name: array * 1.37 for name, array in g.items()}
        elif self.mistake == "transposed":
            g[own] = g[own].T
        elif self.mistake == "exchanged":
            same = [name for name in g if name != own and g[name].shape == g[own].shape]
            if same:
                g[own], g[same[0]] = g[same[0]], g[own]
        elif self.mistake == "penalty_missing":
            chosen = [own] if self.place else names
            g.update({name: g[name] - 2 * self.strength * p[name] for name in chosen})
        elif self.mistake == "penalty_factor":
            chosen = [own] if self.place else names
            g.update({name: g[name] - self.strength * p[name] for name in chosen})
        elif self.mistake == "penalty_on_biases":
            g.update({name: g[name] + 2 * self.strength * p[name] for name in g if name[0] == "b" and name[1] != "e"})
        elif self.mistake == "penalty_not_in_loss":
            g.update({name: g[name] + 0.02 * p[name] for name in names})
        elif self.mistake == "penalty_other_weights":
            same = [name for name in names if name != own and p[name].shape == p[own].shape]
            if same:
                g[own] = g[own] + 2 * self.strength * (p[same[0]] - p[own])
        elif self.mistake == "zero_gradient":
            g[own] = 0 * g[own]
        elif self.mistake == "single_entry":
            g[own] = g[own].copy()
            g[own].flat[self.draws.integers(g[own].size)] *= 1.01
            self.draws = np.random.default_rng(0)
        elif self.mistake == "single_row":
            g[own] = g[own].copy()
            if g[own].ndim == 2 and g[own][:-1].any() and (g[own][-1] != 0).sum() > 1:
                g[own][-1] = 0
        elif self.mistake == "random_gradient":
            g[own] = g[own] * self.draws.normal(size=g[own].shape)
        return g
