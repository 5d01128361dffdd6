"""Infer the types of a table's columns: numbers, categories, or unused, each with the reason."""

import re
from collections.abc import Mapping

import numpy as np

from deltarule.errors import BadInput
from deltarule.tables.cell_diagnosis import describe_first_text, diagnose_texts
from deltarule.tables.cell_parsing import is_number, list_names, shorten_repr
from deltarule.tables.column_encoder import (
    CATEGORY,
    KINDS,
    MAX_STANDARDIZED,
    MIN_CATEGORY_LIMIT,
    NUMBER,
    UNUSED,
    Column,
    numbers_of_column,
    present_values,
    too_large_error,
)
from deltarule.tables.csv_reader import WITHOUT_NAME
from deltarule.tables.frame import Frame, row_numbers_of

MIN_IDENTIFIER_ROWS = 20
"""In fewer rows, numbers may well differ by chance."""
IDENTIFIER_NAMES = {"id", "index", "key", "no", "nr", "number", "row", "rownames", "uuid"}
IDENTIFIED_NOUNS = (
    "account|case|client|customer|employee|invoice|member|order|passenger|patient|person|product|record|student|user"
)
IDENTIFIER_PATTERN = re.compile(
    rf".*[\W_](?i:id)|.*[a-z0-9]I[dD]|(?i:id)[\W_].*|(?i:(.*[\W_])?({IDENTIFIED_NOUNS})[\W_]?(id|no|nr|number))"
)
"""Names such as customer_id, user-id, CustomerID, userId, ID_customer, customerid, order_no."""
UNNAMED = re.compile(rf"{WITHOUT_NAME}(\.\d+)?")


def infer_column_types(frame: Frame, types: Mapping[str, str] | None = None) -> dict[str, tuple[str, str]]:
    """Infer the (type, reason) of each column, by name; declared `types`, by name, override inferred ones.

    Parameters: `frame`; `types`, declared types that override inferred ones, by name.
    Errors: `BadInput` for an unknown column or type, or if all columns are unused.

    >>> infer_column_types({"size": np.array([1.5, 2.0]), "shape": np.array(["round", "round"], object)})
    {'size': ('number', 'numbers'), 'shape': ('unused', 'the same in every row')}
    """
    types = types or {}
    for name, kind in types.items():
        if name not in frame:
            raise BadInput(
                f"there is no column {shorten_repr(name)} to be a {kind}; there are: {list_names(list(frame))}"
            )
        if kind not in KINDS:
            raise BadInput(f"the column {shorten_repr(name)} cannot be {kind!r}; choose one of {', '.join(KINDS)}")
        if kind == NUMBER and (text := describe_first_text(frame[name], row_numbers=row_numbers_of(frame))):
            raise BadInput(f"the column {shorten_repr(name)} cannot be numbers: it holds {text}")
    rows = row_numbers_of(frame)
    inferred = {
        name: (types[name], "as told") if name in types else _infer_type(name, frame[name], rows) for name in frame
    }
    if all(kind == UNUSED for kind, _ in inferred.values()):
        reasons = "; ".join(f"{shorten_repr(name)}: {why}" for name, (_, why) in list(inferred.items())[:5])
        raise BadInput(f"no column is left to learn from ({reasons}); say of one what it is, or add columns")
    return inferred


def reject_extreme_numbers(frame: Frame, types: Mapping[str, tuple[str, str]]) -> None:
    """Raise `BadInput` for a number beyond 1e100 interquartile ranges of its column.

    The mean and the scale of the column would depend on that number alone. `types` are column types with reasons, by
    name.

    >>> reject_extreme_numbers({"size": np.array([1.0, 2.0, 2.0, 3.0, 1e300])}, {"size": ("number", "numbers")})
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: the column 'size' holds 1e+300 in row 4 (counted from 0), too large a number beside the \
others, which are around 2; correct it
    """
    for name, (kind, why) in types.items():
        if kind != NUMBER:
            continue
        values = numbers_of_column(Column(name, kind, why), frame)
        present = present_values(values)
        if len(present):
            low, median, high = np.quantile(present, [0.25, 0.5, 0.75], method="nearest")
            with np.errstate(over="ignore"):
                # If most values are equal the width is 0, and their size takes its place.
                width = (high - low) or max(1.0, abs(median))
                far = np.abs(values) / MAX_STANDARDIZED > width
                far &= np.abs(values) > 1  # up to 1 a number does no harm beside tiny ones
            if far.any():
                raise too_large_error(name, values, int(far.argmax()), median, frame)


