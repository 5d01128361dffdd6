"""A command on trial, and what must hold afterwards: every file whole, nothing lost, a word on how to go on."""

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltarule.array_files import load_arrays
from deltarule.errors import BadInput
from deltarule.files import PART
from deltarule.json_files import read_json
from deltarule.platforms import sqlite_address
from deltarule.sweeps.store_connection import FILE, LOCK
from disturbed.processes import start
from disturbed.subjects import Subject


def damaged(out: Path) -> list[str]:
    """The files that are not whole; what a killed process has left of a file has a name of its own, and is none."""
    found = []
    for path in sorted(out.rglob("*")) if out.exists() else []:
        if path.is_dir() or path.match(PART) or path.name == LOCK or path.name.startswith(f"{FILE}-"):
            continue
        try:
            assert is_whole(path)
        except (AssertionError, BadInput, sqlite3.Error):
            found.append(path.name)
    return found


def is_whole(path: Path) -> bool:
    """Whether a file is as it was meant to be written."""
    if path.suffix == ".json":
        return isinstance(read_json(path), dict)
    if path.suffix in (".safetensors", ".rows"):
        return bool(load_arrays(path))
    if path.suffix == ".sqlite":
        with closing(sqlite3.connect(sqlite_address(path, "ro"), uri=True)) as connection:
            return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    endings = {".html": b"</html>", ".svg": b"</svg>", ".png": b"IEND\xaeB`\x82"}
    return path.read_bytes().rstrip().endswith(endings[path.suffix])


@dataclass
class Trial:
    """A command in a folder of its own; how long it takes undisturbed, what it comes to, and its largest file."""

    name: str
    subject: Subject
    folder: Path
    is_mounted: bool
    seconds: float
    expected: dict[str, Any]
    largest: int

    @property
    def out(self) -> Path:
        """Where it writes to."""
        return self.folder / "out"

    def start(self, **hindered: Any) -> int:
        """Start it, or go on with it."""
        return start(self.folder, self.subject.words, **hindered)


class Watch:
    """What has been seen: how many moments of each kind, and everything that must not be."""

    def __init__(self) -> None:
        self.moments: Counter[str] = Counter()
        self.wrong: list[str] = []

    def check(self, what: str, trial: Trial, before: dict[str, Any]) -> dict[str, Any]:
        """Look at what a disturbance has left; gives what is done."""
        done = trial.subject.done(trial.out)
        self.wrong += [f"{what}: {name} is damaged" for name in damaged(trial.out)]
        self.wrong += [f"{what}: {name} was done and is lost" for name in before if name not in done]
        self.wrong += [f"{what}: {name} is another one" for name in done if done[name] != trial.expected.get(name)]
        return done

    def heard(self, what: str, folder: Path, status: int, allowed: tuple[int, ...], room: int = -1) -> None:
        """Look at how a command ended that was not killed."""
        said = (folder / "said").read_text(encoding="utf-8")
        last = ([line for line in said.splitlines() if line.startswith("deltarule: ")] or [said[-200:]])[-1]
        if status not in allowed:
            self.wrong.append(f"{what}: it ended with status {status}: {last}")
        if "Traceback" in said:
            self.wrong.append(f"{what}: a traceback: {said[said.index('Traceback') :][:2000]}")
        if len(said.encode()) == room:  # what was said found no more room than any other file: its end is missing
            return
        if status and not (last.startswith("deltarule: ") and ("--resume" in last or "again" in last or status == 2)):
            self.wrong.append(f"{what}: it does not say how to go on: {last!r}")

    def record(self) -> dict[str, Any]:
        """How often what was tried, and what was wrong."""
        kills = sum(count for what, count in self.moments.items() if what.endswith("killed"))
        return {
            "kills": kills,
            "other_disturbances": self.moments.total() - kills,
            "by_command": dict(sorted(self.moments.items())),
            "wrong": self.wrong,
        }
