"""Figures that compare settings: spreads over seeds, success rates, shares with their thresholds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats
from deltarule.reports import style
from deltarule.reports.cell_figures import CELL, MAX_ROWS
from deltarule.reports.figure_builder import MAX_LINES, FigureBuilder
from deltarule.reports.formatting import isolate_direction, percent
from deltarule.reports.text_fitting import all_fitted, all_wrapped, width_of, wrap_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


MAX_OPTIONS = 10
"""Maximum number of options: with more, neither names nor colors are distinguishable."""


CLAIM, COMBINATION, COLUMN = 104, 204, 104
"""Maximum width in points of the name of a claim, of a combination, and of a cell."""


COLUMN_GAP = 16
"""Points between the columns of a table."""


def spreads(series: Mapping[str, Any], *, option: str, quantity: str, limit: float | None = None) -> "Figure":
    """Draw a number of every seed for each option, as epochs to converge with and without momentum.

    Parameters
    ----------
    series : for each option, by name, the values of its K seeds; NaN where there is none, as for no convergence.
    option : what the names are: "momentum".
    quantity : what the values are, with their unit.
    limit : of the values, where there is one: seeds that have none stand above it.

    Raises `BadInput` for no option, or more than 10.

    >>> figure = spreads({"0": [900, 800], "0.9": [110, 100]}, option="momentum", quantity="epochs to converge")
    >>> [text.get_text() for text in figure.axes[0].get_xticklabels()]
    ['0', '0.9']
    """
    if not 0 < len(series) <= MAX_OPTIONS:
        raise BadInput(f"there are {len(series)} options of {option}; give 1 to {MAX_OPTIONS}")
    values = [np.asarray(one, np.float64) for one in series.values()]
    with style.style_context():
        builder = FigureBuilder.of_axes(f"{quantity[:1].upper()}{quantity[1:]} by {option}", 7.0, 3.8)
        _draw_pair_lines(builder.axes, values)
        for index, (name, value) in enumerate(zip(series, values, strict=True)):
            _draw_dots(builder, index, name, value)
        names = all_wrapped(list(series), max(4, 46 // len(series)))
        builder.axes.set_xticks(range(len(series)), names)
        builder.axes.set_xlim(-0.6, len(series) - 0.4)
        builder.axes.set_xlabel(wrap_text(option, 44))
        builder.y_label(quantity)
        finite = np.concatenate([one[np.isfinite(one)] for one in values])
        if len(finite) and finite.min() > 0 and finite.max() / finite.min() > 30:
            builder.axes.set_yscale("log")
        missing = sum(len(one) for one in values) - len(finite)
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
    intervals : [T, 2], their ends, as `deltarule.stats.intervals.share_interval` gives them.
    parameter : its name, with its unit where it has one.
    success : what counts as success.

    Raises `BadInput` for no value.

    >>> figure = success_rates([0.1, 1], [0.2, 0.9], [[0.1, 0.3], [0.8, 0.95]], parameter="learning rate")
    >>> figure.axes[0].lines[0].get_ydata().tolist()
    [0.2, 0.9]
    """
    if not len(values):
        raise BadInput(f"there are no values of {parameter} to draw; give the share of at least one")
    order = np.argsort(values, kind="stable")
    at, shares, intervals = (np.asarray(one, np.float64)[order] for one in (values, shares, intervals))
    with style.style_context():
        builder = FigureBuilder.blank(f"Share of seeds {success} by {parameter}")
        builder.line(at, shares, "share of seeds", markevery=1)
        bars = builder.axes.vlines(at, intervals[:, 0], intervals[:, 1], color=style.BLUE, linewidth=4, alpha=0.35)
        builder.entries.append((bars, "interval"))
        if min(values) > 0 and max(values) / min(values) > 30:
            builder.axes.set_xscale("log")
        builder.axes.set_xlabel(wrap_text(parameter, 44))
        builder.y_label(f"share of seeds {success}")
        builder.scale_share()
        for value, share, (low, high) in zip(at.tolist(), shares.tolist(), intervals.tolist(), strict=True):
            builder.describe(f"At {value:g}: {percent(share)} ({percent(low)} to {percent(high)}).")
        return builder.finish()


