"""The assignments in docs/assignments: right solutions get all points, and submissions what the page says."""

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest

from deltarule.grading.assignment import read_assignment
from deltarule.grading.grade import grade
from deltarule.grading.results import format_points, student_page
from deltarule.grading.submissions import find_submissions

FOLDER = Path(__file__).parents[2] / "docs" / "assignments"
ASSIGNMENTS = sorted(path.parent.name for path in FOLDER.glob("*/assignment.toml"))
PAGE = (FOLDER / "index.md").read_text(encoding="utf-8")


def rows_of(name: str) -> dict[str, tuple[str, str]]:
    """By submission, points and the last column, in the page's table of an assignment."""
    section = re.split(rf"^## .*`{name}`$", PAGE, flags=re.MULTILINE)[1].partition("\n## ")[0]
    return {
        student: (points, says)
        for student, points, says in re.findall(r"^\| `(.*?)` \| (.*?) \| (.*?) \|$", section, re.M)
    }


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_submissions_get_what_the_page_says(name: str) -> None:
    assignment = read_assignment(FOLDER / name / "assignment.toml")
    paths = FOLDER / name / "submissions", FOLDER / name / "solution.py"
    record = grade(assignment, [one for path in paths for one in find_submissions(path)])
    [right] = [result for result in record.submissions if result.student == "solution"]
    assert right.points == assignment.max_points
    record = replace(record, submissions=tuple(one for one in record.submissions if one is not right))
    rows = rows_of(name)
    assert [result.student for result in record.submissions] == sorted(rows)
    assert len(rows) == 5
    for result in record.submissions:
        points, says = rows[result.student]
        assert points == f"{format_points(result.points)} of {format_points(assignment.max_points)}"
        assert result.points < assignment.max_points
        codes = [mistake.code for check in result.checks for mistake in check.mistakes]
        if codes:
            assert says == "`" + "`, `".join(codes) + "`"
        page = html.unescape(student_page(record, result))
        assert codes or says in page
        own = (FOLDER / name / "submissions" / f"{result.student}.py").read_text(encoding="utf-8")
        for line in (FOLDER / name / "solution.py").read_text(encoding="utf-8").splitlines():
            assert line.strip() in own or line.strip() not in page  # of the solution nothing is shown
