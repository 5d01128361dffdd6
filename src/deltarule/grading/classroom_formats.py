"""Write results as CSV, JUnit XML, Gradescope and PrairieLearn files."""

import csv
import io
import xml.etree.ElementTree as ET
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from deltarule.grading.assignment import Assignment
from deltarule.grading.checks import CheckResult
from deltarule.grading.grade import GradeRecord, SubmissionResult
from deltarule.grading.pages import remarks


def csv_text(record: GradeRecord) -> str:
    """The results as CSV, one row per student."""
    labels = [(check.name, array.name) for check in record.submissions[0].checks for array in check.arrays]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["student", "points", "max_points", *(f"{check}: {array}" for check, array in labels), "remarks"])
    for result in record.submissions:
        points = [array.points for check in result.checks for array in check.arrays]
        student = f"'{result.student}" if result.student[:1] in "=+-@" else result.student  # no formula in a sheet
        writer.writerow([student, result.points, result.max_points, *points, remarks(result)])
    return text.getvalue()


def junit_xml(record: GradeRecord) -> str:
    """The results as JUnit XML, with a test case for each array."""
    root = ET.Element("testsuites", name=record.title)
    for result in record.submissions:
        arrays = [(check, array) for check in result.checks for array in check.arrays]
        failed = sum(array.verdict != "right" for _, array in arrays)
        suite = ET.SubElement(
            root, "testsuite", name=result.student, tests=str(len(arrays)), failures=str(failed), errors="0"
        )
        for check, array in arrays:
            case = ET.SubElement(suite, "testcase", classname=check.name, name=array.name)
            if array.verdict != "right":
                ET.SubElement(case, "failure", message=array.message or f"{array.name} is {array.verdict}")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def gradescope_results(record: GradeRecord, result: SubmissionResult) -> dict[str, Any]:
    """The `results.json` of a submission for Gradescope: a test for each call."""
    visibility = {"visibility": record.visibility}
    tests = [test | visibility for test in _classroom_tests(record, result, "score", "max_score")]
    return {"score": result.points, "output": result.message, **visibility, "tests": tests}


def prairielearn_results(record: GradeRecord, result: SubmissionResult) -> dict[str, Any]:
    """The `results.json` of a submission for PrairieLearn: a score from 0 to 1."""
    tests = _classroom_tests(record, result, "points", "max_points")
    score = result.points / result.max_points if result.max_points else 0.0
    return {"gradable": result.is_gradable, "score": score, "message": result.message, "tests": tests}


def _classroom_tests(
    record: GradeRecord, result: SubmissionResult, points_key: str, max_points_key: str
) -> list[dict[str, Any]]:
    """One test for each call, its points and their maximum under the format's keys."""
    return [
        {
            "name": one.name,
            points_key: one.points,
            max_points_key: one.max_points,
            "output": check_text(one, record.hint),
        }
        for one in result.checks
    ]


def check_text(check: CheckResult, hint: int) -> str:
    """What a student may read about a check at a hint level."""
    lines = [check.message] if hint >= 1 else []
    if hint >= 2:
        for mistake in check.mistakes:
            lines.append(f"likely mistake: {mistake.sentence}")
            lines += [f"fix: {mistake.fix}"] if hint >= 3 and mistake.fix else []
    return "\n".join(lines)


SETUP = """#!/usr/bin/env bash
apt-get update && apt-get install -y python3 python3-pip python3-venv
python3 -m venv /autograder/venv
/autograder/venv/bin/pip install "deltarule>={version}"
"""
RUN = """#!/usr/bin/env bash
/autograder/venv/bin/deltarule grade /autograder/submission --with /autograder/source/{name} --single \\
  --gradescope /autograder/results/results.json
"""


def write_gradescope_zip(path: Path, assignment: Assignment, assignment_file: Path) -> None:
    """Write the autograder archive for Gradescope."""
    name = assignment_file.name
    scripts = {"setup.sh": SETUP.format(version=version("deltarule")), "run_autograder": RUN.format(name=name)}
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for script, text in scripts.items():
            info = ZipInfo(script, (1980, 1, 1, 0, 0, 0))
            info.external_attr, info.compress_type = 0o755 << 16, ZIP_DEFLATED
            archive.writestr(info, text)
        for source in sorted(assignment.folder.iterdir()):
            if source.name == name or source.suffix in (".py", ".npz", ".npy", ".csv", ".json"):
                archive.writestr(ZipInfo(source.name, (1980, 1, 1, 0, 0, 0)), source.read_bytes())
