"""Find the language of the months in dates, and write their months in English.

The names are those of dateparser, for 205 languages. A column has one language: listopad is November in Czech and
October in Croatian.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable
from functools import cache
from importlib import import_module

ENGLISH = ("January February March April May June July August September October November December").split()
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WORD = re.compile(r"[^\W\d_]+")
DATE_WITH_WORDS = re.compile(r"(?=.{0,9}[^\W\d_]{2})(?=.{,20}\d)[^\n]{5,40}")
MAX_DATE_WORDS = 80
"""Different words of a column: each month in three forms, weekdays and particles are fewer."""
MAX_PARTICLE_LETTERS = 3
"""Of an unknown word that is left out, such as de in 1 de mayo, and г. after a year."""
KEPT = {"am", "pm", "t", "z", "utc", "gmt"}
"""Words of times."""


def find_language(texts: Collection[str]) -> str:
    """The language, as "fr", that knows the most of the months in dates; "" if none does."""
    words = {word for text in texts if DATE_WITH_WORDS.fullmatch(text) for word in _words(text)} - KEPT
    if not words or len(words) > MAX_DATE_WORDS:
        return ""
    from dateparser.data.languages_info import language_order

    best, best_count = "", 0
    for language in language_order:
        months, others = _names(language)
        count = len(words & months.keys())
        if count > best_count:
            best, best_count = language, count
            if words <= months.keys() | others:
                break
    return best


def with_english_months(text: str, language: str) -> str:
    """A date with its month in English, without weekdays and particles.

    >>> with_english_months("lundi 1er août 2022", "fr"), with_english_months("15-Okt-2020", "de")
    ('1 August 2022', '15-October-2020')
    """
    months, others = _names(language)

    def english(match: re.Match[str]) -> str:
        word = _fold(match[0])
        if word in months:
            return ENGLISH[months[word]]
        is_left_out = word not in KEPT and (word in others or len(word) <= MAX_PARTICLE_LETTERS)
        return "" if is_left_out else match[0]

    return " ".join(WORD.sub(english, text).split()).strip(" .,")


def _words(text: str) -> Iterable[str]:
    return map(_fold, WORD.findall(text))


def _fold(word: str) -> str:
    """A word in small letters without accents, as some type it."""
    letters = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


@cache
def _names(language: str) -> tuple[dict[str, int], set[str]]:
    """The number from 0 on of each month's names, and the names of weekdays and particles."""
    info = import_module(f"dateparser.data.date_translation_data.{language}").info
    months: dict[str, int] = {}
    for number, month in enumerate(ENGLISH):
        for name in info.get(month.lower(), ()):
            months.setdefault(_fold(name).rstrip("."), number)
    others = [name for key in (*WEEKDAYS, "skip", "pertain") for name in info.get(key, ())]
    return months, {word for name in others for word in _words(name)}
