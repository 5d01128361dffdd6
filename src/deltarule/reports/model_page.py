"""A tabular model: its scores in words and tables, and the HTML page about it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sklearn import metrics

from deltarule.errors import count_of
from deltarule.estimators.tabular.evaluation import Inspection
from deltarule.estimators.tabular.scores import Scores
from deltarule.reports.formatting import format_quantity, format_score, percent
from deltarule.reports.heat_maps import MAX_COLUMNS
from deltarule.reports.model_figures import (
    calibration_curve,
    column_importances,
    confusion_matrix,
    errors_by_prediction,
    loss_by_epoch,
    roc_chart,
    true_and_predicted_numbers,
)
from deltarule.reports.report import Report, ReportBlock, ReportSection, report_page
from deltarule.reports.table import Table, TableColumn, table
from deltarule.tables.cell_texts import MAX_SHOWN_CHARACTERS, as_text, shorten, shorten_repr
from deltarule.tables.readings import ColumnReading

if TYPE_CHECKING:
    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.regressor import TabularRegressor

SHUFFLED = (
    "Lost: what the score loses if the cells of a column are shuffled among the rows. Correlated columns share their "
    "importance, so that each looks less important."
)


def model_page(
    model: "TabularClassifier | TabularRegressor",
    inspection: Inspection,
    commands: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> str:
    """The HTML page about a model and its evaluation, as a single file.

    Parameters
    ----------
    model : a fitted TabularClassifier or TabularRegressor.
    inspection : the result of its `inspect`.
    commands : that write the page again.
    notes : further sentences, without periods.

    >>> import numpy as np
    >>> from deltarule import TabularRegressor
    >>> size = np.linspace(0, 1, 60)
    >>> model = TabularRegressor(random_state=0).fit({"size": size}, 3 * size)
    >>> page = model_page(model, model.inspect({"size": size}, 3 * size))
    >>> "Feature importance" in page
    True
    """
    target = shorten(model.target_)
    report = model.report_
    facts = [("target", target), *score_lines(inspection.scores, model.usual_)]
    shown_notes = [f"{note}." for note in notes]
    training = [
        ("rows", f"{report.rows:,}, of which {report.validation_rows:,} were set aside to score"),
        ("network", describe_networks(model)),
        ("settings", describe_settings(report.settings, report.candidates, report.metric)),
    ]
    curve = model.model_.loss_curve_
    losses = [loss_by_epoch(curve)] if len(curve) > 1 else []  # a linear model is solved, not trained by epochs
    read = (
        "Of each column some cells; what stands before an arrow is written in the table, and read as what stands after."
    )
    blocks = [
        ReportBlock("scores", "How good it is", facts=facts, commands=commands, notes=shown_notes),
        _mistakes_block(target, inspection),
        _importance_block(inspection),
        ReportBlock("training", "How it was trained", facts=training, figures=losses, table=type_table(model)),
        ReportBlock("reading", "How the columns were read", read, table=reading_table(report.readings)),
    ]
    about = "How good the model is on rows whose target is known, where it errs, and which columns matter."
    values = f"one of {len(inspection.classes)} classes" if inspection.classes else "a number"
    section = ReportSection("model", f"{target}, {values}", about, blocks)
    return report_page(Report(f"deltarule: {target}", [section], footer="Drawn by deltarule."))


def _mistakes_block(target: str, inspection: Inspection) -> ReportBlock:
    """The block with confusions and calibration, or with a regressor's predictions."""
    title = "Where it errs"
    figures = []
    if not inspection.classes:
        numbers = inspection.targets, inspection.answers
        figures += [chart(*numbers, target=target) for chart in (true_and_predicted_numbers, errors_by_prediction)]
        return ReportBlock("mistakes", title, figures=figures)
    if len(inspection.classes) <= MAX_COLUMNS:
        names = [label.name for label in inspection.classes]
        counts = metrics.confusion_matrix(inspection.targets, inspection.answers, labels=names)
        figures.append(confusion_matrix(counts, [shorten(name) for name in names]))
    if inspection.scores.area_under_roc is not None:
        positive = inspection.classes[1].name
        figures.append(roc_chart(inspection.targets == positive, inspection.probabilities, positive=shorten(positive)))
    groups = [(group.probability, group.share, (group.low, group.high)) for group in inspection.calibration]
    figures.append(calibration_curve(*zip(*groups, strict=True)))
    about = "Recall: the share of a class's rows that are found. Precision: the share of its answers that are right."
    return ReportBlock("mistakes", title, about, table=class_table(inspection), figures=figures)


def _importance_block(inspection: Inspection) -> ReportBlock:
    """The chart and table of what each column is worth, or why there are none."""
    title = "Feature importance"
    columns = inspection.importances
    if not columns:
        return ReportBlock("columns", title, "A single row, or rows that all have the same target, cannot show it.")
    numbers = importance_table(inspection)
    names, intervals = [row[0] for row in numbers.cells], [(column.low, column.high) for column in columns]
    score = "accuracy" if inspection.classes else "R²"
    chart = column_importances(names, [column.loss for column in columns], intervals, score=score)
    return ReportBlock("columns", title, importance_caveat(inspection), figures=[replace(chart, numbers=numbers)])


def importance_caveat(inspection: Inspection) -> str:
    """A caveat if the accuracy is too close to its baseline for importances."""
    if not inspection.classes or inspection.scores.low > inspection.scores.baseline:
        return ""
    return (
        "The accuracy is not surely above the baseline's. With so little to lose, an important column may lose nothing."
    )


