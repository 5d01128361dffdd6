"""Parse columns of cells as numbers in several notations, and recognize notations that are only reported.

N rows.    A column is a list of N cells, which are stripped texts.

A parser accepts a whole column or none of it. No parser accepts ambiguous numbers such as 1,500: such a column stays
text, and `deltarule.tables.cell_diagnosis` says how to write it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deltarule.tables.cell_parsing import MISSING, Unclear, float64_merges_integers, is_number

SPACE = "[ \u00a0\u202f]"
"""A space between thousands, or beside a sign: an ordinary one or a non-breaking one."""
APOSTROPHE = "['\u2019]"
AMOUNT = rf"\d+(,\d{{3}})*(\.\d+)?|\d+(\.\d{{3}})*(,\d+)?|\d{{1,3}}(({SPACE}\d{{3}})+|({APOSTROPHE}\d{{3}})+)([.,]\d+)?"


def _pattern_with_sign() -> str:
    """The pattern of an amount with a currency, a percent sign, parentheses or separators between thousands."""
    currency = "[$€£¥]|AUD|CAD|CHF|CNY|CZK|DKK|EUR|GBP|HUF|INR|JPY|NOK|PLN|SEK|USD"
    signed = rf"[+-]?({currency})?{SPACE}?[+-]?({AMOUNT}){SPACE}?({currency}|%)?"
    return rf"(?=.*({currency}|[(%]|,\d{{3}}\.|\d({SPACE}|{APOSTROPHE})\d))({signed}|\({signed}\))"


NUMBER_FORMS = {
    name: re.compile(pattern)
    for name, pattern in {
        "comma": r"[+-]?\d+(\.\d{3})*(,\d+)+",  # 1,5 and 1.234,5, but also 1,234,567
        "point": r"[+-]?[1-9]\d{0,2}(\.\d{3})+",  # thousands with points: 1.234.567
        "sign": _pattern_with_sign(),  # 5 %, $7, 12.50 EUR, (1.50), 1 234, 1,234.56, CHF 1'234
        "colon": r"-?(?P<hours>\d{1,6}):(?P<minutes>[0-5]\d):(?P<seconds>[0-5]\d(\.\d+)?)",  # 1:23:45
        "decimal comma": r"[+-]?\d+(\.\d{3})*,\d+([eE][+-]?\d+)?",
        "point and comma": r"[+-]?[1-9]\d{0,2}(\.\d{3})+,\d+",  # means one number alone: 4.979,34
        "ambiguous": r"[+-]?[1-9]\d{0,2}[.,]\d{3}",  # 1.500 and 1,500 may mean thousands
        "apostrophe": rf"[+-]?[1-9]\d{{0,2}}({APOSTROPHE}\d{{3}})+(\.\d+)?",  # 1'234.50
    }.items()
}
"""The first four are reported if most cells of a column have them; the others decide what a column's marks mean."""


@dataclass(frozen=True)
class ColumnParser:
    """A parser for columns of numbers in one notation.

    Parameters
    ----------
    name : str
        Its name in the documentation.
    rewrite : function
        Rewrites the cells of a column in this notation for `float`; other cells stay.
    examples : dict
        Columns and their numbers, or None for columns that the parser rejects. The tests run them.
    """

    name: str
    rewrite: Callable[[list[str]], list[str]]
    examples: Mapping[tuple[str, ...], Sequence[float] | None]


def _rewrite_decimal_commas(cells: list[str]) -> list[str]:
    """Replace decimal commas by points; an ambiguous column stays as it is."""
    with_comma = list(filter(NUMBER_FORMS["decimal comma"].fullmatch, cells))
    # A point without a later comma would be a second decimal sign, or a thousands separator.
    is_unclear = any("." in cell and not NUMBER_FORMS["point and comma"].fullmatch(cell) for cell in cells)
    if is_unclear or all(map(NUMBER_FORMS["ambiguous"].fullmatch, with_comma)):
        return cells
    commas = {*with_comma}
    return [cell.replace(".", "").replace(",", ".") if cell in commas else cell for cell in cells]


def _rewrite_apostrophes(cells: list[str]) -> list[str]:
    """Remove apostrophes between thousands."""
    return [re.sub(APOSTROPHE, "", cell) if NUMBER_FORMS["apostrophe"].fullmatch(cell) else cell for cell in cells]


def _rewrite_durations(cells: list[str]) -> list[str]:
    """Replace durations by seconds, unless other numbers occur: a 90 beside 1:23:45 has no unit."""
    is_mixed = any(cell not in MISSING and not NUMBER_FORMS["colon"].fullmatch(cell) for cell in cells)
    return cells if is_mixed else list(map(seconds_of, cells))


def seconds_of(text: str) -> str:
    """The number of seconds of a duration such as 1:23:45, as a text; other texts stay.

    >>> seconds_of("1:23:45"), seconds_of("-0:00:01.50"), seconds_of("12:30")
    ('5025', '-1.50', '12:30')
    """
    parts = NUMBER_FORMS["colon"].fullmatch(text)
    if not parts:
        return text
    whole, point, fraction = parts["seconds"].partition(".")
    seconds = 3600 * int(parts["hours"]) + 60 * int(parts["minutes"]) + int(whole)
    return f"{'-' if text.startswith('-') else ''}{seconds}{point}{fraction}"


