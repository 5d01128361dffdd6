"""The report as HTML; what a browser does with it is in tests/browser."""

import re

import numpy as np
import pytest

from deltarule.reports.chart import Chart
from deltarule.reports.marks import Line, Panel
from deltarule.reports.report import Report, ReportBlock, ReportSection, TrainingSlider, report_page


def page(**given):
    return report_page(Report("", [ReportSection("a", "", "", [ReportBlock("b", "", **given)])]))


@pytest.mark.parametrize(("steps", "told"), [(1, "after 1 update<"), (2000, "after 2,000 updates<")])
def test_a_page_says_after_how_many_updates_its_numbers_are(steps, told):
    through = TrainingSlider(
        "t", np.array([0, steps]), {"W1": np.ones((2, 1, 1))}, {}, {}, np.zeros((2, 0, 0), int), 1, ()
    )
    assert told in page(through=through)


def test_nothing_of_a_slider_is_said_where_there_is_none():
    """Scripts may be switched off, and paper has none."""
    through = TrainingSlider("t", np.array([0, 5]), {"W1": np.ones((2, 1, 1))}, {}, {}, np.zeros((2, 0, 0), int), 1, ())
    shown = re.sub(r"<(script|style)>.*?</\1>", "", page(through=through), flags=re.DOTALL)
    assert 'Numbers <span class="when">at the end, after 5 updates</span>.' in shown and "slider says" not in shown


def test_a_caption_is_the_last_of_its_figure():
    html = page(figures=[Chart("Cost", [Panel([Line([0, 1], [2.0, 1.0])])], sentences=["Falls."])])
    assert re.search(r"<figcaption>Cost\. Falls\.</figcaption>\s*</figure>\s*<details>", html)
