"""Derivatives without a formula: central differences that choose their own steps, and the complex step.

Everything works on lines: φᵢ(t) is what a function gives when it has gone the distance t in direction i (the objective
with one weight moved by t, an activation at z + t ...), and φᵢ'(0) is asked for. Many lines are evaluated in one call:

along(lines [m], t [m])  →  φ [m]        lines: whole numbers below n; t: real, or imaginary for the complex step

middle [n]  φ(0)                                    start [n]   a unit of length for t
wanted [n]  how exactly φ' should be known          noise [n]   the rounding error of φ
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
Integers = NDArray[np.int64]
Along = Callable[[Integers, Floats], Floats]

# Steps of 2⁻⁶ of the unit are best for smooth functions; narrower ones serve those that turn sharply, or have a kink
# nearby.
EXPONENTS = (6, 10, 14, 18)
IMAGINARY = 2.0**-100


@dataclass(frozen=True, eq=False)
class Slopes:
    """What differences say about φ'(0) of each line.

    value [n]    the derivative
    doubt [n]    how far off it may be
    kink [n]     there is no derivative to be seen: even the narrowest steps meet different slopes left and right
    """

    value: Floats
    doubt: Floats
    kink: NDArray[np.bool_]


def central(along: Along, middle: Floats, start: Floats, wanted: Floats, noise: Floats) -> Slopes:
    """Central differences of each line, with steps that are tried until the doubt is at most what is wanted.

    >>> unit, exact, noise = np.ones(1), np.full(1, 1e-9), np.full(1, 1e-16)
    >>> slopes = central(lambda line, t: np.sin(1 + t), np.sin(unit), unit, exact, noise)
    >>> bool(abs(slopes.value[0] - np.cos(1)) < 1e-12), slopes.kink
    (True, array([False]))

    A kink is told, whether or not anyone knows where it is:

    >>> central(lambda line, t: np.abs(t), np.zeros(1), unit, exact, noise).kink
    array([ True])
    """
    lines, parted = np.arange(len(start)), np.zeros(len(start))
    value, doubt, kink = np.zeros(len(start)), np.full(len(start), np.inf), np.zeros(len(start), bool)
    for exponent in EXPONENTS:
        tried = _extrapolate(along, lines, start[lines] * 2.0**-exponent, middle[lines], noise[lines], wanted[lines])
        found, before = tried.slopes, parted[lines]
        # A kink that wider steps met is gone only where these are exact enough to see that it is; else it is a doubt.
        hidden = (before > 0) & (tried.parted + tried.visible >= before)
        kink[lines] = found.kink
        # What shrinks with the steps is no kink but a bend: that is noted below 0.
        met = np.where(tried.parted >= np.abs(before) / 2, tried.parted, -tried.parted)
        parted[lines] = np.where(found.kink, met, np.where(hidden, before, 0))
        unsure = found.doubt + np.where(hidden, before, np.where(before > 0, tried.parted, 0))
        better = ~kink[lines] & (unsure < doubt[lines])  # across a kink differences may agree with each other
        value[lines[better]], doubt[lines[better]] = found.value[better], unsure[better]
        lines = lines[~(doubt[lines] <= wanted[lines])]
        if not len(lines):
            break
    return Slopes(value, doubt, kink)


def complex_step(along: Along, n: int) -> Floats:
    """Im φ(ih) / h: exact to rounding, since nothing is subtracted.    Source: Squire & Trapp 1998

    The function must keep the imaginary part all the way: an absolute value or a maximum loses it without a word.

    >>> bool(abs(complex_step(lambda line, t: np.sin(1 + t), 1)[0] - np.cos(1)) < 1e-16)
    True
    """
    values = along(np.arange(n), np.full(n, 1j * IMAGINARY))
    return np.asarray(np.imag(values) / IMAGINARY)


def rounding_error(along: Along, lines: Integers, start: Floats) -> Floats:
    """The rounding error of φ, as it shows in third differences too narrow for anything else to be left in them.

    lines [m], start [m]  →  [m]; single values are rough, use the median of several
    """
    t = start * 2.0**-18
    points = np.concatenate([2 * t, t, -t, -2 * t])
    far, near, near_below, far_below = along(np.tile(lines, 4), points).reshape(4, -1)
    with np.errstate(over="ignore", invalid="ignore"):  # of infinite φ nothing is known
        return np.asarray(np.abs(far - 2 * near + 2 * near_below - far_below) / 10**0.5)


@dataclass(frozen=True, eq=False)
class _StepResult:
    """What steps of one width say, by how much slopes part that should be one, and how much of that can be seen."""

    slopes: Slopes
    parted: Floats
    visible: Floats


@np.errstate(over="ignore", invalid="ignore")  # where φ is infinite there is no slope, and the doubt says so
def _extrapolate(
    along: Along, lines: Integers, h: Floats, middle: Floats, noise: Floats, wanted: Floats
) -> _StepResult:
    """Central differences with h, h/2 and h/4, extrapolated to h = 0.    Source: Richardson 1911

    D(h) = φ' + c₂ h² + c₄ h⁴ + …: two estimates rid of c₂ must agree, and of them a third is made, rid of c₄ too.
    """
    points = np.stack([h, -h, h / 2, -h / 2, h / 4, -h / 4])
    phi = along(np.tile(lines, len(points)), points.ravel()).reshape(points.shape)
    wide, half, narrow = ((phi[i] - phi[i + 1]) / (points[i] - points[i + 1]) for i in (0, 2, 4))
    first, second = (4 * half - wide) / 3, (4 * narrow - half) / 3
    # Four times the deviation that the noise of six values gives the estimate; values far from a minimum have more.
    rounded = 16 * np.maximum(noise, np.finfo(float).eps / 2 * np.abs(phi).max(0)) / h
    doubt = np.abs(second - first) + rounded
    doubt[(phi == middle).all(0) & (wanted == 0)] = 0
    # The slope right of 0 minus that left of it vanishes with the step, as c₁ h + c₃ h³, unless there is a kink.
    wide, half, narrow = (np.abs((phi[i] - 2 * middle + phi[i + 1]) / points[i]) for i in (0, 2, 4))
    jump = np.abs(wide - 10 * half + 16 * narrow) / 7
    parted, visible = np.maximum(jump / 2, np.abs(second - first)), 3 * rounded
    return _StepResult(Slopes((16 * second - first) / 15, doubt, parted > np.maximum(visible, wanted)), parted, visible)
