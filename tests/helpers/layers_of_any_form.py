"""Layers as researchers write them, whose backward passes are derived.

`LAYERS` has for each its function and the options of `register_layer`, and what a network says of its place. Each has
eight inputs.
"""

from typing import Any

import numpy as np


def turned(M: Any) -> Any:
    return np.swapaxes(M, -1, -2)


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def softmax(z: Any) -> Any:
    e = np.exp(z - np.max(z, -1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def grouped(x: Any, count: int) -> Any:
    return x.reshape(*x.shape[:-1], count, x.shape[-1] // count)


def flat(z: Any) -> Any:
    return z.reshape(*z.shape[:-2], z.shape[-2] * z.shape[-1])


def group_norm(x: Any, gamma: Any, beta: Any) -> Any:
    z = grouped(x, 2)
    z = (z - z.mean(-1, keepdims=True)) / np.sqrt(z.var(-1, keepdims=True) + 1e-5)
    return gamma * z.reshape(x.shape) + beta


def attention(x: Any, Q: Any, K: Any, V: Any) -> Any:
    """Attention between four tokens, which are the groups of a row."""
    q, k, v = (grouped(x @ M, 4) for M in (Q, K, V))
    return flat(softmax(q @ turned(k) / 2**0.5) @ v)


def recurrent(x: Any, W: Any, R: Any) -> Any:
    u = x @ W
    h = np.tanh(u)
    for _ in range(4):
        h = np.tanh(u + h @ R)
    return h


def maxout(x: Any, W: Any) -> Any:
    return grouped(x @ W, 3).max(-2)


def experts(x: Any, W: Any, G: Any) -> Any:
    """A mixture of three experts, which a gate weighs."""
    gate = softmax(x @ G)
    each = np.tanh(grouped(x @ W, 3))
    return (gate[..., None] * each).sum(-2)


def circulant(x: Any, w: Any) -> Any:
    return np.concatenate([(x * np.roll(w, k, -1)).sum(-1, keepdims=True) for k in range(x.shape[-1])], -1)


def weight_standardization(x: Any, W: Any, b: Any) -> Any:
    centered = W - W.mean(-2, keepdims=True)
    return x @ (centered / np.sqrt((centered**2).mean(-2, keepdims=True) + 1e-5)) + b


def radial_basis(x: Any, C: Any, V: Any) -> Any:
    distance = ((x[..., None, :] - turned(C)[..., None, :, :]) ** 2).sum(-1)
    return np.exp(-distance / 8) @ V


def rotary(x: Any, W: Any, angle: Any) -> Any:
    z = x @ W
    even, odd = z[..., ::2], z[..., 1::2]
    c, s = np.cos(angle), np.sin(angle)
    return flat(np.stack([c * even - s * odd, s * even + c * odd], -1))


def convolution(x: Any, kernel: Any, b: Any) -> Any:
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(1, 1)])
    return sum(kernel[..., k : k + 1] * padded[..., k : k + x.shape[-1]] for k in range(3)) + b


def squeeze_excite(x: Any, P: Any, Q: Any) -> Any:
    pooled = grouped(x, 4).mean(-1)
    gate = sigmoid(np.maximum(pooled @ P, 0) @ Q)
    return flat(grouped(x, 4) * gate[..., None])


def cosine(x: Any, W: Any) -> Any:
    lengths = np.sqrt((x * x).sum(-1, keepdims=True) + 1e-6) * np.linalg.norm(W, axis=-2, keepdims=True)
    return (x @ W) / lengths


def factorization(x: Any, W: Any, V: Any) -> Any:
    pairs = ((x @ V) ** 2 - (x * x) @ (V * V)).sum(-1, keepdims=True) / 2
    return x @ W + pairs


def highway(x: Any, W: Any, T: Any, c: Any) -> Any:
    gate = sigmoid(x @ T + c)
    return gate * np.tanh(x @ W) + (1 - gate) * x


def memory(x: Any, W: Any, U: Any) -> Any:
    """A gated memory over four steps, each of two inputs."""
    steps = np.split(x, 4, axis=-1)
    h = 0 * (steps[0] @ W)
    for step in steps:
        f = sigmoid(step @ W + h @ U)
        h = f * h + (1 - f) * np.tanh(step @ W)
    return h


def bilinear(x: Any, P: Any, Q: Any, R: Any) -> Any:
    outer = (x @ P)[..., :, None] * (x @ Q)[..., None, :]
    return flat(outer) @ R


def cumulative(x: Any, W: Any) -> Any:
    return np.cumsum(np.flip(np.tanh(x @ W), -1), -1)


def splines(x: Any, C0: Any, C1: Any, C2: Any) -> Any:
    hats = [np.maximum(1 - np.absolute(x - k), 0) ** 3 for k in (-1.0, 0.0, 1.0)]
    return sum(hat @ C for hat, C in zip(hats, (C0, C1, C2), strict=True))


LAYERS: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "low rank": (
        lambda x, P, Q: x @ P @ Q,
        {"arrays": {"P": "D r", "Q": "r H"}, "sizes": {"r": 2}},
        {"units": 6, "r": 3},
    ),
    "group norm": (group_norm, {"arrays": {"gamma": ("1 D", 1.0), "beta": ("1 D", 0.0)}}, {}),
    "attention": (attention, {"arrays": {"Q": "D H", "K": "D H", "V": "D H"}}, {"units": 8}),
    "recurrent": (recurrent, {"arrays": {"W": "D H", "R": "H H"}}, {"units": 6}),
    "gated": (lambda x, W, V: (x @ W) * sigmoid(x @ V), {"arrays": {"W": "D H", "V": "D H"}}, {"units": 6}),
    "maxout": (maxout, {"arrays": {"W": "D 3*H"}}, {"units": 5}),
    "experts": (experts, {"arrays": {"W": "D 3*H", "G": "D 3"}}, {"units": 5}),
    "circulant": (circulant, {"arrays": {"w1": ("1 D", 0.3)}}, {}),
    "Fourier features": (
        lambda x, W: np.concatenate([np.cos(x @ W), np.sin(x @ W)], -1),
        {"arrays": {"W": "D H/2"}},
        {"units": 6},
    ),
    "weight standardization": (weight_standardization, {"arrays": {"W": "D H", "b": "1 H"}}, {"units": 6}),
    "radial basis": (radial_basis, {"arrays": {"C": "D 4", "V": "4 H"}}, {"units": 5}),
    "rotary": (rotary, {"arrays": {"W": "D H", "angle": ("1 H/2", 0.5)}}, {"units": 6}),
    "convolution": (convolution, {"arrays": {"kernel": ("1 3", 0.4), "b": "1 D"}}, {}),
    "squeeze and excite": (squeeze_excite, {"arrays": {"P": "4 2", "Q": "2 4"}}, {}),
    "cosine": (cosine, {"arrays": {"W": "D H"}}, {"units": 5}),
    "factorization": (factorization, {"arrays": {"W": "D H", "V": "D 3"}}, {"units": 4}),
    "highway": (highway, {"arrays": {"W": "D D", "T": "D D", "c": ("1 D", -1.0)}}, {}),
    "memory": (memory, {"arrays": {"W": "D/4 H", "U": "H H"}}, {"units": 5}),
    "bilinear": (bilinear, {"arrays": {"P": "D 3", "Q": "D 3", "R": "9 H"}}, {"units": 4}),
    "cumulative": (cumulative, {"arrays": {"W": "D H"}}, {"units": 6}),
    "splines": (splines, {"arrays": {"C0": "D H", "C1": "D H", "C2": "D H"}}, {"units": 5}),
}
