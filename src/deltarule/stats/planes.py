"""Evaluate a model over the plane of two of its inputs.

N rows of data · M rows · D inputs, or features of a table · C outputs · G points along each of both inputs
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats, Integers
from deltarule.problem.validation import whole
from deltarule.stats.intervals import float_array
from deltarule.tables.cell_texts import as_text
from deltarule.tables.frame import Frame, count_rows, frame_of

MIN_PROBABILITY = 1e-15
"""Probabilities are clipped to at least this before the logarithm."""
Feature = int | str


@dataclass(frozen=True, eq=False)
class DecisionPlane:
    """Outputs on a grid over two inputs; the other inputs are fixed.

    first, second  their values [G]
    outputs        [G, G, C], indexed by the second, then by the first, as an image's rows and columns
    held           the values of the other inputs by name, as texts
    """

    first: Floats
    second: Floats
    outputs: Floats
    held: Mapping[str, str] = field(default_factory=dict)

    @property
    def margins(self) -> list[Floats]:
        """The margin [G, G] of each class, 0 on its boundary; one of a single output.

        Logarithms make a line between points where probabilities are nearly 0 and 1 smoother.
        """
        outputs = self.outputs
        is_single = self.outputs.shape[-1] == 1
        if is_single:
            outputs = np.concatenate([1 - outputs, outputs], -1)
        if ((outputs >= 0) & (outputs <= 1)).all():
            outputs = np.log(np.asarray(outputs, np.float64).clip(MIN_PROBABILITY, 1))
        if is_single:
            return [outputs[..., 1] - outputs[..., 0]]
        classes = range(outputs.shape[-1])
        return [outputs[..., label] - np.delete(outputs, label, -1).max(-1) for label in classes]


def predicted_classes(outputs: Floats) -> Integers:
    """The class that each row of outputs [.., C] predicts."""
    return (outputs[..., 0] > 0.5).astype(np.int64) if outputs.shape[-1] == 1 else outputs.argmax(-1)


def decision_plane(model: Any, x: Any, features: tuple[int, int] = (0, 1), points: int = 101) -> DecisionPlane:
    """Evaluate a model on a grid of two inputs, the others held at their medians.

    Parameters
    ----------
    model : a `Run`, of which the first network is used; a fitted estimator with scikit-learn's methods; or a function
        from rows [M, D] to outputs [M, C] or [M].
    x : rows [N, D]; the plane covers their range with a margin.
    features : the indices of the two inputs that vary.
    points : number of grid points along each of them.

    Raises `BadInput` for a model that predicts no rows, rows that are not a table of numbers, features that do not
    exist or are equal, and less than 1 point.

    >>> plane = decision_plane(lambda rows: rows[:, 0] > rows[:, 2], [[0, 5, 0], [1, 7, 1]], features=(0, 2), points=3)
    >>> plane.outputs[..., 0]
    array([[0., 1., 1.],
           [0., 0., 1.],
           [0., 0., 0.]])
    """
    points = whole("points", points)
    predict = outputs_of(model)
    x = float_array("the rows", x, 2, "numbers, [rows, inputs]")
    inputs = range(x.shape[1])
    if len(features) != 2 or features[0] == features[1] or not all(feature in inputs for feature in features):
        text = " and ".join(map(str, features))
        raise BadInput(f"the features are {text}; give two different ones from 0 to {len(inputs) - 1}")
    first, second = (_grid_points(x[:, feature], points) for feature in features)
    medians = np.median(x, axis=0)
    rows = np.tile(medians, (points * points, 1))
    rows[:, features[0]], rows[:, features[1]] = np.tile(first, points), np.repeat(second, points)
    outputs = np.asarray(predict(rows), np.float64)
    held = {f"x{index}": f"{value:.4g}" for index, value in enumerate(medians.tolist()) if index not in features}
    return DecisionPlane(first, second, outputs.reshape(points, points, -1), held)


def outputs_of(model: Any) -> Callable[[Any], Any]:
    """The function from rows [M, D] to outputs of a run, estimator or function."""
    if hasattr(model, "predict_proba"):
        return model.predict_proba
    if hasattr(model, "predict"):
        classes = getattr(model, "classes_", None)
        if classes is None:
            return model.predict
        return lambda rows: np.asarray(model.predict(rows))[:, None] == classes
    if hasattr(model, "outputs"):

        def first_network(rows: Any) -> Floats:
            outputs = np.asarray(model.outputs(rows))
            return outputs[0] if outputs.ndim == 3 else outputs  # a run has several networks

        return first_network
    if callable(model):
        return model
    raise BadInput(f"{model!r} predicts no rows; give a run, a fitted estimator or a function of rows")


def _grid_points(values: Floats, count: int) -> Floats:
    low, high = float(values.min()), float(values.max())
    # The plane extends beyond the rows by 8 % of their range.
    margin = 0.08 * (high - low) or 0.5
    return np.linspace(low - margin, high + margin, count)


def model_plane(
    model: Any,
    x: Any,
    labels: Any,
    features: tuple[Feature, Feature],
    held: Mapping[Feature, Any],
    names: Sequence[str],
) -> tuple[tuple[Floats, Integers, Integers], DecisionPlane, list[str], list[str]]:
    """Evaluate a classifier on its rows and on a grid over two features.

    Returns of the rows that have both features these features [N, 2], the true and the predicted class numbers [N]; the
    outputs over both features; and the names of features and classes. The parameters are those of
    `deltarule.decision_boundary`.
    """
    frame = frame_of(x)
    outputs = outputs_of(model)
    classes = _classes_of(model)
    labels = np.asarray(labels)
    _check_counts(frame, names, labels)
    columns, arrays = list(names or frame), list(frame.values())
    first, second = (_feature_index(columns, feature) for feature in features)
    held_values = {_feature_index(columns, feature): value for feature, value in held.items()}
    if first == second or {first, second} & set(held_values):
        raise BadInput(f"the features are {columns[first]!r} and {columns[second]!r}; give two, neither of them held")
    for index in (first, second):
        if arrays[index].dtype.kind != "f":
            raise BadInput(f"the feature {columns[index]!r} holds texts; vary two features that hold numbers")
    values = _fixed_values(columns, arrays, held_values)
    pair = np.stack([arrays[first], arrays[second]], 1)
    complete = ~np.isnan(pair).any(1)

    def outputs_at(points: Floats) -> Any:
        grid = [_constant_column(x, index, arrays[index], value, len(points)) for index, value in enumerate(values)]
        grid[first], grid[second] = points.T
        return outputs(_like_data(x, grid))

    plane = decision_plane(outputs_at, pair[complete])
    rows = x if _has_columns(x) else _like_data(x, arrays)
    if hasattr(model, "predict"):
        predicted = _class_numbers(np.asarray(model.predict(rows)), classes)
    else:
        predicted = predicted_classes(np.asarray(outputs(rows)).reshape(len(pair), -1))
    order = dict.fromkeys([*held_values, *range(len(values))])  # what was asked for comes first
    described = {columns[index]: _shown_value(values[index]) for index in order if index not in (first, second)}
    kept = pair[complete], _class_numbers(labels, classes)[complete], predicted[complete]
    return kept, replace(plane, held=described), [columns[first], columns[second]], list(map(as_text, classes))


def _check_counts(frame: Frame, names: Sequence[str], labels: Any) -> None:
    """Refuse other than a name for each feature and a label for each row."""
    if names and len(names) != len(frame):
        raise BadInput(f"there are {len(names)} names for {len(frame)} features; give each a name")
    if labels.shape != (count_rows(frame),):
        raise BadInput(f"the labels are {labels.shape} for {count_rows(frame)} rows; give one class for each row")


def _fixed_values(names: Sequence[str], columns: Sequence[Any], held: Mapping[int, Any]) -> list[Any]:
    """The value at which each feature is held, in the form of its column: as asked for, or a typical one."""
    values = list(map(_typical_value, columns))
    for index, value in held.items():
        is_number = columns[index].dtype.kind == "f"
        values[index] = float(value) if is_number else as_text(value)
        if not is_number and values[index] not in columns[index]:
            raise BadInput(f"the feature {names[index]!r} cannot be held at {value!r}; give a value that it has")
    return values


def _shown_value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else value or "missing"


def _classes_of(model: Any) -> list[Any]:
    """The classes of a fitted classifier of one target; none for networks."""
    if not hasattr(model, "predict"):
        return []
    classes = getattr(model, "classes_", None)
    if classes is None:
        raise BadInput(f"{type(model).__name__} has no classes; give a fitted classifier of one target")
    return list(np.asarray(classes).tolist())


def _class_numbers(labels: Any, classes: Sequence[Any]) -> Integers:
    """Convert labels [N] to class numbers from 0, or raise `BadInput`."""
    known = classes or range(int(labels.max(initial=0)) + 1 if labels.dtype.kind in "biuf" else 0)
    indices = {name: index for index, name in enumerate(known)}
    unknown = next((label for label in labels.tolist() if label not in indices), None)
    if unknown is not None:
        names = ", ".join(map(as_text, classes)) or "whole numbers from 0, for a network"
        raise BadInput(f"the label {unknown!r} is none of the model's classes: {names}")
    return np.array([indices[label] for label in labels.tolist()], np.int64)


def _feature_index(names: Sequence[str], feature: Feature) -> int:
    index = names.index(feature) if isinstance(feature, str) and feature in names else feature
    if isinstance(index, str) or not 0 <= index < len(names):
        shown = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
        raise BadInput(f"there is no feature {feature!r}; give a name, or an index from 0 to {len(names) - 1}: {shown}")
    return int(index)


def _typical_value(column: Any) -> Any:
    """The lower median of numbers, or the most frequent text."""
    if column.dtype.kind != "f":
        return Counter(column.tolist()).most_common(1)[0][0]
    present = np.sort(column[~np.isnan(column)])
    return float(present[(len(present) - 1) // 2]) if len(present) else float("nan")


def _constant_column(x: Any, index: int, column: Any, value: Any, count: int) -> Any:
    rows_with_value = np.flatnonzero(column == value)
    if not len(rows_with_value) or not _has_columns(x):
        return np.full(count, value, column.dtype)
    own = x[list(x if isinstance(x, Mapping) else x.columns)[index]]
    own = own.array if hasattr(own, "array") else np.asarray(own)  # pandas: a category stays one
    return own[[int(rows_with_value[0])] * count]


def _has_columns(x: Any) -> bool:
    return isinstance(x, Mapping) or hasattr(x, "columns")


def _like_data(x: Any, columns: Sequence[Any]) -> Any:
    """Put columns into the form of the data `x`: frame, mapping or array."""
    if isinstance(x, Mapping):
        return dict(zip(x, columns, strict=True))
    return type(x)(dict(zip(x.columns, columns, strict=True))) if _has_columns(x) else np.stack(columns, 1)