def score_lines(scores: Scores, baseline_prediction: Any) -> list[tuple[str, str]]:
    rows = count_of(scores.rows, "row")
    if scores.metric == "accuracy":
        text = f"{_format_percent(scores.score)} ({100 * scores.low:.1f} to {100 * scores.high:.1f})"
        lines = [
            ("accuracy", f"{text} of {rows}"),
            ("baseline", f"{_format_percent(scores.baseline)}, always {shorten_repr(as_text(baseline_prediction))}"),
        ]
        if scores.log_loss is not None:
            constant = f"{scores.baseline_log_loss:.4f} for a constant prediction"
            lines.append(("log loss", f"{scores.log_loss:.4f}, {constant}"))
        if scores.confidence is not None:
            points = 100 * (scores.confidence - scores.score)
            difference = f"{abs(points):.1f} points {'above' if points > 0 else 'below'} the accuracy"
            lines.append(("mean probability", f"{_format_percent(scores.confidence)}, {difference}"))
        if scores.area_under_roc is not None:
            lines.append(("area under ROC", f"{scores.area_under_roc:.3f}, 0.5 by chance"))
        return lines
    score, baseline = format_score(scores.score, 3), format_score(scores.baseline, 3)
    interval = _format_interval(scores.low, scores.high, 3)
    return [
        ("R²", f"{score} ({interval or 'no interval'}) on {rows}"),
        ("baseline", f"{baseline}, always {format_quantity(baseline_prediction)}"),
        ("mean absolute error", format_quantity(scores.mean_absolute_error or 0.0)),
    ]


def score_line(scores: Scores, baseline_prediction: Any) -> str:
    """The score alone: the first of `score_lines`."""
    return "  ".join(score_lines(scores, baseline_prediction)[0])


def describe_networks(model: "TabularClassifier | TabularRegressor") -> str:
    """A text about the networks of a model, and how many there are."""
    members = model.model_.n_members
    if model.report_.kinds > 1:
        return f"linear models, small and deep networks, {members} together"
    hidden: Any = model.report_.settings["hidden_layer_sizes"]
    text = f"{count_of(len(hidden), 'hidden layer')} of {hidden[0]} units" if hidden else "linear, no hidden layer"
    return f"{text}, {members} such networks together" if members > 1 else text


def describe_settings(settings: Mapping[str, Any], candidates: int, metric: str) -> str:
    rate = f"learning rate {settings['learning_rate_init']:g}, " if "learning_rate_init" in settings else ""
    chosen = f"{rate}alpha {settings['alpha']:g}"
    return f"{chosen}, the best of {candidates} candidates by {metric}"


def type_table(model: "TabularClassifier | TabularRegressor", *, exceptions_only: bool = False) -> Table:
    """How each column is read, or only each that is read in another way than most."""
    columns = [TableColumn(name, is_text=True) for name in ("column", "kind", "why")]
    listed = [col for col in model.columns_ if not exceptions_only or col.code not in ("number", "category", "date")]
    rows = [(shorten(col.name), col.kind, col.why, len(col.inputs)) for col in listed]
    return table([*columns, TableColumn("inputs", is_text=False)], rows)


def reading_table(readings: Sequence[ColumnReading], width: int = MAX_SHOWN_CHARACTERS) -> Table:
    """How each column is read, with some of its cells.

    After an arrow stands what a cell is read as, if this differs from the cell.
    """

    def cell(pair: tuple[str, str]) -> str:
        raw, read = (text if len(text) <= width else f"{text[: width - 1]}…" for text in map(shorten, pair))
        return read if pair[0] == pair[1] else f"{raw} → {read}"

    names = ("column", "kind", "first", "smallest", "largest", "most frequent")
    rows = [
        (
            shorten(each.column)[:width],
            each.kind,
            *map(cell, (each.first, each.smallest, each.largest, each.most_frequent)),
        )
        for each in readings
    ]
    return table([TableColumn(name, is_text=True, min_width=9) for name in names], rows)


def class_table(inspection: Inspection) -> Table:
    """Rows, recall, precision and the most frequent confusion of each class."""
    confusions: dict[str, str] = {}
    for mistake in inspection.mistakes:  # the most frequent first
        confusions.setdefault(mistake.true, f"{shorten(mistake.answered)} ({mistake.rows:,})")
    recall, precision = (TableColumn(name, is_text=False, format=_format_percent) for name in ("recall", "precision"))
    name, taken_for = (TableColumn(name, is_text=True) for name in ("class", "most often taken for"))
    columns = [name, TableColumn("rows", format="{:,}".format), recall, precision, taken_for]
    rows = [
        (shorten(label.name), label.rows, label.recall, label.precision, confusions.get(label.name, ""))
        for label in inspection.classes
    ]
    return table(columns, rows)


def importance_table(inspection: Inspection) -> Table:
    """The score lost without each column, with its 95 % interval."""
    is_share = inspection.scores.metric == "accuracy"
    factor, digits = (100, 1) if is_share else (1, 3)
    rows = [
        (
            shorten(importance.column),
            format_score(factor * importance.loss, digits),
            _format_interval(factor * importance.low, factor * importance.high, digits),
        )
        for importance in inspection.importances
    ]
    return table(["column", "accuracy lost (points)" if is_share else "R² lost", "95 % interval"], rows)


def _format_interval(low: float, high: float, digits: int) -> str:
    return "" if math.isnan(low) else f"{format_score(low, digits)} to {format_score(high, digits)}"


def _format_percent(share: float | None) -> str:
    return "–" if share is None else percent(share, 1, "f")
