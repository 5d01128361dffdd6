"""Build a figure: layout, legend, notes and description, as all figures share them.

T looks · K members
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
from deltarule.reports.text_fitting import all_fitted, all_wrapped, escape_dollars, width_of, wrap_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_LINES = 8
"""Members that are drawn a line each; of more, the median and a band are."""
MAX_SHOWN_GROWTH = 1000
"""How many times the greatest value at the start is still shown: what diverges would press all else flat."""
CANNOT_DRAW = ValueError, IndexError
"""How Matplotlib says, by its version, that numbers are too large, or that there are none."""
LEGEND_MARGIN_POINTS, TITLE_CHARACTER_POINTS = 45, 8.4
"""Points of a legend beside its words, and of a character of a title."""
MAX_LINE_PIECES = 50
"""Parts of a line that have gaps between them; of more, gaps narrower than such a share of it are not seen."""
BAND_PERCENTILES = (10, 90)
BAND_LABEL = "10 to 90 %"
"""Percentiles of the band around a median: eight of ten members lie within it."""


@dataclass
class FigureBuilder:
    """A figure in the making: the axes that are drawn on, what the legend lists, and the notes below."""

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
        """Axes below one another that share what is across."""
        return cls.of_axes(title, 7.0, 3.6 + 1.6 * (rows - 1), nrows=rows, sharex=True)

    @classmethod
    def of_axes(cls, title: str, width: float, height: float, **subplots: Any) -> "FigureBuilder":
        """Axes in a grid, row by row.    width, height  in inches"""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        from deltarule.reports.figure_display import ShownFigure

        figure = ShownFigure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(squeeze=False, **subplots)
        return cls(figure, list(axes.flat), title)

    @property
    def axes(self) -> "Axes":
        """Those that are drawn on now."""
        return self.rows[self.row]

    def next_row(self) -> None:
        """Go on with the next axes."""
        self.row += 1
        self.drawn.clear()

    def line(self, x: Any, y: Any, name: str, index: int | None = None, listed: bool = True, **look: Any) -> None:
        """A line through what is finite, with a dot where it ends, and where a value stands alone between gaps.

        Where most values would stand alone, as those of looks that are rare, the line joins them; where gaps are many,
        it goes over the narrow ones.
        Raises `BadInput` where there is not one value for each of `x`.
        """
        x, y = np.ravel(x), np.asarray(y, np.float64)
        check_shape(y, {"x value": len(x)}, name)
        there = np.isfinite(y)
        self.drawn.append(y[there])
        beside = np.pad(there, 1)
        begins = there & ~beside[:-2]
        alone = begins & ~beside[2:]
        chosen, dots = there.copy(), []
        if 2 * alone.sum() <= there.sum():
            are_many = begins.sum() > MAX_LINE_PIECES
            at = np.flatnonzero(there)
            gaps = at[:-1][np.diff(at) > (len(y) / MAX_LINE_PIECES if are_many else 1)]
            chosen[gaps + 1] = True  # one value that is missing makes a gap
            dots = [] if are_many else np.flatnonzero(alone[chosen]).tolist()
        x, y = x[chosen], np.where(there, y, np.nan)[chosen]
        place = len(self.axes.lines) if index is None else index
        given = {"marker": "o", "markersize": 3, "markevery": [*dots, -1], **style.line(place), **look}
        (drawn,) = self.axes.plot(x, y, label=escape_dollars(name), **given)
        drawn.set_gid(CURVE)
        if listed and name:
            self.entries.append((drawn, name))

    def lines(self, x: Any, values: Floats, names: Sequence[str], listed: bool = True) -> None:
        """A line for each column.    values [T, K]"""
        for name, column in zip(names, values.T, strict=True):
            self.line(x, column, name, listed=listed)

    def band(self, x: Any, values: Floats, name: str, index: int = 0, listed: bool = True) -> None:
        """The median of each row, and the band around it.    values [T, K]"""
        look = style.line(index)
        steps, low = middle(x, values, lambda rows, axis: np.nanpercentile(rows, BAND_PERCENTILES[0], axis=axis))
        _, high = middle(x, values, lambda rows, axis: np.nanpercentile(rows, BAND_PERCENTILES[1], axis=axis))
        pale: dict[str, Any] = {"color": look["color"], "alpha": style.BAND}
        if len(steps) > 1:
            shade: Any = self.axes.fill_between(steps, low, high, linewidth=0, **pale)
        else:  # between one and no other nothing can be filled
            shade = self.axes.vlines(steps, low, high, linewidth=4, **pale)
        median = middle(x, values, np.nanmedian)
        (line,) = self.axes.plot(*median, label=escape_dollars(name), marker="o", markersize=3, markevery=[-1], **look)
        line.set_gid(CURVE)
        self.drawn += [low, high]
        if listed:
            self.entries += [(line, name), (shade, BAND_LABEL)]

    def ranges(self, names: Sequence[str], points: float, values: Floats, intervals: Floats) -> tuple[Any, Any]:
        """A row for each name, the first on top: a dot at its value [T], and a bar over its interval [T, 2].

        Parameters: `points`, how wide a name may be. Returns: the dots and the bars, for the legend.
        """
        places = np.arange(len(names))
        bars = self.axes.hlines(places, intervals[:, 0], intervals[:, 1], color=style.BLUE, linewidth=4, alpha=0.35)
        (dots,) = self.axes.plot(values, places, "o", color=style.BLUE, markersize=5)
        self.axes.set_yticks(places, all_fitted(names, points, 8.5))
        self.axes.set_ylim(len(names) - 0.4, -0.6)
        return dots, bars

    def members(self, x: Any, values: Floats, names: Sequence[str], listed: bool = True) -> None:
        """Lines of few members, a band of many.    values [T, K]"""
        if len(names) <= MAX_LINES:
            self.lines(x, values, names if len(names) > 1 else [""], listed)
        else:
            self.band(x, values, f"median of {len(names)}", listed=listed)

    def mark_rate(self, suggested: Floats, listed: bool = True) -> None:
        """A vertical line at the suggestion, the median one where members differ."""
        found = suggested[np.isfinite(suggested)]
        if not len(found):
            self.note("No rate is suggested: at none does the objective fall.")
            return
        rate = float(np.median(found))
        line = self.axes.axvline(rate, color=style.GRAY, linewidth=1.2, zorder=1)
        if listed:
            self.entries.append((line, f"suggested: {rate:.3g}" + (" (median)" if len(found) > 1 else "")))

    def x_label_updates(self) -> None:
        """Whole numbers of updates across."""
        from matplotlib.ticker import MaxNLocator, StrMethodFormatter

        self.axes.set_xlabel("updates")
        self.axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
        self.axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))

    def y_label(self, text: str) -> None:
        """What is upright, with its unit."""
        self.axes.set_ylabel(wrap_text(text, 44))

    def scale_objective(self, top: float | None = None) -> None:
        """A logarithmic scale for many decades; what diverges leaves the picture.    top   the greatest value shown"""
        values = np.concatenate([np.empty(0), *self.drawn])
        if not len(values):
            return
        least, greatest = float(values.min()), float(values.max())
        if top is None:
            top = MAX_SHOWN_GROWTH * max(abs(float(column[0])) for column in self.drawn if len(column))
            # What is mostly above, or ends there altogether, is all that there is to see.
            if np.median(values) > top or all(column[-1] > top for column in self.drawn if len(column)):
                top = greatest
        shown = min(greatest, max(top, least))
        # An objective that spans more than this is drawn on a logarithmic scale.
        logarithmic = least > 0 and np.log10(shown) - np.log10(least) > 2
        if logarithmic:
            self.axes.set_yscale("log")
            # Above it a logarithmic scale is given its marks: Matplotlib looks for them far above, where no number is
            # left.
            if shown > 1e200:
                self._mark_decades(least, shown)
        if greatest > top > 0:
            self.axes.set_ylim(least / 2 if logarithmic else least - 0.05 * (top - least), top)
            self.note(f"Values above {top:.3g} are outside the picture.")

    def _mark_decades(self, least: float, greatest: float) -> None:
        """A few marks on a logarithmic scale whose end is near that of numbers, and its limits."""
        from matplotlib.ticker import FixedLocator, NullLocator

        decades = np.linspace(np.ceil(np.log10(least)), np.floor(np.log10(greatest)), 5).round()
        self.axes.yaxis.set_major_locator(FixedLocator((10.0 ** np.unique(decades)).tolist()))
        self.axes.yaxis.set_minor_locator(NullLocator())
        self.axes.set_ylim(max(least / 2, np.finfo(float).tiny), min(greatest, np.finfo(float).max / 2) * 2)

    def scale_share(self) -> None:
        """From 0 to 1, with room for lines that lie on either."""
        self.axes.set_ylim(-0.03, 1.03)

    def describe(self, text: str) -> None:
        """A sentence of what there is to see, for those who cannot, once."""
        if text not in self.descriptions:
            self.descriptions.append(text)

    def note(self, text: str) -> None:
        """A sentence below the figure, once."""
        if text not in self.notes:
            self.notes.append(text)

    def finish(self, legend_title: str = "") -> "Figure":
        """Set the legend beside the axes and the notes below, where they can hide nothing."""
        told = " ".join([title_sentence(self.title), *(self.descriptions or describe_curves(self.figure))])
        self.figure.set_label(" ".join(visible(told).split()))
        for axis in (axis for axes in self.rows for axis in (axes.xaxis, axes.yaxis)):
            if _has_offset(axis):
                write_out_ticks(axis)
        names = all_wrapped([name for _, name in self.entries], 26)
        room = 72 * self.figure.get_figwidth()
        if names:
            room -= LEGEND_MARGIN_POINTS + max(
                width_of(line, 8.5) for name in names for line in name.splitlines() or [""]
            )
            lines = sum(name.count("\n") + 1 for name in names)
            self.figure.set_figheight(max(self.figure.get_figheight(), 1.2 + 0.18 * lines))
            handles, title = [handle for handle, _ in self.entries], wrap_text(legend_title, 26) or None
            self.figure.legend(handles, names, loc="outside right upper", title=title, alignment="left")
        if not self.rows[0].get_title(loc="left"):
            across = max(int(room / TITLE_CHARACTER_POINTS), 12)
            lines = -int(
                -4 * 72 * self.figure.get_figwidth() // (TITLE_CHARACTER_POINTS * across)
            )  # as much as without a legend
            self.rows[0].set_title(wrap_text(self.title, across, lines))
        if self.notes:
            told = wrap_text(" ".join(self.notes), int(110 * self.figure.get_figwidth() / 7))
            self.figure.supxlabel(told, x=0.01, ha="left", fontsize=8, color=style.GRAY)
        return self.figure


def check_shape(values: Floats, counts: Mapping[str, int], name: str = "") -> None:
    """Raise `BadInput` for values that are not so many along each axis.    counts  by what stands along it"""
    if values.shape != (wanted := tuple(counts.values())):
        of = f" of {visible(name)!r}" if name else ""
        there = " and ".join(count_of(count, what) for what, count in counts.items())
        raise BadInput(
            f"the values{of} have the shape {values.shape} for {there}; "
            f"give the shape {wanted}, a value for each {' and '.join(counts)}"
        )


def middle(x: Any, values: Floats, of: Callable[..., Floats]) -> tuple[Floats, Floats]:
    """A statistic over the finite values of each row that has some.    values [T, K]"""
    check_shape(values, {"x value": len(np.ravel(x)), "member": values.shape[1]})
    values = np.where(np.isfinite(values), values, np.nan)
    there = ~np.isnan(values).all(1)
    return np.asarray(x)[there], of(values[there], axis=1)


def _has_offset(axis: Any) -> bool:
    """Whether there stands, beside the numbers along an axis, one that has to be added or multiplied to each."""
    formatter = axis.get_major_formatter()
    with contextlib.suppress(*CANNOT_DRAW):  # which is told where it is drawn
        formatter.format_ticks(axis.get_majorticklocs())
    return bool(formatter.get_offset())


def write_out_ticks(axis: Any) -> None:
    """Few numbers, each written out: one that all have to be multiplied by would lie on something else.

    The longer they are, the fewer, so that they do not lie on one another. Call it when all is drawn.
    """
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    low, high = axis.get_view_interval()
    largest, half = max(abs(low), abs(high)), abs(high / 2 - low / 2)  # the whole may be no number any more
    digits = max(4, int(np.log10(largest / 2 / half)) + 3)
    # Below it numbers along an axis have no powers of ten.
    if 1 <= largest < 1e7:
        digits = max(digits, int(np.log10(largest)) + 1)
    axis.set_major_locator(MaxNLocator(int(np.clip(30 // digits, 1, 4))))
    axis.set_major_formatter(StrMethodFormatter(f"{{x:.{digits}g}}"))
