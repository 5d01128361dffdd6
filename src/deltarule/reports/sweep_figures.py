"""Charts of a sweep: effects and rankings.

C configurations · B blocks (folds and seeds) · P parameters · V values of a parameter
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats
from deltarule.reports import style
from deltarule.reports.chart import CELL_INCHES, Chart, rows_axis
from deltarule.reports.marks import Axis, Cells, Dots, Mark, Panel, RuleLine
from deltarule.reports.style import fit_text, text_width
from deltarule.stats.effects import Effect, Effects, GridParameter, format_value, last_key, parameters_of
from deltarule.stats.ranking import FOLDS_NOTE, Ranking

MAX_RANKED = 20
MAX_PARAMETERS = 5
"""Maximum number of parameters in a matrix of effects."""
VALUE_NAME_POINTS, CONFIGURATION_NAME_POINTS = 80, 210
CHOSEN_NOTE = "The first was chosen by these scores, so its mean is too good: score it on other rows."


def effects_matrix(effects: Effects, *, quantity: str) -> Chart:
    """The effects of all values of parameters and of all pairs, with intervals.

    On the diagonal is the mean score of a value, less that of all configurations, as a dot with its interval (95 %);
    below it that of a pair of values, with half of its interval.

    Parameters
    ----------
    effects : what `deltarule.stats.effects.effects` returns.
    quantity : what the scores are.

    Raises `BadInput` if no parameter has several values.

    >>> from deltarule.stats.effects import effects
    >>> settings = [{"rate": rate, "momentum": momentum} for rate in (0.1, 1) for momentum in (0, 0.9)]
    >>> of_rates = effects(settings, [[0.5, 0.6], [0.5, 0.6], [0.9, 0.92], [0.9, 1.0]])
    >>> effects_matrix(of_rates, quantity="accuracy").sentences[0]
    'rate: 1 +0.19 (± 0.13), 0.1 -0.19 (± 0.13).'
    """
    count = min(len(effects.parameters), MAX_PARAMETERS)
    if not count:
        raise BadInput("all configurations are alike; effects are drawn of parameters that take several values")
    parameters = effects.parameters[:count]
    widths = [max(len(parameter.values), 2) for parameter in parameters]
    heights = [max(len(parameter.values), 4) for parameter in parameters]
    pairs = {effect.keys: effect for effect in effects.pairwise}
    largest = _largest(effect.mean for effect in (*effects.marginal, *effects.pairwise)) or 1.0
    reach = 1.1 * _largest(np.abs(effect.mean) + np.nan_to_num(effect.half) for effect in effects.marginal) or 1.0
    panels: list[Panel | None] = []
    for row, column in np.ndindex(count, count):
        below = _value_axis(parameters[column], is_last=row == count - 1)
        if row == column:
            panels.append(_marginal_panel(parameters[row], effects.marginal[row], reach, below, is_first=row == 0))
        elif row > column:
            cells = _pair_cells(pairs[parameters[column].key, parameters[row].key], largest)
            label, names = (parameters[row].name, parameters[row].values) if column == 0 else ("", ())
            y = Axis(label, names=names, name_points=VALUE_NAME_POINTS, font_size=8)
            panels.append(Panel([cells], below, y, is_bare=True))
        else:
            panels.append(None)
    width, height = 1.6 + 0.25 * count + 0.5 * sum(widths), 1.7 + 0.2 * count + 0.34 * sum(heights)
    return Chart(
        "What each parameter is worth",
        panels,
        columns=count,
        size=(max(5.2, width), height),
        ratios=(widths, heights),
        notes=_effect_notes(effects, quantity, count),
        sentences=[*effects.sentences[:count], effects.without_effect],
    )


def _largest(arrays: Iterable[Floats]) -> float:
    """The largest size of a number that is not missing; 0 if there is none."""
    return max(float(np.nanmax(np.abs(array), initial=0)) for array in arrays)


def ranking_with_intervals(settings: Sequence[Mapping[str, Any]], ranked: Ranking, *, quantity: str) -> Chart:
    """The best configurations, and which may be as good as the first.

    Parameters
    ----------
    settings : hyperparameters of each of the C configurations by dotted key.
    ranked : what `deltarule.stats.ranking.ranking` returns.
    quantity : what the scores are.

    >>> from deltarule.stats.ranking import ranking
    >>> ranked = ranking([[0.8, 0.7, 0.9], [0.91, 0.81, 1.0]])
    >>> chart = ranking_with_intervals([{"rate": 0.1}, {"rate": 1.0}], ranked, quantity="accuracy")
    >>> chart.panels[0].y.names
    ['1: 1', '2: 0.1']
    """
    parameters = parameters_of(settings)[0]
    shown = min(len(ranked.place), MAX_RANKED)
    names = []
    for rank, index in enumerate(ranked.place[:shown].tolist(), 1):
        name = ", ".join(format_value(settings[index].get(parameter.key)) for parameter in parameters)
        names.append(f"{rank}: {fit_text(name, CONFIGURATION_NAME_POINTS, 8.5)}")
    rows = np.arange(shown)
    means = ranked.mean[:shown]
    half = np.nan_to_num(ranked.half[:shown])
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
    keys = ", ".join(parameter.name for parameter in parameters) or "configuration"
    x = Axis(f"mean {quantity}, with its interval (95 %)")
    y = rows_axis(keys, names, 2 * CONFIGURATION_NAME_POINTS)
    mean = "no mean" if np.isnan(ranked.mean[0]) else f"{ranked.mean[0]:.4g}"
    sentences = [ranked.verdict, f"The first: {names[0].removeprefix('1: ')}, {mean}."]
    size = 5.6 + max(text_width(name, 8.5) for name in names) / 72, 1.8 + CELL_INCHES[1] * shown
    notes = [ranked.verdict, CHOSEN_NOTE]
    return Chart("Is the winner more than noise?", [Panel(marks, x, y)], size=size, notes=notes, sentences=sentences)


def _marginal_panel(parameter: GridParameter, effect: Effect, reach: float, below: Axis, is_first: bool) -> Panel:
    half = np.nan_to_num(effect.half)
    ends = np.stack([effect.mean - half, effect.mean + half], 1)
    marks = [RuleLine(y=0.0), Dots(np.arange(len(half)), effect.mean, intervals=ends, are_upright=True)]
    y = Axis(parameter.name if is_first else "", limits=(-reach, reach), font_size=7, has_upright_label=not is_first)
    return Panel(marks, below, y)


def _value_axis(parameter: GridParameter, is_last: bool) -> Axis:
    limits = -0.5, max(len(parameter.values), 2) - 0.5
    if not is_last:
        return Axis(scale="hidden", limits=limits)
    return Axis(parameter.name, names=parameter.values, limits=limits, name_points=VALUE_NAME_POINTS, font_size=8)


def _pair_cells(effect: Effect, largest: float) -> Cells:
    """A pair's effects with half their interval, to the digits of the largest effect."""
    digits = int(2 - np.floor(np.log10(largest)))
    form = f"z.{digits}f" if 0 <= digits <= 4 else ".1e"
    means = effect.mean.T
    halves = effect.half.T
    texts = np.full(means.shape, "", object)
    for place in zip(*np.nonzero(~np.isnan(means)), strict=True):
        half = "" if np.isnan(halves[place]) else f"\n±{halves[place]:{form}}"
        texts[place] = f"{means[place]:+{form}}{half}"
    return Cells(means, texts.tolist(), (-largest, largest), font_size=6.5)


def _effect_notes(effects: Effects, quantity: str, count: int) -> list[str]:
    """Notes below the effects: what they are relative to, and what is left out."""
    has_diverged = any(effect.diverged.any() for effect in effects.marginal)
    of = "those that never diverged" if has_diverged else "all configurations"
    overall = "" if np.isnan(effects.overall) else f" ({effects.overall:.4g})"
    notes = [f"Mean {quantity} less that of {of}{overall}; the parameters that matter most first."]
    notes.append("Effects are fitted as a sum, a number for each value; of a full grid they are differences of means.")
    if effects.blocks < 2:
        notes.append("One row each: nothing is known of the noise, and there are no intervals.")
    else:
        notes.append(f"Bars, and ±: intervals (95 %) over {effects.blocks:,} blocks of the same fold and seed.")
        notes.append(FOLDS_NOTE)
    left_out = [*(parameter.key for parameter in effects.parameters[count:]), *effects.left_out]
    if left_out:
        notes.append(f"Left out, as they matter less or have too many values: {', '.join(map(last_key, left_out))}.")
    return notes
