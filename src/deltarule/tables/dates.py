"""Recognize dates, and make numbers of their parts.

N rows
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from deltarule.problem.problem import Floats

YEAR = re.compile(r"\b(18|19|20)\d\d(\b|T)")
PARTS = ("year", "month", "weekday", "hour", "days")
"""Of a date; weekdays count from Monday, 0, and days from 1970."""


def are_dates(texts: Sequence[str]) -> bool:
    """Whether most of the first 1,000 texts are dates."""
    texts = texts[:1000]
    if sum(YEAR.search(text) is not None for text in texts) <= len(texts) / 2:
        return False
    return bool(np.isfinite(date_parts(tuple(texts))["year"]).sum() > len(texts) / 2)


@lru_cache(maxsize=4)  # each part is asked for by itself
def date_parts(texts: tuple[str, ...]) -> dict[str, Floats]:
    """The parts [N] of dates by name, NaN for what is none; times in UTC.

    >>> {name: float(values[0]) for name, values in date_parts(("1970-01-03 12:30",)).items()}
    {'year': 1970.0, 'month': 1.0, 'weekday': 5.0, 'hour': 12.5, 'days': 2.520833}
    """
    import pandas as pd

    dates = pd.Series(pd.to_datetime(list(texts), format="mixed", errors="coerce", utc=True))
    days = (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
    hour = dates.dt.hour + dates.dt.minute / 60
    parts = (dates.dt.year, dates.dt.month, dates.dt.day_of_week, hour, days.round(6))
    return {name: values.to_numpy(np.float64) for name, values in zip(PARTS, parts, strict=True)}
