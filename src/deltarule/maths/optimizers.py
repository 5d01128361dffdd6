"""Optimizers: the update of the parameters from gradient and slots.

θ, g       [K, P]  parameters and their gradient ∂J/∂θ, of every layer in one vector
v, s, m …  [K, P]  arrays that an optimizer keeps for each parameter (its slots), 0 at the start
α          [K, 1]  the scheduled learning rate of this step; other numbers likewise, one per member
t          [K, 1]  the number of this update, 1 for the first
β, ρ       [K, 1]  the share of a slot that remains: `momentum`, `beta1` and `beta2`; `decay`
λ, ε       [K, 1]  strength of the decay of weights, `weight_decay`; `epsilon`, which keeps a divisor above 0
s₀         [K, 1]  what Adagrad's sum of squares begins with, `initial`
Δ          [K, P]  Rprop's step sizes, its slot `size`
‖g‖        [K, P]  `norm`, for each entry the length of the gradient of its array

An update is elementwise: (θ, g, slots …, numbers …) → (θ, slots …). What depends only on t is computed once a step.
One of the user's own may see whole arrays instead, [.., rows, columns], and numbers [.., 1, 1].
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from numpy import sqrt

from deltarule.maths.elementary import Array, Fixed, larger, select, smaller


@dataclass(frozen=True)
class Optimizer:
    """An optimizer: its elementwise update, its slots and its numbers.

    `update(theta, g, *slots, **numbers)` returns (theta, *slots); numbers are `learning_rate` and the `parameters`.
    `once_a_step(t, **numbers)`, where given, returns by name the numbers that `update` is called with instead (Adam's
    corrections), in float64 whatever θ's dtype. With `norms`, `update` also gets `norm`: for each entry the
    length of the gradient of its array. With `whole_arrays` it is called for each array by itself. With `decay`, its
    parameter "weight_decay" acts on weights only, as penalties do.
    `rescaling` gives the update of a weight W = c V from that of V: its numbers are multiplied by c to these powers,
    others are unchanged. None if that is not known.
    """

    name: str
    update: Callable[..., tuple[Array, ...]]
    slots: tuple[str, ...] = ()
    parameters: Mapping[str, float] = field(default_factory=Fixed, hash=False)
    once_a_step: Callable[..., dict[str, Array]] | None = None
    norms: bool = False
    whole_arrays: bool = False
    decay: bool = False
    rescaling: Mapping[str, int] | None = None


def sgd(theta: Array, g: Array, learning_rate: Array) -> tuple[Array]:
    """θ ← θ − α g.    Source: Cauchy 1847; Robbins & Monro 1951"""
    return (theta - learning_rate * g,)


def momentum(theta: Array, g: Array, v: Array, learning_rate: Array, momentum: Array) -> tuple[Array, Array]:
    """v ← β v − α g,   θ ← θ + v.    Source: Polyak 1964"""
    v = momentum * v - learning_rate * g
    return theta + v, v


def nesterov(theta: Array, g: Array, v: Array, learning_rate: Array, momentum: Array) -> tuple[Array, Array]:
    """v ← β v − α g,   θ ← θ + β v − α g, θ the point looked ahead to.

    Source: Nesterov 1983; Sutskever et al. 2013, equations 3 and 4, in the variable of Bengio, Boulanger-Lewandowski &
    Pascanu 2012, section 3.5.
    """
    v = momentum * v - learning_rate * g
    return theta + momentum * v - learning_rate * g, v


def adagrad(
    theta: Array, g: Array, s: Array, learning_rate: Array, initial: Array, epsilon: Array
) -> tuple[Array, Array]:
    """s ← s + g²,   θ ← θ − α g / (√(s₀ + s) + ε).

    Source: Duchi, Hazan & Singer 2011, section 1, whose δ is s₀; PyTorch has both
    """
    s = s + g * g
    return theta - learning_rate * g / (sqrt(initial + s) + epsilon), s


def normalized_gradient(theta: Array, g: Array, norm: Array, learning_rate: Array, epsilon: Array) -> tuple[Array]:
    """θ ← θ − α g / √(‖g‖² + ε), ‖g‖ the length of its array's gradient.

    Source: Nesterov 1984; Hazan, Levy & Shalev-Shwartz 2015; the boundary report's "Adagrad" as it was coded, with ε
    under the root: nothing accumulates, every array takes a step of length α unless its gradient is as short as √ε.
    """
    return (theta - learning_rate * g / sqrt(norm * norm + epsilon),)


def rmsprop(
    theta: Array, g: Array, s: Array, learning_rate: Array, decay: Array, gain: Array, epsilon: Array
) -> tuple[Array, Array]:
    """s ← ρ s + (1 − ρ) g²,   θ ← θ − α g / (√s + ε).

    Source: Tieleman & Hinton 2012, lecture 6.5
    """
    s = decay * s + gain * g * g
    return theta - learning_rate * g / (sqrt(s) + epsilon), s


def rmsprop_once_a_step(t: Array, learning_rate: Array, decay: Array, epsilon: Array) -> dict[str, Array]:
    """α, ρ, 1 − ρ and ε: in float32 little would be left of a small 1 − ρ"""
    return {"learning_rate": learning_rate, "decay": decay, "gain": 1 - decay, "epsilon": epsilon}


def adam(
    theta: Array,
    g: Array,
    m: Array,
    v: Array,
    rate: Array,
    beta1: Array,
    beta2: Array,
    gain1: Array,
    gain2: Array,
    epsilon: Array,
) -> tuple[Array, Array, Array]:
    """m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²,   θ ← θ − α m̂ / (√v̂ + ε),   m̂ = m / (1 − β₁ᵗ), v̂ likewise.

    With numerator and denominator multiplied by √(1 − β₂ᵗ), what is the same for all parameters is in `rate` and
    `epsilon`.

    Source: Kingma & Ba 2015, algorithm 1, in the order of computation of its section 2.
    """
    m = beta1 * m + gain1 * g
    v = beta2 * v + gain2 * g * g
    return theta - rate * m / (sqrt(v) + epsilon), m, v


def adam_once_a_step(t: Array, learning_rate: Array, beta1: Array, beta2: Array, epsilon: Array) -> dict[str, Array]:
    """α √(1 − β₂ᵗ) / (1 − β₁ᵗ), β₁, β₂, 1 − β₁, 1 − β₂, ε √(1 − β₂ᵗ) in float64"""
    root = sqrt(1 - beta2**t)
    return {
        "rate": learning_rate * root / (1 - beta1**t),
        "beta1": beta1,
        "beta2": beta2,
        "gain1": 1 - beta1,
        "gain2": 1 - beta2,
        "epsilon": epsilon * root,
    }


def adamw(
    theta: Array,
    g: Array,
    m: Array,
    v: Array,
    shrink: Array,
    rate: Array,
    beta1: Array,
    beta2: Array,
    gain1: Array,
    gain2: Array,
    epsilon: Array,
) -> tuple[Array, Array, Array]:
    """θ ← (1 − α λ) θ, then Adam's update, so that decay acts beside the gradient.

    Source: Loshchilov & Hutter 2019, algorithm 2; as in PyTorch, λ is multiplied by the learning rate, there only by
    the schedule.
    """
    return adam(theta - shrink * theta, g, m, v, rate, beta1, beta2, gain1, gain2, epsilon)


def adamw_once_a_step(
    t: Array, learning_rate: Array, weight_decay: Array, beta1: Array, beta2: Array, epsilon: Array
) -> dict[str, Array]:
    """α λ, and Adam's numbers"""
    return {"shrink": learning_rate * weight_decay, **adam_once_a_step(t, learning_rate, beta1, beta2, epsilon)}


