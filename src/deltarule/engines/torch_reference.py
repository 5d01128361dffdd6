"""Activations, losses, penalties and optimizers in PyTorch, for autograd.

z, a, p, y  tensors of any shape [.., B, C]  pre-activations, activations, predictions, targets
θ, g, v ..  tensors [K, P]                   parameters, gradient, optimizer slots; numbers [K, 1]

A second implementation is worth something only if it is independent: nothing here comes from `maths`, and a formula is
written differently where there are two good ways. PyTorch's own softplus and cross-entropies are not used, since they
approximate. At a kink, and for a NaN, each formula does what `maths` says it does. This module imports PyTorch: only
`autograd` imports it, when its engine is created.
"""

from collections.abc import Callable, Mapping

import torch
from torch.nn import functional

Tensor = torch.Tensor
Formula = Callable[..., Tensor]


def softplus(z: Tensor) -> Tensor:
    """log(e⁰ + eᶻ)."""
    return torch.logaddexp(torch.zeros_like(z), z)


def mish(z: Tensor) -> Tensor:
    """z tanh(softplus z)."""
    return z * torch.tanh(softplus(z))


def huber(p: Tensor, y: Tensor, delta: float) -> Tensor:
    """½ e² if |e| ≤ δ, else δ |e| − ½ δ², with e = p − y."""
    e = torch.abs(p - y)
    return torch.where(e > delta, delta * e - 0.5 * delta**2, 0.5 * e * e)


def quantile(p: Tensor, y: Tensor, quantile: float) -> Tensor:
    """(1 − q) max(p − y, 0) + q max(y − p, 0)."""
    return (1 - quantile) * torch.relu(p - y) + quantile * torch.relu(y - p)


def weighted_log(weight: Tensor, p: Tensor) -> Tensor:
    """weight · log p, or 0 where the weight is 0."""
    counts = weight != 0
    return torch.where(counts, weight * torch.log(torch.where(counts, p, 1.0)), 0 * p)


def poisson(p: Tensor, y: Tensor) -> Tensor:
    """p − y + y log y − y log p."""
    return p - y + torch.xlogy(y, y) - weighted_log(y, p)


def poisson_from_logits(z: Tensor, y: Tensor) -> Tensor:
    """eᶻ − y + y log y − y z: the Poisson loss of p = eᶻ."""
    return torch.exp(z) - y + torch.xlogy(y, y) - y * z


def binary_cross_entropy(p: Tensor, y: Tensor) -> Tensor:
    """−y log p − (1 − y) log(1 − p)."""
    return -weighted_log(y, p) - weighted_log(1 - y, 1 - p)


def binary_cross_entropy_from_logits(z: Tensor, y: Tensor) -> Tensor:
    """y log(1 + e⁻ᶻ) + (1 − y) log(1 + eᶻ): the binary cross-entropy of p = σ(z)."""
    return y * softplus(-z) + (1 - y) * softplus(z)


def cross_entropy_from_logits(z: Tensor, y: Tensor) -> Tensor:
    """yᵢ (log Σ e^zⱼ − zᵢ): the cross-entropy of p = softmax(z)."""
    return -y * torch.log_softmax(z, -1)


def naive_binary_cross_entropy(p: Tensor, y: Tensor, epsilon: float) -> Tensor:
    """−y log p − (1 − y) log(1 − p) without special cases."""
    return -y * torch.log(p) - (1 - y) * torch.log(1 - p)


def published_naive_binary_cross_entropy(p: Tensor, y: Tensor, epsilon: float) -> Tensor:
    """The naive binary cross-entropy with the published gradient."""
    differentiated = -y * torch.log(p + epsilon) - (1 - y) * torch.log(1 - p + epsilon)
    return differentiated + (naive_binary_cross_entropy(p, y, epsilon) - differentiated).detach()


def batch_norm(z: Tensor, gamma: Tensor, beta: Tensor, share: Tensor, epsilon: float) -> tuple[Tensor, ...]:
    """γ (z − μ) / √(σ² + ε) + β, and μ and σ² of the batch."""
    mean = (share * z).sum(-2, keepdim=True)
    variance = (share * (z - mean) ** 2).sum(-2, keepdim=True)
    return batch_norm_evaluation(z, gamma, beta, mean, variance, epsilon), mean, variance


