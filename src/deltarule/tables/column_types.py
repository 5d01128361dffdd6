"""Infer the types of a table's columns."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deltarule.errors import BadInput
from deltarule.tables.cell_texts import (
    are_codes,
    as_text,
    examples_of_texts,
    is_identifier_name,
    list_names,
    match_categories,
    shorten,
    shorten_repr,
)
from deltarule.tables.column_encoder import (
    CATEGORY,
    KINDS,
    MIN_CATEGORY_LIMIT,
    NUMBER,
    UNUSED,
    Column,
    first_non_number,
    present_values,
    texts_of,
    words_of,
)
from deltarule.tables.dates import (
    MIXED,
    OPEN,
    ORDERS,
    PARTS,
    TEXT_PART,
    are_date_numbers,
    are_dates,
    date_order,
    date_parts,
    parse_dates,
    resolve_order,
)
from deltarule.tables.diagnostics import SUSPICIOUS
from deltarule.tables.frame import Frame
from deltarule.tables.number_forms import LOSSLESS_LIMIT, has_number_form, is_number, parse_numbers

ColumnType = str | Sequence[Any]
"""A kind of column, or the order of its levels."""
MIN_IDENTIFIER_ROWS = 20
"""In fewer rows, numbers may well differ by chance."""
ORDERED_NAMES = re.compile(
    r"(?i)(.*[\W_])?(year|yr|month|week|day|hour|minute|second|time|date|period|quarter|season|epoch|age|dose|depth|"
    r"distance|temperature|angle|wavelength|frequency|x|t)s?([\W_].*)?"
)
"""Names of whole numbers that have an order, so that they are no identifiers though all differ."""
EARLIEST_YEAR, LATEST_YEAR = 1500, 2200
UNNAMED = re.compile(r"Unnamed: \d+(\.\d+)?")
"""pandas' name for a column without one, such as the first one in which pandas and R write the row numbers."""

REASONS = {
    "declared": "as declared",
    "empty": "missing in every row",
    "constant": "the same in every row",
    "number": "numbers",
    "row-numbers": "the rows' numbers: whole numbers in a column without a name",
    "identifier": "an identifier: another {value} in {nearly}every row",
    "category": "texts, {distinct} different",
    "codes": "codes, {distinct} different",
    "date": "dates, {distinct} different",
    "text-among-dates": "texts among dates",
    "nearly-numbers": "numbers, but for texts such as {examples}; correct or empty such cells; "
    "one that means missing is named by --missing, in Python missing=",
    "mixed-forms": "numbers in several forms, such as {examples}; write all in one form",
    "mixed-dates": "dates that begin with the day in some rows and with the month in others; write all in one order",
    "commas": "numbers with a comma, such as {examples}; give --decimal , if it is the decimal point of the file",
    "numeric-texts": "texts that are all numbers; convert them, or say that it is a number",
    "text": "free text: most rows have a text of their own; declared as text, its words are inputs",
}
"""For each code the reason that a user sees."""


def infer_column_types(
    frame: Frame, types: Mapping[str, ColumnType] | None = None, dates: str | None = None
) -> dict[str, Column]:
    """Infer the type of each column, by name, unless it is declared; `dates` is the order where dates leave it open."""
    types = types or {}
    if dates not in (None, *ORDERS):
        raise BadInput(f"dates is {dates!r}; choose one of {', '.join(ORDERS)}")
    _check_declared(types, frame)
    columns = [_infer_column(name, cells, types) for name, cells in frame.items()]
    dated = _with_orders([column for column in columns if column.code == "date"], frame, dates)
    parts = {column.name: _date_columns(column, frame, types) for column in dated}
    inferred = {part.name: part for column in columns for part in parts.get(column.name, [column])}
    if all(column.kind == UNUSED for column in inferred.values()):
        reasons = "; ".join(f"{shorten_repr(name)}: {column.why}" for name, column in list(inferred.items())[:5])
        raise BadInput(f"no column is left to learn from ({reasons}); say of one what it is, or add columns")
    return inferred