def shares_with_needed(
    names: Sequence[str], shares: Any, intervals: Any, needed: Any, *, confidence: float
) -> "Figure":
    """Draw for each claim the share of seeds for which it holds, with interval and required share.

    Parameters: `names` [T]; `shares` [T], `intervals` [T, 2] and `needed` [T], from 0 to 1; `confidence` of the
    intervals.

    >>> figure = shares_with_needed(["encoder-1"], [1.0], [[0.96, 1.0]], [0.9], confidence=0.95)
    >>> figure.axes[0].lines[0].get_xdata().tolist()
    [1.0]
    """
    shares, intervals, needed = (np.asarray(one, np.float64) for one in (shares, intervals, needed))
    with style.style_context():
        builder = FigureBuilder.of_axes("Seeds for which each claim holds", 7.0, 1.5 + 0.26 * len(names))
        dots, bars = builder.ranges(names, CLAIM, shares, intervals)
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


def scores_above(names: Sequence[str], scores: Any, bar: float, *, quantity: str) -> "Figure":
    """Draw the scores of combinations above a bar, the best on top.

    Parameters: `names` [T]; `scores` [T]; `quantity`, what they are: "test accuracy (share of rows)".
    Errors: `BadInput` where none passes, or more than 32 do.

    >>> figure = scores_above(["a", "b", "c"], [0.7, 0.95, 0.9], 0.8, quantity="test accuracy")
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['b', 'c']
    """
    scores = np.asarray(scores, np.float64)
    order = [int(place) for place in np.argsort(-scores, kind="stable") if scores[place] > bar]
    if not 0 < len(order) <= MAX_ROWS:
        raise BadInput(
            f"{len(order)} of {len(scores)} pass {bar:g}; give a bar that 1 to {MAX_ROWS} of the scores pass"
        )
    with style.style_context():
        builder = FigureBuilder.of_axes(f"{len(order)} of {len(scores)} pass {bar:g}", 7.0, 1.4 + CELL[1] * len(order))
        builder.axes.hlines(range(len(order)), bar, scores[order], color=style.SKY, linewidth=1.5)
        builder.axes.plot(scores[order], range(len(order)), "o", color=style.BLUE, markersize=5)
        builder.axes.set_yticks(range(len(order)), all_fitted([names[place] for place in order], COMBINATION, 8.5))
        builder.axes.set_ylim(len(order) - 0.4, -0.6)
        builder.axes.set_xlabel(wrap_text(quantity, 44))
        builder.y_label("combination")
        for place in order[:MAX_LINES]:
            builder.describe(f"{isolate_direction(names[place])}: {scores[place]:.4g}.")
        if len(order) > MAX_LINES:
            builder.describe(f"{len(order) - MAX_LINES} more.")
        return builder.finish()


