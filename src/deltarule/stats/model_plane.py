"""Evaluate any classifier over two features of its data.

N rows · M points of the plane · D features · C classes
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput
from deltarule.stats.planes import DecisionPlane, decision_plane, outputs_of
from deltarule.tables.cell_parsing import as_text
from deltarule.tables.frame import Frame, count_rows, frame_of

Feature = int | str
Floats = NDArray[Any]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ModelPlane:
    """A model's outputs over two features, and the rows that have both.

    points             [N, 2], the two features of each row
    labels, predicted  [N], the true and the predicted class numbers
    plane              the outputs over the two features
    features           their names
    classes            names of the classes, where the model has any
    """

    points: Floats
    labels: Integers
    predicted: Integers
    plane: DecisionPlane
    features: Sequence[str]
    classes: Sequence[str]


def model_plane(
    model: Any,
    x: Any,
    labels: Any,
    features: tuple[Feature, Feature],
    held: Mapping[Feature, Any],
    names: Sequence[str],
) -> ModelPlane:
    """Evaluate a classifier on its rows and on a grid over two features.

    The parameters are those of `deltarule.decision_boundary`: `held`, the values of other features by feature; `names`,
    those of the features.
    Raises `BadInput` for a model without classes, and for features, labels or held values that do not exist.
    """
    frame = _frame(x, names)
    predictor, labels = _predictor_of(model), np.asarray(labels)
    if labels.shape != (count_rows(frame),):
        raise BadInput(f"the labels are {labels.shape} for {count_rows(frame)} rows; give one class for each row")
    columns = list(frame)
    first, second = (_feature_index(frame, feature) for feature in features)
    if first == second:
        raise BadInput(f"both features are {columns[first]!r}; give two different ones")
    pair = np.stack([_feature_numbers(frame, index) for index in (first, second)], 1)
    held_by_user = {_feature_index(frame, feature): value for feature, value in held.items()}
    values = _constant_values(frame, held_by_user, {first, second})
    complete = ~np.isnan(pair).any(1)
    if not complete.any():
        raise BadInput(f"no row has both {columns[first]!r} and {columns[second]!r}; choose other features")

    def outputs_at(points: Floats) -> Any:
        grid = [_constant_column(x, frame, index, value, len(points)) for index, value in enumerate(values)]
        grid[first], grid[second] = points.T
        return predictor.outputs(_like_data(x, grid))

    order = dict.fromkeys([*held_by_user, *range(len(values))])
    others = {columns[index]: _describe_value(values[index]) for index in order if index not in (first, second)}
    rows = x if isinstance(x, Mapping) or hasattr(x, "columns") else _like_data(x, list(frame.values()))
    return ModelPlane(
        pair[complete],
        predictor.class_numbers(labels)[complete],
        predictor.predict_classes(rows)[complete],
        replace(decision_plane(outputs_at, pair[complete]), features=(first, second), held=others),
        [columns[first], columns[second]],
        predictor.class_names,
    )


@dataclass(frozen=True)
class _Predictor:
    """A model of any library behind one interface.

    outputs  of rows [M, C], the largest of them the predicted class; a single output means class 1 above 0.5
    predict  the classes of rows [M], if the model predicts them itself
    classes  in the order of the outputs; empty for networks, whose classes are numbers
    """

    outputs: Callable[[Any], Any]
    predict: Callable[[Any], Any] | None = None
    classes: tuple[Any, ...] = ()

    @property
    def class_names(self) -> list[str]:
        return [as_text(name) for name in self.classes]

    def class_numbers(self, labels: Any) -> Integers:
        """Convert labels [N] to class numbers from 0, or raise `BadInput`."""
        if self.classes:
            indices = {name: index for index, name in enumerate(self.classes)}
            unknown = next((label for label in labels.tolist() if label not in indices), None)
            if unknown is not None:
                raise BadInput(f"the label {unknown!r} is none of the model's classes: {', '.join(self.class_names)}")
            return np.array([indices[label] for label in labels.tolist()], np.int64)
        numbers = labels.astype(np.int64) if labels.dtype.kind in "biuf" and np.isfinite(labels).all() else None
        if numbers is None or (numbers != labels).any() or (numbers < 0).any():
            raise BadInput("the labels are no class numbers; for a network give whole numbers from 0")
        return numbers

    def predict_classes(self, rows: Any) -> Integers:
        """Predict the class numbers of rows, [M]."""
        if self.predict is not None:
            return self.class_numbers(np.asarray(self.predict(rows)))
        outputs = np.asarray(self.outputs(rows))
        outputs = outputs.reshape(len(outputs), -1)
        return np.asarray((outputs[:, 0] > 0.5).astype(np.int64) if outputs.shape[1] == 1 else outputs.argmax(1))


def _predictor_of(model: Any) -> _Predictor:
    """Wrap a model as a `_Predictor`; refuse what is not a classifier of one target."""
    if hasattr(model, "predict"):
        classes = getattr(model, "classes_", None)
        if classes is None or isinstance(classes, list):
            raise BadInput(f"{type(model).__name__} has no classes; give a fitted classifier of one target")
        return _Predictor(outputs_of(model), model.predict, tuple(np.asarray(classes).tolist()))
    return _Predictor(outputs_of(model))


def _frame(x: Any, names: Sequence[str]) -> Frame:
    """The columns of the data `x` by name; `names`, unless empty, replace their own."""
    frame = frame_of(x)
    if not names:
        return frame
    if len(set(names)) != len(frame) or len(names) != len(frame):
        raise BadInput(f"there are {len(names)} names for {len(frame)} features; give each feature a different name")
    return dict(zip(map(str, names), frame.values(), strict=True))


def _feature_index(frame: Frame, feature: Feature) -> int:
    """The index of a feature that the user gave by name or index."""
    names = list(frame)
    index = names.index(feature) if isinstance(feature, str) and feature in names else feature
    if isinstance(index, str) or not 0 <= index < len(names):
        shown = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
        raise BadInput(f"there is no feature {feature!r}; give a name, or an index from 0 to {len(names) - 1}: {shown}")
    return int(index)


def _feature_numbers(frame: Frame, index: int) -> Floats:
    column = list(frame.values())[index]
    if column.dtype.kind != "f":
        raise BadInput(f"the feature {list(frame)[index]!r} holds texts; vary two features that hold numbers")
    return column


def _constant_values(frame: Frame, held: Mapping[int, Any], varied: set[int]) -> list[Any]:
    """The constant value of each feature, [D]: the user's, else a typical one."""
    held_and_varied = [name for index, name in enumerate(frame) if index in varied and index in held]
    if held_and_varied:
        raise BadInput(f"the feature {held_and_varied[0]!r} is both varied and held; choose one")
    values = [_typical_value(column) for column in frame.values()]
    for index, value in held.items():
        column = list(frame.values())[index]
        is_number = isinstance(value, int | float | np.number) and np.isfinite(value)
        values[index] = float(value) if column.dtype.kind == "f" and is_number else as_text(value)
        if type(values[index]) is not float and values[index] not in column.tolist():
            raise BadInput(f"the feature {list(frame)[index]!r} cannot be held at {value!r}; give a value that it has")
    return values


