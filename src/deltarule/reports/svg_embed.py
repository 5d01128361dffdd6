"""Embed figures in HTML pages: as inline SVG, with a text description and a table of their numbers.

The ids and styles of an SVG affect nothing outside it, because a page has many of them.
"""

import itertools
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from deltarule.problem.problem import Floats
from deltarule.reports import style
from deltarule.reports.figure_description import alt_text, curves, name_of
from deltarule.reports.formatting import escape_html, isolate_direction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

LINE_STYLE = "stroke-linejoin:round;stroke-linecap:butt"
FONT_FAMILY = ",".join(f"'{name}'" for name in style.STYLE["font.sans-serif"]) + ",sans-serif"
FONT_FAMILY_STYLE = re.compile(r"font-family: [^;]*;? ?")
FONT_STYLE = re.compile(r"font: (?:(bold|\d+) )?([\d.]+px) [^;]*")
COORDINATE_ATTRIBUTES = ("d", "x", "y", "width", "height", "transform", "points")
LONG_DECIMAL = re.compile(r"-?\d+\.\d{3,}(?!\d*e)")
SENTENCE_END = re.compile(r"(?<=[.?]) ")
PNG_PREFIX, PALETTE_COLORS = "data:image/png;base64,", 256
REFERENCE = re.compile(r"#([\w-]+)")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class EmbeddedFigure:
    """A figure on a page.

    id, title   its address on the page, and its title
    svg         the picture
    alt         its description in words
    hover       for each axes the curves with their points: position across and down in the SVG, then the values
    table       its numbers as rows, the first of them the headings; empty if it has none
    """

    id: str
    title: str
    svg: str
    alt: str
    hover: list[dict[str, Any]]
    table: list[list[str]]


def embed_figure(figure: "Figure", id: str, table: list[list[str]] | None = None) -> EmbeddedFigure:
    """Convert a figure to SVG with a description and a table (None: of its curves); no other figure has the `id`.

    Parameters: `id`, which no other figure of the page has; `table`, its numbers, by default those of its curves.

    >>> from deltarule.reports.figures import object_curves
    >>> made = embed_figure(object_curves([0, 10], [[0.5, 0.4], [0.9, 0.8]], ["cat", "dog"]), "objects")
    >>> made.title, made.svg[:4], made.table[1]
    ('Probability of the correct output', '<svg', ['0', '0.5', '0.4'])
    """
    with style.style_context():
        dpi = figure.get_dpi()
        figure.set_dpi(72)  # so that coordinates have the SVG's units
        try:
            svg = _inline_svg(figure, id)
            hover = [data for data in (_hover_data(figure, axes) for axes in figure.axes) if data["curves"]]
        finally:
            figure.set_dpi(dpi)
    alt = alt_text(figure)
    return EmbeddedFigure(id, _first_sentence(alt), svg, alt, hover, _curve_table(figure) if table is None else table)


def figure_html(figure: "Figure") -> str:
    """A figure as HTML on a white background.

    >>> from deltarule.reports.figures import object_curves
    >>> figure_html(object_curves([0, 1], [[0.1], [0.9]], ["cat"]))[:28]
    '<div style="background:white'
    """
    return f'<div style="background:white;max-width:60em">{embed_figure(figure, f"figure-{next(_numbers)}").svg}</div>'


class EmbeddedFigures:
    """Collect the embedded figures of the block with an id; each figure gets an id that begins with it."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.all: list[EmbeddedFigure] = []

    def add(self, figure: "Figure", table: list[list[str]] | None = None) -> None:
        """Add a figure, or a sentence if it cannot be drawn; `table` is as in `embed_figure`."""
        id = f"{self.id}-figure-{len(self.all) + 1}"
        try:
            made = embed_figure(figure, id, table)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            alt = alt_text(figure)
            message = escape_html(f"This figure cannot be drawn; Matplotlib says: {error}")
            made = EmbeddedFigure(id, _first_sentence(alt), f"<p>{message}</p>", alt, [], table or [])
        self.all.append(made)


def _first_sentence(alt: str) -> str:
    """The first sentence of a description, which is the figure's title."""
    return SENTENCE_END.split(alt)[0].rstrip(".")


def _inline_svg(figure: "Figure", id: str) -> str:
    """Draw a figure as SVG without ids or styles that affect the rest of the page."""
    content = BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(content.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = {
            name.rpartition("}")[2]: _page_unique(name, value, id) for name, value in element.attrib.items()
        }
    referenced = set(REFERENCE.findall(" ".join(value for element in root.iter() for value in element.attrib.values())))
    for element in root.iter():
        if element.attrib.get("id") not in referenced:
            element.attrib.pop("id", None)
    _shorten(root)
    width = root.attrib.pop("width")
    root.attrib.pop("height")
    root.attrib |= {"role": "img", "aria-label": alt_text(figure), "preserveAspectRatio": "xMinYMin meet"}
    root.attrib["style"] = f"{LINE_STYLE};font-family:{FONT_FAMILY};width:{width};max-width:100%;height:auto"
    return ElementTree.tostring(root, encoding="unicode")


def _shorten(root: ElementTree.Element) -> None:
    """Shorten an SVG in place to half its characters without changing the image: a page has hundreds of figures."""
    for element in root.iter():
        if element.tag not in ("text", "tspan"):
            element.text = element.text if element.text and element.text.strip() else None
        element.tail = element.tail if element.tail and element.tail.strip() else None
        for name, value in element.attrib.items():
            if name == "style":
                value = FONT_FAMILY_STYLE.sub("", FONT_STYLE.sub(_without_font_family, value))
                value = value.replace("; ", ";").replace(": ", ":")
            elif name == "href" and value.startswith(PNG_PREFIX):
                value = _with_palette(value)
            elif name in COORDINATE_ATTRIBUTES:
                value = LONG_DECIMAL.sub(lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), value)
                value = " ".join(value.split())
            element.attrib[name] = value
        if element.attrib.get("transform", "").startswith("rotate(-0 "):
            del element.attrib["transform"]
        element[:] = [inner for child in element for inner in _flatten_group(child)]


