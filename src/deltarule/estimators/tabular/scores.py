"""How good answers are, beside a simple baseline, and which columns are too good to be true.

N rows
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, stdtrit
from sklearn.metrics import roc_auc_score

from deltarule.problem.problem import Floats
from deltarule.reports.formatting import format_probability
from deltarule.stats.intervals import Interval, share_interval
from deltarule.tables.cell_parsing import as_text, shorten_repr
from deltarule.tables.target_validation import are_among

RESAMPLES = 400
"""Draws of the rows for the interval of a score."""
MIN_DRAWN = 10
"""Rows: draws of fewer are too much alike, and tell too little of how far others would lie."""
MAX_DRAWN = 10_000
"""Rows of a draw: of more the interval is reckoned from how far such draws lie apart."""
MAX_NAMED = 5
"""Classes in a sentence, or rows."""
LARGE_PART, NEARLY_RIGHT = 1 / 3, 0.99
"""Of the squared errors: where a few rows make so much, they are named, but of an R² that would hardly be better."""


@dataclass(frozen=True)
class Scores:
    """How good answers are on rows that had no part in the training.

    metric: accuracy or r_squared   rows
    score   NaN where there is none: R² of a single row, and so the baseline
    low, high: its 95 % interval; NaN, too, of R² of fewer than 10 rows, and of targets that are all the same
    baseline   the score of always answering the most frequent class, or the mean, of all rows that were given to train
    mean_absolute_error   in the target's unit; None for classes
    log_loss   the mean of −ln of the probability that was said of the true class; None for numbers
    baseline_log_loss   the least that the same probabilities for every row could have
    area_under_roc   of two classes, of which there are rows of both; else None

    Rows of classes that the model does not know count as wrong, and nothing was said of them that the last three could
    judge: these are of the others, and None where there are none.
    """

    metric: str
    rows: int
    score: float
    low: float
    high: float
    baseline: float
    mean_absolute_error: float | None = None
    log_loss: float | None = None
    baseline_log_loss: float | None = None
    area_under_roc: float | None = None


def scores_of_classes(y: Any, probabilities: Floats, classes: Any, usual: Any) -> Scores:
    """The accuracy, its interval after Wilson, that of always saying `usual`, and how good the probabilities are.

    y [N]: also classes that there are not   probabilities [N, C]   classes [C]

    >>> said = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    >>> scores = scores_of_classes(np.array([0, 1, 1]), said, np.array([0, 1]), usual=1)
    >>> scores.baseline, scores.area_under_roc
    (0.6666666666666666, 1.0)
    """
    right = y == classes[probabilities.argmax(axis=1)]
    interval = share_interval(int(right.sum()), len(right))
    return Scores(
        "accuracy",
        len(right),
        float(right.mean()),
        *interval,
        float(np.mean(y == usual)),
        **_scores_of_probabilities(y, probabilities, classes),
    )


def _scores_of_probabilities(y: Any, probabilities: Floats, classes: Any) -> dict[str, Any]:
    """Those of the rows whose class is known, by their names; nothing where there are none."""
    is_known = are_among(y, classes)
    if not is_known.any():
        return {}
    y, probabilities = y[is_known], probabilities[is_known]
    counts = np.unique(y, return_counts=True)[1]
    area = None
    if len(classes) == len(counts) == 2:
        area = float(roc_auc_score(y == classes[1], np.nan_to_num(probabilities[:, 1])))
    return {
        "log_loss": log_loss(y, probabilities, classes),
        "baseline_log_loss": float((counts / len(y) * np.log(len(y) / counts)).sum()),  # exactly 0 of one class
        "area_under_roc": area,
    }


def log_loss(y: Any, probabilities: Floats, classes: Any) -> float:
    """The mean of −ln of what was said of the true class, which counts as the smallest step from 1 where it was less.

    y [N]: also classes that there are not, of which nothing was said   probabilities [N, C]   classes [C]

    >>> round(log_loss(np.array(["a", "b"]), np.array([[1.0, 0.0], [0.5, 0.5]]), np.array(["a", "b"])), 4)
    0.3466
    """
    places = {one: index for index, one in enumerate(classes.tolist())}
    own = np.array([places.get(one, -1) for one in y.tolist()])
    said = np.where(own < 0, 0, probabilities[np.arange(len(y)), own])
    return float(-np.log(np.fmax(said, np.finfo(probabilities.dtype).eps)).mean())


def doubts(scores: Scores, y: Any, answers: Any) -> list[str]:
    """A sentence where answers to rows score no more than their baseline.

    >>> y, answers = np.array(["no", "yes"]), np.array(["no", "no"])
    >>> scores = Scores("accuracy", 2, 0.5, 0.1, 0.9, baseline=0.5, log_loss=0.8, baseline_log_loss=0.7)
    >>> doubts(scores, y, answers)
    ["it never answers 'yes', and its accuracy is not above its baseline's; do not rely on it"]
    """
    if not scores.score <= scores.baseline or scores.score == 1:
        return []
    if scores.metric != "accuracy":
        if (y == y[0]).all():
            return []
        score, baseline = f"{scores.score:.3g}", f"{scores.baseline:.3g}"
        return [
            f"on held-out rows R² is {score}, not above the {baseline} of always saying the mean; do not rely on it"
        ]
    never = sorted(set(y.tolist()) - set(answers.tolist()), key=str)
    text = "on held-out rows its accuracy is not above that of always saying the same"
    if never:
        text = f"it never answers {first_named(never)}, and its accuracy is not above its baseline's"
    area = 1.0 if scores.area_under_roc is None else scores.area_under_roc
    tells = (scores.log_loss or 0.0) < (scores.baseline_log_loss or 0.0) and area > 0.5
    cure = "the probabilities tell which rows are likelier than others" if tells else "do not rely on it"
    return [f"{text}; {cure}"]


def few_make_the_errors(y: Floats, answers: Floats, numbers: Any) -> list[str]:
    """A sentence where a few rows, at most one in a hundred, make a third of the squared errors, unless all are small.

    y, answers, numbers [N]: of the rows

    >>> y = np.arange(200.0)
    >>> few_make_the_errors(y, np.r_[y[1:], 999.0], np.arange(200))
    ['1 of 200 rows set aside makes more than 99.9 % of the squared errors: row 199 (counted from 0)']
    """
    errors = np.abs(y - answers)
    errors = np.square(errors / (errors.max() or 1.0))  # squares of very large numbers would overflow
    worst = np.argsort(-errors, kind="stable")
    shares = errors[worst].cumsum() / (errors.sum() or 1.0)
    last = worst[(shares >= LARGE_PART).argmax()]
    count = int((errors >= errors[last]).sum())  # with all that err as much as it
    if count > min(MAX_NAMED, len(y) // 100) or r_squared(y, answers) >= NEARLY_RIGHT:
        return []
    make, row = ("makes", "row") if count == 1 else ("make", "rows")
    return [
        f"{count} of {len(y):,} rows set aside {make} {format_probability(shares[count - 1])} of the squared errors: "
        f"{row} "
        f"{', '.join(map(str, numbers[worst[:count]]))} (counted from 0)"
    ]


def first_named(classes: Any) -> str:
    """The first few classes, for a sentence.

    >>> first_named(["no", "yes"])
    "'no', 'yes'"
    """
    more = " …" if len(classes) > MAX_NAMED else ""
    return ", ".join(shorten_repr(as_text(one)) for one in classes[:MAX_NAMED]) + more


def doubted_probabilities(scores: Scores) -> list[str]:
    """A sentence where answers score more than their baseline, and the probabilities less than those of the shares.

    Of rows set aside, whose shares training's are: those of another table a good model need not know, nor that all its
    rows are of one class.

    >>> doubted_probabilities(Scores("accuracy", 20, 0.75, 0.5, 0.9, 0.5, log_loss=0.6, baseline_log_loss=0.69))
    []
    """
    if scores.log_loss is None or not scores.baseline_log_loss or scores.score <= scores.baseline:
        return []
    loss, constant = f"{scores.log_loss:.3g}", f"{scores.baseline_log_loss:.3g}"
    if float(loss) <= float(constant):
        return []
    return [
        "its answers are better than always saying the same, but its probabilities are not (log loss "
        f"{loss} beside {constant}); do not rely on these"
    ]


def wide(y: Floats) -> list[str]:
    """A sentence where targets are better told by their logarithms: all above 0, and of very different size.

    >>> len(wide(np.logspace(0, 4, 50))), wide(np.linspace(0.1, 100, 50))
    (1, [])
    """
    low, high = np.quantile(y, [0.05, 0.95]).tolist()
    # If large targets are 100 times the small ones, their logarithms tell more.
    if y.min() <= 0 or high / low < 100.0:
        return []
    return [
        f"nine tenths of the targets go from {low:.3g} to {high:.3g}, and all are above 0; logarithms of such are "
        "mostly learned better, by TransformedTargetRegressor or from a column of them"
    ]


def scores_of_numbers(y: Any, answers: Any, usual: float) -> Scores:
    """R², its interval from draws of the rows, and that of always saying `usual`.

    Draws in which all targets are the same have no say: R² would be 0 by its definition, whatever the answers. Draws of
    few rows lie too near together, so the interval is farther out in them: as far as Student's is beyond the normal
    law's. Of 10 rows with errors as a bell curve it held the truth in nine of ten cases. Fewer have none.

    Source: Efron 1979, the bootstrap; Bickel, Götze & van Zwet 1997, draws of fewer rows; Hesterberg 2015, the expanded
    percentile interval

    >>> scores_of_numbers(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]), usual=2.0).score
    1.0
    """
    y, answers = np.asarray(y, np.float64), np.asarray(answers, np.float64)
    # In a unit of about their size, a power of two: squares of very large numbers would overflow.
    exponent = int(np.frexp(max(np.abs(y).max(), np.abs(answers).max()))[1])
    y, answers, usual = (np.ldexp(values, -exponent) for values in (y, answers, usual))
    random = np.random.default_rng(0)
    size = min(len(y), MAX_DRAWN)
    draws = (random.integers(len(y), size=size) for _ in range(RESAMPLES if len(y) >= MIN_DRAWN else 0))
    drawn = [r_squared(y[rows], answers[rows]) for rows in draws if np.ptp(y[rows])]
    score = r_squared(y, answers)
    low = high = np.nan
    if drawn:
        below = ndtr(np.sqrt(size / (size - 1)) * stdtrit(size - 1, 0.025))
        low, high = np.quantile(drawn, [below, 1 - below])
    if len(y) > MAX_DRAWN:
        low, high = (score + (end - score) * np.sqrt(MAX_DRAWN / len(y)) for end in (low, high))
    error = float(np.ldexp(np.abs(y - answers).mean(), exponent))
    usual_score = r_squared(y, np.full(len(y), usual))
    return Scores("r_squared", len(y), score, *Interval(float(low), float(high)), usual_score, error)


def r_squared(y: Floats, answers: Floats) -> float:
    """1 − Σ(y − a)² / Σ(y − ȳ)², and 0 where all targets are the same and not met; of a single row NaN.

    What is less than any number is the least that there is.

    >>> r_squared(np.array([1.0, 3.0]), np.array([2.0, 2.0]))
    0.0
    """
    if len(y) < 2:
        return float("nan")
    beside = y - y[0]  # exactly 0 where all are the same, of which a mean is rounded
    around, unit = _squares(beside - beside.mean())
    errors, unit_of_errors = _squares(y - answers)
    if not around:
        return float(not errors)
    with np.errstate(over="ignore"):
        return float(1 - np.minimum(np.ldexp(errors / around, unit_of_errors - unit), np.finfo(np.float64).max))


def _squares(values: Floats) -> tuple[float, int]:
    """The sum of squares, in a unit that is a power of two and neither lets them overflow nor vanish."""
    exponent = int(np.frexp(np.abs(values).max())[1])
    return float(np.square(np.ldexp(values, -exponent)).sum()), 2 * exponent
