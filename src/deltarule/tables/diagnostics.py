"""What is worth saying about the columns of a table: what training has not seen, what has no input, what is not used.

N rows
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from deltarule.errors import count_of
from deltarule.tables.category_matching import as_named
from deltarule.tables.cell_parsing import shorten_repr
from deltarule.tables.column_encoder import (
    CATEGORY,
    MOST,
    NUMBER,
    UNUSED,
    Column,
    numbers_of_column,
    present_in,
    texts_of,
)
from deltarule.tables.frame import Frame, rows_of

ROUNDING = 1e-9
"""Of the width of a column: so near to a bound 1.3 is on it, though 0.7 + 0.6 is less."""
WITHOUT_INPUT = "without an input of their own (rare, too many, or not there in training)"
MAX_ALIKE, MAX_NAMED = 3, 5
"""What is to be said alike of more columns than the first is one sentence, which names so many as the second."""


def unknown_categories(columns: Sequence[Column], frame: Frame) -> list[str]:
    """A sentence for each column with categories that have no input.

    >>> color = Column("color", "category", "texts", categories=("blue", "red"))
    >>> unknown_categories([color], {"color": np.array(["red", "green", "green"], object)})
    ["the column 'color' has in 2 rows categories without an input of their own (rare, too many, or not there in \
training): 'green'"]
    """
    found: dict[str, str] = {}
    for column in columns:
        if column.kind != CATEGORY or column.name not in frame:
            continue
        counts = Counter(as_named(texts_of(frame[column.name]), column.categories))
        unknown = [name for name in counts if name not in column.categories]
        if unknown:
            rows = sum(counts[name] for name in unknown)
            names = ", ".join(shorten_repr(name) if name else "missing" for name in sorted(unknown)[:5])
            more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
            found[column.name] = (
                f"the column {shorten_repr(column.name)} has in {count_of(rows, 'row')} categories {WITHOUT_INPUT}: "
                f"{names}{more}"
            )
    return told_together(found, f"have categories {WITHOUT_INPUT}")


def unusual_numbers(columns: Sequence[Column], frame: Frame) -> list[str]:
    """Sentences for the columns with numbers far outside of those of training, or missing ones where none was missing.

    A number like no other of n is no news among n more: it is where of N more there are more than N / n.

    >>> size = Column("size", "number", "numbers", fill=2.0, least=1.0, greatest=3.0, rows=50, reach=1)
    >>> unusual_numbers([size], {"size": np.array([2.0, 2000.0, 3.5])})
    ["the column 'size' has numbers in 1 row far outside of training's, which went from 1 to 3: such as 2000; they \
count as 5"]
    >>> unusual_numbers([size], {"size": np.array([2.0, np.nan])})
    ["the column 'size' is missing in 1 of 2 rows, in training never; its median there, 2, stands in"]
    """
    others: dict[str, str] = {}
    outside: dict[str, str] = {}
    missing: dict[str, str] = {}
    for column in columns:
        if column.kind != NUMBER or column.name not in frame:
            continue
        values, name = numbers_of_column(column, frame), f"the column {shorten_repr(column.name)}"
        (low, high), width = column.clip_range, column.greatest - column.least
        rounding = ROUNDING * width
        below, above = values < low - rounding, values > high + rounding
        far = below | above
        if (count := int(far.sum())) * column.rows > len(present_in(values)):
            such = float(values[far.argmax()])
            if low == high:
                always, other = (_short(number, such - low) for number in (low, such))
                others[column.name] = (
                    f"{name} was always {always} in training, and has others in {count_of(count, 'row')}, such as "
                    f"{other}, which count as {always}"
                )
            else:
                ends = [_short(end, width) for end, met in ((low, below), (high, above)) if met.any()]
                outside[column.name] = (
                    f"{name} has numbers in {count_of(count, 'row')} far outside of training's, which went from "
                    f"{_short(column.least, width)} to {_short(column.greatest, width)}: such as "
                    f"{_short(such, width)}; they count as {' or '.join(ends)}"
                )
        if not column.gaps and (count := int(np.isnan(values).sum())):
            missing[column.name] = (
                f"{name} is missing in {count:,} of {count_of(len(values), 'row')}, in training never; its median "
                f"there, {_short(column.fill, width)}, stands in"
            )
    return [
        *told_together(
            outside,
            "have numbers far outside of training's; they count as the farthest that the model takes",
        ),
        *told_together(others, "had one number each in training, and have others, which count as that one"),
        *told_together(missing, "are missing in some rows, in training never; their medians there stand in"),
    ]


def _short(number: float, width: float) -> str:
    """A number in five digits; in up to 15 where it has them before the point, or numbers so far apart need them."""
    fine, size = (math.floor(math.log10(min(abs(one) or 1.0, MOST))) for one in (width or number, number))
    digits = max(5, size - fine + 2, size + 1 if size < 15 else 0)
    return f"{number:.{min(digits, 15)}g}"


def without_input(columns: Sequence[Column], frame: Frame) -> list[str]:
    """A sentence for each column of which many rows have a category without an input, of the rows learned from.

    >>> color = Column("color", "category", "texts", categories=("blue",))
    >>> without_input([color], {"color": np.array(["blue", "red", "green"], object)})
    ["67 % of the rows have a 'color' without an input of its own, of which there are 2: rare ones, or too many"]
    """
    found: dict[str, str] = {}
    for column in columns:
        if column.kind == CATEGORY:
            counts = Counter(texts_of(frame[column.name]))
            others = [count for name, count in counts.items() if name not in column.categories]
            share = sum(others) / max(rows_of(frame), 1)
            # It is worth a note where so many rows have categories without an input.
            if share >= 0.1:
                found[column.name] = (
                    f"{100 * share:.0f} % of the rows have a {shorten_repr(column.name)} without an input of its "
                    f"own, of which there are {len(others):,}: rare ones, or too many"
                )
    return told_together(found, "have categories without an input of their own in many rows: rare ones, or too many")


def unused_told(columns: Sequence[Column]) -> dict[str, str]:
    """Sentences for the columns that are not used, each with the reason, but for the cell that spoils numbers.

    >>> unused_told([Column("id", "unused", "an identifier")])
    {"the column 'id' is not used: an identifier": 'an identifier'}
    """
    reasons: dict[str, dict[str, str]] = {}
    for column in columns:
        if column.kind == UNUSED:
            text = f"the column {shorten_repr(column.name)} is not used: {column.why}"
            reasons.setdefault(column.why.partition(", but for ")[0], {})[column.name] = text
    return {
        sentence: why for why, found in reasons.items() for sentence in told_together(found, f"are not used: {why}")
    }


def told_together(found: Mapping[str, str], of_many: str) -> list[str]:
    """The sentences about columns, by their names; of more than three it is one, which goes on with `of_many`.

    >>> told_together({name: f"{name} is odd" for name in "abcdefg"}, "are odd")
    ["the 7 columns 'a', 'b', 'c', 'd', 'e' and 2 more are odd"]
    """
    if len(found) <= MAX_ALIKE:
        return list(found.values())
    names = ", ".join(shorten_repr(name) for name in list(found)[:MAX_NAMED])
    more = f" and {len(found) - MAX_NAMED:,} more" if len(found) > MAX_NAMED else ""
    return [f"the {len(found):,} columns {names}{more} {of_many}"]
