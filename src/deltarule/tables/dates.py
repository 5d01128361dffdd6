"""Days as people and programs write them, told from codes that look like them."""

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
BEHIND = rf"[^\w./-].*|T\d.*|Z|\.(\D.*)?|/{YEAR}.*|-\d\d[.:]\d\d.*"
"""A time, a zone, the end of a span: anything that does not go on as a code does."""
DATE = re.compile(rf"({DAYS})({BEHIND})?|({SHORT_DAYS})({CLOCK})?", re.IGNORECASE)
"""A day as people and programs write it, perhaps with a time behind it."""
TWO_DIGITS = r"(?=\d\d[.-]\d\d[.-])"
PERHAPS_DATES = [
    re.compile(rf"{form}({CLOCK})?", re.IGNORECASE)
    for form in (
        rf"(?P<day>{DAY})\.{MONTH}\.\d\d",
        rf"{TWO_DIGITS}(?P<day>{DAY})-{MONTH}-\d\d",
        rf"{TWO_DIGITS}{MONTH}(?P<mark>[.-])(?P<day>{DAY})(?P=mark)\d\d",
    )
]
"""The same with a year of two digits, which may as well be a code: see `are_dates`."""
THREE_NUMBERS = re.compile(r"\d+([.-])\d+\1\d")


def are_dates(texts: list[str], most: float) -> bool:
    """Whether more than `most` texts are dates.

    Codes are more often 5-10-12 or 1.2.10 than dates are. So all that look so must be days in one order, and one of
    them beyond the 12th: a date that is not seen costs a hint, a code taken for one costs a column.

    >>> are_dates(["2026-11-20", "20 Nov 2026"], 1), are_dates(["20-11-26"], 0), are_dates(["5-10-12"], 0)
    (True, True, False)
    """
    others = [text for text in texts if not DATE.fullmatch(text)]
    dates = len(texts) - len(others)
    perhaps = [text for text in others if THREE_NUMBERS.match(text)]
    for form in PERHAPS_DATES:
        days = [int(found["day"]) for text in perhaps if (found := form.fullmatch(text))]
        if len(days) == len(perhaps) > most - dates and max(days, default=0) > 12:
            return True
    return dates > most
