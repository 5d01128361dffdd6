"""Evaluate a network or function over the plane of two of its inputs.

M rows · D inputs · C outputs · G points along each of both inputs
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltarule.errors import BadInput
from deltarule.problem.validation import whole
from deltarule.stats.arrays import float_array

Floats = NDArray[Any]


@dataclass(frozen=True, eq=False)
class DecisionPlane:
    """Outputs on a grid over two inputs; the other inputs are fixed.

    features       the indices of the two inputs
    first, second  their values [G]
    outputs        [G, G, C], indexed by the second, then by the first, as an image's rows and columns
    held           the values of the other inputs by name, as texts
    """

    features: tuple[int, int]
    first: Floats
    second: Floats
    outputs: Floats
    held: Mapping[str, str] = field(default_factory=dict)


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
    predict, x = outputs_of(model), float_array("the rows", x, 2, "numbers, [rows, inputs]")
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
    return DecisionPlane((features[0], features[1]), first, second, outputs.reshape(points, points, -1), held)


def outputs_of(model: Any) -> Callable[[Any], Any]:
    """The function from rows [M, D] to outputs of a run, estimator or function.

    Raises `BadInput` for other objects, and for a classifier of several targets.

    >>> outputs_of(abs)(-1.0)
    1.0
    """
    if isinstance(getattr(model, "classes_", None), list):
        raise BadInput(f"{type(model).__name__} has classes of several targets; give a classifier of one target")
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
    raise BadInput(f"{model!r} answers no rows; give a run, a fitted estimator or a function of rows")


def _grid_points(values: Floats, count: int) -> Floats:
    low, high = float(values.min()), float(values.max())
    # The plane extends beyond the rows by 8 % of their range.
    margin = 0.08 * (high - low) or 0.5
    return np.linspace(low - margin, high + margin, count)
