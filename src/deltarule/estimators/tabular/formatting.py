"""What a model for tables came to, in words: the same ones on the screen and on a page."""

import math
from collections.abc import Mapping
from typing import Any

from deltarule.errors import count_of
from deltarule.estimators.tabular.evaluation import ClassScores, Importance, Inspection
from deltarule.estimators.tabular.scores import Scores
from deltarule.reports.formatting import percent
from deltarule.tables.cell_parsing import as_text, shorten, shorten_repr

NOTHING = "–"
"""What stands where there is no number."""
TAKEN_FOR = "most often taken for"
SHUFFLED = (
    "Lost: where the cells of a column are shuffled among the rows. Columns that tell the same stand in for each "
    "other, and seem to be worth less."
)


LITTLE = (
    "The accuracy is not surely above the baseline's: where there is so little to lose, a column that loses nothing "
    "may tell much all the same."
)


def little_to_lose(found: Inspection) -> str:
    """A sentence where the accuracy is so near to its baseline's that columns cannot be judged by it; else nothing.

    >>> scores = Scores("accuracy", 100, 0.94, 0.88, 0.97, 0.94)
    >>> classes = ClassScores("no", 94, 100, 1.0, 0.94), ClassScores("yes", 6, 0, 0.0, None)
    >>> little_to_lose(Inspection(scores, (), classes, (), (), (), ())).partition(":")[0]
    "The accuracy is not surely above the baseline's"
    """
    return LITTLE if found.classes and found.scores.low <= found.scores.baseline else ""


def score_lines(scores: Scores, usual: Any) -> list[tuple[str, str]]:
    """Scores beside the baseline of always saying `usual`.

    >>> score_lines(Scores("accuracy", 10, 0.9, 0.6, 0.98, 0.5), "plum")
    [('accuracy', '90.0 % (60.0 to 98.0) of 10 rows'), ('baseline', "50.0 %, always 'plum'")]
    """
    rows = count_of(scores.rows, "row")
    if scores.metric == "accuracy":
        text = f"{_percent(scores.score)} ({100 * scores.low:.1f} to {100 * scores.high:.1f})"
        lines = [
            ("accuracy", f"{text} of {rows}"),
            ("baseline", f"{_percent(scores.baseline)}, always {shorten_repr(as_text(usual))}"),
        ]
        if scores.log_loss is not None and scores.baseline_log_loss is not None:
            least = f"{scores.baseline_log_loss:.4f} where every row is told the same"
            lines.append(("log loss", f"{scores.log_loss:.4f}, {least}"))
        if scores.area_under_roc is not None:
            lines.append(("area under ROC", f"{scores.area_under_roc:.3f}, 0.5 by chance"))
        return lines
    score, low, high, baseline = (_number(one, 3) for one in (scores.score, scores.low, scores.high, scores.baseline))
    interval = "" if low == NOTHING else f" ({low} to {high})"
    return [
        ("R²", f"{score}{interval} on {rows}"),
        ("baseline", f"{baseline}, always {usual:.4g}"),
        ("mean absolute error", f"{scores.mean_absolute_error:.4g}"),
    ]


def describe_network(settings: Mapping[str, Any]) -> str:
    """The shape of the networks that the best settings mean.

    >>> describe_network({"hidden_layer_sizes": (64,)}), describe_network({"hidden_layer_sizes": ()})
    ('1 hidden layer of 64 units', 'linear, no hidden layer')
    """
    hidden = settings["hidden_layer_sizes"]
    return f"{count_of(len(hidden), 'hidden layer')} of {hidden[0]} units" if hidden else "linear, no hidden layer"


def describe_settings(settings: Mapping[str, Any], candidates: int) -> str:
    """The settings that were found among so many."""
    found = f"learning rate {settings['learning_rate_init']:g}, alpha {settings['alpha']:g}"
    return f"{found}, the best of {candidates} candidates"


def class_rows(found: Inspection) -> list[list[str]]:
    """A row of cells for each class, below the headings."""
    taken: dict[str, str] = {}
    for mistake in found.mistakes:  # the most frequent first
        taken.setdefault(mistake.true, f"{shorten(mistake.answered)} ({mistake.rows:,})")
    head = ["class", "rows", "recall", "precision", TAKEN_FOR]
    return [head, *(_class_row(one, taken.get(one.name, "")) for one in found.classes)]


def _class_row(one: ClassScores, taken: str) -> list[str]:
    shares = (NOTHING if share is None else _percent(share) for share in (one.recall, one.precision))
    return [shorten(one.name), f"{one.rows:,}", *shares, taken]


def importance_rows(found: Inspection) -> list[list[str]]:
    """A row of cells for each column that is used, below the headings, the one that counts most first."""
    is_share = found.scores.metric == "accuracy"
    head = ["column", "accuracy lost (points)" if is_share else "R² lost", "95 % interval"]
    return [
        head,
        *(
            _importance_row(importance, 100 if is_share else 1, 1 if is_share else 3)
            for importance in found.importances
        ),
    ]


def _importance_row(one: Importance, unit: int, digits: int) -> list[str]:
    loss, low, high = (_number(unit * value, digits) for value in (one.loss, one.low, one.high))
    return [shorten(one.column), loss, low if low == NOTHING else f"{low} to {high}"]


def _number(value: float, digits: int) -> str:
    if math.isnan(value):
        return NOTHING
    # From here on numbers have a power of ten: R² of answers that are far off may have 300 digits.
    return f"{value:z.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}"


def _percent(share: float) -> str:
    return percent(share, 1, "f")
