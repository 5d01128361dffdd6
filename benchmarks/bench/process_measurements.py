"""Measure first calls, whole commands and the memory of populations, each in a fresh process."""

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

from bench.timing import Spread
from deltarule.errors import RunFailed

BENCHMARKS = Path(__file__).parents[1]
CACHES = ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME")
"""Environment variables for the cache folders of Linux, Windows and macOS."""
# Freed arrays return their memory at once, so that the next one is counted again.
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


def processes(quick: bool, report: Callable[[str], None]) -> list[Process]:
    """Time commands, and first calls without caches; `report` is called with the description of each measurement."""
    few, many = (1, 1) if quick else (3, 7)
    command = [sys.executable, "-m", "deltarule"]
    timed = []

    def add(name: str, about: str, times: int, measure_seconds: Callable[[], float]) -> None:
        """Call `measure_seconds` some `times`, and add the result to `timed`."""
        report(about)
        timed.append(Process(name, about, Spread.of([measure_seconds() for _ in range(times)])))

    add("help", "deltarule --help, the whole process", many, lambda: _time_command([*command, "--help"]))
    if not quick:
        for row in ("encoders", "784-100-10"):
            about = f"the first update of {row}, nothing cached"
            add(f"first call, {row}", about, few, lambda row=row: _time_first_call(row))  # type: ignore[misc]
    run = [*command, "run", "encoder"]
    compiled = [*run, "--engine", "compiled"]
    command_words = "deltarule run encoder, the whole process"
    with tempfile.TemporaryDirectory() as folder:
        cached = _environment_with_cache(folder)
        add(
            "run encoder, first",
            f"{command_words}, --engine compiled, nothing cached",
            1,
            lambda: _time_command(compiled, cached),
        )
        add(
            "run encoder, compiled",
            f"{command_words}, --engine compiled, cached",
            many,
            lambda: _time_command(compiled, cached),
        )
        add("run encoder", f"{command_words}, cached", many, lambda: _time_command(run, cached))
    return timed


def memory(quick: bool, report: Callable[[str], None]) -> list[Memory]:
    """Measure the memory of two populations; empty if the system does not report it."""
    measured = []
    for row, members, few in (("encoders", 16_384, 512), ("784-100-10-many", 96, 16)):
        members = few if quick else members
        report(f"memory of {members:,} members of {row}")
        bytes_of = json.loads(_run_command([*_measuring_command("memory", row), str(members)], os.environ | EXACT))
        if bytes_of is not None:
            ratios = {f"{name}_ratio": bytes_of[name] / bytes_of["needed"] for name in ("advance", "train")}
            measured.append(Memory(row, members, **bytes_of, **ratios))
    return measured


def _measuring_command(task: str, row: str) -> list[str]:
    """The command that measures a task, "first-call" or "memory", for a row in a fresh process."""
    return [sys.executable, "-m", "bench.fresh_process", task, row]


def _time_first_call(row: str) -> float:
    """The seconds of the first update of a row in a fresh process with empty caches."""
    with tempfile.TemporaryDirectory() as folder:
        output = _run_command(_measuring_command("first-call", row), _environment_with_cache(folder))
        return float(json.loads(output)["seconds"])


def _time_command(command: list[str], environment: Mapping[str, str] | None = None) -> float:
    """The seconds that a command takes, from its process's start to its end; `environment` None: this process's."""
    started = time.perf_counter()
    _run_command(command, environment)
    return time.perf_counter() - started


def _run_command(command: list[str], environment: Mapping[str, str] | None = None) -> str:
    """Run a command, and return its standard output; raise `RunFailed` if its status is not 0."""
    options: dict[str, Any] = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    done = subprocess.run(command, **options, cwd=BENCHMARKS, encoding="utf-8", errors="replace", check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise RunFailed(f"{' '.join(command[1:])} ended with status {done.returncode}: {last}")
    return str(done.stdout)


def _environment_with_cache(folder: str) -> dict[str, str]:
    """The environment variables of this process, with another cache folder."""
    return {**os.environ, **{name: str(Path(folder)) for name in CACHES}}