def _with_palette(address: str) -> str:
    """Reduce an opaque PNG (a data: address) to 256 colors if that is shorter; our color scales have fewer colors."""
    from PIL import Image

    image = Image.open(BytesIO(b64decode(address.removeprefix(PNG_PREFIX)))).convert("RGBA")
    if image.getchannel("A").getextrema() != (255, 255):  # transparent images stay unchanged
        return address
    content = BytesIO()
    reduced = image.convert("RGB").quantize(PALETTE_COLORS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    reduced.save(content, "PNG", optimize=True)
    return min(address, PNG_PREFIX + b64encode(content.getvalue()).decode(), key=len)


def _flatten_group(element: ElementTree.Element) -> list[ElementTree.Element]:
    """Replace a group without attributes by its children; any other element is returned as the only one."""
    is_bare = element.tag == "g" and not element.attrib
    return [inner for child in element for inner in _flatten_group(child)] if is_bare else [element]


def _without_font_family(font: re.Match[str]) -> str:
    """The style of a font without its family, which the SVG defines once."""
    weight = f"font-weight:{font[1].strip()};" if font[1] else ""
    return f"{weight}font-size:{font[2]}"


def _page_unique(name: str, value: str, id: str) -> str:
    """The value of an attribute, with the figure's id before ids and references, which makes them unique on a page."""
    if name == "id":
        return f"{id}-{value}"
    if name.endswith("href") and value.startswith("#"):
        return f"#{id}-{value[1:]}"
    return value.replace("url(#", f"url(#{id}-")


def _hover_data(figure: "Figure", axes: "Axes") -> dict[str, Any]:
    """The curves of the axes with up to 60 points each (SVG coordinates and texts) and axis labels, for tooltips."""
    height = float(figure.bbox.height)
    drawn = []
    for line in curves(axes):
        x, y = _finite_points(line)
        positions = axes.transData.transform(np.column_stack([x, y]))
        corners = axes.bbox.padded(1).get_points()
        is_visible = np.isfinite(positions).all(1) & (positions >= corners[0]).all(1) & (positions <= corners[1]).all(1)
        chosen = _select_evenly(np.flatnonzero(is_visible), 60)  # points with tooltips per curve
        points = [
            [
                round(float(positions[index, 0]), 1),
                round(height - float(positions[index, 1]), 1),
                _format_number(x[index]),
                _format_number(y[index]),
            ]
            for index in chosen.tolist()
        ]
        drawn.append({"name": isolate_direction(name_of(line)), "points": points})
    return {"curves": drawn, "x": _x_label(axes, figure), "y": " ".join(axes.get_ylabel().split())}


def _curve_table(figure: "Figure") -> list[list[str]]:
    """A table of texts, headings first: the curves in the first axes at up to 9 x values; [] without curves."""
    lines = curves(figure.axes[0])
    if not lines:
        return []
    all_x = np.unique(np.concatenate([_finite_points(line)[0] for line in lines]))
    rows = [[_x_label(figure.axes[0], figure), *(name_of(line) or figure.axes[0].get_ylabel() for line in lines)]]
    for x in _select_evenly(all_x, 9).tolist():
        values_at_x = [_finite_points(line)[1][_finite_points(line)[0] == x] for line in lines]
        rows.append([_format_number(x), *(_format_number(values[0]) if len(values) else "" for values in values_at_x)])
    return rows


def _x_label(axes: "Axes", figure: "Figure") -> str:
    """The label of the x axis, which the last axes of a figure may have for all."""
    return " ".join((axes.get_xlabel() or figure.axes[-1].get_xlabel()).split())


def _finite_points(line: "Line2D") -> tuple[Floats, Floats]:
    """The x and y values of a curve, without gaps."""
    x, y = np.asarray(line.get_xdata(), np.float64), np.asarray(line.get_ydata(), np.float64)
    return x[np.isfinite(y)], y[np.isfinite(y)]


def _select_evenly(values: Any, max_count: int) -> Any:
    """Select at most `max_count` values, evenly spaced by index, including the first and the last."""
    if len(values) <= max_count:
        return values
    return values[np.linspace(0, len(values) - 1, max_count).round().astype(int)]


def _format_number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.4g}"
