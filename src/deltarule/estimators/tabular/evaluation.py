"""Where a model for tables errs, and what its answers hang on.

N rows · D inputs of the network · C classes
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deltarule.estimators.tabular.scores import MIN_DRAWN, Scores, scores_of_classes, scores_of_numbers
from deltarule.problem.problem import Floats, Integers
from deltarule.stats.intervals import Interval, mean_interval, share_interval
from deltarule.tables.column_encoder import Column, encode_columns
from deltarule.tables.frame import Frame, rows_of, select_rows
from deltarule.tables.target_validation import class_names

SHUFFLES = 5
MAX_ROWS, MIN_ROWS = 2000, 200
"""Rows whose cells are shuffled: more tell little more, and of wide tables fewer have to do, and fewer shuffles."""
WORK = 1_000_000_000
"""Numbers that may go into the network while cells are shuffled: seconds."""
MAX_GROUPS, MIN_GROUP_ROWS = 10, 10
"""Groups of predictions whose calibration is shown, and rows that each has at least: the share of fewer says little."""


@dataclass(frozen=True)
class Importance:
    """What a column is worth to a model: how much of the score is lost where its cells are shuffled among the rows.

    column   its name   loss: in the score's unit
    low, high: its 95 % interval over the rows; NaN of fewer than 10 rows
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
                  row, of targets that are all the same number, and of answers that are not finite
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


@dataclass(frozen=True)
class Sample:
    """Rows whose cells are shuffled.    columns   rows: their numbers in the whole table   x: the network's inputs"""

    columns: Sequence[Column]
    rows: Integers
    x: Floats


