"""Names, late points and overrides of a class."""

import dataclasses
import os
from datetime import datetime
from pathlib import Path

import pytest

from deltarule.errors import BadInput
from deltarule.grading.record import ArrayResult, CheckResult, GradeRecord, SubmissionResult
from deltarule.grading.results import apply_overrides, apply_roster, gradebooks, read_roster
from deltarule.grading.submissions import find_submissions

CODE = "def forward(x):\n    return x\n"


def record_of(*results: SubmissionResult) -> GradeRecord:
    return GradeRecord("HW 3", 2, "visible", 10.0, results, "")


def graded(student: str, points: float = 10.0, **fields: object) -> SubmissionResult:
    check = CheckResult("f(x)", "forward", "", (ArrayResult("z", "right", 0.0, points, 10.0),))
    return SubmissionResult(student, True, "", (check,), **fields)  # type: ignore[arg-type]


DELIVERED = {
    "kowalskiines_LATE_10296_9010296_hw3 (1).py": ("kowalskiines", "10296", True),
    "lijun_10297_9010297_hw3-2.py": ("lijun", "10297", False),
    "Ines Kowalski_1234567_assignsubmission_file_hw3.py": ("Ines Kowalski", "1234567", None),
    "Ines Kowalski_1234567_assignsubmission_file/hw3.py": ("Ines Kowalski", "1234567", None),
    "anna (1).py": ("anna", "", None),
    "my_hw_3.py": ("my_hw_3", "", None),
}


@pytest.mark.parametrize("name", DELIVERED)
def test_names_of_systems(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(CODE)
    [submission] = find_submissions(tmp_path)
    assert (submission.student, submission.id, submission.is_late) == DELIVERED[name]
    assert submission.file in ("hw3.py", "anna.py", "my_hw_3.py")


def test_the_latest_of_several_counts(tmp_path: Path) -> None:
    names = ["liju_7_1_hw3.py", "liju_7_2_hw3-1.py", "liju_7_3_hw3-2.py", "liju_7_3_helpers.py"]
    for i, name in enumerate(names):
        (tmp_path / name).write_text(f"{CODE}# {i}\n")
        os.utime(tmp_path / name, (1e9, 1e9 + (100 if i == 1 else i)))
    [submission] = find_submissions(tmp_path, "hw3.py")
    assert set(submission.files) == {"hw3.py", "helpers.py"}
    assert submission.cells[0][1].endswith("# 1\n") and submission.time == 1e9 + 100


def test_gradescope_export(tmp_path: Path) -> None:
    (tmp_path / "submission_12").mkdir()
    (tmp_path / "submission_12" / "hw3.py").write_text(CODE)
    text = "submission_12:\n  :submitters:\n  - :name: Ines Kowalski\n    :sid: '77'\n    :email: i@x.org\n"
    (tmp_path / "submission_metadata.yml").write_text(text)
    [submission] = find_submissions(tmp_path)
    assert (submission.student, submission.id) == ("Ines Kowalski", "77")


ROSTERS = {
    "plain": "id,name,section\n5,Inés Kowalski,B\n6,Jun Li,A\n",
    "semicolons": "\ufeffid;name;section\n5;Inés Kowalski;B\n6;Jun Li;A\n",
    "Canvas": 'Student,ID,SIS Login ID,Section\n    Points Possible,,,\n"Kowalski, Inés",5,ik,B\n"Li, Jun",6,jl,A\n',
    "Moodle": "Full name,ID number,Email address,Section\nInés Kowalski,5,ik@x.org,B\nJun Li,6,jl@x.org,A\n",
}


@pytest.mark.parametrize("roster", ROSTERS)
@pytest.mark.parametrize("student", ["kowalskiines", "Ines Kowalski", "ines_kowalski", "Kowalski Inés", "5", "ik"])
def test_students_are_found_in_rosters(tmp_path: Path, roster: str, student: str) -> None:
    if student == "ik" and roster in ("plain", "semicolons"):
        return
    (tmp_path / "roster.csv").write_text(ROSTERS[roster], encoding="utf-8")
    people = read_roster(tmp_path / "roster.csv")
    record = apply_roster(record_of(graded(student, 8)), people, 0)
    [result] = record.submissions
    assert ("Kowalski" in result.name, result.section) == (True, "B")
    assert [name.replace("Li, Jun", "Jun Li") for name in record.absent] == ["Jun Li"]
    for _, text in gradebooks(record, people):
        lines = text.splitlines()
        assert lines[-2].endswith(",8") or lines[-2].endswith(",8.0")
        assert lines[-1].endswith(",")


def test_two_of_one_name_are_told_apart_by_their_number(tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text("id,name\n5,Jun Li\n6,Jun Li\n")
    people = read_roster(tmp_path / "roster.csv")
    record = apply_roster(record_of(graded("lijun", id="6"), graded("lijun-2")), people, 0)
    assert [result.id for result in record.submissions] == ["6", ""]
    assert record.submissions[1].notes == ("not in the roster",) and record.absent == ("Jun Li",)


DAY = 86400
NOON = datetime(2026, 11, 20, 12).timestamp()


@pytest.mark.parametrize(
    ("time", "is_late", "extension", "points"),
    [
        (NOON - 1, None, "", 8),
        (NOON + 1, None, "", 7),
        (NOON + DAY + 1, None, "", 6),
        (NOON + 30 * DAY, None, "", 0),
        (NOON + DAY + 1, False, "", 8),
        (NOON + DAY + 1, True, "", 6),
        (NOON + DAY + 1, None, "1", 7),
        (NOON + DAY + 1, None, "2026-11-22 12:00", 8),
    ],
)
def test_late_points(tmp_path: Path, time: float, is_late: bool | None, extension: str, points: float) -> None:
    (tmp_path / "roster.csv").write_text(f"name,due,extension\nanna,2026-11-20 12:00,{extension}\n")
    result = graded("anna", 8, time=time, is_late=is_late)
    record = apply_roster(record_of(result), read_roster(tmp_path / "roster.csv"), 10)
    assert record.submissions[0].points == points


def test_overrides_survive(tmp_path: Path) -> None:
    path = tmp_path / "overrides.csv"
    assert apply_overrides(record_of(graded("anna")), path).submissions[0].points == 10
    path.write_text(path.read_text() + "anna,3,copied\n")
    for _ in range(2):
        [result] = apply_overrides(record_of(graded("anna")), path).submissions
        assert (result.points, result.notes) == (3, ("your override: copied",))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("anna,x,", "points must be a number, got 'x'"), ("bert,3,", "'bert' is the name or id of 0 submissions")],
)
def test_wrong_overrides_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "overrides.csv").write_text(f"student,points,reason\n{text}\n")
    with pytest.raises(BadInput, match=sentence):
        apply_overrides(record_of(dataclasses.replace(graded("anna"))), tmp_path / "overrides.csv")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("a,b\n1,2\n", "has no student"), ("name,due\nanna,soon\n", "row of anna: .* write times as")],
)
def test_wrong_rosters_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "roster.csv").write_text(text)
    with pytest.raises(BadInput, match=sentence):
        apply_roster(record_of(graded("anna")), read_roster(tmp_path / "roster.csv"), 0)
