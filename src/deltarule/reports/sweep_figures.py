"""Charts of a sweep: effects, rankings, and a line for each configuration.

C configurations · B blocks (folds and seeds) · P parameters · V values of a parameter
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats
from deltarule.reports import style
from deltarule.reports.chart import CELL_INCHES, Chart, rows_axis
from deltarule.reports.marks import Axis, Cells, Dots, Mark, Panel, Rule, Segments, Texts
from deltarule.reports.text_fitting import fit_names, text_width
from deltarule.stats.effects import Effect, Effects, Parameter, format_value, parameters_of
from deltarule.stats.ranking import Ranking, ranking

MAX_RANKED = 20
"""Maximum number of configurations in a ranking."""
MAX_EFFECT_PARAMETERS, MAX_LINE_PARAMETERS = 5, 8
"""Maximum number of parameters beside each other, in a matrix of effects and with a line for each configuration."""
MAX_DRAWN = 200
"""Maximum number of lines: the best configurations are half of them, the others evenly spaced by rank."""
AXIS_DISTANCE_INCHES = 1.3
"""Distance between the axes of two parameters."""
CELL_WIDTH_INCHES, CELL_HEIGHT_INCHES = 0.5, 0.34
"""Size of a cell with an effect and half its interval."""
VALUE_NAME_POINTS, CONFIGURATION_NAME_POINTS = 80, 210
"""Maximum width in points of the names of a value and of a configuration."""
FOLDS_NOTE = "Blocks count as independent; with several seeds a fold this is the noise on these folds alone."
CHOSEN_NOTE = (
    "The first was chosen by these scores, so its mean is too good: score it on rows that had no part in that."
)


def effects_matrix(found: Effects, *, quantity: str) -> Chart:
    """The effects of all values of parameters and of all pairs, with intervals.

    On the diagonal is the mean score of a value, less that of all configurations, as a dot with its interval (95 %);
    below it that of a pair of values, with half of its interval.

    Parameters
    ----------
    found : what `deltarule.stats.effects.effects` returns.
    quantity : what the scores are.

    Raises
    ------
    BadInput
        If no parameter has several values.

    Examples
    --------
    >>> from deltarule.stats.effects import effects
    >>> settings = [{"rate": rate, "momentum": momentum} for rate in (0.1, 1) for momentum in (0, 0.9)]
    >>> found = effects(settings, [[0.5, 0.6], [0.5, 0.6], [0.9, 0.9], [0.9, 1.0]])
    >>> effects_matrix(found, quantity="accuracy").sentences[0]
    'rate: 1 +0.188 (± 0.16), 0.1 -0.188 (± 0.16).'
    """
    count = min(len(found.parameters), MAX_EFFECT_PARAMETERS)
    if not count:
        raise BadInput("all configurations are alike; effects are drawn of parameters that take several values")
    parameters = found.parameters[:count]
    widths = [max(len(parameter.values), 2) for parameter in parameters]
    heights = [max(len(parameter.values), 4) for parameter in parameters]
    pairs = {effect.keys: effect for effect in found.pairwise}
    largest = max(float(np.nanmax(np.abs(one.mean), initial=0)) for one in (*found.marginal, *found.pairwise)) or 1.0
    limits, number_format = _effect_limits(found.marginal[:count]), _number_format(found)
    panels: list[Panel | None] = []
    for row, column in np.ndindex(count, count):
        below = _value_axis(parameters[column], is_last=row == count - 1)
        if row == column:
            panels.append(_marginal_panel(parameters[row], found.marginal[row], limits, below, is_first=row == 0))
        elif row > column:
            pair = pairs[parameters[column].key, parameters[row].key]
            names = parameters[row].values if column == 0 else []
            label = last_key(parameters[row].key) if column == 0 else ""
            y = Axis(label, names=names, name_points=VALUE_NAME_POINTS, font_size=8)
            panels.append(Panel([_pair_cells(pair, largest, number_format)], below, y, is_bare=True))
        else:
            panels.append(None)
    sentences = [_describe_effect(one, effect) for one, effect in zip(parameters, found.marginal, strict=False)]
    width = max(5.2, 1.6 + 0.25 * count + CELL_WIDTH_INCHES * sum(widths))
    return Chart(
        "What each parameter is worth",
        panels,
        columns=count,
        size=(width, 1.7 + 0.2 * count + CELL_HEIGHT_INCHES * sum(heights)),
        ratios=(widths, heights),
        notes=_effect_notes(found, quantity, count),
        sentences=[*sentences, describe_diverged_values(found)],
    )


def describe_diverged_values(effects: Effects) -> str:
    """A sentence on values without an effect because networks diverged with them.

    >>> from deltarule.stats.effects import effects
    >>> found = effects([{"rate": rate} for rate in (0.1, 1, 10)], [[0.5, 0.6], [0.7, 0.8], [-np.inf, 0.9]])
    >>> describe_diverged_values(found)
    'Without an effect, as networks diverged: rate 10 (1 of 2).'
    """
    texts = []
    for parameter, effect in zip(effects.parameters, effects.marginal, strict=True):
        rows = zip(parameter.values, effect.mean, effect.diverged, effect.rows, strict=True)
        values = [f"{value} ({fell:,} of {of:,})" for value, mean, fell, of in rows if np.isnan(mean) and fell]
        texts += [f"{last_key(parameter.key)} {', '.join(values)}"] if values else []
    return f"Without an effect, as networks diverged: {'; '.join(texts)}." if texts else ""


def ranking_with_intervals(settings: Sequence[Mapping[str, Any]], ranked: Ranking, *, quantity: str) -> Chart:
    """The best configurations, and which may be as good as the first.

    Parameters
    ----------
    settings : hyperparameters of each of the C configurations by dotted key.
    ranked : what `deltarule.stats.ranking.ranking` returns.
    quantity : what the scores are.

    Examples
    --------
    >>> from deltarule.stats.ranking import ranking
    >>> ranked = ranking([[0.8, 0.7, 0.9], [0.91, 0.81, 1.0]])
    >>> chart = ranking_with_intervals([{"rate": 0.1}, {"rate": 1.0}], ranked, quantity="accuracy")
    >>> chart.panels[0].y.names
    ['1: 1', '2: 0.1']
    """
    parameters = parameters_of(settings)[0]
    shown = min(len(ranked.place), MAX_RANKED)
    short_names = [
        ", ".join(format_value(settings[index].get(parameter.key)) for parameter in parameters)
        for index in ranked.place[:shown].tolist()
    ]
    names = [f"{rank}: {name}" for rank, name in enumerate(fit_names(short_names, CONFIGURATION_NAME_POINTS, 8.5), 1)]
    rows, means, half = np.arange(shown), ranked.mean[:shown], np.nan_to_num(ranked.half[:shown])
    lacks_scores = ~ranked.is_as_good & np.isnan(ranked.behind)
    marks: list[Mark] = []
    for chosen, color, marker, entry in (
        (ranked.is_as_good, style.BLUE, "o", "may be as good as the first"),
        (~ranked.is_as_good & ~lacks_scores, style.ORANGE, "s", "surely behind it"),
        (lacks_scores, style.GRAY, "D", "not compared: lacks scores"),
    ):
        drawn = np.flatnonzero(chosen[:shown] & ~np.isnan(means))
        if len(drawn):
            ends = np.stack([means[drawn] - half[drawn], means[drawn] + half[drawn]], 1)
            marks.append(Dots(means[drawn], rows[drawn], entry, color, marker, intervals=ends))
    keys = ", ".join(last_key(parameter.key) for parameter in parameters) or "configuration"
    x = Axis(f"mean {quantity}, with its interval (95 %)")
    y = rows_axis(keys, names, 2 * CONFIGURATION_NAME_POINTS)
    verdict = _describe_ranking(ranked)
    notes, sentences = [verdict], [verdict]
    if ranked.blocks and len(ranked.place) > 1:
        notes.append(CHOSEN_NOTE)
    if ranked.blocks:
        mean = "" if np.isnan(ranked.mean[0]) else f", {ranked.mean[0]:.4g}"
        sentences.append(f"The first: {names[0].removeprefix('1: ')}{mean}.")
    size = 5.6 + max(text_width(name, 8.5) for name in names) / 72, 1.8 + CELL_INCHES[1] * shown
    return Chart("Is the winner more than noise?", [Panel(marks, x, y)], size=size, notes=notes, sentences=sentences)


def _describe_ranking(ranked: Ranking) -> str:
    """Describe whether the first configuration is better by more than noise."""
    count, others = len(ranked.place), int(ranked.is_as_good.sum()) - 1
    if not ranked.blocks:
        return "None has a score, so nothing is compared."
    if count == 1:
        return "There is one configuration alone, so it is compared with none."
    if ranked.blocks < 2:
        return "Each has one row alone, so nothing is known of the noise; give several seeds or folds."
    lacking_scores = int(np.isnan(ranked.behind[1:]).sum())
    compared = count - 1 - lacking_scores
    have = "all scores" if ranked.alike else "scores in two of its blocks"
    blocks = f"{ranked.blocks:,} blocks{'' if ranked.alike else ' or more'}"
    within = f"compared within {blocks} of the same fold and seed, all at once with 95 %. {FOLDS_NOTE}"
    if not compared:
        return f"None of the others has {have}, so the first is compared with none."
    compared_with = f"others that have {have}" if lacking_scores else "others"
    if not others:
        return f"The first of {count:,} is better than all {compared_with}, {within}"
    return f"{others:,} of the {compared:,} {compared_with} may be as good as the first, {within}"


def parallel_coordinates(settings: Sequence[Mapping[str, Any]], scores: Any, *, quantity: str) -> Chart:
    """Every configuration as a line through its parameters to its mean score.

    Parameters
    ----------
    settings : the hyperparameters of each of the C configurations, by dotted key.
    scores : [C, B], NaN for what was not trained, infinite for what diverged: `Sweep.scores` returns both.
    quantity : what the scores are, such as "accuracy on validation rows".

    Raises
    ------
    BadInput
        If no parameter has several values.

    Examples
    --------
    >>> settings = [{"optimizer.learning_rate": rate, "loss.strength": 0.1} for rate in (0.1, 1.0)]
    >>> parallel_coordinates(settings, [[0.5], [0.9]], quantity="accuracy").panels[0].x.names
    ['learning rate', 'mean']
    """
    ranked = ranking(scores)
    # A configuration with few scores is not compared, because it may be above the best by chance.
    lacks_scores = np.isnan(ranked.behind) & ~np.isnan(ranked.behind[:1])
    means = np.where(lacks_scores, np.nan, ranked.mean)[np.argsort(ranked.place)]
    parameters = parameters_of(settings)[0][:MAX_LINE_PARAMETERS]
    if not parameters:
        raise BadInput("all configurations are alike; lines are drawn of parameters that take several values")
    drawn = _select_lines(means)
    low, high = _score_limits(means)
    score_heights = (np.maximum(means, low) - low) / (high - low)
    heights = np.column_stack([*(_line_heights(one, score_heights) for one in parameters), score_heights])[drawn]
    paths = [np.column_stack([np.arange(len(path)), path]) for path in heights]
    marks: list[Mark] = [Segments(paths, style.sequential_colormap()(0.2 + 0.8 * heights[:, -1]))]
    for index, parameter in enumerate(parameters):
        marks += _value_marks(index, parameter.values, _value_heights(parameter))
    ticks = np.linspace(low, high, 5)
    marks += _value_marks(len(parameters), [f"{tick:.3g}" for tick in ticks], (ticks - low) / (high - low))
    x = Axis(
        f"parameters, and the mean {quantity} last",
        names=[*(last_key(one.key) for one in parameters), "mean"],
        limits=(-0.1, len(parameters) + 0.45),
        name_points=72 * AXIS_DISTANCE_INCHES,
    )
    y = Axis("values of the parameters", "hidden", limits=(-0.1, 1.1))
    notes = ["A line a configuration: the darker, and of those through one value the higher, the better."]
    if (means < low).any():
        notes.append(f"Means below {low:.4g} are drawn there.")
    if lacks_scores.any():
        notes.append(f"{lacks_scores.sum():,} of {len(means):,} lack scores that the best has, and are not drawn.")
    if len(drawn) < np.isfinite(means).sum():
        notes.append(f"{len(drawn):,} of {len(means):,} are drawn: the best {MAX_DRAWN // 2}, and others by rank.")
    best, worst = int(ranked.place[0]), int(np.nanargmin(means))
    return Chart(
        f"Every configuration, to its mean {quantity}",
        [Panel(marks, x, y, is_bare=True, has_frame=False)],
        size=(max(7.0, 1.4 + AXIS_DISTANCE_INCHES * (len(parameters) + 1)), 4.2),
        notes=notes,
        sentences=[
            f"The best of {len(means):,}: {_describe_parameters(parameters, best)}, {means[best]:.4g}.",
            f"The last: {_describe_parameters(parameters, worst)}, {means[worst]:.4g}.",
        ],
    )


def _marginal_panel(
    parameter: Parameter, effect: Effect, limits: tuple[float, float], below: Axis, is_first: bool
) -> Panel:
    half = np.nan_to_num(effect.half)
    ends = np.stack([effect.mean - half, effect.mean + half], 1)
    marks = [Rule(y=0.0), Dots(np.arange(len(half)), effect.mean, intervals=ends, are_upright=True)]
    y = Axis(last_key(parameter.key) if is_first else "", limits=limits, font_size=7, has_upright_label=not is_first)
    return Panel(marks, below, y)


def _value_axis(parameter: Parameter, is_last: bool) -> Axis:
    limits = -0.5, max(len(parameter.values), 2) - 0.5
    if not is_last:
        return Axis(scale="hidden", limits=limits)
    options: dict[str, Any] = {"is_upright": True, "name_points": VALUE_NAME_POINTS, "font_size": 8}
    return Axis(last_key(parameter.key), names=parameter.values, limits=limits, **options)


def _pair_cells(effect: Effect, largest: float, number_format: str) -> Cells:
    """A pair's effects as cells with half their interval."""
    mean, half = effect.mean.T, effect.half.T
    texts = [["" for _ in row] for row in mean]
    for row, column in np.argwhere(~np.isnan(mean)):
        text = _format_effect(mean[row, column], f"+{number_format}")
        text += "" if np.isnan(half[row, column]) else f"\n±{_format_effect(half[row, column], number_format)}"
        texts[row][column] = text
    return Cells(mean, texts, (-largest, largest), font_size=6.5)


