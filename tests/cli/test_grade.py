"""`deltarule grade`: what it prints and writes, and bad use."""

import json
from pathlib import Path

import pytest
from grading_examples import ASSIGNMENT, BACKWARD, NEEDED, edited, write_assignment


@pytest.fixture
def submissions(tmp_path: Path) -> Path:
    folder = tmp_path / "submissions"
    folder.mkdir()
    (folder / "anna.py").write_text(NEEDED)
    (folder / "bert.py").write_text(edited(BACKWARD, "return dz @ W.T, -x.T @ dz, dz.sum(axis=0)"))
    write_assignment(tmp_path)
    return folder


def test_points_and_mistakes_are_printed(deltarule, submissions, tmp_path):
    words = (submissions, "--with", tmp_path / "assignment.toml", "--out", tmp_path / "out")
    status, out, _ = deltarule("grade", *words)
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "A linear layer: 2 submissions, 7 points"
    assert [line.split() for line in lines[3:5]] == [["anna", "7"], ["bert", "5"]]
    assert lines[5].startswith("1 of 2: sign: change the sign")
    assert (tmp_path / "out" / "students" / "bert.html").is_file()


@pytest.mark.slow
def test_a_large_class_is_printed_in_twenty_lines(deltarule, submissions, tmp_path):
    for i in range(13):
        text = [NEEDED, edited(BACKWARD, "return dz @ W.T, -x.T @ dz, dz.sum(axis=0)"), f"def a{i}("][i % 3]
        (submissions / f"student{i}.py").write_text(text)
    words = (submissions, "--with", tmp_path / "assignment.toml")
    status, out, _ = deltarule("grade", *words)
    assert status == 0 and len(out.splitlines()) <= 20
    assert "6 with all points" in out and "give --out DIR" in out


ROSTER = "id;name;section;due;extension\n7;Bert Brown;B;2020-01-01 12:00;\n8;Carla Cruz;A;2020-01-01 12:00;\n"


def test_a_roster_gives_names_and_gradebooks(deltarule, submissions, tmp_path):
    (submissions / "anna.py").unlink()
    (submissions / "bert.py").rename(submissions / "brownbert_LATE_7_99_hw1-2.py")
    (tmp_path / "roster.csv").write_text(ROSTER)
    text = (tmp_path / "assignment.toml").read_text()
    (tmp_path / "assignment.toml").write_text("late_percent = 50\n" + text)
    words = (submissions, "--with", tmp_path / "assignment.toml", "--roster", tmp_path / "roster.csv")
    words = (*words, "--times", "files", "--out")
    _, out, _ = deltarule("grade", *words, tmp_path / "out")
    assert "Bert Brown       0" in out and "days late" in out and "Nothing handed in: 1" in out
    canvas = (tmp_path / "out" / "canvas.csv").read_text().splitlines()
    assert canvas[2:] == ["Bert Brown,7,,,B,0", "Carla Cruz,8,,,A,"]
    (tmp_path / "out" / "overrides.csv").write_text("student,points,reason\n7,4.5,ill\n")
    for _ in range(2):
        _, out, _ = deltarule("grade", *words, tmp_path / "out")
        assert "Bert Brown     4.5" in out and "your override: ill" in out


@pytest.mark.parametrize("out", ["new", None])
def test_a_regrade_into_another_folder_has_the_marks_and_overrides(deltarule, submissions, tmp_path, out):
    path = tmp_path / "assignment.toml"
    path.write_text(path.read_text() + '[[manual]]\nname = "Plot"\npoints = 2\n')
    words = ("grade", submissions, "--with", path)
    deltarule(*words, "--out", tmp_path / "old")
    (tmp_path / "old" / "manual.csv").write_text("student,Plot\nanna,1.5\n")
    (tmp_path / "old" / "overrides.csv").write_text("student,points,reason\nbert,0.5,ill\n")
    folder = ("--out", tmp_path / out) if out else ()
    record = json.loads(deltarule(*words, "--since", tmp_path / "old", *folder, "--json")[1])
    points = {one["student"]: one["points"] for one in record["submissions"]}
    assert points["bert"] == 0.5 and points["anna"] % 1 == 0.5
    if out:
        assert "anna,1.5" in (tmp_path / "new" / "manual.csv").read_text()
        assert "bert,0.5,ill" in (tmp_path / "new" / "overrides.csv").read_text()


