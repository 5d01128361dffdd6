"""Read and write the folder of a grading.

It holds the record, pages, CSV, JUnit XML, and results for Gradescope and PrairieLearn.
"""

import contextlib
import csv
import dataclasses
import io
import re
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

from pydantic import TypeAdapter, ValidationError

from deltarule.errors import BadInput, count_of, one_line
from deltarule.files import make_folder, write_whole
from deltarule.grading.record import CheckResult, GradeRecord, SubmissionResult
from deltarule.json_files import read_json, write_json
from deltarule.reports.formatting import load_template

_RESULT = TypeAdapter(SubmissionResult)
PARTS = "submissions"
"""The folder of single results, each written as soon as it is known, so that a killed run loses none."""
_FAILURE = re.compile(r"line \d+: (\w+).*", re.DOTALL)
"""What differs between equal failures of several students: the line, and the message of the exception."""


def write_result(folder: Path, result: SubmissionResult) -> None:
    write_json(make_folder(folder / PARTS) / f"{result.student}.json", result)


def read_results(folder: Path) -> dict[str, SubmissionResult]:
    """Read the results of earlier runs, by student; invalid files are ignored."""
    results = {}
    for path in sorted((folder / PARTS).glob("*.json")):
        with contextlib.suppress(BadInput, ValidationError):
            result = _RESULT.validate_python(read_json(path))
            results[result.student] = result
    return results


def to_json(record: GradeRecord) -> dict[str, Any]:
    plain = {**dataclasses.asdict(record), "warning": record.warning}
    for result, full in zip(plain["submissions"], record.submissions, strict=True):
        result |= {"points": full.points, "max_points": record.max_points}
    return plain


def write_results(folder: Path, record: GradeRecord) -> None:
    for name in ("students", "gradescope", "prairielearn"):
        make_folder(folder / name)
    for result in record.submissions:
        write_whole(folder / "students" / f"{result.student}.html", student_page(record, result))
        write_json(folder / "gradescope" / f"{result.student}.json", gradescope_results(record, result))
        write_json(folder / "prairielearn" / f"{result.student}.json", prairielearn_results(record, result))
    write_whole(folder / "class.html", class_page(record))
    write_whole(folder / "grades.csv", csv_text(record))
    write_whole(folder / "junit.xml", junit_xml(record))
    write_json(folder / "record.json", to_json(record))


def csv_text(record: GradeRecord) -> str:
    labels = [f"{check}: {array.name}" for check, array in record.submissions[0].arrays]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["student", "points", "max_points", *labels, "remarks"])
    for result in record.submissions:
        points = [array.points for _, array in result.arrays]
        student, remark = (_cell(text) for text in (result.student, remarks(result)))
        writer.writerow([student, result.points, record.max_points, *points, remark])
    return text.getvalue()


def _cell(text: str) -> str:
    text = one_line(text)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text  # no formula for spreadsheets


def junit_xml(record: GradeRecord) -> str:
    return _render("junit.xml", record=record)


def gradescope_results(record: GradeRecord, result: SubmissionResult) -> dict[str, Any]:
    visibility = {"visibility": record.visibility}
    tests = [test | visibility for test in _tests(record, result, "score")]
    return {"score": result.points, "output": result.message, **visibility, "tests": tests}


def prairielearn_results(record: GradeRecord, result: SubmissionResult) -> dict[str, Any]:
    tests = _tests(record, result, "points")
    score = result.points / record.max_points if record.max_points else 0.0
    return {"gradable": result.is_gradable, "score": score, "message": result.message, "tests": tests}


def _tests(record: GradeRecord, result: SubmissionResult, points: str) -> list[dict[str, Any]]:
    return [
        {"name": one.name, points: one.points, f"max_{points}": one.max_points, "output": check_text(one, record.hint)}
        for one in result.checks
    ]


def check_text(check: CheckResult, hint: int) -> str:
    """What a student may read about a check at a hint level."""
    lines = [check.message] if hint >= 1 else []
    for mistake in check.mistakes if hint >= 2 else ():
        lines.append(f"likely mistake: {mistake.sentence}")
        lines += [f"fix: {mistake.fix}"] if hint >= 3 and mistake.fix else []
    return "\n".join(lines)


def student_page(record: GradeRecord, result: SubmissionResult) -> str:
    return _render("grading_student.html", title=f"{record.title}: {result.student}", record=record, result=result)


def class_page(record: GradeRecord) -> str:
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
    notes = [*result.notes, *(note for check in result.checks for note in check.notes)]
    return "; ".join(filter(None, [result.message, imported, *notes]))


def _render(name: str, **values: Any) -> str:
    filters = {"points": format_points, "counted": count_of, "remarks": remarks}
    return load_template(name, **filters).render(**values)
