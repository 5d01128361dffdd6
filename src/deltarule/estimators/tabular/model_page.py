"""Write the HTML page about a tabular model: its scores, confusions, column importances and training."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from deltarule.estimators.tabular.evaluation import Calibration, Inspection
from deltarule.estimators.tabular.formatting import (
    class_table,
    describe_network,
    describe_settings,
    importance_caveat,
    importance_table,
    score_lines,
)
from deltarule.reports.cell_figures import MAX_COLUMNS
from deltarule.reports.formatting import format_probability
from deltarule.reports.model_figures import (
    calibration_curve,
    column_importances,
    loss_by_epoch,
    true_and_predicted_numbers,
)
from deltarule.reports.report import Block, Report, Section, report_page
from deltarule.reports.score_figures import confusion_matrix
from deltarule.reports.svg_embed import EmbeddedFigures
from deltarule.stats.intervals import share_interval
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
    """The HTML page about a model and its evaluation, a single file without external resources.

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
    """A phrase for what is predicted: one of some classes, or a number."""
    return f"one of {len(inspection.classes)} classes" if inspection.classes else "a number"


def _scores_block(
    model: "TabularClassifier | TabularRegressor", inspection: Inspection, commands: Sequence[str], notes: Sequence[str]
) -> Block:
    """The block with the scores, the commands and the notes."""
    facts = [("target", shorten(model.target_)), *score_lines(inspection.scores, model.usual_)]
    return Block("scores", "How good it is", facts=facts, commands=commands, notes=[f"{note}." for note in notes])


def _mistakes_block(model: "TabularClassifier | TabularRegressor", inspection: Inspection) -> Block:
    """The block with confusions and calibration, or with targets and predictions of a regressor."""
    parts = EmbeddedFigures("mistakes")
    if not inspection.classes:
        # Axes around larger numbers would overflow.
        if not max(np.abs(inspection.targets).max(), np.abs(inspection.answers).max()) < 1e300:
            return Block("mistakes", "Where it errs", "Targets or answers are too large to be drawn, or not finite.")
        parts.add(true_and_predicted_numbers(inspection.targets, inspection.answers, target=shorten(model.target_)))
        return Block("mistakes", "Where it errs", figures=parts.all)
    if len(inspection.classes) <= MAX_COLUMNS:
        parts.add(confusion_matrix(_confusion_counts(inspection), [shorten(one.name) for one in inspection.classes]))
    groups = _merge_equal_groups(inspection.calibration)
    intervals = [(group.low, group.high) for group in groups]
    parts.add(calibration_curve([group.probability for group in groups], [group.share for group in groups], intervals))
    about = "Recall: the share of a class's rows that are found. Precision: the share of its answers that are right."
    if len(inspection.classes) > MAX_COLUMNS:
        about += f" Of more than {MAX_COLUMNS} classes no figure shows which is taken for which; the last column does."
    return Block("mistakes", "Where it errs", about, table=class_table(inspection), figures=parts.all)


def _merge_equal_groups(groups: Sequence[Calibration]) -> list[Calibration]:
    """Merge neighboring groups of predictions whose probabilities are displayed as the same text."""
    merged = []
    for _, equal_groups in groupby(groups, lambda group: format_probability(group.probability)):
        sums = [(group.rows, group.rows * group.probability, group.rows * group.share) for group in equal_groups]
        rows, probabilities, correct = np.array(sums).T
        count, hits = round(rows.sum()), round(correct.sum())
        merged.append(Calibration(count, probabilities.sum() / count, hits / count, *share_interval(hits, count)))
    return merged


def _confusion_counts(inspection: Inspection) -> np.ndarray:
    """The confusion matrix [C, C]: numbers of rows by true and by predicted class."""
    index_of = {one.name: index for index, one in enumerate(inspection.classes)}
    true = [index_of[target] for target in inspection.targets]
    predicted = [index_of[prediction] for prediction in inspection.answers]
    counts = np.zeros((len(index_of), len(index_of)), int)
    np.add.at(counts, (true, predicted), 1)
    return counts


def _importance_block(inspection: Inspection) -> Block:
    """The block with the permutation importance of each column."""
    title = "Feature importance"
    if not inspection.importances:
        why = "Of a single row, of rows with one and the same target, and of answers far beyond it, it cannot be said."
        return Block("columns", title, why)
    parts, cells = EmbeddedFigures("columns"), importance_table(inspection)
    losses, intervals = (
        [importance.loss for importance in inspection.importances],
        [(importance.low, importance.high) for importance in inspection.importances],
    )
    score = "accuracy" if inspection.classes else "R²"
    parts.add(column_importances([row[0] for row in cells[1:]], losses, intervals, score=score), cells)
    return Block("columns", title, importance_caveat(inspection), figures=parts.all)


def _training_block(model: "TabularClassifier | TabularRegressor") -> Block:
    """The block with the training: rows, network, hyperparameters, loss curve and the types of all columns."""
    report, parts = model.report_, EmbeddedFigures("training")
    parts.add(loss_by_epoch(model.model_.loss_curve_))
    facts = [
        ("rows", f"{report.rows:,}, of which {report.validation_rows:,} were set aside to score"),
        ("network", f"{describe_network(report.settings)}, {model.model_.n_members} such networks together"),
        ("settings", describe_settings(report.settings, report.candidates)),
    ]
    table = [["column", "kind", "why"], *([shorten(one.name), one.kind, one.why] for one in model.columns_)]
    return Block("training", "How it was trained", facts=facts, figures=parts.all, table=table)