def test_what_is_not_one_students_heads_the_output(deltarule, submissions, tmp_path):
    (submissions / "bert.py").rename(submissions / "brownbert_LATE_7_99_hw1-2.py")
    (submissions / "Carla Cruz.py").write_text(NEEDED)
    (tmp_path / "roster.csv").write_text(ROSTER)
    words = ("grade", submissions, "--with", tmp_path / "assignment.toml", "--roster", tmp_path / "roster.csv")
    _, _, err = deltarule(*words)
    said, headings, *rows = [line for line in err.splitlines() if "─" not in line][-3:]
    assert said.startswith("1 of 3 submissions are not one student's alone:") and headings.split()[0] == "delivered"
    assert [row.split()[0] for row in rows] == ["anna.py"]
    (submissions / "anna.py").unlink()
    assert "not one student" not in deltarule(*words)[2]


def test_one_student_graded_again_keeps_the_book(deltarule, submissions, tmp_path):
    out = tmp_path / "out"
    words = ("--with", tmp_path / "assignment.toml", "--out", out)
    deltarule("grade", submissions, *words)
    (out / "overrides.csv").write_text("student,points,reason\nanna,4.5,ill\n")
    (submissions / "bert.py").write_text(NEEDED)
    _, said, _ = deltarule("grade", submissions / "bert.py", *words)
    assert "Kept from the last grading, as their submissions are not among these: 1" in said
    table = (out / "grades.csv").read_text().splitlines()
    assert [line.split(",")[:5] for line in table[1:]] == [["anna", "", "", "", "4.5"], ["bert", "", "", "", "7"]]
    assert len(json.loads((out / "record.json").read_text())["submissions"]) == 2
    assert "anna" in (out / "class.html").read_text()
    (tmp_path / "bert").mkdir()
    (tmp_path / "bert" / "bert.py").write_text("x = 1")
    deltarule("grade", tmp_path / "bert", "--single", *words)  # the same student, from a folder
    assert [line.split(",")[4] for line in (out / "grades.csv").read_text().splitlines()[1:]] == ["4.5", "0"]


def test_only_one_student_is_graded_again(deltarule, submissions, tmp_path):
    words = (submissions, "--with", tmp_path / "assignment.toml", "--out", tmp_path / "out")
    deltarule("grade", *words)
    for student in ("anna", "bert"):
        (submissions / f"{student}.py").write_text("x = 1")
    status, out, _ = deltarule("grade", *words, "--only", "bert")
    assert status == 0 and "bert: 5 before, 0 now" in out and "anna:" not in out
    table = (tmp_path / "out" / "grades.csv").read_text().splitlines()
    assert [line.split(",")[4] for line in table[1:]] == ["7", "0"]
    status, _, err = deltarule("grade", *words, "--only", "zoe")
    assert status == 2 and "--only zoe: 0 submissions fit it" in err


def test_the_teachers_files_and_other_names(deltarule, submissions, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "one.txt").write_text("1")
    (tmp_path / "helpers.py").write_text("def identity(x):\n    return x\n")
    (submissions / "bert.py").unlink()
    text = (tmp_path / "assignment.toml").read_text()
    added = 'files = ["helpers.py", "data"]\naliases = { step = ["update"] }\n'
    (tmp_path / "assignment.toml").write_text(added + text)
    (tmp_path / "solution.py").write_text("from helpers import identity\n" + (tmp_path / "solution.py").read_text())
    source = edited("return x @ W + b", "return identity(x @ W + b) * float(open('data/one.txt').read())")
    (submissions / "anna.py").write_text("from helpers import *\n" + edited("def step", "def update", source))
    (submissions / "zoe").mkdir()
    (submissions / "zoe" / "hw").mkdir()
    (submissions / "zoe" / "hw" / "helpers.py").write_text("mine = 1\n")
    (submissions / "zoe" / "hw" / "main.py").write_text("from helpers import *\n" + source)
    status, out, _ = deltarule("grade", submissions, "--with", tmp_path / "assignment.toml", "--json")
    record = json.loads(out)["submissions"]
    assert status == 0 and [(one["points"], one["message"], one["notes"]) for one in record] == [
        (7, "", []),
        (7, "graded with the assignment's helpers.py, not with yours", []),
    ]
    (tmp_path / "assignment.toml").write_text('files = ["../x.csv"]\n' + text)
    status, _, err = deltarule("grade", submissions, "--with", tmp_path / "assignment.toml")
    assert status == 2 and "files names '../x.csv', which is not beside the assignment" in err