def _check_declared(types: Mapping[str, ColumnType], frame: Frame) -> None:
    """Refuse types of columns that a frame lacks, and unknown types."""
    for name, kind in types.items():
        if name not in frame and not _is_part(name, frame):
            raise BadInput(f"there is no column {shorten_repr(name)} to be a {kind}; there are: {list_names([*frame])}")
        if kind not in KINDS and not levels_of(kind):
            known = ", ".join(KINDS)
            raise BadInput(f"the column {shorten_repr(name)} cannot be {kind!r}; choose one of {known}, or an order")


def _infer_column(name: str, cells: np.ndarray, types: Mapping[str, ColumnType]) -> Column:
    """Prefer the declared type to the inferred one and refuse a column of numbers that holds a cell that is none."""
    if name in types:
        column = _declared_column(name, types[name], cells)
    else:
        column = Column(name, *_infer_type(name, cells))
    holds_numbers = column.kind == NUMBER and column.code != "date" and not column.levels
    if holds_numbers and (value := first_non_number(cells)):
        raise BadInput(f"the column {shorten_repr(name)} cannot be numbers: it holds {value}; replace it")
    return column


def levels_of(kind: ColumnType) -> tuple[str, ...]:
    """The levels of a column that is declared by their order, as "low < high" or a sequence; else ()."""
    if isinstance(kind, str):
        kind = kind.split(" < " if " < " in kind else "<")
    levels = tuple(as_text(level).strip() for level in kind)
    return levels if 1 < len(levels) == len({*levels} - {""}) else ()


def _declared_column(name: str, kind: ColumnType, cells: np.ndarray) -> Column:
    """Refuse cells that the declared levels lack."""
    levels = levels_of(kind)
    if not levels:
        return Column(name, *_type(str(kind), "declared"))
    order = " < ".join(map(shorten, levels))
    if unknown := sorted({*match_categories(texts_of(present_values(cells)), levels)} - {*levels}):
        raise BadInput(f"the column {shorten_repr(name)} holds {shorten_repr(unknown[0])}, which {order} lacks; add it")
    return Column(name, NUMBER, f"in the order {order}", "declared", levels=levels)


def _with_orders(columns: list[Column], frame: Frame, dates: str | None) -> Iterator[Column]:
    """Columns of dates with the order in which each is read: its own, else the declared one, or that of the others."""
    texts = {column.name: texts_of(frame[column.name]) for column in columns}
    shown = {name: date_order(cells) for name, cells in texts.items()}
    orders = {*shown.values()} & {*ORDERS}
    open_order = dates or (orders.pop() if len(orders) == 1 else None)
    for column in columns:
        declared = open_order if shown[column.name] == OPEN else None
        yield replace(column, order=resolve_order(shorten_repr(column.name), texts[column.name], declared))


def _is_part(name: str, frame: Frame) -> bool:
    source, _, part = name.rpartition(": ")
    return source in frame and part in (*PARTS, TEXT_PART)


def _date_columns(column: Column, frame: Frame, types: Mapping[str, ColumnType]) -> list[Column]:
    """A column for each part of dates that is not the same in all rows, and one for texts among them, as never."""
    texts = texts_of(frame[column.name])
    parts = date_parts(tuple(texts), column.order)
    varying = [part for part, values in parts.items() if len(set(present_values(values).tolist())) > 1]
    known = parse_dates(texts, column.order)
    if sum(text != "" and text not in known for text in texts) > 1:
        varying.append(TEXT_PART)
    columns = []
    for part in varying:
        name = f"{column.name}: {part}"
        declared = types.get(name) if name not in frame else None
        name = f"{name} (date)" if name in frame else name
        part_column = replace(column, name=name, source=column.name, part=part)
        if declared or part == TEXT_PART:
            kind, why, code = _type(str(declared or CATEGORY), "declared" if declared else "text-among-dates")
            part_column = replace(part_column, kind=kind, why=why, code=code)
        columns.append(part_column)
    return columns or [Column(column.name, *_type(UNUSED, "empty"))]


