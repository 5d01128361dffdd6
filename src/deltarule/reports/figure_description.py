"""Descriptions of figures for screen readers: the stored one of a figure, or its curves by their ends."""

from typing import TYPE_CHECKING

import numpy as np

from deltarule.errors import count_of
from deltarule.reports.formatting import isolate_direction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

CURVE = "curve"
"""The group id of lines that show data, as opposed to guide lines."""
MAX_DESCRIBED_LINES = 8
"""Lines of a figure that its description for screen readers describes individually."""


def alt_text(figure: "Figure") -> str:
    """The description of a figure in a few sentences.

    >>> from deltarule.reports.figure_builder import FigureBuilder
    >>> builder = FigureBuilder.blank("Cost")
    >>> builder.line([0, 10], [1.0, 0.5], "seed 0")
    >>> builder.y_label("cost")
    >>> builder.x_label_updates()
    >>> alt_text(builder.finish())
    'Cost. Cost against updates: seed 0 from 1 at 0 to 0.5 at 10.'
    """
    return str(figure.get_label())


def curves(axes: "Axes") -> list["Line2D"]:
    """The lines of the axes that show data, without guide lines and empty lines."""
    return [line for line in axes.lines if line.get_gid() == CURVE and np.size(line.get_xdata())]


def name_of(line: "Line2D") -> str:
    """The name of a curve, "" if it has none."""
    label = str(line.get_label())
    return "" if label.startswith("_") else label.strip().replace(r"\$", "$")


def title_sentence(title: str) -> str:
    """A figure's title as a sentence."""
    return title if title.endswith("?") else f"{title}."


def describe_curves(figure: "Figure") -> list[str]:
    """Sentences, one for each axes, with the first and the last point of its lines."""
    texts = []
    for axes in figure.axes:
        lines, ends = curves(axes), []
        for line in lines[:MAX_DESCRIBED_LINES]:
            x, y, name = np.asarray(line.get_xdata()), np.asarray(line.get_ydata()), name_of(line)
            start = f"{isolate_direction(name)} " if name else ""
            ends.append(f"{start}from {y[0]:.4g} at {x[0]:,.6g} to {y[-1]:.4g} at {x[-1]:,.6g}")
        if len(lines) > MAX_DESCRIBED_LINES:
            ends.append(count_of(len(lines) - MAX_DESCRIBED_LINES, "more line"))
        topic = f"{axes.get_ylabel()} against {axes.get_xlabel() or figure.axes[-1].get_xlabel()}"
        texts.append(f"{topic[:1].upper()}{topic[1:]}{': ' if ends else ''}{'; '.join(ends)}.")
    return [" ".join(text.split()) for text in texts]
