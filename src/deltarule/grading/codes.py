"""The codes that worksheets of lessons show when they are filled in: who did what, by their own pages.

A code is the page, the seed of its numbers, a digit for each blank, the tries, and two letters against slips of typing.
Pages run in a learner's browser, so a code shows what somebody did and proves nothing.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from deltarule.errors import BadInput, one_line
from deltarule.files import read_bytes
from deltarule.grading.source import decode

_CODE = re.compile(r"\b(\d+)-(\d+)-([0-9a-z]+)-(\d+)-([0-9a-z]{2})\b", re.IGNORECASE)


@dataclass(frozen=True)
class Worksheet:
    """A learner's worksheet: its numbers of blanks that were right at once, later, shown, wrong and left empty."""

    student: str
    page: str = ""
    exercise: int = 0
    at_once: int = 0
    later: int = 0
    shown: int = 0
    wrong: int = 0
    empty: int = 0
    tries: int = 0
    note: str = ""


def read_codes(path: Path) -> list[Worksheet]:
    """Read a table or list with a code in each line, beside whoever handed it in."""
    sheets: list[Worksheet] = []
    owners: dict[str, str] = {}
    for line in decode(read_bytes(path)).splitlines():
        match = _CODE.search(line)
        student = one_line(re.sub(r"[\s,;:\"\t]+", " ", line.replace(match[0], "") if match else line)).strip()
        if not match:
            if student and not re.fullmatch(r"(?i)[\w ]*\bcode", student):  # the head of a table
                sheets.append(Worksheet(student, note="no code"))
            continue
        sheet = _read_code(student or f"line {len(sheets) + 1}", match)
        code = match[0].lower()
        if code in owners:
            sheet = Worksheet(**{**vars(sheet), "note": f"the same code as {owners[code]}"})
        owners.setdefault(code, sheet.student)
        sheets.append(sheet)
    if not any(sheet.page for sheet in sheets):
        raise BadInput(f"{path} has no code of a worksheet; give a line such as Ada Lin, 4-7-1A2B3-12-0F")
    return sheets


def _read_code(student: str, match: re.Match[str]) -> Worksheet:
    body, check = match[0].lower().rpartition("-")[::2]
    total = 7
    for letter in body:
        total = (total * 31 + ord(letter)) % 1296
    digits = str(int(match[3], 36))[1:]
    if int(check, 36) != total or set(digits) - set("01234"):
        return Worksheet(student, match[1].lower(), note="mistyped: its check letters are others")
    at_once, later, shown, wrong, empty = (digits.count(digit) for digit in "12340")
    return Worksheet(student, match[1].lower(), int(match[2]), at_once, later, shown, wrong, empty, int(match[4]))
