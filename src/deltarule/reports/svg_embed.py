"""Embed figures in HTML pages: as inline SVG, with a text description and a table of their numbers.

The SVG has no names and no styles that reach beyond it, since a page holds many of them.
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

LOOK = "stroke-linejoin:round;stroke-linecap:butt"
FAMILY = ",".join(f"'{name}'" for name in style.STYLE["font.sans-serif"]) + ",sans-serif"
OWN_FAMILY = re.compile(r"font-family: [^;]*;? ?")
FONT = re.compile(r"font: (?:(bold|\d+) )?([\d.]+px) [^;]*")
PLACES = ("d", "x", "y", "width", "height", "transform", "points")
DECIMALS = re.compile(r"-?\d+\.\d{3,}(?!\d*e)")
TITLE_END = re.compile(r"(?<=[.?]) ")
PNG, COLORS = "data:image/png;base64,", 256
REFERENCE = re.compile(r"#([\w-]+)")
_ids = itertools.count(1)


@dataclass(frozen=True)
class EmbeddedFigure:
    """A figure on a page.

    id, title   its address on the page, and what it is called
    svg         the picture
    alt         what it shows, in words
    hover       for each axes the curves with their points: place across and down in the SVG, then the values
    table       its numbers, a list of rows, the first of them the headings; empty where it has none
    """

    id: str
    title: str
    svg: str
    alt: str
    hover: list[dict[str, Any]]
    table: list[list[str]]


def embed_figure(figure: "Figure", id: str, table: list[list[str]] | None = None) -> EmbeddedFigure:
    """Convert a figure to an embedded one.

    Parameters: `id`, a name that no other figure of the page has; `table`, its numbers, None for those of its curves.

    >>> from deltarule.reports.figures import object_curves
    >>> made = embed_figure(object_curves([0, 10], [[0.5, 0.4], [0.9, 0.8]], ["cat", "dog"]), "objects")
    >>> made.title, made.svg[:4], made.table[1]
    ('Probability of the correct output', '<svg', ['0', '0.5', '0.4'])
    """
    with style.style_context():
        dpi = figure.get_dpi()
        figure.set_dpi(72)  # what is drawn then has the SVG's own units
        try:
            svg = _svg(figure, id)
            hover = [found for axes in figure.axes if (found := _hover(figure, axes))["curves"]]
        finally:
            figure.set_dpi(dpi)
    alt = alt_text(figure)
    return EmbeddedFigure(id, _title(alt), svg, alt, hover, _curve_table(figure) if table is None else table)


def figure_html(figure: "Figure") -> str:
    """A figure as HTML on a white background.

    >>> from deltarule.reports.figures import object_curves
    >>> figure_html(object_curves([0, 1], [[0.1], [0.9]], ["cat"]))[:28]
    '<div style="background:white'
    """
    return f'<div style="background:white;max-width:60em">{embed_figure(figure, f"figure-{next(_ids)}").svg}</div>'


class EmbeddedFigures:
    """Collects the figures of a block, each with an id of its own.    id   the block's"""

    def __init__(self, id: str) -> None:
        self.id = id
        self.all: list[EmbeddedFigure] = []

    def add(self, figure: "Figure", table: list[list[str]] | None = None) -> None:
        """Add a figure, or a sentence if it cannot be drawn.    table   as in `embed_figure`"""
        id = f"{self.id}-figure-{len(self.all) + 1}"
        try:
            made = embed_figure(figure, id, table)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            alt = alt_text(figure)
            message = escape_html(f"This figure cannot be drawn; Matplotlib says: {error}")
            made = EmbeddedFigure(id, _title(alt), f"<p>{message}</p>", alt, [], table or [])
        self.all.append(made)


def _title(alt: str) -> str:
    return TITLE_END.split(alt)[0].rstrip(".")


def _svg(figure: "Figure", id: str) -> str:
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
    referred = set(REFERENCE.findall(" ".join(value for element in root.iter() for value in element.attrib.values())))
    for element in root.iter():
        if element.attrib.get("id") not in referred:
            element.attrib.pop("id", None)
    _shorten(root)
    width = root.attrib.pop("width")
    root.attrib.pop("height")
    root.attrib |= {"role": "img", "aria-label": alt_text(figure), "preserveAspectRatio": "xMinYMin meet"}
    root.attrib["style"] = f"{LOOK};font-family:{FAMILY};width:{width};max-width:100%;height:auto"
    return ElementTree.tostring(root, encoding="unicode")


