"""Find differences between a table and the training data, and describe them.

Checks return `Diagnostic` objects; `render_diagnostics` turns them into sentences by one template for each code.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.errors import count_of
from deltarule.tables.cell_texts import is_identifier_name, list_names, match_categories, shorten, shorten_repr
from deltarule.tables.column_encoder import (
    CATEGORY,
    NUMBER,
    Column,
    category_texts,
    numbers_and_form,
    numbers_of_column,
    present_values,
    texts_of,
)
from deltarule.tables.dates import FIRST_YEAR, LAST_YEAR, parse_dates
from deltarule.tables.frame import Frame, count_rows

MAX_SENTENCES, MAX_NAMES = 3, 5
"""Of more diagnostics of one code than the first number only one has a sentence, which names as many other columns as
the second."""

MIN_ORDERED_DATES = 20
"""Fewer dates may be in order by chance, or be those of a few occasions."""

TEMPLATES = {
    "unknown-categories": (
        "the column {column} has categories without a feature of their own (rare, too many, or not in training) in "
        "{rows}: {names}"
    ),
    "out-of-range": (
        "the column {column} has numbers far outside the training range, {least} to {greatest}, in {rows}: such as "
        "{example}; they are clipped to {low} to {high}"
    ),
    "newly-missing": (
        "the column {column} is missing in {missing} of {rows} but never was in training; imputed with the training "
        "median, {median}"
    ),
    "unused": "the column {column} is not used: {why}",
    "leak": "the column {column} alone predicts the target ({score} on held-out rows); leave it out if known later",
    "leak-of-several": "the columns {names} together predict the target ({score} on held-out rows); leave out what is "
    "known later",
    "read-as-categories": "the column {column} is read as categories: {why}",
    "number-form": "the texts of the column {column} are read as numbers: {example} as {number}",
    "thousands": "the numbers of the column {column}, such as {example}, may have thousands; if so, say --thousands .",
    "points-between-thousands": "the points in the column {column} are taken for marks between thousands: {example} is "
    "read as {number}; say --thousands . if so, or --decimal . if they are decimal points",
    "missing-text": "texts such as {example} in the column of numbers {column} are taken for missing values",
    "missing-code": "{share} of the column {column} are {code}, far from all others; if it means missing, say "
    "--missing {name}={code}, in Python missing=",
    "repeating-identifier": "{column} repeats, {times:.3g} times on average; --group {name}, in Python groups=, asks "
    "how the model does on new ones",
    "in-order-of-time": "the rows are in the order of {column}; --time {name}, in Python time=, asks how the model "
    "does on later ones",
    "class-like-missing": "{name} is taken for a class of {column}; leave the cells empty where it is missing",
    "written-otherwise": "the column {column} had its numbers in {unit} in training and has no unit now; they are "
    "taken for {unit}",
    "far-dates": "the column {column} has dates such as {example} in {rows}, which are taken for missing",
    "date-numbers": "the numbers of the column {column} are read as dates: {example} as {date}; if they are none, "
    "say --type {name}=number, in Python types=",
    "target-missing": "{missing} of {rows} have no value of {column} and are left out",
    "target-counts": "the {count} whole numbers of {column} are taken for classes; if these are counts: --task regress",
    "target-may-be-classes": "the {count} whole numbers of {column} are taken for a quantity; if they are names of "
    "classes: --task classify",
    "target-case": "the classes {examples} of {column} differ only in upper and lower case; correct it if this is "
    "a mistake",
    "target-like-numbers": "the values of {column} are taken for classes, but are {why}",
}
"""The sentence about a column for each code."""


@dataclass(frozen=True)
class Diagnostic:
    """A finding about a column, as a code and the values for its template."""

    code: str
    column: str
    values: Mapping[str, Any] = field(default_factory=dict)


def render_diagnostics(diagnostics: Iterable[Diagnostic]) -> list[str]:
    """Convert diagnostics to sentences, grouped by code and reason."""
    groups: dict[tuple[str, str], list[Diagnostic]] = {}
    for diagnostic in diagnostics:
        groups.setdefault((diagnostic.code, diagnostic.values.get("why", "")), []).append(diagnostic)
    sentences = []
    for (code, _), group in groups.items():
        names = [shorten_repr(diagnostic.column) for diagnostic in group]
        texts = [TEMPLATES[code].format(column=name, **each.values) for name, each in zip(names, group, strict=True)]
        if len(texts) > MAX_SENTENCES:
            texts = [f"{texts[0]}; likewise {list_names(names[1:], MAX_NAMES)}"]
        sentences += texts
    return sentences


def unknown_categories(columns: Sequence[Column], frame: Frame) -> Iterator[Diagnostic]:
    """Find columns with categories that have no feature."""
    for column in columns:
        if not (column.kind == CATEGORY or column.levels) or column.origin not in frame:
            continue
        known = column.levels or column.categories
        counts = Counter(match_categories(category_texts(column, frame), known))
        unknown = sorted(name for name in counts if name not in known and (name or not column.levels))
        if unknown:
            rows = count_of(sum(counts[name] for name in unknown), "row")
            names = list_names([shorten_repr(name) if name else "missing" for name in unknown], MAX_NAMES)
            yield Diagnostic("unknown-categories", column.name, {"rows": rows, "names": names})


def unusual_numbers(columns: Sequence[Column], frame: Frame) -> Iterator[Diagnostic]:
    """Find columns with numbers that are unusual compared to training.

    One number in n new rows may well exceed all n training rows by chance, so only more than that are reported.
    """
    for column in columns:
        if column.kind != NUMBER or column.origin not in frame:
            continue
        values, (low, high) = numbers_of_column(column, frame), column.clip_range
        form = numbers_and_form(column, frame)[1]
        if column.form and column.form.unit and form and not form.unit:
            yield Diagnostic("written-otherwise", column.name, {"unit": column.form.unit})
        is_outside = (values < low) | (values > high)
        is_missing = np.isnan(values)
        count = int(is_outside.sum())
        if count * column.rows > len(values) - is_missing.sum():
            numbers = {"least": column.least, "greatest": column.greatest, "low": low, "high": high}
            numbers["example"] = values[is_outside.argmax()]
            texts = {name: f"{number:.10g}" for name, number in numbers.items()}
            yield Diagnostic("out-of-range", column.name, texts | {"rows": count_of(count, "row")})
        if is_missing.any() and not column.gaps:
            texts = {"missing": f"{is_missing.sum():,}", "rows": count_of(len(values), "row")}
            texts["median"] = shorten(column.levels[int(column.fill)]) if column.levels else f"{column.fill:.10g}"
            yield Diagnostic("newly-missing", column.name, texts)


USUAL_CODE = re.compile(r"-?(9{2,}|8{2,}|7{2,})|-[1789]")
MIN_CODE_ROWS, MIN_CODE_SHARE = 5, 0.005
MAX_CODES = 3


def missing_codes(columns: Sequence[Column], frame: Frame) -> Iterator[Diagnostic]:
    """Find numbers that may stand for missing values: frequent, and alone at an end, far from the others.

    A usual code, such as -999, is far at half the range of the others, any other number at twice that range.
    """
    for column in columns:
        if column.kind != NUMBER or column.part or column.levels:
            continue
        values, counts = np.unique(present_values(numbers_of_column(column, frame)), return_counts=True)
        total = counts.sum()
        for _ in range(MAX_CODES):
            found = [
                end
                for end, others in ((0, values[1:]), (-1, values[:-1]))
                if len(others) >= MIN_CODE_ROWS and counts[end] >= max(MIN_CODE_ROWS, MIN_CODE_SHARE * total)
                if abs(values[end] - others[end]) >= _code_distance(values[end]) * np.ptp(others)
            ]
            if not found:
                break
            code, share = f"{values[found[0]]:.10g}", f"{100 * counts[found[0]] / total:.2g} %"
            texts = {"code": code, "share": share, "name": shorten(column.name)}
            yield Diagnostic("missing-code", column.name, texts)
            values, counts = np.delete(values, found[0]), np.delete(counts, found[0])


def _code_distance(value: float) -> float:
    return 0.2 if USUAL_CODE.fullmatch(f"{value:.10g}") else 2.0


def suggested_divisions(columns: Sequence[Column], frame: Frame) -> Iterator[Diagnostic]:
    """Find columns by whose groups, or in whose order of time, rows may have to be divided."""
    rows = count_rows(frame)
    for column in columns:
        if column.part != "days" and (column.part or not is_identifier_name(column.name)):
            continue
        distinct = len({*texts_of(frame[column.origin])} - {""})
        texts = {"name": shorten(column.origin), "times": rows / max(distinct, 1)}
        if column.part == "days":
            days = present_values(numbers_of_column(column, frame))
            if distinct >= MIN_ORDERED_DATES and (np.diff(days) >= 0).all():
                yield Diagnostic("in-order-of-time", column.source, texts)
        elif not column.part and 3 <= distinct <= rows / 2:
            yield Diagnostic("repeating-identifier", column.name, texts)


def far_dates(columns: Sequence[Column], frame: Frame) -> Iterator[Diagnostic]:
    """Find columns with dates of years that mean no end or unknown, such as 9999-12-31."""
    for column in {column.source: column for column in columns if column.part}.values():
        texts = texts_of(frame.get(column.source, np.zeros(0)))
        dates = parse_dates(texts, column.order)
        far = {text for text, date in dates.items() if not FIRST_YEAR <= date.year <= LAST_YEAR}
        if far:
            rows = count_of(sum(text in far for text in texts), "row")
            yield Diagnostic("far-dates", column.source, {"example": min(far), "rows": rows})


def date_numbers(columns: Sequence[Column], frame: Frame) -> Iterator[Diagnostic]:
    """Find columns of numbers that are read as dates."""
    for column in {column.source: column for column in columns if column.part}.values():
        values = frame[column.source]
        if values.dtype.kind != "O":
            example = next(text for text in texts_of(values) if text)
            date = str(parse_dates([example], column.order)[example])[:16].removesuffix(" 00:00")
            yield Diagnostic("date-numbers", column.source, {"example": example, "date": date, "name": column.source})


SUSPICIOUS = ("nearly-numbers", "mixed-forms", "mixed-dates", "commas", "numeric-texts")
"""Codes of columns that may be numbers, but are read as texts."""
SURPRISING = (*SUSPICIOUS, "identifier")
"""Codes of unused columns that may be meant to be used."""


def columns_of_kind(
    columns: Sequence[Column], kind: str, code: str, reasons: Collection[str] | None = None
) -> list[Diagnostic]:
    return [
        Diagnostic(code, column.name, {"why": column.why})
        for column in columns
        if column.kind == kind and (reasons is None or column.code in reasons)
    ]
