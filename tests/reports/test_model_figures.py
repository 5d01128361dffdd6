"""Figures of models for tables show the numbers that they are given."""

import numpy as np
import pytest
from figure_reading import assert_readable

from deltarule.reports.cell_figures import MAX_ROWS
from deltarule.reports.figure_builder import MAX_LINES
from deltarule.reports.figure_description import alt_text
from deltarule.reports.model_figures import (
    MAX_DOTS,
    calibration_curve,
    column_importances,
    loss_by_epoch,
    true_and_predicted_numbers,
)


def test_columns_are_drawn_in_their_order_with_their_intervals() -> None:
    figure = column_importances(["a", "b"], [0.5, 0.1], [[0.4, 0.6], [0.0, 0.2]], score="accuracy")
    (bars,) = figure.axes[0].collections
    np.testing.assert_allclose([one.vertices[:, 0] for one in bars.get_paths()], [[0.4, 0.6], [0.0, 0.2]])
    dots = figure.axes[0].lines[-1]
    assert (dots.get_xdata().tolist(), dots.get_ydata().tolist()) == ([0.5, 0.1], [0, 1])
    low, high = figure.axes[0].get_ylim()
    assert low > high  # the first is on top
    assert "Accuracy lost: a 0.5; b 0.1." in alt_text(figure)


def test_columns_without_intervals_are_drawn_without() -> None:
    figure = column_importances(["a", "b"], [0.5, 0.1], np.full((2, 2), np.nan), score="R²")
    assert figure.axes[0].lines[-1].get_xdata().tolist() == [0.5, 0.1]
    assert [text.get_text() for legend in figure.legends for text in legend.get_texts()] in ([], ["R² lost"])
    assert "R² lost: a 0.5; b 0.1." in alt_text(figure)
    assert_readable(figure)


def test_of_many_columns_the_first_are_drawn() -> None:
    count = MAX_ROWS + 5
    names, losses = [f"c{n}" for n in range(count)], np.linspace(1, 0, count)
    figure = column_importances(names, losses, np.stack([losses, losses], 1), score="R²")
    assert len(figure.axes[0].get_yticklabels()) == MAX_ROWS
    assert alt_text(figure).endswith(f"; {count - MAX_LINES} more columns.")
    assert f"The first {MAX_ROWS} of {count} columns." in " ".join(figure.get_supxlabel().split())


def test_probabilities_against_shares() -> None:
    figure = calibration_curve([0.6, 0.9], [0.5, 0.9], [[0.3, 0.7], [0.8, 0.95]])
    curve = next(line for line in figure.axes[0].lines if line.get_label() == "share that is right")
    assert (curve.get_xdata().tolist(), curve.get_ydata().tolist()) == ([0.6, 0.9], [0.5, 0.9])
    assert "Said 60 %: right 50 %." in alt_text(figure)
    assert figure.axes[0].get_xlim()[0] <= 0.3


def test_said_and_right_is_100_percent_where_all_is_and_what_is_reported_is_reported_once() -> None:
    figure = calibration_curve([0.997, *[1.0] * 14], [0.9999, *[1.0] * 14], [[0.9, 1.0]] * 15)
    assert alt_text(figure).endswith("right? Said 99.7 %: right 99.99 %. Said 100 %: right 100 %.")


@pytest.mark.parametrize("rows", [1, 5, MAX_DOTS + 1])
def test_answers_against_targets(rows: int) -> None:
    targets = np.arange(rows, dtype=float)
    figure = true_and_predicted_numbers(targets, targets + 1, target="price in $")
    dots = figure.axes[0].lines[-1]
    assert len(dots.get_xdata()) == min(rows, MAX_DOTS)
    np.testing.assert_array_equal(dots.get_ydata(), dots.get_xdata() + 1)
    assert "off by 1 at most, nine in ten by 1." in alt_text(figure)


def test_a_loss_is_drawn_from_its_first_epoch_on() -> None:
    (line,) = loss_by_epoch([3.0, 2.0, np.inf]).axes[0].lines
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([1, 2], [3.0, 2.0])


@pytest.mark.parametrize("middle", [1.0, 1e6, -1e9])
@pytest.mark.parametrize("reach", [1e-15, 1e-11, 1e-6, 1e-3, 1.0])
def test_numbers_along_an_axis_are_written_out_and_lie_on_nothing(middle: float, reach: float) -> None:
    values = middle * (1 + reach * np.linspace(-1, 1, 10))
    names = [f"c{n}" for n in range(10)]
    for figure in (
        true_and_predicted_numbers(values, values, target="price"),
        column_importances(names, values, np.stack([values, values], 1), score="R²"),
    ):
        assert_readable(figure)
        axis = figure.axes[0].xaxis
        shown = [label.get_text() for label in axis.get_ticklabels()]
        assert not axis.get_offset_text().get_text() and len(set(shown)) == len(shown)


@pytest.mark.parametrize(("low", "high"), [(2e4, 5e5), (0.0, 12000.0), (-1e6, 1e6), (738000.0, 738400.0), (0.0, 9e6)])
def test_ordinary_numbers_have_no_powers_of_ten(low: float, high: float) -> None:
    values = np.linspace(low, high, 10)
    figure = true_and_predicted_numbers(values, values, target="price")
    assert_readable(figure)
    for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
        least, greatest = axis.get_view_interval()
        shown = [tick for tick in axis.get_major_ticks() if least <= tick.get_loc() <= greatest]
        told = [tick.label1.get_text().replace("\N{MINUS SIGN}", "-") for tick in shown]
        assert len(told) > 1 and told == [f"{tick.get_loc():.0f}" for tick in shown]


@pytest.mark.parametrize("low", [-1.7e308, 0.0])
def test_of_the_greatest_numbers_there_is_a_figure(low: float) -> None:
    values = np.array([low, 1.7e308])
    with np.errstate(over="ignore"):
        figure = true_and_predicted_numbers(values, values, target="price")
    assert figure.axes[0].lines