def _shorten(root: ElementTree.Element) -> None:
    """Shorten an SVG to half its characters without changing the image: a page has hundreds of figures."""
    for element in root.iter():
        if element.tag not in ("text", "tspan"):
            element.text = element.text if element.text and element.text.strip() else None
        element.tail = element.tail if element.tail and element.tail.strip() else None
        for name, value in element.attrib.items():
            if name == "style":
                value = OWN_FAMILY.sub("", FONT.sub(_font, value)).replace("; ", ";").replace(": ", ":")
            elif name == "href" and value.startswith(PNG):
                value = _with_palette(value)
            elif name in PLACES:
                value = DECIMALS.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), value)
                value = " ".join(value.split())
            element.attrib[name] = value
        if element.attrib.get("transform", "").startswith("rotate(-0 "):
            del element.attrib["transform"]
        element[:] = [inner for one in element for inner in _flatten_group(one)]


def _with_palette(address: str) -> str:
    """Reduce an image to 256 colors: a third of the characters, and our color scales have fewer."""
    from PIL import Image

    image = Image.open(BytesIO(b64decode(address.removeprefix(PNG)))).convert("RGBA")
    if image.getchannel("A").getextrema() != (255, 255):  # transparent images stay unchanged
        return address
    content = BytesIO()
    chosen = image.convert("RGB").quantize(COLORS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    chosen.save(content, "PNG", optimize=True)
    return min(address, PNG + b64encode(content.getvalue()).decode(), key=len)


def _flatten_group(element: ElementTree.Element) -> list[ElementTree.Element]:
    """The children of a group without attributes; other elements unchanged."""
    is_bare = element.tag == "g" and not element.attrib
    return [inner for one in element for inner in _flatten_group(one)] if is_bare else [element]


def _font(found: re.Match[str]) -> str:
    """A font specification without its family, which the SVG defines once."""
    weight = f"font-weight:{found[1].strip()};" if found[1] else ""
    return f"{weight}font-size:{found[2]}"


def _page_unique(name: str, value: str, id: str) -> str:
    """Prefix ids and references of the figure with its id, so that they are unique on the page."""
    if name == "id":
        return f"{id}-{value}"
    if name.endswith("href") and value.startswith("#"):
        return f"#{id}-{value[1:]}"
    return value.replace("url(#", f"url(#{id}-")


def _hover(figure: "Figure", axes: "Axes") -> dict[str, Any]:
    """The points of some axes' curves in image coordinates, for tooltips."""
    height = float(figure.bbox.height)
    drawn = []
    for line in curves(axes):
        x, y = _curve_points(line)
        places = axes.transData.transform(np.column_stack([x, y]))
        inside = axes.bbox.padded(1).get_points()
        there = np.isfinite(places).all(1) & (places >= inside[0]).all(1) & (places <= inside[1]).all(1)
        # Maximum number of points with tooltips per curve.
        chosen = _thin_out(np.flatnonzero(there), 60)
        points = [
            [
                round(float(places[at, 0]), 1),
                round(height - float(places[at, 1]), 1),
                _format_number(x[at]),
                _format_number(y[at]),
            ]
            for at in chosen.tolist()
        ]
        drawn.append({"name": isolate_direction(name_of(line)), "points": points})
    return {"curves": drawn, "x": _x_label(axes, figure), "y": " ".join(axes.get_ylabel().split())}


def _curve_table(figure: "Figure") -> list[list[str]]:
    """Some points of the first axes' curves as a table; curves may have different x values."""
    lines = curves(figure.axes[0])
    if not lines:
        return []
    across = np.unique(np.concatenate([_curve_points(line)[0] for line in lines]))
    rows = [[_x_label(figure.axes[0], figure), *(name_of(line) or figure.axes[0].get_ylabel() for line in lines)]]
    # At most nine points of each curve.
    for at in _thin_out(across, 9).tolist():
        found = [_curve_points(line)[1][_curve_points(line)[0] == at] for line in lines]
        rows.append([_format_number(at), *(_format_number(values[0]) if len(values) else "" for values in found)])
    return rows


def _x_label(axes: "Axes", figure: "Figure") -> str:
    return " ".join((axes.get_xlabel() or figure.axes[-1].get_xlabel()).split())


def _curve_points(line: "Line2D") -> tuple[Floats, Floats]:
    """The points of a curve, without gaps."""
    x, y = np.asarray(line.get_xdata(), np.float64), np.asarray(line.get_ydata(), np.float64)
    return x[np.isfinite(y)], y[np.isfinite(y)]


def _thin_out(values: Any, most: int) -> Any:
    """An evenly spaced selection of values, including the first and the last."""
    return values if len(values) <= most else values[np.linspace(0, len(values) - 1, most).round().astype(int)]


def _format_number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e9 else f"{value:.4g}"
