"""A disturbed command, and the checks afterwards: files are whole, nothing is lost, the message says how to resume."""

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltarule.array_files import load_arrays
from deltarule.errors import BadInput
from deltarule.json_files import read_json
from deltarule.sweeps.store_connection import FILE, LOCK
from disturbed.processes import start
from disturbed.subjects import Subject


def damaged_files(out: Path) -> list[str]:
    """The names of the files that are not whole; temporary files of a killed process do not count."""
    damaged = []
    for path in sorted(out.rglob("*")) if out.exists() else []:
        if path.is_dir() or path.match(".deltarule-*.part") or path.name == LOCK or path.name.startswith(f"{FILE}-"):
            continue
        try:
            assert is_whole(path)
        except (AssertionError, BadInput, sqlite3.Error):
            damaged.append(path.name)
    return damaged


def is_whole(path: Path) -> bool:
    """Whether a file is complete and valid."""
    if path.suffix == ".json":
        return isinstance(read_json(path), dict)
    if path.suffix == ".safetensors":
        return bool(load_arrays(path))
    if path.suffix == ".sqlite":
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    endings = {".html": b"</html>", ".svg": b"</svg>", ".png": b"IEND\xaeB`\x82"}
    return path.read_bytes().rstrip().endswith(endings[path.suffix])


@dataclass
class Trial:
    """A command in its own folder, with the seconds, the result and the largest file of an undisturbed one."""

    name: str
    subject: Subject
    folder: Path
    is_mounted: bool
    seconds: float
    expected: dict[str, Any]
    largest: int

    @property
    def out(self) -> Path:
        """The output folder."""
        return self.folder / "out"

    def start(self, **limits: Any) -> int:
        """Start or resume the command, and return its process id."""
        return start(self.folder, self.subject.words, **limits)


class Watch:
    """Collects the disturbances of each kind, and everything that went wrong."""

    def __init__(self) -> None:
        self.moments: Counter[str] = Counter()
        self.wrong: list[str] = []

    def check(self, title: str, trial: Trial, before: dict[str, Any]) -> dict[str, Any]:
        """Check the files after a disturbance, and return the completed parts; `before`, those of the last check."""
        done = trial.subject.done(trial.out)
        self.wrong += [f"{title}: {name} is damaged" for name in damaged_files(trial.out)]
        self.wrong += [f"{title}: {name} was done and is lost" for name in before if name not in done]
        self.wrong += [f"{title}: {name} is another one" for name in done if done[name] != trial.expected.get(name)]
        return done

    def check_exit(self, title: str, folder: Path, status: int, allowed: tuple[int, ...], room: int = -1) -> None:
        """Check the exit status and the last message of a command that was not killed."""
        output = (folder / "said").read_text(encoding="utf-8")
        last = ([line for line in output.splitlines() if line.startswith("deltarule: ")] or [output[-200:]])[-1]
        if status not in allowed:
            self.wrong.append(f"{title}: it ended with status {status}: {last}")
        if "Traceback" in output:
            self.wrong.append(f"{title}: a traceback: {output[output.index('Traceback') :][:2000]}")
        if len(output.encode()) == room:  # the output was cut off by the limit on the size of files
            return
        if status and not (last.startswith("deltarule: ") and ("--resume" in last or "again" in last or status == 2)):
            self.wrong.append(f"{title}: it does not say how to go on: {last!r}")

    def record(self) -> dict[str, Any]:
        """The record as JSON values: how many disturbances of each kind there were, and what went wrong."""
        kills = sum(count for title, count in self.moments.items() if title.endswith("killed"))
        return {
            "kills": kills,
            "other_disturbances": self.moments.total() - kills,
            "by_command": dict(sorted(self.moments.items())),
            "wrong": self.wrong,
        }
