"""Why the texts of a column are not numbers: separators, units, signs, or a text among numbers."""

import re
from collections.abc import Callable

import numpy as np

from deltarule.tables.cell_parsing import as_text, is_number, shorten_repr
from deltarule.tables.column_parsers import AMOUNT, GAP, NUMBER_FORMS, seconds_of
from deltarule.tables.dates import are_dates

SYMBOL = "[$\u00a2-\u00a5\u20a0-\u20cf]"
"""Of any currency."""
WORD = r"(?!(?i:st|nd|rd|th)\b)[^\W\d_][^\s\d()_]{0,14}[23]?"
WITH_UNIT = re.compile(
    rf"(?P<sign>[+-]?)(?P<before>([^\W\d_]{{0,3}}{SYMBOL}{GAP}?)?)(?!0\d)(?P<amount>{AMOUNT})"
    rf"(?P<behind>({GAP}?(°?{WORD}({GAP}{WORD})?|°|{SYMBOL}))?)"
)
"""A sign, what may be a unit, an amount, and again what may be a unit: whether it is one the other cells tell."""
REPORTED = ("comma", "point", "sign", "colon")
"""The notations that are reported by themselves, in this order."""
SAME_UNIT, MIN_AMOUNTS = 0.9, 10
"""A unit is what so many cells have in common, with so many amounts."""


def diagnose_texts(texts: np.ndarray, rows: np.ndarray | None = None) -> str:
    """What texts [N] seem to be meant as, where most of them are no mere texts; else nothing.

    >>> diagnose_texts(np.array(["1.5", "20", "large"], object))
    "numbers, but for 'large' in row 2 (counted from 0)"
    >>> diagnose_texts(np.array(["1,5", "20,0", ""], object))
    "numbers with a comma, such as '1,5', to be written 1.5"
    >>> diagnose_texts(np.array(["5%", "20%"], object))
    "numbers with a sign, such as '5%', to be written 5"
    >>> diagnose_texts(np.array([f"{amount} kg" for amount in range(84, 99)], object))
    "numbers with a unit, such as '84 kg', to be written 84"
    >>> diagnose_texts(np.array(["2026-11-20"], object)), diagnose_texts(np.array(["red", "blue"], object))
    ('dates', '')
    """
    # Only the first 1,000 texts are inspected.
    present = [text for text in texts.tolist() if text][:1000]
    most = len(present) / 2
    if sum(map(is_number, present)) > most:
        odd = first_odd(texts)
        return f"numbers, but for {first_text(texts, rows=rows)}{how_to_write(odd)}" if odd else ""
    forms: dict[str, Callable[[str], object]] = {name: NUMBER_FORMS[name].fullmatch for name in REPORTED}
    for what, fits in (forms | {"unit": _has_unit(present)}).items():
        found = list(filter(fits, present))
        if len(found) > most:
            plain = {text for text in texts.tolist() if is_number(text) or fits(text)}
            odd = first_text(texts, plain.__contains__, rows)
            why = (
                f"but for {odd}"
                if odd
                else f"such as {shorten_repr(found[0])}, to be written {_canonical_number(found[0])}"
            )
            return f"numbers with a {what}, {why}"
    return "dates" if are_dates(present, most) else ""


def _has_unit(present: list[str]) -> Callable[[str], object]:
    """Whether a text is an amount with the unit that nearly all of some have; not, where there is no such unit."""
    amounts: dict[str, list[str]] = {}
    for text in present:
        if unit := _unit_of(text):
            amounts.setdefault(unit, []).append(_amount_of(text))
    unit, found = max(amounts.items(), key=lambda item: len(item[1]), default=("", []))
    if len(found) < SAME_UNIT * len(present) or len(set(found)) < MIN_AMOUNTS or not _is_unit(unit, found):
        return lambda text: False
    return lambda text: _unit_of(text) == unit


def _is_unit(unit: str, amounts: list[str]) -> bool:
    """Whether what stands beside amounts is a unit; a letter only where there are fractions: 3B may be a room."""
    word = unit.strip()
    return len(word) > 1 or not word.isalpha() or any("." in amount or "," in amount for amount in amounts)


def _unit_of(text: str) -> str:
    """What stands before an amount and behind it; nothing of other texts."""
    parts = WITH_UNIT.fullmatch(text)
    return f"{parts['before'].strip()} {parts['behind'].strip()}" if parts and parts["before"] + parts["behind"] else ""


def _amount_of(text: str) -> str:
    """The number in what may be an amount with a unit; else the text."""
    parts = WITH_UNIT.fullmatch(text)
    return parts["sign"] + parts["amount"] if parts else text


def how_to_write(text: str) -> str:
    """How a text is to be written that is a number but for a comma, a sign or a unit; nothing of others.

    >>> how_to_write("1,5"), how_to_write("$7"), how_to_write("7 kg"), how_to_write("red")
    (', to be written 1.5', ', to be written 7', ', to be written 7', '')
    """
    if is_number(text):
        return ""
    has_unit = bool(unit := _unit_of(text)) and _is_unit(unit, [_amount_of(text)])
    is_clear = has_unit or any(NUMBER_FORMS[name].fullmatch(text) for name in REPORTED)
    return f", to be written {_canonical_number(text)}" if is_clear else ""


def _canonical_number(text: str) -> str:
    """How a number with a comma, points, colons or a sign is to be written; both ways if it may mean two."""
    if NUMBER_FORMS["colon"].fullmatch(text):
        return seconds_of(text)
    text = ("-" if text.startswith("(") else "") + re.sub(r"[^\d.,+-]", "", _amount_of(text))
    if NUMBER_FORMS["ambiguous"].fullmatch(text) and "," in text:
        return f"{text.replace(',', '')} or {text.replace(',', '.')}"
    if NUMBER_FORMS["point"].fullmatch(text):  # with a further digit a point is a decimal one
        return text.replace(".", "") + (f" or {text}0" if text.count(".") == 1 else "")
    if NUMBER_FORMS["comma"].fullmatch(text) and text.count(",") == 1:
        return text.replace(".", "").replace(",", ".")
    return text.replace(",", "")


def first_text(column: np.ndarray, counts: Callable[[str], bool] | None = None, rows: np.ndarray | None = None) -> str:
    """The first text of a column [N] that is no finite number, and where it stands; nothing where there is none.

    Parameters: `counts`, for what is to count as one; `rows` [N], the numbers of the rows where they are other ones.

    >>> first_text(np.array(["1.5", "", "large"], object)), first_text(np.array([1.5]))
    ("'large' in row 2 (counted from 0)", '')
    """
    if column.dtype.kind not in "OU":
        return ""
    counts = counts or _is_finite
    texts = enumerate(map(as_text, column.tolist()))
    place, text = next(((place, text) for place, text in texts if text and not counts(text)), (0, ""))
    return f"{shorten_repr(text)} in row {place if rows is None else rows[place]} (counted from 0)" if text else ""


def first_odd(texts: np.ndarray) -> str:
    """The first of texts [N] that is no finite number; nothing where there is none.

    >>> first_odd(np.array(["1.5", "", "1,500"], object))
    '1,500'
    """
    return next((text for text in texts.tolist() if text and not _is_finite(text)), "")


def _is_finite(text: str) -> bool:
    return is_number(text) and not np.isinf(float(text))
