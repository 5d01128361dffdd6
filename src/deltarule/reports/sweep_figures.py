"""Figures of a sweep: the effects of parameters, and the ranking of configurations with intervals.

C configurations · B blocks (folds and seeds) · P parameters · V values of a parameter
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.reports import style
from deltarule.reports.cell_figures import CELL_INCHES
from deltarule.reports.figure_builder import FigureBuilder, use_full_tick_labels
from deltarule.reports.formatting import isolate_direction
from deltarule.reports.text_fitting import fit_names, fit_text, text_width, wrap_text
from deltarule.stats.effects import Effect, Effects, Parameter, format_value, parameters_of
from deltarule.stats.ranking import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_RANKED = 20
"""Maximum number of configurations in a ranking."""
CELL_WIDTH_INCHES, CELL_HEIGHT_INCHES = 0.5, 0.34
"""Size of a cell with an effect and half its interval."""
NAME_CHARACTERS = 14
"""Maximum number of characters of a line of a parameter's name."""
VALUE_NAME_POINTS = 80
"""Maximum width in points of a value's name."""
CONFIGURATION_NAME_POINTS = 210
"""Maximum width in points of a configuration's name."""
FOLDS_NOTE = "Blocks count as independent; with several seeds a fold this is the noise on these folds alone."
CHOSEN_NOTE = (
    "The first was chosen by these scores, so its mean is too good: score it on rows that had no part in that."
)


def effects_matrix(found: Effects, *, quantity: str) -> "Figure":
    """Draw the effect of each value of each parameter, and of each pair of values, with intervals.

    On the diagonal is the mean score of a value, less that of all configurations, as a dot with its interval (95 %);
    below it that of a pair of values, with half of its interval.

    Parameters: `found`, what `deltarule.stats.effects.effects` returns; `quantity`, what the scores are.
    Errors: `BadInput` if no parameter has several values.

    >>> from deltarule.stats.effects import effects
    >>> settings = [{"rate": rate, "momentum": momentum} for rate in (0.1, 1) for momentum in (0, 0.9)]
    >>> found = effects(settings, [[0.5, 0.6], [0.5, 0.6], [0.9, 0.9], [0.9, 1.0]])
    >>> figure = effects_matrix(found, quantity="accuracy")
    >>> figure.axes[0].get_title(loc="left")
    'What each parameter is worth'
    """
    count = min(len(found.parameters), 5)  # more do not fit
    if not count:
        raise BadInput("all configurations are alike; effects are drawn of parameters that take several values")
    parameters = found.parameters[:count]
    widths = [max(len(parameter.values), 2) for parameter in parameters]
    heights = [max(len(parameter.values), 4) for parameter in parameters]
    pairs = {effect.keys: effect for effect in found.pairwise}
    largest = max(float(np.nanmax(np.abs(one.mean), initial=0)) for one in (*found.marginal, *found.pairwise)) or 1.0
    with style.style_context():
        builder = FigureBuilder.of_axes(
            "What each parameter is worth",
            max(5.2, 1.6 + 0.25 * count + CELL_WIDTH_INCHES * sum(widths)),
            1.7 + 0.2 * count + CELL_HEIGHT_INCHES * sum(heights),
            nrows=count,
            ncols=count,
            width_ratios=widths,
            height_ratios=heights,
        )
        limits, number_format = _effect_limits(found.marginal[:count]), _number_format(found)
        for index, (row, column) in enumerate(np.ndindex(count, count)):
            builder.row = index
            if row == column:
                _draw_marginal_effect(builder, parameters[row], found.marginal[row], limits, is_first=row == 0)
            elif row > column:
                pair = pairs[parameters[column].key, parameters[row].key]
                _draw_pairwise_effect(builder.axes, pair, largest, number_format)
                _name_rows(builder.axes, parameters[row], is_first=column == 0)
            else:
                builder.axes.set_visible(False)
            if row == count - 1:
                values = fit_names(parameters[column].values, VALUE_NAME_POINTS, 8)
                builder.axes.set_xticks(range(len(values)), values, rotation=90, fontsize=8)
                builder.axes.set_xlabel(
                    fit_text(last_key(parameters[column].key), 72 * CELL_WIDTH_INCHES * widths[column], 9)
                )
        for parameter, effect in zip(parameters, found.marginal, strict=False):
            builder.describe(f"{last_key(parameter.key)}: {_describe_effect(parameter, effect)}.")
        if diverged := describe_diverged_values(found):
            builder.describe(diverged)
        _note_effects(builder, found, quantity, count)
        return builder.finish()