def test_a_book_of_other_checks_is_not_written_over(deltarule, submissions, tmp_path):
    words = ("--with", tmp_path / "assignment.toml", "--out", tmp_path / "out")
    deltarule("grade", submissions, *words)
    before = (tmp_path / "out" / "grades.csv").read_text()
    text = (tmp_path / "assignment.toml").read_text()
    edits = {
        "holds the grades of 'A linear layer'; give another --out for 'Next week'": ("A linear layer", "Next week"),
        "has other checks or points": ("points = [1, 2, 1]", "points = [1, 3, 1]"),
    }
    for sentence, edit in edits.items():
        (tmp_path / "assignment.toml").write_text(edited(*edit, text))
        status, _, err = deltarule("grade", submissions / "bert.py", *words)
        assert status == 2 and sentence in err
        assert (tmp_path / "out" / "grades.csv").read_text() == before
    status, out, _ = deltarule("grade", submissions, *words)  # all of them, by the new points
    assert status == 0 and "8 points" in out


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("roster.csv", "id,name,due\n1,anna,tomorrow\n", "write times as"),
        ("out/overrides.csv", "student,points,reason\nanna,1O,typo\n", "got '1O' for 'anna'"),
        ("out/record.json", "{}", "not written by this version of grade"),
    ],
)
def test_the_teachers_files_are_refused_before_anything_runs(deltarule, submissions, tmp_path, file, text, sentence):
    (tmp_path / "out").mkdir()
    (tmp_path / "roster.csv").write_text("id,name\n1,anna\n")
    (tmp_path / file).write_text(text)
    (submissions / "slow.py").write_text("while True: pass\n")
    words = ("--with", tmp_path / "assignment.toml", "--roster", tmp_path / "roster.csv", "--out", tmp_path / "out")
    status, out, err = deltarule("grade", submissions, *words)
    assert (status, out) == (2, "") and sentence in err and "graded" not in err


def test_json_is_the_record(deltarule, submissions, tmp_path):
    words = (submissions, "--with", tmp_path / "assignment.toml", "--json")
    status, out, _ = deltarule("grade", *words)
    record = json.loads(out)
    assert status == 0
    assert [(one["student"], one["points"]) for one in record["submissions"]] == [("anna", 7.0), ("bert", 5.0)]


def test_one_student_for_gradescope(deltarule, submissions, tmp_path):
    results = tmp_path / "results.json"
    words = (submissions / "bert.py", "--with", tmp_path / "assignment.toml", "--single", "--gradescope", results)
    status, _, _ = deltarule("grade", *words)
    assert status == 0
    assert json.loads(results.read_text())["score"] == 5


@pytest.mark.parametrize(
    ("edit", "words", "sentence"),
    [
        (("hint = 4", "hints = 4"), (), "there is no key 'hints'"),
        ((), ("--sandbox", "docker"), "'docker' is not one of 'required', 'auto', 'off'"),
        ((), ("--gradescope", "results.json"), "--gradescope is for one submission"),
    ],
)
def test_bad_use_ends_with_status_2(deltarule, edit, words, sentence, submissions, tmp_path):
    if edit:
        (tmp_path / "assignment.toml").write_text(edited(*edit, ASSIGNMENT))
    given = (submissions, "--with", tmp_path / "assignment.toml", *words)
    status, out, err = deltarule("grade", *given)
    assert (status, out) == (2, "")
    assert sentence in err
