"""Charts as data: marks give the picture, its description and its table.

T values along x · K members
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import BadInput, visible
from deltarule.files import write_whole
from deltarule.problem.problem import Floats
from deltarule.reports.formatting import percent
from deltarule.reports.marks import Axis, Band, Cells, Dots, Line, Mark, Panel, Segments
from deltarule.reports.render import draw_panel, file_content, render
from deltarule.reports.table import Table, TableColumn, table

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
MIN_LOG_RATIO = 15
"""Ratio of the largest to the smallest positive value from which an axis is logarithmic: it crosses a decade."""
MAX_TABLE_ROWS = 101
CELL_INCHES = 0.42, 0.26
SIGNS_NOTE = "Blue: negative. Orange: positive."
GRAY_NOTE = "Gray: not finite."


@dataclass(frozen=True, eq=False, repr=False)
class Chart:
    """A figure as data; in a notebook it shows itself.

    panels        in rows of `columns`; None leaves a place empty
    size          width and height in inches; by default the height that the names of the first panel need
    ratios        relative widths of the columns, and heights of the rows
    notes         sentences below the picture
    legend        title of the legend
    sentences     the description after the title; by default the ends of all curves, and all named values
    numbers       the table of numbers; by default that of the first panel

    >>> chart = Chart("Cost", [Panel([Line([0, 10], [1.0, 0.5], "seed 0")], Axis("updates", "updates"), Axis("cost"))])
    >>> chart.description
    'Cost. Cost against updates: seed 0 from 1 at 0 to 0.5 at 10.'
    >>> chart.table().cells
    [['0', '1'], ['10', '0.5']]
    """

    title: str
    panels: Sequence[Panel | None]
    columns: int = 1
    size: tuple[float, float] | None = None
    ratios: tuple[Sequence[float] | None, Sequence[float] | None] = (None, None)
    notes: Sequence[str] = ()
    legend: str = ""
    sentences: Sequence[str] = ()
    numbers: Table | None = None

    def __repr__(self) -> str:
        return f"Chart({self.title!r})"

    @property
    def inches(self) -> tuple[float, float]:
        names = self.panels[0].y.names if self.panels and self.panels[0] else None
        return self.size or (7.0, 3.6 if names is None else 1.5 + CELL_INCHES[1] * len(names))

    @property
    def all_notes(self) -> list[str]:
        cells = [mark for panel in self.panels if panel for mark in panel.marks if isinstance(mark, Cells)]
        signs = [SIGNS_NOTE] if any(mark.color_limits[0] < 0 for mark in cells) else []
        gray = [] if all(np.isfinite(mark.values).all() for mark in cells) else [GRAY_NOTE]
        return [*signs, *self.notes, *gray]

    @property
    def description(self) -> str:
        """What the chart shows, in a few sentences for screen readers."""
        title = self.title if self.title.endswith("?") else f"{self.title}."
        text = " ".join([title, *(self.sentences or map(_describe, filter(None, self.panels)))])
        return " ".join(visible(text).split())

    def table(self) -> Table | None:
        """The given numbers, or the cells, the named values, or curves at 101 x values."""
        panel = self.panels[0]
        if panel is None or self.numbers is not None:
            return self.numbers
        side_by_side = [panel for panel in self.panels if panel and isinstance(panel.marks[0], Cells)]
        if len(side_by_side) == len(self.panels) == self.columns:
            return _cells_table(side_by_side)
        return _estimates_table(panel) or _curves_table(panel)

    def figure(self) -> "Figure":
        """Draw the chart as a Matplotlib figure."""
        return render(self)

    def draw(self, axes: "Axes") -> None:
        """Draw the only panel into Matplotlib axes of yours, with a legend.

        Raises `BadInput` if the chart has several panels.
        """
        count = len(self.panels)
        panel = self.panels[0]
        if count > 1 or panel is None:
            raise BadInput(f"the chart has {count} panels and needs a figure of its own; call its `figure()`")
        entries = draw_panel(axes, panel)
        axes.set_title(self.title)
        if entries:
            axes.legend(entries.values(), entries.keys(), title=self.legend or None)

    def save(self, path: str | Path) -> tuple[Path, ...]:
        """Write one file in the format of its extension, such as .pdf, or without one `path`.svg and `path`.png.

        Returns the paths of the files.

        >>> import tempfile
        >>> chart = Chart("Cost", [Panel([Line([0, 1], [1.0, 0.5])])])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [file.name for name in ("cost", "cost.pdf") for file in chart.save(Path(folder) / name)]
        ['cost.svg', 'cost.png', 'cost.pdf']
        """
        figure = render(self)
        file = Path(path)
        has_format = file.suffix[1:].lower() in figure.canvas.get_supported_filetypes()
        files = (file,) if has_format else (Path(f"{path}.svg"), Path(f"{path}.png"))
        contents = [file_content(figure, file.suffix[1:].lower()) for file in files]
        for file, content in zip(files, contents, strict=True):
            write_whole(file, content)
        return files


def median_band(x: Any, values: Any, name: str, index: int = 0) -> tuple[Band, Line]:
    """The median of each row of values [T, K], and the band from 10 to 90 %."""
    values = np.asarray(values, np.float64)
    values = np.where(np.isfinite(values), values, np.nan)
    has_any = ~np.isnan(values).all(1)
    x = np.ravel(x)[has_any]
    values = values[has_any]
    low, high = np.nanpercentile(values, BAND_PERCENTILES, axis=1)
    return Band(x, low, high, BAND_LABEL, index), Line(x, np.nanmedian(values, axis=1), name, index)


def members(x: Any, values: Floats, names: Sequence[str], max_lines: int = MAX_LINES) -> list[Mark]:
    """A line for each column of values [T, K], or of many their median and a band."""
    if len(names) > max_lines:
        return list(median_band(x, values, f"median of {len(names)}"))
    if len(names) == 1:
        return [Line(x, values[:, 0])]
    return [Line(x, column, name, index) for index, (name, column) in enumerate(zip(names, values.T, strict=True))]


def rows_axis(label: str, names: Sequence[str], name_points: float = 134.0) -> Axis:
    return Axis(label, names=names, limits=(len(names) - 0.4, -0.6), name_points=name_points)


def objective_axis(
    label: str, marks: Iterable[Mark], max_shown: float | None = None, max_growth: float = MAX_SHOWN_GROWTH
) -> tuple[Axis, list[str]]:
    """An axis that ends at `max_shown`, or at a multiple of the start, with a note.

    Without `max_shown` it ends later if most values or all ends lie above that multiple.
    """
    drawn = [heights for mark in marks for heights in _heights(mark) if len(heights)]
    values = np.concatenate([np.empty(0), *drawn])
    if not len(values):
        return Axis(label), []
    least, greatest = float(values.min()), float(values.max())
    if max_shown is None:
        max_shown = max_growth * max(abs(float(heights[0])) for heights in drawn)
        if np.median(values) > max_shown or all(heights[-1] > max_shown for heights in drawn):
            max_shown = greatest
    shown = min(greatest, max(max_shown, least))
    scale = spread_scale([least, shown])
    if not greatest > max_shown > 0:
        return Axis(label, scale), []
    bottom = least / 2 if scale == "log" else least - 0.05 * (max_shown - least)
    return Axis(label, scale, limits=(bottom, max_shown)), [f"Values above {max_shown:.3g} are outside the picture."]


def spread_scale(values: Any) -> str:
    return "log" if len(values) and min(values) > 0 and max(values) > MIN_LOG_RATIO * min(values) else "linear"


def _heights(mark: Mark) -> list[Floats]:
    if isinstance(mark, Line):
        return [mark.points()[1]]
    if isinstance(mark, Segments):
        return [path[:, 1] for path in mark.paths]
    return [mark.low, mark.high] if isinstance(mark, Band) else []


def curves_of(panel: Panel) -> list[Line]:
    return [mark for mark in panel.marks if isinstance(mark, Line) and mark.is_data and len(mark.points()[0])]


def _cells_table(panels: Sequence[Panel]) -> Table:
    """The texts of cells, with the names of rows where these change."""
    columns = list[TableColumn]()
    contents = list[Any]()
    names = None
    for panel in panels:
        if panel.y.names != names:
            names = panel.y.names
            columns.append(TableColumn(panel.y.label, is_text=True))
            contents.append(names)
        for mark in panel.marks:
            if isinstance(mark, Cells):
                columns += [TableColumn(name, False, _align_star, _style_star) for name in panel.x.names or ()]
                contents += zip(*mark.texts, strict=True)
    return table(columns, list(zip(*contents, strict=True)))


def _estimates_table(panel: Panel) -> Table | None:
    """A table of a panel's estimates with intervals; None if it has none."""
    estimates = _estimates(panel)
    if not estimates:
        return None
    skipped = 1 if len({row[0] for row in estimates}) == 1 else 0
    name, value = (panel.y.label, panel.x.label) if panel.y.names else (panel.x.label, panel.y.label)
    columns = ["what", name, value, "from", "to"][skipped:]
    return table(columns, [row[skipped:] for row in estimates]).without_empty_columns()


