"""When something was handed in: by the system, from files where a teacher says so, or unknown."""

import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from grading_examples import NEEDED, graded, record_of, roster, write_assignment, write_files

from deltarule.grading.entries import opened_class
from deltarule.grading.roster import apply_roster
from deltarule.grading.submissions import find_submissions
from deltarule.grading.times import read_time

DUE = datetime(2026, 11, 27, 12, tzinfo=UTC).timestamp()
DAY = 86400.0


def set_times(folder: Path, time: float) -> None:
    for path in folder.rglob("*"):
        os.utime(path, (time, time))


TEXTS = {
    "2026-11-27 12:00:00.123456 UTC": DUE,
    "2026-11-27 12:00:00 Z\n": DUE,
    "2026-11-27T12:00": DUE,
    "2026-11-27 13:00:00 +01:00": DUE,
    "2026-11-27 04:00:00 -0800": DUE,
    "2026-11-27 13:00:00 Europe/Berlin": DUE,
    "2026-11-27 13:00:00 CET": DUE,
    "2026-11-27 13:00:00 XYZ": 0.0,
    "2026-13-27 13:00:00": 0.0,
    "yesterday": 0.0,
    "": 0.0,
}


@pytest.mark.parametrize("text", TEXTS)
def test_times_of_systems(text: str) -> None:
    assert read_time(text) == TEXTS[text]


def test_nbgrader_notes_when_each_assignment_came(tmp_path: Path) -> None:
    files = {
        "ps1/ps1.py": NEEDED,
        "ps1/timestamp.txt": "2026-11-27 12:00:00 UTC",
        "ps1/data/timestamp.txt": "2020-01-01 00:00:00 UTC",
        "ps2/ps2.py": "x = 1",
        "ps2/timestamp.txt": "2026-12-24 12:00:00 UTC",
    }
    write_files(tmp_path / "submitted", {"ada": files, "bob": {"ps1/ps1.py": NEEDED, "ps2/ps2.py": "x = 1"}})
    set_times(tmp_path, DUE + 30 * DAY)
    assert [one.time for one in find_submissions(tmp_path / "submitted", "ps1.py")] == [DUE, 0.0]
    assert [one.time for one in find_submissions(tmp_path / "submitted", "ps2.py")] == [DUE + 27 * DAY, 0.0]
    [single] = find_submissions(tmp_path / "submitted" / "ada" / "ps1", is_single=True)
    assert single.time == DUE
    for path in (tmp_path / "submitted").rglob("ps1.py"):
        os.utime(path, (DUE - 5, DUE - 5))
    assert [one.time for one in find_submissions(tmp_path / "submitted", "ps1.py", times="files")] == [DUE, DUE - 5]


