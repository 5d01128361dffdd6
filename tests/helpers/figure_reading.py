"""Read figures in tests: texts with their bounding boxes, lines, legends and captions."""

import itertools

import numpy as np
from matplotlib.text import Text

from deltarule.reports import style


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


def assert_readable(chart, is_matrix=False):
    """Assert that texts do not overlap or leave the figure, and that axes have labels; return the figure.

    In a matrix the axes of a row share the label of the first.
    """
    figure = chart.figure()
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
    assert figure.get_suptitle()
    assert chart.description.count(".") >= 2
    return figure


def marks_of(chart, kind, panel=0):
    """The marks of a kind in one of a chart's panels."""
    return [mark for mark in chart.panels[panel].marks if isinstance(mark, kind)]


def points_of(line):
    """The x and y coordinates of a line, as lists."""
    return np.asarray(line.x).tolist(), np.asarray(line.y).tolist()


def named(chart):
    """The names in a chart's legend, or beside its lines."""
    marks = (mark for panel in chart.panels if panel for mark in panel.marks)
    return list(dict.fromkeys(name for mark in marks if (name := getattr(mark, "name", ""))))
