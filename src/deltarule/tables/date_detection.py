"""Recognize columns of dates, as opposed to codes that look like dates; nothing is parsed."""

import re

DAY, MONTH, YEAR = r"(0?[1-9]|[12]\d|3[01])", "(0?[1-9]|1[0-2])", r"(18|19|20)\d\d"
NAMED_MONTH = (
    "(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?(ember)?|oct(ober)?|nov(ember)?"
    "|dec(ember)?)"
)
CLOCK = r"[\s,:T]+\d\d?([:.]\d\d|\s?[ap]m\b).*"
DAYS = "|".join(
    [
        *(rf"{YEAR}{mark}({MONTH}|{NAMED_MONTH}){mark}{DAY}" for mark in "-/"),
        rf"{YEAR}\.(?=\d\d\.\d\d){MONTH}\.{DAY}",  # 2019.2.2 is more often a version
        *(rf"({DAY}{mark}{MONTH}|{MONTH}{mark}{DAY}){mark}{YEAR}" for mark in ("-", "/", r"\.")),
        rf"{DAY}[-/ .]{{1,2}}{NAMED_MONTH}[-/ .,]{{1,2}}{YEAR}",
        rf"{DAY}{NAMED_MONTH}{YEAR}",
        rf"{NAMED_MONTH}[-/ .]{{1,2}}{DAY}[-/ .,]{{1,2}}{YEAR}",
    ]
)
SHORT_DAYS = rf"({DAY}/{MONTH}|{MONTH}/{DAY})/\d\d|{DAY}-{NAMED_MONTH}-\d\d"
SUFFIX = rf"[^\w./-].*|T\d.*|Z|\.(\D.*)?|/{YEAR}.*|-\d\d[.:]\d\d.*"
"""A time, a zone, the end of a span: anything but the rest of a code."""
DATE = re.compile(rf"({DAYS})({SUFFIX})?|({SHORT_DAYS})({CLOCK})?", re.IGNORECASE)
"""A day as people and programs write it, perhaps followed by a time."""
TWO_DIGITS = r"(?=\d\d[.-]\d\d[.-])"
AMBIGUOUS_DATES = [
    re.compile(rf"{form}({CLOCK})?", re.IGNORECASE)
    for form in (
        rf"(?P<day>{DAY})\.{MONTH}\.\d\d",
        rf"{TWO_DIGITS}(?P<day>{DAY})-{MONTH}-\d\d",
        rf"{TWO_DIGITS}{MONTH}(?P<mark>[.-])(?P<day>{DAY})(?P=mark)\d\d",
    )
]
"""A day whose year has two digits, which may also be a code: see `are_dates`."""
THREE_NUMBERS = re.compile(r"\d+([.-])\d+\1\d")


def are_dates(texts: list[str], threshold: float) -> bool:
    """Whether more than `threshold` of the texts, a count, are dates.

    Texts such as 5-10-12 or 1.2.10 are more often codes than dates. So all of them must be days in one order, with one
    after the 12th: an overlooked date costs a hint, a code taken for a date costs a column.

    >>> are_dates(["2026-11-20", "20 Nov 2026"], 1), are_dates(["20-11-26"], 0), are_dates(["5-10-12"], 0)
    (True, True, False)
    """
    others = [text for text in texts if not DATE.fullmatch(text)]
    date_count = len(texts) - len(others)
    ambiguous = [text for text in others if THREE_NUMBERS.match(text)]
    for pattern in AMBIGUOUS_DATES:
        days = [int(match["day"]) for text in ambiguous if (match := pattern.fullmatch(text))]
        if len(days) == len(ambiguous) > threshold - date_count and max(days, default=0) > 12:
            return True
    return date_count > threshold
