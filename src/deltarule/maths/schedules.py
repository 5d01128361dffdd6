"""Schedules: the learning rate of each update as a function of its number.

t  [K] or a number   updates done before this one (or epochs, where a schedule counts those): 0 at the start
α  [K] or a number   the initial learning rate               →   the rate of this update, of the same shape
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import log

from numpy import cos, floor, pi

from deltarule.maths.elementary import Array, Fixed, log1p, select, smaller

_LOG_2 = log(2)


@dataclass(frozen=True)
class Schedule:
    """A schedule: `rate(t, learning_rate, **parameters)`, and its defaults.

    `per` says what t counts: "step" (updates) or "epoch". With `adaptive`, the rate also falls when training says so:
    divided by the parameter `divide` each time the objective has not improved by `tolerance` for `patience` epochs.
    """

    name: str
    rate: Callable[..., Array]
    parameters: Mapping[str, float] = field(default_factory=Fixed, hash=False)
    per: str = "step"
    adaptive: bool = False


def constant(t: Array, learning_rate: Array) -> Array:
    """α"""
    return learning_rate + 0 * t


def step(t: Array, learning_rate: Array, every: Array, factor: Array) -> Array:
    """α · factor^⌊t / every⌋"""
    return learning_rate * factor ** floor(t / every)


def exponential(t: Array, learning_rate: Array, factor: Array) -> Array:
    """α · factorᵗ"""
    return learning_rate * factor**t


def inverse_scaling(t: Array, learning_rate: Array, power: Array) -> Array:
    """α / (t + 1)^power"""
    return learning_rate / (t + 1) ** power


def adaptive(t: Array, learning_rate: Array, divide: Array, tolerance: Array, patience: Array) -> Array:
    """α, divided by training each time the objective stalls"""
    return learning_rate + 0 * t


def squaring(t: Array, learning_rate: Array, every: Array, at_start: Array) -> Array:
    """α^(2^(⌊t / every⌋ + at_start)): α is squared every so many updates.

    Source: the boundary report, whose listing squares at epoch 0 already (`at_start` 1) and whose text does not (0).
    """
    return learning_rate ** (2.0 ** (floor(t / every) + at_start))


def cosine(t: Array, learning_rate: Array, steps: Array, lowest: Array, warm_up: Array) -> Array:
    """From α to lowest · α along half a cosine, after a linear start.

    The start takes `warm_up` of the `steps`.

    Source: Loshchilov & Hutter 2017, equation 5, without restarts.
    """
    done = (t - warm_up) / (steps - warm_up)
    done = select(1 - done, done, 1.0)
    falling = lowest + (1 - lowest) * (1 + cos(pi * select(done, done, 0.0))) / 2
    return learning_rate * select(warm_up - t, (t + 1) / (warm_up + 1), falling)


def coslog4(t: Array, learning_rate: Array, steps: Array) -> Array:
    """α (1 − cos(2π log₂(1 + 15 t / steps))) / 2: four waves of doubling length

    Source: Holzmüller, Grinsztajn & Steinwart 2024, section 3
    """
    share = smaller(t, steps) / steps
    return learning_rate * (1 - cos(2 * pi * (log1p(15 * share) / _LOG_2))) / 2


def flat_cosine(t: Array, learning_rate: Array, steps: Array, flat: Array) -> Array:
    """α for the share `flat` of the `steps`, then down to 0 along half a cosine

    Source: Holzmüller, Grinsztajn & Steinwart 2024, section 3, where `flat` is ½
    """
    done = (smaller(t, steps) / steps - flat) / (1 - flat)
    return learning_rate * (1 + cos(pi * select(done, done, 0.0))) / 2


def warm_up(t: Array, learning_rate: Array, steps: Array) -> Array:
    """α (t + 1) / (steps + 1) for the first `steps` updates, α after them"""
    return learning_rate * select(steps - t, (t + 1) / (steps + 1), 1.0)


def linear_ramp(t: Array, learning_rate: Array, steps: Array, highest: Array) -> Array:
    """From α to `highest` in a straight line of `steps` updates, and no further.

    Source: Smith 2015, section 3.3
    """
    return learning_rate + (highest - learning_rate) * (smaller(t, steps - 1) / (steps - 1))


def exponential_ramp(t: Array, learning_rate: Array, steps: Array, highest: Array) -> Array:
    """From α to `highest`, each rate the same multiple of the one before.

    α (highest / α)^s with s = t / (steps − 1), as a product that stays finite where highest / α does not.
    """
    share = smaller(t, steps - 1) / (steps - 1)
    return learning_rate ** (1 - share) * highest**share


SCHEDULES = {
    schedule.name: schedule
    for schedule in (
        Schedule("constant", constant),
        Schedule("step", step, Fixed({"every": 1000, "factor": 0.5})),
        Schedule("exponential", exponential, Fixed({"factor": 0.999})),
        Schedule("inverse_scaling", inverse_scaling, Fixed({"power": 0.5})),
        Schedule("adaptive", adaptive, Fixed({"divide": 5.0, "tolerance": 1e-4, "patience": 10}), adaptive=True),
        Schedule("squaring", squaring, Fixed({"every": 500, "at_start": 0})),
        Schedule("cosine", cosine, Fixed({"steps": 1000, "lowest": 0.0, "warm_up": 0})),
        Schedule("coslog4", coslog4, Fixed({"steps": 1000})),
        Schedule("flat_cosine", flat_cosine, Fixed({"steps": 1000, "flat": 0.5})),
        Schedule("warm_up", warm_up, Fixed({"steps": 100})),
        Schedule("linear_ramp", linear_ramp, Fixed({"steps": 100, "highest": 1.0})),
        Schedule("exponential_ramp", exponential_ramp, Fixed({"steps": 100, "highest": 1.0})),
    )
}
