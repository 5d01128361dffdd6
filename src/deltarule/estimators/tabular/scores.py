"""Score a tabular model's predictions against a simple baseline.

N rows
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.estimators.tabular.splits import take
from deltarule.problem.problem import Floats, Integers
from deltarule.stats.intervals import share_interval
from deltarule.tables.cell_texts import list_classes
from deltarule.tables.readings import ColumnReading

RESAMPLES = 400
"""Bootstrap samples for the interval of a score."""
MIN_INTERVAL_ROWS = 10
"""Scores on fewer rows have no interval: their bootstrap samples vary too little."""
MAX_SAMPLE_ROWS = 10_000
"""Rows of a bootstrap sample; the interval for more rows is that of such samples, scaled down."""


@dataclass(frozen=True)
class Scores:
    """The scores of predictions for rows that were not used in training.

    metric               "accuracy" or "r_squared"
    rows                 their number
    score                NaN for R² of equal targets, which have none; then the baseline is NaN, too
    low, high            the 95 % interval of the score; NaN for R² of fewer than 10 rows or of equal targets
    baseline             the score of always predicting the most frequent class, or the mean, of all training rows
    mean_absolute_error  in the target's unit; None for classes
    log_loss             the mean of −ln of the probability of the true class; None for numbers
    baseline_log_loss    the lowest log loss that equal probabilities for all rows can have
    area_under_roc       for two classes that both occur; else None
    confidence           the mean probability of the predicted classes: the accuracy, if they are calibrated

    Rows of classes that the model does not know count as wrong. The last four scores are those of the other rows, and
    None if there are none.
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
    confidence: float | None = None


@dataclass(frozen=True)
class TabularReport:
    """The result of a fit.

    Parameters
    ----------
    rows : int
        Number of rows of the table, without those that were left out.
    validation_rows : int
        How many of them were set aside for the scores.
    scores : Scores
        On the rows set aside, of an ensemble trained on the others.
    candidates : int
        Number of candidates of the cross-validation.
    metric : str
        The name of the score by which the best was chosen.
    settings : dict
        Hyperparameters of the best one; alpha of networks is adapted to the rows of the ensemble.
    notes : tuple of str
        Sentences for the user.
    seconds : float
        Duration of the fit.
    kinds : int
        Number of kinds of networks whose mean the predictions are.
    readings : tuple of ColumnReading
        How each column was read: its type, and some of its cells, as they were written and as they were read.

    Examples
    --------
    >>> from deltarule import TabularRegressor
    >>> rows = {"size": [n / 3 for n in range(40)]}
    >>> report = TabularRegressor(preset="fast", random_state=0).fit(rows, [2.0 * n for n in range(40)]).report_
    >>> report.rows, report.validation_rows, report.scores.metric
    (40, 8, 'r_squared')
    """

    rows: int
    validation_rows: int
    scores: Scores
    candidates: int
    metric: str
    settings: dict[str, tuple[int, ...] | float | str]
    notes: tuple[str, ...]
    seconds: float
    kinds: int = 1
    readings: tuple[ColumnReading, ...] = field(default=(), repr=False)


def scores_of_classes(
    y: Any,
    probabilities: Floats,
    classes: Any,
    baseline_prediction: Any,
    weights: Floats | None = None,
    groups: Integers | None = None,
) -> Scores:
    """The scores of classes y [N], which may be unknown ones, by probabilities [N, C].

    The interval of weighted rows, and of rows that belong to `groups` [N], is that of so many equal and independent
    ones as say as much (Kish 1965).
    """
    is_correct = y == classes[probabilities.argmax(axis=1)]
    score = float(np.average(is_correct, weights=weights))
    rows = max(1, round(_independent_rows(is_correct, np.ones(len(y)) if weights is None else weights, groups)))
    interval = share_interval(round(score * rows), rows)
    return Scores(
        "accuracy",
        len(is_correct),
        score,
        *interval,
        float(np.average(y == baseline_prediction, weights=weights)),
        **_scores_of_probabilities(y, probabilities, classes, weights),
    )


def _independent_rows(is_correct: Any, weights: Floats, groups: Integers | None) -> float:
    """The number of independent rows of equal weight that these rows are worth.

    So many rows would make the share of correct predictions as certain.
    """
    rows = float(weights.sum() ** 2 / np.square(weights).sum())
    if groups is None:
        return rows
    share, (_, own) = np.average(is_correct, weights=weights), np.unique(groups, return_inverse=True)
    count = own.max() + 1
    deviations = np.bincount(own, weights * (is_correct - share)) / weights.sum()
    variance = float(np.square(deviations).sum()) * count / max(count - 1, 1)
    return float(min(rows, share * (1 - share) / variance if variance else count))


def _scores_of_probabilities(y: Any, probabilities: Floats, classes: Any, weights: Floats | None) -> dict[str, Any]:
    """Score the rows of known classes alone; the baseline predicts the frequencies of these rows."""
    from scipy.special import entr

    index_of = {name: index for index, name in enumerate(classes.tolist())}
    indices = np.array([index_of.get(name, -1) for name in y.tolist()])
    is_known = indices >= 0
    if not is_known.any():
        return {}
    indices = indices[is_known]
    probabilities = probabilities[is_known]
    weights = take(weights, is_known)
    counts = np.bincount(indices, weights)
    have_area = len(classes) == 2 and 0 < indices.mean() < 1
    return {
        "log_loss": log_loss(indices, probabilities, weights),
        "baseline_log_loss": float(entr(counts / counts.sum()).sum()),
        "area_under_roc": area_under_roc(indices, probabilities, weights) if have_area else None,
        "confidence": float(np.average(probabilities.max(axis=1), weights=weights)),
    }


