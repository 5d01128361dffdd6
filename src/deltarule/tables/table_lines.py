"""Which lines of a file name the columns, which are its rows, and which are titles, totals and footnotes."""

import re
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from deltarule.errors import BadInput
from deltarule.tables.cell_texts import shorten_repr
from deltarule.tables.number_forms import has_number_form
from deltarule.tables.text_files import Line

MAX_TITLE_LINES, MAX_FOOTER_LINES = 10, 5
TOTAL = re.compile(
    r"(?i)((grand |sub)?totals?|sum|summe|gesamt(summe|betrag)?|insgesamt|somme|totale|totaal|soma|suma|razem|итого|"
    r"всего|合计|总计|合計|計|average|mean|durchschnitt|mittelwert|moyenne|promedio|media|média)\W*"
)


def find_names(path: Path, lines: Sequence[Line], *, guess_title: bool = True) -> tuple[list[str], list[list[str]]]:
    """The names of the columns, and the cells of the rows."""
    if not lines:
        what = "is empty" if guess_title else "has nothing below the lines that --skip leaves out"
        raise BadInput(f"{path} {what}; give a table whose first line names its columns")
    start = _header_index(lines) if guess_title else 0
    if start:
        above = shorten_repr(" ".join(filter(None, lines[0].cells)))
        told = f"what is above the names of the columns is left out, as {above}; --skip says how many lines"
        warnings.warn(f"{path}: {told}", stacklevel=3)
    header = [cell.strip() for cell in lines[start].cells]
    names = [name or f"Unnamed: {index}" for index, name in enumerate(header)]  # as pandas calls it
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise BadInput(f"{path}: several columns are named {shorten_repr(repeated[0])}; give each one name")
    rows = []
    for number, cells in lines[start + 1 :]:
        if any(cells[len(names) :]):
            raise BadInput(
                f"{path}, line {number}: {len(cells)} cells, but {len(names)} names; add some or quote cells"
            )
        rows.append(cells[: len(names)] + [""] * (len(names) - len(cells)))
    if count := _count_footers(rows):
        first = shorten_repr(" ".join(filter(None, rows[-count])))
        warnings.warn(f"{path}: what is below the rows is left out, as {first}", stacklevel=3)
    return names, rows[: len(rows) - count]


def _header_index(lines: Sequence[Line]) -> int:
    """The index of the line with the columns' names: a title above it fills few cells, a comment may have commas."""
    usual = Counter(len(line.cells) for line in lines).most_common(1)[0][0]
    filled = [sum(map(bool, cells)) for _, cells in lines]
    start = next(
        index
        for index, (_, cells) in enumerate(lines)
        if len(cells) == usual or (filled[index] > 1 and not cells[0].startswith("#"))
    )
    # In a workbook a title has empty cells beside it. Below it a line of texts that fills more of them has the names.
    for index in range(start + 1, min(start + MAX_TITLE_LINES, len(lines) - 1)):
        if 2 * filled[start] <= usual and filled[index] > filled[start]:
            are_names = not any(map(has_number_form, lines[index].cells))
            has_numbers_below = any(map(has_number_form, lines[index + 1].cells))
            return index if are_names and (has_numbers_below or filled[start] == 1 < usual - 1) else start
    return start


def _count_footers(rows: Sequence[Sequence[str]]) -> int:
    """The number of lines at the end that are totals or footnotes."""
    last = len(rows)
    lowest = max(last - MAX_FOOTER_LINES, 2)
    body = rows[:lowest]
    while last > lowest and _is_footer(rows[last - 1], body):
        last -= 1
    return len(rows) - last if any(any(row) for row in rows[last:]) else 0


def _is_footer(row: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Whether a line begins with a total, or holds a single text where rows hold numbers or several cells."""
    column = next((index for index, cell in enumerate(row) if cell.strip()), None)
    if column is None:
        return True
    text = row[column].strip()
    others = [other[column].strip() for other in body if other[column].strip()]
    if has_number_form(text) or text in others or not others:
        return False
    if TOTAL.fullmatch(text):
        return True
    is_alone = sum(map(bool, row)) == 1
    breaks_numbers = all(map(has_number_form, others[-100:]))
    return is_alone and (breaks_numbers or (len(row) > 2 and all(sum(map(bool, other)) > 1 for other in body[-100:])))
