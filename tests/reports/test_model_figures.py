import numpy as np
import pytest
from figure_reading import assert_readable, marks_of
from refusals import refuses

from deltarule.reports.marks import Cells, Dots, Line, Regions
from deltarule.reports.model_figures import (
    column_importances,
    confusion_matrix,
    errors_by_prediction,
    roc_chart,
    true_and_predicted,
    true_and_predicted_numbers,
)
from deltarule.stats.planes import decision_plane


@pytest.mark.parametrize("classes", [1, 2, 8])
def test_true_classes_stand_beside_predicted_ones(classes):
    random = np.random.default_rng(classes)
    x, (labels, predicted) = random.normal(size=(40, 2)), random.integers(0, classes, (2, 40))
    names = [f"class {number}" for number in range(classes)]
    chart = true_and_predicted(x, labels, predicted, classes=names, predictions="predictions for test rows")
    for panel, drawn in enumerate((labels, predicted)):
        for label, dots in enumerate([dots for dots in marks_of(chart, Dots, panel) if dots.color != "none"]):
            assert np.array_equal(np.stack([dots.x, dots.y], 1), x[drawn == label])
    wrong = [dots for dots in marks_of(chart, Dots, 1) if dots.color == "none"]
    assert len(wrong) == (classes > 1)
    if wrong:
        assert np.array_equal(np.stack([wrong[0].x, wrong[0].y], 1), x[labels != predicted])
    right = (labels == predicted).sum()
    assert chart.notes == [f"{right} of 40 predictions for test rows are right."]


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_regions_are_the_predicted_classes_with_margins_between_them(outputs):
    weights = np.random.default_rng(0).normal(size=(2, outputs))
    x = np.random.default_rng(1).uniform(size=(20, 2))
    plane = decision_plane(lambda rows: 1 / (1 + np.exp(-rows @ weights)), x, points=11)
    [regions] = marks_of(true_and_predicted(x, np.zeros(20, int), np.zeros(20, int), plane=plane), Regions, 1)
    values = plane.outputs
    expected = (values[..., 0] > 0.5).astype(int) if outputs == 1 else values.argmax(-1)
    assert np.array_equal(regions.classes, expected) and len(regions.margins) == outputs
    for label, margin in enumerate(regions.margins):
        assert np.array_equal(margin > 0, expected == (1 if outputs == 1 else label))


def test_held_features_are_listed_up_to_six():
    x = np.random.default_rng(0).uniform(size=(20, 10))
    plane = decision_plane(lambda rows: rows[:, :1], x, features=(0, 2))
    chart = true_and_predicted(x[:, [0, 2]], np.zeros(20, int), np.zeros(20, int), plane=plane)
    assert chart.notes[1].count(" at ") == 6 and " and others. " in chart.notes[1]


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.uint64])
def test_confusion_matrix_is_its_counts(dtype):
    chart = confusion_matrix(
        np.array([[1234, 1], [2, 4]], dtype) if dtype != np.uint8 else np.array([[5, 1], [2, 4]], dtype), ["8", "1"]
    )
    [cells] = marks_of(chart, Cells)
    assert cells.texts[1] == ["2", "4"] and cells.texts[0][0] in ("1,234", "5")
    assert chart.sentences[1:] == ["2 rows of class 1 taken for class 8.", "1 row of class 8 taken for class 1."]


@pytest.mark.parametrize("count", [2, 9, 40])
def test_importances_have_intervals_and_say_how_many_columns_are_left_out(count):
    names, losses = [f"column {number}" for number in range(count)], np.linspace(1, 0, count)
    chart = column_importances(names, losses, np.stack([losses - 0.1, losses + 0.1], 1), score="accuracy")
    assert_readable(chart)
    assert chart.table().cells[0] == ["column 0", "1", "0.9", "1.1"] and len(chart.table().cells) == min(count, 32)
    assert chart.sentences == [f"column 0 matters most; {(losses[:32] > 0.1).sum()} of {count} surely matter."]
    assert ("The first 32 of 40 columns." in chart.notes) == (count == 40)


def test_importances_without_intervals_are_dots():
    chart = column_importances(["a"], [0.5], [[np.nan, np.nan]], score="accuracy")
    assert chart.figure() and chart.table().cells == [["a", "0.5"]]


def test_numbers_are_dots_beside_the_diagonal():
    chart = true_and_predicted_numbers([1.0, 2.0, 4.0], [2.0, 2.0, 3.0], target="price")
    assert_readable(chart)
    [line] = marks_of(chart, Line)
    assert line.x == [1.0, 4.0] and not line.is_data
    assert chart.sentences == ["Half of the predictions are off by 1 at most, nine in ten by 1."]


def test_errors_are_dots_around_zero():
    chart = errors_by_prediction([1.0, 2.0, 4.0], [2.0, 2.0, 3.0], target="price")
    assert_readable(chart)
    assert marks_of(chart, Dots)[0].y.sum() == 0 and sorted(marks_of(chart, Dots)[0].y) == [-1, 0, 1]


def test_roc_is_the_share_found_at_every_threshold():
    random = np.random.default_rng(0)
    is_late = random.random(50) < 0.3
    p = random.random(50) / 2 + is_late / 4
    chart = roc_chart(is_late, p, positive="late")
    assert_readable(chart)
    line = marks_of(chart, Line)[1]
    for threshold in p:
        taken = p >= threshold
        wrong, found = taken[~is_late].mean(), taken[is_late].mean()
        assert found <= np.interp(wrong, line.x, line.y) + 1e-12 or found in np.asarray(line.y)[line.x == wrong]
    pairs = p[is_late][:, None] > p[~is_late]
    assert chart.sentences[0].startswith(f"The area under the curve is {pairs.mean():.3f};")


def test_of_many_rows_a_sample_is_drawn():
    chart = true_and_predicted_numbers(np.arange(5000.0), np.arange(5000.0), target="price")
    assert len(marks_of(chart, Dots)[0].x) == 2000 and chart.notes == ["2,000 of 5,000 rows, drawn by chance."]


def test_more_classes_than_can_be_told_apart_are_refused():
    with refuses(9, 8):
        true_and_predicted([[0, 0]], [8], [0])
