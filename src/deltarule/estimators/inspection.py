"""Where a model for tables errs, and what its answers hang on.

N rows · D inputs of the network · C classes
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.estimators.columns import Column
from deltarule.estimators.scores import Scores
from deltarule.estimators.targets import named
from deltarule.problem.problem import Floats
from deltarule.stats.intervals import mean_interval, share_interval

SHUFFLES = 5
MOST_ROWS, LEAST_ROWS = 2000, 200
"""Rows whose cells are shuffled: more tell little more, and of wide tables fewer have to do."""
WORK = 1_000_000_000
"""Numbers that may go into the network while cells are shuffled: seconds."""
MOST_GROUPS, LEAST_OF_GROUP = 10, 10


@dataclass(frozen=True)
class Importance:
    """What a column is worth to a model: how much of the score is lost where its cells are shuffled among the rows.

    column   its name   loss: in the score's unit   low, high: its 95 % interval over the rows
    """

    column: str
    loss: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassScores:
    """How well one class is told.

    name   rows: that belong to it   answered: how often it was the answer
    recall   the share of its rows whose answer it was; None where it has no rows
    precision   the share of its answers that are right; None where it never was the answer
    """

    name: str
    rows: int
    answered: int
    recall: float | None
    precision: float | None


@dataclass(frozen=True)
class Mistake:
    """Rows of one class that were taken for another.    true, answered: the classes' names   rows: how many"""

    true: str
    answered: str
    rows: int


@dataclass(frozen=True)
class Calibration:
    """Answers with like probabilities, and how many of them are right.

    rows   probability: the mean of what was said   share: of these that are right   low, high: its 95 % interval
    """

    rows: int
    probability: float
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Inspection:
    """Where a model errs, and what its answers hang on, on rows whose target is known.

    scores        as those of `evaluate`
    importances   of each column that is used, the greatest loss first; empty where nothing can be said: of a single
                  row, and of targets that are all the same number
    classes       in the order of the model's, then those that it does not know; empty for numbers, as what follows
    mistakes      the most frequent first
    calibration   from the least to the greatest probability
    targets, answers [N]   names of classes, or numbers
    """

    scores: Scores
    importances: tuple[Importance, ...]
    classes: tuple[ClassScores, ...]
    mistakes: tuple[Mistake, ...]
    calibration: tuple[Calibration, ...]
    targets: np.ndarray
    answers: np.ndarray


def classes_inspected(model: Any, x: Floats, y: Any, columns: Sequence[Column], scores: Scores) -> Inspection:
    """How a classifier answers to rows.    model: the network   x [N, D]   y [N]  names of classes

    Parameters: `columns`, of which the inputs are made; `scores`, of the answers.
    """
    probabilities = model.predict_proba(x)
    names = named(model.classes_)
    answers = names[np.searchsorted(model.classes_, model.predict(x))]
    right = answers == y

    def credit(x: Floats, rows: Any) -> Floats:
        return (names[np.searchsorted(model.classes_, model.predict(x))] == y[rows]).astype(np.float64)

    return Inspection(
        scores,
        importances(columns, x, credit),
        _classes_told(names.tolist(), y, answers),
        _mistakes(y, answers),
        _calibration(probabilities.max(axis=1), right),
        y,
        answers,
    )


def numbers_inspected(model: Any, x: Floats, y: Floats, columns: Sequence[Column], scores: Scores) -> Inspection:
    """The same of a regressor.    y [N]  numbers"""
    answers = model.predict(x)
    with np.errstate(all="ignore"):  # of the largest numbers nothing can be said that is finite
        around = np.sqrt(np.mean(np.square(y - y.mean())))

        def credit(x: Floats, rows: Any) -> Floats:
            return -np.square((y[rows] - model.predict(x)) / around)

        found = importances(columns, x, credit) if 0 < around < np.inf else ()
    return Inspection(scores, found, (), (), (), y, answers)


def importances(
    columns: Sequence[Column], x: Floats, credit: Callable[[Floats, Any], Floats]
) -> tuple[Importance, ...]:
    """What each column is worth, the most first.    Source: Breiman 2001, section 10; Fisher et al. 2019, section 3

    Parameters: `columns`, of which the inputs `x` [N, D] are made; `credit(x, rows)`, what each of these rows, by their
    numbers, adds to the score, whose mean this is.

    >>> size, color = Column("size", "number", "numbers"), Column("color", "number", "numbers")
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> found = importances([color, size], x, lambda x, rows: (x[:, 1] > 0) == (rows < 50))
    >>> [(one.column, one.loss == 0) for one in found][-1]
    ('color', True)
    """
    used = [column for column in columns if column.inputs and len(x) > 1]
    most = int(np.clip(WORK // max(x.shape[1] * len(used) * SHUFFLES, 1), LEAST_ROWS, MOST_ROWS))
    random = np.random.default_rng(0)
    rows = np.sort(random.permutation(len(x))[:most])
    x = x[rows]
    whole = np.asarray(credit(x, rows), np.float64)
    found = []
    for column, inputs in zip(used, _places(used), strict=True):
        kept, left = x[:, inputs].copy(), np.zeros(len(x))
        for _ in range(SHUFFLES):
            x[:, inputs] = kept[random.permutation(len(x))]
            left += credit(x, rows)
        x[:, inputs] = kept
        lost = whole - left / SHUFFLES
        found.append(Importance(column.name, float(lost.mean()), *mean_interval(lost)))
    return tuple(sorted(found, key=lambda one: -one.loss))


def _places(columns: Sequence[Column]) -> Iterator[slice]:
    """Where the inputs of each column stand."""
    start = 0
    for column in columns:
        yield slice(start, start + len(column.inputs))
        start += len(column.inputs)


def _classes_told(names: list[str], y: Any, answers: Any) -> tuple[ClassScores, ...]:
    told = []
    for name in [*names, *sorted({*y.tolist()} - {*names})]:
        of_it, said = y == name, answers == name
        hits, rows, answered = int((of_it & said).sum()), int(of_it.sum()), int(said.sum())
        told.append(
            ClassScores(name, rows, answered, hits / rows if rows else None, hits / answered if answered else None)
        )
    return tuple(told)


def _mistakes(y: Any, answers: Any) -> tuple[Mistake, ...]:
    """How often each class was taken for each other one."""
    counts: dict[tuple[str, str], int] = {}
    for pair in zip(y[y != answers].tolist(), answers[y != answers].tolist(), strict=True):
        counts[pair] = counts.get(pair, 0) + 1
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return tuple(Mistake(true, answered, rows) for (true, answered), rows in ordered)


def _calibration(said: Floats, right: Any) -> tuple[Calibration, ...]:
    """Groups of answers, by the probability that was said of them.

    >>> _calibration(np.array([0.9, 0.6]), np.array([True, False]))[0].rows
    2
    """
    order = np.argsort(said, kind="stable")
    groups = np.array_split(order, int(np.clip(len(order) // LEAST_OF_GROUP, 1, MOST_GROUPS)))
    return tuple(
        Calibration(
            len(group),
            float(said[group].mean()),
            float(right[group].mean()),
            *share_interval(int(right[group].sum()), len(group)),
        )
        for group in groups
    )
