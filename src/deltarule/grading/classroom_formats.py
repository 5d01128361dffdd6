"""Write results as CSV, JUnit XML, Gradescope and PrairieLearn files."""

import csv
import io
import re
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from importlib.metadata import distribution, distributions, version
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import deltarule
from deltarule.errors import one_line
from deltarule.grading.assignment import Assignment, read_assignment
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
        texts = _cell(result.student), _cell(remarks(result))
        writer.writerow([texts[0], result.points, result.max_points, *points, texts[1]])
    return text.getvalue()


def _cell(text: str) -> str:
    text = one_line(text)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text  # no formula for spreadsheets


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
    text = ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)  # what XML allows


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
set -e
apt-get update && apt-get install -y python3 python3-pip python3-venv
python3 -m venv /autograder/venv
/autograder/venv/bin/pip install --constraint /autograder/source/versions.txt /autograder/source/deltarule-*.whl
"""
RUN = """#!/usr/bin/env bash
cd /autograder
rm -f results/results.json
chmod -R go= source results  # the submission runs as another user
venv/bin/deltarule grade submission --with source/{name} --single --gradescope results/results.json
if [ ! -s results/results.json ]; then
  echo '{{"score": 0, "output": "The autograder failed: this is not your fault, tell your teacher."}}' \\
    > results/results.json
fi
"""


def write_gradescope_zip(path: Path, assignment: Assignment) -> None:
    """Write the autograder archive for Gradescope, with our wheel.

    Raises `BadInput` for a solution that needs other files.
    """
    file, solution = assignment.files
    contents = {
        "setup.sh": SETUP.encode(),
        "run_autograder": RUN.format(name=file.name).encode(),
        "versions.txt": "".join(
            sorted(f"{one.name}=={one.version}\n" for one in distributions() if one.name != "deltarule")
        ).encode(),
        f"deltarule-{version('deltarule')}-py3-none-any.whl": _wheel(),
        file.name: file.read_bytes(),
        solution.relative_to(file.parent).as_posix(): solution.read_bytes(),
    }
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder, one.relative_to(file.parent)) for one in assignment.files]
        for copy, source in zip(copies, assignment.files, strict=True):
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
        read_assignment(copies[0])
    path.write_bytes(_zip(contents, executable=("setup.sh", "run_autograder")))


def _wheel() -> bytes:
    """The installed deltarule as a wheel."""
    folder, meta = Path(deltarule.__file__).parent, distribution("deltarule")
    info = f"deltarule-{meta.version}.dist-info"
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    contents = {path.relative_to(folder.parent).as_posix(): path.read_bytes() for path in paths}
    contents[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: deltarule\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    for name in ("METADATA", "entry_points.txt"):
        contents[f"{info}/{name}"] = (meta.read_text(name) or "").encode()
    contents[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*contents, f"{info}/RECORD"]).encode()
    return _zip(contents)


def _zip(contents: Mapping[str, bytes], executable: Sequence[str] = ()) -> bytes:
    """A zip archive whose bytes depend on its contents alone."""
    file = io.BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            info = ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr, info.compress_type = (0o755 if name in executable else 0o644) << 16, ZIP_DEFLATED
            archive.writestr(info, content)
    return file.getvalue()