def _typical_value(column: Any) -> Any:
    if column.dtype.kind != "f":
        return Counter(column.tolist()).most_common(1)[0][0] if len(column) else ""
    present = np.sort(column[~np.isnan(column)])
    return float(present[(len(present) - 1) // 2]) if len(present) else float("nan")


def _constant_column(x: Any, frame: Frame, index: int, value: Any, count: int) -> Any:
    """A column of `count` rows with the same value, of the type of a column of `x`."""
    name = list(frame)[index]
    rows_with_value = np.flatnonzero(frame[name] == value)
    if not len(rows_with_value) or not (isinstance(x, Mapping) or hasattr(x, "columns")):
        return np.full(count, value, frame[name].dtype)
    column = x[list(x if isinstance(x, Mapping) else x.columns)[index]]
    column = column.array if hasattr(column, "array") else np.asarray(column)  # pandas: a category stays one
    return column[[int(rows_with_value[0])] * count]


def _like_data(x: Any, columns: Sequence[Any]) -> Any:
    """Put columns into the form of the data `x`: frame, mapping or array."""
    if isinstance(x, Mapping):
        return dict(zip(x, columns, strict=True))
    if hasattr(x, "columns"):
        return type(x)(dict(zip(x.columns, columns, strict=True)))
    return np.stack(columns, 1)


def _describe_value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else value or "missing"
