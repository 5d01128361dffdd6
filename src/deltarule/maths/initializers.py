"""Initial weights, which depend on a member's own seed alone.

seed [K]   fan_in D, fan_out H   →   W [K, D, H] float64
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import sqrt

import numpy as np

from deltarule.maths import random
from deltarule.maths.elementary import Array, Fixed

LAWS = ("uniform", "positive", "normal", "constant", "orthogonal")


@lru_cache(maxsize=4)  # a search trains many networks of the same seed: drawing takes longer than the rest
def _uniform(seed: tuple[int, ...], purpose: int, count: int) -> Array:
    return random.uniform(np.array(seed, np.uint64), purpose, count)


@dataclass(frozen=True)
class Initializer:
    """A distribution of initial weights.

    `spread(fan_in, fan_out, **parameters)` is its limit, deviation or value.
    `law` is "uniform" (between −spread and spread), "positive" (uniform between 0 and spread), "normal" (mean 0,
    deviation spread), "constant" or "orthogonal" (rows or columns of length spread at right angles). `biases` says how
    biases start: at "zeros", or by the "same" law with the fans of their layer.
    """

    name: str
    law: str
    spread: Callable[..., float]
    parameters: Mapping[str, float] = field(default_factory=Fixed, hash=False)
    biases: str = "zeros"

    def weights(self, seed: Array, layer: int, fan_in: int, fan_out: int) -> Array:
        """Draw the weights of a layer for each seed.    seed [K]  →  [K, fan_in, fan_out]"""
        return self._draw(seed, random.INITIAL_WEIGHTS | layer << 8, fan_in, fan_in, fan_out)

    def bias(self, seed: Array, layer: int, fan_in: int, fan_out: int) -> Array:
        """Biases of a layer for each seed, zero or drawn.    seed [K]  →  [K, 1, fan_out]"""
        if self.biases == "zeros":
            return np.zeros((len(seed), 1, fan_out))
        return self._draw(seed, random.INITIAL_BIASES | layer << 8, 1, fan_in, fan_out)

    def _draw(self, seed: Array, purpose: int, rows: int, fan_in: int, fan_out: int) -> Array:
        """Draw a matrix of the distribution for each seed, [K, rows, fan_out].

        Orthogonal ones are Q of Q R = normal numbers with a positive diagonal of R: then Q is uniform. Source:
        Mezzadri 2007
        """
        spread = self.spread(fan_in, fan_out, **self.parameters)
        shape, count = (len(seed), rows, fan_out), rows * fan_out
        if self.law == "constant":
            return np.full(shape, spread)
        u = _uniform(tuple(seed.tolist()), purpose, count) if len(seed) == 1 else random.uniform(seed, purpose, count)
        u = u.reshape(shape)
        if self.law == "uniform":
            return spread * (2 * u - 1)
        if self.law == "positive":
            return spread * u
        from scipy.special import ndtri  # imported on use: `import deltarule` stays light

        if self.law == "normal":
            return spread * ndtri(u)
        is_wide = rows < fan_out
        q, r = np.linalg.qr(np.swapaxes(ndtri(u), -1, -2) if is_wide else ndtri(u))
        q = q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[:, None]
        return spread * (np.swapaxes(q, -1, -2) if is_wide else q)


def glorot_uniform(fan_in: int, fan_out: int) -> float:
    """Limit √(6 / (fan_in + fan_out)), also called Xavier.

    Source: Glorot & Bengio 2010, equation 16
    """
    return sqrt(6 / (fan_in + fan_out))


def glorot_normal(fan_in: int, fan_out: int) -> float:
    """Deviation √(2 / (fan_in + fan_out)).

    Source: Glorot & Bengio 2010, equation 12
    """
    return sqrt(2 / (fan_in + fan_out))


def he_uniform(fan_in: int, fan_out: int) -> float:
    """Limit √(6 / fan_in).    Source: He et al. 2015, equation 10, as a uniform law"""
    return sqrt(6 / fan_in)


def he_normal(fan_in: int, fan_out: int) -> float:
    """Deviation √(2 / fan_in).    Source: He et al. 2015, equation 10"""
    return sqrt(2 / fan_in)


def lecun_uniform(fan_in: int, fan_out: int) -> float:
    """Limit √(3 / fan_in).

    Source: LeCun et al. 1998, "Efficient BackProp", equation 16, as a uniform law
    """
    return sqrt(3 / fan_in)


def lecun_normal(fan_in: int, fan_out: int) -> float:
    """Deviation √(1 / fan_in).

    Source: LeCun et al. 1998, "Efficient BackProp", equation 16
    """
    return sqrt(1 / fan_in)


def torch_uniform(fan_in: int, fan_out: int) -> float:
    """Limit √(1 / fan_in): the default of PyTorch's `nn.Linear`, biases included."""
    return sqrt(1 / fan_in)


def orthogonal(fan_in: int, fan_out: int, gain: float) -> float:
    """Length of the rows or columns, whichever are fewer.

    Source: Saxe, McClelland & Ganguli 2014, section 3
    """
    return gain


def _given(fan_in: int, fan_out: int, **parameter: float) -> float:
    """The law's only parameter, 0 where it has none."""
    return sum(parameter.values(), 0.0)


INITIALIZERS = {
    initializer.name: initializer
    for initializer in (
        Initializer("glorot_uniform", "uniform", glorot_uniform),
        Initializer("glorot_normal", "normal", glorot_normal),
        Initializer("he_uniform", "uniform", he_uniform),
        Initializer("he_normal", "normal", he_normal),
        Initializer("lecun_uniform", "uniform", lecun_uniform),
        Initializer("lecun_normal", "normal", lecun_normal),
        Initializer("torch_uniform", "uniform", torch_uniform),
        Initializer("orthogonal", "orthogonal", orthogonal, Fixed({"gain": 1.0})),
        Initializer("normal", "normal", _given, Fixed({"std": 0.01})),
        Initializer("uniform", "uniform", _given, Fixed({"range": 0.5})),
        Initializer("positive_uniform", "positive", _given, Fixed({"range": 1.0})),
        Initializer("zeros", "constant", _given),
        Initializer("constant", "constant", _given, Fixed({"value": 0.1})),
    )
}
