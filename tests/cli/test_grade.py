"""`deltarule grade`: what it prints and writes, and bad use."""

import json
from pathlib import Path

import pytest
from grading_examples import ASSIGNMENT, BACKWARD, NEEDED, edited, write_assignment

from deltarule.cli.app import main


@pytest.fixture
def submissions(tmp_path: Path) -> Path:
    folder = tmp_path / "submissions"
    folder.mkdir()
    (folder / "anna.py").write_text(NEEDED)
    (folder / "bert.py").write_text(edited(BACKWARD, "return dz @ W.T, -x.T @ dz, dz.sum(axis=0)"))
    write_assignment(tmp_path)
    return folder


def grade(*words: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["deltarule", "grade", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    return int(end.value.code or 0), printed.out, printed.err


def test_points_and_mistakes_are_printed(
    submissions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (submissions, "--with", tmp_path / "assignment.toml", "--out", tmp_path / "out")
    status, out, _ = grade(*words, monkeypatch=monkeypatch, capsys=capsys)
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "A linear layer: 2 submissions, 7 points"
    assert [line.split() for line in lines[3:5]] == [["anna", "7"], ["bert", "5"]]
    assert lines[5].startswith("1 of 2: sign in W: change the sign")
    assert (tmp_path / "out" / "students" / "bert.html").is_file()


def test_json_is_the_record(
    submissions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (submissions, "--with", tmp_path / "assignment.toml", "--json")
    status, out, _ = grade(*words, monkeypatch=monkeypatch, capsys=capsys)
    record = json.loads(out)
    assert status == 0
    assert [(one["student"], one["points"]) for one in record["submissions"]] == [("anna", 7.0), ("bert", 5.0)]


def test_one_student_for_gradescope(
    submissions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results.json"
    words = (submissions / "bert.py", "--with", tmp_path / "assignment.toml", "--single", "--gradescope", results)
    status, _, _ = grade(*words, monkeypatch=monkeypatch, capsys=capsys)
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
def test_bad_use_ends_with_status_2(
    edit: tuple[str, str] | tuple[()],
    words: tuple[str, ...],
    sentence: str,
    submissions: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if edit:
        (tmp_path / "assignment.toml").write_text(edited(*edit, ASSIGNMENT))
    given = (submissions, "--with", tmp_path / "assignment.toml", *words)
    status, out, err = grade(*given, monkeypatch=monkeypatch, capsys=capsys)
    assert (status, out) == (2, "")
    assert sentence in err
