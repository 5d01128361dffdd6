"""Whatever one submission is: its result says so, and all others are graded."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from grading_examples import BACKWARD, NEEDED, edited, linear_assignment

from deltarule.grading.grade import grade
from deltarule.grading.results import write_results
from deltarule.grading.submissions import find_submissions

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these file names and FIFOs are of Linux and macOS")


def write_deep_array(folder: Path) -> None:
    source = edited(BACKWARD, "return np.zeros((1,) * 40), x.T @ dz, dz.sum(axis=0)")
    (folder / "odd.py").write_text(source)


def write_unreadable(folder: Path) -> None:
    (folder / "odd" / "main.py").mkdir(parents=True)
    (folder / "odd" / "circle").symlink_to(folder / "odd")


def write_many_files(folder: Path) -> None:
    (folder / "odd").mkdir()
    for i in range(10_000):
        (folder / "odd" / f"{i}.txt").touch()


ODD: dict[str, Callable[[Path], object]] = {
    "40 dimensions": write_deep_array,
    "40 dimensions, other shape": lambda folder: (folder / "odd.py").write_text(
        edited(BACKWARD, "return np.zeros((1,) * 30 + (2,) * 10), x.T @ dz, dz.sum(axis=0)")
    ),
    "10,000 files": write_many_files,
    "FIFO": lambda folder: os.mkfifo(folder / "odd.py"),
    "FIFO in a folder": lambda folder: ((folder / "odd").mkdir(), os.mkfifo(folder / "odd" / "main.py")),
    "no file": write_unreadable,
    "no notebook": lambda folder: (folder / "odd.ipynb").write_text("[3]"),
    "null bytes": lambda folder: (folder / "odd.py").write_bytes(b"\0\xff"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_submission_does_not_stop_the_class(tmp_path: Path, name: str) -> None:
    submissions = tmp_path / "submissions"
    submissions.mkdir()
    for student in ("anna", "zoe"):
        (submissions / f"{student}.py").write_text(NEEDED)
    ODD[name](submissions)
    record = grade(linear_assignment(tmp_path / "assignment"), find_submissions(submissions))
    write_results(tmp_path / "out", record)
    assert [(one.student, one.points) for one in record.submissions if one.student != "odd"] == [
        ("anna", 7),
        ("zoe", 7),
    ]
    odd = record.submissions[1]
    assert odd.points < 7 and (odd.message or odd.checks[2].message)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no such file names")
@pytest.mark.parametrize("name", [b"M\xfcller.py", b"M" * 252 + b".py", "ü".encode() * 126 + b".py", b"a\nb\x01.py"])
def test_odd_file_names(tmp_path: Path, name: bytes) -> None:
    submissions = tmp_path / "submissions"
    submissions.mkdir()
    Path(os.fsdecode(os.fsencode(submissions) + b"/" + name)).write_text(NEEDED)
    assignment = linear_assignment(tmp_path / "assignment")
    record = grade(assignment, find_submissions(submissions))
    [result] = record.submissions
    assert result.points == 7
    write_results(tmp_path / "out", record)
    assert result.student in (tmp_path / "out" / "class.html").read_text(encoding="utf-8")
