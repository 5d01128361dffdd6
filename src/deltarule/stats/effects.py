"""Effects: which parameter of a grid matters, by how much, and whether its winner is more than noise.

C configurations · B blocks: the seeds, or folds and seeds, that all configurations share · V values of a parameter

Whatever a block has in common, an easy fold or a lucky seed, is in all configurations alike: so differences are taken
within blocks, and intervals are those of Student's t over the blocks' differences. With one block there is no interval
(NaN): nothing is known of the noise. Nor is it where a number is the same in all of a few blocks, which scores that are
shares of few rows may come to by chance. Of two equal configurations all B differences have one sign with a chance of
2^(1 − B) at most; where that is within the risk, the interval has no width (the sign test). Blocks count as
independent, which several seeds of one fold are not: what suits a configuration in that fold is in all of them. Then
intervals speak of these folds alone; others may say otherwise.

What a value is worth is what it changes while all else stays. Of a full grid the means tell it. Of any other table each
block is fitted by least squares as a sum, a number for each value of each parameter; what the table does not tell apart
(two parameters that always change together) is NaN.    Source: Searle 1987, Linear Models for Unbalanced Data

The best configuration is chosen by the very scores that it is compared by: of many equal ones, one is lucky. As any of
them may be it, the intervals of all C (C − 1) / 2 pairs must hold at once, and each pair gets that part of the risk.
That is Bonferroni's way: it needs no tables, and noise may differ between configurations. Multiple comparisons with the
best are its sharper relative.    Source: Hsu 1996, chapter 4

NaN stands where nothing was trained: it tells nothing of a configuration, so what is compared are the blocks in which
every configuration was trained. A score that is infinite, or so large that squares overflow, is of a network that
diverged; a block in which nothing else was scored counts for none. Survivors do not stand for all: a configuration with
such a network in a block that counts has no mean and is part of no effect, and a value with one is not told (NaN),
unless in the same block and with the same other values others were trained, and every one's diverged.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats, Integers
from deltarule.stats.arrays import numbers

MOST_VALUES = 8
"""Values of a parameter that are looked at one by one; numbers that have more are put into groups."""
GROUPS = 5
RISK = 0.05
"""The share of intervals, or of all that shall hold at once, that miss the truth."""
SAME = 1e-9
"""Numbers are the same that differ by less than this share of their mean: by their rounding."""
SAME_DIGITS = 12
"""Mean scores that are the same in so many digits are equal: the order of their rows alone may round them apart."""
LARGEST = 1e150
"""Scores beyond it are of networks that diverged."""
TABLE = "numbers, [C, B], a row for each configuration"


@dataclass(frozen=True, eq=False)
class Parameter:
    """A parameter of a grid.

    key         dotted: "optimizer.learning_rate"
    values [V]  what it takes, in words, ascending where they are numbers
    place [C]   which of them each configuration has
    """

    key: str
    values: tuple[str, ...]
    place: Integers


@dataclass(frozen=True, eq=False)
class Effect:
    """What a value, or a pair of values, is worth: how far the score is from its mean over all configurations, all else
    being the same.

    keys            of the one parameter or the two
    mean, half      [V], or [V, V'] of two: the effect, and half the width of its interval (95 %). The mean is NaN where
                    there is no score, the table does not tell what the value is worth, or networks diverged with it
    diverged, rows  [V], or [V, V'] of two: how many of its networks diverged, of so many that were trained in the
                    blocks that count
    """

    keys: tuple[str, ...]
    mean: Floats
    half: Floats
    diverged: Integers
    rows: Integers


@dataclass(frozen=True, eq=False)
class Effects:
    """The effects of all parameters that take more than one value, those that matter most first.

    overall     the mean score of all configurations of which no network diverged
    marginal    of each parameter
    pairwise    of each pair, the parameters in the same order
    blocks      how many have a score, of those in which all were trained
    left_out    keys of parameters with too many values that are no numbers
    is_full     whether every combination of the values is there as often, each with all scores
    """

    overall: float
    parameters: tuple[Parameter, ...]
    marginal: tuple[Effect, ...]
    pairwise: tuple[Effect, ...]
    blocks: int
    left_out: tuple[str, ...] = ()
    is_full: bool = True


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


def parameters_of(settings: Sequence[Mapping[str, Any]]) -> tuple[tuple[Parameter, ...], tuple[str, ...]]:
    """The parameters in which configurations differ, and the keys of those that have too many values to be looked at.

    >>> settings = [{"rate": rate, "layers": [8, 3]} for rate in (10.0, 0.1)]
    >>> parameters_of(settings)[0][0].values
    ('0.1', '10')
    """
    found, left_out = [], []
    for key in dict.fromkeys(key for one in settings for key in one):
        given = [one.get(key) for one in settings]
        words = [format_value(value) for value in given]
        if len(set(words)) < 2:
            continue
        if len(set(words)) <= MOST_VALUES:
            order = sorted(dict(zip(words, given, strict=True)).items(), key=lambda pair: _order(pair[1]))
            values = tuple(word for word, _ in order)
            found.append(Parameter(key, values, np.array([values.index(word) for word in words])))
        elif all(_is_number(value) for value in given):
            found.append(_bin_values(key, np.array(given, np.float64)))
        else:
            left_out.append(key)
    return tuple(found), tuple(left_out)


def effects(settings: Sequence[Mapping[str, Any]], scores: Any) -> Effects:
    """The effects of the parameters in which configurations differ.

    Parameters: `settings`, of the C configurations by dotted key; `scores` [C, B], NaN where nothing was trained,
    infinite for what diverged: `Sweep.scores` gives both.
    Errors: `BadInput` for other shapes.

    >>> settings = [{"rate": rate, "momentum": momentum} for rate in (0.1, 1) for momentum in (0, 0.9)]
    >>> found = effects(settings, [[0.5, 0.6], [0.5, 0.6], [0.9, 0.9], [0.9, 1.0]])
    >>> found.parameters[0].key, found.marginal[0].mean
    ('rate', array([-0.1875,  0.1875]))
    >>> [rate] = effects([{"rate": 0.1}, {"rate": 1}, {"rate": 10}], [[0.5, 0.6], [0.7, 0.8], [-np.inf, 0.9]]).marginal
    >>> rate.mean, rate.diverged
    (array([-0.1,  0.1,  nan]), array([0, 0, 1]))
    """
    table = _score_table(scores)
    if len(table) != len(settings) or not table.size:
        told = " × ".join(map(str, table.shape))
        raise BadInput(f"the scores are {told} for {len(settings)} configurations; give {TABLE}")
    scores, trained, _ = _complete_blocks(table)
    fell = trained & np.isnan(scores)
    scores = np.where(fell.any(1, keepdims=True), np.nan, scores)
    parameters, left_out = parameters_of(settings)
    is_full = _is_full(scores, parameters)

    def effect(*of: Parameter) -> Effect:
        place, shape = _value_indices(of)
        worth = _worth(scores, of, parameters, is_full, _diverged_alone(fell, trained, of, parameters))
        counts = (np.bincount(place, one.sum(1), math.prod(shape)) for one in (fell, trained))
        diverged, rows = (one.astype(int).reshape(shape) for one in counts)
        mean, half = (one.reshape(shape) for one in _mean_and_half(worth, RISK))
        return Effect(tuple(one.key for one in of), mean, half, diverged, rows)

    marginal = [effect(one) for one in parameters]
    order = sorted(range(len(parameters)), key=lambda place: -_range(marginal[place]))
    ordered = tuple(parameters[place] for place in order)
    pairs = [(one, other) for at, one in enumerate(ordered) for other in ordered[at + 1 :]]
    return Effects(
        float(mean_there(mean_there(scores, 1), 0)),
        ordered,
        tuple(marginal[place] for place in order),
        tuple(effect(*pair) for pair in pairs),
        scores.shape[1],
        left_out,
        is_full,
    )


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
    scores, trained, alike = _complete_blocks(_score_table(scores))
    means = np.array([round_score(one) for one in mean_there(scores, 1).tolist()], np.float64)
    lacks = np.isnan(means) | (np.isnan(scores) & trained).any(1)
    place = np.lexsort((np.where(np.isnan(means), np.inf, -means), lacks))
    ordered = np.where(lacks[:, None], np.nan, scores)[place]
    mean, half = _mean_and_half(ordered, RISK)
    pairs = max(len(scores) * (len(scores) - 1) // 2, 1)
    compared = ordered[:1] - ordered
    shared = (~np.isnan(compared)).sum(1)
    if not alike:
        compared[shared < 2] = np.nan
    behind, margin = _mean_and_half(compared, RISK / pairs)
    blocks = scores.shape[1] if alike else int(shared[1:][shared[1:] > 1].min(initial=scores.shape[1]))
    return Ranking(place, mean, half, behind, margin, blocks, alike)


def round_score(mean: float) -> float:
    """A mean score as it ranks, in SAME_DIGITS.

    >>> round_score((0.1 + 0.2 + 0.3) / 3) == round_score((0.3 + 0.2 + 0.1) / 3), round_score(1e-14)
    (True, 1e-14)
    """
    return float(f"{mean:.{SAME_DIGITS - 1}e}")


def format_value(value: Any) -> str:
    """A value of a setting in a few words: 0.001, tanh, 784-100-10.

    >>> format_value([784, 100, 10]), format_value(1e-3), format_value({"name": "normal", "std": 1.0})
    ('784-100-10', '0.001', 'normal, std 1')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        named = [format_value(value["name"])] if "name" in value else []
        return ", ".join(named + [f"{key} {format_value(one)}" for key, one in value.items() if key != "name"])
    if isinstance(value, list | tuple):
        return "-".join(format_value(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _score_table(scores: Any) -> Floats:
    return numbers("the scores", scores, 2, TABLE)


def _complete_blocks(scores: Any) -> tuple[Floats, Floats, bool]:
    """The scores of the blocks that count, NaN where one is missing; what was trained in them; whether all were.

    A configuration that was trained in none of them takes no block from the others.    [C, B] each
    """
    found, trained = np.where(np.abs(scores) < LARGEST, scores, np.nan), ~np.isnan(scores)
    some = ~np.isnan(found).all(0)
    found, trained = found[:, some], trained[:, some]
    all_were = trained[trained.any(1)].all(0)
    alike = bool(all_were.sum() >= min(2, len(all_were)))
    return (found[:, all_were], trained[:, all_were], True) if alike else (found, trained, False)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _order(value: Any) -> tuple[Any, ...]:
    """Numbers by size, then lists of numbers, then words."""
    if _is_number(value):
        return (0, float(value))
    if isinstance(value, list | tuple):
        return (1, tuple((0, float(one)) if _is_number(one) else (1, str(one)) for one in value))
    return (2, str(value))


def _bin_values(key: str, values: Floats) -> Parameter:
    """Many numbers as a few groups of about as many configurations each."""
    ordered = np.sort(values)
    starts = np.unique(ordered[np.arange(GROUPS) * len(ordered) // GROUPS])
    place = np.searchsorted(starts, values, "right") - 1
    ends = [values[place == group].max() for group in range(len(starts))]
    words = tuple(f"{start:.3g} to {end:.3g}" for start, end in zip(starts.tolist(), ends, strict=True))
    return Parameter(key, words, place)


def _is_full(scores: Floats, parameters: Sequence[Parameter]) -> bool:
    if np.isnan(scores).any():
        return False
    counts = Counter(zip(*(one.place.tolist() for one in parameters), strict=True)).values()
    combinations = math.prod(len(one.values) for one in parameters)
    return not parameters or (len(counts) == combinations and len(set(counts)) == 1)


def _value_indices(of: Sequence[Parameter]) -> tuple[Integers, tuple[int, ...]]:
    """Which value, or pair of values, each configuration has, and how many there are of each.    [C], [V] or [V, V']"""
    shape = tuple(len(one.values) for one in of)
    return np.ravel_multi_index([one.place for one in of], shape), shape


def _worth(
    scores: Floats, of: Sequence[Parameter], parameters: Sequence[Parameter], is_full: bool, untold: Any
) -> Floats:
    """The effect of each value, or pair of values, in each block, of those that are told.    [C, B], [V]  →  [V, B]"""
    place, shape = _value_indices(of)
    has_value = np.arange(math.prod(shape)) == place[:, None]  # [C, V]
    if is_full:
        return np.asarray(has_value.T @ (scores - scores.mean(0)) / has_value.sum(0)[:, None])
    others = [np.eye(len(one.values))[one.place] for one in parameters if one not in of]
    return _without_others(scores, has_value, np.hstack([has_value, *others]), untold)


def _diverged_alone(fell: Any, trained: Any, of: Sequence[Parameter], parameters: Sequence[Parameter]) -> Any:
    """Which values, or pairs, had a network that diverged where not that of each other one did, of those that were
    trained there, or where no other was.

    Where all else that diverges takes every value with it, as too high a rate does, it tells nothing of them.
    fell, trained [C, B]  →  [V]
    """
    place, shape = _value_indices(of)
    others = [np.zeros_like(place), *(one.place for one in parameters if one not in of)]
    beside = np.unique(np.column_stack(others), axis=0, return_inverse=True)[1].ravel()  # alike in all else
    by_value = np.zeros((2, int(beside.max()) + 1, math.prod(shape), fell.shape[1]), bool)
    for found, one in zip(by_value, (fell, trained), strict=True):
        np.logical_or.at(found, (beside, place), one)
    diverged, there = by_value
    takes_all = (diverged == there).all(1, keepdims=True) & (there.sum(1, keepdims=True) > 1)
    return (diverged & ~takes_all).any((0, 2))


def _without_others(scores: Floats, has_value: Any, design: Floats, untold: Any) -> Floats:
    """What each value is worth in each block where a table is not full.    [C, B], [C, V], [C, P], [V]  →  [V, B]"""
    count = has_value.shape[1]
    worth, group = np.full((2, count, scores.shape[1]), np.nan)
    there = ~np.isnan(scores)
    patterns, which = np.unique(there.T, axis=0, return_inverse=True)
    for at, rows in enumerate(patterns):
        blocks = which.ravel() == at
        fitted, told_apart = _least_squares(design[rows], scores[np.ix_(rows, blocks)], count)
        worth[:, blocks], group[:, blocks] = fitted, told_apart[:, None]
    worth[untold] = group[untold] = np.nan
    return _center(worth, group, has_value[there.any(1)].sum(0))


def _least_squares(design: Floats, scores: Floats, count: int) -> tuple[Floats, Floats]:
    """What the first values of a design are worth in the blocks that have these rows, by least squares, and a number
    for each: those of one number can be told apart. NaN where no row has the value.

    design [C, P], ones and zeros      scores [C, B]  →  [count, B], [count]
    """
    squares = design.T @ design
    inverse = np.linalg.pinv(squares, rcond=1e-9, hermitian=True)
    # A difference of two values is told where nothing that leaves all scores as they are changes it.
    unseen = (np.eye(len(squares)) - inverse @ squares)[:count]
    group = (np.abs(unseen[:, None] - unseen).max(-1) < 1e-6).argmax(1)
    is_there = design[:, :count].sum(0) > 0
    return np.where(is_there[:, None], inverse[:count] @ (design.T @ scores), np.nan), np.where(is_there, group, np.nan)


def _center(worth: Floats, group: Floats, weights: Integers) -> Floats:
    """What values are worth, less the mean of those that can be told apart from one another in the most blocks: of as
    many of them as some block holds together.

    worth, group [V, B]      weights [V]  configurations that have the value
    """
    alike = (group[:, None] == group).sum(-1)  # blocks in which two are told apart, or one is there
    np.fill_diagonal(alike, 0)
    if not alike.any():
        return np.full_like(worth, np.nan)
    most = alike == alike.max()
    first = int(np.argmax(most @ weights))
    told_apart = group == group[first]
    base, shared = [first], told_apart[first]
    for one in sorted(np.flatnonzero(most[first]).tolist(), key=lambda value: -weights[value]):
        if (shared & told_apart[one]).any():
            base, shared = [*base, one], shared & told_apart[one]
    return np.where(shared & told_apart, worth - np.average(worth[base], axis=0, weights=weights[base]), np.nan)


def _range(effect: Effect) -> float:
    there = effect.mean[~np.isnan(effect.mean)]
    return float(np.ptp(there)) if len(there) else 0.0


def _mean_and_half(values: Floats, risk: float) -> tuple[Floats, Floats]:
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


def has_diverged(scores: Any) -> Any:
    """Which scores are of networks that diverged.

    >>> has_diverged([0.5, -np.inf, np.nan])
    array([False,  True, False])
    """
    return np.abs(scores) >= LARGEST


def mean_of_all(scores: Any) -> Floats:
    """The mean of each row's scores, NaN where a network diverged: survivors do not stand for all.

    >>> mean_of_all([[1.0, 3.0, np.nan], [-np.inf, 2.0, 2.0]])
    array([ 2., nan])
    """
    return np.where(has_diverged(scores).any(1), np.nan, mean_there(scores, 1))


def mean_there(values: Any, axis: int) -> Floats:
    """The mean of what is there, NaN where nothing is; what is infinite is not.

    >>> mean_there([[1.0, 3.0, np.nan], [-np.inf, np.nan, np.nan]], 1)
    array([ 2., nan])
    """
    there = np.isfinite(values)
    count = there.sum(axis)
    sums = np.where(there, values, 0).sum(axis)
    return np.asarray(np.divide(sums, count, out=np.full(np.shape(count), np.nan), where=count > 0))