def _number_format(effects: Effects) -> str:
    parts = [np.abs(part).ravel() for one in effects.pairwise for part in (one.mean, one.half)]
    largest = float(np.nanmax(np.concatenate([np.empty(0), *parts]), initial=0)) or 1.0
    digits = int(2 - np.floor(np.log10(largest)))
    return f".{max(digits, 0)}f" if -1 <= digits <= 4 else ".1e"


def _format_effect(value: Any, number_format: str) -> str:
    text = f"{value:{number_format}}"
    return text if text.strip("+-0.") else text.lstrip("+-")


def _effect_limits(marginal: Sequence[Effect]) -> tuple[float, float]:
    ends = np.concatenate([one.mean + side * np.nan_to_num(one.half) for one in marginal for side in (-1, 1)])
    low, high = float(np.nanmin(ends, initial=0)), float(np.nanmax(ends, initial=0))
    room = 0.1 * (high - low) or 1.0
    return low - room, high + room


def _describe_effect(parameter: Parameter, effect: Effect) -> str:
    """The effects of the best and the worst value of a parameter, as a sentence."""
    if np.isnan(effect.mean).all():
        return f"{last_key(parameter.key)}: not determined by this table."
    texts = []
    for at in dict.fromkeys((int(np.nanargmax(effect.mean)), int(np.nanargmin(effect.mean)))):
        half = "" if np.isnan(effect.half[at]) else f" (± {effect.half[at]:.2g})"
        texts.append(f"{parameter.values[at]} {effect.mean[at]:+.3g}{half}")
    return f"{last_key(parameter.key)}: {', '.join(texts)}."


