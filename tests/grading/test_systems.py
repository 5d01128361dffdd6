"""Each system's own forms: what it delivers is read, and what is written can be uploaded there."""

import csv
import zipfile
from pathlib import Path

import pytest
from grading_examples import NEEDED, graded, record_of, roster, write_assignment

from deltarule.grading.entries import opened_class
from deltarule.grading.roster import apply_roster
from deltarule.grading.submissions import find_submissions
from deltarule.grading.systems import feedback_zips, gradebooks

DELIVERED = {
    "canvas": ["kowalskiines_10296_901_hw3.py", "lijun_LATE_10297_902_hw3-1.ipynb"],
    "moodle": ["Ines Kowalski_1234567_assignsubmission_file_/hw3.py", "Jun Li_1234568_assignsubmission_file/hw3.py"],
    "moodle flat": [
        "Ines Kowalski_1234567_assignsubmission_file_hw3.py",
        "Jun Li_1234568_assignsubmission_file_hw3.py",
    ],
    "github": ["hw3-ines-k/hw3.py", "hw3-lijun/hw3.py"],
    "nbgrader": ["7/ps1/hw3.py", "8/ps1/hw3.py"],
}
ROSTERS = {
    "canvas": "Student,ID,SIS User ID,SIS Login ID,Section,HW 3 (5512)\n    Points Possible,,,,,10\n"
    '"Kowalski, Ines",10296,s7,ines,A,\n"Li, Jun",10297,s8,jun,A,\n',
    "moodle": "Identifier,Full name,ID number,Email address,Status,Grade,Maximum Grade,Last modified (grade)\n"
    "Participant 1234567,Ines Kowalski,7,i@x.org,Submitted,,10,-\n"
    "Participant 1234568,Jun Li,8,j@x.org,Submitted,,10,-\n",
    "github": "identifier,github_username,github_id,name\n7,ines-k,1,Ines Kowalski\n8,lijun,2,Jun Li\n",
    "nbgrader": "id,first_name,last_name,email\n7,Ines,Kowalski,i@x.org\n8,Jun,Li,j@x.org\n",
}
UPLOADED = {
    "canvas": ["kowalskiines_10296_901_hw3.html", "lijun_LATE_10297_902_hw3-1.html"],
    "moodle": ["Ines Kowalski_1234567_assignsubmission_file_/feedback.html"]
    + ["Jun Li_1234568_assignsubmission_file_/feedback.html"],
    "github": ["hw3-ines-k/feedback.html", "hw3-lijun/feedback.html"],
    "nbgrader": ["7/HW 3/feedback.html", "8/HW 3/feedback.html"],
}
BOOKS = {
    "canvas": {"Student": "Li, Jun", "ID": "10297", "SIS User ID": "s8", "HW 3 (5512)": "7.3"},
    "moodle": {
        "Identifier": "Participant 1234568",
        "Grade": "7.3",
        "Maximum Grade": "10",
        "Last modified (grade)": "-",
    },
    "github": {"identifier": "8", "github_username": "lijun", "points_awarded": "7.3", "points_available": "10"},
    "nbgrader": {"student_id": "8", "first_name": "Jun", "score": "7.3", "max_score": "10", "assignment": "HW 3"},
}


@pytest.mark.parametrize("delivered", DELIVERED)
def test_there_and_back(tmp_path: Path, delivered: str) -> None:
    system = delivered.split()[0]
    for name in DELIVERED[delivered]:
        (tmp_path / "subs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "subs" / name).write_text("{}" if name.endswith("ipynb") else NEEDED)
    submissions = find_submissions(tmp_path / "subs")
    results = [
        graded(one.student, 7.1 + 0.2 * i, id=one.id, delivered=one.delivered, entry=one.entry)
        for i, one in enumerate(submissions)
    ]
    people = roster(tmp_path, ROSTERS[system])
    record = apply_roster(record_of(*results), people, 0)
    assert record.uncertain == record.absent == ()
    rows = list(csv.DictReader(dict(gradebooks(record, people))[f"{system}.csv"].splitlines()))
    assert BOOKS[system].items() <= rows[-1].items()
    pages = {result.student: "<p>page</p>" for result in results}
    [(name, content)] = feedback_zips(record, pages, people)
    assert (name, list(feedback_zips(record, pages, people))[0][1]) == (f"{system}-feedback.zip", content)
    (tmp_path / name).write_bytes(content)
    assert zipfile.ZipFile(tmp_path / name).namelist() == UPLOADED[system]


METADATA = """---
submission_12:
  :submitters:
  - :name: Ines Kowalski
    :sid: '7'
  :created_at: 2026-11-20 10:00:00 Z
"""
CLASSES = {
    "canvas": (dict.fromkeys(DELIVERED["canvas"], NEEDED), ["kowalskiines", "lijun"]),
    "moodle": (dict.fromkeys(DELIVERED["moodle"], NEEDED), ["Ines Kowalski", "Jun Li"]),
    "gradescope": (
        {"assignment_1_export/submission_metadata.yml": METADATA, "assignment_1_export/submission_12/hw.py": NEEDED},
        ["Ines Kowalski"],
    ),
    "one student's": ({"hw3/main.py": NEEDED, "hw3/helpers.py": ""}, ["class"]),
    "that leads out": (dict.fromkeys(["../x_1_2_a.py", "/y_1_2_a.py", "ada_1_2_a.py"], NEEDED), ["ada"]),
}


@pytest.mark.parametrize("name", CLASSES)
def test_the_zip_of_a_class(tmp_path: Path, name: str) -> None:
    files, students = CLASSES[name]
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        for file, text in files.items():
            archive.writestr(zipfile.ZipInfo(file, (2026, 11, 20, 10, 0, 0)), text)
    with opened_class(tmp_path / "class.zip") as folder:
        found = find_submissions(folder, times="zip")
        assert [one.student for one in found] == students
        assert folder == tmp_path / "class.zip" or abs(found[0].time - 1795168800) < 86400
    assert sorted(path.name for path in tmp_path.iterdir()) == ["class.zip"]


@pytest.mark.slow
def test_a_class_of_canvas_at_the_shell(deltarule, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "submissions.zip", "w") as archive:
        archive.writestr("kowalskiines_10296_901_hw3.py", NEEDED)
    write_assignment(tmp_path)
    roster(tmp_path, ROSTERS["canvas"])
    words = ("--with", tmp_path / "assignment.toml", "--roster", tmp_path / "roster.csv", "--out", tmp_path / "out")
    status, out, _ = deltarule("grade", tmp_path / "submissions.zip", *words)
    assert status == 0 and "Kowalski, Ines       7" in out and "Nothing handed in: 1" in out
    page = zipfile.ZipFile(tmp_path / "out" / "canvas-feedback.zip").read("kowalskiines_10296_901_hw3.html")
    assert b"Kowalski, Ines" in page
