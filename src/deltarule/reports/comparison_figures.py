"""Figures that compare configurations: spreads over seeds, success rates, shares with thresholds, rankings."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats
from deltarule.reports import style
from deltarule.reports.cell_figures import CELL_INCHES, MAX_ROWS
from deltarule.reports.figure_builder import MAX_LINES, FigureBuilder
from deltarule.reports.formatting import isolate_direction, percent
from deltarule.reports.text_fitting import fit_names, text_width, wrap_names, wrap_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MAX_OPTIONS = 10
"""Maximum number of options: with more, neither names nor colors are distinguishable."""


CLAIM_NAME_POINTS, COMBINATION_NAME_POINTS, CELL_TEXT_POINTS = 104, 204, 104
"""Maximum width in points of the name of a claim, of a combination, and of a cell."""


COLUMN_GAP_POINTS = 16
"""Points between the columns of a table."""


def spreads(series: Mapping[str, Any], *, option: str, quantity: str, limit: float | None = None) -> "Figure":
    """Draw a dot for each seed's value [K] of each option, and the medians; NaN marks a seed that exceeded `limit`.

    Parameters
    ----------
    series : for each option, by name, the values of its K seeds; NaN for a seed that has none, e.g. no convergence.
    option : what the options are values of, such as "momentum".
    quantity : what the values are, with their unit.
    limit : of the values, if there is one; seeds without a value exceeded it.

    Raises `BadInput` for no options, or more than 10.

    >>> figure = spreads({"0": [900, 800], "0.9": [110, 100]}, option="momentum", quantity="epochs to converge")
    >>> [text.get_text() for text in figure.axes[0].get_xticklabels()]
    ['0', '0.9']
    """
    if not 0 < len(series) <= MAX_OPTIONS:
        raise BadInput(f"there are {len(series)} options of {option}; give 1 to {MAX_OPTIONS}")
    values = [np.asarray(value, np.float64) for value in series.values()]
    with style.style_context():
        builder = FigureBuilder.of_axes(f"{quantity[:1].upper()}{quantity[1:]} by {option}", 7.0, 3.8)
        _draw_pair_lines(builder.axes, values)
        for index, (name, value) in enumerate(zip(series, values, strict=True)):
            _draw_dots(builder, index, name, value)
        names = wrap_names(list(series), max(4, 46 // len(series)))
        builder.axes.set_xticks(range(len(series)), names)
        builder.axes.set_xlim(-0.6, len(series) - 0.4)
        builder.axes.set_xlabel(wrap_text(option, 44))
        builder.y_label(quantity)
        finite = np.concatenate([value[np.isfinite(value)] for value in values])
        if len(finite) and finite.min() > 0 and finite.max() / finite.min() > 30:
            builder.axes.set_yscale("log")
        missing = sum(map(len, values)) - len(finite)
        if missing:
            reached = f" within {limit:,.0f}" if limit is not None else ""
            builder.note(f"{missing:,} of {missing + len(finite):,} seeds have no value{reached}.")
        builder.note("A dot a seed; the bar is the median of those that have a value.")
        return builder.finish()


def success_rates(
    values: Sequence[float], shares: Any, intervals: Any, *, parameter: str, success: str = "solved"
) -> "Figure":
    """Draw the share of seeds that succeed against a parameter, with intervals.

    Parameters
    ----------
    values : [T], of the parameter.
    shares : [T], from 0 to 1.
    intervals : [T, 2], of the shares, as `deltarule.stats.intervals.share_interval` returns them.
    parameter : its name, with its unit if it has one.
    success : what counts as success.

    Raises `BadInput` for no value.

    >>> figure = success_rates([0.1, 1], [0.2, 0.9], [[0.1, 0.3], [0.8, 0.95]], parameter="learning rate")
    >>> figure.axes[0].lines[0].get_ydata().tolist()
    [0.2, 0.9]
    """
    if not len(values):
        raise BadInput(f"there are no values of {parameter} to draw; give the share of at least one")
    order = np.argsort(values, kind="stable")
    x, shares, intervals = (np.asarray(array, np.float64)[order] for array in (values, shares, intervals))
    with style.style_context():
        builder = FigureBuilder.blank(f"Share of seeds {success} by {parameter}")
        builder.line(x, shares, "share of seeds", markevery=1)
        bars = builder.axes.vlines(x, intervals[:, 0], intervals[:, 1], color=style.BLUE, linewidth=4, alpha=0.35)
        builder.entries.append((bars, "interval"))
        if min(values) > 0 and max(values) / min(values) > 30:
            builder.axes.set_xscale("log")
        builder.axes.set_xlabel(wrap_text(parameter, 44))
        builder.y_label(f"share of seeds {success}")
        builder.scale_share()
        for value, share, (low, high) in zip(x.tolist(), shares.tolist(), intervals.tolist(), strict=True):
            builder.describe(f"At {value:g}: {percent(share)} ({percent(low)} to {percent(high)}).")
        return builder.finish()


def shares_with_needed(
    names: Sequence[str], shares: Any, intervals: Any, needed: Any, *, confidence: float
) -> "Figure":
    """Draw for each claim the share of seeds for which it holds, with its interval and the share that it needs.

    Parameters: `names` [T]; `shares` [T], `intervals` [T, 2] and `needed` [T], from 0 to 1; `confidence` of the
    intervals.

    >>> figure = shares_with_needed(["encoder-1"], [1.0], [[0.96, 1.0]], [0.9], confidence=0.95)
    >>> figure.axes[0].lines[0].get_xdata().tolist()
    [1.0]
    """
    shares, intervals, needed = (np.asarray(array, np.float64) for array in (shares, intervals, needed))
    with style.style_context():
        builder = FigureBuilder.of_axes("Seeds for which each claim holds", 7.0, 1.5 + 0.26 * len(names))
        dots, bars = builder.ranges(names, CLAIM_NAME_POINTS, shares, intervals)
        (marks,) = builder.axes.plot(
            needed, range(len(names)), "|", color=style.ORANGE, markersize=13, markeredgewidth=2.4
        )
        interval = f"its interval ({percent(confidence)})"
        builder.entries += [(dots, "share of seeds"), (bars, interval), (marks, "share that it needs")]
        builder.axes.set_xlim(-0.03, 1.03)
        builder.axes.set_xlabel("share of seeds")
        builder.y_label("claim")
        for name, share, bound in zip(names, shares.tolist(), needed.tolist(), strict=True):
            builder.describe(f"{name}: {percent(share)}, needs {percent(bound)}.")
        return builder.finish()


def scores_above(names: Sequence[str], scores: Any, threshold: float, *, quantity: str) -> "Figure":
    """Draw those of the scores [T] above a threshold, the best on top; refuse none, and more than 32.

    Parameters: `names` [T] of the configurations; `scores` [T]; `quantity`, what the scores are, such as "test accuracy
    (share of rows)".
    Errors: `BadInput` if none is above the threshold, or more than 32 are.

    >>> figure = scores_above(["a", "b", "c"], [0.7, 0.95, 0.9], 0.8, quantity="test accuracy")
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['b', 'c']
    """
    scores = np.asarray(scores, np.float64)
    order = [int(index) for index in np.argsort(-scores, kind="stable") if scores[index] > threshold]
    if not 0 < len(order) <= MAX_ROWS:
        raise BadInput(
            f"{len(order)} of {len(scores)} pass {threshold:g}; give a bar that 1 to {MAX_ROWS} of the scores pass"
        )
    with style.style_context():
        title = f"{len(order)} of {len(scores)} pass {threshold:g}"
        builder = FigureBuilder.of_axes(title, 7.0, 1.4 + CELL_INCHES[1] * len(order))
        builder.axes.hlines(range(len(order)), threshold, scores[order], color=style.SKY, linewidth=1.5)
        builder.axes.plot(scores[order], range(len(order)), "o", color=style.BLUE, markersize=5)
        builder.axes.set_yticks(
            range(len(order)), fit_names([names[index] for index in order], COMBINATION_NAME_POINTS, 8.5)
        )
        builder.axes.set_ylim(len(order) - 0.4, -0.6)
        builder.axes.set_xlabel(wrap_text(quantity, 44))
        builder.y_label("combination")
        for index in order[:MAX_LINES]:
            builder.describe(f"{isolate_direction(names[index])}: {scores[index]:.4g}.")
        if len(order) > MAX_LINES:
            builder.describe(f"{len(order) - MAX_LINES} more.")
        return builder.finish()


def top_and_bottom(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, ranked_by: str, count: int = 10
) -> "Figure":
    """Draw the first and the last `count` rows of a ranking as a table of texts.

    Parameters
    ----------
    columns : names of the columns.
    rows : the texts of the cells of each row, the best row first.
    ranked_by : the name of the score by which the rows are ranked.
    count : how many of the first rows are drawn, and how many of the last.

    Raises `BadInput` for no rows, or rows that do not have a cell for each column.

    >>> rows = [["1", "0.9"], ["2", "0.5"], ["3", "0.1"]]
    >>> figure = top_and_bottom(["rate", "accuracy"], rows, ranked_by="accuracy", count=1)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['1', '…', '3']
    """
    if not rows or any(len(row) != len(columns) for row in rows):
        raise BadInput(f"the rows of the ranking do not have {len(columns)} cells each; give one for each column")
    all_shown = len(rows) <= 2 * count
    shown = list(range(len(rows))) if all_shown else [*range(count), *range(len(rows) - count, len(rows))]
    lines: list[tuple[str, Sequence[str]]] = [(str(index + 1), rows[index]) for index in shown]
    if not all_shown:
        lines.insert(count, ("…", [""] * len(columns)))
    with style.style_context():
        heads = fit_names(columns, CELL_TEXT_POINTS, 8)
        shown_cells = [
            fit_names(column, CELL_TEXT_POINTS, 8) for column in zip(*(row for _, row in lines), strict=True)
        ]
        cells = [heads, *zip(*shown_cells, strict=True)]
        ends = np.cumsum(
            [
                max(text_width(cell, 8, "bold") for cell in column) + COLUMN_GAP_POINTS
                for column in zip(*cells, strict=True)
            ]
        )
        width = max(4.0, 1.0 + float(ends[-1]) / 72)
        title = (
            f"All {len(rows):,}, by {ranked_by}" if all_shown else f"First and last of {len(rows):,}, by {ranked_by}"
        )
        builder = FigureBuilder.of_axes(title, width, 1.3 + CELL_INCHES[1] * len(lines))
        axes = builder.axes
        for index, row in enumerate(cells[1:]):
            if index % 2:
                axes.axhspan(index - 0.5, index + 0.5, color=style.PALE, alpha=0.45, zorder=0)
            for end, cell in zip(ends, row, strict=True):
                axes.text(end, index, cell, ha="right", va="center", fontsize=8)
        axes.set_xlim(0, ends[-1] + COLUMN_GAP_POINTS / 2)
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.set_yticks(range(len(lines)), [rank for rank, _ in lines])
        axes.xaxis.tick_top()
        axes.set_xticks(ends, cells[0], ha="right", weight="bold", fontsize=8)
        axes.tick_params(length=0)
        axes.grid(False)
        axes.set_xlabel(f"settings, and {ranked_by} last" if columns[-1] == ranked_by else "settings and scores")
        builder.y_label("rank")
        for which, cells_of in (("First", rows[0]), ("Last", rows[-1])):
            descriptions = (
                f"{isolate_direction(name)} {isolate_direction(cell)}"
                for name, cell in zip(columns, cells_of, strict=True)
                if cell
            )
            builder.describe(f"{which}: {', '.join(descriptions)}.")
        return builder.finish()


def _draw_dots(builder: FigureBuilder, x: int, name: str, values: Floats) -> None:
    """Draw and describe an option's values [K]: a dot for each seed, spread around `x`, and a bar at the median."""
    is_finite = np.isfinite(values)
    builder.axes.plot(
        x + _sideways_offsets(len(values))[is_finite],
        values[is_finite],
        "o",
        color=style.BLUE,
        markersize=4.5,
        alpha=0.75,
    )
    if is_finite.any():
        median = float(np.median(values[is_finite]))
        builder.axes.plot([x - 0.22, x + 0.22], [median, median], color=style.ORANGE, linewidth=3, zorder=4)
        text = f"median {median:,.4g}, from {values[is_finite].min():,.4g} to {values[is_finite].max():,.4g}"
        builder.describe(f"{isolate_direction(name)}: {text}, of {is_finite.sum():,} of {len(values):,} seeds.")
    else:
        builder.describe(f"{isolate_direction(name)}: no value.")


def _draw_pair_lines(axes: "Axes", values: Sequence[Floats]) -> None:
    """Draw lines that join each seed's values [K] under neighboring options, if all options have the same few seeds."""
    counts = {len(value) for value in values}
    # With more seeds, lines from option to option hide each other.
    if len(counts) > 1 or max(counts) > 12:
        return
    offsets = _sideways_offsets(max(counts))
    for seed in range(max(counts)):
        x = np.arange(len(values)) + offsets[seed]
        axes.plot(x, [value[seed] for value in values], color=style.PALE, linewidth=1, zorder=1)


def _sideways_offsets(count: int) -> Floats:
    """The horizontal offsets of dots, so that equal values are side by side."""
    return (np.arange(count) * 0.6180339887 % 1 - 0.5) * 0.3 if count > 1 else np.zeros(count)
