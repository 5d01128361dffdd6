"""A class's roster: names, late points, and gradebooks to upload.

A roster is a CSV file with the columns id, name, section, due and extension, or the gradebook that Canvas or Moodle
exports. `overrides.csv`, in the folder of a grading, has the columns student, points and reason, and is never written
over.
"""

import csv
import io
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from deltarule.errors import BadInput, count_of
from deltarule.grading.record import GradeRecord, SubmissionResult
from deltarule.grading.source import decode

Row = dict[str, str]
COLUMNS = {
    "id": ("id", "sis user id", "id number", "identifier", "sid"),
    "name": ("name", "student", "full name"),
    "login": ("sis login id", "email address", "email"),
    "section": ("section",),
    "due": ("due",),
    "extension": ("extension",),
}
"""The names of a roster's columns here, and those that Canvas, Moodle and Gradescope give them."""
GRADEBOOKS = {
    "canvas.csv": {"Student": "name", "ID": "id", "SIS User ID": "", "SIS Login ID": "login", "Section": "section"},
    "moodle.csv": {"Identifier": "", "ID number": "id", "Full name": "name", "Email address": "login"},
}
"""The columns of the files to upload, with those of a roster that fill them if it has no column of that name."""
OVERRIDES = "overrides.csv"


def read_table(path: Path) -> list[Row]:
    """The rows of a CSV file, with their columns in small letters."""
    try:
        lines = decode(path.read_bytes()).splitlines()
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; give a CSV file") from None
    delimiter = max(",;\t", key=lines[0].count) if lines else ","
    rows = [
        {str(key).strip().lower(): (value or "").strip() for key, value in row.items() if isinstance(value, str)}
        for row in csv.DictReader(lines, delimiter=delimiter)
    ]
    return [row for row in rows if any(row.values()) and "points possible" not in row.get("student", "").lower()]


def read_roster(path: Path) -> list[Row]:
    roster = [
        row | {key: next((row[name] for name in names if row.get(name)), "") for key, names in COLUMNS.items()}
        for row in read_table(path)
    ]
    if not roster or not any(row["name"] or row["id"] for row in roster):
        raise BadInput(f"{path} has no student; its columns are id, name, section, due and extension")
    return roster


def apply_roster(record: GradeRecord, roster: Sequence[Row], late_percent: float) -> GradeRecord:
    """The record with a roster's names, late points, and who handed nothing in."""
    results, absent = [], list(roster)
    for result in record.submissions:
        row = _find(result, roster)
        if row is None:
            results.append(replace(result, notes=(*result.notes, "not in the roster")))
            continue
        absent = [one for one in absent if one is not row]
        days = _days_late(result, row)
        note = (f"{count_of(days, 'day')} late",) if days else ("late, by its name",) if result.is_late else ()
        lost = min(days * late_percent / 100, 1) * record.max_points
        results.append(
            replace(
                result, name=row["name"], id=row["id"], section=row["section"], lost=lost, notes=(*result.notes, *note)
            )
        )
    return replace(record, submissions=tuple(results), absent=tuple(row["name"] or row["id"] for row in absent))


def _find(result: SubmissionResult, roster: Sequence[Row]) -> Row | None:
    """Find a submission's row by its student's name, then by number.

    Systems count students in their own ways, so their number may be another student's in the roster.
    """
    rows = [row for row in roster if _letters(result.student) in _spellings(row["name"])]
    if len(rows) > 1:
        rows = [row for row in rows if result.id in (row["id"], row.get("id number"))]
    elif not rows:
        rows = [row for row in roster if result.student in (row["id"], row["login"], row["login"].partition("@")[0])]
    return rows[0] if len(rows) == 1 else None


def _spellings(name: str) -> set[str]:
    """A name's letters in one word, with each of its parts first."""
    words = [word for word in map(_letters, re.split(r"[\s,]+", name)) if word]
    return {"".join(words[i:] + words[:i]) for i in range(len(words))}


def _letters(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[\W_]", "", plain or text).casefold()


def _days_late(result: SubmissionResult, row: Row) -> int:
    """The begun days after the due time, or after an extension."""
    try:
        due = datetime.fromisoformat(row["due"]) if row["due"] else None
        if due and row["extension"]:
            is_days = re.fullmatch(r"\d+", row["extension"])
            due = due + timedelta(int(row["extension"])) if is_days else datetime.fromisoformat(row["extension"])
    except ValueError as error:
        raise BadInput(
            f"the roster's row of {row['name'] or row['id']}: {error}; write times as 2026-11-27 23:59"
        ) from None
    if due is None or result.is_late is False:
        return 0
    return max(math.ceil((result.time - due.timestamp()) / 86400), 0)


def apply_overrides(record: GradeRecord, path: Path) -> GradeRecord:
    """The record with a teacher's own points; a missing file is written, empty."""
    if not path.exists():
        path.write_text("student,points,reason\n", encoding="utf-8")
    overrides = read_table(path)
    results = list(record.submissions)
    for row in overrides:
        places = [i for i, one in enumerate(results) if row.get("student") in (one.student, one.name, one.id)]
        try:
            points = float(row.get("points", ""))
        except ValueError:
            raise BadInput(f"{path}: points must be a number, got '{row.get('points', '')}'") from None
        if len(places) != 1:
            raise BadInput(f"{path}: '{row.get('student')}' is the name or id of {len(places)} submissions; name one")
        note = f"your override: {row.get('reason') or 'no reason'}"
        results[places[0]] = replace(results[places[0]], override=points, notes=(*results[places[0]].notes, note))
    return replace(record, submissions=tuple(results))


def gradebooks(record: GradeRecord, roster: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """The names and texts of the gradebook files to upload."""
    points = {(result.id, result.name): result.points for result in record.submissions}
    for file, columns in GRADEBOOKS.items():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*columns, record.title])
        if file == "canvas.csv":
            writer.writerow(["    Points Possible", *[""] * (len(columns) - 1), record.max_points])
        for row in roster:
            cells = [row.get(column.lower()) or row.get(own, "") for column, own in columns.items()]
            writer.writerow([*cells, points.get((row["id"], row["name"]), "")])
        yield file, text.getvalue()
