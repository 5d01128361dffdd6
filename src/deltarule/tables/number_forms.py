"""The forms in which people write numbers, beside those that `float` reads: one pattern each."""

import re

GAP = "[ \u00a0\u202f]"
"""A space between thousands, or beside a sign: an ordinary one, or one of those where no line may end."""
AMOUNT = rf"\d+(,\d{{3}})*(\.\d+)?|\d+(\.\d{{3}})*(,\d+)?|\d{{1,3}}({GAP}\d{{3}})+([.,]\d+)?"


def _pattern_with_sign() -> str:
    currency = "[$€£¥]|AUD|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HUF|INR|JPY|NOK|PLN|SEK|USD"
    signed = rf"[+-]?({currency})?{GAP}?[+-]?({AMOUNT}){GAP}?({currency}|%)?"
    return rf"(?=.*({currency}|[(%]|,\d{{3}}\.|\d{GAP}\d))({signed}|\({signed}\))"


NUMBER_FORMS = {
    name: re.compile(pattern)
    for name, pattern in {
        "comma": r"[+-]?\d+(\.\d{3})*(,\d+)+",  # 1,5 and 1.234,5, but also 1,234,567
        "point": r"[+-]?[1-9]\d{0,2}(\.\d{3})+",  # thousands with points: 1.234.567
        "sign": _pattern_with_sign(),  # 5 %, $7, 12.50 EUR, (1.50), 1 234, 1,234.56
        "decimal comma": r"[+-]?\d+(\.\d{3})*,\d+([eE][+-]?\d+)?",
        "point and comma": r"[+-]?[1-9]\d{0,2}(\.\d{3})+,\d+",  # means one number alone: 4.979,34
        "ambiguous": r"[+-]?[1-9]\d{0,2}[.,]\d{3}",  # 1.500 and 1,500 may mean thousands
    }.items()
}
"""The first three are reported if most cells of a column have them; the others decide what commas and points mean."""
