"""Intervals: how much a share or a median over seeds can be trusted."""

from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import BadInput


class Interval(NamedTuple):
    """From `low` to `high`."""

    low: float
    high: float


def share_interval(count: int, of: int, confidence: float = 0.95) -> Interval:
    """The interval of a share: count successes of so many tries.    Source: Wilson 1927

    >>> share_interval(93, 100)
    Interval(low=0.86, high=0.97)
    """
    if not 0 <= count <= of or of < 1:
        raise BadInput(f"{count} of {of} is no share; give a count from 0 to the number of tries, 1 or more")
    z = _normal_quantile(confidence)
    share = count / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * np.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    # The ends are 0 and 1 exactly where the share is; rounding must not leave it outside its interval.
    return Interval(float(max(0.0, min(middle - half, share))), float(min(1.0, max(middle + half, share))))


def median_interval(values: Any, confidence: float = 0.95) -> Interval:
    """The interval of a median, from the order of the values alone: no law is assumed of them.

    The ends are those values between which the median lies with at least the confidence asked for, by the binomial
    law; with few values they are the least and the greatest.    Source: Conover 1999, section 3.2

    >>> median_interval([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    Interval(low=2.0, high=9.0)
    """
    from scipy.stats import binom  # imported on use: `import deltarule` stays light

    ordered = np.sort(np.asarray(values, np.float64))
    if not len(ordered):
        raise BadInput("there are no values; a median needs at least one")
    # The median lies below the b-th value with probability P(Bin(n, ½) < b), which ppf makes less than half the risk.
    below = int(binom.ppf((1 - confidence) / 2, len(ordered), 0.5))
    place = max(below - 1, 0)
    return Interval(float(ordered[place]), float(ordered[len(ordered) - 1 - place]))


def mean_interval(values: Any, confidence: float = 0.95) -> Interval:
    """The interval of a mean, by Student's law; of values that are all the same it has no width.  Source: Student 1908

    >>> mean_interval([1.0, 2.0, 3.0])
    Interval(low=-0.48, high=4.48)
    """
    from scipy.special import stdtrit  # imported on use: `import deltarule` stays light

    values = np.asarray(values, np.float64)
    if len(values) < 2:
        raise BadInput(f"there are {len(values)} values; the interval of a mean needs at least two")
    mean, degrees = float(values.mean()), len(values) - 1
    half = float(stdtrit(degrees, 0.5 + confidence / 2) * values.std(ddof=1) / np.sqrt(len(values)))
    return Interval(mean - half, mean + half)


def _normal_quantile(confidence: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + confidence / 2))
