"""Read and write the folder of a grading."""

import dataclasses
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from deltarule.errors import BadInput
from deltarule.files import make_folder, write_whole
from deltarule.grading.classroom_formats import csv_text, gradescope_results, junit_xml, prairielearn_results
from deltarule.grading.grade import GradeRecord, SubmissionResult
from deltarule.grading.pages import class_page, student_page
from deltarule.json_files import read_json, write_json

_RESULT = TypeAdapter(SubmissionResult)
PARTS = "submissions"
"""The folder of single results, each written as soon as it is known, so that a killed run loses none."""


def write_result(folder: Path, result: SubmissionResult) -> None:
    """Write the result of one submission."""
    write_json(make_folder(folder / PARTS) / f"{result.student}.json", result)


def read_results(folder: Path) -> dict[str, SubmissionResult]:
    """Read the results of earlier runs, by student; invalid files are ignored."""
    results = {}
    for path in sorted((folder / PARTS).glob("*.json")) if (folder / PARTS).is_dir() else []:
        try:
            result = _RESULT.validate_python(read_json(path))
        except (BadInput, ValidationError):
            continue
        results[result.student] = result
    return results


def to_json(record: GradeRecord) -> dict[str, Any]:
    """The record as JSON data, with the points of each submission."""
    plain = {**dataclasses.asdict(record), "warning": record.warning}
    for result, full in zip(plain["submissions"], record.submissions, strict=True):
        result |= {"points": full.points, "max_points": full.max_points}
    return plain


def write_results(folder: Path, record: GradeRecord) -> None:
    """Write the record, pages, tables and platform files of a grading."""
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
