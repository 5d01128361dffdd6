"""Weights of rows by their classes or labels.

N rows · C labels
"""

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.class_weight import compute_sample_weight

from deltarule.problem.problem import Floats


def label_weights(weights: Any, column: Any, sample_weight: Floats | None) -> Floats:
    """The weights of rows by one label [N], which may be missing in all rows."""
    if isinstance(weights, str) and weights == "balanced":
        return balanced_weights(column, sample_weight)
    return np.asarray(compute_sample_weight(select_present_classes(weights, (0, 1), column), column))


def select_present_classes(weights: Any, classes: Any, y: Any) -> Any:
    """Drop the weights of classes that do not occur in y [N]."""
    if not isinstance(weights, dict):
        return weights
    absent = set(classes) - set(np.unique(y))
    return {name: weight for name, weight in weights.items() if name not in absent}


def balanced_weights(y: Any, weights: Floats | None = None) -> Floats:
    """Row weights that give every class the same total weight; for labels the product over the columns.

    y [N] or [N, C]; weights [N], where 2 counts a row twice   →   [N]

    >>> balanced_weights(np.array(["a", "a", "a", "b"])).round(2)
    array([0.67, 0.67, 0.67, 2.  ])
    """
    columns = (y.toarray() if sparse.issparse(y) else np.asarray(y)).reshape(y.shape[0], -1)
    found = np.ones(len(columns))
    for column in columns.T:
        classes = np.unique(column, return_inverse=True)[1]
        sums = np.bincount(classes, weights)
        there = sums > 0
        found *= np.divide(sums.sum(), there.sum() * sums, out=np.zeros(len(sums)), where=there)[classes]
    return found
