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
YEAR_FIRST = re.compile(rf"(?P<year>\d{{4}})(?P<mark>[-/.])(?P<month>\d{{1,2}})(?P=mark)(?P<day>\d{{1,2}}){TIME}")
YEAR_LAST = re.compile(
    r"(?P<first>\d{1,2})(?P<mark>[-/.])(?P<second_part>\d{1,2})(?P=mark)"
    rf"(?P<year>\d{{4}}|(?<=\d\d.\d\d.)\d\d|(?<=/)\d\d){TIME}"
)
NAMED_MONTH = re.compile(
    r"(?:(?P<day>\d{1,2})[-/. ]{0,2}(?P<name>[A-Za-z]{3,9})\.?|(?P<name_first>[A-Za-z]{3,9})\.? (?P<day_after>\d{1,2}))"
    rf"[-/, ]{{1,2}}(?P<year>\d{{4}}|(?<=-)\d\d){TIME}"
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
    return sum(known[text] for text in texts) > len(texts) / 2


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
    """The order in which a column is read: declared, or that of its dates.

    Raises `BadInput` if it is open, or if a date is in none.
    """
    order = declared or date_order(texts)
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
    return order


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
    """The dates among texts, in UTC if a zone is given."""
    different = {*texts} - {""}
    parsed = {text: _parse(text, order) for text in different}
    parsed |= _parse_by_pandas([text for text, date in parsed.items() if date is None], order)
    return {text: date for text, date in parsed.items() if date is not None}


def _parse(text: str, order: str) -> datetime | None:
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
    return YEAR_FIRST.fullmatch(text) or YEAR_LAST.fullmatch(text) or NAMED_MONTH.fullmatch(text)


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
