"""Read texts as numbers in the forms that people and programs write.

| form                                   | examples                                  | read as       |
|----------------------------------------|-------------------------------------------|---------------|
| thousands in groups of three digits    | 1,234.5  1.234,5  1'234.5  1 234.5        | 1234.5        |
| a currency, one in a column            | $2,207.61  1.234,50 €  -£5  20 EUR        | 2207.61, ...  |
| percent                                | 22.1%                                     | 22.1          |
| a unit, one in a column                | 12 kg  3.5km  37 °C                       | 12, ...       |
| K, M or B for thousands and more       | 2.2K                                      | 2200          |
| negative amounts of accountants        | (45.00)  ($45.00)  45.00-                 | -45           |

N rows. A column is read in one form, or not at all: 1,234 beside 1,5 is no column of numbers, nor is 22% beside 0.22.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from deltarule.problem.problem import Floats

SPACES = str.maketrans("\u00a0\u2009\u202f\u2212\u2019", "   -'")
"""Spaces, the minus sign and the apostrophe of typographers, as on a keyboard."""
THOUSANDS_MARKS = ",.' "
CURRENCY = r"[$¢-¥\u20a0-\u20c0]|R\$|Fr\.|kr|AUD|CAD|CHF|CNY|EUR|GBP|INR|JPY|USD"
UNITS = (
    "kg|mg|g|lbs?|oz|km/h|mph|km|cm|mm|m|mi|ft|ml|l|°C|°F|kWh|kW|MW|W|bpm|ms|s|secs?|mins?|h|hours?|days?|weeks?|months?|"
    "years?"
)
"""Units that are left out; texts with other letters, such as 12A, may be codes."""
MAGNITUDES = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9}
MIN_DOTTED_TEXTS = 10
"""So many fractions of exactly three digits, beside whole numbers, are more likely thousands: 345 of 1.345."""


class ParsedNumbers(NamedTuple):
    """The numbers [N] of texts, NaN for "", and a text that is no plain number, or ""."""

    numbers: Floats
    example: str = ""


def parse_numbers(texts: Sequence[str], decimal: str = ".", thousands: str = "") -> ParsedNumbers | None:
    """Read texts as numbers in one form, or return None.

    Without `thousands` any mark but the decimal point may separate groups of three digits, the same in all texts.
    """
    plain = _parse_plain(texts, decimal)
    if plain is not None:
        return ParsedNumbers(plain)
    pattern, number_of = _pattern(decimal, thousands), {"": float("nan")}
    units, marks, example = set(), set(), ""
    for text in dict.fromkeys(texts):
        if not text:
            continue
        match = pattern.fullmatch(text.translate(SPACES))
        if match is None:
            return None
        number_of[text] = _number(match, decimal)
        units.add(re.sub("(?<=..)s$", "", match["before"] or match["after"] or ""))  # 1 day, 2 days
        marks.add(match["mark"])
        is_plain = is_number(text.replace(decimal, ".")) and not match["mark"]
        example = example or ("" if is_plain else text)
    if len(units - {""}) > 1 or ("%" in units and len(units) > 1) or len(marks - {None}) > 1:
        return None
    return ParsedNumbers(np.array([number_of[text] for text in texts]), example)


def _parse_plain(texts: Sequence[str], decimal: str) -> Floats | None:
    """The numbers [N] of texts that `float` reads, but for their decimal point."""
    if decimal != ".":
        if any("." in text for text in texts):
            return None
        texts = [text.replace(decimal, ".") for text in texts]
    try:
        numbers = np.array([float(text or "nan") for text in texts])
    except ValueError:
        return None
    return None if any("_" in text for text in texts) else numbers


@cache
def _pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    marks, point = re.escape(thousands or THOUSANDS_MARKS.replace(decimal, "")), re.escape(decimal)
    grouped = rf"[1-9]\d{{0,2}}(?P<mark>[{marks}])(?:\d{{2,3}}(?P=mark))*\d{{3}}"  # 12,34,567 in India
    number = rf"(?P<whole>{grouped}|\d+|(?={point}\d))(?:{point}(?P<fraction>\d*))?(?P<exponent>[eE][-+]?\d+)?"
    before = rf"(?:(?P<before>{CURRENCY}) ?(?P<second_sign>[-+]?))?"
    after = rf" ?(?P<magnitude>[KkMB](?![a-zW])|) ?(?P<after>{CURRENCY}|%|{UNITS})?(?P<trailing>-)?"
    return re.compile(rf"(?P<open>\()?(?P<sign>[-+]?) ?{before}{number}{after}(?(open)\))")


def _number(match: re.Match[str], decimal: str) -> float:
    digits = match["whole"].replace(match["mark"] or " ", "")
    number = float(f"{digits}.{match['fraction'] or ''}0{match['exponent'] or ''}")
    number *= MAGNITUDES[match["magnitude"].upper()]
    is_negative = match["open"] or match["trailing"] or "-" in match["sign"] + (match["second_sign"] or "")
    return -number if is_negative else number


def is_number(text: str) -> bool:
    """Whether a text is a plain number, as `float` reads it."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def has_number_form(text: str) -> bool:
    """Whether a text is a number in any form."""
    return is_number(text) or any(_pattern(decimal, "").fullmatch(text.translate(SPACES)) for decimal in ".,")


def may_be_thousands(texts: Sequence[str]) -> bool:
    """Whether plain numbers such as 862 and 1.345 may have a point between thousands."""
    dotted = {text for text in texts if "." in text}
    if len(dotted) < MIN_DOTTED_TEXTS or not all(re.fullmatch(r"-?[1-9]\d{0,2}\.\d{3}", text) for text in dotted):
        return False
    return any("." not in text for text in texts if text)
