"""How texts are known by names that were learned, also where another program writes the same otherwise.

True may be TRUE or 1, a whole number 2 or 2.0, a day one at midnight, a time one with zeros
behind it. What is none of the names stays as it is.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from deltarule.tables.cell_parsing import EXACT, WHOLE_AS_WRITTEN, as_text, is_number

SURELY_DECIMAL = re.compile(r"(?![+-]?[1-9]\d{0,2},\d{3}\Z)[+-]?\d+,\d+([eE][+-]?\d+)?")
"""One comma, and no thousands that it may stand for."""
AS_DECIMALS = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?(E-\d{1,2})?")
"""A number as Python, Arrow and databases write decimals; the least of them with an exponent."""
TRUTHS = {"true": "1", "false": "0"}
TIME = re.compile(r"(?:(\d{4}-\d\d-\d\d)[ T])?(\d\d:\d\d:\d\d)(\.\d+)?(?:([+-]\d\d)(?::?(\d\d))?)?")
"""A time of a day, of which programs write 3 digits behind the seconds, 6 or 9, or none; and perhaps its zone, of which
Arrow writes +0100 and others +01."""


def as_named(texts: Sequence[str], names: Collection[str]) -> list[str]:
    """Texts by their names: as they are, or as another program writes the same.

    >>> as_named(["2.0", "01", "red"], names=["1", "2", ""]), as_named(["2.0", "01"], names=["01", "2", "1A"])
    (['2', '1', 'red'], ['2.0', '01'])
    >>> as_named(["2", "3"], names=["1.0", "2.0", "3.0"])
    ['2.0', '3.0']
    >>> as_named(["TRUE", "false "], names=["True", "False"]), as_named(["2026-11-20 00:00:00"], names=["2026-11-20"])
    (['True', 'False'], ['2026-11-20'])
    >>> as_named(["1", "0.0"], names=["True", "False"]), as_named(["True"], names=["0", "1"])
    (['True', 'False'], ['1'])
    >>> as_named(["1,0"], names=["1.0", "2.5"]), as_named(["2.5", "2,50"], names=["1,0", "2,5"])
    (['1.0'], ['2,5', '2,50'])
    >>> as_named(["1.5", "2"], names=["1.50", "2.00"])
    ['1.50', '2.00']
    """
    known = naming_of(tuple(names))
    others = {text: known.name_of(text) for text in {*texts} - known.names}
    return [others.get(text, text) for text in texts]


@dataclass(frozen=True, eq=False)
class Naming:
    """How texts are known by names that were learned.

    names     what is called as it stands
    numbers   whether all names are those of different numbers, or of truth values: then 2.0 is 2
    truths    whether all are truth values, or 0 and 1: then TRUE, true and 1 are True
    commas    whether some have a comma: then other texts with one are others, for 1,2 and 1,20 may be answers
    forms     of a name in the form that all ways to write it have in common, the name
    """

    names: frozenset[str]
    numbers: bool
    truths: bool
    commas: bool
    forms: Mapping[str, str]

    def name_of(self, text: str) -> str:
        """The name of a text that is none; without one the text itself."""
        if self.commas and "," in text:
            return text
        return self.forms.get(form_of(text, self.truths, self.numbers), text)


@lru_cache(maxsize=256)
def naming_of(names: tuple[str, ...]) -> Naming:
    """How texts are known by these names.

    >>> naming_of(("true", "false")).forms
    {'1': 'true', '0': 'false'}
    """
    numbers = are_numbers(names)
    words = {_named_as_number(name) for name in names} if numbers else {name.strip().lower() for name in names}
    truths = any(names) and words <= {"0", "1", "", *TRUTHS}
    numbers = numbers or truths
    ways: dict[str, list[str]] = {}
    for name in names:
        ways.setdefault(form_of(name, truths, numbers), []).append(name)
    forms = {form: found[0] for form, found in ways.items() if len(found) == 1}
    return Naming(frozenset(names), numbers, truths, any("," in name for name in names), forms)


def form_of(text: str, truths: bool = False, numbers: bool = False) -> str:
    """What all ways to write a text have in common: no spaces around it, truth values as 1 and 0, numbers as Python's,
    days without a time, times without zeros behind their seconds, and their zones as +01:00.

    >>> form_of(" TRUE", truths=True), form_of("TRUE"), form_of("2.0", numbers=True), form_of("2.0")
    ('1', 'TRUE', '2', '2.0')
    >>> form_of("2026-11-20 00:00:00"), form_of("2026-11-20 00:00:00.000"), form_of("2026-11-20 10:00:00.100000")
    ('2026-11-20', '2026-11-20', '2026-11-20 10:00:00.1')
    >>> form_of("2026-11-20T10:00:00.000Z"), form_of("2026-11-20 10:00:00+0100"), form_of("10:00:00.0")
    ('2026-11-20 10:00:00+00:00', '2026-11-20 10:00:00+01:00', '10:00:00')
    """
    text = text.strip()
    if truths:
        text = TRUTHS.get(text.lower(), text)
    if numbers:
        return _named_as_number(text)
    if found := TIME.fullmatch(re.sub("Z$", "+00", text)):
        day, clock, fraction, hours, minutes = found.groups("")
        zone = hours and f"{hours}:{minutes or '00'}"
        text = f"{day} {clock}{fraction.rstrip('0').rstrip('.')}{zone}".strip()
        return day if text == f"{day} 00:00:00" else text
    return text


def are_numbers(names: Collection[str]) -> bool:
    """Whether names, but for that of what is missing, are all those of different numbers: 1, 1.0 or 1,0, and not 01.

    1.50 is one beside 2.00, where all have as many digits behind the point; 1.1 and 1.10 are two versions.
    """
    called = {name: _named_as_number(name) for name in names if name}
    written = ((_with_decimal_point(name), one) for name, one in called.items())
    plain = (is_number(name) and (one == name or WHOLE_AS_WRITTEN.fullmatch(name)) for name, one in written)
    return (all(plain) or _have_one_scale(called)) and len(set(called.values())) == len(called)


def _have_one_scale(names: Iterable[str]) -> bool:
    """Whether all names are decimals with as many digits behind the point."""
    written = [_with_decimal_point(name) for name in names]
    if not all(map(AS_DECIMALS.fullmatch, written)):
        return False
    return len({Decimal(one).as_tuple().exponent for one in written}) == 1


def _with_decimal_point(text: str) -> str:
    return text.replace(",", ".") if SURELY_DECIMAL.fullmatch(text) else text


def _named_as_number(text: str) -> str:
    text = _with_decimal_point(text)
    if not is_number(text) or not abs(float(text)) < EXACT:
        return text
    return as_text(float(text))
