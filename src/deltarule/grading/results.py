"""Read and write the folder of a grading.

It holds the record, pages, CSV, and results for Gradescope.
"""

import csv
import dataclasses
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from deltarule.errors import count_of, one_line
from deltarule.files import make_folder, write_whole
from deltarule.grading.gradebook import Row, gradebooks
from deltarule.grading.record import CheckResult, GradeRecord, SubmissionResult
from deltarule.json_files import write_json
from deltarule.reports.formatting import load_template

_MAX_SAME = 4
"""What more students have in common is the task's, or the course's."""
_FAILURE = re.compile(r"line \d+(?:, `.*`)?: (\w+).*", re.DOTALL)
"""What differs between equal failures of several students: the line, and the message of the exception."""


def to_json(record: GradeRecord) -> dict[str, Any]:
    plain = {**dataclasses.asdict(record), "warning": record.warning}
    for result, full in zip(plain["submissions"], record.submissions, strict=True):
        result |= {"points": full.points, "max_points": record.max_points}
    return plain


def write_results(folder: Path, record: GradeRecord, roster: Sequence[Row] = ()) -> None:
    for name in ("students", "gradescope"):
        make_folder(folder / name)
    for result in record.submissions:
        write_whole(folder / "students" / f"{result.student}.html", student_page(record, result))
        write_json(folder / "gradescope" / f"{result.student}.json", gradescope_results(record, result))
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
    tests = [
        {"name": check.name, "score": check.points, "max_score": check.max_points, **visibility}
        | {"output": check_text(check, record.hint)}
        for check in result.checks
    ]
    return {"score": result.points, "output": result.message, **visibility, "tests": tests}


def check_text(check: CheckResult, hint: int) -> str:
    """What a student may read about a check at a hint level."""
    lines = [check.message] if hint >= 1 else []
    for mistake in check.mistakes if hint >= 2 else ():
        lines.append(f"likely mistake: {mistake.sentence}")
        lines += [f"fix: {mistake.fix}"] if hint >= 3 and mistake.fix else []
    return "\n".join(lines)


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
    return {
        "full": sum(score >= record.max_points for score in points),
        "median": median(points),
        "histogram": [(record.max_points * i / steps, heights[i]) for i in range(steps + 1)],
        "mistakes": mistakes,
        "failures": failures,
        "same": same_submissions(record),
        "verdicts": Counter(
            (check, array.name, array.verdict) for result in record.submissions for check, array in result.arrays
        ),
    }


@dataclasses.dataclass
class Common:
    """What several students did; `line` is an example of their code."""

    text: str
    line: str = ""
    students: list[str] = dataclasses.field(default_factory=list)


def count_mistakes(record: GradeRecord) -> tuple[list[Common], list[Common]]:
    """The mistakes and failures with their students, frequent ones first."""
    mistakes: dict[str, Common] = {}
    failures: dict[str, Common] = {}
    for result in record.submissions:
        found = [] if result.is_gradable else [(failures, Common("code that cannot be loaded"))]
        for check in result.checks if result.is_gradable else ():
            for mistake in check.mistakes:
                text = f"{mistake.code.replace('_', ' ')}: {mistake.fix}"
                found.append((mistakes, Common(text, check.line)))
            if all(array.verdict == "missing" for array in check.arrays):
                found.append((failures, Common(_FAILURE.sub(r"\1", check.message))))
        for known, common in found:
            common = known.setdefault(common.text, common)
            common.students += [result.title] if result.title not in common.students else []
    frequent, failed = (
        sorted(known.values(), key=lambda one: (-len(one.students), one.text)) for known in (mistakes, failures)
    )
    return frequent, failed


def same_submissions(record: GradeRecord) -> list[list[str]]:
    """The few students whose code is the same but for names and comments."""
    students: dict[str, list[str]] = {}
    for result in record.submissions:
        students.setdefault(result.fingerprint or result.student, []).append(result.title)
    return [names for names in students.values() if 1 < len(names) <= _MAX_SAME]


def format_points(points: float) -> str:
    return f"{points:.4g}"


def remarks(result: SubmissionResult) -> str:
    """The message and notes about a submission for the teacher, in one line."""
    notes = [*result.notes, *(note for check in result.checks for note in check.notes)]
    return "; ".join(filter(None, [result.message, *notes]))


def _render(name: str, **values: Any) -> str:
    filters = {"points": format_points, "counted": count_of, "remarks": remarks}
    return load_template(name, **filters).render(**values)
