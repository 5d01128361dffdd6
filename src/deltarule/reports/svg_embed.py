"""Embed charts in HTML pages as SVG, with a description and a table.

The ids and styles of an SVG affect nothing outside it, because a page has many of them.
"""

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from deltarule.reports.chart import Chart, curves_of, format_value, select_evenly
from deltarule.reports.marks import Line
from deltarule.reports.render import file_content, render
from deltarule.reports.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINE_STYLE = "stroke-linejoin:round;stroke-linecap:butt"
MAX_TOOLTIPS = 60
"""Points of a curve that have a tooltip."""
REFERENCE = re.compile(r"#([\w-]+)")
LONG_DECIMAL = re.compile(r"-?\d+\.\d{3,}(?!\d*e)")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class EmbeddedFigure:
    """A chart on a page.

    id, title   its address on the page, and its title
    svg         the picture
    alt         its description in words
    hover       for each panel the curves with their points: position across and down in the SVG, then the values
    table       its numbers, if it has any
    """

    id: str
    title: str
    svg: str
    alt: str
    hover: list[dict[str, Any]]
    table: Table | None


def embed_figure(chart: Chart, id: str, table: Table | None = None) -> EmbeddedFigure:
    """Draw a chart as SVG with a description and a table.

    Parameters
    ----------
    id : which no other figure of the page has.
    table : its numbers, by default those of its curves.

    Examples
    --------
    >>> from deltarule.reports.figures import object_curves
    >>> made = embed_figure(object_curves([0, 10], [[0.5, 0.4], [0.9, 0.8]], ["cat", "dog"]), "objects")
    >>> made.title, made.svg[:4], made.table.cells[0]
    ('Probability of the correct output', '<svg', ['0', '0.5', '0.4'])
    """
    figure = render(chart)
    figure.set_dpi(72)  # so that coordinates have the SVG's units
    svg = _inline_svg(figure, id)
    hover = []
    for axes, panel in zip(figure.axes, filter(None, chart.panels), strict=False):
        curves = [{"name": curve.name, "points": _tooltips(figure, axes, curve)} for curve in curves_of(panel)]
        hover += [{"curves": curves, "x": panel.x.label, "y": panel.y.label}] if curves else []
    table = chart.table() if table is None else table
    return EmbeddedFigure(id, chart.title, svg, chart.description, hover, table)


def figure_html(chart: Chart) -> str:
    """A chart as HTML on a white background.

    >>> from deltarule.reports.figures import object_curves
    >>> figure_html(object_curves([0, 1], [[0.1], [0.9]], ["cat"]))[:28]
    '<div style="background:white'
    """
    return f'<div style="background:white;max-width:60em">{embed_figure(chart, f"figure-{next(_numbers)}").svg}</div>'


class EmbeddedFigures:
    """Collect the embedded figures of the block with an id."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.all: list[EmbeddedFigure] = []

    def add(self, chart: Chart, table: Table | None = None) -> None:
        """Add a chart; `table` is as in `embed_figure`."""
        self.all.append(embed_figure(chart, f"{self.id}-figure-{len(self.all) + 1}", table))


def _inline_svg(figure: "Figure", id: str) -> str:
    """Draw a figure as SVG without ids or styles that affect the rest of the page."""
    root = ElementTree.fromstring(file_content(figure, "svg"))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        attributes = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
        element.attrib = {name: _page_unique(name, value, id) for name, value in attributes.items()}
    referenced = set(REFERENCE.findall(" ".join(value for element in root.iter() for value in element.attrib.values())))
    for element in root.iter():
        if element.attrib.get("id") not in referenced:
            element.attrib.pop("id", None)
        # Hundredths of a point and single blanks are enough: a page has hundreds of figures.
        if "d" in element.attrib:
            path = LONG_DECIMAL.sub(lambda match: f"{float(match[0]):.2f}", element.attrib["d"])
            element.attrib["d"] = " ".join(path.split())
        if element.tag not in ("text", "tspan"):
            element.text = (element.text or "").strip()
        element.tail = (element.tail or "").strip()
    width = root.attrib.pop("width")
    root.attrib.pop("height")
    root.attrib |= {"role": "img", "aria-label": str(figure.get_label()), "preserveAspectRatio": "xMinYMin meet"}
    root.attrib["style"] = f"{LINE_STYLE};width:{width};max-width:100%;height:auto"
    return ElementTree.tostring(root, encoding="unicode")


def _page_unique(name: str, value: str, id: str) -> str:
    if name == "id":
        return f"{id}-{value}"
    if name == "href":
        return value.replace("#", f"#{id}-")
    return value.replace("url(#", f"url(#{id}-")


def _tooltips(figure: "Figure", axes: "Axes", curve: Line) -> list[list[Any]]:
    """Points of a curve inside its axes: position in the SVG, and values as texts."""
    x, y = curve.points()
    positions = axes.transData.transform(np.column_stack([x, y]))
    corners = axes.bbox.padded(1).get_points()
    is_visible = np.isfinite(positions).all(1) & (positions >= corners[0]).all(1) & (positions <= corners[1]).all(1)
    chosen = select_evenly(np.flatnonzero(is_visible), MAX_TOOLTIPS)
    positions[:, 1] = figure.bbox.height - positions[:, 1]
    return [[*positions[index].round(1).tolist(), format_value(x[index]), format_value(y[index])] for index in chosen]
