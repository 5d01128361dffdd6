"""The objective that training minimizes, and its gradient.

z, y [.., B, C]  logits and targets      w [.., B, 1]  weights of the samples      J [..]  one objective per member

    J = Σ w ℓ(z, y) / divisor + λ Σ penalty(θ)          divisor: 1, Σ w or C Σ w, by the reduction
"""

from collections.abc import Callable

import numpy as np

from deltarule.maths.activations import Activation
from deltarule.maths.elementary import Array
from deltarule.maths.losses import Loss, divisor
from deltarule.maths.penalties import Penalty


def data_term(
    loss: Loss, reduction: str, output: Activation, z: Array, y: Array, w: Array
) -> tuple[Array, Callable[[], Array]]:
    """The batch's losses, weighted by w and reduced, and a function for the gradient."""
    each, backward = loss.forward(output, z, y)
    share = w / divisor(reduction, w.sum(-2, keepdims=True), y.shape[-1])
    return (share * each).sum((-2, -1)), lambda: backward(share)


def penalty_term(
    penalty: Penalty, strength: Array, theta: Array, penalized: Array, samples: Array
) -> tuple[Array, Callable[[], Array]]:
    """λ Σ penalty(θ) over the penalized entries, and a function for its gradient.

    strength [.., 1]   theta [.., P]   penalized [P], 1 for entries that are penalized, 0 for the others   samples
    [.., 1], the batch's samples or the sum of their weights
    """
    share = (strength / samples if penalty.per_sample else strength) * penalized

    def weighted(each: Array) -> Array:
        """Values times their share, exactly 0 for a strength of 0 even where they are ∞"""
        scaled = share * each
        return np.where(strength == 0, scaled.dtype.type(0), scaled)

    return weighted(penalty.value(theta)).sum(-1), lambda: weighted(penalty.derivative(theta))
