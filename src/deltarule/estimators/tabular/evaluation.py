"""Evaluate a tabular model by class and by column.

N rows · D inputs of the network · C classes
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from deltarule.estimators.tabular.scores import MIN_INTERVAL_ROWS, Scores, scores_of_classes
from deltarule.problem.problem import Floats, Integers
from deltarule.stats.intervals import Interval, mean_interval, share_interval
from deltarule.tables.cell_texts import as_text
from deltarule.tables.column_encoder import Column, encode_columns
from deltarule.tables.frame import Frame, count_rows, select_rows

MAX_KEPT_DIGESTS = 1000
"""Digests of training rows in a model: the least ones, so that a digest tells whether it would be among them."""
MAX_USUAL_SHARE, MIN_KNOWN_SHARE = 0.05, 0.1
"""The shares of equal rows from which on they tell nothing, and of known rows from which on there is a note."""
SHUFFLES = 5
MAX_ROWS, MIN_ROWS = 2000, 200
"""Bounds of the number of rows whose cells are shuffled: more add little, and wide tables have to do with fewer."""
MAX_NETWORK_INPUTS = 1_000_000_000
"""Input numbers that the network may be given while cells are shuffled, which takes seconds."""
MAX_GROUPS, MIN_GROUP_ROWS = 10, 10
"""The number of calibration groups at most, and the rows of each at least: the share of fewer says little."""


@dataclass(frozen=True)
class Importance:
    """The permutation importance of a column.

    loss       the drop, in the score's unit
    low, high  the 95 % interval of the loss; NaN for fewer than 10 rows
    """

    column: str
    loss: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassScores:
    """Recall and precision of one class.

    answered   number of rows for which it was predicted
    recall     the share of its rows that were predicted correctly; None if it has no rows
    precision  the share of its predictions that are correct; None if it never was predicted
    """

    name: str
    rows: int
    answered: int
    recall: float | None
    precision: float | None


@dataclass(frozen=True)
class Mistake:
    """The number of rows of the class `true` that were predicted as `answered`."""

    true: str
    answered: str
    rows: int


@dataclass(frozen=True)
class Calibration:
    """A group of similar predicted probabilities and the share that is correct.

    probability  the mean probability of the predicted classes
    low, high    the 95 % interval of the share
    """

    rows: int
    probability: float
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Inspection:
    """The evaluation of a model on rows with known targets.

    Parameters
    ----------
    scores : Scores
        Those of `evaluate`.
    importances : tuple of Importance
        What each used column is worth, the largest first; empty for a single row, and for equal numeric targets.
    classes : tuple of ClassScores
        Scores by class, in the model's order, then unknown classes; empty for a regressor, like the next two.
    mistakes : tuple of Mistake
        The confusions of classes, the most frequent first.
    calibration : tuple of Calibration
        The groups of predictions, from the lowest to the highest probability.
    targets, answers : ndarray of shape (N,)
        Targets and predictions [N], names of classes or numbers.
    probabilities : ndarray of shape (N,), optional
        Those of the last class.

    Examples
    --------
    >>> from deltarule import TabularRegressor
    >>> rows = {"size": [n / 3 for n in range(40)], "noise": [float(n % 7) for n in range(40)]}
    >>> model = TabularRegressor(preset="fast", random_state=0).fit(rows, [2.0 * n for n in range(40)])
    >>> model.inspect(rows, [2.0 * n for n in range(40)]).importances[0].column
    'size'
    """

    scores: Scores
    importances: tuple[Importance, ...]
    classes: tuple[ClassScores, ...]
    mistakes: tuple[Mistake, ...]
    calibration: tuple[Calibration, ...]
    targets: np.ndarray
    answers: np.ndarray
    probabilities: Floats | None = None


def row_digests(x: Floats, targets: Sequence[Any]) -> Integers:
    """A number for each row, the same for equal inputs [N, D] and targets [N]."""
    rows = zip(np.ascontiguousarray(x, np.float32), targets, strict=True)
    digests = (blake2b(row.tobytes() + as_text(target).encode(), digest_size=6).digest() for row, target in rows)
    return np.array([int.from_bytes(digest) for digest in digests], np.int64)


def digests_to_keep(digests: Integers, train: Integers, held_out: Integers) -> tuple[int, ...]:
    """The smallest digests, which recognize the rows of a training.

    There are none if equal rows are usual in the table.
    """
    is_usual = np.isin(digests[held_out], digests[train]).mean() > MAX_USUAL_SHARE
    return () if is_usual else tuple(np.unique(digests)[:MAX_KEPT_DIGESTS].tolist())


def share_of_known(digests: Integers, kept: Sequence[int]) -> float:
    """The share of rows that were trained on, by those of which the digest would have been kept."""
    is_complete = len(kept) < MAX_KEPT_DIGESTS
    comparable = digests if is_complete else digests[digests <= max(kept)]
    return float(np.isin(comparable, kept).mean()) if kept and len(comparable) >= MIN_INTERVAL_ROWS else 0.0


def sample_rows(columns: Sequence[Column], frame: Frame) -> tuple[Integers, Floats]:
    """Draw random rows for `permutation_importances`: indices [n] and inputs [n, D]."""
    inputs, used = sum(len(column.inputs) for column in columns), sum(bool(column.inputs) for column in columns)
    count = np.clip(MAX_NETWORK_INPUTS // max(inputs * used * SHUFFLES, 1), MIN_ROWS, MAX_ROWS)
    rows = np.sort(np.random.default_rng(0).permutation(count_rows(frame))[:count])
    return rows, encode_columns(columns, select_rows(frame, rows))


def inspect_classes(
    y: Any, probabilities: Floats, names: Any, baseline_prediction: str, importances: tuple[Importance, ...]
) -> Inspection:
    """Evaluate a classifier's probabilities [N, C] for class names y [N]."""
    predictions = names[probabilities.argmax(axis=1)]
    return Inspection(
        scores_of_classes(y, probabilities, names, baseline_prediction),
        importances,
        _class_scores(names.tolist(), y, predictions),
        _count_mistakes(y, predictions),
        _calibration_groups(probabilities.max(axis=1), predictions == y),
        y,
        predictions,
        probabilities[:, -1],
    )


