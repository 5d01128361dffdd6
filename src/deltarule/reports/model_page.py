"""Write the HTML page about a tabular model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sklearn import metrics

from deltarule.estimators.tabular.evaluation import Inspection
from deltarule.reports.cell_figures import MAX_COLUMNS
from deltarule.reports.model_figures import (
    calibration_curve,
    column_importances,
    confusion_matrix,
    loss_by_epoch,
    true_and_predicted_numbers,
)
from deltarule.reports.model_scores import (
    class_table,
    describe_network,
    describe_settings,
    importance_caveat,
    importance_table,
    score_lines,
)
from deltarule.reports.report import Block, Report, Section, report_page
from deltarule.reports.svg_embed import EmbeddedFigures
from deltarule.reports.table import table
from deltarule.tables.cell_parsing import shorten

if TYPE_CHECKING:
    from deltarule.estimators.tabular.classifier import TabularClassifier
    from deltarule.estimators.tabular.regressor import TabularRegressor


def model_page(
    model: "TabularClassifier | TabularRegressor",
    inspection: Inspection,
    commands: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> str:
    """The HTML page about a model and its evaluation, as a single file.

    Parameters
    ----------
    model : TabularClassifier or TabularRegressor
        A fitted model.
    inspection : Inspection
        The result of its `inspect`.
    commands : sequence of str
        Commands that write the page again.
    notes : sequence of str
        Further sentences, without periods.

    >>> import numpy as np
    >>> from deltarule import TabularRegressor
    >>> size = np.linspace(0, 1, 60)
    >>> model = TabularRegressor(random_state=0).fit({"size": size}, 3 * size)
    >>> page = model_page(model, model.inspect({"size": size}, 3 * size))
    >>> "Feature importance" in page
    True
    """
    blocks = [
        _scores_block(model, inspection, commands, notes),
        _mistakes_block(model, inspection),
        _importance_block(inspection),
        _training_block(model),
    ]
    about = "How good the model is on rows whose target is known, where it errs, and which columns matter."
    target = shorten(model.target_)
    section = Section("model", f"{target}, {_describe_target(inspection)}", about, blocks)
    return report_page(Report(f"deltarule: {target}", [section], footer="Drawn by deltarule."))


def _describe_target(inspection: Inspection) -> str:
    return f"one of {len(inspection.classes)} classes" if inspection.classes else "a number"


def _scores_block(
    model: "TabularClassifier | TabularRegressor", inspection: Inspection, commands: Sequence[str], notes: Sequence[str]
) -> Block:
    facts = [("target", shorten(model.target_)), *score_lines(inspection.scores, model.usual_)]
    return Block("scores", "How good it is", facts=facts, commands=commands, notes=[f"{note}." for note in notes])


def _mistakes_block(model: "TabularClassifier | TabularRegressor", inspection: Inspection) -> Block:
    """The block with confusions and calibration, or with a regressor's predictions."""
    parts = EmbeddedFigures("mistakes")
    if not inspection.classes:
        parts.add(true_and_predicted_numbers(inspection.targets, inspection.answers, target=shorten(model.target_)))
        return Block("mistakes", "Where it errs", figures=parts.all)
    if len(inspection.classes) <= MAX_COLUMNS:
        names = [one.name for one in inspection.classes]
        counts = metrics.confusion_matrix(inspection.targets, inspection.answers, labels=names)
        parts.add(confusion_matrix(counts, [shorten(name) for name in names]))
    groups = inspection.calibration
    intervals = [(group.low, group.high) for group in groups]
    parts.add(calibration_curve([group.probability for group in groups], [group.share for group in groups], intervals))
    about = "Recall: the share of a class's rows that are found. Precision: the share of its answers that are right."
    if len(inspection.classes) > MAX_COLUMNS:
        about += f" Of more than {MAX_COLUMNS} classes no figure shows which is taken for which; the last column does."
    headings, *rows = class_table(inspection)
    return Block("mistakes", "Where it errs", about, table=table(headings, rows), figures=parts.all)


def _importance_block(inspection: Inspection) -> Block:
    """The block with the permutation importance of each column."""
    title = "Feature importance"
    if not inspection.importances:
        return Block("columns", title, "A single row, or rows that all have the same target, cannot show it.")
    parts, (headings, *rows) = EmbeddedFigures("columns"), importance_table(inspection)
    losses, intervals = (
        [importance.loss for importance in inspection.importances],
        [(importance.low, importance.high) for importance in inspection.importances],
    )
    score = "accuracy" if inspection.classes else "R²"
    parts.add(column_importances([row[0] for row in rows], losses, intervals, score=score), table(headings, rows))
    return Block("columns", title, importance_caveat(inspection), figures=parts.all)


def _training_block(model: "TabularClassifier | TabularRegressor") -> Block:
    """The block about the training, with hyperparameters, losses and column types."""
    report, parts = model.report_, EmbeddedFigures("training")
    parts.add(loss_by_epoch(model.model_.loss_curve_))
    facts = [
        ("rows", f"{report.rows:,}, of which {report.validation_rows:,} were set aside to score"),
        ("network", f"{describe_network(report.settings)}, {model.model_.n_members} such networks together"),
        ("settings", describe_settings(report.settings, report.candidates)),
    ]
    types = table(["column", "kind", "why"], [[shorten(one.name), one.kind, one.why] for one in model.columns_])
    return Block("training", "How it was trained", facts=facts, figures=parts.all, table=types)
