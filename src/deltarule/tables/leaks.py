"""Detect target leaks: the fewest columns that predict the target.

N rows · D inputs
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from deltarule.problem.problem import Floats
from deltarule.tables.cell_texts import list_names, shorten_repr
from deltarule.tables.column_encoder import CATEGORY, NUMBER, TEXT, UNUSED, Column, encode_columns
from deltarule.tables.diagnostics import Diagnostic
from deltarule.tables.frame import Frame, select_rows

MISSING_CODE = -1e200
"""The code of missing values, far from all others."""
MIN_LEAK_SCORE = 0.99
MIN_OUTSTANDING_SCORE, OUTSTANDING_RATIO = 0.97, 5.0
"""A lower score counts where the second best column leaves so many times as much unexplained."""
MAX_COLUMNS = 1000
"""Columns that are looked at: of more, those that go most with the target."""


def find_leaks(
    frame: Frame, columns: Sequence[Column], y: Any, is_classification: bool, score: float = 0.0
) -> Iterator[Diagnostic]:
    """Find columns that alone predict the target y [N] almost perfectly; else, for a good `score`, two or three.

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
    columns = [column for column in columns if column.kind not in (TEXT, UNUSED) and column.inputs]
    if len(columns) > MAX_COLUMNS:
        columns = _most_correlated(columns, select_rows(frame, rows), y)
    scores = {}
    for column in columns:
        codes = _codes(column, select_rows(frame, rows, [column.origin]), is_classification)
        present = codes != MISSING_CODE
        own = _single_column_score(codes, y, column, is_classification)
        if present.sum() >= len(y) / 2:
            own = max(own, _single_column_score(codes[present], y[present], column, is_classification))
        scores[column.name] = own
    # A single column that scores this much is more often a copy of the target than a discovery.
    leaks = {name: own for name, own in scores.items() if own >= MIN_LEAK_SCORE} or _outstanding(scores)
    for name, own in leaks.items():
        yield Diagnostic("leak", name, {"score": _percent(own)})
    if not leaks and score >= MIN_OUTSTANDING_SCORE:
        names, own = _sufficient_columns(select_rows(frame, rows), columns, y, is_classification)
        if own >= MIN_LEAK_SCORE:
            listed = list_names([*map(shorten_repr, names)])
            yield Diagnostic("leak-of-several", names[0], {"names": listed, "score": _percent(own)})


def _most_correlated(columns: Sequence[Column], frame: Frame, y: Any) -> list[Column]:
    """So many columns whose first inputs go most with the ranks of the target, or with one of its classes."""
    values, ranks, counts = np.unique(y, return_inverse=True, return_counts=True)
    largest = np.argsort(-counts)[:20]
    x = np.stack([encode_columns([column], frame)[:, 0] for column in columns], axis=1)
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-300)
    targets = np.stack([ranks, *(ranks == index for index in largest if len(values) > 2)], axis=1)
    targets = (targets - targets.mean(axis=0)) / np.maximum(targets.std(axis=0), 1e-300)
    order = np.argsort(-np.abs(x.T @ targets).max(axis=1), kind="stable")[:MAX_COLUMNS]
    return [columns[index] for index in np.sort(order)]


def _percent(score: float) -> str:
    return "more than 99.9 %" if 0.999 < score < 1 else f"{100 * score:.3g} %"


def _outstanding(scores: dict[str, float]) -> dict[str, float]:
    """The column that predicts the target well where no other does."""
    *_, second, best = 1.0, 1.0, *sorted(scores.values())
    if best < MIN_OUTSTANDING_SCORE or 1 - second < OUTSTANDING_RATIO * (1 - best):
        return {}
    return {name: score for name, score in scores.items() if score == best}


