import numpy as np
import pytest
from figure_reading import marks_of, named, points_of

from deltarule.errors import BadInput
from deltarule.reports.marks import Band, Cells, Dots, Line, Regions
from deltarule.reports.score_figures import confusion_matrix, norm_curves, true_and_predicted
from deltarule.stats.planes import decision_plane


@pytest.mark.parametrize("classes", [1, 2, 8])
def test_true_classes_stand_beside_predicted_ones(classes):
    random = np.random.default_rng(classes)
    x, (labels, predicted) = random.normal(size=(40, 2)), random.integers(0, classes, (2, 40))
    names = [f"class {number}" for number in range(classes)]
    chart = true_and_predicted(x, labels, predicted, classes=names, rows="test rows", predictor="the first network")
    for panel, drawn in enumerate((labels, predicted)):
        for label, dots in enumerate([dots for dots in marks_of(chart, Dots, panel) if not dots.is_hollow]):
            assert np.array_equal(np.stack([dots.x, dots.y], 1), x[drawn == label])
    wrong = [dots for dots in marks_of(chart, Dots, 1) if dots.is_hollow]
    assert len(wrong) == (classes > 1)
    if wrong:
        assert np.array_equal(np.stack([wrong[0].x, wrong[0].y], 1), x[labels != predicted])
    right = (labels == predicted).sum()
    assert chart.notes == [f"{right} of 40 test rows are predicted right, by the first network."]


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
    assert chart.notes[1].count(" at ") == 6 and ", and 2 more. " in chart.notes[1]


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.uint64])
def test_confusion_matrix_is_its_counts(dtype):
    chart = confusion_matrix(
        np.array([[1234, 1], [2, 4]], dtype) if dtype != np.uint8 else np.array([[5, 1], [2, 4]], dtype), ["8", "1"]
    )
    [cells] = marks_of(chart, Cells)
    assert cells.texts[1] == ["2", "4"] and cells.texts[0][0] in ("1,234", "5")
    assert chart.sentences[1:] == ["2 rows of class 1 taken for class 8.", "1 row of class 8 taken for class 1."]


def test_norms_are_lines_of_one_member_and_bands_of_many():
    steps, random = [0, 10, 20], np.random.default_rng(0)
    norms = {"W1": random.uniform(size=3), "W2": random.uniform(size=(3, 9))}
    chart = norm_curves(steps, norms, quantity="length of the gradient")
    expected = [(steps, norms["W1"].tolist()), (steps, np.median(norms["W2"], 1).tolist())]
    assert [points_of(line) for line in marks_of(chart, Line)] == expected and len(marks_of(chart, Band)) == 1
    assert "9 members" in chart.notes[0] and named(chart) == ["W1", "10 to 90 %", "W2"]


def test_norms_that_learn_large_targets_stay_and_those_that_diverge_leave_the_picture():
    learned = norm_curves([0, 1, 2], {"a1": [0.5, 0.5, 0.5], "a2": [0.7, 90_000.0, 250_000.0]}, quantity="activation")
    assert learned.panels[0].y.limits is None and learned.panels[0].y.scale == "log"
    diverged = norm_curves([0, 1, 2], {"a1": [0.2, 0.5, 1e105], "a2": [0.2, 0.3, np.nan]}, quantity="activation")
    assert diverged.panels[0].y.limits == (0.1, 1e12) and "outside the picture" in diverged.notes[0]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: true_and_predicted([[0, 0]], [8], [0]), "there are 9 classes; at most 8"),
        (lambda: true_and_predicted([[0, 0]], [0], []), "1 rows, 1 labels and 0 predictions; give one each"),
        (lambda: confusion_matrix([[1, 2]], ["a", "b"]), "the counts are 1 × 2 for 2 classes"),
        (lambda: norm_curves([], {}, quantity="length"), "no layers to draw"),
    ],
)
def test_what_cannot_be_shown_is_refused(call, sentence):
    with pytest.raises(BadInput, match=sentence):
        call()
