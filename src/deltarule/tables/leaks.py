"""Detect target leaks: columns that alone predict the target almost perfectly."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.tables.column_encoder import CATEGORY, NUMBER, UNUSED, Column, encode_columns
from deltarule.tables.diagnostics import Diagnostic
from deltarule.tables.frame import Frame

MISSING_CODE = -1e200
"""The code of missing values, far from all others."""


def find_leaks(frame: Frame, columns: Sequence[Column], y: Any, is_classification: bool) -> list[Diagnostic]:
    """Find columns that alone predict the target y [N] almost perfectly.

    Each half of the rows is predicted from one column by the nearest value in the other half. The score is balanced
    accuracy, or R² of ranks in which all distinct targets weigh the same. Rows in which the column is missing are
    ignored if the column predicts the others and these are at least half of all rows.
    """
    y = np.asarray(y)
    rows = np.random.default_rng(0).permutation(len(y))
    # 2,000 rows are enough for a single column.
    rows = (_rare_classes_first(rows, y) if is_classification else rows)[:2000]
    rows = rows[np.argsort(y[rows], kind="stable")]  # so that every second row is in the other half
    y = y[rows]
    diagnostics = []
    for column in columns:
        if column.kind == UNUSED or not column.inputs:
            continue
        codes = _codes(column, {column.name: frame[column.name][rows]}, is_classification)
        present = codes != MISSING_CODE
        score = _single_column_score(codes, y, column, is_classification)
        if present.sum() >= len(y) / 2:
            score = max(score, _single_column_score(codes[present], y[present], column, is_classification))
        # A single column that scores this much is more often a copy of the target than a discovery.
        if score >= 0.99:
            shown = "more than 99.9 %" if 0.999 < score < 1 else f"{100 * score:.3g} %"
            diagnostics.append(Diagnostic("leak", column.name, {"score": shown}))
    return diagnostics


def _rare_classes_first(rows: Any, y: Any) -> Any:
    """Move the first ten rows of each class to the front of the row indices [N]."""
    import pandas as pd

    order_in_class = pd.Series(y[rows]).groupby(y[rows]).cumcount()
    return rows[np.argsort(order_in_class >= 10, kind="stable")]


def _codes(column: Column, frame: Frame, is_classification: bool) -> Any:
    """Encode a column as numbers [N] by category, value or rank."""
    values, x = frame[column.name], encode_columns([column], frame)
    if column.kind == CATEGORY:
        codes = np.where(x.any(axis=1), x.argmax(axis=1), x.shape[1])
    else:
        codes = x[:, 0] if is_classification else np.unique(x[:, 0], return_inverse=True)[1]
    return np.where(values == "" if values.dtype.kind == "O" else np.isnan(values), MISSING_CODE, codes)


def _single_column_score(codes: Any, y: Any, column: Column, is_classification: bool) -> float:
    """The score of predicting targets y [N] from a column's codes [N]."""
    values, ranks, counts = np.unique(y, return_inverse=True, return_counts=True)
    others = len(y) - counts.max(initial=0)
    # Fewer than 5 rows besides the most frequent target may be predicted by chance, unless the codes are few, too.
    if not others or (others < 5 and len(np.unique(codes)) > len(values) + 1):
        return 0.0
    weights = 1 / counts[ranks]
    by_distance = column.kind == NUMBER and not is_classification
    predictions = np.empty(len(y))
    for half in (0, 1):
        train, test = slice(1 - half, None, 2), slice(half, None, 2)
        predictions[test] = _nearest_rank(codes[train], ranks[train], codes[test], is_classification, by_distance)
    if not is_classification:
        deviations = ranks - np.average(ranks, weights=weights)
        return float(1 - (weights * (ranks - predictions) ** 2).sum() / (weights * deviations**2).sum())
    weights[counts[ranks] == 1] = 0  # the other half has no row of these classes
    return float(np.average(predictions == ranks, weights=weights)) if (counts > 1).sum() > 1 else 0.0


def _nearest_rank(codes: Any, ranks: Any, query_codes: Any, is_classification: bool, by_distance: bool) -> Any:
    """Predict the ranks of query codes [M] from those at the nearest codes."""
    known, indices = np.unique(codes, return_inverse=True)
    if is_classification:
        counts = np.zeros((len(known), ranks.max() + 1))
        np.add.at(counts, (indices, ranks), 1)
        rank_at = counts.argmax(axis=1)
    else:
        rank_at = np.bincount(indices, ranks) / np.bincount(indices)
    if by_distance:
        return np.interp(query_codes, known, rank_at)
    return rank_at[np.searchsorted((known[1:] + known[:-1]) / 2, query_codes)]