def _curves_table(panel: Panel) -> Table | None:
    """The values of curves at evenly chosen x values."""
    curves = curves_of(panel)
    if not curves:
        return None
    points = [dict(zip(*map(np.ndarray.tolist, curve.points()), strict=True)) for curve in curves]
    rows = [
        [format_value(x), *(format_value(curve[x]) if x in curve else "" for curve in points)]
        for x in select_evenly(np.unique([x for curve in points for x in curve]), MAX_TABLE_ROWS).tolist()
    ]
    return table([panel.x.label, *(curve.name or panel.y.label for curve in curves)], rows)


def _align_star(text: str) -> str:
    return text if text.endswith("*") else f"{text} "


def _style_star(text: str) -> str:
    return "bold green" if text.endswith("*") else ""


def _estimates(panel: Panel) -> list[list[str]]:
    """A row for each dot with a name or an interval: mark, name, value, ends."""
    rows: list[list[str]] = []
    for mark in panel.marks:
        if panel.is_bare or not isinstance(mark, Dots) or (mark.intervals is None and panel.y.names is None):
            continue
        places, values = (mark.x, mark.y) if mark.are_upright else (mark.y, mark.x)
        names_axis, axis = (panel.x, panel.y) if mark.are_upright else (panel.y, panel.x)
        intervals = np.full((len(values), 2), np.nan) if mark.intervals is None else mark.intervals
        for place, value, ends in zip(places, values, intervals, strict=True):
            name = _format_on(names_axis, place) if names_axis.names is None else names_axis.names[int(place)]
            low, high = ("" if np.isnan(end) else _format_on(axis, end) for end in ends)
            rows.append([mark.name, name, _format_on(axis, value), low, high])
    return rows


