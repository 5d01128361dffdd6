"""What the cells of a table say: numbers, names, or that nothing is known.

N rows.    A column is numbers [N], NaN where one is missing, or texts [N], "" where one is missing.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

from deltarule.errors import BadInput, one_line

MISSING = frozenset({"", "?", "-", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "none"})
"""Cells that say that nothing is known."""
PERHAPS_CLASSES = frozenset({"-", "none"})
"""Of these, what may be the name of a class: pandas takes it for a text, too."""
EXACT = 2**53
"""From here on several whole numbers are one float64."""
WHOLE = re.compile(r"[+-]?\d+")
WHOLE_AS_WRITTEN = re.compile(r"-?(0|[1-9]\d*)(\.0+)?")
"""A whole number as programs write it; those that have gaps in the column write 1.0."""
MAX_SHOWN_CHARACTERS = 200
"""Letters of a text that are shown; of a longer one the beginning and the end, for names may differ in either."""


class Unclear(str):
    """A cell such as 1.616 where the point may mean thousands, as the commas of other columns say; it is no number."""


def shorten(text: str) -> str:
    r"""A text in one line, of one that is very long the beginning and the end.

    >>> print(shorten("it's\nred"))
    it's\nred
    """
    return one_line(_cut_middle(text))


def shorten_repr(text: str) -> str:
    r"""The same in quotes, as Python has them.

    >>> print(shorten_repr("it's\nred"))
    "it's\nred"
    """
    text = _cut_middle(text).replace("\\", r"\\")
    quote = '"' if "'" in text and '"' not in text else "'"
    return one_line(quote + text.replace(quote, f"\\{quote}") + quote)


def list_names(names: Sequence[str]) -> str:
    """Names for an error message: the first ten."""
    return ", ".join(map(shorten, names[:10])) + (f" … ({len(names)} in all)" if len(names) > 10 else "")


def _cut_middle(text: str) -> str:
    return (
        text
        if len(text) <= MAX_SHOWN_CHARACTERS
        else f"{text[: MAX_SHOWN_CHARACTERS // 2]} … {text[3 - MAX_SHOWN_CHARACTERS // 2 :]}"
    )


def number_of(text: str) -> float:
    """A cell as a number; `ValueError` for a text, also for codes such as 1_2, which Python would read as 12.

    >>> number_of(" 1e3")
    1000.0
    """
    if "_" in text or isinstance(text, Unclear):
        raise ValueError
    return float(text)


def is_number(text: str) -> bool:
    """Whether a cell is a number.

    >>> is_number("1e3"), is_number("1,5")
    (True, False)
    """
    try:
        number_of(text)
    except ValueError:
        return False
    return True


def is_missing(value: Any) -> bool:
    """Whether a value says that nothing is known: None, NaN, pandas' NA and NaT, and what NumPy has masked.

    >>> is_missing(None), is_missing(float("nan")), is_missing(0)
    (True, True, False)
    """
    if value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return not isinstance(value, np.ndarray) and bool(value != value)


def is_plain_number(value: Any) -> bool:
    """Whether a value is a number, or missing; a truth value is none.

    >>> is_plain_number(2.5), is_plain_number(None), is_plain_number(True), is_plain_number("2.5")
    (True, True, False, False)
    """
    return is_missing(value) or (isinstance(value, Real | Decimal) and type(value) not in (bool, np.bool_))


def is_whole(value: Any) -> bool:
    """Whether a number is a whole one by its type, or a decimal one without a fraction.

    >>> is_whole(2), is_whole(Decimal("2.00")), is_whole(Decimal("0.5")), is_whole(2.0)
    (True, True, False, False)
    """
    if isinstance(value, Decimal):
        return value.is_finite() and value == value.to_integral_value()
    return isinstance(value, Integral)


def array_of(values: Any) -> np.ndarray:
    """Values as an array in which each stays what it is: in lists, beside gaps, and below masks, where it is none.

    >>> array_of([True, None]), array_of(np.ma.array([1, 2], mask=[True, False]))
    (array([True, None], dtype=object), array([None, 2], dtype=object))
    """
    if isinstance(values, np.ma.MaskedArray):
        if values.dtype.kind == "f":
            return values.filled(np.nan)
        present = values.data.astype(values.dtype if values.dtype.kind in "mM" else object)
        present[np.ma.getmaskarray(values)] = None
        return present
    if isinstance(values, list | tuple):
        return _array_of_list(values)
    array = np.asarray(values)
    is_of_numpy = isinstance(getattr(values, "dtype", array.dtype), np.dtype)
    if array.dtype == np.float64 and not is_of_numpy and (np.abs(array) >= EXACT).any():
        return np.asarray(values, object)  # of pandas: whole numbers beside gaps have become others
    return array


def _array_of_list(values: Sequence[Any]) -> np.ndarray:
    kinds = set(map(type, values))
    has_array = kinds <= {int, float, np.int64, np.float64}
    if has_array or any(issubclass(kind, np.datetime64 | np.timedelta64) for kind in kinds):
        array = np.asarray(values)
        if kinds <= {float, np.float64} or array.dtype.kind != "f" or not (np.abs(array) >= EXACT).any():
            return array
    try:
        return np.array(values, object)
    except ValueError:  # arrays of several shapes, which an element more leaves on one axis
        return np.array([*values, None], object)[:-1]


def check_single(what: str, values: np.ndarray) -> None:
    """Refuse values [N] of which one is several: `BadInput`."""
    if values.dtype.kind != "O":
        return
    several = {kind for kind in set(map(type, values)) if issubclass(kind, list | tuple | np.ndarray)}
    for row, value in enumerate(values if several else ()):
        if type(value) in several and value is not np.ma.masked:
            raise BadInput(
                f"{what} holds {shorten_repr(str(value))} in row {row} (counted from 0); give a number or a text there"
            )


def are_plain(values: np.ndarray) -> bool:
    """Whether values [N] are all plain numbers, or missing; one of each type tells.

    >>> are_plain(np.array([1, None, 2.5], object)), are_plain(np.array([1, True], object))
    (True, False)
    """
    return all(map(is_plain_number, dict(zip(map(type, values), values, strict=True)).values()))


def to_float64_by_repr(numbers: np.ndarray) -> np.ndarray:
    """Numbers as float64 by what they are called, for names: 0.1 of float32 is 0.1, and not 0.10000000149.

    >>> to_float64_by_repr(np.array([0.1, np.nan], np.float32))
    array([0.1, nan])
    """
    is_narrow = numbers.dtype.kind == "f" and numbers.dtype.itemsize < 8
    return (numbers.astype(str) if is_narrow else numbers).astype(np.float64)


def as_float(value: Any) -> float:
    """A number as float64; infinite where it is too large.

    >>> as_float(Decimal("0.5")), as_float(-(10**400))
    (0.5, -inf)
    """
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def as_text(value: Any) -> str:
    """A value as a category's name: whole numbers without a point, days without a time, nothing for what is missing.

    Decimals are called as they are written, for so they stand in a text file.

    >>> as_text(2.0), as_text(0.5), as_text(float("nan")), as_text("red"), as_text(datetime(2026, 11, 20))
    ('2', '0.5', '', 'red', '2026-11-20')
    >>> as_text(Decimal("1.50")), as_text(Decimal("-0")), as_text(np.float32(0.1))
    ('1.50', '0', '0.1')
    """
    if isinstance(value, Unclear) or type(value) is str:
        return value
    if is_missing(value):
        return ""
    if isinstance(value, Decimal):
        return str(value or value.copy_abs())  # there is one zero
    if type(value) is int or (is_whole(value) and is_plain_number(value)):
        return str(Decimal(int(value)))  # Python has no texts of more than 4,300 digits
    if is_plain_number(value):
        number = float(str(value)) if isinstance(value, np.floating) else as_float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    if isinstance(value, bytes):  # as Parquet has texts of which it does not know that they are some
        return value.decode(errors="backslashreplace")
    # What stands behind a day where others of its column have a time.
    return str(value).removesuffix(" 00:00:00") if isinstance(value, datetime) else str(value)


def strip_missing(text: str) -> str:
    """What a cell says, wherever it comes from: without spaces around it, and nothing where it says so."""
    trimmed = text.strip()
    return "" if trimmed in MISSING else text if trimmed == text else trimmed


def too_long(values: Any, numbers: np.ndarray, are_names: bool) -> bool:
    """Whether whole numbers, or their texts, are too long for float64: two would be one, or a name another."""
    long = [(values[place], numbers[place]) for place in np.flatnonzero(np.abs(numbers) >= EXACT)]
    whole = {one: number for one, number in long if (WHOLE.fullmatch(one) if isinstance(one, str) else is_whole(one))}
    return len(set(whole.values())) < len(whole) or (are_names and bool(whole))
