"""Detect target leaks: columns that alone predict the target almost perfectly."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from deltarule.tables.column_encoder import CATEGORY, NUMBER, UNUSED, Column, encode_columns
from deltarule.tables.diagnostics import Diagnostic
from deltarule.tables.frame import Frame

NOTHING = -1e200
"""What is missing, far from whatever is known."""


def leaks(frame: Frame, columns: Sequence[Column], y: Any, classes: bool) -> list[Diagnostic]:
    """Find the columns that alone predict the target almost perfectly.

    Each half of the rows is predicted from one column by the nearest value in the other half. The score is balanced
    accuracy, or R² of ranks in which all distinct targets weigh the same. Rows in which the column is missing are
    ignored if the column predicts the others and these are at least half of all rows.

    >>> size = np.arange(100.0) % 7
    >>> size_in_grams = Column("grams", "number", "numbers")
    >>> leaks({"grams": 1000 * size}, [size_in_grams], size, classes=False)
    [Diagnostic(code='leak', column='grams', values={'score': '100 %'}, reason='')]
    """
    y = np.asarray(y)
    rows = np.random.default_rng(0).permutation(len(y))
    # More rows would not tell more about a single column.
    rows = (_few_of_each_first(rows, y) if classes else rows)[:2000]
    rows = rows[np.argsort(y[rows], kind="stable")]  # so that every second one is in the other half
    y = y[rows]
    diagnostics = []
    for column in columns:
        if column.kind == UNUSED or not column.inputs:
            continue
        codes = _codes(column, {column.name: frame[column.name][rows]}, classes)
        present = codes != NOTHING
        score = _single_column_score(codes, y, column, classes)
        if present.sum() >= len(y) / 2:
            score = max(score, _single_column_score(codes[present], y[present], column, classes))
        # A single column that scores this much is more often a copy of the target than a discovery.
        if score >= 0.99:
            diagnostics.append(Diagnostic("leak", column.name, {"score": _format_score(score)}))
    return diagnostics


def _format_score(score: float) -> str:
    return "more than 99.9 %" if 0.999 < score < 1 else f"{100 * score:.3g} %"


def _few_of_each_first(rows: Any, y: Any) -> Any:
    """Rows [N] as they were, but before the others the first few of each class."""
    _, places, counts = np.unique(y[rows], return_inverse=True, return_counts=True)
    turns = np.empty(len(rows), int)
    turns[np.argsort(places, kind="stable")] = np.arange(len(rows)) - np.repeat(counts.cumsum() - counts, counts)
    # So many rows of each class are looked at, if there are: any rows may lack a rare one.
    return rows[np.argsort(turns >= 10, kind="stable")]


def _codes(column: Column, frame: Frame, classes: bool) -> Any:
    """A column as numbers [N]: its categories', rare ones' by one; its own, or their ranks to tell those of others."""
    values, x = frame[column.name], encode_columns([column], frame)
    if column.kind == CATEGORY:
        codes = np.where(x.any(axis=1), x.argmax(axis=1), x.shape[1])
    else:
        codes = x[:, 0] if classes else np.unique(x[:, 0], return_inverse=True)[1]
    return np.where(values == "" if values.dtype.kind == "O" else np.isnan(values), NOTHING, codes)


def _single_column_score(codes: Any, y: Any, column: Column, classes: bool) -> float:
    """How well codes [N] tell the target of rows that are in its order: balanced accuracy, or R² of ranks."""
    values, places, counts = np.unique(y, return_inverse=True, return_counts=True)
    others = len(y) - counts.max(initial=0)
    # Fewer rows beside those of the most frequent value may be met by chance, unless the column has as few values.
    if not others or (others < 5 and len(np.unique(codes)) > len(values) + 1):
        return 0.0
    weights = 1 / counts[places]
    by_distance = column.kind == NUMBER and not classes
    answers = np.empty(len(y))
    for half in (0, 1):
        learn, ask = slice(1 - half, None, 2), slice(half, None, 2)
        answers[ask] = _nearest_rank(codes[learn], places[learn], codes[ask], classes, by_distance)
    if not classes:
        around = places - np.average(places, weights=weights)
        return float(1 - (weights * (places - answers) ** 2).sum() / (weights * around**2).sum())
    weights[counts[places] == 1] = 0  # of which the other half knows nothing
    return float(np.average(answers == places, weights=weights)) if (counts > 1).sum() > 1 else 0.0


def _nearest_rank(codes: Any, ranks: Any, asked: Any, classes: bool, by_distance: bool) -> Any:
    """The rank at the nearest code, or between two by distance: a code's mean, or of classes its most frequent one."""
    known, places = np.unique(codes, return_inverse=True)
    if classes:
        counts = np.zeros((len(known), ranks.max() + 1))
        np.add.at(counts, (places, ranks), 1)
        said = counts.argmax(axis=1)
    else:
        said = np.bincount(places, ranks) / np.bincount(places)
    if by_distance:
        return np.interp(asked, known, said)
    return said[np.searchsorted((known[1:] + known[:-1]) / 2, asked)]
