import numpy as np
import pytest
from figure_reading import assert_readable, marks_of, named

from deltarule.reports.chart import MAX_LINES
from deltarule.reports.marks import Bars, Dots, Line
from deltarule.reports.model_figures import (
    calibration_curve,
    column_importances,
    loss_by_epoch,
    true_and_predicted_numbers,
)


def test_importances_have_intervals_where_there_are_any():
    chart = column_importances(["a", "b"], [0.5, 0.1], [[0.4, 0.6], [0.0, 0.2]], score="R²")
    assert named(chart) == ["its interval (95 %)", "R² lost"] and chart.sentences == ["R² lost: a 0.5; b 0.1."]
    assert marks_of(chart, Bars)[0].stop.tolist() == [0.6, 0.2]
    assert named(column_importances(["a"], [0.5], [[np.nan, np.nan]], score="accuracy")) == ["accuracy lost"]


@pytest.mark.parametrize("count", [9, 40])
def test_importances_of_many_columns_say_how_many_are_left_out(count):
    names, losses = [f"column {number}" for number in range(count)], np.linspace(1, 0, count)
    chart = column_importances(names, losses, np.stack([losses, losses], 1), score="accuracy")
    assert_readable(chart)
    assert chart.sentences[0].endswith(f"; {count - MAX_LINES} more column{'s' if count > 9 else ''}.")
    assert len(chart.panels[0].y.names) == min(count, 32)
    assert ("The first 32 of 40 columns." in chart.notes) == (count == 40)


def test_calibration_shows_shares_against_probabilities():
    chart = calibration_curve([0.997, 1.0], [0.9999, 1.0], [[0.9, 1], [0.95, 1]])
    assert_readable(chart)
    [_, line] = marks_of(chart, Line)
    assert (line.x.tolist(), line.y.tolist()) == ([0.997, 1.0], [0.9999, 1.0])
    assert chart.sentences == ["Predicted with 99.7 %: 99.99 % right.", "Predicted with 100 %: 100 % right."]


def test_numbers_are_dots_beside_the_diagonal():
    chart = true_and_predicted_numbers([1.0, 2.0, 4.0], [2.0, 2.0, 3.0], target="price")
    assert_readable(chart)
    [line] = marks_of(chart, Line)
    assert line.x == [1.0, 4.0] and not line.is_data
    assert chart.sentences == ["Half of the predictions are off by 1 at most, nine in ten by 1."]


def test_of_many_rows_a_sample_is_drawn():
    chart = true_and_predicted_numbers(np.arange(5000.0), np.arange(5000.0), target="price")
    assert len(marks_of(chart, Dots)[0].x) == 2000 and chart.notes == ["2,000 of 5,000 rows, drawn by chance."]


def test_loss_by_epoch_counts_from_one():
    assert marks_of(loss_by_epoch([0.9, 0.5]), Line)[0].x.tolist() == [1, 2]
