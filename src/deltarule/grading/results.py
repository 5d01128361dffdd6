"""What a teacher adds to a record, and the folder of pages and tables that is written of it.

A roster is a CSV file with the columns id, name, section, due and extension, or the gradebook that Canvas or Moodle
exports. `overrides.csv`, in the folder of a grading, has the columns student, points and reason, and is never written
over.
"""

import csv
import io
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from deltarule.errors import BadInput, count_of, one_line
from deltarule.files import make_folder, write_whole
from deltarule.grading.record import GradeRecord, SubmissionResult
from deltarule.grading.source import decode
from deltarule.json_files import write_json
from deltarule.reports.formatting import load_template

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
_FAILURE = re.compile(r"line \d+(?:, `.*`)?: (\w+).*", re.DOTALL)
"""What differs between equal failures of several students: the line, and the message of the exception."""


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
        result = replace(result, name=row["name"], id=row["id"], section=row["section"], lost=lost)
        results.append(replace(result, notes=(*result.notes, *note)))
    return replace(record, submissions=tuple(results), absent=tuple(row["name"] or row["id"] for row in absent))


def _find(result: SubmissionResult, roster: Sequence[Row]) -> Row | None:
    """Find a submission's row by its student's name, then by number.

    Systems count students in their own ways, so their number may be another student's in the roster.
    """
    rows = [row for row in roster if _letters(result.student) == _letters(row["name"])]
    if len(rows) > 1:
        rows = [row for row in rows if result.id in (row["id"], row.get("id number"))]
    elif not rows:
        rows = [row for row in roster if result.student in (row["id"], row["login"], row["login"].partition("@")[0])]
    return rows[0] if len(rows) == 1 else None


def _letters(name: str) -> list[str]:
    """The sorted letters of a name: systems have its parts in several orders."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return sorted(re.sub(r"[\W_]", "", plain or name).casefold())


def _days_late(result: SubmissionResult, row: Row) -> int:
    """The begun days after the due time, or after an extension."""
    try:
        due = datetime.fromisoformat(row["due"]) if row["due"] else None
        if due and row["extension"]:
            is_days = re.fullmatch(r"\d+", row["extension"])
            due = due + timedelta(int(row["extension"])) if is_days else datetime.fromisoformat(row["extension"])
    except ValueError as error:
        who = row["name"] or row["id"]
        raise BadInput(f"the roster's row of {who}: {error}; write times as 2026-11-27 23:59") from None
    if due is None or result.is_late is False:
        return 0
    return max(math.ceil((result.time - due.timestamp()) / 86400), 0)


def apply_overrides(record: GradeRecord, path: Path) -> GradeRecord:
    """The record with a teacher's own points; a missing file is written, empty."""
    if not path.exists():
        path.write_text("student,points,reason\n", encoding="utf-8")
    results = list(record.submissions)
    for row in read_table(path):
        places = [i for i, one in enumerate(results) if row.get("student") in (one.student, one.name, one.id)]
        if len(places) != 1:
            raise BadInput(f"{path}: '{row.get('student')}' is the name or id of {len(places)} submissions; name one")
        try:
            points = float(row.get("points", ""))
        except ValueError:
            raise BadInput(f"{path}: points must be a number, got '{row.get('points', '')}'") from None
        result = results[places[0]]
        notes = *result.notes, f"your override: {row.get('reason') or 'no reason'}"
        results[places[0]] = replace(result, override=points, notes=notes)
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


def to_json(record: GradeRecord) -> dict[str, Any]:
    plain = {**asdict(record), "warning": record.warning}
    for result, full in zip(plain["submissions"], record.submissions, strict=True):
        result |= {"points": full.points, "max_points": record.max_points}
    return plain


def write_results(folder: Path, record: GradeRecord, roster: Sequence[Row] = ()) -> None:
    make_folder(folder / "students")
    for result in record.submissions:
        write_whole(folder / "students" / f"{result.student}.html", student_page(record, result))
    for name, text in gradebooks(record, roster) if roster else ():
        write_whole(folder / name, text)
    write_whole(folder / "class.html", class_page(record))
    write_whole(folder / "grades.csv", csv_text(record))
    write_json(folder / "record.json", to_json(record))


