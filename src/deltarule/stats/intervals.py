"""Confidence intervals of shares, medians and means over seeds.

The confidence is between 0 and 1. Values are one row of numbers.
"""

import reprlib
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats

ROW = "one row of numbers"
RESAMPLES = 500
"""How often seeds and test rows are drawn again for the interval of a score on test rows."""


class Interval(NamedTuple):
    """An interval from `low` to `high`."""

    low: float
    high: float


def share_interval(count: int, trials: int, confidence: float = 0.95) -> Interval:
    """Wilson's confidence interval of a share of `count` in `trials`.

    With few trials it misses the share more often than stated, see `exact_share_interval` (Wilson 1927).

    >>> share_interval(93, 100)
    Interval(low=0.86, high=0.97)
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = count / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / (1 + z * z / trials)
    # The interval of 0 begins at exactly 0, that of 1 ends at 1; rounding must not exclude the share itself.
    return Interval(float(max(0.0, min(middle - half, share))), float(min(1.0, max(middle + half, share))))


def exact_share_interval(count: int, trials: int, confidence: float = 0.95) -> Interval:
    """The exact confidence interval of a share of `count` in `trials`.

    Each end misses the share with at most half of the risk, for any number of trials. It is wider than Wilson's, which
    keeps its confidence on average (Clopper & Pearson 1934).

    >>> exact_share_interval(93, 100)
    Interval(low=0.86, high=0.97)
    >>> exact_share_interval(1, 1)
    Interval(low=0.025, high=1.0)
    """
    from scipy.special import betaincinv  # imported on use: `import deltarule` stays light

    risk = (1 - confidence) / 2
    low = float(betaincinv(count, trials - count + 1, risk)) if count else 0.0
    return Interval(low, float(betaincinv(count + 1, trials - count, 1 - risk)) if count < trials else 1.0)


def confidence_of(interval: Sequence[float], count: int, trials: int) -> float:
    """The confidence with which `exact_share_interval` gives an interval.

    >>> round(confidence_of(exact_share_interval(5, 6, 0.968), 5, 6), 3)
    0.968
    """
    from scipy.special import betainc  # imported on use: `import deltarule` stays light

    low, high = interval
    risk = betainc(count, trials - count + 1, low) if count else betainc(1, trials, high) - 1
    return 1 - 2 * abs(float(risk))


def median_interval(values: Any, confidence: float = 0.95) -> Interval:
    """The confidence interval of the median of one or more values, from their order.

    The ends are two of the values; by the binomial distribution the median lies between them with at least the given
    confidence (Conover 1999, section 3.2). With few values they are the minimum and the maximum.

    >>> median_interval([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    Interval(low=2.0, high=9.0)
    """
    from scipy.stats import binom  # imported on use: `import deltarule` stays light

    ordered = np.sort(float_array("the values", values, 1, ROW))
    if not len(ordered):
        raise BadInput("there are no values; a median needs at least one")
    if np.isnan(ordered[-1]):
        return Interval(np.nan, np.nan)
    # The median lies below the b-th value with probability P(Bin(n, ½) < b), which ppf makes less than half the risk.
    below = int(binom.ppf((1 - confidence) / 2, len(ordered), 0.5))
    index = max(below - 1, 0)
    return Interval(float(ordered[index]), float(ordered[len(ordered) - 1 - index]))


def mean_interval(values: Any, confidence: float = 0.95) -> Interval:
    """The confidence interval of the mean of two or more values (Student 1908).

    Equal values give an interval of width 0. Values that are not finite, such as those of diverged runs, and values
    whose squares overflow give an unbounded one.

    >>> mean_interval([1.0, 2.0, 3.0])
    Interval(low=-0.48, high=4.48)
    >>> mean_interval([1.0, 2.0, np.inf])
    Interval(low=-inf, high=inf)
    """
    from scipy.special import stdtrit  # imported on use: `import deltarule` stays light

    row = float_array("the values", values, 1, ROW)
    if len(row) < 2:
        raise BadInput(f"there are {len(row)} values; the interval of a mean needs at least two")
    if (row == row[0]).all() and np.isfinite(row[0]):
        return Interval(float(row[0]), float(row[0]))
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = float(row.mean()), float(row.std(ddof=1))
    if not np.isfinite(deviation):
        return Interval(-np.inf, np.inf)
    half = float(stdtrit(len(row) - 1, 0.5 + confidence / 2)) * deviation / len(row) ** 0.5
    return Interval(mean - half, mean + half)


def resampled_interval(scores: Any, confidence: float = 0.95) -> Interval:
    """The interval of the median over seeds of the mean over test rows.

    scores [S, N] : of each seed on each row. Both are drawn again 500 times, so that the interval is for other seeds
    and for other test rows (a pigeonhole bootstrap, Owen 2007).
    """
    seeds, rows = np.shape(scores)
    random = np.random.default_rng(0)
    counts = random.multinomial(rows, np.full(rows, 1 / rows), RESAMPLES)
    means = np.asarray(scores, np.float64) @ counts.T / rows
    drawn = random.integers(seeds, size=means.shape)
    medians = np.median(np.take_along_axis(means, drawn, 0), 0)
    return Interval(*np.quantile(medians, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist())


def float_array(plural_name: str, values: Any, ndim: int, expected: str) -> Floats:
    """Convert `values` to a float64 array with `ndim` axes."""
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise BadInput(f"{plural_name} are {reprlib.repr(values)}; give {expected}") from None
    if array.ndim != ndim:
        raise BadInput(f"{plural_name} have the shape {array.shape}; give {expected}")
    return array
