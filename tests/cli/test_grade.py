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
    assert lines[5].startswith("1 of 2: sign in W: change the sign")
    assert (tmp_path / "out" / "students" / "bert.html").is_file()


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
        (("hint = 3", "hints = 3"), (), "there is no key 'hints'"),
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