def _format_on(axis: Axis, value: float) -> str:
    return percent(float(value)) if axis.scale == "share" else format_value(value)


def _describe(panel: Panel) -> str:
    """A sentence with all named values, or the first and the last point of each curve."""
    estimates = _estimates(panel)
    x = panel.x.label
    y = panel.y.label
    if estimates:
        parts = [f"{name} {value}" + (f" ({low} to {high})" if low else "") for _, name, value, low, high in estimates]
        x, y = (x, y) if panel.y.names is None else (y, x)
    else:
        ends = [(curve.name, *np.stack(curve.points())[:, [0, -1]]) for curve in curves_of(panel)]
        parts = [f"{name} from {y[0]:.4g} at {x[0]:,.6g} to {y[1]:.4g} at {x[1]:,.6g}".strip() for name, x, y in ends]
    if len(parts) > MAX_LINES:
        parts[MAX_LINES:] = [f"and {len(parts) - MAX_LINES:,} more"]
    return f"{capitalize(y)} against {x}{': ' if parts else ''}{'; '.join(parts)}."


def capitalize(text: str) -> str:
    return text[:1].upper() + text[1:]


def select_evenly(values: Any, max_count: int) -> Any:
    if len(values) <= max_count:
        return values
    return values[np.linspace(0, len(values) - 1, max_count).round().astype(int)]


def format_value(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.4g}"
