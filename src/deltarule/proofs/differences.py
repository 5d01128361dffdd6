"""Numerical derivatives by central differences and by the complex step.

All proofs and checks of users' code measure derivatives here, along lines: φᵢ(t) is a function's value after a move by
t along line i (the objective with one weight changed by t, an activation at z + t, …), and φᵢ'(0) is measured. One call
evaluates many lines:

along(lines [m], t [m])  →  φ [m]        lines: whole numbers below n; t: real, or imaginary for the complex step

middle [n]     φ(0)                                   unit [n]    the unit of length for t
max_doubt [n]  the acceptable uncertainty of φ'       noise [n]   the rounding error of φ
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
Integers = NDArray[np.int64]
Along = Callable[[Integers, Floats], Floats]

# Steps of 2⁻⁶ units are best for smooth functions; smaller ones serve sharp curves and nearby kinks.
EXPONENTS = (6, 10, 14, 18)
IMAGINARY = 2.0**-100
SMALL_ERROR = 5e-4
"""The smallest error, as a share of an entry or of an array's norm, that every check promises to find."""
DIRECTIONS = 8
"""Random directions for arrays too large to be measured entry by entry: an error of `SMALL_ERROR` is to pass all of
them with a probability below 1e-6 (tests/checking/test_reference_gradient.py)."""
AGREEMENT = 1e-5
"""Share by which the complex step and a precise difference may differ; a lost imaginary part makes them differ by 1."""


@dataclass(frozen=True, eq=False)
class Slopes:
    """Measured derivatives φ'(0) along several lines.

    value [n]    the derivative
    doubt [n]    its uncertainty
    kink [n]     True where there is no derivative: even the smallest steps find different slopes left and right of 0
    """

    value: Floats
    doubt: Floats
    kink: NDArray[np.bool_]


def central(along: Along, middle: Floats, unit: Floats, max_doubt: Floats, noise: Floats) -> Slopes:
    """Measure φ'(0) on n lines by central differences."""
    lines, differences = np.arange(len(unit)), np.zeros(len(unit))
    value, doubt, kink = np.zeros(len(unit)), np.full(len(unit), np.inf), np.zeros(len(unit), bool)
    for exponent in EXPONENTS:
        step, before = unit[lines] * 2.0**-exponent, differences[lines]
        found, difference, limit = _extrapolate(along, lines, step, middle[lines], noise[lines], max_doubt[lines])
        # A kink found by larger steps is cleared only by steps exact enough to show it; else it adds to the doubt.
        hidden = (before > 0) & (difference + limit >= before)
        kink[lines] = found.kink
        # A difference that shrinks with the steps is curvature, no kink: it is stored with a negative sign.
        signed = np.where(difference >= np.abs(before) / 2, difference, -difference)
        differences[lines] = np.where(found.kink, signed, np.where(hidden, before, 0))
        new_doubt = found.doubt + np.where(hidden, before, np.where(before > 0, difference, 0))
        better = ~kink[lines] & (new_doubt < doubt[lines])  # differences across a kink may agree with each other
        value[lines[better]], doubt[lines[better]] = found.value[better], new_doubt[better]
        lines = lines[~(doubt[lines] <= max_doubt[lines])]
        if not len(lines):
            break
    return Slopes(value, doubt, kink)


def complex_step(along: Along, n: int) -> Floats:
    """Complex-step derivatives Im φ(ih) / h on n lines (Squire & Trapp 1998).

    They are exact to rounding; but an absolute value or a maximum loses the imaginary part without a warning.
    """
    values = along(np.arange(n), np.full(n, 1j * IMAGINARY))
    return np.asarray(np.imag(values) / IMAGINARY)


def slopes_of_steps(along: Along, lines: Integers, unit: Floats, exponents: Sequence[int]) -> Floats:
    """Extrapolated central differences for several step widths, [exponents, m]."""
    slopes = []
    for exponent in exponents:
        h = unit * 2.0**-exponent
        ends = along(np.tile(lines, 4), np.concatenate([h, -h, h / 2, -h / 2])).reshape(4, -1)
        wide, half = (ends[0] - ends[1]) / (2 * h), (ends[2] - ends[3]) / h
        slopes.append((4 * half - wide) / 3)
    return np.stack(slopes)


