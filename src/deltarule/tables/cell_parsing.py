"""Parse the cells of a table as numbers, category names or missing values.

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
"""The texts of cells that count as missing."""
PERHAPS_CLASSES = frozenset({"-", "none"})
"""Those of `MISSING` that may be the name of a class in a target; pandas reads them as texts, too."""
INTEGER_PRECISION_LIMIT = 2**53
"""From this number on, several whole numbers share one float64."""
WHOLE = re.compile(r"[+-]?\d+")
WHOLE_AS_WRITTEN = re.compile(r"-?(0|[1-9]\d*)(\.0+)?")
"""A whole number as programs write it; in columns with missing values some write 1.0."""
MAX_SHOWN_CHARACTERS = 200
"""Characters of a text in a message; of a longer one the beginning and the end, because names may differ in either."""


class Unclear(str):
    """A cell such as 1.616 whose point may separate thousands, as other columns have decimal commas; not a number."""


def shorten(text: str) -> str:
    r"""A text for messages on one line, with \n for line breaks; of a very long one the beginning and the end.

    >>> print(shorten("it's\nred"))
    it's\nred
    """
    return one_line(_cut_middle(text))


def shorten_repr(text: str) -> str:
    r"""A text in quotes for messages, with \n for line breaks; of a very long one the beginning and the end.

    >>> print(shorten_repr("it's\nred"))
    "it's\nred"
    """
    text = _cut_middle(text).replace("\\", r"\\")
    quote = '"' if "'" in text and '"' not in text else "'"
    return one_line(quote + text.replace(quote, f"\\{quote}") + quote)


def list_names(names: Sequence[str]) -> str:
    """The first ten names as a text, for an error message, with the number of all of them."""
    return ", ".join(map(shorten, names[:10])) + (f" … ({len(names)} in all)" if len(names) > 10 else "")


def _cut_middle(text: str) -> str:
    """A text without the middle if it is longer than `MAX_SHOWN_CHARACTERS`."""
    return (
        text
        if len(text) <= MAX_SHOWN_CHARACTERS
        else f"{text[: MAX_SHOWN_CHARACTERS // 2]} … {text[3 - MAX_SHOWN_CHARACTERS // 2 :]}"
    )


def parse_number(text: str) -> float:
    """Parse a cell as a number; raises `ValueError` for texts, and for codes such as 1_2, which Python reads as 12.

    >>> parse_number(" 1e3")
    1000.0
    """
    if "_" in text or isinstance(text, Unclear):
        raise ValueError
    return float(text)


def is_number(text: str) -> bool:
    """Whether the text of a cell is a number for `parse_number`; inf and nan are numbers, 1_2 is none.

    >>> is_number("1e3"), is_number("1,5")
    (True, False)
    """
    try:
        parse_number(text)
    except ValueError:
        return False
    return True


def is_missing(value: Any) -> bool:
    """Whether a value is missing: None, NaN, pandas' NA and NaT, and NumPy's masked values.

    >>> is_missing(None), is_missing(float("nan")), is_missing(0)
    (True, True, False)
    """
    if value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return not isinstance(value, np.ndarray) and bool(value != value)


def is_plain_number(value: Any) -> bool:
    """Whether a value is a real number or missing; truth values, and texts such as "2.5", are not.

    >>> is_plain_number(2.5), is_plain_number(None), is_plain_number(True), is_plain_number("2.5")
    (True, True, False, False)
    """
    return is_missing(value) or (isinstance(value, Real | Decimal) and type(value) not in (bool, np.bool_))


def is_whole(value: Any) -> bool:
    """Whether a value has an integer type, or is a `Decimal` without a fraction.

    >>> is_whole(2), is_whole(Decimal("2.00")), is_whole(Decimal("0.5")), is_whole(2.0)
    (True, True, False, False)
    """
    if isinstance(value, Decimal):
        return value.is_finite() and value == value.to_integral_value()
    return isinstance(value, Integral)


def lossless_array(values: Any) -> np.ndarray:
    """Convert values to an array without changing any: integers beside missing values stay, masked ones become None.

    >>> lossless_array([True, None]), lossless_array(np.ma.array([1, 2], mask=[True, False]))
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
    has_numpy_dtype = isinstance(getattr(values, "dtype", array.dtype), np.dtype)
    if array.dtype == np.float64 and not has_numpy_dtype and (np.abs(array) >= INTEGER_PRECISION_LIMIT).any():
        return np.asarray(values, object)  # pandas' integers beside missing values would be rounded
    return array


