"""Fit text into a width: wrap it, or shorten its middle."""

import textwrap
from functools import cache

import numpy as np

from deltarule.reports import style
from deltarule.reports.formatting import visible

HEAD_SHARE = 0.5
"""Share of the room of a shortened name that its beginning has."""


def escape_dollars(text: str) -> str:
    """Escape dollars and a leading underscore, which Matplotlib interprets."""
    text = visible(text).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def wrap_text(text: str, width: int, lines: int = 4) -> str:
    return escape_dollars("\n".join(textwrap.wrap(text, width, max_lines=lines, placeholder=" …")))


def fit_text(text: str, max_points: float, font_size: float) -> str:
    """Shorten text to a width in points at a font size, escaped for Matplotlib.

    Both ends stay: names often differ in their last words.
    """
    line = " ".join(text.split())
    if text_width(line, font_size) <= max_points:
        return escape_dollars(line)
    room = max_points - text_width("…", font_size)
    widths = np.array([_relative_width(character, "normal") for character in line]) * font_size
    head = int((widths.cumsum() <= HEAD_SHARE * room).sum())
    tail = int((widths[::-1].cumsum() <= room - widths[:head].sum()).sum())
    return escape_dollars(f"{line[:head]}…{line[len(line) - tail :]}")


def text_width(text: str, font_size: float, weight: str = "normal") -> float:
    """An upper bound of the width of a text in points."""
    return font_size * sum(_relative_width(character, weight) for character in text)


@cache
def _relative_width(character: str, weight: str) -> float:
    """The width of a character as a multiple of the font size."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    with style.style_context():
        font = FontProperties(size=100, weight=weight)
        return float(text_to_path.get_text_width_height_descent(escape_dollars(character), font, False)[0]) / 100
