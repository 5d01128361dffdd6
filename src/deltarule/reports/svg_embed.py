"""Embed charts in HTML pages as SVG with a description.

The ids and styles of an SVG affect nothing outside it, because a page has many of them.
"""

import itertools
import re
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.reports.chart import Chart, curves_of, format_value, select_evenly
from deltarule.reports.marks import Line
from deltarule.reports.render import file_content, render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LINE_STYLE = "stroke-linejoin:round;stroke-linecap:butt"
MAX_TOOLTIPS = 60
UNUSED = re.compile(r"^.*?(?=<svg)|<metadata>.*?</metadata>|<style.*?</style>|(?<=<g) id=\"[^\"]*\"", re.DOTALL)
"""Parts of an SVG file that a page does not need: its head, metadata, the style of lines, and names of groups."""
REFERENCE = re.compile(r'(?:xlink:)?(\bid="|href="#|url\(#)')
PATH = re.compile(r' d="[^"]*"')
LONG_DECIMAL = re.compile(r"-?\d+\.\d{3,}(?!\d*e)")
_numbers = itertools.count(1)


def embed_figure(chart: Chart, id: str) -> tuple[str, list[dict[str, Any]]]:
    """Draw a chart as SVG for a page on which no other figure has this `id`.

    Also returns for each panel its curves with their points: position across and down in the SVG, then the values.
    """
    figure = render(chart)
    figure.set_dpi(72)  # so that coordinates have the SVG's units
    svg = _inline_svg(figure, id)
    hover = []
    for axes, panel in zip(figure.axes, filter(None, chart.panels), strict=False):
        curves = [{"name": curve.name, "points": _tooltips(figure, axes, curve)} for curve in curves_of(panel)]
        hover += [{"curves": curves, "x": panel.x.label, "y": panel.y.label}] if curves else []
    return svg, hover


def figure_html(chart: Chart) -> str:
    """A chart as HTML on a white background.

    >>> from deltarule.reports.figures import object_curves
    >>> figure_html(object_curves([0, 1], [[0.1], [0.9]], ["cat"]))[:28]
    '<div style="background:white'
    """
    svg, _ = embed_figure(chart, f"figure-{next(_numbers)}")
    return f'<div style="background:white;max-width:60em">{svg}</div>'


def _inline_svg(figure: "Figure", id: str) -> str:
    """Draw a figure as SVG without ids or styles that affect the rest of the page."""
    svg = UNUSED.sub("", file_content(figure, "svg").decode())
    svg = REFERENCE.sub(rf"\g<1>{id}-", svg)
    # Hundredths of a point and single blanks are enough: a page has hundreds of figures.
    svg = PATH.sub(lambda path: LONG_DECIMAL.sub(lambda number: f"{float(number[0]):.2f}", path[0]), svg)
    width, height = figure.bbox.width, figure.bbox.height
    attributes = {
        "viewBox": f"0 0 {width:g} {height:g}",
        "preserveAspectRatio": "xMinYMin meet",
        "role": "img",
        "aria-label": escape(str(figure.get_label())),
        "style": f"{LINE_STYLE};width:{width:g}pt;max-width:100%;height:auto",
    }
    tag = "<svg " + " ".join(f'{name}="{value}"' for name, value in attributes.items()) + ">"
    return " ".join(re.sub("<svg[^>]*>", lambda old: tag, svg, count=1).split())


def _tooltips(figure: "Figure", axes: "Axes", curve: Line) -> list[list[Any]]:
    """Points of a curve inside its axes: position in the SVG, and values as texts."""
    x, y = curve.points()
    positions = axes.transData.transform(np.column_stack([x, y]))
    corners = axes.bbox.padded(1).get_points()
    is_visible = np.isfinite(positions).all(1) & (positions >= corners[0]).all(1) & (positions <= corners[1]).all(1)
    chosen = select_evenly(np.flatnonzero(is_visible), MAX_TOOLTIPS)
    positions[:, 1] = figure.bbox.height - positions[:, 1]
    return [[*positions[index].round(1).tolist(), format_value(x[index]), format_value(y[index])] for index in chosen]
