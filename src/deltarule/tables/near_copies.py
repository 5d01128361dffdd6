"""Detect rows that others nearly repeat, and columns that recognize what several rows are of.

N rows · D inputs
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from deltarule.problem.problem import Floats, Integers
from deltarule.tables.cell_texts import shorten_repr

MAX_COPY_ROWS = 1000, 5000
"""Rows set aside, and rows trained on, among which near-copies are looked for."""
COPY_DISTANCE = 0.4
"""Rows nearer than this share of the distance expected of the nearest row are near-copies."""
MIN_COPY_SHARE, MIN_COPY_GAIN, MIN_COPY_DEVIATIONS = 0.1, 0.25, 3.0
"""Limits by which groups of 2 to 16 near-copies differ from smooth tables of 1 to 6 dimensions and from ten real ones
(of eleven, wine_quality_white has copies)."""
MAX_COMPARISONS, MIN_EQUAL_PAIRS = 3_000_000, 20
"""Values of rows set aside and trained on that are compared, and how many pairs of rows are equal in two columns."""
MIN_TIE, MAX_EQUAL_SHARE, MIN_SHARED_ROWS = 10.0, 0.1, 0.5
"""How many times as often as by chance two rows agree in two columns that describe what the rows are of, the share of
pairs that agree in one of these, and the share of rows that others share both with."""


def find_near_copies(x: Floats, y: Any, train: Integers, held_out: Integers, is_classification: bool) -> list[str]:
    """Sentences on near-copies between rows set aside and rows trained on.

    x [N, D] are the numbers of the rows. How far the nearest row should be is extrapolated from the distances of a 16th
    and a 4th of the rows: they grow as rank^(1 / dimension). A target differs by its class, or by its rank: near-copies
    are recognized if that of the nearest one differs less than that of the nearest other row.
    """
    if not x.shape[1]:
        return []
    held_out, train = _draw_rows(held_out, train, *MAX_COPY_ROWS)
    distances = cdist(x[held_out], x[train])
    near, far = max(len(train) // 16, 1), max(len(train) // 4, 2)
    near_distances, far_distances = np.partition(distances, [near - 1, far - 1], axis=1)[:, [near - 1, far - 1]].T
    is_apart = near_distances > 1e-9 * max(float(far_distances.max()), 1e-300)
    if not is_apart.any():
        return []
    exponent = np.log(np.median(far_distances[is_apart] / near_distances[is_apart])) / np.log(far / near)
    is_copy = distances < COPY_DISTANCE * (near_distances * near**-exponent)[:, None]
    rows = np.flatnonzero(is_copy.any(axis=1) & ~is_copy.all(axis=1))
    share = len(rows) / len(held_out)
    copies = np.where(is_copy, distances, np.inf).argmin(axis=1)
    others = np.where(is_copy, np.inf, distances).argmin(axis=1)
    near_rows = held_out[rows], train[copies[rows]], train[others[rows]]
    if share < MIN_COPY_SHARE or not _tell_more(y, is_classification, *near_rows):
        return []
    example = rows[distances[rows, copies[rows]].argmin()]
    first, second = sorted((held_out[example] + 1, train[copies[example]] + 1))
    return [
        f"{100 * share:.0f} % of the rows set aside are nearly copies of rows trained on (such as the rows {first} and "
        f"{second}), which tell their target better than other rows near them do: the score is too good for new rows; "
        "if rows belong together, such as those of a patient, give groups= or --group"
    ]


def find_shared_values(
    inputs: Mapping[str, Floats], y: Any, train: Integers, held_out: Integers, is_classification: bool
) -> list[str]:
    """Sentences on two columns that recognize what several rows are of, such as a patient by age and weight.

    Of such columns, with their inputs [N, …], both are equal in the same rows, where chance would have one of them be
    equal; and rows that are equal in both tell the target better than those whose values are close.
    """
    names = [*inputs]
    held_out, train = _draw_rows(held_out, train, *MAX_COPY_ROWS)
    parts = [x[np.r_[held_out, train]] for x in inputs.values()]
    codes = [np.split(np.unique(x, axis=0, return_inverse=True)[1].ravel(), [len(held_out)]) for x in parts]
    count = int(np.sqrt(MAX_COMPARISONS / len(codes)))
    are_equal = np.array([(own[:count, None] == other[:count]).ravel() for own, other in codes], np.float32)
    shares = are_equal.mean(axis=1)
    are_selective = (0 < shares) & (shares < MAX_EQUAL_SHARE)
    if are_selective.sum() < 2:
        return []
    kept = np.flatnonzero(are_selective)
    are_equal, shares = are_equal[kept], shares[kept]
    joint = are_equal @ are_equal.T / are_equal.shape[1]
    are_frequent = joint * are_equal.shape[1] >= MIN_EQUAL_PAIRS
    ties = np.where(are_frequent, joint / np.maximum(np.outer(shares, shares), 1e-9), 0.0)
    np.fill_diagonal(ties, 0.0)
    if ties.max() < MIN_TIE:
        return []
    pair = first, second = [int(kept[index]) for index in np.unravel_index(ties.argmax(), ties.shape)]
    distances = cdist(*np.split(np.hstack([parts[n] for n in pair]), [len(held_out)]))
    is_equal = np.logical_and(*(codes[n][0][:, None] == codes[n][1] for n in pair))
    rows = np.flatnonzero(is_equal.any(axis=1) & ~is_equal.all(axis=1))
    equal = is_equal[rows].argmax(axis=1)
    others = np.where(is_equal, np.inf, distances)[rows].argmin(axis=1)
    share = len(rows) / len(held_out)
    if share < MIN_SHARED_ROWS or not _tell_more(y, is_classification, held_out[rows], train[equal], train[others]):
        return []
    return [
        f"{100 * share:.0f} % of the rows set aside have the same {shorten_repr(names[first])} and "
        f"{shorten_repr(names[second])} as rows trained on, which tell their target better than close values do: they "
        "seem to be of the same thing, such as a patient, and the score is too good for others; give what they belong "
        "to as groups= or --group"
    ]


def _draw_rows(held_out: Integers, train: Integers, *limits: int) -> tuple[Integers, Integers]:
    random = np.random.default_rng(0)
    first, second = (random.permutation(rows)[:limit] for rows, limit in zip((held_out, train), limits, strict=True))
    return first, second


def _tell_more(y: Any, is_classification: bool, rows: Integers, copies: Integers, others: Integers) -> bool:
    """Whether the targets of rows differ less from those of their copies than from those of other rows near them."""
    codes = y if is_classification else np.argsort(np.argsort(y)) / len(y)

    def differences(neighbors: Integers) -> Floats:
        pair = codes[rows], codes[neighbors]
        return np.not_equal(*pair).astype(float) if is_classification else np.abs(np.subtract(*pair))

    strangers = np.random.default_rng(0).permutation(rows)
    gains = differences(others) - differences(copies)
    deviation = gains.std() / np.sqrt(len(gains))
    return bool(gains.mean() > max(MIN_COPY_GAIN * differences(strangers).mean(), MIN_COPY_DEVIATIONS * deviation))
