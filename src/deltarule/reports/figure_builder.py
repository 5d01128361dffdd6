"""Build figures: layout, legend, notes and description, which all of them share.

T evaluations · K members
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import BadInput, count_of
from deltarule.problem.problem import Floats
from deltarule.reports import style
from deltarule.reports.figure_description import CURVE, describe_curves, title_sentence
from deltarule.reports.formatting import visible
from deltarule.reports.text_fitting import escape_dollars, fit_names, text_width, wrap_names, wrap_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_LINES = 8
"""Members that get a line each; more are drawn as their median and a band."""
MAX_SHOWN_GROWTH = 1000
"""Largest displayed value, as a multiple of the largest first value: a diverging curve would flatten all others."""
CANNOT_DRAW = ValueError, IndexError
"""What Matplotlib raises, depending on its version, for numbers that are too large, or for none."""
LEGEND_MARGIN_POINTS, TITLE_CHARACTER_POINTS = 45, 8.4
"""Width in points of a legend without its text, and of a character of a title."""
MAX_LINE_PIECES = 50
"""Pieces of a line between gaps; with more, only gaps wider than this fraction of the line are drawn."""
BAND_PERCENTILES = (10, 90)
BAND_LABEL = "10 to 90 %"
"""Percentiles of the band around a median; it holds eight of ten members."""


@dataclass
class FigureBuilder:
    """A figure under construction: its axes, legend entries, notes below it, and sentences for screen readers."""

    figure: "Figure"
    rows: list["Axes"]
    title: str
    row: int = 0
    entries: list[tuple[Any, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)
    drawn: list[Floats] = field(default_factory=list)

    @classmethod
    def blank(cls, title: str, rows: int = 1) -> "FigureBuilder":
        """Create a figure with `rows` axes below one another, which share the x axis."""
        return cls.of_axes(title, 7.0, 3.6 + 1.6 * (rows - 1), nrows=rows, sharex=True)

    @classmethod
    def of_axes(cls, title: str, width: float, height: float, **subplots: Any) -> "FigureBuilder":
        """Create a figure of width × height inches with a grid of axes, as `subplots` says (nrows, ncols, …)."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        from deltarule.reports.figure_display import ShownFigure

        figure = ShownFigure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(squeeze=False, **subplots)
        return cls(figure, list(axes.flat), title)

    @property
    def axes(self) -> "Axes":
        """The current axes."""
        return self.rows[self.row]

    def next_row(self) -> None:
        """Make the next axes the current ones."""
        self.row += 1
        self.drawn.clear()

    def line(self, x: Any, y: Any, name: str, index: int | None = None, in_legend: bool = True, **options: Any) -> None:
        """Draw a line through the finite values; `index` selects color and dashes, None the next ones.

        Dots mark its end and values isolated between gaps; `options` are Matplotlib's.
        If most values are isolated, as with rare evaluations, the line joins them; with many gaps it has only the wide
        ones. Raises `BadInput` unless there is one value for each of `x`.
        """
        x, y = np.ravel(x), np.asarray(y, np.float64)
        check_shape(y, {"x value": len(x)}, name)
        is_finite = np.isfinite(y)
        self.drawn.append(y[is_finite])
        padded = np.pad(is_finite, 1)
        is_start = is_finite & ~padded[:-2]
        is_isolated = is_start & ~padded[2:]
        chosen, dots = is_finite.copy(), []
        if 2 * is_isolated.sum() <= is_finite.sum():
            are_many = is_start.sum() > MAX_LINE_PIECES
            indices = np.flatnonzero(is_finite)
            gaps = indices[:-1][np.diff(indices) > (len(y) / MAX_LINE_PIECES if are_many else 1)]
            chosen[gaps + 1] = True  # one missing value makes a gap
            dots = [] if are_many else np.flatnonzero(is_isolated[chosen]).tolist()
        x, y = x[chosen], np.where(is_finite, y, np.nan)[chosen]
        index = len(self.axes.lines) if index is None else index
        options = {"marker": "o", "markersize": 3, "markevery": [*dots, -1], **style.line(index), **options}
        (line,) = self.axes.plot(x, y, label=escape_dollars(name), **options)
        line.set_gid(CURVE)
        if in_legend and name:
            self.entries.append((line, name))

    def lines(self, x: Any, values: Floats, names: Sequence[str], in_legend: bool = True) -> None:
        """Draw a line for each column of the values [T, K]."""
        for name, column in zip(names, values.T, strict=True):
            self.line(x, column, name, in_legend=in_legend)

    def median_band(self, x: Any, values: Floats, name: str, index: int = 0, in_legend: bool = True) -> None:
        """Draw the median of each row of values [T, K] and the band from 10 to 90 %, in the color of line `index`."""
        line_style = style.line(index)
        steps, low = row_summary(x, values, lambda rows, axis: np.nanpercentile(rows, BAND_PERCENTILES[0], axis=axis))
        _, high = row_summary(x, values, lambda rows, axis: np.nanpercentile(rows, BAND_PERCENTILES[1], axis=axis))
        pale: dict[str, Any] = {"color": line_style["color"], "alpha": style.BAND}
        if len(steps) > 1:
            shade: Any = self.axes.fill_between(steps, low, high, linewidth=0, **pale)
        else:  # one step cannot be filled
            shade = self.axes.vlines(steps, low, high, linewidth=4, **pale)
        line_style |= {"marker": "o", "markersize": 3, "markevery": [-1]}
        (line,) = self.axes.plot(*row_summary(x, values, np.nanmedian), label=escape_dollars(name), **line_style)
        line.set_gid(CURVE)
        self.drawn += [low, high]
        if in_legend:
            self.entries += [(line, name), (shade, BAND_LABEL)]

    def ranges(
        self, names: Sequence[str], max_name_points: float, values: Floats, intervals: Floats
    ) -> tuple[Any, Any]:
        """Draw for each name, from the top, a dot at its value [T] and a bar over its interval [T, 2]; return both.

        Names have a width of at most `max_name_points`. The dots and the bars are returned for the legend.
        """
        rows = np.arange(len(names))
        bars = self.axes.hlines(rows, intervals[:, 0], intervals[:, 1], color=style.BLUE, linewidth=4, alpha=0.35)
        (dots,) = self.axes.plot(values, rows, "o", color=style.BLUE, markersize=5)
        self.axes.set_yticks(rows, fit_names(names, max_name_points, 8.5))
        self.axes.set_ylim(len(names) - 0.4, -0.6)
        return dots, bars

    def members(self, x: Any, values: Floats, names: Sequence[str], in_legend: bool = True) -> None:
        """Draw the values [T, K] of members: a line each if they are few, otherwise their median and a band."""
        if len(names) <= MAX_LINES:
            self.lines(x, values, names if len(names) > 1 else [""], in_legend)
        else:
            self.median_band(x, values, f"median of {len(names)}", in_legend=in_legend)

    def mark_rate(self, suggested: Floats, in_legend: bool = True) -> None:
        """Draw a vertical line at the median of the finite suggested learning rates [K]; without any, add a note."""
        rates = suggested[np.isfinite(suggested)]
        if not len(rates):
            self.note("No rate is suggested: at none does the objective fall.")
            return
        rate = float(np.median(rates))
        line = self.axes.axvline(rate, color=style.GRAY, linewidth=1.2, zorder=1)
        if in_legend:
            self.entries.append((line, f"suggested: {rate:.3g}" + (" (median)" if len(rates) > 1 else "")))

    def x_label_updates(self) -> None:
        """Label the x axis with whole numbers of updates."""
        from matplotlib.ticker import MaxNLocator, StrMethodFormatter

        self.axes.set_xlabel("updates")
        self.axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
        self.axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))

    def y_label(self, text: str) -> None:
        """Label the y axis."""
        self.axes.set_ylabel(wrap_text(text, 44))

    def scale_objective(self, max_shown: float | None = None) -> None:
        """Make y logarithmic over two decades; cut off values above `max_shown`, by default a multiple of the start."""
        values = np.concatenate([np.empty(0), *self.drawn])
        if not len(values):
            return
        least, greatest = float(values.min()), float(values.max())
        if max_shown is None:
            max_shown = MAX_SHOWN_GROWTH * max(abs(float(column[0])) for column in self.drawn if len(column))
            # If most values, or all ends, lie above it, nothing is cut off.
            if np.median(values) > max_shown or all(column[-1] > max_shown for column in self.drawn if len(column)):
                max_shown = greatest
        shown = min(greatest, max(max_shown, least))
        is_logarithmic = least > 0 and np.log10(shown) - np.log10(least) > 2
        if is_logarithmic:
            self.axes.set_yscale("log")
            # Matplotlib searches for ticks beyond the largest float.
            if shown > 1e200:
                self._mark_decades(least, shown)
        if greatest > max_shown > 0:
            bottom = least / 2 if is_logarithmic else least - 0.05 * (max_shown - least)
            self.axes.set_ylim(bottom, max_shown)
            self.note(f"Values above {max_shown:.3g} are outside the picture.")

    def _mark_decades(self, least: float, greatest: float) -> None:
        """Set at most 5 ticks and the limits of the logarithmic y axis for values near the largest float."""
        from matplotlib.ticker import FixedLocator, NullLocator

        decades = np.linspace(np.ceil(np.log10(least)), np.floor(np.log10(greatest)), 5).round()
        self.axes.yaxis.set_major_locator(FixedLocator((10.0 ** np.unique(decades)).tolist()))
        self.axes.yaxis.set_minor_locator(NullLocator())
        self.axes.set_ylim(max(least / 2, np.finfo(float).tiny), min(greatest, np.finfo(float).max / 2) * 2)

    def scale_share(self) -> None:
        """Limit the y axis to shares, from 0 to 1, with room for lines at both ends."""
        self.axes.set_ylim(-0.03, 1.03)

    def describe(self, text: str) -> None:
        """Add a sentence to the description for screen readers, unless it is there already."""
        if text not in self.descriptions:
            self.descriptions.append(text)

    def note(self, text: str) -> None:
        """Add a sentence below the figure, unless it is there already."""
        if text not in self.notes:
            self.notes.append(text)

    def finish(self, legend_title: str = "") -> "Figure":
        """Add the legend beside the axes, the title and the notes below, and return the figure."""
        description = " ".join([title_sentence(self.title), *(self.descriptions or describe_curves(self.figure))])
        self.figure.set_label(" ".join(visible(description).split()))
        for axis in (axis for axes in self.rows for axis in (axes.xaxis, axes.yaxis)):
            if _has_offset(axis):
                use_full_tick_labels(axis)
        names = wrap_names([name for _, name in self.entries], 26)
        room = 72 * self.figure.get_figwidth()
        if names:
            room -= LEGEND_MARGIN_POINTS + max(
                text_width(line, 8.5) for name in names for line in name.splitlines() or [""]
            )
            lines = sum(name.count("\n") + 1 for name in names)
            self.figure.set_figheight(max(self.figure.get_figheight(), 1.2 + 0.18 * lines))
            handles, title = [handle for handle, _ in self.entries], wrap_text(legend_title, 26) or None
            self.figure.legend(handles, names, loc="outside right upper", title=title, alignment="left")
        if not self.rows[0].get_title(loc="left"):
            across = max(int(room / TITLE_CHARACTER_POINTS), 12)
            lines = -int(
                -4 * 72 * self.figure.get_figwidth() // (TITLE_CHARACTER_POINTS * across)
            )  # as many lines as without a legend would do
            self.rows[0].set_title(wrap_text(self.title, across, lines))
        if self.notes:
            notes = wrap_text(" ".join(self.notes), int(110 * self.figure.get_figwidth() / 7))
            self.figure.supxlabel(notes, x=0.01, ha="left", fontsize=8, color=style.GRAY)
        return self.figure