def rprop(
    theta: Array,
    g: Array,
    previous: Array,
    size: Array,
    learning_rate: Array,
    increase: Array,
    decrease: Array,
    smallest: Array,
    largest: Array,
) -> tuple[Array, Array, Array]:
    """A step of each parameter's own size Δ against the sign of g.

    Δ grows while the sign stays and shrinks when it turns.
    After a turn the gradient counts as 0 once, so that the smaller step is tried first. The first size is α.

    Source: Riedmiller & Braun 1993, in the form iRprop− of Igel & Hüsken 2000.
    """
    size = select(size, size, learning_rate + 0 * size)
    agreement = g * previous
    size = select(agreement, smaller(size * increase, largest), size)
    size = select(-agreement, larger(size * decrease, smallest), size)
    g = select(-agreement, 0 * g, g)
    return theta - select(g, size, select(-g, -size, 0 * g)), g, size


_ADAM = Fixed({"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8})
# The gradient by V is c times that by W. A step α g of V is one of c² α g of W; where a gradient is divided by its own
# size the c of it cancels, but for ε.
_OF_GRADIENT = Fixed({"learning_rate": 2})
_OF_DIRECTION = Fixed({"learning_rate": 1, "epsilon": -1})


class Hyperparameter(NamedTuple):
    """A number of optimizers: its symbol, its meaning, and which values are allowed.

    `allowed` is one of "not negative", "positive", "share" (from 0 to under 1), "divisor" (above 0, up to 1) and
    "factor" (1 or more).
    """

    symbol: str
    meaning: str
    allowed: str


_MOMENTUM = {"momentum": Hyperparameter("β", "momentum", "share")}
_EPSILON = {"epsilon": Hyperparameter("ε", "keeps the division finite", "not negative")}
_MEANS = {
    "beta1": Hyperparameter("β1", "decay rate of the mean of the gradients", "share"),
    "beta2": Hyperparameter("β2", "decay rate of the mean of the squares", "share"),
    **_EPSILON,
}
LEARNING_RATE = Hyperparameter("α", "learning rate", "not negative")
HYPERPARAMETERS = {
    "momentum": _MOMENTUM,
    "nesterov": _MOMENTUM,
    "adagrad": {"initial": Hyperparameter("s₀", "added to the sum of the squares", "not negative"), **_EPSILON},
    "normalized_gradient": _EPSILON,
    "rmsprop": {"decay": Hyperparameter("ρ", "decay rate of the mean of the squares", "share"), **_EPSILON},
    "adam": _MEANS,
    "adamw": {"weight_decay": Hyperparameter("weight_decay", "strength of the decay", "not negative"), **_MEANS},
    "rprop": {
        "increase": Hyperparameter("increase", "how steps grow while the sign stays", "factor"),
        "decrease": Hyperparameter("decrease", "how steps shrink when the sign turns", "divisor"),
        "smallest": Hyperparameter("smallest", "the smallest step", "positive"),
        "largest": Hyperparameter("largest", "the largest step", "positive"),
    },
}
"""The parameters of each optimizer below: a trace shows symbol and meaning, `problem` checks the values."""

OPTIMIZERS = {
    optimizer.name: optimizer
    for optimizer in (
        Optimizer("sgd", sgd, rescaling=_OF_GRADIENT),
        Optimizer("momentum", momentum, ("v",), Fixed({"momentum": 0.9}), rescaling=_OF_GRADIENT),
        Optimizer("nesterov", nesterov, ("v",), Fixed({"momentum": 0.9}), rescaling=_OF_GRADIENT),
        Optimizer(
            "adagrad",
            adagrad,
            ("s",),
            Fixed({"initial": 0.0, "epsilon": 1e-10}),
            rescaling=Fixed({**_OF_DIRECTION, "initial": -2}),
        ),
        Optimizer(
            "normalized_gradient",
            normalized_gradient,
            (),
            Fixed({"epsilon": 1e-8}),
            norms=True,
            rescaling=Fixed({**_OF_DIRECTION, "epsilon": -2}),
        ),
        Optimizer(
            "rmsprop",
            rmsprop,
            ("s",),
            Fixed({"decay": 0.9, "epsilon": 1e-8}),
            rmsprop_once_a_step,
            rescaling=_OF_DIRECTION,
        ),
        Optimizer("adam", adam, ("m", "v"), _ADAM, adam_once_a_step, rescaling=_OF_DIRECTION),
        Optimizer(
            "adamw",
            adamw,
            ("m", "v"),
            Fixed({"weight_decay": 0.01, **_ADAM}),
            adamw_once_a_step,
            decay=True,
            rescaling=Fixed({**_OF_DIRECTION, "weight_decay": -1}),
        ),
        Optimizer(
            "rprop",
            rprop,
            ("previous", "size"),
            Fixed({"increase": 1.2, "decrease": 0.5, "smallest": 1e-6, "largest": 50.0}),
            rescaling=Fixed({"learning_rate": 1, "smallest": 1, "largest": 1}),
        ),
    )
}
