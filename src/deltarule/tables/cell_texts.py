"""Tell codes and slips from numbers, and write and match values as category names.

N rows.    A column is numbers [N], NaN where one is missing, or texts [N], "" where one is missing.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np

from deltarule.errors import one_line
from deltarule.tables.number_forms import LOSSLESS_LIMIT, has_number_form, is_number

MISSING = frozenset(
    "|#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null|?".split("|")
)
"""The texts that count as missing: those of `pandas.read_csv`, and the question mark of many published tables."""
IDENTIFIER_NAMES = {"id", "index", "key", "no", "nr", "number", "row", "rownames", "uuid"}
IDENTIFIED_NOUNS = (
    "account|animal|case|client|customer|employee|household|invoice|member|order|participant|passenger|patient|person|"
    "product|record|student|subject|user"
)
OWNERS_OF_ROWS = "animal|client|customer|household|participant|passenger|patient|person|student|subject|user"
IDENTIFIER_PATTERN = re.compile(
    rf".*[\W_](?i:id)|.*[a-z0-9]I[dD]|(?i:id)[\W_].*|(?i:(.*[\W_])?({IDENTIFIED_NOUNS})[\W_]?(id|no|nr|number)|"
    rf"{OWNERS_OF_ROWS})"
)
"""Names such as customer_id, user-id, CustomerID, userId, ID_customer, customerid, order_no, patient."""
PLAIN_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")
"""A number as programs write it; in columns with missing values some write 1.0 for 1."""
VERSION = re.compile(r"\d{1,2}\.(0|[1-9]\d?)")
MAX_MINOR_VERSION = 30
"""Fractions that people write with one or two digits, such as .5, .50 and .75, are not all below it."""
TRUTH_VALUES = {"true": "1", "false": "0"}
MAX_SHOWN_CHARACTERS = 200
"""Characters of a text in a message; of a longer one the beginning and the end, because names may differ in either."""


def shorten(text: str) -> str:
    """Shorten a text to one line for messages."""
    return one_line(_cut_middle(text))


def shorten_repr(text: str) -> str:
    """Quote a text and shorten it to one line for messages."""
    return repr(_cut_middle(text))


def list_names(names: Sequence[str], limit: int = 10) -> str:
    """Join the first names for a message, with the number of the others."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(map(shorten, names[:limit])) + more


def _cut_middle(text: str) -> str:
    if len(text) <= MAX_SHOWN_CHARACTERS:
        return text
    return f"{text[: MAX_SHOWN_CHARACTERS // 2]} … {text[3 - MAX_SHOWN_CHARACTERS // 2 :]}"


def are_codes(texts: Sequence[str]) -> bool:
    """Whether texts are codes that look like numbers. "" stands for missing values.

    Some have leading zeros, as zip codes do (fewer among amounts are more often typing errors), or more digits than
    numbers keep, or an E among the digits, where programs would write 4e+02 and 4.0E2; or they are versions.

    >>> are_codes(["01234", "90210"]), are_codes(["7", "12"]), are_codes(["0.5", "01"])
    (True, False, False)
    >>> are_codes(["1234567890123456789"]), are_codes(["4E2", "402"]), are_codes(["4E2", "0.5"])
    (True, True, False)
    """
    present = [text.removeprefix("'") for text in texts if text]  # Excel's mark of a text
    if any("E" in text for text in present[:1000]):
        return all(re.fullmatch(r"\d+(E\d+)?", text) for text in present)
    if "." in "".join(present[:100]):
        return are_versions(present)
    if not all(text.isdecimal() for text in present):
        return False
    codes = sum(text[0] == "0" and len(text) > 1 for text in present)
    return 0 < codes >= 0.05 * len(present) or any(len(text) > 15 and int(text) >= LOSSLESS_LIMIT for text in present)


def are_versions(texts: Iterable[str]) -> bool:
    """Whether texts are versions, of which 1.10 is not 1.1: both 1.9 and 1.10 occur, but no 1.05 and no 1.75.

    >>> are_versions(["3.9", "3.10", "3.11"]), are_versions(["1.5", "1.50", "1.25"]), are_versions(["1.50", "1.10"])
    (True, False, False)
    """
    different = {*texts}
    if not all(map(VERSION.fullmatch, different)):
        return False
    minors = {text.partition(".")[2] for text in different}
    has_both = minors & {"10", "20", "30"} and any(len(minor) == 1 for minor in minors - {"0"})
    return bool(has_both) and max(map(int, minors)) <= MAX_MINOR_VERSION


def is_identifier_name(name: str) -> bool:
    """Whether a column's name, such as order_id or patient, says that it identifies what a row is of.

    >>> [is_identifier_name(name) for name in ("id", "CustomerID", "Patient", "paid")]
    [True, True, True, False]
    """
    return name.lower() in IDENTIFIER_NAMES or IDENTIFIER_PATTERN.fullmatch(name) is not None


def examples_of_texts(texts: Sequence[str]) -> str:
    """The first two different texts that are no plain numbers, best those of no form."""
    different = dict.fromkeys(text for text in texts if text and not is_number(text))
    without_form = [text for text in different if not has_number_form(text)]
    return " and ".join([shorten_repr(text) for text in without_form or different][:2])


def as_text(value: Any) -> str:
    """The category name of a value."""
    if type(value) is str:
        return value
    if value is None or (np.ndim(value) == 0 and value != value):
        return ""
    if isinstance(value, bool | np.bool_):
        return str(value)
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating | Decimal):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    return str(value).removesuffix(" 00:00:00") if isinstance(value, datetime) else str(value)


def list_classes(classes: Iterable[Any]) -> str:
    """Join the names of the first five classes for a message."""
    return list_names([shorten_repr(as_text(value)) for value in classes], 5)


def match_categories(texts: Sequence[str], categories: Collection[str]) -> list[str]:
    """Replace texts by the categories that they mean."""
    known = set(categories)
    forms = category_by_form(tuple(categories))
    matches = {text: forms.get(canonical_form(text), text) for text in {*texts} - known}
    return [matches.get(text, text) for text in texts]


@lru_cache(maxsize=256)
def category_by_form(categories: tuple[str, ...]) -> dict[str, str]:
    """The category of each canonical form that only one of them has.

    >>> category_by_form(("true", "2.0", "1.1", "1.10"))
    {'1': 'true', '2': '2.0'}
    """
    same_form: dict[str, list[str]] = {}
    for category in categories:
        same_form.setdefault(canonical_form(category), []).append(category)
    return {form: names[0] for form, names in same_form.items() if len(names) == 1}


def canonical_form(text: str) -> str:
    """Normalize a text to compare it with categories.

    >>> canonical_form("2.50"), canonical_form("TRUE"), canonical_form("01")
    ('2.5', '1', '01')
    """
    text = text.strip().removesuffix(" 00:00:00")
    if PLAIN_NUMBER.fullmatch(text):
        return text.rstrip("0").rstrip(".") if "." in text else text
    return TRUTH_VALUES.get(text.lower(), text)
