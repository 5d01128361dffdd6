"""Compute row weights from class weights.

N rows · C labels
"""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.class_weight import compute_sample_weight

from deltarule.problem.problem import Floats


def label_weights(class_weight: Any, column: Any, sample_weight: Floats | None) -> Floats:
    """The row weights [N] for a label `column` [N] of 0 and 1.

    class_weight : "balanced", {0 and 1: weight} or None for weights of 1.
    """
    if isinstance(class_weight, str) and class_weight == "balanced":
        return balanced_weights(column, sample_weight)
    return np.asarray(compute_sample_weight(select_present_classes(class_weight, (0, 1), column), column))


def select_present_classes(class_weight: Any, classes: Any, y: Any) -> Any:
    """Drop the weights of classes that do not occur in y [N]."""
    if not isinstance(class_weight, dict):
        return class_weight
    absent = set(classes) - set(np.unique(y))
    return {name: weight for name, weight in class_weight.items() if name not in absent}


def balanced_weights(y: Any, weights: Floats | None = None) -> Floats:
    """Row weights [N] that give every class the same total weight.

    y [N] or [N, C]; weights [N], where 2 counts a row twice, by default all 1   →   [N]

    >>> balanced_weights(np.array(["a", "a", "a", "b"])).round(2)
    array([0.67, 0.67, 0.67, 2.  ])
    """
    columns = (y.toarray() if sparse.issparse(y) else np.asarray(y)).reshape(y.shape[0], -1)
    row_weights = np.ones(len(columns))
    for column in columns.T:
        classes = np.unique(column, return_inverse=True)[1]
        sums = np.bincount(classes, weights)
        is_present = sums > 0
        balanced = np.divide(sums.sum(), is_present.sum() * sums, out=np.zeros(len(sums)), where=is_present)
        row_weights *= balanced[classes]
    return row_weights
