"""Numerical derivatives: central differences that choose their own steps, and the complex step.

All proofs and all checks of users' code measure derivatives here, along lines: φᵢ(t) is a function's value after a move
by t along line i (the objective with one weight moved by t, an activation at z + t, …), and φᵢ'(0) is measured. Many
lines are evaluated in one call:

along(lines [m], t [m])  →  φ [m]        lines: whole numbers below n; t: real, or imaginary for the complex step

middle [n]  φ(0)                                    start [n]   a unit of length for t
wanted [n]  how exactly φ' should be known          noise [n]   the rounding error of φ
"""

from collections.abc import Callable, Sequence
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
SMALL_ERROR = 5e-4
"""The error, as a share of an entry or of an array's norm, that every check promises to see."""
DIRECTIONS = 8
"""Random directions for arrays too large to be measured entry by entry: an error of `SMALL_ERROR` is to pass all of
them with a probability below 1e-6 (tests/checking/test_reference_gradient.py)."""
AGREEMENT = 1e-5
"""Share by which the complex step and a precise difference may differ; a lost imaginary part makes them differ by 1."""


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

    def confirm(self, exact: Floats) -> NDArray[np.bool_]:
        """Where differences say the same as other derivatives, as far as they know."""
        return np.asarray(np.abs(exact - self.value) <= AGREEMENT * np.abs(exact) + 2 * self.doubt)

    def replace(self, lines: Integers, other: "Slopes", better: NDArray[np.bool_]) -> "Slopes":
        """These slopes, with those of another measurement of some lines where it is better."""
        arrays = [array.copy() for array in (self.value, self.doubt, self.kink)]
        for array, measured in zip(arrays, (other.value, other.doubt, other.kink), strict=True):
            array[lines[better]] = measured[better]
        return Slopes(*arrays)


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


def slopes_of_steps(along: Along, lines: Integers, unit: Floats, exponents: Sequence[int]) -> Floats:
    """Central differences with steps of 2⁻ᵉ units, for each of the exponents e, without their error in h².

    lines, unit [m]  →  [exponents, m]
    """
    slopes = []
    for exponent in exponents:
        h = unit * 2.0**-exponent
        ends = along(np.tile(lines, 4), np.concatenate([h, -h, h / 2, -h / 2])).reshape(4, -1)
        wide, half = (ends[0] - ends[1]) / (2 * h), (ends[2] - ends[3]) / h
        slopes.append((4 * half - wide) / 3)
    return np.stack(slopes)


def keeps_imaginary_part(exact: Floats, slopes: Slopes) -> bool:
    """Whether differences confirm a complex step: |z| and max(z, 0) lose the imaginary part silently."""
    known = ~slopes.kink & np.isfinite(slopes.doubt) & np.isfinite(exact)
    return bool(known.any() and slopes.confirm(exact)[known].all())


def unit_steps(size: Floats, value: Floats, slope: Floats, narrowest: float) -> Floats:
    """A unit of length along each line, a power of two: the size of the entry, or less where φ changes fast.

    value, slope   |φ(0)| and |φ'(0)|: large inputs make short the distance in which φ changes by its own size
    """
    natural = np.divide(value, slope, out=np.ones_like(slope), where=slope > 0)
    return np.asarray(2.0 ** np.floor(np.log2(size * np.clip(natural, narrowest, 1))))


def share_entries(sizes: Sequence[int], most: int) -> list[int]:
    """How many entries of each array are measured one by one: small arrays whole, the rest shared among the larger.

    >>> share_entries([600, 20], 120)
    [100, 20]
    """
    counts, left = [0] * len(sizes), most
    for rank, i in enumerate(sorted(range(len(sizes)), key=lambda i: sizes[i])):
        counts[i] = min(sizes[i], max(1, left // (len(sizes) - rank)))
        left -= counts[i]
    return counts


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
