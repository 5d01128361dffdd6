"""Match texts with the categories that a model knows."""

from collections.abc import Collection, Sequence
from functools import lru_cache

from deltarule.tables.cell_parsing import PLAIN_NUMBER

TRUTH_VALUES = {"true": "1", "false": "0"}


def match_categories(texts: Sequence[str], categories: Collection[str]) -> list[str]:
    """Replace texts by the categories that they mean.

    >>> match_categories(["2.0", "01", "red"], categories=["1", "2", ""])
    ['2', '01', 'red']
    >>> match_categories(["1.1", "1.10", "1.0"], categories=["1.1", "1.10"])
    ['1.1', '1.10', '1.0']
    >>> match_categories(["TRUE", "0"], categories=["True", "False"])
    ['True', 'False']
    """
    known, forms = set(categories), category_by_form(tuple(categories))
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
