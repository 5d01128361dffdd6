"""Charts of any model, from its predictions.

N rows · C classes · T columns of a table · G groups of predictions, or points of a grid · n epochs
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.errors import BadInput, count_of
from deltarule.problem.problem import Floats, Integers
from deltarule.reports import style
from deltarule.reports.chart import Chart, objective_axis, rows_axis
from deltarule.reports.heat_maps import MAX_ROWS, cell_panel
from deltarule.reports.marks import Axis, Cells, Dots, Line, Mark, Panel, Regions, RuleLine
from deltarule.reports.style import text_width
from deltarule.stats.planes import DecisionPlane, Feature, model_plane, predicted_classes

MAX_CLASSES = len(style.MARKERS)
CLASS_NAME_POINTS = 72.0
CELL_FONT_SIZE = 8
CELL_GAP_POINTS = 4
MAX_CONFUSED = 3
"""Maximum number of pairs of confused classes that are described."""
MAX_HELD = 6
"""Maximum number of features held constant whose values the note lists."""
MAX_DOTS = 2000


def true_and_predicted(
    x: Any,
    labels: Any,
    predicted: Any,
    *,
    plane: DecisionPlane | None = None,
    features: Sequence[str] = ("x0", "x1"),
    classes: Sequence[str] = (),
    predictions: str = "predictions",
) -> Chart:
    """The true and the predicted classes of rows side by side.

    Parameters
    ----------
    x : [N, 2], the two inputs that are drawn; the plane's features, if there is a plane.
    labels, predicted : [N], class numbers from 0.
    plane : what `deltarule.stats.planes.decision_plane` returns.
    features : names of the two inputs.
    classes : names of the classes.
    predictions : what they are, such as "predictions for test rows", for the note.

    Raises `BadInput` if there are more than 8 classes.

    >>> true_and_predicted([[0.0, 0.0], [1.0, 1.0]], [0, 1], [0, 0]).notes
    ['1 of 2 predictions are right.']
    """
    x, labels, predicted = np.asarray(x), np.asarray(labels), np.asarray(predicted)
    count = int(max(labels.max(initial=0), predicted.max(initial=0))) + 1
    if count > MAX_CLASSES:
        raise BadInput(f"there are {count} classes; at most {MAX_CLASSES} can be told apart: choose some of them")
    names = [*classes[:count], *map(str, range(len(classes), count))]
    is_right = labels == predicted
    marks = _class_dots(x, predicted, names)
    if plane is not None:
        regions = predicted_classes(plane.outputs)
        marks.insert(0, Regions(plane.first, plane.second, regions, plane.margins))
    if not is_right.all():
        marks.append(Dots(x[~is_right, 0], x[~is_right, 1], "wrong", "none", size=10.5, edge=style.BLACK))
    x_axis, y_axis = Axis(features[0].strip() or "x0"), Axis(features[1].strip() or "x1")
    panels = [Panel(_class_dots(x, labels, names), x_axis, y_axis, "true"), Panel(marks, x_axis, y_axis, "predicted")]
    notes = [f"{is_right.sum():,} of {len(is_right):,} {predictions} are right."]
    if plane is not None and plane.held:
        texts = [f"{name} at {value}" for name, value in list(plane.held.items())[:MAX_HELD]]
        more = " and others" if len(plane.held) > MAX_HELD else ""
        notes.append(f"Held: {', '.join(texts)}{more}. The rows are predicted with their own values.")
    if plane is not None:
        notes.append("Shaded: what the model predicts between the rows.")
    return Chart("True beside predicted classes", panels, 2, (7.0, 3.7), notes=notes, legend="class", sentences=notes)


def confusion_matrix(counts: Any, classes: Sequence[str], *, predictions: str = "predictions") -> Chart:
    """The number of rows for each pair of true and predicted class.

    Parameters
    ----------
    counts : [C, C], true classes down and predicted ones across.
    classes : their names.
    predictions : what they are, such as "predictions for test rows", for the note.

    Raises `BadInput` if there are more classes than can be read.

    >>> confusion_matrix([[5, 1], [0, 4]], ["cat", "dog"]).notes
    ['9 of 10 predictions are right.']
    """
    counts = np.asarray(counts)
    texts = [[f"{count:,}" for count in row] for row in counts.tolist()]
    cell = max(0.45, (text_width(f"{counts.max(initial=0):,}", CELL_FONT_SIZE, "bold") + CELL_GAP_POINTS) / 72)
    side = max(3.6, 1.6 + cell * len(classes))
    cells = Cells(counts, texts, bold=np.eye(len(counts)) > 0)
    across, down = (
        Axis(label, names=classes, name_points=CLASS_NAME_POINTS) for label in ("predicted class (rows)", "true class")
    )
    sentences = [f"{np.trace(counts):,} of {counts.sum():,} {predictions} are right."]
    wrong = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    pairs = sorted(np.argwhere(wrong).tolist(), key=lambda pair: -int(wrong[*pair]))
    for true, predicted in pairs[:MAX_CONFUSED]:
        count = count_of(int(wrong[true, predicted]), "row")
        sentences.append(f"{count} of class {classes[true]} taken for class {classes[predicted]}.")
    title = "True against predicted classes"
    panel = cell_panel(cells, across, down)
    return Chart(title, [panel], size=(side + 1.2, side), notes=sentences[:1], sentences=sentences)


def decision_boundary(
    model: Any,
    x: Any,
    labels: Any,
    features: tuple[Feature, Feature] = (0, 1),
    *,
    held: Mapping[Feature, Any] | None = None,
    names: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> Chart:
    """A model's predictions over two features of its data, with the rows' classes.

    All other features are held at one value each (the figure states six): the lower median of numbers, the most
    frequent text. Rows in which one of the two features is missing are left out.

    Parameters
    ----------
    model : estimator, Run or callable
        A fitted scikit-learn classifier, pipeline or search; a `Run`, whose first network is drawn; a network of a
        sweep; or a function that takes rows [M, D] and returns outputs [M, C].
    x : array-like of shape (N, D), data frame or mapping
        The rows as the model takes them: an array [N, D], a pandas data frame, or a mapping of columns.
    labels : array-like of shape (N,)
        Classes as the classifier names them; for networks class numbers from 0.
    features : tuple of two int or str
        The two that are varied, which hold numbers: indices from 0, or names.
    held : mapping, optional
        Values of other features, by index or name, in place of the medians.
    names : sequence of str, optional
        Names of the D features, if `x` has none.
    classes : sequence of str, optional
        Names of the classes, in their order; by default the classifier's own.

    Returns
    -------
    Chart

    Raises
    ------
    BadInput
        If the model has no classes, features or labels do not exist, or there are more than 8 classes.

    Examples
    --------
    >>> from deltarule import MLPClassifier, decision_boundary
    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier(solver="lbfgs", random_state=0).fit(x, y)
    >>> decision_boundary(model, x, y, features=(2, 3), held={0: 6.0}).notes[1]
    'Held: x0 at 6, x1 at 3. The rows are predicted with their own values.'
    """
    rows, plane, pair, own_classes = model_plane(model, x, labels, features, held or {}, names)
    return true_and_predicted(*rows, plane=plane, features=pair, classes=classes or own_classes)


def column_importances(columns: Sequence[str], losses: Any, intervals: Any, *, score: str) -> Chart:
    """The loss of score if a column is shuffled, with intervals.

    Parameters
    ----------
    columns : names of the T columns, the most important first.
    losses : [T].
    intervals : [T, 2], NaN if there is none.
    score : its name, such as "R²".

    >>> chart = column_importances(["size", "color"], [0.5, 0.1], [[0.4, 0.6], [0.0, 0.2]], score="accuracy")
    >>> chart.panels[0].y.names
    ['size', 'color']
    """
    count = len(columns)
    columns = columns[:MAX_ROWS]
    losses = np.asarray(losses)[:MAX_ROWS]
    intervals = np.asarray(intervals)[:MAX_ROWS]
    notes = ["Correlated columns share importance, so each looks less important."]
    if len(columns) < count:
        notes.insert(0, f"The first {MAX_ROWS} of {count:,} columns.")
    x = Axis(f"{score} lost if it is shuffled, with its interval (95 %)")
    dots = Dots(losses, np.arange(len(losses)), intervals=intervals)
    panel = Panel([RuleLine(x=0.0), dots], x, rows_axis("column", columns))
    sentences = [f"{columns[0]} matters most; {int((intervals[:, 0] > 0).sum())} of {count} surely matter."]
    return Chart("Feature importance", [panel], notes=notes, sentences=sentences)


def calibration_curve(probabilities: Any, shares: Any, intervals: Any) -> Chart:
    """The shares of right predictions against their mean probabilities.

    Parameters
    ----------
    probabilities : [G], the means of groups of predictions.
    shares : [G], of each group that are right.
    intervals : [G, 2], of the shares.

    >>> calibration_curve([0.6, 0.9], [0.5, 0.9], [[0.3, 0.7], [0.8, 0.95]]).table().cells[0]
    ['60 %', '50 %', '30 %', '70 %']
    """
    start = max(0.0, float(min(np.min(probabilities), np.min(intervals))) - 0.05)
    marks = [
        Line([start, 1], [start, 1], "perfectly calibrated", marks="none", is_data=False),
        Line(probabilities, shares, marks="none"),
        Dots(probabilities, shares, "share, and its interval (95 %)", intervals=intervals, are_upright=True),
    ]
    x = Axis("predicted probability", "share", limits=(start, 1.02))
    y = Axis("share of predictions that are right", "share", limits=(start, 1.03))
    notes = ["Below the gray line the model is overconfident, above it underconfident."]
    low, high = np.asarray(intervals, np.float64).T
    at = np.asarray(probabilities)
    right = int(((low <= at) & (at <= high)).sum())
    sentences = [f"In {right} of {len(at)} groups the interval holds the predicted probability."]
    return Chart(
        "Are the probabilities right?", [Panel(marks, x, y)], size=(5.6, 3.8), notes=notes, sentences=sentences
    )


def roc_chart(is_positive: Any, probabilities: Any, *, positive: str) -> Chart:
    """The share of rows of a class that are found, against the share of others that are taken for it.

    Parameters
    ----------
    is_positive : [N], whether a row is of the class.
    probabilities : [N], of the class.
    positive : its name.

    >>> roc_chart([False, True, True], [0.2, 0.4, 0.9], positive="late").panels[0].y.label
    'rows of late that are found'
    """
    from sklearn import metrics  # slow to import

    wrong, true_rates, _ = metrics.roc_curve(is_positive, probabilities)
    marks = [
        Line([0, 1], [0, 1], "by chance", marks="none", is_data=False),
        Line(wrong, true_rates, "at every threshold", marks="none"),
    ]
    x = Axis("other rows that are taken for it", "share", limits=(0, 1))
    y = Axis(f"rows of {positive} that are found", "share", limits=(0, 1.02))
    area = metrics.roc_auc_score(is_positive, probabilities)
    sentences = [f"The area under the curve is {area:.3f}; by chance it is 0.5."]
    return Chart("What each threshold finds (ROC)", [Panel(marks, x, y)], size=(5.6, 3.8), sentences=sentences)


def errors_by_prediction(targets: Any, predictions: Any, *, target: str) -> Chart:
    """The errors, true minus predicted numbers [N], against the predictions; `target` is what they are.

    >>> errors_by_prediction([1.0, 2.0], [1.5, 2.0], target="price").panels[0].x.label
    'predicted price'
    """
    targets, predictions = np.asarray(targets, np.float64), np.asarray(predictions, np.float64)
    ends = [float(predictions.min()), float(predictions.max())]
    marks = _rows_beside_right(predictions, targets - predictions, ends, [0, 0])
    panel = Panel(marks, Axis(f"predicted {target}"), Axis("true minus predicted"))
    notes = ["A pattern, such as a curve or a funnel, is what the model has not learned."]
    return Chart("Errors", [panel], size=(5.6, 3.8), notes=notes)


def _rows_beside_right(x: Floats, y: Floats, ends: list[float], right: list[float]) -> list[Mark]:
    """A dot for each of at most `MAX_DOTS` random rows, and a line for what is right."""
    drawn = np.random.default_rng(0).permutation(len(x))[:MAX_DOTS]
    line = Line(ends, right, "right", marks="none", is_data=False)
    return [line, Dots(x[drawn], y[drawn], "a row", size=4, opacity=0.5)]


def true_and_predicted_numbers(targets: Any, predictions: Any, *, target: str) -> Chart:
    """Predicted against true numbers [N] as dots; `target` is what they are.

    >>> true_and_predicted_numbers([1.0, 2.0], [1.5, 2.0], target="price").panels[0].y.label
    'predicted price'
    """
    targets, predictions = np.asarray(targets, np.float64), np.asarray(predictions, np.float64)
    ends = [float(min(targets.min(), predictions.min())), float(max(targets.max(), predictions.max()))]
    marks = _rows_beside_right(targets, predictions, ends, ends)
    notes = [f"{MAX_DOTS:,} of {len(targets):,} rows, drawn by chance."] if len(targets) > MAX_DOTS else []
    half, nine_tenths = np.quantile(np.abs(targets - predictions), [0.5, 0.9])
    sentences = [f"Half of the predictions are off by {half:.3g} at most, nine in ten by {nine_tenths:.3g}."]
    panel = Panel(marks, Axis(f"true {target}"), Axis(f"predicted {target}"))
    return Chart("Predicted against true values", [panel], size=(5.6, 4.2), notes=notes, sentences=sentences)


def loss_by_epoch(losses: Any) -> Chart:
    """The loss of each epoch of a fit [n].

    >>> loss_by_epoch([0.9, 0.5, 0.4]).panels[0].marks[0].x.tolist()
    [1, 2, 3]
    """
    marks = [Line(np.arange(1, len(losses) + 1), losses)]
    axis, notes = objective_axis("loss with the penalty, mean of the networks", marks)
    return Chart("Training", [Panel(marks, Axis("epochs", "updates"), axis)], notes=notes)


def _class_dots(x: Floats, labels: Integers, names: Sequence[str]) -> list[Mark]:
    looks = zip(names, style.COLORS, style.MARKERS.items(), strict=False)
    return [
        Dots(x[labels == label, 0], x[labels == label, 1], name, color, marker, size)
        for label, (name, color, (marker, size)) in enumerate(looks)
    ]
