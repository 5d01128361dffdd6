"""Show how the columns of a table are read: some of their cells, as they are written and as they are read.

N rows
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.tables.column_encoder import NUMBER, Column, numbers_and_form, texts_of
from deltarule.tables.dates import parse_dates
from deltarule.tables.frame import Frame


@dataclass(frozen=True)
class ColumnReading:
    """How a column is read.

    kind  the column's type: number, category, text, date or unused

    The other fields are pairs of a cell and what it is read as: the first, the smallest, the largest and the most
    frequent one that is not missing. Of texts the smallest is the first in the order of letters.
    """

    column: str
    kind: str
    first: tuple[str, str] = ("", "")
    smallest: tuple[str, str] = ("", "")
    largest: tuple[str, str] = ("", "")
    most_frequent: tuple[str, str] = ("", "")


def column_readings(columns: Sequence[Column], frame: Frame) -> Iterator[ColumnReading]:
    """How each column of a table is read, once for the parts of dates."""
    first_parts: dict[str, Column] = {}
    for column in columns:
        first_parts.setdefault(column.origin, column)
    for column in first_parts.values():
        kind = "date" if column.part else column.kind
        values = _read_values(column, frame)
        rows = _shown_rows(values)
        if rows is None:
            yield ColumnReading(column.origin, kind)
            continue
        written = getattr(frame, "written", {}).get(column.origin, frame[column.origin])
        raw = texts_of(np.asarray(written, object)[rows] if written.dtype.kind == "O" else written[rows])
        read = [_as_read(value) for value in values[rows].tolist()]
        yield ColumnReading(column.origin, kind, *zip(raw, read, strict=True))


def _read_values(column: Column, frame: Frame) -> np.ndarray:
    """The values of a column [N] as they are read: numbers, dates or texts."""
    if column.part:
        texts = texts_of(frame[column.origin])
        dates = parse_dates(texts, column.order)
        return np.array([dates.get(text, "NaT") for text in texts], "M8[s]")
    return numbers_and_form(column, frame)[0] if column.kind == NUMBER else frame[column.origin]


def _shown_rows(values: np.ndarray) -> list[int] | None:
    """The indices of the first, the smallest, the largest and the most frequent value; None if all are missing."""
    if values.dtype.kind == "O":
        count_of = Counter(values.tolist())
        del count_of[""]
        if not count_of:
            return None
        texts = [next(iter(count_of)), min(count_of), max(count_of), count_of.most_common(1)[0][0]]
        index_of = {text: index for index, text in reversed([*enumerate(values.tolist())])}
        return [index_of[text] for text in texts]
    present = np.flatnonzero(~np.isnan(values))
    if not len(present):
        return None
    _, indices, counts = np.unique(values[present], return_index=True, return_counts=True)
    shown = present[[0, indices[0], indices[-1], indices[counts.argmax()]]]
    return [int(row) for row in shown]


def _as_read(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value).removesuffix(" 00:00:00")