def top_and_bottom(columns: Sequence[str], rows: Sequence[Sequence[str]], *, ranked: str, count: int = 10) -> "Figure":
    """Draw the first and the last rows of a ranking as a table.

    Parameters
    ----------
    columns : their names.
    rows : the cells of each row, as they are written, the best first.
    ranked : by what they rank.
    count : how many of the first and of the last.

    Raises `BadInput` for no rows, or rows that do not have a cell for each column.

    >>> rows = [["1", "0.9"], ["2", "0.5"], ["3", "0.1"]]
    >>> figure = top_and_bottom(["rate", "accuracy"], rows, ranked="accuracy", count=1)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['1', '…', '3']
    """
    if not rows or any(len(row) != len(columns) for row in rows):
        raise BadInput(f"the rows of the ranking do not have {len(columns)} cells each; give one for each column")
    all_shown = len(rows) <= 2 * count
    shown = list(range(len(rows))) if all_shown else [*range(count), *range(len(rows) - count, len(rows))]
    lines: list[tuple[str, Sequence[str]]] = [(str(place + 1), rows[place]) for place in shown]
    if not all_shown:
        lines.insert(count, ("…", [""] * len(columns)))
    with style.style_context():
        heads = all_fitted(columns, COLUMN, 8)
        shown_cells = [all_fitted(column, COLUMN, 8) for column in zip(*(row for _, row in lines), strict=True)]
        cells = [heads, *zip(*shown_cells, strict=True)]
        ends = np.cumsum(
            [max(width_of(cell, 8, "bold") for cell in column) + COLUMN_GAP for column in zip(*cells, strict=True)]
        )
        width = max(4.0, 1.0 + float(ends[-1]) / 72)
        title = f"All {len(rows):,}, by {ranked}" if all_shown else f"First and last of {len(rows):,}, by {ranked}"
        builder = FigureBuilder.of_axes(title, width, 1.3 + CELL[1] * len(lines))
        axes = builder.axes
        for index, row in enumerate(cells[1:]):
            if index % 2:
                axes.axhspan(index - 0.5, index + 0.5, color=style.PALE, alpha=0.45, zorder=0)
            for end, cell in zip(ends, row, strict=True):
                axes.text(end, index, cell, ha="right", va="center", fontsize=8)
        axes.set_xlim(0, ends[-1] + COLUMN_GAP / 2)
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.set_yticks(range(len(lines)), [rank for rank, _ in lines])
        axes.xaxis.tick_top()
        axes.set_xticks(ends, cells[0], ha="right", weight="bold", fontsize=8)
        axes.tick_params(length=0)
        axes.grid(False)
        axes.set_xlabel(f"settings, and {ranked} last" if columns[-1] == ranked else "settings and scores")
        builder.y_label("rank")
        for which, cells_of in (("First", rows[0]), ("Last", rows[-1])):
            descriptions = (
                f"{isolate_direction(name)} {isolate_direction(cell)}"
                for name, cell in zip(columns, cells_of, strict=True)
                if cell
            )
            builder.describe(f"{which}: {', '.join(descriptions)}.")
        return builder.finish()


def _draw_dots(builder: FigureBuilder, place: int, name: str, values: Floats) -> None:
    """Draw the dots of an option, spread sideways by density, and the bar of their median."""
    there = np.isfinite(values)
    builder.axes.plot(
        place + _sideways(len(values))[there], values[there], "o", color=style.BLUE, markersize=4.5, alpha=0.75
    )
    if there.any():
        median = float(np.median(values[there]))
        builder.axes.plot([place - 0.22, place + 0.22], [median, median], color=style.ORANGE, linewidth=3, zorder=4)
        text = f"median {median:,.4g}, from {values[there].min():,.4g} to {values[there].max():,.4g}"
        builder.describe(f"{isolate_direction(name)}: {text}, of {there.sum():,} of {len(there):,} seeds.")
    else:
        builder.describe(f"{isolate_direction(name)}: no value.")


def _draw_pair_lines(axes: "Axes", values: Sequence[Floats]) -> None:
    """Draw lines that join a seed's values under neighboring options, if they are few."""
    counts = {len(value) for value in values}
    # With more seeds, lines from option to option hide each other.
    if len(counts) > 1 or max(counts) > 12:
        return
    sideways = _sideways(max(counts))
    for seed in range(max(counts)):
        at = np.arange(len(values)) + sideways[seed]
        axes.plot(at, [value[seed] for value in values], color=style.PALE, linewidth=1, zorder=1)


def _sideways(count: int) -> Floats:
    """The horizontal offsets of dots, so that equal values are side by side."""
    return (np.arange(count) * 0.6180339887 % 1 - 0.5) * 0.3 if count > 1 else np.zeros(count)
