"""What a teacher marks: the questions of `[[manual]]` tables.

`manual.csv`, in the folder of a grading, has a row for each submission and a column for each criterion, and "comment".
A row is a student's by the name of the submission, or by the name or id of a roster, as in `overrides.csv`. A grading
adds the rows and columns that it lacks, and leaves all else as the teacher wrote it.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from deltarule.errors import BadInput, count_of
from deltarule.files import write_whole
from deltarule.grading.record import CheckResult, GradedArray, GradeRecord, SubmissionResult
from deltarule.grading.results import text_cell
from deltarule.grading.roster import OVERRIDES, Override, delimiter_of, read_overrides, read_points, read_table
from deltarule.grading.source import decode
from deltarule.grading.systems import csv_text

if TYPE_CHECKING:
    from deltarule.grading.checks import ManualSection

MARKS = "manual.csv"
Marks = dict[str, dict[str, str]]
"""The rows of `manual.csv` by their students, with the columns in small letters."""


@dataclass(frozen=True)
class TeachersPoints:
    """What the teacher has written into files of a grading's folder."""

    overrides: Sequence[Override] = ()
    marks: Marks = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path | None, questions: Sequence["ManualSection"]) -> "TeachersPoints":
        if folder is None:
            return cls()
        return cls(read_overrides(folder / OVERRIDES), read_marks(folder / MARKS, questions))


def take_along(before: Path, folder: Path) -> None:
    """Copy what the teacher has written from another grading's folder, where this one has no such file yet."""
    for name in (MARKS, OVERRIDES):
        if (before / name).exists() and not (folder / name).exists():
            write_whole(folder / name, (before / name).read_bytes())


def _column(question: "ManualSection", criterion: str) -> str:
    return f"{question.name}: {criterion}" if question.rubric else question.name


def read_marks(path: Path, questions: Sequence["ManualSection"]) -> Marks:
    """Read a teacher's marks; what is no number in its range is refused here, before anything is graded."""
    if not path.exists():
        return {}
    rows: Marks = {}
    for row in read_table(path):
        student = row.get("student", "").removeprefix("'")
        if student in rows:
            raise BadInput(f"{path} has two rows of '{student}'; keep one")
        rows[student] = row
        for question in questions:
            for criterion, most in question.columns.items():
                text = row.get((column := _column(question, criterion)).lower(), "")
                if text and not 0 <= read_points(text) <= most:
                    raise BadInput(f"{path}: '{column}' of '{student}' must be from 0 to {most:g}, got '{text}'")
    return rows


def match_marks(
    marks: Marks, results: Sequence[SubmissionResult], graded: Sequence[SubmissionResult]
) -> tuple[Marks, list[str]]:
    """The marks by the names of submissions, and what is to be said of those that fit none, or several.

    `results` have the names and ids of the roster; those of a group that are not `graded` have the marks of the one
    that is.
    """
    own = {result.student for result in graded}
    matched: Marks = {}
    problems = []
    for student, row in sorted(marks.items(), key=lambda pair: pair[0] not in own):
        meant = [result for result in results if _is_of(student, result)]
        fitting = {student} if student in own else {one.student if one.student in own else one.partner for one in meant}
        is_empty = not any(cell for column, cell in row.items() if column not in ("student", "name"))
        if len(fitting) == 1 and fitting.isdisjoint(matched):
            matched[fitting.pop()] = row
        elif not is_empty:
            why = f"is the name or id of {count_of(len(fitting), 'submission')}"
            why = f"has another row, as {min(fitting)}" if len(fitting) == 1 else why
            problems.append(f"{MARKS}: '{student}' {why}; not applied")
    return matched, problems


def _is_of(student: str, result: SubmissionResult) -> bool:
    """Whether a teacher may mean the student of a result by this text."""
    names = (result.student, result.delivered, result.name, result.roster_id or result.id)
    return student.casefold() in {name.casefold() for name in names if name}


def apply_marks(record: GradeRecord, questions: Sequence["ManualSection"], marks: Marks) -> GradeRecord:
    """The record with the questions that a teacher marks; in a group the marks of one are those of all."""
    results = []
    for result in record.submissions:
        row = marks.get(result.partner, {}) | {key: cell for key, cell in marks.get(result.student, {}).items() if cell}
        results.append(replace(result, checks=(*result.checks, *(_marked(question, row) for question in questions))))
    points = sum(sum(question.columns.values()) for question in questions if not question.bonus)
    return replace(record, submissions=tuple(results), max_points=record.max_points + points)


def _marked(question: "ManualSection", row: dict[str, str]) -> CheckResult:
    arrays = []
    for criterion, most in question.columns.items():
        text = row.get(_column(question, criterion).lower(), "")
        points = read_points(text) if text else 0.0
        verdict = "open" if not text else "right" if points >= most else "partly" if points else "wrong"
        message = "not marked yet" if not text else ""
        arrays.append(GradedArray(criterion, verdict, None, points, most, message))
    message = row.get("comment", "") or question.prompt or "marked by your teacher"
    return CheckResult(question.name, "manual", message.rstrip("."), tuple(arrays), bonus=question.bonus)


def open_marks(record: GradeRecord) -> list[SubmissionResult]:
    """The submissions of which something is not marked yet."""
    return [result for result in record.submissions if any(array.verdict == "open" for _, array in result.arrays)]


def write_marks(path: Path, record: GradeRecord, questions: Sequence["ManualSection"]) -> None:
    """Add to `manual.csv` the rows and columns that it lacks now; nothing that a teacher has written is changed."""
    if not questions:
        return
    text = decode(path.read_bytes()) if path.exists() else ""
    delimiter = delimiter_of(text)
    rows = list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter)) or [[]]
    needed = ["student", "name", *(_column(task, text) for task in questions for text in task.columns), "comment"]
    header = [cell.strip() for cell in rows[0]]
    present = [cell.lower() for cell in header]
    columns = [column for column in needed if column.lower() not in present]
    header += columns
    lower = [cell.lower() for cell in header]
    marked = (dict(zip(lower, row, strict=False)).get("student", "") for row in rows[1:])
    known = [student.strip().removeprefix("'") for student in marked]
    new = [
        {"student": text_cell(result.student), "name": text_cell(result.title)}
        for result in record.submissions
        if not result.partner and not any(_is_of(student, result) for student in known)
    ]
    if not (columns or new):
        return
    added = [[row.get(column, "") for column in lower] for row in new]
    if columns:
        added = [header, *([*row, *[""] * (len(header) - len(row))] if row else row for row in rows[1:]), *added]
        text = ""
    elif not text.endswith("\n"):
        text += "\n"
    write_whole(path, f"\ufeff{text}{csv_text(added, delimiter)}")  # with the mark Excel reads and keeps umlauts