def describe_diverged_values(effects: Effects) -> str:
    """A sentence on parameter values whose effect is unknown because networks diverged with them; "" without any.

    >>> from deltarule.stats.effects import effects
    >>> found = effects([{"rate": rate} for rate in (0.1, 1, 10)], [[0.5, 0.6], [0.7, 0.8], [-np.inf, 0.9]])
    >>> describe_diverged_values(found)
    'Without an effect, as networks diverged: rate 10 (1 of 2).'
    """
    texts = []
    for parameter, effect in zip(effects.parameters, effects.marginal, strict=True):
        rows = zip(parameter.values, effect.mean, effect.diverged, effect.rows, strict=True)
        values = [
            f"{isolate_direction(value)} ({fell:,} of {of:,})"
            for value, mean, fell, of in rows
            if np.isnan(mean) and fell
        ]
        texts += [f"{last_key(parameter.key)} {', '.join(values)}"] if values else []
    return f"Without an effect, as networks diverged: {'; '.join(texts)}." if texts else ""


def ranking_with_intervals(settings: Sequence[Mapping[str, Any]], ranked: Ranking, *, quantity: str) -> "Figure":
    """Draw the best configurations with intervals of their means, and mark which may be as good as the first.

    Parameters: `settings`, the hyperparameters of each of the C configurations by dotted key; `ranked`, what
    `deltarule.stats.ranking.ranking` returns; `quantity`, what the scores are.

    >>> from deltarule.stats.ranking import ranking
    >>> ranked = ranking([[0.8, 0.7, 0.9], [0.91, 0.81, 1.0]])
    >>> figure = ranking_with_intervals([{"rate": 0.1}, {"rate": 1.0}], ranked, quantity="accuracy")
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['1: 1', '2: 0.1']
    """
    parameters = parameters_of(settings)[0]
    shown = min(len(ranked.place), MAX_RANKED)
    as_good = ranked.is_as_good
    short_names = [
        ", ".join(format_value(settings[index].get(parameter.key)) for parameter in parameters)
        for index in ranked.place[:shown].tolist()
    ]
    with style.style_context():
        names = [
            f"{rank}: {name}" for rank, name in enumerate(fit_names(short_names, CONFIGURATION_NAME_POINTS, 8.5), 1)
        ]
        width = 5.6 + max(text_width(name, 8.5) for name in names) / 72
        builder = FigureBuilder.of_axes("Is the winner more than noise?", width, 1.8 + CELL_INCHES[1] * shown)
        rows = np.arange(shown)
        lacks_scores = ~as_good & np.isnan(ranked.behind)
        for chosen, color, marker, entry in (
            (as_good[:shown], style.BLUE, "o", "may be as good as the first"),
            ((~as_good & ~lacks_scores)[:shown], style.ORANGE, "s", "surely behind it"),
            (lacks_scores[:shown], style.GRAY, "D", "not compared: lacks scores"),
        ):
            if (~np.isnan(ranked.mean[:shown][chosen])).any():
                (dots,) = builder.axes.plot(
                    ranked.mean[:shown][chosen], rows[chosen], marker, color=color, markersize=5
                )
                builder.entries.append((dots, entry))
                half = np.nan_to_num(ranked.half[:shown][chosen])
                ends = ranked.mean[:shown][chosen] - half, ranked.mean[:shown][chosen] + half
                builder.axes.hlines(rows[chosen], *ends, color=color, linewidth=4, alpha=0.35)
        builder.axes.set_yticks(rows, names)
        use_full_tick_labels(builder.axes.xaxis)
        builder.axes.set_ylim(shown - 0.4, -0.6)
        builder.axes.set_xlabel(wrap_text(f"mean {quantity}, with its interval (95 %)", 44))
        keys = ", ".join(last_key(parameter.key) for parameter in parameters) or "configuration"
        builder.axes.set_ylabel(fit_text(keys, 72 * (0.6 + CELL_INCHES[1] * shown), 9))
        verdict = _describe_ranking(ranked)
        builder.note(verdict)
        builder.describe(verdict)
        if ranked.blocks and len(ranked.place) > 1:
            builder.note(CHOSEN_NOTE)
        if ranked.blocks:
            mean = "" if np.isnan(ranked.mean[0]) else f", {ranked.mean[0]:.4g}"
            builder.describe(f"The first: {names[0].removeprefix('1: ')}{mean}.")
        return builder.finish()


def _describe_ranking(ranked: Ranking) -> str:
    """Describe whether the first configuration differs from the others by more than noise."""
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


def _draw_marginal_effect(
    builder: FigureBuilder, parameter: Parameter, effect: Effect, limits: tuple[float, float], is_first: bool
) -> None:
    """Draw the effect of each value of a parameter with its interval; with its name on the left if `is_first`."""
    axes, x = builder.axes, np.arange(len(parameter.values))
    half = np.nan_to_num(effect.half)
    axes.axhline(0, color=style.GRAY, linewidth=1, zorder=1)
    axes.vlines(x, effect.mean - half, effect.mean + half, color=style.BLUE, linewidth=4, alpha=0.35)
    axes.plot(x, effect.mean, "o", color=style.BLUE, markersize=4.5)
    axes.set_xlim(-0.5, max(len(x), 2) - 0.5)
    axes.set_ylim(*limits)
    axes.set_xticks([])
    axes.grid(visible=False, axis="x")
    use_full_tick_labels(axes.yaxis)
    axes.tick_params(labelsize=7)
    if is_first:
        axes.set_ylabel(wrap_text(last_key(parameter.key), NAME_CHARACTERS), rotation=0, ha="right", va="center")