def batch_norm_evaluation(
    z: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, epsilon: float
) -> Tensor:
    """γ (z − μ) / √(σ² + ε) + β."""
    return gamma * ((z - mean) * (variance + epsilon) ** -0.5) + beta


def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float) -> Tensor:
    """γ (x − μ) / √(σ² + ε) + β, by the moments of each row."""
    variance, mean = torch.var_mean(x, -1, correction=0, keepdim=True)
    return gamma * ((x - mean) * torch.rsqrt(variance + epsilon)) + beta


ACTIVATIONS: Mapping[str, Formula] = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softsign": functional.softsign,
    "relu": torch.relu,
    "leaky_relu": lambda z, slope: functional.leaky_relu(z, slope),
    "elu": functional.elu,
    "selu": torch.selu,
    "softplus": softplus,
    "silu": lambda z: z * torch.sigmoid(z),
    "mish": mish,
    "gelu": functional.gelu,
    "exponential": torch.exp,
    "softmax": lambda z: torch.softmax(z, -1),
}

LOSSES: Mapping[str, Formula] = {
    "squared_error": lambda p, y: torch.square(p - y),
    "half_squared_error": lambda p, y: 0.5 * torch.square(p - y),
    "absolute_error": lambda p, y: torch.abs(p - y),
    "huber": huber,
    "quantile": quantile,
    "poisson": poisson,
    "binary_cross_entropy": binary_cross_entropy,
    "cross_entropy": lambda p, y: -weighted_log(y, p),
    "naive_binary_cross_entropy": naive_binary_cross_entropy,
}

FROM_LOGITS: Mapping[tuple[str, str], Formula] = {
    ("poisson", "exponential"): poisson_from_logits,
    ("binary_cross_entropy", "sigmoid"): binary_cross_entropy_from_logits,
    ("cross_entropy", "softmax"): cross_entropy_from_logits,
}

PUBLISHED: Mapping[str, Formula] = {"naive_binary_cross_entropy": published_naive_binary_cross_entropy}
"""Losses that are trained with another gradient than that of their value."""

LAYERS: Mapping[str, Callable[..., Tensor | tuple[Tensor, ...]]] = {
    "dense": lambda x, W, b=0: torch.matmul(x, W) + b,
    "scaling": lambda x, scale: x * scale,
    "dropout": lambda a, keep, rate: a * keep / (1 - rate),
    "batch_norm": batch_norm,
    "layer_norm": layer_norm,
    "glu": lambda x, W, b, V, c: functional.glu(torch.cat([x @ W + b, x @ V + c], -1), -1),
    "tied": lambda x, b, W: x @ W.mT + b,
    "residual": torch.add,
}
"""The values of layers, with statistics of the batch behind them."""

MOMENTUM = 0.1
"""How far running statistics move to those of a batch."""

EVALUATIONS: Mapping[str, Formula] = {"batch_norm": batch_norm_evaluation}
"""The values of layers by their running statistics."""

PENALTIES: Mapping[str, Formula] = {
    name + ending: formula
    for name, formula in (("l2", torch.square), ("weight_decay", lambda w: 0.5 * torch.square(w)), ("l1", torch.abs))
    for ending in ("", "_per_sample")
}


def sgd(theta: Tensor, g: Tensor, learning_rate: Tensor) -> tuple[Tensor, ...]:
    """θ ← θ − α g."""
    return (torch.addcmul(theta, learning_rate, g, value=-1),)


def momentum(theta: Tensor, g: Tensor, v: Tensor, learning_rate: Tensor, momentum: Tensor) -> tuple[Tensor, ...]:
    """v ← β v − α g,   θ ← θ + v."""
    v = momentum * v - learning_rate * g
    return theta + v, v


def nesterov(theta: Tensor, g: Tensor, v: Tensor, learning_rate: Tensor, momentum: Tensor) -> tuple[Tensor, ...]:
    """v ← β v − α g,   θ ← θ + β v − α g."""
    step = learning_rate * g
    v = momentum * v - step
    return theta + (momentum * v - step), v


