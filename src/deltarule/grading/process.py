"""Start, ask and end the worker process of a submission."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltarule.checking.catalog import join_names
from deltarule.grading import worker
from deltarule.grading.assignment import Assignment
from deltarule.grading.messages import describe_error
from deltarule.grading.sandbox import Road, module_paths
from deltarule.grading.source import Cell, to_python
from deltarule.grading.submissions import Submission

LOAD_LIMIT_SECONDS = 10.0
"""Time for a submission's own imports and statements; what comes after is left out, but for definitions."""
START_LIMIT_SECONDS = 20.0
"""Time for Python, NumPy and all that a submission defines, after which its process is ended."""
MAX_FILE_BYTES = 2**24
MAX_PROCESSES = 64
CPU_LIMIT_SECONDS = 120
FORGED = "it wrote into the grader's pipe"


class Failed(Exception):
    """A call has no result; the message says why."""


class Ended(Failed):
    """The process of a submission has ended or was ended."""


@dataclass
class Worker:
    """The process of a submission.

    `process` has a return code once it was ended. `problem` says what failed while the submission was loaded, or "".
    `names` are those of what the last call returned, by its return statement.
    """

    process: Any
    road: Road
    cells: Sequence[Cell] = ()
    problem: str = ""
    names: tuple[str, ...] = ()

    def ask(self, request: Mapping[str, Any], timeout_seconds: float) -> Any:
        """Send a request to load or call, and return what `worker.to_arrays` gives."""
        call = request.get("call", "the submission cannot be loaded")
        line = worker.pack(request)
        with contextlib.suppress(OSError):  # a process that has ended is noticed when its answer is read
            self.process.stdin.write(line)
            self.process.stdin.flush()
        try:
            match self._receive(timeout_seconds, worker.max_line_bytes(request)):
                case {"missing": [*names]} if "call" in request and all(
                    isinstance(name, str) and name in request["functions"] for name in names
                ):
                    raise Failed(f"the submission does not define {join_names(names)}")
                case {"error": error} if "call" in request and _is_error(error):
                    raise Failed(f"{call} fails: {describe_error(error, self.cells, request)}")
                case {"result": result, "names": [*names]} if all(isinstance(name, str) for name in names):
                    self.names = tuple(names)
                    return result
            raise Ended(FORGED)
        except Ended as error:
            self.end()
            raise Ended(f"{call}: {error}") from None

    def _receive(self, timeout_seconds: float, max_bytes: int) -> Any:
        lines = []

        def read_line() -> None:
            with contextlib.suppress(OSError, ValueError):  # the process was ended meanwhile
                lines.append(self.process.stdout.readline(max_bytes))

        reader = threading.Thread(target=read_line, daemon=True)
        reader.start()
        reader.join(timeout_seconds)
        if not lines:
            raise Ended(f"it did not end within {timeout_seconds:g} seconds")
        if not lines[0]:
            raise Ended(_describe_end(self.process))
        try:
            return worker.unpack(lines[0])
        except Exception:  # whatever a stranger's bytes raise
            raise Ended(FORGED) from None

    def end(self) -> None:
        """Kill the process and everything that it started."""
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                self.process.kill()
            elif self.road.name != "limits":
                self.process.terminate()  # its first process is ours, and ends all others
                self.process.wait()
            if sys.platform != "win32":
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        # Without a sandbox a process in its own session may hold the pipe, and closing waits for the reader.
        threading.Thread(target=self.process.stdout.close, daemon=True).start()


def _describe_end(process: "subprocess.Popen[bytes]") -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):
        status = process.wait(timeout=2)
        for number in (-status, 256 - status, status - 128):  # as the roads report signals
            if number in set(signal.Signals):
                return f"it was ended: {signal.strsignal(number)}"
        return f"it ended its process with status {status}"
    return "it closed the grader's pipe"


def start_worker(submission: Submission, folder: Path, road: Road, assignment: Assignment, seconds: float) -> Worker:
    """Start a worker in a sandbox, and load a submission from its copy in `folder`.

    Statements run for so many seconds; after that, or with 0, definitions alone.
    """
    copy = folder / "submission"
    environment = {name: os.environ[name] for name in ("SYSTEMROOT", "PATH") if name in os.environ}
    environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    private = str(folder / "root")
    environment |= {"HOME": private, "TMPDIR": private, "MPLBACKEND": "agg", "USER": "nobody"}
    process = subprocess.Popen(
        road.command(Path(worker.__file__).read_text(encoding="utf-8"), copy, folder / "root", assignment.forbid),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    running = Worker(process, road, submission.cells)
    begin = {
        "folder": str(copy),
        "file": submission.file,
        "cells": to_python(submission.cells),
        "seconds": seconds,
        "limits": [int(assignment.memory_limit_mb * 2**20), CPU_LIMIT_SECONDS, MAX_FILE_BYTES, _max_processes(road)],
        "forbidden": list(assignment.forbid),
        "hidden": [] if road.is_closed else list(map(str, module_paths(tuple(assignment.forbid)))),
        "max_bytes": 0,
    }
    errors = running.ask(begin, seconds + START_LIMIT_SECONDS)
    if not (isinstance(errors, list) and all(map(_is_error, errors))):
        running.end()
        raise Ended(f"the submission cannot be loaded: {FORGED}")
    running.problem = "; ".join(describe_error(error, submission.cells, {}) for error in errors)
    return running


def _is_error(error: Any) -> bool:
    """Whether something is what `worker.describe` makes of an exception."""
    return isinstance(error, list) and [*map(type, error)] == [str, int, str, str]


def _max_processes(road: Road) -> int:
    """The limit of processes of a submission's user, with those already there."""
    others = 0
    if sys.platform == "linux" and (road.name == "limits" or os.getuid() != 0):
        for entry in os.scandir("/proc"):
            with contextlib.suppress(OSError):  # it has just ended
                others += entry.name.isdigit() and entry.stat().st_uid == os.getuid()
    return others + MAX_PROCESSES