def _draw_pairwise_effect(axes: "Axes", effect: Effect, largest: float, number_format: str) -> None:
    """Draw a pair's effects as cells with half their interval, colored from −`largest` to `largest`."""
    mean, half = effect.mean.T, effect.half.T
    drawn = axes.imshow(mean, cmap=style.diverging_colormap(), vmin=-largest, vmax=largest, aspect="auto")
    for row, column in np.ndindex(*mean.shape):
        if not np.isnan(mean[row, column]):
            text = _format_effect(mean[row, column], f"+{number_format}")
            text += "" if np.isnan(half[row, column]) else f"\n±{_format_effect(half[row, column], number_format)}"
            font: dict[str, Any] = {"color": style.ink_on(drawn.to_rgba(mean[row, column])[:3]), "fontsize": 6.5}
            axes.text(column, row, text, ha="center", va="center", **font)
    axes.grid(False)


def _name_rows(axes: "Axes", parameter: Parameter, is_first: bool) -> None:
    """Remove the ticks of a table, and if it `is_first` in its row, write the values of its parameter beside it."""
    axes.set_xticks([])
    names = fit_names(parameter.values, VALUE_NAME_POINTS, 8) if is_first else []
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0, labelsize=8)
    if is_first:
        axes.set_ylabel(wrap_text(last_key(parameter.key), NAME_CHARACTERS))


def _number_format(effects: Effects) -> str:
    """The format code, as ".2f", of all effects of pairs: three digits for the largest, short enough for the cells."""
    parts = [np.abs(part).ravel() for one in effects.pairwise for part in (one.mean, one.half)]
    largest = float(np.nanmax(np.concatenate([np.empty(0), *parts]), initial=0)) or 1.0
    digits = int(2 - np.floor(np.log10(largest)))
    return f".{max(digits, 0)}f" if -1 <= digits <= 4 else ".1e"


def _format_effect(value: Any, number_format: str) -> str:
    """Format an effect, without a sign if it rounds to zero."""
    text = f"{value:{number_format}}"
    return text if text.strip("+-0.") else text.lstrip("+-")


def _effect_limits(marginal: Sequence[Effect]) -> tuple[float, float]:
    """The common y limits for the effects of all parameters with their intervals and 0, and a tenth of room."""
    ends = np.concatenate([one.mean + side * np.nan_to_num(one.half) for one in marginal for side in (-1, 1)])
    low, high = float(np.nanmin(ends, initial=0)), float(np.nanmax(ends, initial=0))
    room = 0.1 * (high - low) or 1.0
    return low - room, high + room


def _describe_effect(parameter: Parameter, effect: Effect) -> str:
    """The effects of the best and the worst value of a parameter, as text."""
    if np.isnan(effect.mean).all():
        return "not determined by this table"
    best, worst = int(np.nanargmax(effect.mean)), int(np.nanargmin(effect.mean))
    return ", ".join(
        f"{isolate_direction(parameter.values[at])} {effect.mean[at]:+.3g}"
        + ("" if np.isnan(effect.half[at]) else f" (± {effect.half[at]:.2g})")
        for at in dict.fromkeys((best, worst))
    )


def _note_effects(builder: FigureBuilder, effects: Effects, quantity: str, count: int) -> None:
    """Add notes on the effects: what they are, their intervals, and the parameters left out after the first `count`."""
    has_diverged = any(one.diverged.any() for one in effects.marginal)
    of = "those that never diverged" if has_diverged else "all configurations"
    overall = "" if np.isnan(effects.overall) else f" ({effects.overall:.4g})"
    builder.note(f"Mean {quantity} less that of {of}{overall}; the parameters that matter most first.")
    if effects.blocks < 2:
        builder.note("One row each: nothing is known of the noise, and there are no intervals.")
    else:
        builder.note(
            f"Bars, and what stands behind ±: intervals (95 %) over {effects.blocks:,} blocks "
            "of the same fold and seed."
        )
        builder.note(FOLDS_NOTE)
    if count < len(effects.parameters):
        builder.note(f"{len(effects.parameters) - count} parameters that matter less are left out.")
    if effects.left_out:
        builder.note(f"Too many different values: {', '.join(map(last_key, effects.left_out))}.")


def last_key(key: str) -> str:
    """The last part of a dotted key, with spaces."""
    return key.rpartition(".")[2].replace("_", " ")