def csv_text(record: GradeRecord) -> str:
    labels = [f"{check}: {array.name}" for check, array in record.submissions[0].arrays]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["student", "name", "id", "section", "points", "max_points", *labels, "remarks"])
    for result in record.submissions:
        points = [array.points for _, array in result.arrays]
        person = map(_cell, (result.student, result.name, result.id, result.section))
        writer.writerow([*person, result.points, record.max_points, *points, _cell(remarks(result))])
    return text.getvalue()


def _cell(text: str) -> str:
    text = one_line(text)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text  # no formula for spreadsheets


def gradescope_results(record: GradeRecord, result: SubmissionResult) -> dict[str, Any]:
    visibility = {"visibility": record.visibility}
    tests = []
    for check in result.checks:
        lines = [check.message] if record.hint >= 1 else []
        for mistake in check.mistakes if record.hint >= 2 else ():
            lines.append(f"likely mistake: {mistake.sentence}")
            lines += [f"fix: {mistake.fix}"] if record.hint >= 3 and mistake.fix else []
        scores = {"name": check.name, "score": check.points, "max_score": check.max_points}
        tests.append({**scores, **visibility, "output": "\n".join(lines)})
    return {"score": result.points, "output": result.message, **visibility, "tests": tests}


def student_page(record: GradeRecord, result: SubmissionResult) -> str:
    return _render("grading_student.html", title=f"{record.title}: {result.title}", record=record, result=result)


def class_page(record: GradeRecord) -> str:
    return _render("grading_class.html", title=record.title, record=record, **class_summary(record))


def class_summary(record: GradeRecord) -> dict[str, Any]:
    """What the page and the terminal say about a class."""
    points = [result.points for result in record.submissions]
    steps = min(int(record.max_points) or 1, 10)
    heights = Counter(min(int(steps * score / (record.max_points or 1)), steps) for score in points)
    mistakes, failures = count_mistakes(record)
    same: dict[str, list[str]] = {}
    for result in record.submissions:
        same.setdefault(result.fingerprint or result.student, []).append(result.title)
    return {
        "full": sum(score >= record.max_points for score in points),
        "median": median(points),
        "histogram": [(record.max_points * i / steps, heights[i]) for i in range(steps + 1)],
        "mistakes": mistakes,
        "failures": failures,
        "same": [names for names in same.values() if 1 < len(names) <= 4],  # what more have in common is the task's
        "verdicts": Counter(
            (check, array.name, array.verdict) for result in record.submissions for check, array in result.arrays
        ),
    }


@dataclass
class Common:
    """What several students did; `line` is an example of their code."""

    text: str
    line: str = ""
    students: list[str] = field(default_factory=list)


def count_mistakes(record: GradeRecord) -> tuple[list[Common], list[Common]]:
    """The mistakes and failures with their students, frequent ones first."""
    mistakes: dict[str, Common] = {}
    failures: dict[str, Common] = {}

    def count(commons: dict[str, Common], title: str, text: str, line: str = "") -> None:
        students = commons.setdefault(text, Common(text, line)).students
        students += [title] if title not in students else []

    for result in record.submissions:
        if not result.is_gradable:
            count(failures, result.title, "code that cannot be loaded")
            continue
        for check in result.checks:
            for mistake in check.mistakes:
                count(mistakes, result.title, f"{mistake.code.replace('_', ' ')}: {mistake.fix}", check.line)
            if all(array.verdict == "missing" for array in check.arrays):
                count(failures, result.title, _FAILURE.sub(r"\1", check.message))
    frequent, failed = (
        sorted(commons.values(), key=lambda one: (-len(one.students), one.text)) for commons in (mistakes, failures)
    )
    return frequent, failed


def format_points(points: float) -> str:
    return f"{points:.4g}"


def remarks(result: SubmissionResult) -> str:
    """The message and notes about a submission for the teacher, in one line."""
    notes = [*result.notes, *(note for check in result.checks for note in check.notes)]
    return "; ".join(filter(None, [result.message, *notes]))


def _render(name: str, **values: Any) -> str:
    filters = {"points": format_points, "counted": count_of, "remarks": remarks}
    return load_template(name, **filters).render(**values)
