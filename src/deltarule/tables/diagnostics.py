"""Find differences between a table and the training data, and describe them.

Checks return `Diagnostic` objects; `render_diagnostics` turns them into sentences by one template for each code.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.errors import count_of
from deltarule.tables.cell_parsing import match_categories, shorten_repr
from deltarule.tables.column_encoder import (
    CATEGORY,
    MAX_FLOAT,
    NUMBER,
    Column,
    numbers_of_column,
    present_values,
    texts_of,
)
from deltarule.tables.frame import Frame

RELATIVE_ROUNDING = 1e-9
"""Tolerance of bounds, in widths of the training range: by rounding 0.7 + 0.6 is less than 1.3."""
MAX_SENTENCES, MAX_NAMES = 3, 5
"""Diagnostics of one code about more columns than the first number become one sentence, which names as many as the
second."""

NO_FEATURE = "without a feature of their own (rare, too many, or not in training)"
TEMPLATES = {
    "unknown-categories": (
        f"the column {{column}} has categories {NO_FEATURE} in {{rows}}: {{names}}",
        f"have categories {NO_FEATURE}",
    ),
    "out-of-range": (
        "the column {column} has numbers far outside the training range, {least} to {greatest}, in {rows}: such as "
        "{example}; they are clipped to {bound}",
        "have numbers far outside the training range; they are clipped",
    ),
    "newly-missing": (
        "the column {column} is missing in {missing} of {rows} but never was in training; imputed with the training "
        "median, {median}",
        "are missing in some rows but never were in training; imputed with the training medians",
    ),
    "unused": ("the column {column} is not used: {why}", "are not used: {reason}"),
    "leak": (
        "the column {column} alone predicts the target ({score} on held-out rows); is it known before the target is? "
        "If not, leave it out",
        "each predict the target alone (at least 99 % on held-out rows); are they known before the target is? If not, "
        "leave them out",
    ),
    "read-as-categories": (
        "the column {column} is read as categories: {why}",
        "are read as categories: {reason}",
    ),
    "target-missing": ("{missing} of {rows} have no value of {column} and are left out", ""),
    "target-counts": (
        "the {count} different whole numbers of {column} are taken for classes; if they are counts or amounts, say "
        "--task regress",
        "",
    ),
    "target-codes": (
        "the values of {column} are codes with leading zeros and are taken for classes; if they are amounts, say "
        "--task regress",
        "",
    ),
    "target-nearly-numbers": (
        "the classes of {column} are numbers, but for texts such as {examples}; if that is a slip, correct it",
        "",
    ),
}
"""For each code the sentence about one column, and what follows the names of several."""


@dataclass(frozen=True)
class Diagnostic:
    """A finding about a column, as a code and the values for its template.

    Diagnostics with the same code and `reason` may be merged into one sentence.
    """

    code: str
    column: str
    values: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


def render_diagnostics(diagnostics: Iterable[Diagnostic]) -> list[str]:
    """Convert diagnostics to sentences, grouped by code and reason.

    >>> render_diagnostics([Diagnostic("unused", "id", {"why": "an identifier"})])
    ["the column 'id' is not used: an identifier"]
    >>> render_diagnostics([Diagnostic("unused", name, reason="dates") for name in "abcdefg"])
    ["the 7 columns 'a', 'b', 'c', 'd', 'e' and 2 more are not used: dates"]
    """
    groups: dict[tuple[str, str], list[Diagnostic]] = {}
    for diagnostic in diagnostics:
        groups.setdefault((diagnostic.code, diagnostic.reason), []).append(diagnostic)
    return [sentence for (code, reason), group in groups.items() for sentence in _render_group(code, reason, group)]


def _render_group(code: str, reason: str, group: list[Diagnostic]) -> list[str]:
    """The sentences about diagnostics of one code and reason."""
    single, several = TEMPLATES[code]
    names = [shorten_repr(diagnostic.column) for diagnostic in group]
    if len(group) <= MAX_SENTENCES:
        return [single.format(column=name, **each.values) for name, each in zip(names, group, strict=True)]
    return [f"the {len(names):,} columns {_list_some(names)} {several.format(reason=reason)}"]


def _list_some(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def unknown_categories(columns: Sequence[Column], frame: Frame) -> list[Diagnostic]:
    """Find columns with categories that have no feature.

    >>> color = Column("color", "category", "texts", categories=("blue", "red"))
    >>> render_diagnostics(unknown_categories([color], {"color": np.array(["red", "green", "green"], object)}))
    ["the column 'color' has categories without a feature of their own (rare, too many, or not in training) in 2 rows: \
'green'"]
    """
    diagnostics = []
    for column in columns:
        if column.kind != CATEGORY or column.name not in frame:
            continue
        counts = Counter(match_categories(texts_of(frame[column.name]), column.categories))
        unknown = sorted(name for name in counts if name not in column.categories)
        if unknown:
            rows = count_of(sum(counts[name] for name in unknown), "row")
            names = _list_some([shorten_repr(name) if name else "missing" for name in unknown])
            diagnostics.append(Diagnostic("unknown-categories", column.name, {"rows": rows, "names": names}))
    return diagnostics


def unusual_numbers(columns: Sequence[Column], frame: Frame) -> list[Diagnostic]:
    """Find columns with numbers that are unusual compared to training.

    One number in n new rows may well exceed all n training rows by chance, so only more than that are reported.

    >>> size = Column("size", "number", "numbers", fill=2.0, least=1.0, greatest=3.0, rows=50)
    >>> render_diagnostics(unusual_numbers([size], {"size": np.array([2.0, 2000.0, 3.5])}))
    ["the column 'size' has numbers far outside the training range, 1 to 3, in 1 row: such as 2000; they are clipped \
to 5"]
    >>> render_diagnostics(unusual_numbers([size], {"size": np.array([2.0, np.nan])}))
    ["the column 'size' is missing in 1 of 2 rows but never was in training; imputed with the training median, 2"]
    """
    numbers = {
        column: numbers_of_column(column, frame) for column in columns if column.kind == NUMBER and column.name in frame
    }
    return [each for column, values in numbers.items() for each in _unusual_numbers_of(column, values)]


def _unusual_numbers_of(column: Column, values: np.ndarray) -> Iterator[Diagnostic]:
    """The diagnostics of the numbers [N] of one column."""
    (low, high), width = column.clip_range, column.greatest - column.least
    below, above = values < low - RELATIVE_ROUNDING * width, values > high + RELATIVE_ROUNDING * width
    outside = below | above
    count = int(outside.sum())
    if count * column.rows > len(present_values(values)):
        example = float(values[outside.argmax()])
        met = {"low": low} if below.any() else {}
        met |= {"high": high} if above.any() else {}
        numbers = {"least": column.least, "greatest": column.greatest, "example": example} | met
        texts = {name: _format_number(number, width or example - low) for name, number in numbers.items()}
        bound = " or ".join(texts[name] for name in met)
        yield Diagnostic("out-of-range", column.name, texts | {"rows": count_of(count, "row"), "bound": bound})
    missing = int(np.isnan(values).sum())
    if missing and not column.gaps:
        median = _format_number(column.fill, width)
        rows = count_of(len(values), "row")
        yield Diagnostic("newly-missing", column.name, {"missing": f"{missing:,}", "rows": rows, "median": median})


def _format_number(number: float, width: float) -> str:
    fine, size = (math.floor(math.log10(min(abs(value) or 1.0, MAX_FLOAT))) for value in (width or number, number))
    digits = max(5, size - fine + 2, size + 1 if size < 15 else 0)
    return f"{number:.{min(digits, 15)}g}"


SUSPICIOUS = ("nearly-numbers", "commas", "numeric-texts")
"""Codes of columns that may be numbers, but are read as texts."""
SURPRISING = (*SUSPICIOUS, "identifier", "unnamed", "date")
"""Codes of unused columns that may be meant to be used."""


def columns_of_kind(
    columns: Sequence[Column], kind: str, code: str, reasons: Collection[str] | None = None
) -> list[Diagnostic]:
    """Diagnostics with this code of the columns of a kind, or of those of some reasons."""
    return [
        Diagnostic(code, column.name, {"why": column.why}, reason=column.why)
        for column in columns
        if column.kind == kind and (reasons is None or column.code in reasons)
    ]