def sample_rows(columns: Sequence[Column], frame: Frame) -> Sample:
    """Some rows of a table, drawn by chance: fewer of a wide one."""
    inputs, used = sum(len(column.inputs) for column in columns), sum(bool(column.inputs) for column in columns)
    most = np.clip(WORK // max(inputs * used * SHUFFLES, 1), MIN_ROWS, MAX_ROWS)
    rows = np.sort(np.random.default_rng(0).permutation(rows_of(frame))[:most])
    return Sample(columns, rows, encode_columns(columns, select_rows(frame, rows)))


def classes_inspected(model: Any, y: Any, probabilities: Floats, some: Sample, usual: str) -> Inspection:
    """How a classifier answers to rows.

    Parameters: `model`, the network inside; `y` [N], names of classes; `probabilities` [N, C], its answers; `some` of
    the rows; `usual`, the class that the baseline always says.
    """
    names = class_names(model.classes_)
    answers = names[probabilities.argmax(axis=1)]

    def credit(x: Floats) -> Floats:
        return (names[model.predict_proba(x).argmax(axis=1)] == y[some.rows]).astype(np.float64)

    return Inspection(
        scores_of_classes(y, probabilities, names, usual),
        importances(some, credit),
        _class_scores(names.tolist(), y, answers),
        _mistakes(y, answers),
        _calibration(probabilities.max(axis=1), answers == y),
        y,
        answers,
    )


def numbers_inspected(model: Any, y: Floats, answers: Floats, some: Sample, usual: float) -> Inspection:
    """The same of a regressor.    y [N], answers [N]  numbers"""
    with np.errstate(all="ignore"):  # of the largest numbers nothing can be said that is finite
        own = y[some.rows]
        beside = own - own[0]  # exactly 0 where all are the same, of which a mean is rounded
        around = np.std(beside)
        spread = np.square((beside - beside.mean()) / around)

        def credit(x: Floats) -> Floats:
            return -np.square((own - model.predict(x)) / around)

        found = importances(some, credit, spread) if 0 < around < np.inf else ()
    # Of few rows a loss stands alone: it must be as small as intervals need it, whose squares are finite.
    are_told = all(one.loss * one.loss < np.inf and not np.isinf(one.high - one.low) for one in found)
    found = found if are_told else ()
    return Inspection(scores_of_numbers(y, answers, usual), found, (), (), (), y, answers)


def importances(
    some: Sample, credit: Callable[[Floats], Floats], spread: Floats | float = 1.0
) -> tuple[Importance, ...]:
    """What each column is worth, the most first.

    Parameters: `some` rows; `credit(x)`, what each of them adds to the score, whose mean this is; `spread`, what each
    adds to the unit of the credit, with the mean 1, where other rows would come to another unit.

    Few rows have few ways to be shuffled, two a single one, so that losses lie too near together for an interval.

    Source: Breiman 2001, section 10; Fisher et al. 2019, section 3; the interval: Hoeffding 1948, section 7

    >>> size, color = Column("size", "number", "numbers"), Column("color", "number", "numbers")
    >>> x = np.random.default_rng(0).normal(size=(100, 2))
    >>> truth = x[:, 1] > 0
    >>> found = importances(Sample([color, size], np.arange(100), x), lambda x: (x[:, 1] > 0) == truth)
    >>> [(one.column, one.loss > 0) for one in found]
    [('size', True), ('color', False)]
    """
    x = some.x.copy()
    used = [column for column in some.columns if column.inputs and len(x) > 1]
    shuffles = int(np.clip(WORK // max(x.shape[1] * len(used) * MIN_ROWS, 1), 1, SHUFFLES))
    random = np.random.default_rng(0)
    whole = np.asarray(credit(x), np.float64)
    found = []
    for column, inputs in zip(used, _places(used), strict=True):
        kept, received, given = x[:, inputs].copy(), np.zeros(len(x)), np.zeros(len(x))
        for _ in range(shuffles):
            givers = random.permutation(len(x))
            x[:, inputs] = kept[givers]
            lost = (whole - credit(x)) / shuffles
            received += lost
            given[givers] += lost
        x[:, inputs] = kept
        loss = received.mean()
        # Another row would change the loss where it receives a cell, where it gives its own, and in the unit.
        parts = received + given - loss * spread  # whose mean is the loss, too
        interval = mean_interval(parts) if len(x) >= MIN_DRAWN else Interval(np.nan, np.nan)
        found.append(Importance(column.name, float(loss), *interval))
    return tuple(sorted(found, key=lambda one: -one.loss))


def _places(columns: Sequence[Column]) -> Iterator[slice]:
    """Where the inputs of each column stand."""
    start = 0
    for column in columns:
        yield slice(start, start + len(column.inputs))
        start += len(column.inputs)


def _class_scores(names: list[str], y: Any, answers: Any) -> tuple[ClassScores, ...]:
    of_it, said, both = (Counter(one.tolist()) for one in (y, answers, y[y == answers]))
    texts = []
    for name in [*names, *sorted(of_it.keys() - {*names})]:
        hits, rows, answered = both[name], of_it[name], said[name]
        texts.append(
            ClassScores(name, rows, answered, hits / rows if rows else None, hits / answered if answered else None)
        )
    return tuple(texts)


def _mistakes(y: Any, answers: Any) -> tuple[Mistake, ...]:
    """How often each class was taken for each other one."""
    counts = Counter(zip(y[y != answers].tolist(), answers[y != answers].tolist(), strict=True))
    ordered = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    return tuple(Mistake(true, answered, rows) for (true, answered), rows in ordered)


def _calibration(said: Floats, right: Any) -> tuple[Calibration, ...]:
    """Groups of answers, by the probability that was said of them; those with the same one stay together.

    >>> _calibration(np.array([0.9, 0.6]), np.array([True, False]))[0].rows
    2
    """
    order = np.argsort(said, kind="stable")
    ordered, ends = said[order], [0]
    for group in np.array_split(ordered, int(np.clip(len(order) // MIN_GROUP_ROWS, 1, MAX_GROUPS))):
        end = int(np.searchsorted(ordered, group[-1], side="right"))
        if min(end - ends[-1], len(order) - end) >= MIN_GROUP_ROWS:
            ends.append(end)
    return tuple(
        Calibration(
            len(group),
            float(said[group].mean()),
            float(right[group].mean()),
            *share_interval(int(right[group].sum()), len(group)),
        )
        for group in np.split(order, ends[1:])
    )