def git(folder: Path, *words: str, time: float = DUE) -> None:
    environment = {**os.environ, "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    environment |= {f"GIT_{kind}_DATE": f"{int(time)} +0000" for kind in ("AUTHOR", "COMMITTER")}
    settings = ["-c", "user.name=Ada", "-c", "user.email=ada@x.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *settings, *words], cwd=folder, env=environment, check=True, capture_output=True)


@pytest.mark.parametrize("form", ["loose", "packed", "shallow", "detached"])
def test_a_clone_has_the_time_of_the_commit_that_changed_its_code(tmp_path: Path, form: str) -> None:
    origin = tmp_path / "origin"
    write_files(origin, {"hw.py": "x = 1", "README.md": "Task"})
    git(origin, "init")
    for time, name, text in (
        (DUE - 9 * DAY, "README.md", "The task"),
        (DUE, "hw.py", NEEDED),
        (DUE + 3 * DAY, "README.md", "Graded"),
    ):
        (origin / name).write_text(text)
        git(origin, "add", "-A", time=time)
        git(origin, "commit", "-m", name, time=time)
    depth = ["--depth=2"] if form == "shallow" else []
    (tmp_path / "class").mkdir()
    git(tmp_path / "class", "clone", *depth, origin.as_uri(), "hw-3-ada")
    clone = tmp_path / "class" / "hw-3-ada"
    if form == "packed":
        git(clone, "gc")
        git(clone, "pack-refs", "--all")
    if form == "detached":
        git(clone, "checkout", "--detach")
    set_times(tmp_path / "class", DUE + 30 * DAY)
    assert [one.time for one in find_submissions(tmp_path / "class")] == [DUE]


@pytest.mark.skipif(sys.platform == "win32", reason="the program is a shell script")
def test_a_clones_settings_start_no_program(tmp_path: Path) -> None:
    clone = tmp_path / "class" / "ada"
    write_files(clone, {"hw.py": NEEDED})
    git(clone, "init")
    git(clone, "add", "-A")
    git(clone, "commit", "-m", "first", time=DUE)
    script = tmp_path / "program.sh"
    script.write_text(f"#!/bin/sh\ntouch '{tmp_path / 'started'}'\n")
    script.chmod(0o755)
    with (clone / ".git" / "config").open("a") as config:
        config.write(f"[core]\n\tfsmonitor = {script}\n\tpager = {script}\n[log]\n\tshowSignature = true\n")
        config.write(f"[gpg]\n\tprogram = {script}\n[diff]\n\texternal = {script}\n")
    assert [one.time for one in find_submissions(tmp_path / "class")] == [DUE]
    assert not (tmp_path / "started").exists()


def test_a_system_s_zip_lists_when_each_file_came(tmp_path: Path) -> None:
    stamps = {"linada_7_1_hw.py": (2026, 11, 27, 12, 0, 0), "mayboblate_8_2_hw.py": (1980, 1, 1, 0, 0, 0)}
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        for name, stamp in stamps.items():
            archive.writestr(zipfile.ZipInfo(name, stamp), NEEDED)
    with opened_class(tmp_path / "class.zip") as folder:
        times = [one.time for one in find_submissions(folder, times="zip")]
    assert times == [datetime(2026, 11, 27, 12).timestamp(), 0.0]


def test_files_alone_say_nothing(tmp_path: Path) -> None:
    write_files(tmp_path / "subs", {"ada.py": NEEDED, "bob": {"hw.py": NEEDED, "old/report.txt": "late"}})
    set_times(tmp_path, DUE)
    os.utime(tmp_path / "subs" / "bob" / "old" / "report.txt", (DUE + DAY, DUE + DAY))
    assert [one.time for one in find_submissions(tmp_path / "subs")] == [0.0, 0.0]
    assert [one.time for one in find_submissions(tmp_path / "subs", times="files")] == [DUE, DUE]


def test_an_unknown_time_is_listed_and_costs_nothing(tmp_path: Path) -> None:
    people = roster(tmp_path, "name,due\nada,2026-11-20\nbob,2026-11-20\ncem,2026-11-20\ndee,\n")
    results = [graded("ada"), graded("bob", is_late=False), graded("cem", is_late=True), graded("dee")]
    record = apply_roster(record_of(*results), people, 50)
    assert [one.points for one in record.submissions] == [10] * 4
    assert record.uncertain == (
        "when 2 submissions came is unknown and costs nothing; --times files takes the times of files: ada, cem",
    )
    unknown = "when it was handed in is unknown"
    assert [one.class_notes for one in record.submissions] == [(unknown,), (), ("late, by its name", unknown), ()]


@pytest.mark.slow
def test_times_at_the_shell(deltarule, tmp_path: Path) -> None:
    write_files(tmp_path / "subs", {"ada.py": NEEDED})
    set_times(tmp_path / "subs", DUE + 1.5 * DAY)
    path = write_assignment(tmp_path)
    path.write_text(f"late_percent = 10\n{path.read_text()}")
    due = datetime.fromtimestamp(DUE).strftime("%Y-%m-%d %H:%M")
    roster(tmp_path, f"name,due\nada,{due}\n")
    words = (tmp_path / "subs", "--with", path, "--roster", tmp_path / "roster.csv", "--out", tmp_path / "out")
    _, out, _ = deltarule("grade", *words)
    assert "For you to decide: when 1 submission came is unknown" in out and "ada           7" in out
    _, out, _ = deltarule("grade", *words, "--times", "files")
    assert "2 days late" in out and "5.6" in out
    _, out, _ = deltarule("grade", tmp_path / "subs" / "ada.py", *words[1:])
    assert "2 days late" in out  # the same file: its time is known
