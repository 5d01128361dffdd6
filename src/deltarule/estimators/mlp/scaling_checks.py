"""How large features are: networks learn badly from such as nobody scaled, and are scored wrongly on others.

N, M rows · D features
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from deltarule.problem.problem import Floats

USUAL_SIZES = (0.01, 100.0)
"""Between these lies the root mean square of the largest feature of data that somebody scaled."""
OF_ANOTHER_SCALE = 10.0
"""What is usual in some rows is no more than so many root mean squares of others that were scaled alike."""
LEAST_COMPARED = 10
"""Fewer rows may well differ by chance."""


def unusual_size(x: Floats, name_of: Callable[[int], Any]) -> str:
    """What tells of features [N, D] that nobody scaled, named by their places; of all others nothing.

    >>> unusual_size(np.array([[1.0, 2000.0], [-1.0, 2000.0]]), ["age", "income"].__getitem__)
    'the values of feature income are around 2e+03'
    """
    sizes = _sizes(x)
    largest = int(sizes.argmax())
    if not sizes[largest] or USUAL_SIZES[0] <= sizes[largest] <= USUAL_SIZES[1]:
        return ""
    return f"the values of feature {name_of(largest)} are around {sizes[largest]:.3g}"


def other_scale(x: Floats, trained: Floats, name_of: Callable[[int], Any]) -> str:
    """What tells of validation rows [M, D] that are not scaled as those of the training [N, D]; else nothing.

    The median beside the root mean square: of a category that is rare, few rows may have it, or none.

    >>> other_scale(np.full((10, 1), 50.0), np.ones((90, 1)), ["age"].__getitem__)
    'the values of feature age are around 50, and there 1'
    """
    sizes, usual = _sizes(x), _sizes(trained)
    both = (sizes > 0) & (usual > 0)
    if len(x) < LEAST_COMPARED or not both.any():
        return ""
    with np.errstate(over="ignore"):
        ratios = np.maximum(_medians(x)[both] / usual[both], _medians(trained)[both] / sizes[both])
    if ratios.max() <= OF_ANOTHER_SCALE:
        return ""
    worst = int(np.flatnonzero(both)[ratios.argmax()])
    return f"the values of feature {name_of(worst)} are around {sizes[worst]:.3g}, and there {usual[worst]:.3g}"


def _sizes(x: Floats) -> Floats:
    """The root mean square of each feature, about: of many rows [N, D] some tell."""
    with np.errstate(over="ignore"):  # infinite is large, too
        return np.asarray(np.sqrt(np.mean(np.square(_sample_rows(x), dtype=np.float64), axis=0)))


def _medians(x: Floats) -> Floats:
    """The median of each feature's absolute values, from the same rows."""
    return np.asarray(np.median(np.abs(_sample_rows(x)), axis=0), np.float64)


def _sample_rows(x: Floats) -> Floats:
    return x[:: max(1, len(x) // 1000)]
