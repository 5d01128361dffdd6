"""Fit text into a width: wrap it, or shorten it so that names stay different."""

import itertools
import os.path
import textwrap
from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np

from deltarule.reports import style
from deltarule.reports.formatting import visible


def escape_dollars(text: str) -> str:
    """Escape dollars and a leading underscore, which Matplotlib interprets."""
    text = visible(text).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def wrap_text(text: str, width: int, lines: int = 4) -> str:
    """Wrap text to at most `lines` lines of `width` characters."""
    return escape_dollars("\n".join(textwrap.wrap(text, width, max_lines=lines, placeholder=" …")))


def wrap_names(names: Sequence[str], width: int, lines: int = 4) -> list[str]:
    """Wrap names to at most `lines` lines, so that none look alike.

    >>> wrap_names(["mean income of all households", "mean income of all persons", "age"], 8, 2)
    ['mea… hou\\nseholds', 'mean in…\\npersons', 'age']
    """
    shown = {name: wrap_text(name, width, lines) for name in names}
    used = Counter(shown.values())
    alike = [name for name, text in shown.items() if used[text] > 1]
    room = 0.6 * 8.5 * width * lines  # the average width of this many characters
    for share in (1, 0.8, 0.6, 0.4):
        for name, text in zip(alike, fit_names(alike, share * room, 8.5), strict=True):
            shown[name] = wrap_text(text.replace(r"\$", "$"), width, len(text))
        if all(shown[name].count("\n") < lines for name in alike):
            break
    return [shown[name] for name in names]


def fit_text(text: str, max_points: float, font_size: float) -> str:
    """Shorten text to a width in points at a font size, escaped for Matplotlib.

    >>> fit_text("learning rate", 200, 8), fit_text("learning rate", 40, 8)
    ('learning rate', 'learnin…')
    """
    line = " ".join(text.split())
    if text_width(line, font_size) <= max_points:
        return escape_dollars(line)
    room = max_points - text_width("…", font_size)
    ends = np.cumsum([_relative_width(character, "normal") for character in line]) * font_size
    return escape_dollars(f"{line[: int((ends <= room).sum())]}…")


def fit_names(names: Sequence[str], max_points: float, font_size: float) -> list[str]:
    """Shorten names like `fit_text`, so that none look alike.

    >>> fit_names(["mean income of households", "mean income of persons", "age"], 80, 8)
    ['mean… households', 'mean inc… persons', 'age']
    """
    lines = [" ".join(name.split()) for name in names]
    shown = _shorten_distinctly(lines, max_points, font_size)
    used = Counter(shown.values())
    for line in [line for line, text in shown.items() if used[text] > 1]:
        tails = (f" {number}" for number in itertools.count(1))
        numbered = (fit_text(line, max_points - text_width(tail, font_size), font_size) + tail for tail in tails)
        shown[line] = next(text for text in numbered if text not in used)
        used[shown[line]] += 1
    return [shown[line] for line in lines]


def _shorten_distinctly(lines: Sequence[str], max_points: float, font_size: float) -> dict[str, str]:
    """Map each line to a short form that keeps the part where lines differ."""
    shown = {line: fit_text(line, max_points, font_size) for line in lines}
    for text in list(dict.fromkeys(shown.values())):
        alike = [line for line in shown if shown[line] == text]
        start = len(os.path.commonprefix(alike))
        if len(alike) > 1 and start:
            rest = [" ".join(line[start:].split()) for line in alike]
            shortened = _shorten_distinctly(rest, 2 / 3 * max_points - text_width(" ", font_size), font_size)
            ends = [shortened[line] for line in rest]
            gaps = [" " if " " in line[start - 1 : start + 1] else "" for line in alike]
            tails = [gap + end for gap, end in zip(gaps, ends, strict=True)]
            heads = [
                fit_text(text[:start], max_points - text_width(tail, font_size), font_size)
                for text, tail in zip(alike, tails, strict=True)
            ]
            shown |= {line: head + tail for line, head, tail in zip(alike, heads, tails, strict=True)}
    return shown


def text_width(text: str, font_size: float, weight: str = "normal") -> float:
    """An upper bound of the width of a text in points."""
    return font_size * sum(_relative_width(character, weight) for character in text)


@cache
def _relative_width(character: str, weight: str) -> float:
    """The width of a character as a multiple of the font size."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    with style.style_context():
        font = FontProperties(family=style.STYLE["font.family"], size=100, weight=weight)
        return float(text_to_path.get_text_width_height_descent(escape_dollars(character), font, False)[0]) / 100
