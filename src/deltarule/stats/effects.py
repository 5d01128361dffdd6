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
from deltarule.stats.ranking import LARGEST, RISK, TABLE, complete_blocks, mean_and_half, mean_there, score_table

GROUPS = 5
"""Groups into which a parameter's numbers are put where there are many different ones."""


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


def parameters_of(settings: Sequence[Mapping[str, Any]]) -> tuple[tuple[Parameter, ...], tuple[str, ...]]:
    """The parameters in which configurations differ, and the keys of those that have too many values to be looked at.

    >>> settings = [{"rate": rate, "layers": [8, 3]} for rate in (10.0, 0.1)]
    >>> parameters_of(settings)[0][0].values
    ('0.1', '10')
    """
    found, left_out = [], []
    for key in dict.fromkeys(key for setting in settings for key in setting):
        given = [setting.get(key) for setting in settings]
        words = [format_value(value) for value in given]
        if len(set(words)) < 2:
            continue
        # Values of a parameter that are looked at one by one; numbers that have more are put into groups.
        if len(set(words)) <= 8:
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
    table = score_table(scores)
    if len(table) != len(settings) or not table.size:
        told = " × ".join(map(str, table.shape))
        raise BadInput(f"the scores are {told} for {len(settings)} configurations; give {TABLE}")
    scores, trained, _ = complete_blocks(table)
    fell = trained & np.isnan(scores)
    scores = np.where(fell.any(1, keepdims=True), np.nan, scores)
    parameters, left_out = parameters_of(settings)
    is_full = _is_full(scores, parameters)

    def effect(*of: Parameter) -> Effect:
        place, shape = _value_indices(of)
        worth = _worth(scores, of, parameters, is_full, _diverged_alone(fell, trained, of, parameters))
        counts = (np.bincount(place, one.sum(1), math.prod(shape)) for one in (fell, trained))
        diverged, rows = (count.astype(int).reshape(shape) for count in counts)
        mean, half = (one.reshape(shape) for one in mean_and_half(worth, RISK))
        return Effect(tuple(one.key for one in of), mean, half, diverged, rows)

    marginal = [effect(parameter) for parameter in parameters]
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
    counts = Counter(zip(*(parameter.place.tolist() for parameter in parameters), strict=True)).values()
    combinations = math.prod(len(parameter.values) for parameter in parameters)
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
    others = [np.eye(len(parameter.values))[parameter.place] for parameter in parameters if parameter not in of]
    return _without_others(scores, has_value, np.hstack([has_value, *others]), untold)


def _diverged_alone(fell: Any, trained: Any, of: Sequence[Parameter], parameters: Sequence[Parameter]) -> Any:
    """Which values, or pairs, had a network that diverged where not that of each other one did, of those that were
    trained there, or where no other was.

    Where all else that diverges takes every value with it, as too high a rate does, it tells nothing of them.
    fell, trained [C, B]  →  [V]
    """
    place, shape = _value_indices(of)
    others = [np.zeros_like(place), *(parameter.place for parameter in parameters if parameter not in of)]
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
