"""Match texts with the categories that a model knows, also if another program writes them differently.

True may be TRUE or 1, a whole number 2 or 2.0, a day may have the time 00:00:00, and a time trailing zeros. Texts that
match no category stay as they are.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from deltarule.tables.cell_parsing import INTEGER_PRECISION_LIMIT, WHOLE_AS_WRITTEN, as_text, is_number

SURELY_DECIMAL = re.compile(r"(?![+-]?[1-9]\d{0,2},\d{3}\Z)[+-]?\d+,\d+([eE][+-]?\d+)?")
"""A number with one comma that cannot be a thousands separator."""
AS_DECIMALS = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?(E-\d{1,2})?")
"""A number as Python, Arrow and databases write decimals; very small ones have an exponent."""
TRUTHS = {"true": "1", "false": "0"}
TIME = re.compile(r"(?:(\d{4}-\d\d-\d\d)[ T])?(\d\d:\d\d:\d\d)(\.\d+)?(?:([+-]\d\d)(?::?(\d\d))?)?")
"""A time, perhaps with its day, with 3, 6 or 9 decimals of seconds, and with a zone, which Arrow writes as +0100 and
other programs as +01."""


def match_categories(texts: Sequence[str], categories: Collection[str]) -> list[str]:
    """Replace texts by the categories that they mean; texts that match none, or more than one, stay.

    >>> match_categories(["2.0", "01", "red"], categories=["1", "2", ""])
    ['2', '1', 'red']
    >>> match_categories(["2.0", "01"], categories=["01", "2", "1A"])
    ['2.0', '01']
    >>> match_categories(["2", "3"], categories=["1.0", "2.0", "3.0"])
    ['2.0', '3.0']
    >>> match_categories(["TRUE", "false "], categories=["True", "False"])
    ['True', 'False']
    >>> match_categories(["2026-11-20 00:00:00"], categories=["2026-11-20"])
    ['2026-11-20']
    >>> match_categories(["1", "0.0"], categories=["True", "False"]), match_categories(["True"], categories=["0", "1"])
    (['True', 'False'], ['1'])
    >>> match_categories(["1,0"], categories=["1.0", "2.5"])
    ['1.0']
    >>> match_categories(["2.5", "2,50"], categories=["1,0", "2,5"])
    ['2,5', '2,50']
    >>> match_categories(["1.5", "2"], categories=["1.50", "2.00"])
    ['1.50', '2.00']
    """
    matcher = category_matcher(tuple(categories))
    matches = {text: matcher.match(text) for text in {*texts} - matcher.categories}
    return [matches.get(text, text) for text in texts]


@dataclass(frozen=True, eq=False)
class CategoryMatcher:
    """Finds the category that a differently written text means.

    categories        the known ones
    are_numbers       whether all are different numbers, or truth values: then 2.0 means 2
    are_truth_values  whether all are truth values, or 0 and 1: then TRUE, true and 1 mean True
    have_commas       whether some have a comma: then only equal texts with a comma match, because 1,2 and 1,20 may be
                      lists of answers
    by_form           the category of each canonical form that is not ambiguous
    """

    categories: frozenset[str]
    are_numbers: bool
    are_truth_values: bool
    have_commas: bool
    by_form: Mapping[str, str]

    def match(self, text: str) -> str:
        """The category that a differently written text means; the text itself if there is none."""
        if self.have_commas and "," in text:
            return text
        return self.by_form.get(canonical_form(text, self.are_truth_values, self.are_numbers), text)


@lru_cache(maxsize=256)
def category_matcher(categories: tuple[str, ...]) -> CategoryMatcher:
    """Create the matcher for the categories of a column.

    >>> category_matcher(("true", "false")).by_form
    {'1': 'true', '0': 'false'}
    """
    are_numbers = are_distinct_numbers(categories)
    words = {_number_as_text(name) if are_numbers else name.strip().lower() for name in categories}
    are_truth_values = any(categories) and words <= {"0", "1", "", *TRUTHS}
    are_numbers = are_numbers or are_truth_values
    same_form: dict[str, list[str]] = {}
    for name in categories:
        same_form.setdefault(canonical_form(name, are_truth_values, are_numbers), []).append(name)
    by_form = {form: names[0] for form, names in same_form.items() if len(names) == 1}
    have_commas = any("," in name for name in categories)
    return CategoryMatcher(frozenset(categories), are_numbers, are_truth_values, have_commas, by_form)


def canonical_form(text: str, are_truth_values: bool = False, are_numbers: bool = False) -> str:
    """Normalize a text: 1 for TRUE if `are_truth_values`, 2 for 2.0 if `are_numbers`, a day without 00:00:00.

    Outer spaces are removed, truth values become 1 and 0, numbers are written as by Python; midnight is dropped from
    days, trailing zeros from times, and zones become +01:00. The flags say what the categories of the column are.

    >>> canonical_form(" TRUE", are_truth_values=True), canonical_form("TRUE")
    ('1', 'TRUE')
    >>> canonical_form("2.0", are_numbers=True), canonical_form("2.0")
    ('2', '2.0')
    >>> canonical_form("2026-11-20 00:00:00"), canonical_form("2026-11-20 00:00:00.000")
    ('2026-11-20', '2026-11-20')
    >>> canonical_form("2026-11-20 10:00:00.100000"), canonical_form("10:00:00.0")
    ('2026-11-20 10:00:00.1', '10:00:00')
    >>> canonical_form("2026-11-20T10:00:00.000Z"), canonical_form("2026-11-20 10:00:00+0100")
    ('2026-11-20 10:00:00+00:00', '2026-11-20 10:00:00+01:00')
    """
    text = text.strip()
    if are_truth_values:
        text = TRUTHS.get(text.lower(), text)
    if are_numbers:
        return _number_as_text(text)
    if match := TIME.fullmatch(re.sub("Z$", "+00", text)):
        day, clock, fraction, hours, minutes = match.groups("")
        zone = hours and f"{hours}:{minutes or '00'}"
        text = f"{day} {clock}{fraction.rstrip('0').rstrip('.')}{zone}".strip()
        return day if text == f"{day} 00:00:00" else text
    return text


def are_distinct_numbers(names: Collection[str]) -> bool:
    """Whether all names except "" are different numbers such as 1, 1.0 or 1,0; codes such as 01 are none.

    1.50 counts as a number along with 2.00, if all have the same number of decimals; 1.1 and 1.10 may be two versions.
    """
    canonical = {name: _number_as_text(name) for name in names if name}
    pairs = ((_with_decimal_point(name), number) for name, number in canonical.items())
    are_plain = (is_number(name) and (number == name or WHOLE_AS_WRITTEN.fullmatch(name)) for name, number in pairs)
    return (all(are_plain) or _have_equal_decimals(canonical)) and len(set(canonical.values())) == len(canonical)


def _have_equal_decimals(names: Iterable[str]) -> bool:
    """Whether all names are decimal numbers with the same number of decimals."""
    written = [_with_decimal_point(name) for name in names]
    if not all(map(AS_DECIMALS.fullmatch, written)):
        return False
    return len({Decimal(number).as_tuple().exponent for number in written}) == 1


def _with_decimal_point(text: str) -> str:
    """A number with a decimal point for its decimal comma; other texts stay."""
    return text.replace(",", ".") if SURELY_DECIMAL.fullmatch(text) else text


def _number_as_text(text: str) -> str:
    """A number as `as_text` writes it; texts, and numbers beyond the precision of float64, stay."""
    text = _with_decimal_point(text)
    if not is_number(text) or not abs(float(text)) < INTEGER_PRECISION_LIMIT:
        return text
    return as_text(float(text))