def _array_of_list(values: Sequence[Any]) -> np.ndarray:
    """Convert a list to an array of numbers or dates if that changes no value, else to one of objects."""
    types = set(map(type, values))
    are_numbers = types <= {int, float, np.int64, np.float64}
    if are_numbers or any(issubclass(one, np.datetime64 | np.timedelta64) for one in types):
        array = np.asarray(values)
        may_be_rounded = array.dtype.kind == "f" and not types <= {float, np.float64}
        if not may_be_rounded or not (np.abs(array) >= INTEGER_PRECISION_LIMIT).any():
            return array
    try:
        return np.array(values, object)
    except ValueError:  # arrays of different shapes, which stay objects beside another element
        return np.array([*values, None], object)[:-1]


def reject_sequences(subject: str, values: np.ndarray) -> None:
    """Raise `BadInput` if one of the values [N] is a list, tuple or array; `subject` begins the message."""
    if values.dtype.kind != "O":
        return
    sequence_types = {one for one in set(map(type, values)) if issubclass(one, list | tuple | np.ndarray)}
    for row, value in enumerate(values if sequence_types else ()):
        if type(value) in sequence_types and value is not np.ma.masked:
            raise BadInput(
                f"{subject} holds {shorten_repr(str(value))} in row {row} (counted from 0); give a number or a text "
                "there"
            )


def are_plain_numbers(values: np.ndarray) -> bool:
    """Whether all values [N] are plain numbers or missing; one value of each type is tested.

    >>> are_plain_numbers(np.array([1, None, 2.5], object)), are_plain_numbers(np.array([1, True], object))
    (True, False)
    """
    return all(map(is_plain_number, dict(zip(map(type, values), values, strict=True)).values()))


def to_float64_by_repr(numbers: np.ndarray) -> np.ndarray:
    """Convert numbers to float64 by their decimal text, for category names: 0.1 of float32 becomes 0.1.

    >>> to_float64_by_repr(np.array([0.1, np.nan], np.float32))
    array([0.1, nan])
    """
    is_narrow = numbers.dtype.kind == "f" and numbers.dtype.itemsize < 8
    return (numbers.astype(str) if is_narrow else numbers).astype(np.float64)


def as_float(value: Any) -> float:
    """A number as float64, infinite if it is too large.

    >>> as_float(Decimal("0.5")), as_float(-(10**400))
    (0.5, -inf)
    """
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf


def as_text(value: Any) -> str:
    """The category name of a value: whole numbers without a point, days without a time, "" for missing values.

    A `Decimal` keeps its zeros, as in a text file.

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
    if isinstance(value, bytes):  # Parquet's texts without a declared type
        return value.decode(errors="backslashreplace")
    # Days have this time if others of their column have one.
    return str(value).removesuffix(" 00:00:00") if isinstance(value, datetime) else str(value)


def are_codes(texts: Sequence[str]) -> bool:
    """Whether texts are codes such as zip codes: digits alone, at least a twentieth of them with a leading zero.

    Fewer leading zeros among amounts are more often typing errors. "" stands for missing values.

    >>> are_codes(["01234", "90210"]), are_codes(["7", "12"]), are_codes(["0.5", "01"])
    (True, False, False)
    """
    present = [text for text in texts if text]
    codes = sum(text[0] == "0" and len(text) > 1 for text in present)
    return 0 < codes >= 0.05 * len(present) and all(text.isdecimal() for text in present)


def strip_missing(text: str) -> str:
    """A cell without outer spaces, and "" if it is one of `MISSING`."""
    trimmed = text.strip()
    return "" if trimmed in MISSING else text if trimmed == text else trimmed


def float64_merges_integers(values: Any, numbers: np.ndarray, are_names: bool) -> bool:
    """Whether `numbers`, values [N] as float64, merge different integers; for names one from 2⁵³ on is enough.

    For names, such as those of categories, a single whole number beyond the precision of float64 is enough.
    """
    indices = np.flatnonzero(np.abs(numbers) >= INTEGER_PRECISION_LIMIT)
    large = [(values[index], numbers[index]) for index in indices]
    whole = {
        value: number
        for value, number in large
        if (WHOLE.fullmatch(value) if isinstance(value, str) else is_whole(value))
    }
    return len(set(whole.values())) < len(whole) or (are_names and bool(whole))
