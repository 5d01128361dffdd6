"""What a chart is made of, as plain data: marks on panels with two axes.

T values along x
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.problem.problem import Floats
from deltarule.reports import style


class Mark:
    """Something that is drawn in a panel; `render.py` has a function for each kind."""


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
        x, y = np.ravel(np.asarray(self.x, np.float64)), np.asarray(self.y, np.float64)
        return x[np.isfinite(y)], y[np.isfinite(y)]


@dataclass(frozen=True, eq=False)
class Band(Mark):
    """The area between `low` and `high` [T], in the color of line `index`."""

    x: Any
    low: Any
    high: Any
    name: str = ""
    index: int = 0


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


@dataclass(frozen=True)
class Rule(Mark):
    """A thin gray line across the panel at `x` or at `y`."""

    x: Any = None
    y: Any = None
    name: str = ""


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
        finite = values[np.isfinite(values)]
        largest = float(np.abs(finite).max(initial=0)) or 1.0
        return (-largest if (finite < 0).any() else 0.0), largest


@dataclass(frozen=True, eq=False)
class Image(Mark):
    """Pixels: numbers within ±`limit` [rows, columns], or colors from 0 to 1 [.., 3]."""

    pixels: Any
    limit: float = 1.0


@dataclass(frozen=True, eq=False)
class Regions(Mark):
    """Classes [G, G] over two axes [G], and lines where a margin [G, G] is 0."""

    first: Any
    second: Any
    classes: Any
    margins: Sequence[Any]


@dataclass(frozen=True, eq=False)
class Segments(Mark):
    """Straight lines through the points of each path [points, 2]."""

    paths: Sequence[Any]
    colors: Any
    widths: Any = 1.0
    dashes: Any = "solid"
    name: str = ""


@dataclass(frozen=True, eq=False)
class Texts(Mark):
    """A text to the right of each x, y."""

    x: Any
    y: Any
    texts: Sequence[str]
    font_size: float = 8.0


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
