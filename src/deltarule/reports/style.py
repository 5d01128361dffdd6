"""The style of all figures: colors for color-blind readers, and texts that fit."""

import textwrap
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.errors import visible

BLUE, ORANGE, GREEN, ROSE, BLACK = "#026dad", "#d87130", "#1b6750", "#c87b95", "#212120"
SKY, BROWN, VIOLET = "#0f9cd9", "#725500", "#3b0ba1"
COLORS = (BLUE, ORANGE, GREEN, ROSE, BLACK, SKY, BROWN, VIOLET)
"""Any two differ by at least 15 (CIEDE2000), also for protanopes and deuteranopes."""

GRAY, PALE = "#6b6b6b", "#dcdcdc"
MARKERS = {"o": 5.0, "s": 5.0, "^": 6.0, "D": 5.0, "v": 6.0, "P": 7.5, "X": 7.5, "*": 9.5}
"""Markers of classes, with the size in points at which all look equally large."""
DASHES: tuple[Any, ...] = ("solid", (0, (5, 1.5)), (0, (1.5, 1)), (0, (6, 1.5, 1.5, 1.5)))
BAND = 0.2
"""Opacity of the band around a median."""

HEAD_SHARE = 0.5
"""Share of the room of a shortened name that its beginning has."""

STYLE_SHEET = Path(__file__).with_name("deltarule.mplstyle")


def colormap(is_signed: bool) -> Any:
    """From blue through white to orange, or from white to blue; gray if not finite."""
    from matplotlib.colors import LinearSegmentedColormap

    colors = [BLUE, "#ffffff", ORANGE] if is_signed else ["#ffffff", BLUE]
    return LinearSegmentedColormap.from_list("", colors, 255).with_extremes(bad=PALE)


def ink_on(color: Any) -> str:
    """Black or white, whichever has more contrast (at least 4.5) on a color."""
    from matplotlib.colors import to_rgb

    channels = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in to_rgb(color)]
    luminance = sum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), channels, strict=True))
    return "#000000" if luminance > 0.179 else "#ffffff"  # both contrasts are equal at √(1.05 · 0.05) − 0.05


@contextmanager
def style_context() -> Iterator[None]:
    """Draw and save figures in this style, one thread at a time."""
    import matplotlib

    # The margins of a logarithmic axis overflow where a network diverged.
    with (
        _drawing,
        matplotlib.rc_context(fname=STYLE_SHEET),
        np.errstate(over="ignore", invalid="ignore"),
        warnings.catch_warnings(),
    ):
        # SVG viewers have their own fonts; a PNG shows a box for each missing character.
        warnings.filterwarnings("ignore", r"Glyph \d+ ")
        yield


_drawing = threading.RLock()
"""Held while drawing: settings and warnings belong to the process, and another thread would save ours as the user's and
restore them."""


def line(index: int) -> dict[str, Any]:
    """The color and dashes of the line with an index, for Matplotlib.

    >>> line(0), line(8)["color"] == line(0)["color"], line(8)["linestyle"] == line(0)["linestyle"]
    ({'color': '#026dad', 'linestyle': 'solid'}, True, False)
    """
    turn, color = divmod(index, len(COLORS))
    return {"color": COLORS[color], "linestyle": DASHES[(color + turn) % len(DASHES)]}


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

    with style_context():
        font = FontProperties(size=100, weight=weight)
        return float(text_to_path.get_text_width_height_descent(escape_dollars(character), font, False)[0]) / 100