def r_squared_importances(
    predict: Callable[[Floats], Floats], columns: Sequence[Column], x: Floats, y: Floats
) -> tuple[Importance, ...]:
    """The permutation importances of a regressor; none for equal targets y [n]."""
    if not np.ptp(y):
        return ()
    variance = y.var()
    unit_shares = np.square(y - y.mean()) / variance
    return permutation_importances(columns, x, lambda x: -np.square(y - predict(x)) / variance, unit_shares)


def permutation_importances(
    columns: Sequence[Column], x: Floats, row_scores: Callable[[Floats], Floats], unit_shares: Floats | float = 1.0
) -> tuple[Importance, ...]:
    """The permutation importances of the used columns in descending order.

    The score is the mean of `row_scores` [n]; `unit_shares` [n], with the mean 1, are each row's contribution to its
    unit, if other rows would give another unit. Few rows can be shuffled in few ways, so that their losses vary too
    little for an interval.
    See Breiman 2001, section 10; Fisher et al. 2019, section 3; for the interval Hoeffding 1948, section 7.
    """
    x = x.copy()
    used = [column for column in columns if column.inputs and len(x) > 1]
    random = np.random.default_rng(0)
    unshuffled = np.asarray(row_scores(x), np.float64)
    importances = []
    end = 0
    for column in used:
        inputs = slice(end, end := end + len(column.inputs))
        original = x[:, inputs].copy()
        received = np.zeros(len(x))
        given = np.zeros(len(x))
        for _ in range(SHUFFLES):
            givers = random.permutation(len(x))
            x[:, inputs] = original[givers]
            lost = (unshuffled - row_scores(x)) / SHUFFLES
            received += lost
            given[givers] += lost
        x[:, inputs] = original
        loss = received.mean()
        # Each row influences the loss by the cell that it receives, by the cell that it gives, and through the unit.
        influences = received + given - loss * unit_shares  # their mean is the loss, too
        interval = mean_interval(influences) if len(x) >= MIN_INTERVAL_ROWS else Interval(np.nan, np.nan)
        importances.append(Importance(column.name, float(loss), *interval))
    return tuple(sorted(importances, key=lambda importance: -importance.loss))


def _class_scores(names: list[str], y: Any, predictions: Any) -> tuple[ClassScores, ...]:
    """Compute recall and precision per class, also of classes that only the evaluated rows hold."""
    true, predicted, correct = (Counter(values.tolist()) for values in (y, predictions, y[y == predictions]))
    scores = []
    for name in [*names, *sorted(true.keys() - {*names})]:
        hits = correct[name]
        rows = true[name]
        answered = predicted[name]
        scores.append(
            ClassScores(name, rows, answered, hits / rows if rows else None, hits / answered if answered else None)
        )
    return tuple(scores)


def _count_mistakes(y: Any, predictions: Any) -> tuple[Mistake, ...]:
    is_wrong = y != predictions
    counts = Counter(zip(y[is_wrong].tolist(), predictions[is_wrong].tolist(), strict=True))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Mistake(true, answered, rows) for (true, answered), rows in ordered)


def _calibration_groups(probabilities: Floats, is_correct: Any) -> tuple[Calibration, ...]:
    """Group predictions [N] by the probability of the predicted class."""
    order = np.argsort(probabilities, kind="stable")
    ordered = probabilities[order]
    ends = [0]
    for group in np.array_split(ordered, int(np.clip(len(order) // MIN_GROUP_ROWS, 1, MAX_GROUPS))):
        end = int(np.searchsorted(ordered, group[-1], side="right"))
        if min(end - ends[-1], len(order) - end) >= MIN_GROUP_ROWS:
            ends.append(end)
    return tuple(
        Calibration(
            len(group),
            float(probabilities[group].mean()),
            float(is_correct[group].mean()),
            *share_interval(int(is_correct[group].sum()), len(group)),
        )
        for group in np.split(order, ends[1:])
    )
