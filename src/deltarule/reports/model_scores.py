"""Format the scores and importances of a tabular model."""

import math
from collections.abc import Mapping
from typing import Any

from deltarule.errors import count_of
from deltarule.estimators.tabular.evaluation import ClassScores, Importance, Inspection
from deltarule.estimators.tabular.scores import Scores
from deltarule.reports.formatting import percent
from deltarule.tables.cell_parsing import as_text, shorten, shorten_repr

NO_NUMBER = "–"
"""The text in place of an undefined number."""
TAKEN_FOR = "most often taken for"
SHUFFLED = (
    "Lost: what the score loses if the cells of a column are shuffled among the rows. Correlated columns share their "
    "importance, so that each looks less important."
)
LITTLE = (
    "The accuracy is not surely above the baseline's. With so little to lose, an important column may lose nothing."
)


def importance_caveat(inspection: Inspection) -> str:
    """A caveat if the accuracy is too close to its baseline for importances.

    >>> scores = Scores("accuracy", 100, 0.94, 0.88, 0.97, 0.94)
    >>> classes = ClassScores("no", 94, 100, 1.0, 0.94), ClassScores("yes", 6, 0, 0.0, None)
    >>> importance_caveat(Inspection(scores, (), classes, (), (), (), ())).partition(".")[0]
    "The accuracy is not surely above the baseline's"
    """
    return LITTLE if inspection.classes and inspection.scores.low <= inspection.scores.baseline else ""


def score_lines(scores: Scores, baseline_prediction: Any) -> list[tuple[str, str]]:
    """The names and texts of the scores and of the baseline.

    >>> score_lines(Scores("accuracy", 10, 0.9, 0.6, 0.98, 0.5), "plum")
    [('accuracy', '90.0 % (60.0 to 98.0) of 10 rows'), ('baseline', "50.0 %, always 'plum'")]
    """
    rows = count_of(scores.rows, "row")
    if scores.metric == "accuracy":
        text = f"{_format_percent(scores.score)} ({100 * scores.low:.1f} to {100 * scores.high:.1f})"
        lines = [
            ("accuracy", f"{text} of {rows}"),
            ("baseline", f"{_format_percent(scores.baseline)}, always {shorten_repr(as_text(baseline_prediction))}"),
        ]
        if scores.log_loss is not None and scores.baseline_log_loss is not None:
            baseline_text = f"{scores.baseline_log_loss:.4f} for a constant prediction"
            lines.append(("log loss", f"{scores.log_loss:.4f}, {baseline_text}"))
        if scores.confidence is not None:
            difference = 100 * (scores.confidence - scores.score)
            side = "above" if difference > 0 else "below"
            text = f"{_format_percent(scores.confidence)}, {abs(difference):.1f} points {side} the accuracy"
            lines.append(("mean probability", text))
        if scores.area_under_roc is not None:
            lines.append(("area under ROC", f"{scores.area_under_roc:.3f}, 0.5 by chance"))
        return lines
    numbers = (scores.score, scores.low, scores.high, scores.baseline)
    score, low, high, baseline = (_format_number(number, 3) for number in numbers)
    interval = "" if low == NO_NUMBER else f" ({low} to {high})"
    return [
        ("R²", f"{score}{interval} on {rows}"),
        ("baseline", f"{baseline}, always {baseline_prediction:.4g}"),
        ("mean absolute error", f"{scores.mean_absolute_error:.4g}"),
    ]


def describe_network(settings: Mapping[str, Any]) -> str:
    """A text about the hidden layers of the networks with these hyperparameters.

    >>> describe_network({"hidden_layer_sizes": (64,)}), describe_network({"hidden_layer_sizes": ()})
    ('1 hidden layer of 64 units', 'linear, no hidden layer')
    """
    hidden = settings["hidden_layer_sizes"]
    return f"{count_of(len(hidden), 'hidden layer')} of {hidden[0]} units" if hidden else "linear, no hidden layer"


def describe_settings(settings: Mapping[str, Any], candidates: int) -> str:
    """Describe the chosen hyperparameters."""
    chosen = f"learning rate {settings['learning_rate_init']:g}, alpha {settings['alpha']:g}"
    return f"{chosen}, the best of {candidates} candidates"


def class_table(inspection: Inspection) -> list[list[str]]:
    """The cells of a table of scores by class: headings, then a row for each class."""
    confusions: dict[str, str] = {}
    for mistake in inspection.mistakes:  # the most frequent first
        confusions.setdefault(mistake.true, f"{shorten(mistake.answered)} ({mistake.rows:,})")
    headings = ["class", "rows", "recall", "precision", TAKEN_FOR]
    return [headings, *(_class_row(one, confusions.get(one.name, "")) for one in inspection.classes)]


def _class_row(scores: ClassScores, confusion: str) -> list[str]:
    shares = (NO_NUMBER if share is None else _format_percent(share) for share in (scores.recall, scores.precision))
    return [shorten(scores.name), f"{scores.rows:,}", *shares, confusion]


def _format_percent(share: float) -> str:
    return percent(share, 1, "f")


def importance_table(inspection: Inspection) -> list[list[str]]:
    """The cells of a table of importances, the most important column first."""
    is_share = inspection.scores.metric == "accuracy"
    headings = ["column", "accuracy lost (points)" if is_share else "R² lost", "95 % interval"]
    return [
        headings,
        *(
            _importance_row(importance, 100 if is_share else 1, 1 if is_share else 3)
            for importance in inspection.importances
        ),
    ]


def _importance_row(importance: Importance, factor: int, digits: int) -> list[str]:
    numbers = (importance.loss, importance.low, importance.high)
    loss, low, high = (_format_number(factor * number, digits) for number in numbers)
    return [shorten(importance.column), loss, low if low == NO_NUMBER else f"{low} to {high}"]


def _format_number(value: float, digits: int) -> str:
    if math.isnan(value):
        return NO_NUMBER
    # R² of predictions that are far off may have 300 digits.
    return f"{value:z.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}"
