"""Losses and gradients as users write them: of a linear model, and of a network with two layers."""

from typing import Any

import numpy as np

GENERATOR = np.random.default_rng(3)
X, Y = GENERATOR.normal(size=(8, 4)), GENERATOR.normal(size=(8, 2))
PARAMS = {"W": GENERATOR.normal(size=(4, 2)), "b": GENERATOR.normal(size=2)}
LABELS = np.array([0, 1, 1, 0, 1, 0, 0, 1])


def loss(params: dict[str, Any]) -> Any:
    """The mean squared error of a linear model on X and Y."""
    return ((X @ params["W"] + params["b"] - Y) ** 2).sum() / len(X)


def gradient(params: dict[str, Any]) -> dict[str, Any]:
    """The gradient of `loss` by parameter."""
    error = 2 * (X @ params["W"] + params["b"] - Y) / len(X)
    return {"W": X.T @ error, "b": error.sum(axis=0)}


def with_factor(share: float, name: str = "W", place: tuple[int, ...] = (0, 0)) -> Any:
    """Return `gradient` with one entry multiplied by `share`, which makes it wrong."""

    def wrong(params: dict[str, Any]) -> dict[str, Any]:
        found = gradient(params)
        found[name][place] *= share
        return found

    return wrong


def two_layer_network(
    seed: int, *, dtype: Any, size: float = 0.5, inputs: float = 1.0, rows: int = 30, outputs: int = 1, decay: float = 0
) -> tuple[dict[str, Any], Any]:
    """Random parameters of a network with two layers, and a function that computes its loss and gradient.

    The function takes the parameters and `share`, a factor of W1's gradient, which is wrong unless it is 1.
    """
    generator = np.random.default_rng(seed)
    x = (inputs * generator.normal(size=(rows, 4))).astype(dtype)
    y = generator.integers(2, size=(rows, outputs)).astype(dtype)
    shapes = {"W1": (4, 6), "b1": 6, "W2": (6, outputs), "b2": outputs}
    p: dict[str, Any] = {
        name: (size * generator.normal(size=shape)).astype(dtype) if name[0] == "W" else np.zeros(shape, dtype)
        for name, shape in shapes.items()
    }

    def both(p: dict[str, Any], share: float = 1.0) -> tuple[Any, dict[str, Any]]:
        a = np.tanh(x @ p["W1"] + p["b1"])
        z = a @ p["W2"] + p["b2"]
        d = (1 / (1 + np.exp(-z)) - y) / y.size
        dz = d @ p["W2"].T * (1 - a * a)
        found = {"W1": x.T @ dz, "b1": dz.sum(0), "W2": a.T @ d, "b2": d.sum(0)}
        J = (np.log(1 + np.exp(z)) - y * z).mean()
        if decay:
            J = float(J) + decay * sum(float((p[name] ** 2).sum()) for name in ("W1", "W2"))
            found |= {name: found[name] + dtype(2 * decay) * p[name] for name in ("W1", "W2")}
        found["W1"] = found["W1"] * dtype(share)
        return J, found

    return p, both
