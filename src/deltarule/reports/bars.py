"""Sparklines: series as lines of bar characters."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.problem.problem import Floats

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.measure import Measurement

BARS, ASCII_BARS = "▁▂▃▄▅▆▇█", "_.-:=+*#"


MIN_BAR_CHARACTERS, MAX_BAR_CHARACTERS = 8, 48
"""Width of a line of bars in characters."""


def sparkline(values: Any, width: int, bars: str = BARS) -> str:
    """Draw a series [T] as at most `width` bar characters.

    Parameters
    ----------
    values : [T]; values that are not finite leave a gap.
    width : maximum number of characters.
    bars : the characters, from low to high.

    >>> sparkline([8.0, 4.0, 2.0, 1.0], 4), sparkline([1.0, 0.1, 0.001], 3), sparkline([], 4)
    ('█▄▂▁', '█▆▁', '')
    """
    values = np.asarray(values, np.float64)
    indices = np.linspace(0, len(values) - 1, min(len(values), width)).round().astype(int)
    shown = values[indices]
    finite = np.isfinite(shown)
    if finite.any() and shown[finite].min() > 0 and shown[finite].max() / 10 > shown[finite].min():
        shown = np.log(shown, where=finite, out=np.full(len(shown), np.nan))
    # Scale by a power of two, which is exact: the difference of large values would overflow.
    shown = np.ldexp(shown, -np.frexp(np.abs(shown[finite]).max(initial=0.0))[1])
    low, high = (shown[finite].min(), shown[finite].max()) if finite.any() else (0.0, 0.0)
    heights = (shown - low) / (high - low or 1.0) * (len(bars) - 1)
    return "".join(bars[round(height)] if is_finite else " " for height, is_finite in zip(heights, finite, strict=True))


@dataclass(frozen=True)
class Bars:
    """Values from 0 to 1 [T] as a line of bars that fills the width, for Rich."""

    values: Floats

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Yield the line of bars at the width that Rich gives it."""
        from rich.text import Text

        bars = ASCII_BARS if options.ascii_only else BARS
        indices = np.linspace(0, len(self.values) - 1, min(options.max_width, MAX_BAR_CHARACTERS)).round().astype(int)
        line = Text(end="")
        for value in self.values[indices].tolist():
            finite = np.isfinite(value)
            bar = bars[int(np.clip(value * len(bars), 0, len(bars) - 1))] if finite else " "
            line.append(bar, "green" if finite and value > 0.5 else "")
        yield line

    def __rich_measure__(self, console: "Console", options: "ConsoleOptions") -> "Measurement":
        """The minimum and maximum width in characters."""
        from rich.measure import Measurement

        return Measurement(min(MIN_BAR_CHARACTERS, options.max_width), min(MAX_BAR_CHARACTERS, options.max_width))
