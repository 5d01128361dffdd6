"""Rank configurations by mean score, and mark those as good as the best."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.errors import count_of
from deltarule.problem.problem import Floats, Integers
from deltarule.stats.intervals import float_array

MAX_FINITE_SCORE = 1e150
"""Larger scores belong to networks that diverged: their squares overflow."""
FOLDS_NOTE = "Blocks count as independent; with several seeds a fold this is the noise on these folds alone."
EXPECTED_SCORES = "numbers, [C, B], a row for each configuration"
RISK = 0.05
"""Probability that an interval, or any of several simultaneous ones, misses the true value."""
RELATIVE_ROUNDING = 1e-9
"""Numbers that differ by less than this share of their mean count as equal: the difference is rounding."""
EQUAL_DIGITS = 12
"""Mean scores with these digits in common are equal: the order of summation may change the others."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """Configurations by mean score, with their differences from the best.

    place [C]           the configuration of each rank; those that lack a score come after those that have all
    mean, half [C]      the mean score in the compared blocks, and half the width of its interval (95 %). NaN for a
                        configuration that diverged in one of them
    behind, margin [C]  the mean difference from the first within blocks, and half the width of its interval; these
                        intervals hold simultaneously with 95 % (Bonferroni, over all pairs). NaN without a mean
    blocks              the number of compared blocks, or the smallest of any comparison
    alike               whether all are compared in the same blocks. If not, each is compared with the first in those
                        that both have; `behind` is NaN for fewer than two
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
        """Mask [C], in the order of rank: may be as good as the first, which is one.

        With one block all are, and so is one whose difference is equal in all of a few blocks: the noise is unknown.
        """
        may_be_best = (
            (self.behind <= self.margin) | (np.isnan(self.margin) & ~np.isnan(self.behind)) | (self.blocks < 2)
        )
        may_be_best[:1] = True
        return may_be_best

    @property
    def verdict(self) -> str:
        """Whether the first configuration is better by more than noise."""
        compared = int((~np.isnan(self.behind[1:])).sum())
        if not compared or self.blocks < 2:
            return "The first is compared with none: that needs several that have scores in the same two blocks."
        lacking = len(self.place) - 1 - compared
        others = f"the {count_of(compared, 'other')}" + (f" ({lacking:,} lack scores)" if lacking else "")
        as_good = int(self.is_as_good.sum()) - 1
        sentence = f"The first is better than {others}"
        if as_good:
            sentence = f"{as_good:,} of {others} may be as good as the first"
        blocks = f"{self.blocks:,} blocks" + ("" if self.alike else " or more")
        return f"{sentence}, compared within {blocks} of the same fold and seed, all at once with 95 %. {FOLDS_NOTE}"


def ranking(scores: Any) -> Ranking:
    """Rank configurations by scores [C, B] and compare each with the best.

    NaN was not trained, an infinite score diverged. First come those with all scores, by their means; then those that
    lack scores that others have; last those without any.
    """
    scores, trained, alike = complete_blocks(score_table(scores))
    means = np.array([round_score(mean) for mean in finite_mean(scores, 1).tolist()], np.float64)
    lacks = np.isnan(means) | (np.isnan(scores) & trained).any(1)
    place = np.lexsort((np.where(np.isnan(means), np.inf, -means), lacks))
    ordered = np.where(lacks[:, None], np.nan, scores)[place]
    mean, half = mean_and_half_width(ordered, RISK)
    pairs = max(len(scores) * (len(scores) - 1) // 2, 1)
    compared = ordered[:1] - ordered
    shared = (~np.isnan(compared)).sum(1)
    if not alike:
        compared[shared < 2] = np.nan
    behind, margin = mean_and_half_width(compared, RISK / pairs)
    blocks = scores.shape[1] if alike else int(shared[1:][shared[1:] > 1].min(initial=scores.shape[1]))
    return Ranking(place, mean, half, behind, margin, blocks, alike)


def round_score(mean: float) -> float:
    """Round a mean score to the digits by which configurations are ranked."""
    return float(f"{mean:.{EQUAL_DIGITS - 1}e}")


def score_table(scores: Any) -> Floats:
    return float_array("the scores", scores, 2, EXPECTED_SCORES)


def complete_blocks(scores: Any) -> tuple[Floats, Floats, bool]:
    """Select the blocks in which all were trained, or all blocks if too few.

    Gives their scores [C, B], NaN where missing or diverged; whether each was trained, [C, B]; and whether all were.
    Two are enough, or one if there is only one. What was trained nowhere removes no block of the others.
    """
    finite, trained = np.where(np.abs(scores) < MAX_FINITE_SCORE, scores, np.nan), ~np.isnan(scores)
    has_score = ~np.isnan(finite).all(0)
    finite, trained = finite[:, has_score], trained[:, has_score]
    all_were = trained[trained.any(1)].all(0)
    alike = bool(all_were.sum() >= min(2, len(all_were)))
    return (finite[:, all_were], trained[:, all_were], True) if alike else (finite, trained, False)


def mean_and_half_width(values: Floats, risk: float) -> tuple[Floats, Floats]:
    """The mean [C] of each row, and half its t interval [C], from values [C, B].

    The half-width is NaN for fewer than two values. Equal values give 0 if the risk covers their probability, else NaN.
    """
    from scipy.special import stdtrit  # imported on use: `import deltarule` stays light

    count = (~np.isnan(values)).sum(1)
    mean = finite_mean(values, 1)
    squares = np.nansum((values - mean[:, None]) ** 2, 1)
    degrees = np.maximum(count - 1, 1)
    half = -stdtrit(degrees, risk / 2) * np.sqrt(squares / degrees / np.maximum(count, 1))
    same = squares <= count * (RELATIVE_ROUNDING * mean) ** 2
    is_known = (count > 1) & (~same | (0.5 ** (count - 1) <= risk))
    return mean, np.where(is_known, np.where(same, 0, half), np.nan)


def finite_mean(values: Any, axis: int) -> Floats:
    """The mean of the finite values along an axis; NaN if there are none."""
    return np.asarray(np.ma.filled(np.ma.masked_invalid(values).mean(axis), np.nan))
