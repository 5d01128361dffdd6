"""Figures of classifications: predictions, decision boundaries, confusion matrices; and of norms during training.

N rows · K seeds · C classes · T values of a parameter · G points of a grid
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import BadInput, count_of
from deltarule.problem.problem import Floats, Integers
from deltarule.reports import style
from deltarule.reports.cell_figures import MAX_COLUMNS, label_cells
from deltarule.reports.figure_builder import FigureBuilder
from deltarule.reports.formatting import isolate_direction
from deltarule.reports.network_figures import UNIT_NAME_POINTS
from deltarule.reports.text_fitting import fit_names, text_width, wrap_text
from deltarule.stats.planes import DecisionPlane

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_CLASSES = len(style.MARKERS)
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
) -> "Figure":
    """Draw the true and the predicted classes of rows side by side, these over the boundary of `plane`, if given.

    Parameters
    ----------
    x : [N, 2], the two inputs that are drawn; the plane's features, if there is a plane.
    labels, predicted : [N], class numbers from 0.
    plane : what `deltarule.stats.planes.decision_plane` returns.
    features : names of the two inputs.
    classes : names of the classes.
    rows, predictor : what the rows are, such as "test rows", and which model predicted, for the note.

    Raises `BadInput` for more than 8 classes, and for different lengths.

    >>> figure = true_and_predicted([[0.0, 0.0], [1.0, 1.0]], [0, 1], [0, 0])
    >>> figure.axes[1].get_title(loc="left")
    'predicted'
    """
    x, labels, predicted = np.asarray(x), np.asarray(labels), np.asarray(predicted)
    if not len(x) == len(labels) == len(predicted):
        raise BadInput(f"there are {len(x)} rows, {len(labels)} labels and {len(predicted)} predictions; give one each")
    count = int(max(labels.max(initial=0), predicted.max(initial=0))) + 1
    if count > MAX_CLASSES:
        raise BadInput(f"there are {count} classes; at most {MAX_CLASSES} can be told apart: choose some of them")
    names = [classes[label] if label < len(classes) else str(label) for label in range(count)]
    is_right = labels == predicted
    with style.style_context():
        builder = FigureBuilder.of_axes("True beside predicted classes", 7.0, 3.7, ncols=2, sharex=True, sharey=True)
        builder.axes.set_title("true")
        for drawn_labels in (labels, predicted):
            is_predicted = drawn_labels is predicted
            if is_predicted:
                builder.axes.set_title("predicted")
                if plane is not None:
                    _draw_boundary(builder, plane)
            for label in range(count):
                _draw_points(builder, x[drawn_labels == label], names[label], label, in_legend=not is_predicted)
            builder.axes.set_xlabel(wrap_text(features[0].strip() or "x0", 14))
            builder.y_label(features[1].strip() or "x1")
            builder.row += 1
        builder.row = 1
        if not is_right.all():
            wrong = builder.axes.scatter(
                x[~is_right, 0],
                x[~is_right, 1],
                s=110,
                facecolors="none",
                edgecolors=style.BLACK,
                linewidths=1.2,
                zorder=4,
            )
            builder.entries.append((wrong, "wrong"))
        for add_sentence in (builder.note, builder.describe):
            add_sentence(
                f"{is_right.sum():,} of {len(is_right):,} {rows} are predicted right{_format_predictor(predictor)}."
            )
        if plane is not None:
            builder.describe("Shaded: what the model answers between them; the line is the decision boundary.")
        if plane is not None and plane.held:
            builder.note(f"{_describe_held_features(plane.held)} The rows are answered with their own values.")
            builder.describe(_describe_held_features(plane.held))
        return builder.finish("class")


def confusion_matrix(counts: Any, classes: Sequence[str], *, rows: str = "rows", predictor: str = "") -> "Figure":
    """Draw the number of rows for each pair of true and predicted class.

    Parameters: `counts` [C, C], true classes down and predicted ones across; `classes`, their names; `rows`, what the
    rows are, such as "test rows", and `predictor`, which model predicted, for the note.
    Errors: `BadInput` for a matrix that does not fit the names, or more classes than can be read.

    >>> figure = confusion_matrix([[5, 1], [0, 4]], ["cat", "dog"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['5', '1', '0', '4']
    """
    counts = np.asarray(counts)
    if counts.shape != (len(classes), len(classes)) or len(classes) > MAX_COLUMNS:
        raise BadInput(
            f"the counts are {' × '.join(map(str, counts.shape))} for {len(classes)} classes; give a square of as many "
            f"as there are classes, at most {MAX_COLUMNS}"
        )
    right, total = int(np.trace(counts)), int(counts.sum())
    with style.style_context():
        font = _font_size_for(counts)
        widest = text_width(f"{int(counts.max(initial=0)):,}", font, "bold")
        size = max(3.6, 1.6 + max(0.45, (widest + CELL_GAP_POINTS) / 72) * len(classes))
        builder = FigureBuilder.of_axes("True against predicted classes", size + 1.2, size)
        drawn = builder.axes.imshow(
            counts, cmap=style.sequential_colormap(), vmin=0, vmax=max(int(counts.max(initial=0)), 1)
        )
        texts = [[f"{count:,}" for count in row] for row in counts.tolist()]
        label_cells(builder.axes, drawn, counts, texts, font, np.eye(len(counts), dtype=bool))
        names = fit_names(classes, UNIT_NAME_POINTS, 8.5)
        rotation = 90 if max(map(len, names), default=0) > 3 else 0
        builder.axes.set_xticks(range(len(names)), names, rotation=rotation)
        builder.axes.set_yticks(range(len(names)), names)
        builder.axes.tick_params(length=0)
        builder.axes.grid(False)
        builder.axes.set_xlabel("predicted class (rows)")
        builder.y_label("true class")
        for add_sentence in (builder.note, builder.describe):
            add_sentence(
                f"{right:,} of {total:,} {rows} are in the class that they belong to{_format_predictor(predictor)}."
            )
        for pair, count in _most_confused(counts):
            true, predicted = (isolate_direction(classes[label]) for label in pair)
            builder.describe(f"{count_of(count, 'row')} of class {true} taken for class {predicted}.")
        return builder.finish()


def norm_curves(steps: Any, norms: Mapping[str, Any], *, quantity: str) -> "Figure":
    """Draw the norm of each layer's gradients, or of its activations, against updates.

    Parameters: `steps` [T]; `norms` [T], or [T, K] for K members, by the layer's array ("W1"); `quantity`, what they
    are.
    Errors: `BadInput` for no norms, and for norms without a value or a row for each step.

    >>> figure = norm_curves([0, 10], {"W1": [0.1, 0.01], "W2": [0.5, 0.2]}, quantity="length of the gradient")
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['W1', 'W2']
    """
    if not norms:
        raise BadInput("there are no layers to draw; give the norms of at least one")
    with style.style_context():
        builder, members = FigureBuilder.blank(f"{quantity[:1].upper()}{quantity[1:]} by layer"), 1
        for index, (name, values) in enumerate(norms.items()):
            values = np.asarray(values, np.float64)
            if values.ndim == 2 and values.shape[1] > 1:
                builder.median_band(steps, values, name, index=index)
                members = values.shape[1]
            else:
                builder.line(steps, values.ravel(), name, index=index)
        if members > 1:
            builder.note(f"Medians of {members:,} members, and the band from 10 to 90 %.")
        builder.x_label_updates()
        builder.y_label(quantity)
        starts = [float(column[0]) for column in builder.drawn if len(column)]
        builder.scale_objective(MAX_NORM_GROWTH * max([1.0, *starts]))
        return builder.finish("layer")


def _draw_points(builder: FigureBuilder, x: Floats, name: str, label: int, in_legend: bool) -> None:
    """Draw the rows [N, 2] of a class with its color and marker; `label` is its number."""
    options: dict[str, Any] = {
        "color": style.COLORS[label],
        "marker": style.MARKERS[label],
        "edgecolors": "white",
        "linewidths": 0.6,
    }
    drawn = builder.axes.scatter(x[:, 0], x[:, 1], s=26, zorder=3, **options)
    if in_legend:
        builder.entries.append((drawn, name))


def _format_predictor(predictor: str) -> str:
    return f", by {predictor}" if predictor else ""


def _draw_boundary(builder: FigureBuilder, plane: DecisionPlane) -> None:
    """Draw the regions of the predicted classes in pale colors, and the lines between them."""
    from matplotlib.colors import ListedColormap

    if plane.outputs.shape[-1] == 1:
        values = plane.outputs[..., 0]
        regions = (values > 0.5).astype(int)
    else:
        regions = plane.outputs.argmax(-1)
    count = max(int(regions.max()) + 1, 2)
    colors = ListedColormap(list(style.COLORS[:count]))
    options: dict[str, Any] = {"cmap": colors, "vmin": -0.5, "vmax": count - 0.5, "alpha": 0.16}
    ends = (*_outer_edges(plane.first), *_outer_edges(plane.second))
    builder.axes.imshow(regions, extent=ends, origin="lower", aspect="auto", interpolation="nearest", **options)
    for margins in _class_margins(plane.outputs):
        if margins.min() < 0 < margins.max():
            builder.axes.contour(plane.first, plane.second, margins, [0.0], colors=style.BLACK, linewidths=1.1)


def _describe_held_features(values: Mapping[str, str]) -> str:
    """A sentence with the values of the features that are held constant."""
    texts = [f"{name} at {value}" for name, value in list(values.items())[:MAX_HELD]]
    more = f", and {len(values) - MAX_HELD} more" if len(values) > MAX_HELD else ""
    return f"Held: {', '.join(texts)}{more}."


def _outer_edges(axis: Floats) -> tuple[float, float]:
    """The outer edges of the cells around the grid points of an axis."""
    half = (axis[1] - axis[0]) / 2
    return float(axis[0] - half), float(axis[-1] + half)


def _class_margins(outputs: Floats) -> list[Floats]:
    """The margin of each class, 0 on its boundary: its output or log-probability minus the largest other one.

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


def _font_size_for(counts: Integers) -> float:
    """The font size at which the largest count fits into a cell."""
    digits = len(f"{int(counts.max(initial=0)):,}")
    return 8.5 if digits <= 4 else 7 if digits == 5 else 6


def _most_confused(counts: Integers, max_pairs: int = 3) -> list[tuple[tuple[int, int], int]]:
    """The at most `max_pairs` largest counts off the diagonal, as ((true class, predicted class), count)."""
    off_diagonal = counts * (1 - np.eye(len(counts), dtype=counts.dtype))
    # Unsigned counts cannot be negated to sort them downwards.
    indices = np.argsort(off_diagonal.max(initial=0) - off_diagonal, axis=None, kind="stable")[:max_pairs]
    rows, columns = np.unravel_index(indices, counts.shape)
    pairs = [(int(row), int(column)) for row, column in zip(rows, columns, strict=True)]
    return [(pair, int(counts[pair])) for pair in pairs if off_diagonal[pair] > 0]
