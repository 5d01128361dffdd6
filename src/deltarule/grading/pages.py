"""HTML pages of a grading, for each student and for the class."""

import re
from collections import Counter
from statistics import median
from typing import Any

from deltarule.errors import count_of
from deltarule.grading.record import GradeRecord, SubmissionResult
from deltarule.reports.formatting import load_template

_FAILURE = re.compile(r"line \d+: (\w+).*", re.DOTALL)
"""What differs between equal failures of several students: the line, and the message of the exception."""


def student_page(record: GradeRecord, result: SubmissionResult) -> str:
    return _render("grading_student.html", title=f"{record.title}: {result.student}", record=record, result=result)


def class_page(record: GradeRecord) -> str:
    """The HTML page of the class."""
    points = [result.points for result in record.submissions]
    return _render(
        "grading_class.html",
        title=record.title,
        record=record,
        full=sum(score >= record.max_points for score in points),
        median=median(points),
        mistakes=count_mistakes(record),
        verdicts=Counter(
            (check, array.name, array.verdict) for result in record.submissions for check, array in result.arrays
        ),
        sandboxes="; ".join(sorted({result.sandbox for result in record.submissions} - {""})) or "nothing",
    )


def count_mistakes(record: GradeRecord) -> list[tuple[str, list[str]]]:
    """The mistakes and failures with the students that have them, frequent ones first."""
    students: dict[str, list[str]] = {}
    for result in record.submissions:
        mistakes = [mistake for check in result.checks for mistake in check.mistakes]
        texts = {f"{one.code.replace('_', ' ')} in {', '.join(one.where)}: {one.fix}" for one in mistakes}
        for check in result.checks:
            if all(array.verdict == "missing" for array in check.arrays):
                texts.add(_FAILURE.sub(r"\1", check.message))
        for text in texts if result.is_gradable else {"code that cannot be loaded"}:
            students.setdefault(text, []).append(result.student)
    return sorted(students.items(), key=lambda item: (-len(item[1]), item[0]))


def format_points(points: float) -> str:
    return f"{points:.4g}"


def remarks(result: SubmissionResult) -> str:
    """The message and notes about a submission for the teacher, in one line."""
    imported = f"imported {', '.join(result.imported)}" if result.imported else ""
    notes = [note for check in result.checks for note in check.notes]
    return "; ".join(filter(None, [result.message, imported, *notes]))


def _render(name: str, **values: Any) -> str:
    filters = {"points": format_points, "counted": count_of, "remarks": remarks}
    return load_template(name, **filters).render(**values)
