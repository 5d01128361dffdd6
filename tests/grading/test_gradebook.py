"""Names, late points and overrides of a class."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from grading_examples import graded, record_of, roster

from deltarule.errors import BadInput
from deltarule.grading.record import SubmissionResult
from deltarule.grading.results import grades_csv
from deltarule.grading.roster import apply_overrides, apply_roster, read_overrides
from deltarule.grading.submissions import find_submissions
from deltarule.grading.systems import gradebooks

CODE = "def forward(x):\n    return x\n"


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
    [submission] = find_submissions(tmp_path, "hw3.py", times="files")
    assert set(submission.files) == {"hw3.py", "helpers.py"}
    assert submission.cells[0][1].endswith("# 1\n") and submission.time == 1e9 + 100


GRADESCOPE = """---
submission_12:
  :submitters:
  - :name: Ines Kowalski
    :sid: '77'
    :email: i@x.org
  - :name: "J\\u00fcn Li"
    :sid: '78'
  :created_at: 2026-11-20 10:00:00.000000000 Z
submission_13:
  :submitters:
  - :name: 'Sinéad O''Brien'
"""


def test_gradescope_export(tmp_path: Path) -> None:
    for folder in ("submission_12", "submission_13"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "hw3.py").write_text(CODE)
    (tmp_path / "submission_metadata.yml").write_text(GRADESCOPE, encoding="utf-8")
    ines, sinead = find_submissions(tmp_path)
    assert (ines.student, ines.id, ines.email) == ("Ines Kowalski", "77", "i@x.org")
    assert [(one.student, one.delivered, one.id) for one in ines.others] == [("Jün Li", "Jün Li", "78")]
    assert (sinead.student, sinead.id) == ("Sinéad O'Brien", "submission_13")
    assert ines.time == datetime(2026, 11, 20, 10, tzinfo=UTC).timestamp()
    [single] = find_submissions(tmp_path / "submission_12", is_single=True)
    assert (single.student, single.time) == (ines.student, ines.time)


WEI = "submission_{0}:\n  :submitters:\n  - :name: Wei Zhang\n    :sid:{1}\n    :email:{2}\n"
NUMBERS_AND_MAILS = {
    "mails": ((1, "", " wz1@x.org"), (2, "", " WZ2@x.org"), ["Wei Zhang 1", "Wei Zhang 2"]),
    "numbers": ((1, " '31'", ""), (2, " '32'", ""), ["Wei Zhang 1", "Wei Zhang 2"]),
    "a number and a mail": ((1, " null", " wz1@x.org"), (2, " '32'", ""), ["Wei Zhang 1", "Wei Zhang 2"]),
    "neither": ((1, "", ""), (2, " ~", ""), ["", ""]),
    "one twice": ((1, "", " wz1@x.org"), (2, "", " wz1@x.org"), ["", ""]),
    "a stranger": ((1, "", " wz1@x.org"), (2, "", " wz9@x.org"), ["Wei Zhang 1", ""]),
}


@pytest.mark.parametrize("case", NUMBERS_AND_MAILS)
def test_two_of_one_name_are_two(tmp_path: Path, case: str) -> None:
    *submitters, owners = NUMBERS_AND_MAILS[case]
    (tmp_path / "submission_metadata.yml").write_text("---\n" + "".join(WEI.format(*each) for each in submitters))
    for i in (1, 2):
        (tmp_path / f"submission_{i}").mkdir()
        (tmp_path / f"submission_{i}" / f"part{i}.py").write_text(CODE)
    submissions = find_submissions(tmp_path)
    assert [list(one.files) for one in submissions] == [["part1.py"], ["part2.py"]]
    assert len({one.owner for one in submissions}) == len({one.student for one in submissions}) == 2
    results = [
        graded(one.student, id=one.id, email=one.email, delivered=one.delivered, entry=one.entry) for one in submissions
    ]
    people = roster(tmp_path, "Name,SID,Email\nWei Zhang,31,wz1@x.org\nWei Zhang,32,wz2@x.org\n")
    record = apply_roster(record_of(*results), people, 0)
    assert [one.roster_id and f"{one.name} {int(one.roster_id) - 30}" for one in record.submissions] == owners
    assert len(record.uncertain) == owners.count("")


def test_a_name_alone_does_not_make_another_e_mails_owner(tmp_path: Path) -> None:
    people = roster(tmp_path, "name,email\nWei Zhang,wz1@x.org\nBob May,bob@x.org\n")
    results = [graded("Wei Zhang", email="wz2@x.org"), graded("Bob May", email="bobby@mail.com")]
    record = apply_roster(record_of(*results), people, 0)
    assert [one.name for one in record.submissions] == ["", "Bob May"]  # a private address may be anybody's
    assert record.uncertain == ("Wei Zhang: it has the name of Wei Zhang, and another e-mail, wz2@x.org",)


PLAIN = {
    "a copy of a browser": (["Ada Lin.py", "Ada Lin (1).py"], 2),
    "a file and a notebook": (["Ada Lin.py", "Ada Lin.ipynb"], 2),
    "a file and a folder": (["Ada Lin.py", "Ada Lin/hw.py"], 2),
    "a report": (["Ada Lin.py", "Ada Lin.pdf"], 1),
    "files of one number": (["linada_7_1_hw.py", "linada_7_2_helpers.py", "linada_LATE_7_3_hw-1.py"], 1),
    "one name, two numbers": (["linada_7_1_hw.py", "linada_8_2_hw.py"], 2),
    "files of a participant": (["Ada Lin_5_assignsubmission_file_/a.py", "Ada Lin_5_assignsubmission_file_b.py"], 1),
    "two participants": (["Ada Lin_5_assignsubmission_file_/a.py", "Ada Lin_6_assignsubmission_file_/a.py"], 2),
}


@pytest.mark.parametrize("case", PLAIN)
def test_what_has_no_number_is_never_taken_together(tmp_path: Path, case: str) -> None:
    names, count = PLAIN[case]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}" if name.endswith("ipynb") else CODE)
    submissions = find_submissions(tmp_path)
    assert len({one.owner for one in submissions}) == len({one.student for one in submissions}) == count
    people = roster(tmp_path, "id,name\n70,Ada Lin\n80,Bo Lin\n")
    results = [graded(one.student, id=one.id, delivered=one.delivered) for one in submissions]
    record = apply_roster(record_of(*results), people, 0)
    assert [one.name for one in record.submissions] == (["Ada Lin"] if count == 1 else ["", ""])
    assert all("2 submissions are those of Ada Lin" in text for text in record.uncertain)
    if count == 2 and not submissions[0].id:
        assert [one.student for one in submissions] == ["Ada Lin", "Ada Lin-2"]
        assert all("other submissions have its name" in one.notes[-1] for one in submissions)


ROSTERS = {
    "plain": "id,name,section\n5,Inés Kowalski,B\n6,Jun Li,A\n",
    "semicolons": "\ufeffid;name;section\n5;Inés Kowalski;B\n6;Jun Li;A\n",
    "Canvas": 'Student,ID,SIS Login ID,Section\n    Points Possible,,,\n"Kowalski, Inés",5,ik,B\n"Li, Jun",6,jl,A\n',
    "Moodle": "Full name,ID number,Email address,Section\nInés Kowalski,5,ik@x.org,B\nJun Li,6,jl@x.org,A\n",
}


@pytest.mark.parametrize("name", ROSTERS)
@pytest.mark.parametrize("student", ["kowalskiines", "Ines Kowalski", "ines_kowalski", "Kowalski Inés", "5", "ik"])
def test_students_are_found_in_rosters(tmp_path: Path, name: str, student: str) -> None:
    if student == "ik" and name in ("plain", "semicolons"):
        return
    people = roster(tmp_path, ROSTERS[name])
    record = apply_roster(record_of(graded(student, 8)), people, 0)
    [result] = record.submissions
    assert ("Kowalski" in result.name, result.section) == (True, "B")
    assert [name.replace("Li, Jun", "Jun Li") for name in record.absent] == ["Jun Li"]
    for _, text in gradebooks(record, people):
        lines = text.splitlines()
        assert lines[-2].endswith(",8")
        assert lines[-1].endswith(",")


PEOPLE = """id,name,email
1,Aidan Li,al@x.org
2,Diana Li,dl@x.org
3,Amy Lee,lee@x.org
4,Jun Li,jl@x.org
5,Jun Li,jun@x.org
6,"Müller, Jörg",jm@x.org
7,Max Maria von Berg,mb@x.org
8,李 明,lm@x.org
"""
OWNERS: dict[str, tuple[SubmissionResult, str]] = {
    "one of two anagrams": (graded("Aidan Li"), "1"),
    "the other": (graded("lidiana"), "2"),
    "an anagram of somebody": (graded("May Lee"), ""),
    "one of two of a name, by number": (graded("lijun", id="5"), "5"),
    "one of two of a name, by login": (graded("jl"), "4"),
    "one of two of a name": (graded("Jun Li"), ""),
    "umlauts as e": (graded("Joerg Mueller"), "6"),
    "no umlauts, with a number of another system": (graded("mullerjorg", id="77123"), "6"),
    "four parts": (graded("von Berg Max Maria"), "7"),
    "a part of the name and the number": (graded("bergmax", id="7"), "7"),
    "a part of the name": (graded("Max Berg"), ""),
    "somebody's number and another's name": (graded("Amy Lee", id="1"), ""),
    "somebody's number and nobody's name": (graded("Eva Ott", id="1"), ""),
    "a login that is another's name": (graded("lee"), "3"),
    "signs without letters": (graded("李明"), "8"),
    "nobody": (graded("honest"), ""),
}


@pytest.mark.parametrize("case", OWNERS)
def test_ids_decide_and_nothing_is_guessed(tmp_path: Path, case: str) -> None:
    result, owner = OWNERS[case]
    people = roster(tmp_path, PEOPLE)
    record = apply_roster(record_of(result), people, 0)
    assert record.submissions[0].roster_id == owner
    assert bool(record.uncertain) == (not owner)  # listed for the teacher
    lines = dict(gradebooks(record, people))["moodle.csv"].splitlines()[1:]
    assert [line.split(",")[1] for line in lines if line.endswith(",10")] == ([owner] if owner else [])


def test_of_several_submissions_for_a_row_none_counts(tmp_path: Path) -> None:
    people = roster(tmp_path, "id,name\n6,Jörg Müller\n7,Jun Li\n")
    record = apply_roster(record_of(graded("Jorg Muller", 3), graded("6"), graded("Jun Li", 8)), people, 0)
    assert len(record.uncertain) == 2 and "2 submissions are those of Jörg Müller" in record.uncertain[0]
    assert [text for _, text in gradebooks(record, people)][1].splitlines()[1:] == [",6,Jörg Müller,,", ",7,Jun Li,,8"]


def test_folders_of_github_classroom(tmp_path: Path) -> None:
    text = "identifier,github_username,github_id,name\na@x.org,ada-l,1,Ada L\nb@x.org,l,2,Bo L\n"
    names = ["hw-3-ada-l", "hw-3-l", "hw-3-jane-l"]
    record = apply_roster(record_of(*map(graded, names)), roster(tmp_path, text), 0)
    assert [result.name for result in record.submissions] == ["Ada L", "Bo L", ""]


def test_a_login_is_no_end_of_another_name(tmp_path: Path) -> None:
    people = roster(tmp_path, "id,name,email\n1,Lena Ott,lena@x.org\n")
    record = apply_roster(record_of(graded("Anna-Lena")), people, 0)
    assert record.submissions[0].name == ""


DAY = 86400
NOON = datetime(2026, 11, 20, 12).timestamp()


@pytest.mark.parametrize(
    ("time", "is_late", "extension", "points"),
    [
        (NOON - 1, None, "", 8),
        (NOON + 59, None, "", 8),
        (NOON + 60, None, "", 7),
        (NOON + DAY + 60, None, "", 6),
        (NOON + 30 * DAY, None, "", 0),
        (NOON + DAY + 60, False, "", 8),
        (NOON + DAY + 60, True, "", 6),
        (NOON + DAY + 60, None, "1", 7),
        (NOON + DAY + 60, None, "2026-11-22 12:00", 8),
    ],
)
def test_late_points(tmp_path: Path, time: float, is_late: bool | None, extension: str, points: float) -> None:
    people = roster(tmp_path, f"name,due,extension\nanna,2026-11-20 12:00,{extension}\n")
    record = apply_roster(record_of(graded("anna", 8, time=time, is_late=is_late)), people, 10)
    assert record.submissions[0].points == points


def test_a_day_is_due_at_its_end(tmp_path: Path) -> None:
    people = roster(tmp_path, "name,due\nanna,2026-11-20\n")
    assert people[0].due == datetime(2026, 11, 20, 23, 59, 59, 999999)


def test_overrides_survive(tmp_path: Path) -> None:
    path = tmp_path / "overrides.csv"
    assert apply_overrides(record_of(graded("anna")), read_overrides(path)).submissions[0].points == 10
    path.write_text("student,points,reason\nanna,3,copied\n")
    record = record_of(graded("anna"))
    for _ in range(2):
        record = apply_overrides(apply_roster(record, [], 0), read_overrides(path))
        assert record.submissions[0].points == 3
        assert record.submissions[0].class_notes[-1] == "your override: copied (instead of 10)"


def test_an_override_of_somebody_without_a_submission(tmp_path: Path) -> None:
    (tmp_path / "overrides.csv").write_text("student,points,reason\n7,9.5,oral exam\nzoe,3,who?\n")
    people = roster(tmp_path, "id,name\n6,Jörg Müller\n7,Jun Li\n")
    record = apply_roster(record_of(graded("6", 8)), people, 0)
    assert record.absent == ("Jun Li",)
    record = apply_overrides(record, read_overrides(tmp_path / "overrides.csv"), people)
    assert [(result.title, result.points) for result in record.submissions] == [("Jörg Müller", 8), ("Jun Li", 9.5)]
    assert record.absent == () and "'zoe' is the name or id of 0 submissions" in record.uncertain[-1]
    override = "7 (override),Jun Li,7,,9.5,10,0,your override: oral exam (instead of 0)"
    assert grades_csv(record).splitlines()[2] == override


def test_an_override_older_than_the_submission_is_listed(tmp_path: Path) -> None:
    (tmp_path / "overrides.csv").write_text("student,points,reason\nanna,3,last week\n")
    record = apply_overrides(record_of(graded("anna", time=4e9)), read_overrides(tmp_path / "overrides.csv"))
    assert "written before this submission was handed in" in record.uncertain[0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("student,points\nanna,x", "points must be a number from 0 up, got 'x' for 'anna'"),
        ("student,points\nanna,nan", "points must be a number from 0 up, got 'nan'"),
        ("student,points\nanna,-1", "points must be a number from 0 up, got '-1'"),
        ("student,points\nanna,1\nanna,2", "two rows of 'anna'"),
        ("name,points\nanna,1", "has the columns name, points; give it student"),
    ],
)
def test_wrong_overrides_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "overrides.csv").write_text(text)
    with pytest.raises(BadInput, match=sentence):
        read_overrides(tmp_path / "overrides.csv")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\n1,2\n", "has no student"),
        ("name,due\nanna,soon\n", "row of anna: .* write times as"),
        ("name,due,extension\nanna,2026-11-20,99999999999\n", "row of anna: .* write times as"),
        ("name\n" + "x" * 200_000, "is no CSV file"),
    ],
)
def test_wrong_rosters_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        roster(tmp_path, text)


def test_grace_and_late_days(tmp_path: Path) -> None:
    people = roster(tmp_path, "name,due,late days\nanna,2026-11-20 11:59,2\nbert,2026-11-20 11:59,\n")
    for time, points in ((NOON + 590, (10, 10)), (NOON + 660, (10, 9)), (NOON + 2 * DAY + 60, (9, 7))):
        record = record_of(*(graded(student, time=time) for student in ("anna", "bert")))
        results = apply_roster(record, people, 10, grace_minutes=10).submissions
        assert tuple(result.points for result in results) == points
    assert results[0].class_notes == ("3 days late, 2 without loss",)


AS_THEY_COME = {
    "how Canvas posts": "Student,ID,SIS Login ID,HW 3 (5)\n,,,Manual Posting\n    Points Possible,,,10\n"
    '"Lin, Ada",11,al@x.org,\n"May, Bob",12,bm@x.org,\n',
    "first and last names of Canvas": "LastName,FirstName,ID,SIS Login ID\n    Points Possible,,,\n"
    "Lin,Ada,11,al\nMay,Bob,12,bm\n",
    "groups of Canvas": "name,canvas_user_id,user_id,login_id,group_name\nAda Lin,11,s1,al,red\nBob May,12,s2,bm,\n",
    "Moodle in German": "ID,Vollständiger Name,E-Mail-Adresse,Status,Bewertung\n"
    "Teilnehmer/in 11,Ada Lin,al@x.org,Zur Bewertung abgegeben,\nTeilnehmer/in 12,Bob May,bm@x.org,Keine Abgabe,\n",
    "Moodle in French": "Identifiant,Nom complet,Adresse de courriel,Statut,Numéro d'identification\n"
    "Participant 11,Ada Lin,al@x.org,Remis pour évaluation,20231\n"
    "Participant 12,Bob May,bm@x.org,Remis pour évaluation,20232\n",
    "Gradescope with its teachers": "Name,SID,Email,Role\nAda Lin,11,al@x.org,Student\nBob May,12,bm@x.org,Student\n"
    "Eve Qi,13,eq@x.org,Instructor\nFay Ro,14,fr@x.org,TA\n",
}


@pytest.mark.parametrize("name", AS_THEY_COME)
def test_rosters_as_they_come(tmp_path: Path, name: str) -> None:
    people = roster(tmp_path, AS_THEY_COME[name])
    assert [frozenset(person.keys) & {"adalin", "bobmay"} for person in people] == [{"adalin"}, {"bobmay"}]
    assert all("al" in person.ids or "bm" in person.ids for person in people)
    record = apply_roster(record_of(graded("linada", id="11"), graded("bob may")), people, 0)
    assert record.uncertain == record.absent == ()
    if "French" in name:
        assert ["20231" in people[0].ids, "20232" in people[1].ids] == [True, True]
