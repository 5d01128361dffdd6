"""Draw the decision boundary of any model over two features of its data."""

from collections.abc import Mapping, Sequence
from typing import Any

from deltarule.reports.chart import Chart
from deltarule.reports.score_figures import true_and_predicted
from deltarule.stats.model_plane import Feature, model_plane


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

    All other features are held at one value each, which the figure states: the lower median of numbers, the most
    frequent text. Rows in which one of the two features is missing are left out.

    Parameters
    ----------
    model : a fitted scikit-learn classifier, pipeline or search; a `Run`, whose first network is drawn; a network of a
        sweep; or a function that takes rows [M, D] and returns outputs [M, C].
    x : the rows as the model takes them: an array [N, D], a pandas data frame, or a mapping of columns.
    labels : [N], classes as the classifier names them; for networks class numbers from 0.
    features : the two that are varied, which hold numbers: indices from 0, or names.
    held : values of other features, by index or name, in place of the medians.
    names : of the D features, if `x` has none.
    classes : names of the classes, in their order; by default the classifier's own.

    Raises
    ------
    BadInput
        If the model has no classes, features or labels do not exist, or there are more than 8 classes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from deltarule import MLPClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier(solver="lbfgs", random_state=0).fit(x, y)
    >>> decision_boundary(model, x, y, features=(2, 3), held={0: 6.0}).notes[1]
    'Held: x0 at 6, x1 at 3. The rows are predicted with their own values.'
    """
    predictions = model_plane(model, x, labels, features, held or {}, names)
    return true_and_predicted(
        predictions.points,
        predictions.labels,
        predictions.predicted,
        plane=predictions.plane,
        features=predictions.features,
        classes=classes or predictions.classes,
    )