def log_loss(indices: Integers, probabilities: Floats, weights: Floats | None = None) -> float:
    """The mean of −ln of the probability of the class, for class indices [N] and probabilities [N, C].

    scikit-learn's function checks its arguments for longer than a small network is trained.
    """
    least = np.finfo(probabilities.dtype).eps
    of_class = probabilities[np.arange(len(indices)), indices].clip(least, 1 - least)
    return -float(np.average(np.log(of_class), weights=weights))


def area_under_roc(indices: Integers, probabilities: Floats, weights: Floats | None = None) -> float:
    """The area under ROC for class indices [N] and probabilities [N, C], for more than two the mean of each class.

    A class that has no rows, or all, does not count; the area is 0.5 if none is left.
    """
    from sklearn.metrics import roc_auc_score

    occurring = [c for c in np.unique(indices) if (indices != c).any()]
    classes = occurring[-1:] if probabilities.shape[1] == 2 else occurring
    areas = [roc_auc_score(indices == c, probabilities[:, c], sample_weight=weights) for c in classes]
    return float(np.mean(areas)) if areas else 0.5


def baseline_warnings(scores: Scores, y: Any, predictions: Any) -> list[str]:
    """A warning, in a list, if predictions [N] do not beat their baseline."""
    if not scores.score <= scores.baseline or scores.score == 1:
        return []
    if scores.metric != "accuracy":
        score, baseline = f"{scores.score:.3g}", f"{scores.baseline:.3g}"
        return [f"on held-out rows R² is {score}, not above the {baseline} of predicting the mean; do not rely on it"]
    never = sorted(set(y.tolist()) - set(predictions.tolist()), key=str)
    text = "on held-out rows its accuracy does not exceed the baseline"
    if never:
        text = f"never predicts {list_classes(never)}, and its accuracy does not exceed the baseline"
    area = 1.0 if scores.area_under_roc is None else scores.area_under_roc
    are_informative = (scores.log_loss or 0.0) < (scores.baseline_log_loss or 0.0) and area > 0.5
    advice = "the probabilities do rank the rows" if are_informative else "do not rely on it"
    return [f"{text}; {advice}"]


def describe_wide_range(y: Floats) -> list[str]:
    """A sentence, in a list, advising logarithms for targets of a wide range."""
    low, high = np.quantile(y, [0.05, 0.95]).tolist()
    # If large targets are 100 times the small ones, their logarithms are easier to learn.
    if y.min() <= 0 or high / low < 100.0:
        return []
    return [
        f"targets span several orders of magnitude (5 % to 95 %: {low:.3g} to {high:.3g}); consider predicting their "
        "logarithms with TransformedTargetRegressor, or as a column of them"
    ]


def r_squared(y: Floats, predictions: Floats, weights: Floats | None = None) -> float:
    deviations = y - np.average(y, weights=weights)
    errors, spread = (float(np.average(np.square(each), weights=weights)) for each in (y - predictions, deviations))
    return 1 - errors / spread


def scores_of_numbers(
    y: Floats,
    predictions: Floats,
    baseline_prediction: float,
    weights: Floats | None = None,
    groups: Integers | None = None,
) -> Scores:
    """The scores of numeric predictions: R² and the mean absolute error.

    A bootstrap sample draws rows, or whole `groups` [N] of rows that belong together.
    Bootstrap samples in which all targets are equal are ignored: R² would be 0 by definition, whatever the predictions.
    Samples of few rows vary too little, so the interval takes quantiles farther out, as far as Student's distribution
    goes beyond the normal one. For 10 rows with normal errors it held the true value in nine of ten cases.
    See Efron 1979 for the bootstrap, Bickel, Götze & van Zwet 1997 for smaller samples, and Hesterberg 2015 for the
    expanded percentile interval.
    """
    from scipy.special import ndtr, stdtrit

    error = float(np.average(np.abs(y - predictions), weights=weights))
    if not np.ptp(y):
        return Scores("r_squared", len(y), np.nan, np.nan, np.nan, np.nan, error)
    score, baseline = (r_squared(y, each, weights) for each in (predictions, np.full(len(y), baseline_prediction)))
    size, samples = _bootstrap_samples(len(y), groups)
    sample_scores = [r_squared(y[rows], predictions[rows], take(weights, rows)) for rows in samples if np.ptp(y[rows])]
    low = high = np.nan
    if sample_scores:
        below = ndtr(np.sqrt(size / (size - 1)) * stdtrit(size - 1, 0.025))
        low, high = np.quantile(sample_scores, [below, 1 - below])
    if groups is None and len(y) > MAX_SAMPLE_ROWS:
        low, high = (score + (end - score) * np.sqrt(MAX_SAMPLE_ROWS / len(y)) for end in (low, high))
    return Scores("r_squared", len(y), score, float(low), float(high), baseline, error)


def _bootstrap_samples(rows: int, groups: Integers | None) -> tuple[int, Iterator[Integers]]:
    """How many rows or groups a bootstrap sample draws, and the rows of each sample.

    Without enough of them there is no sample.
    """
    random = np.random.default_rng(0)
    if groups is None:
        size = min(rows, MAX_SAMPLE_ROWS)
        return size, (random.integers(rows, size=size) for _ in range(RESAMPLES if rows >= MIN_INTERVAL_ROWS else 0))
    order = np.argsort(groups, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    size = len(parts)
    drawn = (random.integers(size, size=size) for _ in range(RESAMPLES if size > 1 else 0))
    return size, (np.concatenate([parts[group] for group in sample]) for sample in drawn)