def _effect_notes(effects: Effects, quantity: str, count: int) -> list[str]:
    """What the effects are, their intervals, and the parameters left out."""
    has_diverged = any(one.diverged.any() for one in effects.marginal)
    of = "those that never diverged" if has_diverged else "all configurations"
    overall = "" if np.isnan(effects.overall) else f" ({effects.overall:.4g})"
    notes = [f"Mean {quantity} less that of {of}{overall}; the parameters that matter most first."]
    if effects.blocks < 2:
        notes.append("One row each: nothing is known of the noise, and there are no intervals.")
    else:
        notes.append(f"Bars, and ±: intervals (95 %) over {effects.blocks:,} blocks of the same fold and seed.")
        notes.append(FOLDS_NOTE)
    if count < len(effects.parameters):
        notes.append(f"{len(effects.parameters) - count} parameters that matter less are left out.")
    if effects.left_out:
        notes.append(f"Too many different values: {', '.join(map(last_key, effects.left_out))}.")
    return notes


def _select_lines(means: Floats) -> Floats:
    """The indices of the means [C] to draw, worst first; of many a sample."""
    order = np.argsort(means)
    order = order[~np.isnan(means[order])]
    if len(order) <= MAX_DRAWN:
        return order
    half = MAX_DRAWN // 2
    others = order[:-half]
    return np.concatenate([others[np.linspace(0, len(others) - 1, half).round().astype(int)], order[-half:]])