def _type(kind: str, code: str, **values: object) -> tuple[str, str, str]:
    return kind, REASONS[code].format(**values), code


def reason(code: str, texts: Sequence[str]) -> str:
    """What texts of a code are, with examples and advice."""
    return REASONS[code].format(examples=examples_of_texts(texts), distinct=len({*texts}))


def _infer_type(name: str, column: np.ndarray) -> tuple[str, str, str]:
    """Give the kind, the reason and its code; empty, constant and identifying columns are unused."""
    present = present_values(column)
    if not len(present):
        return _type(UNUSED, "empty")
    distinct = len(set(present.tolist()))
    if distinct == 1 and len(present) == len(column):
        return _type(UNUSED, "constant")
    if column.dtype.kind == "O":
        return _infer_text_type(present.tolist(), distinct, len(column))
    if UNNAMED.fullmatch(name) and (present == np.floor(present)).all():
        return _type(UNUSED, "row-numbers")
    if not is_identifier_name(name) and are_date_numbers(present):
        return _type(NUMBER, "date", distinct=distinct)
    if _is_identifier(name, present, distinct, len(column)):
        nearly = "" if distinct == len(column) else "nearly "
        return _type(UNUSED, "identifier", value="whole number", nearly=nearly)
    return _type(NUMBER, "number")


def _infer_text_type(texts: list[str], distinct: int, rows: int) -> tuple[str, str, str]:
    """Choose between date, category and unused by the number of distinct texts and what they look like."""
    code = text_code(texts)
    is_identifier = distinct == rows >= MIN_IDENTIFIER_ROWS
    if code == "date":
        return _type(NUMBER, code, distinct=distinct)
    limit = max(len(texts) / 2, MIN_CATEGORY_LIMIT)
    examples = examples_of_texts(texts)
    if distinct <= limit and not is_identifier:
        return _type(CATEGORY, code, distinct=distinct, examples=examples)
    if code in SUSPICIOUS:
        return _type(UNUSED, code, distinct=distinct, examples=examples)
    if is_identifier and sum(len(words_of(text)) > 2 for text in texts) <= rows / 2:
        return _type(UNUSED, "identifier", value="text", nearly="")
    return _type(UNUSED, "text")


def text_code(texts: list[str]) -> str:
    """The code for what the texts of a column are."""
    if are_codes(texts):
        return "codes"
    present = [text for text in texts if text]
    if len(present) / 2 < sum(map(has_number_form, present)) < len(present):
        return "nearly-numbers"
    if all(map(is_number, texts)):
        if any("." in text for text in texts):
            return "numeric-texts"
        # Other whole numbers that a data frame holds as texts may be codes.
        are_days = all(len(text) == 8 for text in present) and are_date_numbers(np.array(present, np.float64))
        return "date" if are_days else "category"
    if parse_numbers(texts):
        return "numeric-texts"
    if parse_numbers(texts, decimal=","):
        return "commas"
    if all(map(has_number_form, texts)):
        return "mixed-forms"
    if not are_dates(present):
        return "category"
    return "mixed-dates" if date_order(present) == MIXED else "date"


def _is_identifier(name: str, present: np.ndarray, distinct: int, rows: int) -> bool:
    """Take distinct whole numbers for codes by name, size or a span below the row count, but for years and orders."""
    # An identifier may be missing, or occur twice, in 5 % of the rows.
    if distinct < max(0.95 * rows, MIN_IDENTIFIER_ROWS) or (present != np.floor(present)).any():
        return False
    if is_identifier_name(name) or np.abs(present).max() >= LOSSLESS_LIMIT:
        return True
    are_years = EARLIEST_YEAR <= present.min() and present.max() <= LATEST_YEAR
    has_order = are_years or ORDERED_NAMES.fullmatch(name) is not None
    return not has_order and bool(present.max() - present.min() < rows)
