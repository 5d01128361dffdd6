"""What the columns of a table are: numbers, categories, or not to be used, and why."""

import re
from collections.abc import Mapping

import numpy as np

from deltarule.errors import BadInput
from deltarule.tables.cell_diagnosis import diagnose_texts, first_text
from deltarule.tables.cell_parsing import is_number, list_names, shorten_repr
from deltarule.tables.column_encoder import (
    CATEGORY,
    FARTHEST,
    FEW_CATEGORIES,
    KINDS,
    NUMBER,
    UNUSED,
    Column,
    numbers_of_column,
    present_in,
    too_large,
)
from deltarule.tables.csv_reader import WITHOUT_NAME
from deltarule.tables.frame import Frame, numbers_of_rows

MIN_IDENTIFIER_ROWS = 20
"""In fewer rows, numbers may well differ by chance."""


IDENTIFIERS = {"id", "index", "key", "no", "nr", "number", "row", "rownames", "uuid"}


COUNTED = (
    "account|case|client|customer|employee|invoice|member|order|passenger|patient|person|product|record|student|user"
)


NAME_OF_IDENTIFIER = re.compile(
    rf".*[\W_](?i:id)|.*[a-z0-9]I[dD]|(?i:id)[\W_].*|(?i:(.*[\W_])?({COUNTED})[\W_]?(id|no|nr|number))"
)
"""customer_id, user-id, CustomerID, userId, ID_customer, customerid, order_no."""


NAMELESS = re.compile(rf"{WITHOUT_NAME}(\.\d+)?")


def infer_kinds(frame: Frame, types: Mapping[str, str] | None = None) -> dict[str, tuple[str, str]]:
    """The kind of each column, and why it is that.

    Parameters: `frame`; `types`, kinds that somebody knows better, by name.
    Errors: `BadInput` for a name or a kind that there is not, or when no column is left.

    >>> infer_kinds({"size": np.array([1.5, 2.0]), "shape": np.array(["round", "round"], object)})
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
        if kind == NUMBER and (text := first_text(frame[name], rows=numbers_of_rows(frame))):
            raise BadInput(f"the column {shorten_repr(name)} cannot be numbers: it holds {text}")
    rows = numbers_of_rows(frame)
    kinds = {name: (types[name], "as told") if name in types else _guess(name, frame[name], rows) for name in frame}
    if all(kind == UNUSED for kind, _ in kinds.values()):
        reasons = "; ".join(f"{shorten_repr(name)}: {why}" for name, (_, why) in list(kinds.items())[:5])
        raise BadInput(f"no column is left to learn from ({reasons}); say of one what it is, or add columns")
    return kinds


def check_together(frame: Frame, kinds: Mapping[str, tuple[str, str]]) -> None:
    """Refuse a number that is too large beside the others of its column, judged by their quartiles: `BadInput`.

    What is learned of a column would be of that number alone.

    >>> check_together({"size": np.array([1.0, 2.0, 2.0, 3.0, 1e300])}, {"size": ("number", "numbers")})
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: the column 'size' holds 1e+300 in row 4 (counted from 0), too large a number beside the \
others, which are around 2; correct it
    """
    for name, (kind, why) in kinds.items():
        if kind != NUMBER:
            continue
        values = numbers_of_column(Column(name, kind, why), frame)
        present = present_in(values)
        if len(present):
            low, middle, high = np.quantile(present, [0.25, 0.5, 0.75], method="nearest")
            with np.errstate(over="ignore"):
                # Where most are the same there is no width, and how large they are tells what is large beside them.
                width = (high - low) or max(1.0, abs(middle))
                far = np.abs(values) / FARTHEST > width
                far &= np.abs(values) > 1  # which is beside the least of numbers nothing that harms
            if far.any():
                raise too_large(name, values, int(far.argmax()), middle, frame)


def _guess(name: str, column: np.ndarray, rows: np.ndarray) -> tuple[str, str]:
    present = present_in(column)
    if not len(present):
        return UNUSED, "missing in every row"
    distinct = len(set(present.tolist()))
    if distinct == 1 and len(present) == len(column):
        return UNUSED, "the same in every row"
    if column.dtype.kind == "O":
        return _guess_of_texts(column, distinct, rows)
    if NAMELESS.fullmatch(name) and (present == np.floor(present)).all():
        if any((column == rows + first).all() for first in (0, 1)):
            return UNUSED, "the rows' identifier, which counts them"  # as programs write it: nothing to warn of
        return UNUSED, "an identifier: whole numbers in a column without a name"
    if _is_identifier(name, present, distinct, rows):
        return UNUSED, f"an identifier: another whole number in {'' if distinct == len(column) else 'nearly '}every row"
    return NUMBER, "numbers"


def _guess_of_texts(column: np.ndarray, distinct: int, rows: np.ndarray) -> tuple[str, str]:
    looks, is_identifier = (
        diagnose_texts(column, rows) or _looks(column),
        distinct == len(column) >= MIN_IDENTIFIER_ROWS,
    )
    most = FEW_CATEGORIES if looks == "dates" else max(len(present_in(column)) / 2, FEW_CATEGORIES)
    if distinct <= most and not is_identifier:
        return CATEGORY, f"texts, {distinct} different" + (f", that look like {looks}" if looks else "")
    if looks == "dates":
        return UNUSED, "values that look like dates, which are not read; make numbers of what counts, such as the month"
    if looks:
        return UNUSED, f"texts that look like {looks}"
    if is_identifier:
        return UNUSED, "an identifier: another text in every row"
    return UNUSED, "free text: most rows have a text of their own"


def _looks(column: np.ndarray) -> str:
    """Texts that all are numbers are what they seem if they have a point: those without may be codes."""
    texts = present_in(column).tolist()
    if not all(map(is_number, texts)) or not any("." in text for text in texts):
        return ""
    return "numbers, all of them; make numbers of them"


def _is_identifier(name: str, present: np.ndarray, distinct: int, rows: np.ndarray) -> bool:
    # So many rows have another of an identifier's numbers: in a few it may be missing, or there twice.
    if distinct < max(0.95 * len(rows), MIN_IDENTIFIER_ROWS) or (present != np.floor(present)).any():
        return False
    span = present.max() - present.min()
    # Where rows were passed over the count has holes, and is one only if it goes on with them: other numbers would do.
    goes_on = bool((np.diff(present) > 0).all() or (np.diff(present) < 0).all())
    counts_rows = span < len(rows) or (goes_on and span <= rows.max() - rows.min())
    return bool(counts_rows) or name.lower() in IDENTIFIERS or NAME_OF_IDENTIFIER.fullmatch(name) is not None
