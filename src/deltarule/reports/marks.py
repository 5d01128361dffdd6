"""What a chart is made of, as plain data: marks on panels with two axes.

T values along x
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.problem.problem import Floats
from deltarule.reports import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Mark(ABC):
    """Something in a panel that draws itself."""

    name: str = ""

    @abstractmethod
    def draw(self, axes: "Axes") -> Any:
        """Draw it, and return its handle for a legend."""


@dataclass(frozen=True, eq=False)
class Line(Mark):
    """A curve through the finite values y [T] at x [T].

    index    selects color and dashes
    marks    dots: at the "end", at "all" values, hollow ones at "some", or "none"
    is_data  False for a gray guide line, which is neither described nor in tables
    """

    x: Any
    y: Any
    name: str = ""
    index: int = 0
    marks: str = "end"
    is_data: bool = True

    def points(self) -> tuple[Floats, Floats]:
        x = np.ravel(np.asarray(self.x, np.float64))
        y = np.asarray(self.y, np.float64)
        return x[np.isfinite(y)], y[np.isfinite(y)]

    def draw(self, axes: "Axes") -> Any:
        """Draw the curve, with gaps at missing values unless most are missing."""
        x = np.ravel(self.x)
        y = np.asarray(self.y, np.float64)
        if 2 * np.isfinite(y).sum() <= len(y):
            x, y = self.points()
        options: dict[str, Any] = style.line(self.index) if self.is_data else {"color": style.GRAY, "linewidth": 1.2}
        if self.marks != "none":
            every = {"end": [-1], "all": 1, "some": max(1, len(y) // 10)}[self.marks]
            options |= {"marker": "o", "markersize": 3 if self.marks == "end" else 4, "markevery": every}
        if self.marks == "some":
            options["markerfacecolor"] = "white"
        (line,) = axes.plot(x, np.where(np.isfinite(y), y, np.nan), label=style.escape_dollars(self.name), **options)
        return line


@dataclass(frozen=True, eq=False)
class Band(Mark):
    """The area between `low` and `high` [T], in the color of line `index`."""

    x: Any
    low: Any
    high: Any
    name: str = ""
    index: int = 0

    def draw(self, axes: "Axes") -> Any:
        options: dict[str, Any] = {"color": style.line(self.index)["color"], "alpha": style.BAND}
        return axes.fill_between(self.x, self.low, self.high, linewidth=0, **options)


@dataclass(frozen=True, eq=False)
class Dots(Mark):
    """A marker at each x, y.

    color      of the inside, "none" for a ring; `edge` is the color of its line
    intervals  [T, 2], drawn as a bar around each dot, along x, or along y if the dots `are_upright`
    """

    x: Any
    y: Any
    name: str = ""
    color: str = style.BLUE
    marker: str = "o"
    size: float = 5.0
    opacity: float = 1.0
    edge: str = "white"
    intervals: Any = None
    are_upright: bool = False

    def draw(self, axes: "Axes") -> Any:
        width = 0.5 if self.edge == "white" else 1.2
        colors: dict[str, Any] = {"facecolors": self.color, "edgecolors": self.edge, "linewidths": width}
        if self.marker == "|":  # has no inside
            colors = {"color": self.color, "linewidths": 2.4}
        if self.intervals is not None:
            draw, places = (axes.vlines, self.x) if self.are_upright else (axes.hlines, self.y)
            low, high = np.asarray(self.intervals, np.float64).T
            draw(places, low, high, color=self.color, linewidth=4.0, alpha=0.35)
        return axes.scatter(self.x, self.y, s=self.size**2, marker=self.marker, alpha=self.opacity, zorder=3, **colors)


@dataclass(frozen=True)
class RuleLine(Mark):
    """A thin gray line across the panel at `x` or at `y`."""

    x: Any = None
    y: Any = None
    name: str = ""

    def draw(self, axes: "Axes") -> Any:
        options: dict[str, Any] = {"color": style.GRAY, "linewidth": 1.0, "zorder": 1}
        return axes.axvline(self.x, **options) if self.y is None else axes.axhline(self.y, **options)


@dataclass(frozen=True, eq=False)
class Cells(Mark):
    """A table of values [rows, columns] with a text in each cell.

    `limits` are the values of the palest and the deepest color. By default they are those of the values: from 0, or, if
    any is negative, from blue for the most negative through white to orange.
    """

    values: Any
    texts: Sequence[Sequence[str]]
    limits: tuple[float, float] | None = None
    bold: Any = False
    font_size: float = 8.0

    @property
    def color_limits(self) -> tuple[float, float]:
        if self.limits is not None:
            return self.limits
        values = np.asarray(self.values, np.float64)
        largest = largest_magnitude(values) or 1.0
        return (-largest if (values[np.isfinite(values)] < 0).any() else 0.0), largest

    def draw(self, axes: "Axes") -> None:
        values = np.asarray(self.values, np.float64)
        low, high = self.color_limits
        colors = style.colormap(is_signed=low < 0)
        image = axes.imshow(values, cmap=colors, vmin=low, vmax=high, aspect="auto")
        shown = image.to_rgba(np.ma.masked_invalid(values))
        is_bold = np.broadcast_to(self.bold, values.shape)
        for row, column in np.ndindex(*values.shape):
            ink = style.ink_on(shown[row, column, :3])
            weight = "bold" if is_bold[row, column] else "normal"
            text = self.texts[row][column]
            axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=self.font_size, weight=weight)


@dataclass(frozen=True, eq=False)
class Image(Mark):
    """Pixels: numbers within ±`limit` [rows, columns], or colors from 0 to 1 [.., 3]."""

    pixels: Any
    limit: float = 1.0

    def draw(self, axes: "Axes") -> None:
        axes.imshow(self.pixels, cmap=style.colormap(is_signed=True), vmin=-self.limit, vmax=self.limit)


@dataclass(frozen=True, eq=False)
class Regions(Mark):
    """Classes [G, G] over two axes [G], and lines where a margin [G, G] is 0."""

    first: Any
    second: Any
    classes: Any
    margins: Sequence[Any]

    def draw(self, axes: "Axes") -> None:
        from matplotlib.colors import ListedColormap

        count = max(int(self.classes.max()) + 1, 2)
        colors = ListedColormap(list(style.COLORS[:count]))
        options: dict[str, Any] = {"cmap": colors, "vmin": -0.5, "vmax": count - 0.5, "alpha": 0.16}
        axes.pcolormesh(self.first, self.second, self.classes, shading="nearest", rasterized=True, **options)
        for margin in self.margins:
            if margin.min() < 0 < margin.max():
                axes.contour(self.first, self.second, margin, [0.0], colors=style.BLACK, linewidths=1.1)


@dataclass(frozen=True, eq=False)
class Segments(Mark):
    """Straight lines through the points of each path [points, 2]."""

    paths: Sequence[Any]
    colors: Any
    widths: Any = 1.0
    dashes: Any = "solid"
    name: str = ""

    def draw(self, axes: "Axes") -> Any:
        from matplotlib.collections import LineCollection
        from matplotlib.lines import Line2D

        options = {"colors": self.colors, "linewidths": self.widths, "linestyles": self.dashes, "zorder": 1}
        axes.add_collection(LineCollection(self.paths, **options))
        return Line2D([], [], color=self.colors, linewidth=3, linestyle=self.dashes) if self.name else None


@dataclass(frozen=True, eq=False)
class Texts(Mark):
    """A text to the right of each x, y."""

    x: Any
    y: Any
    texts: Sequence[str]
    font_size: float = 8.0

    def draw(self, axes: "Axes") -> None:
        background = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6}
        for x, y, text in zip(self.x, self.y, self.texts, strict=True):
            axes.text(x, y, text, va="center", fontsize=self.font_size, bbox=background)


@dataclass(frozen=True, eq=False)
class Axis:
    """An axis of a panel.

    scale       "linear", "log", "updates" (whole numbers) or "share" (0 to 1); "hidden" has no ticks
    names       of the ticks, at `positions` (by default 0, 1, 2, …)
    limits      of the values; by default those of the marks
    name_points maximum width of a name
    """

    label: str = ""
    scale: str = "linear"
    names: Sequence[str] | None = None
    positions: Any = None
    limits: tuple[float, float] | None = None
    name_points: float = 112.0
    font_size: float = 8.5
    has_upright_label: bool = True


@dataclass(frozen=True, eq=False)
class Panel:
    """Marks on two axes; without grid, ticks and frame if it `is_bare`."""

    marks: Sequence[Mark]
    x: Axis = field(default_factory=Axis)
    y: Axis = field(default_factory=Axis)
    title: str = ""
    is_bare: bool = False


def largest_magnitude(values: Floats) -> float:
    return float(np.abs(values[np.isfinite(values)]).max(initial=0))
