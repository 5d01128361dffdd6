"""Penalties on the weights, each beside its derivative.

w  [.., P]  weights (biases too only where that is asked for)        λ  the penalty's strength

J̃ = J + λ Σ value(w), with J the objective without the penalty: the penalty is part of what training lowers (which
`objective` calls J), and its derivative part of the gradient. Each exists divided by the number of samples in the
batch as well, under a name of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

from deltarule.maths.elementary import Array, select


@dataclass(frozen=True)
class Penalty:
    """A penalty: `value(w)` and `derivative(w)` of a single weight.

    `per_sample` divides both by the batch's samples.
    `kinks` are the w at which there is no derivative.
    """

    name: str
    value: Callable[[Array], Array]
    derivative: Callable[[Array], Array]
    per_sample: bool = False
    kinks: tuple[float, ...] = ()


def l2(w: Array) -> Array:
    """w²: λ‖W‖²"""
    return w * w


def l2_derivative(w: Array) -> Array:
    """2 w: λ‖W‖² has the gradient 2λW"""
    return 2 * w


def weight_decay(w: Array) -> Array:
    """½ w²: ½λ‖W‖²"""
    return w * w / 2


def weight_decay_derivative(w: Array) -> Array:
    """w: the gradient λW of ½λ‖W‖² shrinks W by the factor 1 − αλ a step of descent"""
    return w


def l1(w: Array) -> Array:
    """|w|: λ‖W‖₁"""
    return select(w, w, -w)


def l1_derivative(w: Array) -> Array:
    """The sign of w, 0 · w at the kink, so that a NaN is passed on"""
    return select(w, 1.0, select(-w, -1.0, 0 * w))


PENALTIES = {
    penalty.name: penalty
    for penalty in (
        Penalty("l2", l2, l2_derivative),
        Penalty("weight_decay", weight_decay, weight_decay_derivative),
        Penalty("l1", l1, l1_derivative, kinks=(0.0,)),
        Penalty("l2_per_sample", l2, l2_derivative, per_sample=True),
        Penalty("weight_decay_per_sample", weight_decay, weight_decay_derivative, per_sample=True),
        Penalty("l1_per_sample", l1, l1_derivative, per_sample=True, kinks=(0.0,)),
    )
}