def _infer_type(name: str, column: np.ndarray, row_numbers: np.ndarray) -> tuple[str, str]:
    """The type of a column [N] with its reason; `row_numbers` [N] are those in the whole table."""
    present = present_values(column)
    if not len(present):
        return UNUSED, "missing in every row"
    distinct = len(set(present.tolist()))
    if distinct == 1 and len(present) == len(column):
        return UNUSED, "the same in every row"
    if column.dtype.kind == "O":
        return _infer_text_type(column, distinct, row_numbers)
    if UNNAMED.fullmatch(name) and (present == np.floor(present)).all():
        if any((column == row_numbers + first).all() for first in (0, 1)):
            return UNUSED, "the rows' identifier, which counts them"  # programs write it; no warning is needed
        return UNUSED, "an identifier: whole numbers in a column without a name"
    if _is_identifier(name, present, distinct, row_numbers):
        return UNUSED, f"an identifier: another whole number in {'' if distinct == len(column) else 'nearly '}every row"
    return NUMBER, "numbers"


def _infer_text_type(column: np.ndarray, distinct: int, row_numbers: np.ndarray) -> tuple[str, str]:
    """The type of a column of texts [N], of which `distinct` are different, with its reason."""
    diagnosis = diagnose_texts(column, row_numbers) or _diagnose_numeric_texts(column)
    is_identifier = distinct == len(column) >= MIN_IDENTIFIER_ROWS
    limit = MIN_CATEGORY_LIMIT if diagnosis == "dates" else max(len(present_values(column)) / 2, MIN_CATEGORY_LIMIT)
    if distinct <= limit and not is_identifier:
        return CATEGORY, f"texts, {distinct} different" + (f", that look like {diagnosis}" if diagnosis else "")
    if diagnosis == "dates":
        return UNUSED, "values that look like dates, which are not read; make numbers of what counts, such as the month"
    if diagnosis:
        return UNUSED, f"texts that look like {diagnosis}"
    if is_identifier:
        return UNUSED, "an identifier: another text in every row"
    return UNUSED, "free text: most rows have a text of their own"


def _diagnose_numeric_texts(column: np.ndarray) -> str:
    """A phrase for texts that are all numbers, some with a point; "" for others: whole numbers may be codes."""
    texts = present_values(column).tolist()
    if not all(map(is_number, texts)) or not any("." in text for text in texts):
        return ""
    return "numbers, all of them; make numbers of them"


def _is_identifier(name: str, present: np.ndarray, distinct: int, row_numbers: np.ndarray) -> bool:
    """Whether a column with `present` numbers, `distinct` different ones, identifies or counts the rows."""
    # An identifier may be missing, or occur twice, in 5 % of the rows.
    if distinct < max(0.95 * len(row_numbers), MIN_IDENTIFIER_ROWS) or (present != np.floor(present)).any():
        return False
    span = present.max() - present.min()
    # If rows were dropped a count of rows has gaps; then it must be monotonic.
    is_monotonic = bool((np.diff(present) > 0).all() or (np.diff(present) < 0).all())
    counts_rows = span < len(row_numbers) or (is_monotonic and span <= row_numbers.max() - row_numbers.min())
    return bool(counts_rows) or name.lower() in IDENTIFIER_NAMES or IDENTIFIER_PATTERN.fullmatch(name) is not None