def keeps_imaginary_part(exact: Floats, slopes: Slopes) -> bool:
    """Whether differences confirm complex-step derivatives [n]."""
    known = ~slopes.kink & np.isfinite(slopes.doubt) & np.isfinite(exact)
    agrees = np.abs(exact - slopes.value) <= AGREEMENT * np.abs(exact) + 2 * slopes.doubt
    return bool(known.any() and agrees[known].all())


def unit_steps(size: Floats, value: Floats, slope: Floats, min_share: float) -> Floats:
    """A power of two as the unit of length on each line.

    size           the size of each line's entry, at least 1; `min_share` of it is the smallest unit
    value, slope   |φ(0)| and |φ'(0)|: with large inputs φ changes by its own size within a short distance
    """
    natural = np.divide(value, slope, out=np.ones_like(slope), where=slope > 0)
    return np.asarray(2.0 ** np.floor(np.log2(size * np.clip(natural, min_share, 1))))


def share_entries(sizes: Sequence[int], max_total: int) -> list[int]:
    """How many entries to measure of each array."""
    counts, remaining = [0] * len(sizes), max_total
    for rank, i in enumerate(sorted(range(len(sizes)), key=lambda i: sizes[i])):
        counts[i] = min(sizes[i], max(1, remaining // (len(sizes) - rank)))
        remaining -= counts[i]
    return counts


def rounding_error(along: Along, lines: Integers, unit: Floats) -> Floats:
    """Estimate the rounding error of φ on lines [m], roughly, by third differences."""
    t = unit * 2.0**-18
    points = np.concatenate([2 * t, t, -t, -2 * t])
    far, near, near_below, far_below = along(np.tile(lines, 4), points).reshape(4, -1)
    with np.errstate(over="ignore", invalid="ignore"):  # an infinite φ gives NaN
        return np.asarray(np.abs(far - 2 * near + 2 * near_below - far_below) / 10**0.5)


@np.errstate(over="ignore", invalid="ignore")  # an infinite φ gives an infinite doubt
def _extrapolate(
    along: Along, lines: Integers, h: Floats, middle: Floats, noise: Floats, max_doubt: Floats
) -> tuple[Slopes, Floats, Floats]:
    """Extrapolate central differences with h, h/2, h/4 to h = 0 (Richardson 1911).

    Gives the slopes, the difference between those on both sides, and the limit up to which it may be noise.

    D(h) = φ' + c₂ h² + c₄ h⁴ + …: two estimates without c₂ must agree; together they give a third without c₄.
    """
    points = np.stack([h, -h, h / 2, -h / 2, h / 4, -h / 4])
    phi = along(np.tile(lines, len(points)), points.ravel()).reshape(points.shape)
    wide, half, narrow = ((phi[i] - phi[i + 1]) / (points[i] - points[i + 1]) for i in (0, 2, 4))
    first, second = (4 * half - wide) / 3, (4 * narrow - half) / 3
    # Four standard deviations of the estimate's error from the noise of six values; large values have more noise.
    rounded = 16 * np.maximum(noise, np.finfo(float).eps / 2 * np.abs(phi).max(0)) / h
    doubt = np.abs(second - first) + rounded
    doubt[(phi == middle).all(0) & (max_doubt == 0)] = 0
    # Without a kink the slope right of 0 minus that left of it goes to 0 with the step, as c₁ h + c₃ h³.
    wide, half, narrow = ((phi[i] - 2 * middle + phi[i + 1]) / points[i] for i in (0, 2, 4))
    jump = np.abs(wide - 10 * half + 16 * narrow) / 7
    difference, limit = np.maximum(jump / 2, np.abs(second - first)), 3 * rounded
    kink = difference > np.maximum(limit, max_doubt)
    return Slopes((16 * second - first) / 15, doubt, kink), difference, limit
