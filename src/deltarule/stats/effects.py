"""Effects of hyperparameters in a grid: which matter, and by how much.

C configurations · B blocks: the seeds, or folds and seeds, that all configurations share · V values of a parameter

Intervals. An easy fold or a lucky seed affects all configurations of its block alike. So differences are taken within
blocks, and intervals are Student's t intervals over the blocks. With one block there is no interval (NaN), because the
noise is unknown. The same holds if a difference is equal in all of a few blocks, as scores that are shares of few rows
may be by chance: all B differences of two equal configurations have one sign with a probability of at most 2^(1 − B).
If that is within the risk, the interval has width 0 (the sign test). Blocks count as independent. Several seeds of one
fold are not; the intervals then hold for these folds only.

Effects. An effect is the change of the score when one value changes and all else is the same. Each block is fitted by
least squares as a sum with one term for each value of each parameter (Searle 1987, Linear Models for Unbalanced Data);
in a full grid that gives differences of means. Effects that the table does not determine are NaN.

The best is chosen by the same scores by which it is compared, so the intervals of all C (C − 1) / 2 pairs hold
simultaneously (Bonferroni). Multiple comparisons with the best are sharper (Hsu 1996, chapter 4).

Missing and diverged. NaN marks what was not trained; only blocks in which every configuration was trained are compared.
If there are fewer than two, all blocks are, but effects only have configurations with a score in each of them.
An infinite score, or one whose square overflows, marks a network that diverged; a block without any other score is
ignored. A configuration with a diverged network has no mean and is part of no effect. The effect of a value with a
diverged network is NaN, unless with the same other values several values were trained and all of them diverged.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats, Integers
from deltarule.stats.ranking import (
    EXPECTED_SCORES,
    MAX_FINITE_SCORE,
    RISK,
    complete_blocks,
    finite_mean,
    mean_and_half_width,
    score_table,
)

GROUP_COUNT = 5
"""Number of groups for a parameter with many different numbers."""


@dataclass(frozen=True, eq=False)
class GridParameter:
    """A hyperparameter of a grid: its values, and that of each configuration.

    key         dotted: "optimizer.learning_rate"
    values [V]  its values as texts, numbers in ascending order
    index [C]   the index of each configuration's value
    """

    key: str
    values: tuple[str, ...]
    index: Integers

    @property
    def name(self) -> str:
        return last_key(self.key)


@dataclass(frozen=True, eq=False)
class Effect:
    """The effect of a value or a pair: the score minus its mean over all values.

    keys            of the parameter, or of the two
    mean, half      [V] or [V, V']: the effect, and half the width of its interval (95 %). The mean is NaN without a
                    score, if the table does not determine the effect, or if networks diverged with the value
    diverged, rows  [V] or [V, V']: the number of networks that diverged, and of all trained ones, in complete blocks
    """

    keys: tuple[str, ...]
    mean: Floats
    half: Floats
    diverged: Integers
    rows: Integers


@dataclass(frozen=True, eq=False)
class Effects:
    """The effects of all parameters with more than one value, the largest first.

    overall     the mean score of all configurations without a diverged network
    marginal    the effects of each parameter
    pairwise    the effects of each pair, in the order of the parameters
    blocks      the number of blocks in which all were trained and something has a score
    left_out    keys of parameters with too many values that are not numbers
    """

    overall: float
    parameters: tuple[GridParameter, ...]
    marginal: tuple[Effect, ...]
    pairwise: tuple[Effect, ...]
    blocks: int
    left_out: tuple[str, ...] = ()

    @property
    def sentences(self) -> list[str]:
        """The effects of the best and the worst value of each parameter."""
        sentences = []
        for parameter, effect in zip(self.parameters, self.marginal, strict=True):
            if np.isnan(effect.mean).all():
                sentences.append(f"{parameter.name}: not determined by this table.")
                continue
            texts = []
            for at in (np.nanargmax(effect.mean), np.nanargmin(effect.mean)):
                half = "" if np.isnan(effect.half[at]) else f" (± {effect.half[at]:.2g})"
                texts.append(f"{parameter.values[at]} {effect.mean[at]:+.3g}{half}")
            sentences.append(f"{parameter.name}: {', '.join(dict.fromkeys(texts))}.")
        return sentences

    @property
    def without_effect(self) -> str:
        """A sentence on the values without an effect; empty if there are none.

        >>> effects([{"rate": rate} for rate in (0.1, 1, 10)], [[0.5, 0.6], [0.7, 0.8], [-np.inf, 0.9]]).without_effect
        'Without an effect, as networks diverged or too few scores compare: rate 10.'
        """
        texts = []
        for parameter, effect in zip(self.parameters, self.marginal, strict=True):
            values = [value for value, mean in zip(parameter.values, effect.mean, strict=True) if np.isnan(mean)]
            texts += [f"{parameter.name} {', '.join(values)}"] if values else []
        reason = "as networks diverged or too few scores compare"
        return f"Without an effect, {reason}: {'; '.join(texts)}." if texts else ""


def parameters_of(settings: Sequence[Mapping[str, Any]]) -> tuple[tuple[GridParameter, ...], tuple[str, ...]]:
    """The hyperparameters in which configurations differ, and keys left out.

    Parameters
    ----------
    settings : the values of each configuration by dotted key.
    """
    parameters = []
    left_out = []
    for key in dict.fromkeys(key for setting in settings for key in setting):
        values = [setting.get(key) for setting in settings]
        texts = [format_value(value) for value in values]
        if len(set(texts)) < 2:
            continue
        # Up to eight values have an effect each; more numbers are grouped.
        if len(set(texts)) <= 8:
            pairs = sorted(dict(zip(texts, values, strict=True)).items(), key=lambda pair: _sort_key(pair[1]))
            ordered = tuple(text for text, _ in pairs)
            parameters.append(GridParameter(key, ordered, np.array([ordered.index(text) for text in texts])))
        elif all(_is_number(value) for value in values):
            parameters.append(_bin_values(key, np.array(values, np.float64)))
        else:
            left_out.append(key)
    return tuple(parameters), tuple(left_out)


def effects(settings: Sequence[Mapping[str, Any]], scores: Any) -> Effects:
    """Estimate the effects on the score of all parameters and pairs that differ.

    Parameters
    ----------
    settings : of the C configurations by dotted key.
    scores : [C, B], NaN for what was not trained, infinite for diverged networks. `Sweep.scores` gives both.

    Raises
    ------
    BadInput
        For other shapes.
    """
    table = score_table(scores)
    if len(table) != len(settings) or not table.size:
        shape = " × ".join(map(str, table.shape))
        raise BadInput(f"the scores are {shape} for {len(settings)} configurations; give {EXPECTED_SCORES}")
    scores, trained, _ = complete_blocks(table)
    diverged = trained & np.isnan(scores)
    scores = np.where(diverged.any(1, keepdims=True), np.nan, scores)
    parameters, left_out = parameters_of(settings)
    effects_of = _EffectTable(parameters, scores, trained, diverged)
    marginal = list(map(effects_of.effect, parameters))
    order = sorted(range(len(parameters)), key=lambda index: -np.ptp(np.nan_to_num(marginal[index].mean)))
    ordered = tuple(parameters[index] for index in order)
    return Effects(
        float(finite_mean(finite_mean(scores, 1), 0)),
        ordered,
        tuple(marginal[index] for index in order),
        tuple(effects_of.effect(*pair) for pair in itertools.combinations(ordered, 2)),
        scores.shape[1],
        left_out,
    )


@dataclass(frozen=True, eq=False)
class _EffectTable:
    """The scores [C, B] in complete blocks, NaN for configurations of which a network diverged.

    trained, diverged  whether a network [C, B] was trained, and diverged
    """

    parameters: tuple[GridParameter, ...]
    scores: Floats
    trained: Any
    diverged: Any

    def effect(self, *chosen: GridParameter) -> Effect:
        """The effects of a parameter's values, or of a pair's."""
        shape = tuple(len(parameter.values) for parameter in chosen)
        indices = np.ravel_multi_index([parameter.index for parameter in chosen], shape)
        has_value = np.arange(math.prod(shape)) == indices[:, None]  # [C, V]
        others = [parameter for parameter in self.parameters if parameter not in chosen]
        complete = ~np.isnan(self.scores).any(1)
        design = np.hstack([has_value, *(np.eye(len(other.values))[other.index] for other in others)])[complete]
        effect_by_block = _fitted_effects(design, self.scores[complete], has_value[complete].sum(0))
        effect_by_block[_diverged_alone(self.diverged.any(1), has_value, others)] = np.nan
        counts = (np.bincount(indices, mask.sum(1), math.prod(shape)) for mask in (self.diverged, self.trained))
        diverged, rows = (count.astype(int).reshape(shape) for count in counts)
        mean, half = (values.reshape(shape) for values in mean_and_half_width(effect_by_block, RISK))
        return Effect(tuple(parameter.key for parameter in chosen), mean, half, diverged, rows)


def last_key(key: str) -> str:
    return key.rpartition(".")[2].replace("_", " ")


def format_value(value: Any) -> str:
    """Format a value of a hyperparameter as a short text: 0.001, tanh, 784-100-10."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        named = [format_value(value["name"])] if "name" in value else []
        return ", ".join(named + [f"{key} {format_value(part)}" for key, part in value.items() if key != "name"])
    if isinstance(value, list | tuple):
        return "-".join(format_value(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sort_key(value: Any) -> tuple[Any, ...]:
    if _is_number(value):
        return (0, float(value))
    if isinstance(value, list | tuple):
        return (1, tuple((0, float(part)) if _is_number(part) else (1, str(part)) for part in value))
    return (2, str(value))


def _bin_values(key: str, values: Floats) -> GridParameter:
    """Make a `GridParameter` of a key with many numbers: its values are a few ranges of them."""
    ordered = np.sort(values)
    starts = np.unique(ordered[np.arange(GROUP_COUNT) * len(ordered) // GROUP_COUNT])
    index = np.searchsorted(starts, values, "right") - 1
    ends = [values[index == group].max() for group in range(len(starts))]
    words = tuple(f"{start:.3g} to {end:.3g}" for start, end in zip(starts.tolist(), ends, strict=True))
    return GridParameter(key, words, index)


def _diverged_alone(diverged: Any, has_value: Any, others: Sequence[GridParameter]) -> Any:
    """Mask [V] of values that alone diverged with the same other settings; if all did, that says nothing of them."""
    settings = np.column_stack([np.zeros(len(diverged), int), *(other.index for other in others)])
    same_others = np.unique(settings, axis=0, return_inverse=True)[1].ravel()
    is_group = np.arange(same_others.max() + 1)[:, None] == same_others  # [G, C]
    was_trained = (is_group.astype(int) @ has_value) > 0
    did_diverge = (is_group.astype(int) @ (has_value & diverged[:, None])) > 0
    says_nothing = (did_diverge == was_trained).all(1) & (was_trained.sum(1) > 1)
    return did_diverge[~says_nothing].any(0)


def _fitted_effects(design: Floats, scores: Floats, counts: Integers) -> Floats:
    """The effect [V, B] of each value in each block, by least squares.

    Only differences of terms that the scores determine are compared: those of the largest group of values; others are
    NaN.    design [C, P], ones and zeros, the values' terms first      scores [C, B]      counts [V] of configurations
    """
    squares = design.T @ design
    inverse = np.linalg.pinv(squares, rcond=1e-9, hermitian=True)
    terms = (inverse @ (design.T @ scores))[: len(counts)]
    # A difference of two values is determined if no change of the terms that keeps all scores changes it.
    undetermined = (np.eye(len(squares)) - inverse @ squares)[: len(counts)]
    is_comparable = (np.abs(undetermined[:, None] - undetermined).max(-1) < 1e-6) & (counts > 0) & (counts > 0)[:, None]
    sizes = is_comparable.sum(1)
    first = int(np.argmax(np.where(sizes == sizes.max(), is_comparable @ counts, -1)))
    group = is_comparable[first]
    if group.sum() < 2:
        return np.full_like(terms, np.nan)
    return np.where(group[:, None], terms - np.average(terms[group], axis=0, weights=counts[group]), np.nan)


def mean_unless_diverged(scores: Any) -> Floats:
    """The mean of each row's scores, [C, B] → [C]; NaN if a network diverged."""
    diverged = np.abs(scores) >= MAX_FINITE_SCORE
    return np.where(diverged.any(1), np.nan, finite_mean(scores, 1))
