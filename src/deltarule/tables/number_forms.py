"""Read texts as numbers in the forms that people and programs write.

| form                                   | examples                                  | read as       |
|----------------------------------------|-------------------------------------------|---------------|
| thousands in groups of three digits    | 1,234.5  1.234,5  1'234.5  1 234.5        | 1234.5        |
| a currency, one in a column            | $2,207.61  1.234,50 €  -£5  20 EUR        | 2207.61, ...  |
| percent                                | 22.1%                                     | 22.1          |
| a unit, one in a column                | 12 kg  3.5km  37 °C                       | 12, ...       |
| K, M, bn and the like; m among amounts | 2.2K  £1.19m  3 million                   | 2200, ...     |
| negative amounts of accountants        | (45.00)  ($45.00)  45.00-                 | -45           |
| times                                  | 12:30  1:02:03  3:05 PM  1h 20m           | seconds       |

N rows. A column is read in one form, or not at all: 1,234 beside 1,5 is no column of numbers, nor is 22% beside 0.22.
An apostrophe before a number, with which Excel marks texts, is left out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np

from deltarule.problem.problem import Floats

TYPOGRAPHY = str.maketrans(dict.fromkeys("\u00a0\u2009\u202f", " ") | dict.fromkeys("‐‑‒–−－", "-") | {"’": "'"})
"""Spaces, hyphens, dashes and apostrophes of typographers, as on a keyboard."""
THOUSANDS_MARKS = ",.' "
CURRENCY = r"[$¢-¥\u20a0-\u20c0]|R\$|Fr\.|kr|AUD|CAD|CHF|CNY|EUR|GBP|INR|JPY|USD|元|円|원|zł|Kč|руб"
UNITS = (
    "kg|mg|g|lbs?|oz|km/h|mph|km|cm|mm|m|mi|ft|ml|l|°C|°F|kWh|kW|MW|W|bpm|ms|s|secs?|mins?|h|hours?|days?|weeks?|months?|"
    "years?"
)
"""Units that are left out; texts with other letters, such as 12A, may be codes."""
MAGNITUDES = {
    **dict.fromkeys(("k", "thousand", "tsd", "тыс", "千"), 1e3),
    **dict.fromkeys("万萬", 1e4),
    "lakh": 1e5,
    **dict.fromkeys(("m", "mn", "mln", "mio", "million", "millions", "млн"), 1e6),
    **dict.fromkeys(("cr", "crore"), 1e7),
    **dict.fromkeys("亿億", 1e8),
    **dict.fromkeys(("b", "bn", "billion", "billions", "mrd", "млрд"), 1e9),
    **dict.fromkeys(("tn", "trillion"), 1e12),
}
TIMES = re.compile(
    r"(?P<first>\d{1,3}):(?P<second>[0-5]\d)(?::(?P<third>[0-5]\d(?:\.\d+)?))?(?: ?(?P<half>[AaPp][Mm]))?"
)
DURATION = re.compile(
    r"(?:(?P<hours>\d+) ?(?:h|hrs?|hours?) ?)?(?:(?P<minutes>\d+) ?(?:m|mins?|minutes?) ?)?"
    r"(?:(?P<seconds>\d+(?:\.\d+)?) ?(?:s|secs?|seconds?))?"
)
TIME_UNIT = "h:m"
LOSSLESS_LIMIT = 2**53
"""Whole numbers from here on lose digits as float64; nothing that is measured has so many, so that they are codes."""
MIN_DOTTED_TEXTS, MIN_DOTTED_AMOUNTS = 10, 3
"""So many fractions of exactly three digits, beside whole numbers, are more likely thousands: 345 of 1.345. Of amounts
of money, which have cents, fewer suffice."""
DOTTED = re.compile(r"\D*[1-9]\d{0,2}(\.\d{3})+\D*")


@dataclass(frozen=True)
class NumberForm:
    """How a column writes its numbers.

    unit            its currency, unit or percent sign; "h:m" for times; "" for none
    decimal         the decimal point
    thousands       what separates thousands, if a user said so
    has_magnitudes  whether K, M and the like occur, so that m is a million, too
    """

    unit: str = ""
    decimal: str = "."
    thousands: str = ""
    has_magnitudes: bool = False


class ParsedNumbers(NamedTuple):
    """The numbers [N] of texts, NaN for "", a text that is no plain number, or "", and the form of all."""

    numbers: Floats
    example: str = ""
    form: NumberForm = NumberForm()


def parse_numbers(
    texts: Sequence[str], decimal: str = "", thousands: str = "", expected: NumberForm | None = None
) -> ParsedNumbers | None:
    """Read texts as numbers in one form, or return None.

    Without `thousands` any mark but the decimal point may separate groups of three digits, the same in all texts.
    Without `decimal` this is a point, unless points separate thousands. The letter m is a million beside a currency or
    another magnitude, here or in an `expected` form, and else metres.
    """
    if not decimal:
        decimal, thousands = (",", ".") if points_separate_thousands(texts) else (".", thousands)
    form = NumberForm("", decimal, thousands)
    plain = _parse_plain(texts, decimal)
    if plain is not None:
        return ParsedNumbers(plain, form=form)
    different = [text for text in dict.fromkeys(texts) if text]
    example = different[0]
    number_of = _parse_times(different) or _parse_durations(different, expected)
    if number_of:
        form = replace(form, unit=TIME_UNIT)
    else:
        pattern = _pattern(decimal, thousands)
        matches = {}
        for text in different:
            match = pattern.fullmatch(text.translate(TYPOGRAPHY))
            if match is None:
                return None
            matches[text] = match
        common = _common_unit([*matches.values()], expected or NumberForm())
        if common is None:
            return None
        form = replace(form, unit=common[0], has_magnitudes=common[1])
        number_of = {text: _number(match, decimal, form.unit != "m") for text, match in matches.items()}
        other = (text for text, match in matches.items() if match["mark"] or not is_number(text.replace(decimal, ".")))
        example = next(other, "")
    return ParsedNumbers(np.array([number_of.get(text, np.nan) for text in texts]), example, form)


def _common_unit(matches: Sequence[re.Match[str]], expected: NumberForm) -> tuple[str, bool] | None:
    """The unit of numbers, and whether they have magnitudes; None if they are not written in one form."""
    units = {re.sub("(?<=..)s$", "", match["before"] or match["after"] or "") for match in matches}  # 1 day, 2 days
    marks = {match["mark"] for match in matches}
    magnitudes = {match["magnitude"] for match in matches} - {""}
    has_currency = any(map(re.compile(CURRENCY).fullmatch, {*units, expected.unit}))
    if magnitudes == {"m"} and not has_currency and not expected.has_magnitudes:
        units.add("m")
    if len(units - {""}) > 1 or ("%" in units and len(units) > 1) or len(marks - {None}) > 1:
        return None
    if "b" in magnitudes and not has_currency:  # 12b may be a code
        return None
    return "".join(units - {""}), bool(magnitudes) and "m" not in units


def hour_of_day(hour: str | None, half: str | None) -> int:
    """The hour from 0 on, where the half of a day is "am", "pm" or not said."""
    number = int(hour or 0)
    return number % 12 + 12 * (half.lower() == "pm") if half else number


def _parse_times(texts: Sequence[str]) -> dict[str, float]:
    """Seconds for each text, if all are times; two parts are minutes if beside three parts the first exceeds a day."""
    matches = {text: match for text in texts if (match := TIMES.fullmatch(text))}
    if len(matches) < len(texts):
        return {}
    firsts = [int(match["first"]) for match in matches.values() if not match["third"]]
    are_minutes = len(firsts) < len(texts) and max(firsts, default=0) > 23
    seconds = {}
    for text, match in matches.items():
        hour = hour_of_day(match["first"], match["half"])
        number = 3600 * hour + 60 * int(match["second"]) + float(match["third"] or 0)
        seconds[text] = number / 60 if are_minutes and not match["third"] else number
    return seconds


def _parse_durations(texts: Sequence[str], expected: NumberForm | None) -> dict[str, float]:
    """Seconds for each text, if all are such as 1h 20m and some have two parts; 20m alone may be metres."""
    matches = {text: match for text in texts if (match := DURATION.fullmatch(text))}
    parts = [sum(part is not None for part in match.groups()) for match in matches.values()]
    is_expected = expected is not None and expected.unit == TIME_UNIT
    if len(matches) < len(texts) or not (is_expected or max(parts) > 1):
        return {}
    return {
        text: 3600 * int(match["hours"] or 0) + 60 * int(match["minutes"] or 0) + float(match["seconds"] or 0)
        for text, match in matches.items()
    }


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
    """Match a whole cell: sign, currency, grouped digits, fraction, exponent, magnitude and unit."""
    marks, point = re.escape(thousands or THOUSANDS_MARKS.replace(decimal, "")), re.escape(decimal)
    grouped = rf"[1-9]\d{{0,2}}(?P<mark>[{marks}])(?:\d{{2,3}}(?P=mark))*\d{{3}}"  # 12,34,567 in India
    number = rf"(?P<whole>{grouped}|\d+|(?={point}\d))(?:{point}(?P<fraction>\d*))?(?P<exponent>[eE][-+]?\d+)?"
    before = rf"(?:(?P<before>{CURRENCY}) ?(?P<second_sign>[-+]?))?"
    words = "|".join(word for word in MAGNITUDES if len(word) > 1)
    magnitude = rf"(?:(?P<magnitude>(?i:{words})(?![A-Za-z])|[KkMmBb](?![a-zW])|[千万萬亿億]|)\.?)"
    after = rf" ?{magnitude} ?(?:(?P<after>{CURRENCY}|%|{UNITS})\.?)?(?P<trailing>-)?"
    return re.compile(rf"'?(?P<open>\()?(?P<sign>[-+]?) ?{before}{number}{after}(?(open)\))")


def _number(match: re.Match[str], decimal: str, is_million: bool) -> float:
    digits = match["whole"].replace(match["mark"] or " ", "")
    number = float(f"{digits}.{match['fraction'] or ''}0{match['exponent'] or ''}")
    if match["magnitude"] and (match["magnitude"] != "m" or is_million):
        number *= MAGNITUDES[match["magnitude"].lower()]
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
    return is_number(text) or any(text and parse_numbers([text], decimal) for decimal in ".,")


def may_be_thousands(texts: Sequence[str], min_dotted: int = MIN_DOTTED_TEXTS) -> bool:
    """Whether numbers such as 862 and 1.345 may have a point between thousands."""
    dotted = {text for text in texts if "." in text}
    if len(dotted) < min_dotted or not all(map(DOTTED.fullmatch, dotted)):
        return False
    return any("." not in text for text in texts if text)


def points_separate_thousands(texts: Sequence[str]) -> bool:
    """Whether points surely separate thousands: 1.234.567 is no fraction, nor is 1.345 € beside 950 €."""
    sample = next((text for text in texts if "." in text), "")
    if not DOTTED.fullmatch(sample):
        return False
    counts = {text.count(".") for text in texts}
    if max(counts) > 1 and counts != {3}:  # all with three points are addresses of the Internet
        return all(DOTTED.fullmatch(text) for text in texts if "." in text)
    if is_number(sample):  # a note asks
        return False
    return may_be_thousands(texts, MIN_DOTTED_AMOUNTS if re.search(CURRENCY, sample) else MIN_DOTTED_TEXTS)