def _sufficient_columns(
    frame: Frame, columns: Sequence[Column], y: Any, is_classification: bool
) -> tuple[list[str], float]:
    """The two or three columns that predict the target best, and the score.

    Of two columns of numbers a linear combination predicts it, also of their logarithms; of two or three columns
    a decision tree with four leaves predicts classes.
    """
    best: tuple[list[str], float] = [], 0.0
    numbers = [column for column in columns if column.kind == NUMBER and not column.part]
    values, ranks = np.unique(y, return_inverse=True)
    if len(numbers) > 1 and not (is_classification and len(values) > 2):
        x = np.stack([encode_columns([column], frame)[:, 0] * column.scale + column.mean for column in numbers], axis=1)
        targets = ranks if is_classification else y
        for pair, combined in _best_pairs(x, np.asarray(targets, np.float64), is_classification):
            score = _single_column_score(combined, y, numbers[pair[0]], is_classification)
            if score > best[1]:
                best = [numbers[index].name for index in pair], score
    if is_classification and best[1] < MIN_LEAK_SCORE:
        names, score = _tree_of_columns(columns, frame, ranks)
        best = (names, score) if score > best[1] else best
    return best


def _best_pairs(x: Floats, y: Floats, is_classification: bool) -> Iterator[tuple[list[int], Floats]]:
    """The pair of columns of x [N, D] that explains y [N] best, combined [N]; then the same in logarithms."""
    from sklearn.linear_model import LinearRegression, LogisticRegression

    for transform in (np.asarray, np.log):
        usable = np.flatnonzero((x > 0).all(axis=0)) if transform is np.log else np.arange(x.shape[1])
        if len(usable) < 2 or (transform is np.log and not is_classification and y.min() <= 0):
            continue
        target = y if is_classification else transform(y)
        own = transform(x[:, usable])
        own = (own - own.mean(axis=0)) / np.maximum(own.std(axis=0), 1e-300)
        among = own.T @ own / len(y)
        alone = own.T @ (target - target.mean()) / len(y)
        # What two standardized columns explain, by their covariances with the target and with each other.
        first, second = np.meshgrid(alone, alone, indexing="ij")
        independent = 1 - among**2
        explained = (first**2 + second**2 - 2 * first * second * among) / np.maximum(independent, 1e-6)
        pair = np.unravel_index(int(np.where(independent > 1e-6, explained, 0.0).argmax()), among.shape)
        own = own[:, pair]
        if is_classification:
            combined = LogisticRegression(C=1e4, max_iter=1000).fit(own, target).decision_function(own)
        else:
            combined = LinearRegression().fit(own, target).predict(own)
        yield usable[[*pair]].tolist(), combined


def _tree_of_columns(columns: Sequence[Column], frame: Frame, ranks: Any) -> tuple[list[str], float]:
    """The columns of a decision tree with four leaves, and its balanced accuracy on rows that it was not fitted to."""
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.tree import DecisionTreeClassifier

    x = encode_columns(columns, frame)
    names = [column.name for column in columns for _ in column.inputs]
    predictions = np.empty(len(ranks), int)
    used: dict[str, None] = {}
    for half in (0, 1):
        train, test = slice(1 - half, None, 2), slice(half, None, 2)
        tree = DecisionTreeClassifier(max_depth=2, class_weight="balanced", random_state=0).fit(x[train], ranks[train])
        predictions[test] = tree.predict(x[test])
        used |= {names[index]: None for index in tree.tree_.feature if index >= 0}
    return [*used], float(balanced_accuracy_score(ranks, predictions)) if len(used) <= 3 else 0.0


def _rare_classes_first(rows: Any, y: Any) -> Any:
    """Move the first ten rows of each class to the front of the row indices [N]."""
    import pandas as pd

    order_in_class = pd.Series(y[rows]).groupby(y[rows]).cumcount()
    return rows[np.argsort(order_in_class >= 10, kind="stable")]


def _codes(column: Column, frame: Frame, is_classification: bool) -> Any:
    """Number a column's categories or distinct values, with one code for all missing cells."""
    values = frame[column.origin]
    x = encode_columns([column], frame)
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
