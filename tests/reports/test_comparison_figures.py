import numpy as np
from figure_reading import marks_of, named

from deltarule.reports.comparison_figures import shares_with_needed, spreads
from deltarule.reports.marks import Dots, Segments


def test_spreads_show_every_seed_and_the_median():
    series = {"none": [100.0, 300.0, np.nan], "0.9": [10.0, 20.0, 3.0], "1": [np.nan] * 3}
    chart = spreads(series, option="momentum", quantity="epochs to converge", limit=1000)
    assert [dots.y.tolist() for dots in marks_of(chart, Dots)] == [[100, 300], [10, 20, 3], []]
    assert [bar.paths[0][0][1] for bar in marks_of(chart, Segments)] == [200, 10]
    assert chart.sentences == [
        "none: median 200, from 100 to 300, of 2 of 3 seeds.",
        "0.9: median 10, from 3 to 20, of 3 of 3 seeds.",
        "1: no value.",
    ]
    assert chart.notes[0] == "4 of 9 seeds have no value within 1,000." and chart.panels[0].y.scale == "log"


def test_claims_stand_beside_the_share_that_they_need():
    chart = shares_with_needed(["a", "b"], [0.625, 1], [[0.5, 0.7], [0.9, 1]], [0.9, 0.5], confidence=0.875)
    cells = [row[2:] for row in chart.table().cells[:3]]
    assert cells == [["62.5 %", "50 %", "70 %"], ["100 %", "90 %", "100 %"], ["90 %", "", ""]]
    assert named(chart) == ["share of seeds, and its interval (87.5 %)", "share that it needs"]
    assert chart.sentences == ["a: 62.5 %, needs 90 %.", "b: 100 %, needs 50 %."]
