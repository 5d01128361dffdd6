"""Recognize dates, decide in which order a column writes them, and make numbers of their parts.

N rows
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np

from deltarule.errors import BadInput
from deltarule.problem.problem import Floats
from deltarule.tables.month_names import WORD, find_language, with_english_months
from deltarule.tables.number_forms import hour_of_day

DAY_FIRST, MONTH_FIRST = ORDERS = ("day-first", "month-first")
MIXED, OPEN = "mixed", "open"
"""Of dates that begin with the day in some rows and with the month in others, and of dates that may be either."""
PARTS = ("year", "month", "weekday", "hour", "days")
"""Of a date; weekdays count from Monday, 0, and days from 1970."""
PERIODS = {"days": 365.2425, "weekday": 7.0, "hour": 24.0}
"""After how much a part has returned: December 31 is next to January 1, and Sunday to Monday."""
TEXT_PART = "text"
"""Of a column of dates: the text of what is none, such as never."""
FIRST_YEAR, LAST_YEAR = 1000, 2199
"""Dates out of these years, such as 9999-12-31, stand for no end, or for an unknown date."""
EPOCH = datetime(1970, 1, 1)

YEAR = re.compile(r"\b\d{4}(\b|T)")
TIME = (
    r"(?:(?:T|,? )(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?P<fraction>\.\d+)?)?"
    r" ?(?P<half>[AaPp][Mm])?Z?)?"
)
YEAR_FIRST = re.compile(
    r"(?P<year>\d{4})(?:(?P<mark>[-/.])|[年년] ?)(?P<month>\d{1,2})(?(mark)(?P=mark)|[月월] ?)"
    rf"(?P<day>\d{{1,2}})(?(mark)|[日일]){TIME}"
)
COMPACT = re.compile(rf"(?P<year>(?:19|20)\d\d)(?P<month>\d\d)(?P<day>\d\d){TIME}")
SECONDS, MILLISECONDS = re.compile(r"\d{9,10}"), re.compile(r"\d{12,13}")
EPOCH_YEARS = range(1985, 2050)
"""Years of seconds and milliseconds since 1970; most others are no times."""
MIN_DATE_NUMBERS = 10
"""Different whole numbers that all are dates by chance if they are fewer: of those with eight digits every 27th is."""
YEAR_LAST = re.compile(
    r"(?P<first>\d{1,2})(?P<mark>[-/.])(?P<second_part>\d{1,2})(?P=mark)"
    rf"(?P<year>\d{{4}}|(?<=\d\d.\d\d.)\d\d|(?<=/)\d\d){TIME}"
)
NAMED_MONTH = re.compile(
    r"(?:(?P<day>\d{1,2})[-/. ]{0,2}(?P<name>[A-Za-z]{3,9})\.?|(?P<name_first>[A-Za-z]{3,9})\.? (?P<day_after>\d{1,2}))"
    rf"[-/, ]{{1,2}}(?P<year>\d{{4}}|(?<=[-/])\d\d){TIME}"
)
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def are_dates(texts: Sequence[str]) -> bool:
    """Whether most of the first 1,000 texts are dates, in any order."""
    texts = texts[:1000]
    known: dict[str, bool] = {}
    for text in {*texts}:
        known[text] = any(_parse(text, order) is not None for order in ORDERS)
    others = [text for text, is_known in known.items() if not is_known]
    known |= {text: value is not None for text, value in _parse_by_pandas(others, DAY_FIRST).items()}
    if 2 * sum(known[text] for text in texts) <= len(texts) and (language := _language_of(frozenset(known))):
        known |= dict.fromkeys(parse_dates(known, f" {language}"), True)
    return sum(known[text] for text in texts) > len(texts) / 2


def are_date_numbers(numbers: Floats) -> bool:
    """Whether whole numbers are dates such as 20210131, or seconds or milliseconds since 1970.

    >>> are_date_numbers(20210101.0 + np.arange(31)), are_date_numbers(20210101.0 + np.arange(32))
    (True, False)
    """
    different = np.unique(numbers)
    if len(different) < MIN_DATE_NUMBERS or (different != np.floor(different)).any():
        return False
    texts = [str(int(number)) for number in different]
    are_counted = len(texts[0]) > 8 and different[-1] - different[0] < len(numbers)  # identifiers
    return not are_counted and len({*map(len, texts)}) == 1 and all(_parse(text, "") is not None for text in texts)


def date_order(texts: Iterable[str]) -> str:
    """Which of ORDERS the texts of a column show; MIXED, OPEN, or "" where none ends in its year."""
    matches = [match for text in {*texts} if (match := YEAR_LAST.fullmatch(text))]
    first, second = ({int(match[name]) for match in matches} for name in ("first", "second_part"))
    if not matches:
        return ""
    has_large = max(first) > 12, max(second) > 12
    if all(has_large):
        return MIXED
    if any(has_large):
        return DAY_FIRST if has_large[0] else MONTH_FIRST
    if any(match["mark"] == "." for match in matches):  # who writes points begins with the day
        return DAY_FIRST
    if {1} in (first, second) and len(first | second) > 2:  # the first of each month
        return DAY_FIRST if first == {1} else MONTH_FIRST
    return OPEN


def resolve_order(name: str, texts: Sequence[str], declared: str | None = None) -> str:
    """The order in which a column is read, declared or that of its dates, with the language of its months.

    The language follows after a blank if it is not English, as in "day-first fr". Raises `BadInput` if the order is
    open, or if a date is in none.
    """
    order, _, language = (declared or "").partition(" ")
    order = order or date_order(texts)
    language = language or _language_of(frozenset(texts))
    for text in {*texts} if order else ():
        match = YEAR_LAST.fullmatch(text)
        if match and order == OPEN:
            raise BadInput(
                f"the dates of the column {name}, such as {text}, may begin with the day or the month; say --dates "
                "day-first or month-first, in Python dates=; or write 2021-12-31"
            )
        if match and _parse(text, order) is None and _parse(text, ORDERS[order == DAY_FIRST]):
            begin = order.removesuffix("-first")
            raise BadInput(f"the column {name} holds {text}, where dates begin with the {begin}; write all dates alike")
    return f"{order} {language}" if language else order


@lru_cache(maxsize=4)  # each part is asked for by itself
def _language_of(texts: frozenset[str]) -> str:
    """The language of the months of dates; "" if they are in English, or no dates."""
    with_words = [text for text in texts if WORD.search(text) and not text.isalpha()]
    known = parse_dates(with_words)
    return find_language(with_words) if len(known) < len(with_words) else ""


@lru_cache(maxsize=4)  # each part is asked for by itself
def date_parts(texts: tuple[str, ...], order: str = MONTH_FIRST) -> dict[str, Floats]:
    """The parts [N] of dates by name, NaN for what is none; times in UTC.

    >>> {name: float(values[0]) for name, values in date_parts(("1970-01-03 12:30",)).items()}
    {'year': 1970.0, 'month': 1.0, 'weekday': 5.0, 'hour': 12.5, 'days': 2.520833}
    """
    dates = parse_dates(texts, order)
    parts = dict.fromkeys(texts, (np.nan,) * len(PARTS))
    for text, date in dates.items():
        if FIRST_YEAR <= date.year <= LAST_YEAR:
            days = round((date - EPOCH) / timedelta(days=1), 6)
            parts[text] = (date.year, date.month, date.weekday(), date.hour + date.minute / 60, days)
    table = np.array([parts[text] for text in texts], np.float64).reshape(-1, len(PARTS))
    return dict(zip(PARTS, table.T, strict=True))


def parse_dates(texts: Iterable[str], order: str = MONTH_FIRST) -> dict[str, datetime]:
    """The dates among texts, in UTC if a zone is given; `order` is one that `resolve_order` returns."""
    order, _, language = order.partition(" ")
    texts = {*texts} - {""}
    english = {text: with_english_months(text, language) if language else text for text in texts}
    parsed = {text: _parse(text, order) for text in english.values()}
    parsed |= _parse_by_pandas([text for text, date in parsed.items() if date is None], order)
    return {text: date for text in texts if (date := parsed[english[text]]) is not None}


def _parse(text: str, order: str) -> datetime | None:
    """Read seconds or milliseconds since 1970, or a written date; None where the text is neither."""
    if (unit := bool(SECONDS.fullmatch(text)) + 1000 * bool(MILLISECONDS.fullmatch(text))) > 0:
        date = EPOCH + timedelta(seconds=int(text) / unit)
        return date if date.year in EPOCH_YEARS else None
    match = _match(text)
    if match is None:
        return None
    parts = match.groupdict()
    year = int(parts["year"])
    if len(parts["year"]) == 2:
        year += 1900 if year > 68 else 2000  # as POSIX reads them
    day, month = _day_and_month(parts, order)
    hour = hour_of_day(parts["hour"], parts["half"])
    try:
        date = datetime(year, month, day, hour, int(parts["minute"] or 0), int(parts["second"] or 0))
    except ValueError:
        return None
    return date + timedelta(seconds=float(parts["fraction"] or 0))


def _day_and_month(parts: Mapping[str, str], order: str) -> tuple[int, int]:
    """The day and the month of a match; month 0 for a name that is none."""
    if "first" in parts:
        first, second = int(parts["first"]), int(parts["second_part"])
        return (second, first) if order == MONTH_FIRST else (first, second)
    if "month" in parts:
        return int(parts["day"]), int(parts["month"])
    name = (parts["name"] or parts["name_first"]).lower()[:3]
    return int(parts["day"] or parts["day_after"]), MONTHS.index(name) + 1 if name in MONTHS else 0


def _match(text: str) -> re.Match[str] | None:
    forms = (YEAR_FIRST, YEAR_LAST, NAMED_MONTH, COMPACT)
    return next((match for form in forms if (match := form.fullmatch(text))), None)


def _parse_by_pandas(texts: Sequence[str], order: str) -> dict[str, datetime | None]:
    """What is written in another way, with a year of four digits; without one pandas would take the present day's."""
    texts = [text for text in texts if YEAR.search(text) and not _match(text)]
    if not texts:
        return {}
    import pandas as pd

    with np.errstate(all="ignore"):
        dates = pd.to_datetime(texts, format="mixed", errors="coerce", utc=True, dayfirst=order == DAY_FIRST)
    milliseconds = dates.tz_localize(None).to_numpy().astype("datetime64[ms]")
    return dict(zip(texts, milliseconds.tolist(), strict=True))
