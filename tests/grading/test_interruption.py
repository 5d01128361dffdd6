"""Ctrl-C, two gradings at once, and files that cannot be written: what is graded is kept."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from grading_examples import ASSIGNMENT, FORWARD, NEEDED, edited, wait_for_end, write_assignment, write_files

SLOW = edited(FORWARD, "import time; time.sleep(600)")


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    """The words of a grading of a class in which two are graded at once, and the others take ten minutes each."""
    path = write_assignment(tmp_path, ASSIGNMENT.replace("time_limit_seconds = 5", "time_limit_seconds = 600"))
    write_files(tmp_path / "subs", {"ada.py": NEEDED, "bob.py": edited("+ b", "- b"), "cem.py": SLOW, "dee.py": SLOW})
    return [str(tmp_path / "subs"), "--with", str(path), "--out", str(tmp_path / "out")]


def start(folder: Path, words: list[str]) -> "subprocess.Popen[str]":
    """Start a grading in a process of its own, whose temporary files lie in the folder."""
    command = [sys.executable, "-m", "deltarule", "grade", *words]
    pipes: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE)
    environment = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.Popen(command, env=environment, text=True, start_new_session=True, **pipes)


def wait_until_graded(folder: Path, names: tuple[str, ...]) -> None:
    """Wait until the copies of submissions that are graded are gone, and those of the others are there."""
    limit = time.monotonic() + 60
    while sorted(path.name for path in folder.glob("deltarule-grade-*/*")) != sorted(names):
        assert time.monotonic() < limit
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_graded_before_ctrl_c_is_kept_and_the_next_grading_goes_on(
    tmp_path: Path, words: list[str], number: signal.Signals
) -> None:
    grading = start(tmp_path, words)
    wait_until_graded(tmp_path, ("2", "3"))
    if number == signal.SIGINT:  # a terminal sends it to all processes
        os.killpg(grading.pid, number)
    else:
        grading.send_signal(number)
    interrupted = time.monotonic()
    _, errors = grading.communicate(timeout=60)
    assert time.monotonic() - interrupted < 10 and grading.returncode == 1  # two seconds, where nothing else runs
    assert "interrupted: 2 of 4 submissions are graded and kept in" in errors
    table = (tmp_path / "out" / "grades.csv").read_text().splitlines()
    assert [row.split(",")[0::4][:2] for row in table[1:]] == [["ada", "7"], ["bob", "6"]]
    wait_for_end("worker.py")
    for name in ("cem", "dee"):
        (tmp_path / "subs" / f"{name}.py").write_text(NEEDED)
    first = json.loads((tmp_path / "out" / "record.json").read_text())["submissions"]
    grading = start(tmp_path, words)
    _, errors = grading.communicate(timeout=60)
    assert grading.returncode == 0 and "2 submissions of the interrupted grading need not be graded again" in errors
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["submissions"][:2] == first and record["unfinished"] is None
    assert [one["points"] for one in record["submissions"]] == [7, 6, 7, 7]
    assert (tmp_path / "out" / "students" / "cem.html").is_file()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no signals")
def test_what_is_graded_when_the_grader_is_killed_is_kept(tmp_path: Path, words: list[str]) -> None:
    """Nothing can be done at the end of a process that is killed: the first result is saved at once."""
    grading = start(tmp_path, words)
    wait_until_graded(tmp_path, ("2", "3"))
    limit = time.monotonic() + 60
    while not (tmp_path / "out" / "record.json").exists():
        assert time.monotonic() < limit
        time.sleep(0.05)
    grading.kill()
    grading.communicate(timeout=60)
    wait_for_end("worker.py")
    saved = json.loads((tmp_path / "out" / "record.json").read_text())
    assert len(saved["submissions"]) in (1, 2) and len(saved["unfinished"]) == 4 - len(saved["submissions"])
    for name in ("cem", "dee"):
        (tmp_path / "subs" / f"{name}.py").write_text(NEEDED)
    grading = start(tmp_path, words)
    _, errors = grading.communicate(timeout=60)
    assert grading.returncode == 0 and "of the interrupted grading need not be graded again" in errors
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert record["unfinished"] is None and [one["points"] for one in record["submissions"]] == [7, 6, 7, 7]


@pytest.mark.slow
def test_a_changed_solution_or_submission_is_graded_again_after_an_interruption(deltarule, tmp_path: Path) -> None:
    words = (tmp_path / "subs", "--with", write_assignment(tmp_path), "--out", tmp_path / "out")
    write_files(tmp_path / "subs", {"ada.py": NEEDED, "bob.py": NEEDED})
    deltarule("grade", *words)
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    solution = tmp_path / "solution.py"
    other = solution.read_text().replace("W -= rate", "W -= 2 * rate")
    for file, text, points in ((tmp_path / "subs" / "bob.py", "x = 1", [7, 0]), (solution, other, [6, 0])):
        (tmp_path / "out" / "record.json").write_text(json.dumps({**record, "unfinished": []}))
        file.write_text(text)
        deltarule("grade", *words)
        new = json.loads((tmp_path / "out" / "record.json").read_text())["submissions"]
        assert [one["points"] for one in new] == points


def test_a_table_that_cannot_be_written_leaves_all_else(deltarule, tmp_path: Path) -> None:
    words = (tmp_path / "subs", "--with", write_assignment(tmp_path), "--out", tmp_path / "out")
    write_files(tmp_path / "subs", {"ada.py": NEEDED})
    (tmp_path / "out" / "grades.csv").mkdir(parents=True)
    status, _, errors = deltarule("grade", *words)
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert status == 1 and "grades.csv is not a file" in errors
    assert [one["points"] for one in record["submissions"]] == [7] and (tmp_path / "out" / "class.html").is_file()
    (tmp_path / "out" / "grades.csv").rmdir()
    status, _, errors = deltarule("grade", *words)
    assert status == 0 and "1 submission of the interrupted grading need not be graded again" in errors
    assert (tmp_path / "out" / "grades.csv").is_file()


@pytest.mark.slow
def test_two_gradings_into_one_folder_follow_one_another(tmp_path: Path, words: list[str]) -> None:
    write_files(tmp_path / "subs", {"cem.py": NEEDED, "dee.py": NEEDED})
    start(tmp_path, words).communicate(timeout=60)
    write_files(tmp_path / "subs", {"ada.py": edited("+ b", "- b"), "bob.py": NEEDED})
    both = [start(tmp_path, [*words, "--only", name]) for name in ("ada", "bob")]
    outputs = [one.communicate(timeout=60) for one in both]
    assert sum("is being written by another grading" in errors for _, errors in outputs) <= 1
    record = json.loads((tmp_path / "out" / "record.json").read_text())
    assert [one["points"] for one in record["submissions"]] == [6, 7, 7, 7]


@pytest.mark.slow
def test_points_by_an_earlier_solution_are_said(deltarule, tmp_path: Path) -> None:
    words = (tmp_path / "subs", "--with", write_assignment(tmp_path), "--out", tmp_path / "out")
    write_files(tmp_path / "subs", {"ada.py": NEEDED, "bob.py": NEEDED})
    deltarule("grade", *words)
    solution = tmp_path / "solution.py"
    solution.write_text(f"# A comment.\n{solution.read_text()}")
    assert "earlier solution" not in deltarule("grade", *words, "--only", "ada")[1]
    solution.write_text(solution.read_text().replace("W -= rate", "W -= 2 * rate"))
    _, printed, _ = deltarule("grade", *words, "--only", "ada")
    assert "For you to decide: 1 result by an earlier solution or assignment: bob" in printed
    rows = (tmp_path / "out" / "grades.csv").read_text().splitlines()[1:]
    assert ["earlier solution" in row for row in rows] == [False, True]
    assert "earlier solution" not in deltarule("grade", *words)[1]
