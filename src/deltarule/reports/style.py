"""The style of all figures, with colors that color-blind readers can distinguish."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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

STYLE_SHEET = Path(__file__).with_name("deltarule.mplstyle")


def diverging_colormap() -> Any:
    """A color map from blue through white to orange for negative to positive values."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("signs", [BLUE, "#ffffff", ORANGE], 255).with_extremes(bad=PALE)


def sequential_colormap() -> Any:
    """A color map from white to blue for nonnegative values; gray if not finite."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("amounts", ["#ffffff", BLUE], 256).with_extremes(bad=PALE)


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
    import numpy as np

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