def check_shape(values: Floats, axis_lengths: Mapping[str, int], name: str = "") -> None:
    """Raise `BadInput` unless the values have the shape `axis_lengths`, whose keys say what is along each axis."""
    expected_shape = tuple(axis_lengths.values())
    if values.shape != expected_shape:
        of_name = f" of {visible(name)!r}" if name else ""
        lengths = " and ".join(count_of(length, noun) for noun, length in axis_lengths.items())
        raise BadInput(
            f"the values{of_name} have the shape {values.shape} for {lengths}; "
            f"give the shape {expected_shape}, a value for each {' and '.join(axis_lengths)}"
        )


def row_summary(x: Any, values: Floats, statistic: Callable[..., Floats]) -> tuple[Floats, Floats]:
    """Return `x` and a NaN-ignoring statistic of each row of values [T, K], without rows that have no finite value."""
    check_shape(values, {"x value": len(np.ravel(x)), "member": values.shape[1]})
    values = np.where(np.isfinite(values), values, np.nan)
    has_any = ~np.isnan(values).all(1)
    return np.asarray(x)[has_any], statistic(values[has_any], axis=1)


def _has_offset(axis: Any) -> bool:
    """Whether an axis has a common offset or factor beside its numbers."""
    formatter = axis.get_major_formatter()
    with contextlib.suppress(*CANNOT_DRAW):  # reported when it is drawn
        formatter.format_ticks(axis.get_majorticklocs())
    return bool(formatter.get_offset())


def use_full_tick_labels(axis: Any) -> None:
    """Label an axis with complete numbers instead of a common factor beside them, which would overlap something else.

    The longer the numbers, the fewer there are, so that they do not overlap. Call it after drawing.
    """
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    low, high = axis.get_view_interval()
    largest, half = max(abs(low), abs(high)), abs(high / 2 - low / 2)  # high - low may overflow
    digits = max(4, int(np.log10(largest / 2 / half)) + 3)
    if 1 <= largest < 1e7:
        digits = max(digits, int(np.log10(largest)) + 1)
    axis.set_major_locator(MaxNLocator(int(np.clip(30 // digits, 1, 4))))
    axis.set_major_formatter(StrMethodFormatter(f"{{x:.{digits}g}}"))