def _score_limits(means: Floats) -> tuple[float, float]:
    """The limits of the score axis, without means far below the others."""
    known = means[~np.isnan(means)]
    if not len(known):
        raise BadInput("no configuration has a score in every block; there is nothing to draw")
    low, high = float(known.min()), float(known.max())
    # Means farther from the best than this multiple of the median's distance are not shown: they would flatten the
    # rest.
    low = max(low, high - 20 * (high - float(np.median(known))))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _value_heights(parameter: Parameter) -> Floats:
    return np.linspace(0, 1, len(parameter.values))


def _line_heights(parameter: Parameter, score_heights: Floats) -> Floats:
    # Spread of the lines through one value, as a share of the distance to the next value.
    return _value_heights(parameter)[parameter.index] + 0.16 * (score_heights - 0.5) / (len(parameter.values) - 1)


def _value_marks(x: int, names: Sequence[str], heights: Floats) -> list[Mark]:
    fitted = fit_names(names, 72 * (AXIS_DISTANCE_INCHES - 0.25), 7.5)
    return [Rule(x=x), Texts([x + 0.04] * len(names), heights, fitted, font_size=7.5)]


def _describe_parameters(parameters: Sequence[Parameter], configuration: int) -> str:
    return ", ".join(
        f"{last_key(parameter.key)} {parameter.values[parameter.index[configuration]]}" for parameter in parameters
    )


def last_key(key: str) -> str:
    """The last part of a dotted key, with spaces."""
    return key.rpartition(".")[2].replace("_", " ")
