"""Diagnose why the texts of a column are not numbers: separators, units, signs, or a text among numbers."""

import re
from collections.abc import Callable

import numpy as np

from deltarule.tables.cell_parsing import as_text, is_number, shorten_repr
from deltarule.tables.column_parsers import AMOUNT, NUMBER_FORMS, SPACE, seconds_of
from deltarule.tables.date_detection import are_dates

CURRENCY_SYMBOL = "[$\u00a2-\u00a5\u20a0-\u20cf]"
WORD = r"(?!(?i:st|nd|rd|th)\b)[^\W\d_][^\s\d()_]{0,14}[23]?"
WITH_UNIT = re.compile(
    rf"(?P<sign>[+-]?)(?P<before>([^\W\d_]{{0,3}}{CURRENCY_SYMBOL}{SPACE}?)?)(?!0\d)(?P<amount>{AMOUNT})"
    rf"(?P<behind>({SPACE}?(°?{WORD}({SPACE}{WORD})?|°|{CURRENCY_SYMBOL}))?)"
)
"""A sign, a possible unit, an amount, and again a possible unit: whether it is one depends on the other cells."""
REPORTED = ("comma", "point", "sign", "colon")
"""The notations that are reported, in the order of the checks."""
MIN_UNIT_SHARE, MIN_AMOUNTS = 0.9, 10
"""A unit must occur in this share of the cells, with this many different amounts."""


def diagnose_texts(texts: np.ndarray, row_numbers: np.ndarray | None = None) -> str:
    """A phrase for what most of the texts [N] seem to be, such as "dates", or ""; it may cite `row_numbers` [N].

    `row_numbers` [N] are the numbers of the rows in the message, by default from 0. Ordinary texts have no phrase.

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
    half = len(present) / 2
    if sum(map(is_number, present)) > half:
        text = first_non_number(texts)
        if not text:
            return ""
        return f"numbers, but for {describe_first_text(texts, row_numbers=row_numbers)}{how_to_write(text)}"
    forms: dict[str, Callable[[str], object]] = {name: NUMBER_FORMS[name].fullmatch for name in REPORTED}
    for notation, matches in (forms | {"unit": _unit_matcher(present)}).items():
        matching = list(filter(matches, present))
        if len(matching) > half:
            accepted = {text for text in texts.tolist() if is_number(text) or matches(text)}
            exception = describe_first_text(texts, accepted.__contains__, row_numbers)
            example = matching[0]
            why = (
                f"but for {exception}"
                if exception
                else f"such as {shorten_repr(example)}, to be written {_canonical_number(example)}"
            )
            return f"numbers with a {notation}, {why}"
    return "dates" if are_dates(present, half) else ""


def _unit_matcher(present: list[str]) -> Callable[[str], object]:
    """A predicate for amounts with the unit that nearly all of the texts share; always False if they share none."""
    amounts: dict[str, list[str]] = {}
    for text in present:
        if unit := _unit_of(text):
            amounts.setdefault(unit, []).append(_amount_of(text))
    unit, shared = max(amounts.items(), key=lambda item: len(item[1]), default=("", []))
    if len(shared) < MIN_UNIT_SHARE * len(present) or len(set(shared)) < MIN_AMOUNTS or not _is_unit(unit, shared):
        return lambda text: False
    return lambda text: _unit_of(text) == unit


def _is_unit(unit: str, amounts: list[str]) -> bool:
    """Whether a text beside amounts is a unit; a single letter is one only with fractions: 3B may be a room."""
    word = unit.strip()
    return len(word) > 1 or not word.isalpha() or any("." in amount or "," in amount for amount in amounts)


def _unit_of(text: str) -> str:
    """The possible unit before and behind an amount; "" for a text without one."""
    parts = WITH_UNIT.fullmatch(text)
    return f"{parts['before'].strip()} {parts['behind'].strip()}" if parts and parts["before"] + parts["behind"] else ""


def _amount_of(text: str) -> str:
    """The number in an amount that may have a unit; other texts as they are."""
    parts = WITH_UNIT.fullmatch(text)
    return parts["sign"] + parts["amount"] if parts else text


def how_to_write(text: str) -> str:
    """A suffix such as ", to be written 1.5" for a number with a comma, a sign or a unit; "" for other texts.

    >>> how_to_write("1,5"), how_to_write("$7"), how_to_write("7 kg"), how_to_write("red")
    (', to be written 1.5', ', to be written 7', ', to be written 7', '')
    """
    if is_number(text):
        return ""
    has_unit = bool(unit := _unit_of(text)) and _is_unit(unit, [_amount_of(text)])
    is_clear = has_unit or any(NUMBER_FORMS[name].fullmatch(text) for name in REPORTED)
    return f", to be written {_canonical_number(text)}" if is_clear else ""


def _canonical_number(text: str) -> str:
    """The plain form of a number with a comma, points, colons or a sign; "1500 or 1.500" if it is ambiguous."""
    if NUMBER_FORMS["colon"].fullmatch(text):
        return seconds_of(text)
    text = ("-" if text.startswith("(") else "") + re.sub(r"[^\d.,+-]", "", _amount_of(text))
    if NUMBER_FORMS["ambiguous"].fullmatch(text) and "," in text:
        return f"{text.replace(',', '')} or {text.replace(',', '.')}"
    if NUMBER_FORMS["point"].fullmatch(text):  # with another digit the point is a decimal one
        return text.replace(".", "") + (f" or {text}0" if text.count(".") == 1 else "")
    if NUMBER_FORMS["comma"].fullmatch(text) and text.count(",") == 1:
        return text.replace(".", "").replace(",", ".")
    return text.replace(",", "")


def describe_first_text(
    column: np.ndarray, is_accepted: Callable[[str], bool] | None = None, row_numbers: np.ndarray | None = None
) -> str:
    """The first text of a column [N] that is not accepted, by default no finite number, with its row; "" if none.

    Parameters: `is_accepted`, a predicate of texts to accept instead of finite numbers; `row_numbers` [N], the numbers
    of the rows, if they do not count from 0.

    >>> describe_first_text(np.array(["1.5", "", "large"], object)), describe_first_text(np.array([1.5]))
    ("'large' in row 2 (counted from 0)", '')
    """
    if column.dtype.kind not in "OU":
        return ""
    is_accepted = is_accepted or _is_finite
    texts = enumerate(map(as_text, column.tolist()))
    index, text = next(((index, text) for index, text in texts if text and not is_accepted(text)), (0, ""))
    if not text:
        return ""
    return f"{shorten_repr(text)} in row {index if row_numbers is None else row_numbers[index]} (counted from 0)"


def first_non_number(texts: np.ndarray) -> str:
    """The first of the texts [N] that is neither "" nor a finite number; "" if there is none.

    >>> first_non_number(np.array(["1.5", "", "1,500"], object))
    '1,500'
    """
    return next((text for text in texts.tolist() if text and not _is_finite(text)), "")


def _is_finite(text: str) -> bool:
    """Whether a text is a finite number."""
    return is_number(text) and not np.isinf(float(text))
