"""Lay out the charts of `chart.py`, which imports this module, with Matplotlib."""

import itertools
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.reports import style
from deltarule.reports.marks import Axis, Panel
from deltarule.reports.style import fit_text, text_width, wrap_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEGEND_CHARACTERS = 26
LEGEND_MARGIN_POINTS = 45
TITLE_CHARACTER_POINTS = 8.4
"""Width in points of a legend without its text, and of a character of a title."""
NOTE_CHARACTERS_PER_INCH = 15.5
NAMES_WIDTH = 0.7
"""Part of a figure's width that names below its axes share; names that need more stand upright."""


def render(chart: Any) -> "Figure":
    """Draw a chart as a figure, whose label is the chart's description."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style.style_context():
        figure = Figure(figsize=chart.inches, layout="constrained")
        FigureCanvasAgg(figure)
        rows = -(-len(chart.panels) // chart.columns)
        ratios = dict(zip(("width_ratios", "height_ratios"), chart.ratios, strict=True))
        grid = figure.subplots(rows, chart.columns, squeeze=False, **ratios)
        entries: dict[str, Any] = {}
        for axes, panel in itertools.zip_longest(grid.flat, chart.panels):
            if panel is None:
                axes.remove()
            else:
                entries = draw_panel(axes, panel, chart.columns) | entries
        room = 72 * figure.get_figwidth() - (_draw_legend(figure, entries, chart.legend) if entries else 0)
        across = max(int(room / TITLE_CHARACTER_POINTS), 12)
        figure.suptitle(wrap_text(chart.title, across), x=0.01, ha="left", fontsize=11, fontweight="bold")
        if notes := " ".join(dict.fromkeys(chart.all_notes)):
            notes = wrap_text(notes, int(NOTE_CHARACTERS_PER_INCH * chart.inches[0]), 6)
            figure.supxlabel(notes, x=0.01, ha="left", fontsize=8, color=style.GRAY)
        figure.set_label(chart.description)
    return figure


def file_content(figure: "Figure", format: str) -> bytes:
    content = BytesIO()
    with style.style_context():
        dates = {"svg": "Date", "pdf": "CreationDate"}
        figure.savefig(content, format=format, metadata={dates[format]: None} if format in dates else {})
    return content.getvalue()


def _draw_legend(figure: "Figure", entries: dict[str, Any], title: str) -> float:
    """Add a legend beside the axes and return its width in points."""
    names = [wrap_text(name, LEGEND_CHARACTERS) for name in entries]
    lines = sum(name.count("\n") + 1 for name in names)
    figure.set_figheight(max(figure.get_figheight(), 1.2 + 0.18 * lines))
    title = wrap_text(title, LEGEND_CHARACTERS)
    figure.legend(entries.values(), names, loc="outside right upper", title=title or None, alignment="left")
    widest = max(text_width(line, 8.5) for name in names for line in name.splitlines())
    return LEGEND_MARGIN_POINTS + widest


def draw_panel(axes: "Axes", panel: Panel, columns: int = 1) -> dict[str, Any]:
    """Draw a panel, one of `columns`; return the handles of the legend by name."""
    entries: dict[str, Any] = {}
    for mark in panel.marks:
        handle = mark.draw(axes)
        if mark.name:
            entries.setdefault(mark.name, handle)
    if panel.is_bare:
        axes.grid(False)
        axes.tick_params(length=0)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
    _apply_axis(axes.xaxis, panel.x, max(14, 60 // columns))
    _apply_axis(axes.yaxis, panel.y, 44)
    if panel.title:
        axes.set_title(wrap_text(panel.title, 40), fontsize=9, fontweight="normal")
    return entries


def _apply_axis(axis: Any, wanted: Axis, label_characters: int) -> None:
    """Give one of Matplotlib's axes its label, scale, limits and ticks."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

    axes = axis.axes
    letter = axis.axis_name
    label: dict[str, Any] = {} if wanted.has_upright_label else {"rotation": 0, "ha": "right", "va": "center"}
    axis.set_label_text(wrap_text(wanted.label, label_characters), **label)
    if wanted.scale == "log":
        getattr(axes, f"set_{letter}scale")("log")
        axis.set_major_locator(LogLocator(subs=[1, 2, 5], numticks=6))
        axis.set_major_formatter(_format_log_tick)
        axis.set_minor_formatter(NullFormatter())
    elif wanted.scale == "share":
        getattr(axes, f"set_{letter}lim")(-0.03, 1.03)
    elif wanted.scale == "updates":
        axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    elif wanted.scale == "hidden":
        axis.set_ticks([])
    elif wanted.names is None:
        axes.ticklabel_format(axis=letter, style="plain", useOffset=False)  # a common factor is easy to miss
        if letter == "x":
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))  # long numbers have room, too
    if wanted.names is not None:
        _set_name_ticks(axis, wanted, wanted.names)
    if wanted.limits is not None:
        getattr(axes, f"set_{letter}lim")(*wanted.limits)


def _set_name_ticks(axis: Any, wanted: Axis, names: Sequence[str]) -> None:
    """Give an axis names as ticks.

    They stand upright below a picture without room for them.
    """
    axes = axis.axes
    positions = range(len(names)) if wanted.positions is None else wanted.positions
    names = [fit_text(name, wanted.name_points, wanted.font_size) for name in names]
    columns = axes.get_subplotspec().get_gridspec().ncols if axes.get_subplotspec() else 1
    room = 72 * NAMES_WIDTH * axes.figure.get_figwidth() / columns / max(len(names), 1)
    is_upright = axis.axis_name == "x" and any(text_width(name, wanted.font_size) > room for name in names)
    axis.set_ticks(positions, names, rotation=90 if is_upright else 0, fontsize=wanted.font_size)


def _format_log_tick(value: float, position: Any = None) -> str:
    """A tick of a logarithmic axis: a plain number, or else a power of ten.

    >>> _format_log_tick(0.002), _format_log_tick(20_000.0), _format_log_tick(1e-9)
    ('0.002', '20,000', '$10^{-9}$')
    """
    if 1e-4 < value < 1e6:
        return f"{value:,g}" if value < 1 else f"{value:,.0f}"
    exponent = int(np.floor(np.log10(value)))
    factor = round(value / 10.0**exponent)
    return f"$10^{{{exponent}}}$" if factor == 1 else f"${factor}\\cdot10^{{{exponent}}}$"