def adagrad(
    theta: Tensor, g: Tensor, s: Tensor, learning_rate: Tensor, initial: Tensor, epsilon: Tensor
) -> tuple[Tensor, ...]:
    """s ← s + g²,   θ ← θ − α g / (√(s₀ + s) + ε)."""
    s = s + torch.square(g)
    return theta - learning_rate * (g / (torch.sqrt(s + initial) + epsilon)), s


def normalized_gradient(
    theta: Tensor, g: Tensor, norm: Tensor, learning_rate: Tensor, epsilon: Tensor
) -> tuple[Tensor, ...]:
    """θ ← θ − α g / √(‖g‖² + ε)."""
    return (theta - learning_rate * (g / torch.sqrt(torch.square(norm) + epsilon)),)


def rmsprop(
    theta: Tensor, g: Tensor, s: Tensor, learning_rate: Tensor, decay: Tensor, one_minus_decay: Tensor, epsilon: Tensor
) -> tuple[Tensor, ...]:
    """s ← ρ s + (1 − ρ) g²,   θ ← θ − α g / (√s + ε)."""
    s = decay * s + one_minus_decay * torch.square(g)
    return theta - learning_rate * (g / (torch.sqrt(s) + epsilon)), s


def rmsprop_numbers(t: int, decay: Tensor, **others: Tensor) -> dict[str, Tensor]:
    """Return the numbers that `rmsprop` takes, in float64."""
    return {**others, "decay": decay, "one_minus_decay": 1 - decay}


def adam(
    theta: Tensor,
    g: Tensor,
    m: Tensor,
    v: Tensor,
    learning_rate: Tensor,
    beta1: Tensor,
    beta2: Tensor,
    one_minus_beta1: Tensor,
    one_minus_beta2: Tensor,
    correction1: Tensor,
    correction2: Tensor,
    epsilon: Tensor,
) -> tuple[Tensor, ...]:
    """θ ← θ − α m̂ / (√v̂ + ε), m̂ and v̂ the corrected moving means of g and g²."""
    m = beta1 * m + one_minus_beta1 * g
    v = beta2 * v + one_minus_beta2 * torch.square(g)
    return theta - learning_rate * (m / correction1) / (torch.sqrt(v / correction2) + epsilon), m, v


def adam_numbers(t: int, beta1: Tensor, beta2: Tensor, **others: Tensor) -> dict[str, Tensor]:
    """Return the numbers that `adam` takes at update t, in float64."""
    shares = {"beta1": beta1, "beta2": beta2, "one_minus_beta1": 1 - beta1, "one_minus_beta2": 1 - beta2}
    return {
        **others,
        **shares,
        "correction1": -torch.expm1(t * torch.log(beta1)),
        "correction2": -torch.expm1(t * torch.log(beta2)),
    }


def adamw(
    theta: Tensor, g: Tensor, m: Tensor, v: Tensor, weight_decay: Tensor, learning_rate: Tensor, **numbers: Tensor
) -> tuple[Tensor, ...]:
    """θ ← θ − α λ θ, then Adam's step."""
    decayed = theta * (1 - learning_rate * weight_decay)
    return adam(decayed, g, m, v, learning_rate=learning_rate, **numbers)


def rprop(
    theta: Tensor,
    g: Tensor,
    previous: Tensor,
    size: Tensor,
    learning_rate: Tensor,
    increase: Tensor,
    decrease: Tensor,
    smallest: Tensor,
    largest: Tensor,
) -> tuple[Tensor, ...]:
    """θ ← θ − Δ sign g, Δ growing while g keeps its sign and shrinking when it turns."""
    size = torch.where(size == 0, learning_rate, size)
    turned = g * previous
    size = torch.where(turned > 0, torch.minimum(size * increase, largest), size)
    size = torch.where(turned < 0, torch.maximum(size * decrease, smallest), size)
    g = torch.where(turned < 0, 0 * g, g)
    return theta - torch.sign(g) * size, g, size


OPTIMIZERS: Mapping[str, Callable[..., tuple[Tensor, ...]]] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "normalized_gradient": normalized_gradient,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adamw,
    "rprop": rprop,
}
NUMBERS: Mapping[str, Callable[..., dict[str, Tensor]]] = {
    "rmsprop": rmsprop_numbers,
    "adam": adam_numbers,
    "adamw": adam_numbers,
}
"""The functions that compute the numbers of some optimizers at update t, from 1 on."""
