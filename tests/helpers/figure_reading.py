"""Read figures in tests: texts with their bounding boxes, lines, legends and captions."""

import itertools

import numpy as np
from matplotlib.text import Text

from deltarule.reports import style
from deltarule.reports.figure_description import alt_text


def texts(figure):
    """All visible texts of a figure, each with its bounding box."""
    figure.draw_without_rendering()
    beyond = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low <= tick.get_loc() <= high:
                beyond |= {tick.label1, tick.label2}
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent()) for text in found if text not in beyond]


def assert_readable(figure, is_matrix=False):
    """Assert that texts do not overlap or leave the figure, and that axes and figure have labels, title and alt text.

    In a matrix the axes of a row share the label of the first.
    """
    with style.style_context():
        boxes = texts(figure)
        page = figure.bbox
        for (one, box), (other, other_box) in itertools.combinations(boxes, 2):
            across = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
            down = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
            assert across <= 0 or down <= 0, (one, other)
        for text, box in boxes:
            assert page.x0 <= box.x0 <= box.x1 <= page.x1, text
            assert page.y0 <= box.y0 <= box.y1 <= page.y1, text
        for axes, legend in itertools.product(figure.axes, figure.legends):
            assert legend.get_window_extent().x0 >= axes.bbox.x1
    for axes in figure.axes:
        if is_matrix and not axes.get_subplotspec().is_first_col():
            continue
        assert axes.get_ylabel() or axes.get_label() == "<colorbar>"
    assert figure.axes[-1].get_xlabel()
    assert figure.axes[0].get_title(loc="left")
    assert alt_text(figure).count(".") >= 2, "the alt text describes the figure"


def drawn(line):
    """The x and y coordinates of a line, as lists."""
    return np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist()


def legend(figure):
    """The texts of a figure's legends."""
    return [text.get_text().replace("\n", " ") for legend in figure.legends for text in legend.get_texts()]


def caption(figure):
    """The note below a figure."""
    return figure.get_supxlabel().replace("\n", " ")
