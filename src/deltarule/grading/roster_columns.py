"""The columns of a roster: by the names that systems give them, or by what they hold."""

import re
from collections.abc import Callable, Sequence

RosterRow = dict[str, str]
NAMES = ("name", "student", "full name")
FIRST_NAMES = ("first name", "first_name", "firstname", "given name")
LAST_NAMES = ("last name", "last_name", "lastname", "surname", "family name")
IDS = ("id", "sis user id", "id number", "identifier", "sid", "student id", "student_id", "github_id", "canvas_user_id")
LOGINS = ("sis login id", "email address", "email", "login", "login_id", "user_id", "username", "github_username")
GROUPS = ("group", "group name", "group_name", "team", "groups")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.\w+")
_NUMBER = re.compile(r"[^\W\d_]{0,3}\d{4,}")
_NO_NAME = re.compile(r"[\d@!?;:]")
MAX_NAME_PARTS = 6
PARTICIPANT = re.compile(r"[^\W\d_][^\d]* (\d+)")
"""Moodle's name of somebody whose number it is, in any language: Participant 123, Teilnehmer/in 123."""
MIN_SHARE, MIN_DISTINCT_SHARE = 0.8, 0.7
"""Of a column's cells: those that look like what it holds, and those that differ, as names do and states do not."""


def first_of(row: RosterRow, names: Sequence[str]) -> str:
    return next((row[name] for name in names if row.get(name)), "")


def rows_of_students(rows: Sequence[RosterRow]) -> list[RosterRow]:
    """The rows of students, with names, e-mails and numbers also where their columns are in another language.

    Not Canvas' rows of points and of how they are posted, nor Gradescope's instructors.
    """
    rows = [row for row in rows if not any("points possible" in cell.lower() for cell in row.values())]
    if any(row.get("role", "").lower() == "student" for row in rows):
        rows = [row for row in rows if row.get("role", "").lower() in ("student", "")]
    found = _columns_by_content(rows)
    rows = [row | {name: row.get(column, "") for name, column in found.items()} for row in rows]
    people = (*NAMES, *FIRST_NAMES, *LAST_NAMES, *IDS, *LOGINS)
    return [row for row in rows if first_of(row, people)]


def _columns_by_content(rows: Sequence[RosterRow]) -> dict[str, str]:
    """The columns that hold a name, an e-mail and numbers where no name of a column says so."""
    columns = list(rows[0]) if rows else []
    found: dict[str, str] = {}
    for name, known, is_one in (
        ("name", (*NAMES, *FIRST_NAMES, *LAST_NAMES), _is_name),
        ("email", [name for name in LOGINS if any("@" in row.get(name, "") for row in rows)], _MAIL.fullmatch),
        ("identifier", ("identifier", "id"), PARTICIPANT.fullmatch),
        ("id number", [name for name in IDS if name != "identifier"], _NUMBER.fullmatch),
    ):
        if not set(known) & set(columns):
            holding = [column for column in columns if _holds([row.get(column, "") for row in rows], is_one)]
            found |= {name: holding[0]} if holding else {}
    return found


def describe_columns(rows: Sequence[RosterRow]) -> str:
    """Which columns of a roster are read, and as what; the others are not."""
    columns = list(rows[0]) if rows else []
    found = _columns_by_content(rows)
    kinds = {"name": (*NAMES, *FIRST_NAMES, *LAST_NAMES), "id": (*IDS, *LOGINS), "group": GROUPS}
    kinds |= {name: (name,) for name in ("section", "due", "extension", "late days", "role")}
    uses = {kind: [column for column in columns if column in known] for kind, known in kinds.items()}
    uses["name"] += [column for name, column in found.items() if name == "name"]
    uses["id"] += [column for name, column in found.items() if name != "name" and column not in uses["id"]]
    read = [f"{kind} from {', '.join(names)}" for kind, names in uses.items() if names]
    others = [column for column in columns if column and not any(column in names for names in uses.values())]
    return "; ".join(read) + (f"; not read: {', '.join(others)}" if others else "")


def _is_name(cell: str) -> bool:
    return 2 <= len(cell.split()) <= MAX_NAME_PARTS and not _NO_NAME.search(cell) and cell[0].isalpha()


def _holds(cells: Sequence[str], is_one: Callable[[str], object]) -> bool:
    """Whether a column holds what `is_one` knows, another in most rows."""
    cells = [cell for cell in cells if cell]
    enough = sum(bool(is_one(cell)) for cell in cells) >= MIN_SHARE * len(cells)
    return bool(cells) and enough and len(set(cells)) >= MIN_DISTINCT_SHARE * len(cells)
