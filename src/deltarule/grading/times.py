"""When something was handed in, by the system that took it; a student's or a teacher's computer says nothing of it."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path, PurePosixPath
from zoneinfo import ZoneInfo

from deltarule.grading.submitted_files import CODE, ArchiveFile, Content

UNKNOWN = 0.0
TIMESTAMP = "timestamp.txt"
"""The file in which nbgrader writes when the folder of an assignment was handed in."""
_TIME = re.compile(r"\s*(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d+)?[ \t]*([+-]\d\d:?\d\d|[\w/+-]+)?\s*")
MAX_GIT_SECONDS = 20


def read_time(text: str) -> float:
    """The seconds since 1970 of a system's time, which is in UTC unless it names a zone; `UNKNOWN` for other texts."""
    match = _TIME.fullmatch(text)
    if match is None:
        return UNKNOWN
    try:
        return datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=_zone(match[3])).timestamp()
    except (ValueError, KeyError, OSError, OverflowError):  # no such date or zone
        return UNKNOWN


def _zone(text: str | None) -> tzinfo:
    if text in (None, "Z", "UTC", "GMT"):
        return UTC
    if match := re.fullmatch(r"([+-])(\d\d):?(\d\d)", text or ""):
        shift = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-shift if match[1] == "-" else shift)
    return ZoneInfo(text or "UTC")


def time_of_nbgrader(file: str, files: Mapping[str, Content]) -> float:
    """When the folder with a file was handed in, by nbgrader's note in it; `UNKNOWN` where there is none.

    A note in a folder of that folder is the student's. Without a file to grade, there must be a single note.
    """
    names = [str(parent / TIMESTAMP) for parent in reversed(PurePosixPath(file).parents)] if file else []
    names = names or [name for name in files if PurePosixPath(name).name == TIMESTAMP]
    notes = [path for name in names if isinstance(path := files.get(name), Path)]
    if not notes or (len(notes) > 1 and not file):
        return UNKNOWN
    return read_time(notes[0].read_text(encoding="utf-8", errors="replace"))


def time_of_commit(clone: Path, names: Sequence[str]) -> float:
    """When the last commit changed some of these files of a clone; `UNKNOWN` where there is none, or no Git.

    Git reads the clone's objects from an empty repository of ours: the settings of a stranger's can run programs.
    """
    git = shutil.which("git")
    commit = _head(clone / ".git")
    if not (git and commit):
        return UNKNOWN
    with tempfile.TemporaryDirectory(prefix="deltarule-git-") as own:
        _write_repository(Path(own), clone / ".git")
        environment = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
        environment |= {"GIT_DIR": own, "HOME": own, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        for paths in (names, []):
            words = [git, "--literal-pathspecs", "log", "-1", "--format=%ct", commit, "--", *paths]
            try:
                done = subprocess.run(
                    words, env=environment, cwd=own, capture_output=True, timeout=MAX_GIT_SECONDS, check=False
                )
            except (OSError, subprocess.TimeoutExpired):
                return UNKNOWN
            if done.stdout.strip().isdigit():
                return float(done.stdout)
    return UNKNOWN


def _write_repository(own: Path, other: Path) -> None:
    """Make an empty repository that reads the objects of another."""
    (own / "objects" / "info").mkdir(parents=True)
    (own / "refs").mkdir()
    (own / "HEAD").write_text("ref: refs/heads/none\n", encoding="ascii")
    (own / "objects" / "info" / "alternates").write_bytes(os.fsencode((other / "objects").resolve()) + b"\n")
    if shallow := re.findall(r"^[0-9a-f]{40,64}$", _small_text(other / "shallow"), re.MULTILINE):
        (own / "shallow").write_text("\n".join([*shallow, ""]), encoding="ascii")


def _head(folder: Path) -> str:
    """The commit that is checked out in a clone; "" where its folder of Git does not say."""
    if folder.is_symlink() or not folder.is_dir():
        return ""
    head = _small_text(folder / "HEAD")
    if reference := re.fullmatch(r"ref: (refs/[\w./-]+)", head):
        packed = re.findall(
            rf"^([0-9a-f]+) {re.escape(reference[1])}$", _small_text(folder / "packed-refs"), re.MULTILINE
        )
        head = _small_text(folder / reference[1]) if ".." not in reference[1] else ""
        head = head or (packed or [""])[0]
    return head if re.fullmatch(r"[0-9a-f]{40,64}", head) else ""


def _small_text(path: Path) -> str:
    return (
        path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() and not path.is_symlink() else ""
    )


def time_of_files(file: str, files: Mapping[str, Content], modified: Mapping[str, float]) -> float:
    """The latest time of the code in the folder of a file and below: other assignments' files say nothing of it.

    What lies in an archive has the archive's time. Where there is no file to grade, all files count.
    """
    folder = PurePosixPath(file).parent if file else PurePosixPath()
    latest = UNKNOWN
    for name, content in files.items():
        if not file or (name.endswith(CODE) and PurePosixPath(name).is_relative_to(folder)):
            time = content.archive.stat().st_mtime if isinstance(content, ArchiveFile) else modified[name]
            latest = max(latest, time)
    return latest
