"""Charts as data: panels of marks on two axes, with notes.

A figure function computes what is shown and returns a `Chart`. The same marks give the picture, its description for
screen readers and its table of numbers.

T values along x · K members
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import count_of
from deltarule.problem.problem import Floats
from deltarule.reports.formatting import visible
from deltarule.reports.marks import Axis, Band, Bars, Dots, Line, Mark, Panel, check_shape
from deltarule.reports.render import draw_into, render, save
from deltarule.reports.table import Table, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_LINES = 8
"""Members that get a line each; more are drawn as their median and a band."""
BAND_PERCENTILES = (10, 90)
BAND_LABEL = "10 to 90 %"
"""Percentiles of the band around a median; it holds eight of ten members."""
MAX_SHOWN_GROWTH = 1000
"""Largest displayed value, as a multiple of the largest first value: a diverging curve would flatten all others."""
MAX_SHOWN = 1e200
"""Largest displayed value: Matplotlib's margins overflow where a network diverged to more."""
MAX_TABLE_ROWS = 9
"""Rows of the table of a chart's curves."""


@dataclass(frozen=True, eq=False, repr=False)
class Chart:
    """A figure as data; in a notebook it shows itself.

    panels        in rows of `columns`; None leaves a place empty
    size          width and height in inches
    ratios        relative widths of the columns, and heights of the rows
    notes         sentences below the picture
    legend        title of the legend
    sentences     the description after the title; by default the ends of all curves

    >>> chart = Chart("Cost", [Panel([Line([0, 10], [1.0, 0.5], "seed 0")], Axis("updates", "updates"), Axis("cost"))])
    >>> chart.description
    'Cost. Cost against updates: seed 0 from 1 at 0 to 0.5 at 10.'
    >>> chart.table().cells
    [['0', '1'], ['10', '0.5']]
    """

    title: str
    panels: Sequence[Panel | None]
    columns: int = 1
    size: tuple[float, float] = (7.0, 3.6)
    ratios: tuple[Sequence[float] | None, Sequence[float] | None] = (None, None)
    notes: Sequence[str] = ()
    legend: str = ""
    sentences: Sequence[str] = ()
    shares_x: bool = False

    def __repr__(self) -> str:
        return f"Chart({self.title!r})"

    @property
    def description(self) -> str:
        """What the chart shows, in a few sentences for screen readers."""
        title = self.title if self.title.endswith("?") else f"{self.title}."
        text = " ".join([title, *(self.sentences or map(_describe_curves, filter(None, self.panels)))])
        return " ".join(visible(text).split())

    def table(self) -> Table | None:
        """The curves of the first panel at up to 9 x values, if there are any."""
        panel = self.panels[0]
        curves = curves_of(panel) if panel else []
        if panel is None or not curves:
            return None
        points = [dict(zip(*map(np.ndarray.tolist, curve.points()), strict=True)) for curve in curves]
        rows = [
            [format_value(x), *(format_value(one[x]) if x in one else "" for one in points)]
            for x in select_evenly(np.unique([x for one in points for x in one]), MAX_TABLE_ROWS).tolist()
        ]
        return table([panel.x.label, *(curve.name or panel.y.label for curve in curves)], rows)

    def figure(self) -> "Figure":
        """Draw the chart as a Matplotlib figure."""
        return render(self)

    def draw(self, axes: "Axes") -> None:
        """Draw the only panel into Matplotlib axes of yours, with a legend.

        Raises
        ------
        BadInput
            If the chart has several panels.
        """
        draw_into(self, axes)

    def save(self, path: str | Path) -> tuple[Path, Path]:
        """Write `path`.svg and `path`.png, and return both paths.

        >>> import tempfile
        >>> chart = Chart("Cost", [Panel([Line([0, 1], [1.0, 0.5])])])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [file.name for file in chart.save(Path(folder) / "cost")]
        ['cost.svg', 'cost.png']
        """
        return save(self, Path(path))


def lines(x: Any, values: Any, names: Sequence[str]) -> list[Mark]:
    """A line for each column of the values [T, K]."""
    return [Line(x, column, name, index) for index, (name, column) in enumerate(zip(names, values.T, strict=True))]


