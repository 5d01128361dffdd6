"""Whatever one submission is: its result says so, and all others are graded."""

import os
import sys
from pathlib import Path

import pytest
from grading_examples import BACKWARD, NEEDED, Content, by_student, edited, grade_files, write_files

from deltarule.grading.results import write_results

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these file names and FIFOs are of Linux and macOS")


DEEP = "return np.zeros(SHAPE), x.T @ dz, dz.sum(axis=0)"
ODD: dict[str, Content] = {
    "40 dimensions.py": edited(BACKWARD, DEEP.replace("SHAPE", "(1,) * 40")),
    "other shape.py": edited(BACKWARD, DEEP.replace("SHAPE", "(1,) * 30 + (2,) * 10")),
    "many files": {f"{i}.txt": "" for i in range(10_000)},
    "no notebook.ipynb": "[3]",
    "null bytes.py": b"\0\xff",
}


def test_odd_submissions_do_not_stop_the_class(tmp_path: Path) -> None:
    submissions = tmp_path / "submissions"
    write_files(submissions, ODD)
    (submissions / "no file" / "main.py").mkdir(parents=True)
    (submissions / "no file" / "circle").symlink_to(submissions / "no file")
    (submissions / "FIFO inside").mkdir()
    os.mkfifo(submissions / "FIFO inside" / "main.py")
    os.mkfifo(submissions / "FIFO.py")
    record = grade_files(tmp_path, {"anna.py": NEEDED, "zoe.py": NEEDED})
    write_results(tmp_path / "out", record)
    results = by_student(record)
    assert (results.pop("anna").points, results.pop("zoe").points) == (7, 7)
    assert len(results) == len(ODD) + 3
    for odd in results.values():
        assert odd.points < 7 and (odd.message or odd.checks[2].message)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no such file names")
def test_odd_file_names(tmp_path: Path) -> None:
    submissions = tmp_path / "submissions"
    submissions.mkdir()
    for name in [b"M\xfcller.py", b"M" * 252 + b".py", "ü".encode() * 126 + b".py", b"a\nb\x01.py"]:
        Path(os.fsdecode(os.fsencode(submissions) + b"/" + name)).write_text(NEEDED)
    record = grade_files(tmp_path, {})
    write_results(tmp_path / "out", record)
    page = (tmp_path / "out" / "class.html").read_text(encoding="utf-8")
    assert [result.points for result in record.submissions] == [7] * 4
    assert all(result.student in page for result in record.submissions)
