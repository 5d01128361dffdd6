"""What a teacher marks: the questions of `[[manual]]` tables.

`manual.csv`, in the folder of a grading, has a row for each submission and a column for each criterion, and "comment".
A grading adds the rows and columns that it lacks, and leaves all else as the teacher wrote it.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from deltarule.errors import BadInput
from deltarule.files import write_whole
from deltarule.grading.record import CheckResult, GradedArray, GradeRecord, SubmissionResult
from deltarule.grading.results import text_cell
from deltarule.grading.roster import OVERRIDES, Override, delimiter_of, read_overrides, read_points, read_rows
from deltarule.grading.source import decode
from deltarule.grading.systems import csv_text

if TYPE_CHECKING:
    from deltarule.grading.checks import ManualSection

MARKS = "manual.csv"
Marks = dict[str, dict[str, str]]
"""The rows of `manual.csv`, by their first column."""


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


def _column(question: "ManualSection", criterion: str) -> str:
    return f"{question.name}: {criterion}" if question.rubric else question.name


def read_marks(path: Path, questions: Sequence["ManualSection"]) -> Marks:
    """Read a teacher's marks; what is no number in its range is refused here, before anything is graded."""
    if not path.exists():
        return {}
    rows: Marks = {}
    for row in read_rows(path):
        student = row.get("student", "").removeprefix("'")
        if student in rows:
            raise BadInput(f"{path} has two rows of '{student}'; keep one")
        rows[student] = row
        for question in questions:
            for criterion, most in question.columns.items():
                text = row.get(column := _column(question, criterion), "")
                if text and not 0 <= read_points(text) <= most:
                    raise BadInput(f"{path}: '{column}' of '{student}' must be from 0 to {most:g}, got '{text}'")
    return rows


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
        text = row.get(_column(question, criterion), "")
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
    columns = [column for column in needed if column not in header]
    header += columns
    marked = (dict(zip(header, row, strict=False)).get("student", "") for row in rows[1:])
    known = {student.strip().removeprefix("'") for student in marked}
    names = {result.student: result.title for result in record.submissions if not result.partner}
    new = [{"student": text_cell(name), "name": text_cell(names[name])} for name in names if name not in known]
    if not (columns or new):
        return
    added = [[row.get(column, "") for column in header] for row in new]
    if columns:
        added = [header, *([*row, *[""] * (len(header) - len(row))] if row else row for row in rows[1:]), *added]
        text = ""
    elif not text.endswith("\n"):
        text += "\n"
    write_whole(path, f"\ufeff{text}{csv_text(added, delimiter)}")  # with the mark Excel reads and keeps umlauts
