"""A model for tables as a page: how good it is, where it errs, what its answers hang on, how it was trained."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from deltarule.estimators.tabular.evaluation import Calibration, Inspection
from deltarule.estimators.tabular.formatting import (
    class_rows,
    describe_network,
    describe_settings,
    importance_rows,
    little_to_lose,
    score_lines,
)
from deltarule.reports.cell_figures import MAX_COLUMNS
from deltarule.reports.formatting import format_probability
from deltarule.reports.model_figures import (
    calibration_curve,
    column_importances,
    loss_by_epoch,
    true_and_answered,
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
    found: Inspection,
    commands: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> str:
    """What was found of a model, as HTML: one file that needs nothing else, and opens anywhere.

    Parameters
    ----------
    model : a fitted `TabularClassifier` or `TabularRegressor`.
    found : what its `inspect` found of some rows.
    commands : that draw the page again.
    notes : sentences worth knowing.

    >>> from deltarule import TabularRegressor
    >>> size = np.linspace(0, 1, 60)
    >>> model = TabularRegressor(random_state=0).fit({"size": size}, 3 * size)
    >>> page = model_page(model, model.inspect({"size": size}, 3 * size))
    >>> "What its answers hang on" in page
    True
    """
    blocks = [_scores(model, found, commands, notes), _mistakes(model, found), _worth(found), _training_block(model)]
    about = "How good the model is on rows whose target is known, where it errs, and what its answers hang on."
    target = shorten(model.target_)
    section = Section("model", f"{target}, {_kind(found)}", about, blocks)
    return report_page(Report(f"deltarule: {target}", [section], footer="Drawn by deltarule."))


def _kind(found: Inspection) -> str:
    return f"one of {len(found.classes)} classes" if found.classes else "a number"


def _scores(
    model: "TabularClassifier | TabularRegressor", found: Inspection, commands: Sequence[str], notes: Sequence[str]
) -> Block:
    facts = [("target", shorten(model.target_)), *score_lines(found.scores, model.usual_)]
    return Block("scores", "How good it is", facts=facts, commands=commands, notes=[f"{note}." for note in notes])


def _mistakes(model: "TabularClassifier | TabularRegressor", found: Inspection) -> Block:
    parts = EmbeddedFigures("mistakes")
    if not found.classes:
        # Axes around larger numbers would overflow.
        if not max(np.abs(found.targets).max(), np.abs(found.answers).max()) < 1e300:
            return Block("mistakes", "Where it errs", "Targets or answers are too large to be drawn, or not finite.")
        parts.add(true_and_answered(found.targets, found.answers, target=shorten(model.target_)))
        return Block("mistakes", "Where it errs", figures=parts.all)
    if len(found.classes) <= MAX_COLUMNS:
        parts.add(confusion_matrix(_counts(found), [shorten(one.name) for one in found.classes]))
    groups = _merge_equal_groups(found.calibration)
    intervals = [(group.low, group.high) for group in groups]
    parts.add(calibration_curve([group.probability for group in groups], [group.share for group in groups], intervals))
    about = "Recall: the share of a class's rows that are found. Precision: the share of its answers that are right."
    if len(found.classes) > MAX_COLUMNS:
        about += f" Of more than {MAX_COLUMNS} classes no figure shows which is taken for which; the last column does."
    return Block("mistakes", "Where it errs", about, table=class_rows(found), figures=parts.all)


def _merge_equal_groups(groups: Sequence[Calibration]) -> list[Calibration]:
    """Groups of answers, those as one of which the same probability is told."""
    texts = []
    for _, alike in groupby(groups, lambda one: format_probability(one.probability)):
        rows, said, right = np.array([(one.rows, one.rows * one.probability, one.rows * one.share) for one in alike]).T
        of, hits = round(rows.sum()), round(right.sum())
        texts.append(Calibration(of, said.sum() / of, hits / of, *share_interval(hits, of)))
    return texts


def _counts(found: Inspection) -> np.ndarray:
    """How many rows of each class were put into which [C, C]."""
    places = {one.name: index for index, one in enumerate(found.classes)}
    counts = np.zeros((len(places), len(places)), int)
    np.add.at(counts, ([places[target] for target in found.targets], [places[answer] for answer in found.answers]), 1)
    return counts


def _worth(found: Inspection) -> Block:
    title = "What its answers hang on"
    if not found.importances:
        why = "Of a single row, of rows with one and the same target, and of answers far beyond it, it cannot be said."
        return Block("columns", title, why)
    parts, told = EmbeddedFigures("columns"), importance_rows(found)
    losses, intervals = (
        [importance.loss for importance in found.importances],
        [(importance.low, importance.high) for importance in found.importances],
    )
    score = "accuracy" if found.classes else "R²"
    parts.add(column_importances([row[0] for row in told[1:]], losses, intervals, score=score), told)
    return Block("columns", title, little_to_lose(found), figures=parts.all)


def _training_block(model: "TabularClassifier | TabularRegressor") -> Block:
    report, parts = model.report_, EmbeddedFigures("training")
    parts.add(loss_by_epoch(model.model_.loss_curve_))
    facts = [
        ("rows", f"{report.rows:,}, of which {report.validation_rows:,} were set aside to score"),
        ("network", f"{describe_network(report.settings)}, {model.model_.n_members} such networks together"),
        ("settings", describe_settings(report.settings, report.candidates)),
    ]
    table = [["column", "kind", "why"], *([shorten(one.name), one.kind, one.why] for one in model.columns_)]
    return Block("training", "How it was trained", facts=facts, figures=parts.all, table=table)
