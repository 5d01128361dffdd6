"""The decision boundary of any model over two features of any data: one call, from what was trained to the figure.

N rows · M points of the plane · D features · C classes
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats, Integers
from deltarule.reports.score_figures import true_and_predicted
from deltarule.stats.planes import decision_plane, outputs_of
from deltarule.tables.cell_parsing import as_text
from deltarule.tables.frame import Frame, frame_of, rows_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Feature = int | str


def decision_boundary(
    model: Any,
    x: Any,
    labels: Any,
    features: tuple[Feature, Feature] = (0, 1),
    *,
    held: Mapping[Feature, Any] | None = None,
    names: Sequence[str] = (),
    classes: Sequence[str] = (),
) -> "Figure":
    """Draw what a model answers over two features of its data, the true classes of the rows beside the predicted ones.

    All other features are held at one value each, which the figure states: the median of numbers, the lower of two, and
    the most frequent of texts. Rows in which one of the two features is missing are left out.

    Parameters
    ----------
    model : a fitted classifier of scikit-learn's kind, a pipeline or a search; a `Run`, of whose networks the first one
        answers; a network of a sweep; or a function that takes rows [M, D] and returns outputs [M, C].
    x : the rows as the model takes them: an array [N, D], a pandas data frame, or a mapping of columns.
    labels : [N], classes as the classifier knows them; of networks class numbers from 0.
    features : the two that are varied, which hold numbers: places from 0, or names.
    held : values of other features, by place or name, in the place of the medians.
    names : of the D features, where `x` has none.
    classes : names of the classes, in their order; a classifier's own where they are left out.

    Raises `BadInput` for a model without classes, features and labels that there are not, and more than 8 classes.

    >>> from sklearn.datasets import load_iris
    >>> from deltarule import MLPClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier(solver="lbfgs", random_state=0).fit(x, y)
    >>> figure = decision_boundary(model, x, y, features=(2, 3), held={0: 6.0})
    >>> figure.axes[0].get_xlabel(), figure.get_supxlabel().split(". ")[1]
    ('x2', 'Held: x0 at 6, x1 at 3')
    """
    frame = _frame(x, names)
    asked, answers = _predictor_of(model), np.asarray(labels)
    if answers.shape != (rows_of(frame),):
        raise BadInput(f"the labels are {answers.shape} for {rows_of(frame)} rows; give one class for each row")
    one, other = (_place(frame, feature) for feature in features)
    if one == other:
        raise BadInput(f"both features are {list(frame)[one]!r}; give two different ones")
    pair = np.stack([_feature_numbers(frame, place) for place in (one, other)], 1)
    given = {_place(frame, feature): value for feature, value in (held or {}).items()}
    values = _held_values(frame, given, {one, other})
    known = ~np.isnan(pair).any(1)
    if not known.any():
        raise BadInput(f"no row has both {list(frame)[one]!r} and {list(frame)[other]!r}; choose other features")

    def over_plane(points: Floats) -> Any:
        columns = [_constant_column(x, frame, index, value, len(points)) for index, value in enumerate(values)]
        columns[one], columns[other] = points.T
        return asked.outputs(_like_data(x, columns))

    told = {
        list(frame)[place]: _describe_value(values[place]) for place in dict.fromkeys([*given, *range(len(values))])
    }
    others = {name: value for name, value in told.items() if name not in (list(frame)[one], list(frame)[other])}
    found = replace(decision_plane(over_plane, pair[known]), features=(one, other), held=others)
    whole = x if isinstance(x, Mapping) or hasattr(x, "columns") else _like_data(x, list(frame.values()))
    return true_and_predicted(
        pair[known],
        asked.places(answers)[known],
        asked.predict_classes(whole)[known],
        plane=found,
        features=[list(frame)[place] for place in (one, other)],
        classes=classes or asked.names,
    )


@dataclass(frozen=True)
class _Predictor:
    """A model, and how its answers are read.

    outputs     of rows [M, C], the largest of them the answer; of a single output, above 0.5
    answer      the classes of rows [M], where the model says them itself
    known       its classes in the order of the outputs; of networks none, theirs are numbers
    """

    outputs: Callable[[Any], Any]
    answer: Callable[[Any], Any] | None = None
    known: tuple[Any, ...] = ()

    @property
    def names(self) -> list[str]:
        """The classes in words."""
        return [as_text(one) for one in self.known]

    def places(self, labels: Any) -> Integers:
        """The numbers of classes, from 0.    labels [N]"""
        if self.known:
            places = {one: index for index, one in enumerate(self.known)}
            unknown = next((label for label in labels.tolist() if label not in places), None)
            if unknown is not None:
                raise BadInput(f"the label {unknown!r} is none of the model's classes: {', '.join(self.names)}")
            return np.array([places[label] for label in labels.tolist()], np.int64)
        numbers = labels.astype(np.int64) if labels.dtype.kind in "biuf" and np.isfinite(labels).all() else None
        if numbers is None or (numbers != labels).any() or (numbers < 0).any():
            raise BadInput("the labels are no class numbers; of a network give whole numbers from 0")
        return numbers

    def predict_classes(self, rows: Any) -> Integers:
        """The numbers of the classes that rows are put into."""
        if self.answer is not None:
            return self.places(np.asarray(self.answer(rows)))
        outputs = np.asarray(self.outputs(rows))
        outputs = outputs.reshape(len(outputs), -1)
        return np.asarray((outputs[:, 0] > 0.5).astype(np.int64) if outputs.shape[1] == 1 else outputs.argmax(1))


def _predictor_of(model: Any) -> _Predictor:
    """How a model is asked, whatever it is."""
    if hasattr(model, "predict"):
        known = getattr(model, "classes_", None)
        if known is None or isinstance(known, list):
            raise BadInput(f"{type(model).__name__} has no classes; give a classifier of one target that is fitted")
        return _Predictor(outputs_of(model), model.predict, tuple(np.asarray(known).tolist()))
    return _Predictor(outputs_of(model))


def _frame(x: Any, names: Sequence[str]) -> Frame:
    """The columns by name."""
    frame = frame_of(x)
    if not names:
        return frame
    if len(set(names)) != len(frame) or len(names) != len(frame):
        raise BadInput(f"there are {len(names)} names for {len(frame)} features; give each one of its own")
    return dict(zip(map(str, names), frame.values(), strict=True))


def _place(frame: Frame, feature: Feature) -> int:
    told = list(frame)
    place = told.index(feature) if isinstance(feature, str) and feature in told else feature
    if isinstance(place, str) or not 0 <= place < len(told):
        shown = ", ".join(told[:8]) + (" …" if len(told) > 8 else "")
        raise BadInput(f"there is no feature {feature!r}; give a name, or a place from 0 to {len(told) - 1}: {shown}")
    return int(place)


def _feature_numbers(frame: Frame, place: int) -> Floats:
    column = list(frame.values())[place]
    if column.dtype.kind != "f":
        raise BadInput(f"the feature {list(frame)[place]!r} holds texts; vary two that hold numbers")
    return column


def _held_values(frame: Frame, held: Mapping[int, Any], varied: set[int]) -> list[Any]:
    """What each feature is held at: what is given, else what stands in the middle, or most often."""
    both = [name for index, name in enumerate(frame) if index in varied and index in held]
    if both:
        raise BadInput(f"the feature {both[0]!r} is both varied and held; choose one")
    values = [_usual(column) for column in frame.values()]
    for place, value in held.items():
        column = list(frame.values())[place]
        is_number = isinstance(value, int | float | np.number) and np.isfinite(value)
        values[place] = float(value) if column.dtype.kind == "f" and is_number else as_text(value)
        if type(values[place]) is not float and values[place] not in column.tolist():
            raise BadInput(f"the feature {list(frame)[place]!r} cannot be held at {value!r}; give a value that it has")
    return values


def _usual(column: Any) -> Any:
    """The lower median of numbers, so that it is one that occurs; the most frequent text, the first of several."""
    if column.dtype.kind != "f":
        return Counter(column.tolist()).most_common(1)[0][0] if len(column) else ""
    known = np.sort(column[~np.isnan(column)])
    return float(known[(len(known) - 1) // 2]) if len(known) else float("nan")


def _constant_column(x: Any, frame: Frame, place: int, value: Any, count: int) -> Any:
    """A column that holds one value in each of `count` rows, of the type that it has in the data."""
    name = list(frame)[place]
    there = np.flatnonzero(frame[name] == value)
    if not len(there) or not (isinstance(x, Mapping) or hasattr(x, "columns")):
        return np.full(count, value, frame[name].dtype)
    column = x[list(x if isinstance(x, Mapping) else x.columns)[place]]
    column = column.array if hasattr(column, "array") else np.asarray(column)  # pandas: a category stays one
    return column[[int(there[0])] * count]


def _like_data(x: Any, columns: Sequence[Any]) -> Any:
    """Columns as the data have them: a frame, a mapping, or rows."""
    if isinstance(x, Mapping):
        return dict(zip(x, columns, strict=True))
    if hasattr(x, "columns"):
        return type(x)(dict(zip(x.columns, columns, strict=True)))
    return np.stack(columns, 1)


def _describe_value(value: Any) -> str:
    """What a feature is held at, in words."""
    return f"{value:.4g}" if isinstance(value, float) else value or "missing"