PLAIN = ColumnParser(
    "plain numbers",
    lambda cells: cells,
    {
        ("1", "-2.5", "1e3", "NA", ""): (1, -2.5, 1000, np.nan, np.nan),
        ("1_2",): None,
        ("1", "red"): None,
        ("9007199254740992", "9007199254740993"): None,  # would be one number as float64
    },
)
DECIMAL_COMMAS = ColumnParser(
    "decimal commas",
    _rewrite_decimal_commas,
    {
        ("1,5", "2", "?"): (1.5, 2, np.nan),
        ("1.234,50", "-7,5"): (1234.5, -7.5),
        ("1,5e3",): (1500,),
        ("1,500", "2,250"): None,  # thousands, or decimals
        ("1,500", "7,5"): (1.5, 7.5),
        ("1,5", "2.5"): None,
    },
)
APOSTROPHES = ColumnParser(
    "apostrophes between thousands",
    _rewrite_apostrophes,
    {
        ("1'234.50", "823", "NA"): (1234.5, 823, np.nan),
        ("-1\u2019234\u2019567",): (-1234567,),
        ("12'34",): None,
        ("5'11", "6'02"): None,  # feet and inches
        ("1'234,50",): None,
        ("0'234",): None,
    },
)
DURATIONS = ColumnParser(
    "durations, in seconds",
    _rewrite_durations,
    {
        ("1:23:45", "0:00:01.5", ""): (5025, 1.5, np.nan),
        ("-100:00:00",): (-360000,),
        ("1:23:45", "90"): None,
        ("12:30", "12:31"): None,  # hours and minutes, or minutes and seconds
        ("1:60:00",): None,
        ("2026-11-20 10:00:00",): None,
    },
)
PARSERS = (PLAIN, DECIMAL_COMMAS, APOSTROPHES, DURATIONS)


def parse_numbers(cells: list[str], allow_commas: bool) -> np.ndarray | None:
    """Parse a column with the first parser that accepts all cells, else None; `allow_commas` allows 1,5.

    Parameters
    ----------
    cells : list of str
        The column.
    allow_commas : bool
        Whether numbers may have a decimal comma.

    >>> parse_numbers(["1:23:45", "NA"], allow_commas=False), parse_numbers(["1,5"], allow_commas=False)
    (array([5025.,   nan]), None)
    """
    parsers = [parser for parser in PARSERS if allow_commas or parser is not DECIMAL_COMMAS]
    return next((numbers for parser in parsers if (numbers := parse_with(parser, cells)) is not None), None)


def parse_with(parser: ColumnParser, cells: list[str]) -> np.ndarray | None:
    """Parse a column with one parser; None if it rejects a cell, or if float64 would merge different numbers."""
    rewritten = parser.rewrite(cells)
    try:
        numbers = _parse_cells(rewritten)
    except ValueError:
        return None
    return None if float64_merges_integers(rewritten, numbers, are_names=False) else numbers


def _parse_cells(cells: list[str]) -> np.ndarray:
    """Parse each cell as `parse_number` does, but faster; raises `ValueError` if one is not a number."""
    numbers = np.array([float("nan" if cell in MISSING else cell) for cell in cells])
    if Unclear in {*map(type, cells)} or "_" in "".join(cells):
        raise ValueError
    return numbers


def numbers_in(texts: np.ndarray) -> np.ndarray:
    """Convert texts [N] to numbers if all are plain numbers, even beyond the precision of float64; else return them.

    >>> numbers_in(np.array(["1", "2.5"], object)), numbers_in(np.array(["1", "one"], object))
    (array([1. , 2.5]), array(['1', 'one'], dtype=object))
    """
    if texts.dtype.kind != "O":
        return texts
    try:
        return _parse_cells(texts.tolist())
    except ValueError:
        return texts


def as_plain_numbers(texts: np.ndarray, parsers: Sequence[ColumnParser]) -> np.ndarray:
    """Rewrite texts [N] as plain numbers, still as texts, if one of the parsers accepts all; else return them.

    >>> as_plain_numbers(np.array(["1,5", "2"], object), [DECIMAL_COMMAS])
    array(['1.5', '2'], dtype=object)
    >>> as_plain_numbers(np.array(["1,5", "one"], object), PARSERS)
    array(['1,5', 'one'], dtype=object)
    """
    rewritten = (np.array(parser.rewrite(texts.tolist()), object) for parser in parsers)
    return next((column for column in rewritten if numbers_in(column).dtype.kind != "O"), texts)


def mark_unclear(columns: dict[str, list[str]]) -> dict[str, list[str]]:
    """Mark cells as `Unclear` in columns whose points may all separate thousands, if another one has decimal commas.

    >>> columns = mark_unclear({"rent": ["1.616", "823"], "area": ["134,7", "68"]})
    >>> [type(cell).__name__ for cell in columns["rent"]]
    ['Unclear', 'str']
    """
    marked = {name: unclear for name, cells in columns.items() if (unclear := _with_unclear(cells))}
    return columns | marked if marked and any(map(_has_decimal_commas, columns.values())) else columns


def _with_unclear(cells: list[str]) -> list[str] | None:
    """The cells with those that have a point as `Unclear`; None unless all of these may mean thousands."""
    pointed = {cell for cell in cells if "." in cell}
    if not pointed or not all(map(NUMBER_FORMS["ambiguous"].fullmatch, pointed)):
        return None
    return [Unclear(cell) if cell in pointed else cell for cell in cells]


def _has_decimal_commas(cells: list[str]) -> bool:
    """Whether most cells are numbers, and some can only be read with a decimal comma or points between thousands."""
    marked = [cell for cell in cells if any(NUMBER_FORMS[name].fullmatch(cell) for name in ("decimal comma", "point"))]
    if all(map(NUMBER_FORMS["ambiguous"].fullmatch, marked)):
        return False
    present = [cell for cell in cells if cell not in MISSING]
    return sum(map(is_number, present)) + len(marked) > len(present) / 2
