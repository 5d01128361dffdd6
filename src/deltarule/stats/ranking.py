"""A ranking of configurations: which are as good as the best, whatever the folds and seeds."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.problem.problem import Floats, Integers
from deltarule.stats.arrays import numbers

LARGEST = 1e150
"""Scores beyond it are of networks that diverged."""
TABLE = "numbers, [C, B], a row for each configuration"


RISK = 0.05
"""The share of intervals, or of all that shall hold at once, that miss the truth."""
SAME = 1e-9
"""Numbers are the same that differ by less than this share of their mean: by their rounding."""
SAME_DIGITS = 12
"""Mean scores that are the same in so many digits are equal: the order of their rows alone may round them apart."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """Configurations by their mean score, the best first, and what each lacks to the best one.

    place [C]           of each rank the configuration; those that lack a score come after those that have all
    mean, half [C]      its mean score in the blocks that count, and half the width of that mean's interval (95 %). NaN
                        for one that diverged in one of them: its survivors do not stand for all
    behind, margin [C]  how far it is behind the first on average within blocks, and half the width of that
                        difference's interval; all these intervals hold at once with 95 % (Bonferroni, over all
                        pairs). NaN for one that has no mean
    blocks              how many count: those that have a score, and in which all were trained
    alike               whether there are such blocks, two at least where there are several. If not, all that have a
                        score count, each is compared with the first in those that both have, and NaN is behind for less
                        than two; `blocks` is then the least that any was compared in
    """

    place: Integers
    mean: Floats
    half: Floats
    behind: Floats
    margin: Floats
    blocks: int
    alike: bool = True

    @property
    def is_as_good(self) -> Floats:
        """Which of them may be as good as the first, or better: their interval holds 0. [C], the first among them.

        One that was not compared is not. With one block all are, and so is one that is as far behind in all of a few
        blocks: nothing is known of the noise.
        """
        found = (self.behind <= self.margin) | (np.isnan(self.margin) & ~np.isnan(self.behind)) | (self.blocks < 2)
        found[:1] = True
        return found


def ranking(scores: Any) -> Ranking:
    """Rank configurations, and compare each with the first.

    Parameters: `scores` [C, B], NaN where nothing was trained, infinite for what diverged.
    Returns: those that have all scores by their means, of equal ones the first that was given; then those that lack
    some that others have by theirs; those without any come last. All of it in the blocks in which every configuration
    was trained, where there are such.
    Errors: `BadInput` for what is no table of numbers.

    >>> found = ranking([[0.8, 0.7, 0.9], [0.91, 0.81, 1.0], [0.1, 0.9, 0.2]])
    >>> found.place, found.is_as_good
    (array([1, 0, 2]), array([ True, False,  True]))
    >>> ranking([[0.8, 0.7, 1.0], [0.9, 0.8, np.nan]]).mean
    array([0.85, 0.75])
    """
    scores, trained, alike = complete_blocks(score_table(scores))
    means = np.array([round_score(one) for one in mean_there(scores, 1).tolist()], np.float64)
    lacks = np.isnan(means) | (np.isnan(scores) & trained).any(1)
    place = np.lexsort((np.where(np.isnan(means), np.inf, -means), lacks))
    ordered = np.where(lacks[:, None], np.nan, scores)[place]
    mean, half = mean_and_half(ordered, RISK)
    pairs = max(len(scores) * (len(scores) - 1) // 2, 1)
    compared = ordered[:1] - ordered
    shared = (~np.isnan(compared)).sum(1)
    if not alike:
        compared[shared < 2] = np.nan
    behind, margin = mean_and_half(compared, RISK / pairs)
    blocks = scores.shape[1] if alike else int(shared[1:][shared[1:] > 1].min(initial=scores.shape[1]))
    return Ranking(place, mean, half, behind, margin, blocks, alike)


def round_score(mean: float) -> float:
    """A mean score as it ranks, in SAME_DIGITS.

    >>> round_score((0.1 + 0.2 + 0.3) / 3) == round_score((0.3 + 0.2 + 0.1) / 3), round_score(1e-14)
    (True, 1e-14)
    """
    return float(f"{mean:.{SAME_DIGITS - 1}e}")


def score_table(scores: Any) -> Floats:
    """Scores of configurations in blocks, [C, B], as numbers."""
    return numbers("the scores", scores, 2, TABLE)


def complete_blocks(scores: Any) -> tuple[Floats, Floats, bool]:
    """The scores of the blocks that count, NaN where one is missing; what was trained in them; whether all were.

    A configuration that was trained in none of them takes no block from the others.    [C, B] each
    """
    found, trained = np.where(np.abs(scores) < LARGEST, scores, np.nan), ~np.isnan(scores)
    some = ~np.isnan(found).all(0)
    found, trained = found[:, some], trained[:, some]
    all_were = trained[trained.any(1)].all(0)
    alike = bool(all_were.sum() >= min(2, len(all_were)))
    return (found[:, all_were], trained[:, all_were], True) if alike else (found, trained, False)


def mean_and_half(values: Floats, risk: float) -> tuple[Floats, Floats]:
    """The mean of each row, and half of its interval by Student's t, NaN where there are less than two. Where all are
    the same 0 if the risk covers the chance of that, else NaN.    [C, B]"""
    from scipy.special import stdtrit  # imported on use: `import deltarule` stays light

    count = (~np.isnan(values)).sum(1)
    # In a unit of its own, a power of two, no row's squares vanish.
    exponents = np.frexp(np.nan_to_num(np.abs(values)).max(1, initial=0))[1]
    values = np.ldexp(values, -exponents[:, None])
    mean = mean_there(values, 1)
    squares = np.nansum((values - mean[:, None]) ** 2, 1)
    degrees = np.maximum(count - 1, 1)
    half = -stdtrit(degrees, risk / 2) * np.sqrt(squares / degrees / np.maximum(count, 1))
    same = squares <= count * (SAME * mean) ** 2
    is_told = (count > 1) & (~same | (0.5 ** (count - 1) <= risk))
    half = np.where(is_told, np.where(same, 0, half), np.nan)
    return np.ldexp(mean, exponents), np.ldexp(half, exponents)


def mean_there(values: Any, axis: int) -> Floats:
    """The mean of what is there, NaN where nothing is; what is infinite is not.

    >>> mean_there([[1.0, 3.0, np.nan], [-np.inf, np.nan, np.nan]], 1)
    array([ 2., nan])
    """
    there = np.isfinite(values)
    count = there.sum(axis)
    sums = np.where(there, values, 0).sum(axis)
    return np.asarray(np.divide(sums, count, out=np.full(np.shape(count), np.nan), where=count > 0))
