"""Charts of classifications, and of norms during training.

N rows · K seeds · C classes · T values of a parameter · G points of a grid
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deltarule.errors import BadInput, count_of
from deltarule.problem.problem import Floats, Integers
from deltarule.reports import style
from deltarule.reports.cell_figures import MAX_COLUMNS
from deltarule.reports.chart import Chart, capitalize, median_band, objective_axis
from deltarule.reports.marks import Axis, Cells, Dots, Line, Mark, Panel, Regions
from deltarule.reports.text_fitting import text_width
from deltarule.stats.planes import DecisionPlane

MAX_CLASSES = len(style.MARKERS)
CLASS_NAME_POINTS = 72.0
"""Maximum width in points of the name of a class."""
CELL_GAP_POINTS = 4
"""Points between the numbers of a confusion matrix."""
MAX_HELD = 6
"""Maximum number of features held constant whose values the note lists."""
MIN_PROBABILITY = 1e-15
"""Probabilities are clipped to at least this, and at most 1 minus it, before the logarithm."""
MAX_NORM_GROWTH = 1e12
"""Largest displayed norm, as a multiple of its start or of 1: it includes outputs that learn large targets, and
excludes most values of members that diverge."""


def true_and_predicted(
    x: Any,
    labels: Any,
    predicted: Any,
    *,
    plane: DecisionPlane | None = None,
    features: Sequence[str] = ("x0", "x1"),
    classes: Sequence[str] = (),
    rows: str = "rows",
    predictor: str = "",
) -> Chart:
    """The true and the predicted classes of rows side by side.

    Parameters
    ----------
    x : [N, 2], the two inputs that are drawn; the plane's features, if there is a plane.
    labels, predicted : [N], class numbers from 0.
    plane : what `deltarule.stats.planes.decision_plane` returns.
    features : names of the two inputs.
    classes : names of the classes.
    rows, predictor : what the rows are, such as "test rows", and which model predicted, for the note.

    Raises
    ------
    BadInput
        If there are more than 8 classes, or lengths differ.

    Examples
    --------
    >>> true_and_predicted([[0.0, 0.0], [1.0, 1.0]], [0, 1], [0, 0]).notes
    ['1 of 2 rows are predicted right.']
    """
    x, labels, predicted = np.asarray(x), np.asarray(labels), np.asarray(predicted)
    if not len(x) == len(labels) == len(predicted):
        raise BadInput(f"there are {len(x)} rows, {len(labels)} labels and {len(predicted)} predictions; give one each")
    count = int(max(labels.max(initial=0), predicted.max(initial=0))) + 1
    if count > MAX_CLASSES:
        raise BadInput(f"there are {count} classes; at most {MAX_CLASSES} can be told apart: choose some of them")
    names = [classes[label] if label < len(classes) else str(label) for label in range(count)]
    is_right = labels == predicted
    marks = _class_dots(x, predicted, names)
    if plane is not None:
        marks.insert(0, _regions(plane))
    if not is_right.all():
        marks.append(Dots(x[~is_right, 0], x[~is_right, 1], "wrong", style.BLACK, size=10.5, is_hollow=True))
    x_axis, y_axis = Axis(features[0].strip() or "x0"), Axis(features[1].strip() or "x1")
    panels = [
        Panel(_class_dots(x, labels, names), x_axis, y_axis, "true"),
        Panel(marks, x_axis, y_axis, "predicted"),
    ]
    right = f"{is_right.sum():,} of {len(is_right):,} {rows} are predicted right{_by(predictor)}."
    notes, sentences = [right], [right]
    if plane is not None:
        sentences.append("Shaded: what the model predicts between them; the line is the decision boundary.")
    if plane is not None and plane.held:
        held = _describe_held_features(plane.held)
        notes.append(f"{held} The rows are predicted with their own values.")
        sentences.append(held)
    return Chart(
        "True beside predicted classes", panels, 2, (7.0, 3.7), notes=notes, legend="class", sentences=sentences
    )


def confusion_matrix(counts: Any, classes: Sequence[str], *, rows: str = "rows", predictor: str = "") -> Chart:
    """The number of rows for each pair of true and predicted class.

    Parameters
    ----------
    counts : [C, C], true classes down and predicted ones across.
    classes : their names.
    rows, predictor : what the rows are, such as "test rows", and which model predicted, for the note.

    Raises
    ------
    BadInput
        If the matrix does not fit the names, or there are more classes than can be read.

    Examples
    --------
    >>> confusion_matrix([[5, 1], [0, 4]], ["cat", "dog"]).notes
    ['9 of 10 rows are in the class that they belong to.']
    """
    counts = np.asarray(counts)
    if counts.shape != (len(classes), len(classes)) or len(classes) > MAX_COLUMNS:
        raise BadInput(
            f"the counts are {' × '.join(map(str, counts.shape))} for {len(classes)} classes; give a square of as many "
            f"as there are classes, at most {MAX_COLUMNS}"
        )
    largest = f"{int(counts.max(initial=0)):,}"
    font_size = 8.5 if len(largest) <= 4 else 7.0 if len(largest) == 5 else 6.0
    widest = text_width(largest, font_size, "bold")
    side = max(3.6, 1.6 + max(0.45, (widest + CELL_GAP_POINTS) / 72) * len(classes))
    texts = [[f"{count:,}" for count in row] for row in counts.tolist()]
    limits = 0.0, max(float(counts.max(initial=0)), 1.0)
    cells = Cells(counts, texts, limits, np.eye(len(counts), dtype=bool), font_size)
    is_upright = max(map(len, classes), default=0) > 3
    across = Axis("predicted class (rows)", names=classes, name_points=CLASS_NAME_POINTS, is_upright=is_upright)
    down = Axis("true class", names=classes, name_points=CLASS_NAME_POINTS)
    right = f"{int(np.trace(counts)):,} of {int(counts.sum()):,} {rows} are in the class that they belong to"
    sentences = [f"{right}{_by(predictor)}."]
    for (true, predicted), count in _most_confused(counts):
        sentences.append(f"{count_of(count, 'row')} of class {classes[true]} taken for class {classes[predicted]}.")
    panel = Panel([cells], across, down, is_bare=True)
    return Chart(
        "True against predicted classes", [panel], size=(side + 1.2, side), notes=sentences[:1], sentences=sentences
    )


def norm_curves(steps: Any, norms: Mapping[str, Any], *, quantity: str) -> Chart:
    """The norm of each layer's gradients, or of its activations, against updates.

    Parameters
    ----------
    steps : [T].
    norms : [T], or [T, K] for K members, by the layer's array ("W1").
    quantity : what they are.

    Examples
    --------
    >>> norm_curves([0, 10], {"W1": [0.1, 0.01], "W2": [0.5, 0.2]}, quantity="length of the gradient").title
    'Length of the gradient by layer'
    """
    if not norms:
        raise BadInput("there are no layers to draw; give the norms of at least one")
    marks: list[Mark] = []
    members = 1
    for index, (name, values) in enumerate(norms.items()):
        values = np.asarray(values, np.float64)
        if values.ndim == 2 and values.shape[1] > 1:
            marks += median_band(steps, values, name, index)
            members = values.shape[1]
        else:
            marks.append(Line(steps, values.ravel(), name, index))
    starts = [mark.points()[1][:1] for mark in marks if isinstance(mark, Line)]
    axis, notes = objective_axis(quantity, marks, MAX_NORM_GROWTH * float(max(np.concatenate([[1.0], *starts]))))
    if members > 1:
        notes.insert(0, f"Medians of {members:,} members, and the band from 10 to 90 %.")
    panel = Panel(marks, Axis("updates", "updates"), axis)
    return Chart(f"{capitalize(quantity)} by layer", [panel], legend="layer", notes=notes)


def _class_dots(x: Floats, labels: Integers, names: Sequence[str]) -> list[Mark]:
    return [
        Dots(x[labels == label, 0], x[labels == label, 1], name, style.COLORS[label], style.MARKERS[label])
        for label, name in enumerate(names)
    ]


def _by(predictor: str) -> str:
    return f", by {predictor}" if predictor else ""


def _regions(plane: DecisionPlane) -> Regions:
    is_single = plane.outputs.shape[-1] == 1
    classes = (plane.outputs[..., 0] > 0.5).astype(int) if is_single else plane.outputs.argmax(-1)
    return Regions(plane.first, plane.second, classes, _class_margins(plane.outputs))


def _describe_held_features(values: Mapping[str, str]) -> str:
    texts = [f"{name} at {value}" for name, value in list(values.items())[:MAX_HELD]]
    more = f", and {len(values) - MAX_HELD} more" if len(values) > MAX_HELD else ""
    return f"Held: {', '.join(texts)}{more}."


def _class_margins(outputs: Floats) -> list[Floats]:
    """The margin of each class, 0 on its boundary.

    That of a single output is its distance from 0.5, of a single probability the log-odds. Logarithms make a line
    between points where probabilities are nearly 0 and 1 smoother.
    """
    is_single = outputs.shape[-1] == 1
    if ((outputs >= 0) & (outputs <= 1)).all():
        outputs = np.asarray(outputs, np.float64).clip(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
        outputs = np.log(outputs) - np.log1p(-outputs) if is_single else np.log(outputs)
    elif is_single:
        outputs = outputs - 0.5
    if is_single:
        return [outputs[..., 0]]
    classes = range(outputs.shape[-1])
    return [outputs[..., label] - np.delete(outputs, label, -1).max(-1) for label in classes]


def _most_confused(counts: Integers, max_pairs: int = 3) -> list[tuple[tuple[int, int], int]]:
    """The largest counts off the diagonal, as ((true, predicted), count)."""
    off_diagonal = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    # Unsigned counts cannot be negated to sort them downwards.
    indices = np.argsort(off_diagonal.max(initial=0) - off_diagonal, axis=None, kind="stable")[:max_pairs]
    rows, columns = np.unravel_index(indices, counts.shape)
    pairs = [(int(row), int(column)) for row, column in zip(rows, columns, strict=True)]
    return [(pair, int(counts[pair])) for pair in pairs if off_diagonal[pair] > 0]