def median_band(x: Any, values: Any, name: str, index: int = 0) -> list[Mark]:
    """The median of each row of values [T, K], and the band from 10 to 90 %."""
    values = np.asarray(values, np.float64)
    check_shape(values, {"x value": len(np.ravel(x)), "member": values.shape[1]})
    values = np.where(np.isfinite(values), values, np.nan)
    has_any = ~np.isnan(values).all(1)
    x, values = np.ravel(x)[has_any], values[has_any]
    low, high = np.nanpercentile(values, BAND_PERCENTILES, axis=1)
    return [Band(x, low, high, BAND_LABEL, index), Line(x, np.nanmedian(values, axis=1), name, index)]


def members(x: Any, values: Floats, names: Sequence[str]) -> list[Mark]:
    """A line for each column of values [T, K], or of many their median and a band."""
    if len(names) > MAX_LINES:
        return median_band(x, values, f"median of {len(names)}")
    return lines(x, values, names if len(names) > 1 else [""])


def interval_rows(
    names: Sequence[str], values: Any, intervals: Any, entries: tuple[str, str], label: str, name_points: float
) -> tuple[list[Mark], Axis]:
    """A dot for each value [T], a bar over its interval [T, 2], and the axis of names.

    `entries` name the dots and the bars in the legend; `label` is that of the axis.
    """
    rows = np.arange(len(names))
    marks: list[Mark] = [Bars(intervals[:, 0], intervals[:, 1], rows, entries[1]), Dots(values, rows, entries[0])]
    return marks, Axis(label, names=names, limits=(len(names) - 0.4, -0.6), name_points=name_points)


def objective_axis(label: str, marks: Iterable[Mark], max_shown: float | None = None) -> tuple[Axis, list[str]]:
    """An axis that ends at `max_shown`, with a note if values lie above it.

    By default it ends at a multiple of the start, unless most values or all ends lie above that.
    """
    drawn = [one for mark in marks for one in _heights(mark) if len(one)]
    values = np.concatenate([np.empty(0), *drawn])
    if not len(values):
        return Axis(label), []
    least, greatest = float(values.min()), float(values.max())
    if max_shown is None:
        max_shown = MAX_SHOWN_GROWTH * max(abs(float(one[0])) for one in drawn)
        if np.median(values) > max_shown or all(one[-1] > max_shown for one in drawn):
            max_shown = greatest
    max_shown = min(max_shown, MAX_SHOWN)
    shown = min(greatest, max(max_shown, least))
    scale = "log" if least > 0 and shown > 100 * least else "linear"
    if not greatest > max_shown > 0:
        return Axis(label, scale), []
    bottom = least / 2 if scale == "log" else least - 0.05 * (max_shown - least)
    return Axis(label, scale, limits=(bottom, max_shown)), [f"Values above {max_shown:.3g} are outside the picture."]


def spread_scale(values: Any) -> str:
    """The scale of an axis: "log" if positive values differ by a factor of 30."""
    return "log" if len(values) and min(values) > 0 and max(values) > 30 * min(values) else "linear"


def _heights(mark: Mark) -> list[Floats]:
    if isinstance(mark, Line):
        return [mark.points()[1]]
    return [mark.low, mark.high] if isinstance(mark, Band) else []


def curves_of(panel: Panel) -> list[Line]:
    """The curves of a panel that show data and have any."""
    return [mark for mark in panel.marks if isinstance(mark, Line) and mark.is_data and len(mark.points()[0])]


def _describe_curves(panel: Panel) -> str:
    """A sentence with the first and the last point of each curve."""
    curves = curves_of(panel)
    ends = []
    for curve in curves[:MAX_LINES]:
        x, y = curve.points()
        ends.append(f"{curve.name} from {y[0]:.4g} at {x[0]:,.6g} to {y[-1]:.4g} at {x[-1]:,.6g}".strip())
    if len(curves) > MAX_LINES:
        ends.append(count_of(len(curves) - MAX_LINES, "more line"))
    return f"{capitalize(panel.y.label)} against {panel.x.label}{': ' if ends else ''}{'; '.join(ends)}."


def capitalize(text: str) -> str:
    """A text with a capital first letter; the others stay as they are."""
    return text[:1].upper() + text[1:]


def select_evenly(values: Any, max_count: int) -> Any:
    """Select at most `max_count` values, evenly spaced, with the first and the last."""
    if len(values) <= max_count:
        return values
    return values[np.linspace(0, len(values) - 1, max_count).round().astype(int)]


def format_value(value: float) -> str:
    """Format a number of a table or a tooltip."""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.4g}"
