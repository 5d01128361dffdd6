"""What a user is told of a fit to a table: warnings while it runs, and the notes of its report.

N rows · D inputs of the network
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from deltarule.estimators.mlp.fit_context import warn_user
from deltarule.estimators.tabular.scores import Scores, baseline_warnings, describe_wide_range
from deltarule.problem.problem import Floats, Integers
from deltarule.tables.column_encoder import CATEGORY, NUMBER, UNUSED, Column, fit_columns, inputs_by_column
from deltarule.tables.diagnostics import (
    SURPRISING,
    SUSPICIOUS,
    columns_of_kind,
    date_numbers,
    far_dates,
    missing_codes,
    render_diagnostics,
    suggested_divisions,
    unusual_numbers,
)
from deltarule.tables.frame import Frame, select_rows
from deltarule.tables.leaks import find_leaks
from deltarule.tables.near_copies import find_near_copies, find_shared_values


def score_warnings(
    columns: Sequence[Column],
    frame: Frame,
    y: Any,
    train: Integers,
    held_out: Integers,
    scores: Scores,
    predictions: Any,
) -> list[str]:
    """Warnings of scores that are no better than the baseline.

    They say what is unusual in the rows set aside.
    """
    warnings = baseline_warnings(scores, y[held_out], predictions)
    if warnings:
        of_training = fit_columns(select_rows(frame, train), columns)
        unusual = render_diagnostics(unusual_numbers(of_training, select_rows(frame, held_out)))
        warnings += [f"in the rows set aside {sentence}" for sentence in unusual]
    return warnings


def shared_row_warnings(
    columns: Sequence[Column], plain: Floats, y: Any, train: Integers, held_out: Integers, *, is_classes: bool
) -> list[str]:
    """Warnings of rows, or of values, that rows set aside share with those trained on."""
    columns = [replace(column, knots=()) for column in columns]
    is_number = [column.kind == NUMBER for column in columns for _ in column.inputs]
    divided = y, train, held_out, is_classes
    copies = find_near_copies(plain[:, is_number], *divided)
    return copies or find_shared_values(inputs_by_column(columns, plain), *divided)


def collect_notes(
    columns: Sequence[Column],
    frame: Frame,
    y: Any,
    warnings: list[str],
    score: float,
    *,
    is_divided: bool,
    is_classes: bool,
) -> list[str]:
    """All notes of a fit with a score.

    Suspicious and surprising notes are warnings as well.
    """
    misread = render_diagnostics(columns_of_kind(columns, CATEGORY, "read-as-categories", SUSPICIOUS))
    found = [*missing_codes(columns, frame), *far_dates(columns, frame), *date_numbers(columns, frame)]
    if not is_divided:
        found += suggested_divisions(columns, frame)
    identifiers = {each.column for each in found if each.code == "repeating-identifier"}
    leaks = find_leaks(frame, columns, y, is_classes, score)
    found += [leak for leak in leaks if leak.column not in identifiers]
    suspicious = warnings + render_diagnostics(found) + misread
    for sentence in suspicious + render_diagnostics(columns_of_kind(columns, UNUSED, "unused", SURPRISING)):
        warn_user(sentence)
    others = render_diagnostics(columns_of_kind(columns, UNUSED, "unused"))
    wide_range = [] if is_classes else describe_wide_range(y)
    return [*suspicious, *wide_range, *others]
