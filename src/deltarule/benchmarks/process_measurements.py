"""Measure in fresh processes: first calls, whole commands, and the memory of populations."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltarule.benchmarks.timing import Spread
from deltarule.errors import RunFailed

CACHES = ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME")
"""Environment variables for the cache folders of Linux, Windows and macOS."""
# A program that frees an array gives its memory back at once, so that the next one is counted again.
EXACT = {"MALLOC_MMAP_THRESHOLD_": "65536"}


@dataclass(frozen=True)
class Process:
    """Seconds of a task in a fresh process, over several processes."""

    name: str
    about: str
    seconds: Spread


@dataclass(frozen=True)
class Memory:
    """The memory of a population in bytes, as in `fresh_process.memory`, and its ratio to the needed bytes."""

    row: str
    members: int
    needed: int
    advance: int
    train: int
    advance_ratio: float
    train_ratio: float


def processes(quick: bool, tell: Callable[[str], None]) -> list[Process]:
    """Time commands, and first calls without caches; `tell` is called with the name of each measurement."""
    few, many = (1, 1) if quick else (3, 7)
    command = [sys.executable, "-m", "deltarule"]
    found = []

    def add(name: str, about: str, times: int, seconds: Callable[[], float]) -> None:
        tell(about)
        found.append(Process(name, about, Spread.of([seconds() for _ in range(times)])))

    add("help", "deltarule --help, the whole process", many, lambda: _whole([*command, "--help"]))
    if not quick:
        for row in ("encoders", "784-100-10"):
            add(f"first call, {row}", f"the first update of {row}, nothing cached", few, lambda row=row: _first(row))  # type: ignore[misc]
    run = [*command, "run", "encoder"]
    compiled = [*run, "--engine", "compiled"]
    command_words = "deltarule run encoder, the whole process"
    with tempfile.TemporaryDirectory() as folder:
        cached = _elsewhere(folder)
        add(
            "run encoder, first",
            f"{command_words}, --engine compiled, nothing cached",
            1,
            lambda: _whole(compiled, cached),
        )
        add(
            "run encoder, compiled",
            f"{command_words}, --engine compiled, cached",
            many,
            lambda: _whole(compiled, cached),
        )
        add("run encoder", f"{command_words}, cached", many, lambda: _whole(run, cached))
    return found


def memory(quick: bool, tell: Callable[[str], None]) -> list[Memory]:
    """Measure the memory of populations; empty if the system does not report it."""
    found = []
    for row, members, few in (("encoders", 16_384, 512), ("784-100-10-many", 96, 16)):
        members = few if quick else members
        tell(f"memory of {members:,} members of {row}")
        bytes_of = json.loads(_run_command([*_fresh("memory", row), str(members)], os.environ | EXACT))
        if bytes_of is not None:
            ratios = {f"{name}_ratio": bytes_of[name] / bytes_of["needed"] for name in ("advance", "train")}
            found.append(Memory(row, members, **bytes_of, **ratios))
    return found


def _fresh(task: str, row: str) -> list[str]:
    return [sys.executable, "-m", "deltarule.benchmarks.fresh_process", task, row]


def _first(row: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        return float(json.loads(_run_command(_fresh("first-call", row), _elsewhere(folder)))["seconds"])


def _whole(command: list[str], environment: Mapping[str, str] | None = None) -> float:
    started = time.perf_counter()
    _run_command(command, environment)
    return time.perf_counter() - started


def _run_command(command: list[str], environment: Mapping[str, str] | None = None) -> str:
    given: dict[str, Any] = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    done = subprocess.run(command, **given, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise RunFailed(f"{' '.join(command[1:])} ended with status {done.returncode}: {last}")
    return str(done.stdout)


def _elsewhere(folder: str) -> dict[str, str]:
    """The environment with another cache folder."""
    return {**os.environ, **{name: str(Path(folder)) for name in CACHES}}
