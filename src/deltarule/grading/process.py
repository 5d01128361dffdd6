"""Start, ask and end the worker process of a submission, and describe its exceptions.

The text of an exception may be a submission's own. It is shown if it is one of Python's, NumPy's or PyTorch's, listed
in `messages.txt`, and not raised by the submission. Of its parts only numbers and names of the student's own line are
shown, and the lengths of the call's own arrays: so no value of a call reaches a page.
"""

import builtins
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from deltarule.errors import one_line
from deltarule.grading import disturbance, launcher, worker
from deltarule.grading.assignment import Assignment
from deltarule.grading.sandbox import own_user, start
from deltarule.grading.source import Cell
from deltarule.grading.submissions import Submission

_SLOTS = {"n": r"(-?\d+)", "shape": r"(\(?\d[\d, ()]*\)?|\(\))", "name": r"([^\W\d][\w.]*)", "any": r"([^()]*)"}
_TYPES = {*vars(builtins), "numpy", "numpy.ndarray", "ndarray", "NoneType", "function", "module", "method"}
_TYPES |= {"LinAlgError", "AxisError", "UFuncTypeError", "TimeLimit", "float64", "numpy.float64"}
_TYPES |= {"Tensor", "torch.Tensor", "double", "Double", "Float", "Half", "Long", "Int", "Byte", "Bool"}


def _line_pattern(line: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", line)
    return re.compile("".join(_SLOTS[part] if i % 2 else re.escape(part) for i, part in enumerate(parts)))


PATTERNS = [*map(_line_pattern, Path(__file__).with_name("messages.txt").read_text(encoding="utf-8").splitlines())]


KINDS = {"complex numbers", "numbers of another type", "operators of its own classes", "fft"}
"""What the worker may say of a disturbed call; it is a stranger's word."""
MAX_WRITTEN_BYTES, MAX_WRITTEN_FILES = 2**27, 20_000
QUOTA_INTERVAL_SECONDS = 0.5
HIDDEN = "…"
"""Stands for what is not shown of an exception's text."""
MAX_STARTS = 4
"""Statements that are skipped because the process ends at them."""
MOST_WAITING = 20
"""How many times as long as its limit a call may take when the processors are busy."""


_RUNNING: list["Worker"] = []
"""The one that was started last; a process grades one submission at a time."""


class Failed(Exception):
    """A call has no result; the message says why, the note what a teacher should look at."""

    def __init__(self, message: str, note: str = "") -> None:
        super().__init__(message)
        self.note = note


class Forged(Failed):
    """A submission wrote what only the worker may write."""


class RunningCode(Protocol):
    """A submission whose functions can be called."""

    submission: Submission
    numeric: set[str]
    """What the last call met, of `KINDS`, if it was disturbed."""
    problem: str
    """What failed while it was loaded, or ""."""

    def call(self, request: Mapping[str, Any]) -> Any: ...


@dataclass
class Worker:
    """The process of a submission, which is started again after its end.

    The submission is loaded from its copy in `folder`; after a restart its definitions alone, as its other statements
    may be what ended the process.
    """

    submission: Submission
    folder: Path
    assignment: Assignment
    isolation: str
    process: Any = None
    skipped: list[int] = field(default_factory=list)
    numeric: set[str] = field(default_factory=set)
    container: str = ""
    problem: str = ""

    def load(self) -> str:
        """Load the submission; what failed meanwhile, or ""."""
        problems: list[str] = []
        while True:
            try:
                problem = self._start(0 if problems else 10)  # seconds for its own imports and statements
                self.problem = "; ".join(filter(None, [*problems, problem]))
                return self.problem
            except Failed as error:  # what is defined beside a statement that ends everything counts too
                statement = self._last_statement()
                if isinstance(error, Forged) or statement in self.skipped or len(self.skipped) == MAX_STARTS:
                    raise
                self.skipped.append(statement)
                problems = problems or [str(error)]

    def _last_statement(self) -> int:
        """The number of the statement that ran last, as the submission's process wrote it; -1 if it cannot be read."""
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
        with contextlib.suppress(OSError, ValueError):
            file = os.open(self.folder / "root" / ".statement", flags)
            with os.fdopen(file, "rb") as opened:
                return int(opened.read(9))
        return -1

    def call(self, request: Mapping[str, Any]) -> Any:
        """What `worker.to_arrays` makes of the result of a call, within the assignment's limit of time."""
        try:
            if self.process.returncode is not None:
                self._start(0)
            result, problem = self._ask(request, self.assignment.time_limit_seconds)
        except Failed as error:  # its process ended
            message = f"{request['call']}: {error}"
            raise Failed(message, message) from None
        if problem:
            raise failure(request, problem)
        return result

    def _start(self, seconds: float) -> str:
        """Start a process; its statements run for so many seconds, after that definitions alone."""
        _RUNNING[:] = [self]
        copy, private = self.folder / "submission", self.folder / "root"
        code = Path(worker.__file__).read_text(encoding="utf-8")
        forbidden = tuple(self.assignment.forbid)
        started = start(self.isolation, code, copy, private, forbidden, self.assignment.memory_limit_mb)
        self.container = started.container
        self.process = subprocess.Popen(
            started.words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=started.environment,
            start_new_session=True,
        )
        begin = {
            "folder": started.folder,
            "file": self.submission.file,
            "cells": self.submission.cells,
            "seconds": seconds,
            "disturbance": Path(disturbance.__file__).read_text(encoding="utf-8"),
            "skipped": self.skipped,
            "aliases": self.assignment.aliases,
            "limits": {
                "AS": int(self.assignment.memory_limit_mb * 2**20),
                "CPU": 120,
                "FSIZE": 2**24,
                "NPROC": 64 if self.isolation and own_user() else 4096,  # the latter with all others of the user
                "CORE": 0,
            },
            "forbidden": self.assignment.forbid,
            "hidden": started.hidden,
            "max_bytes": 0,
        }
        return self._ask(begin, seconds + 20)[1]  # for Python, NumPy and definitions

    def _ask(self, request: Mapping[str, Any], timeout_seconds: float) -> tuple[Any, str]:
        """Send a request; returns the result, and what failed."""
        with contextlib.suppress(OSError):  # a process that has ended is noticed when its answer is read
            self.process.stdin.write(worker.pack(request))
            self.process.stdin.flush()
        lines = []

        def read_line() -> None:
            with contextlib.suppress(OSError, ValueError):  # the process was ended meanwhile
                lines.append(self.process.stdout.readline(worker.max_line_bytes(request)))

        reader = threading.Thread(target=read_line, daemon=True)
        reader.start()
        started = self._clock()
        end = time.monotonic() + MOST_WAITING * timeout_seconds
        while reader.is_alive() and time.monotonic() < end:
            left = timeout_seconds - (self._clock() - started)
            if left <= 0 or self._is_over_quota():
                break
            reader.join(min(left, QUOTA_INTERVAL_SECONDS))
        problem = Failed(f"it did not end within {timeout_seconds:g} seconds")
        if self._is_over_quota():
            problem = Failed(f"it wrote more than {MAX_WRITTEN_BYTES >> 20} MB or {MAX_WRITTEN_FILES} files")
            lines.clear()
        if lines:
            try:
                answer = worker.unpack(lines[0])
                self.numeric = KINDS & set(answer.get("numeric", ()))
                errors = [describe_error(error, self.submission.cells, request) for error in answer["errors"]]
                return answer["result"], "; ".join(errors)
            except Exception:  # whatever a stranger's bytes raise
                problem = Forged("it wrote into the grader's pipe") if lines[0] else Failed("it ended its process")
        self.close()
        raise problem

    def _is_over_quota(self) -> bool:
        """Whether what lies in its folder of temporary files is too much."""
        written = files = 0
        for folder, _, names in os.walk(self.folder / "root"):
            for name in names:
                with contextlib.suppress(OSError):
                    status = Path(folder, name).lstat()
                    written += 512 * getattr(status, "st_blocks", status.st_size // 512)
            files += len(names)
            if written > MAX_WRITTEN_BYTES or files > MAX_WRITTEN_FILES:
                return True
        return False

    def _clock(self) -> float:
        """Seconds in which the process did not wait for a processor; all of them where the system does not say."""
        with contextlib.suppress(OSError, IndexError, ValueError, AttributeError):
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
            waited = Path(f"/proc/{children.split()[0]}/schedstat").read_text(encoding="ascii").split()[1]
            return time.monotonic() - int(waited) / 1e9
        return time.monotonic()

    def close(self) -> None:
        """Kill the process and everything that it started."""
        if self.process is None:
            return
        if self.container:
            subprocess.run([self.isolation, "kill", self.container], capture_output=True, check=False)
        with contextlib.suppress(OSError):
            if launcher.__file__ in self.process.args:
                self.process.terminate()  # it ends its child's group, which nothing can leave
            else:
                self.process.kill()
                if sys.platform != "win32":
                    os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        # Without a sandbox a process in its own session may hold the pipe, and closing waits for the reader.
        threading.Thread(target=self.process.stdout.close, daemon=True).start()


def end_running() -> None:
    """End what this process runs."""
    for running in _RUNNING:
        running.close()


def failure(request: Mapping[str, Any], problem: str) -> Failed:
    """What a call's exception says, with a note where something of it is not shown."""
    note = f"{request['call']} fails with a text that is not shown, as it could carry values"
    return Failed(f"{request['call']} fails: {problem}", note if HIDDEN in problem else "")


def describe_error(error: Sequence[Any], cells: Sequence[Cell], request: Mapping[str, Any]) -> str:
    """An exception's line, type and, if it reveals nothing, text."""
    cell, number, kind, text = error
    lines = dict(cells).get(cell, "").split("\n")
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    source = "\n".join(code for _, code in cells)
    if kind not in _TYPES and not re.search(rf"\b{re.escape(kind)}\b", source):
        kind = "an exception"
    if re.search(r"\braise\b", line):
        text = "" if kind == "NotImplementedError" else HIDDEN
    else:
        names = _public_names(f"{line} {request.get('call', '')}", source)
        text = public_text(text, names, _public_numbers(line, request["values"]) if "values" in request else None)
    if kind == "SyntaxError":
        text += f" (for Python {sys.version_info.major}.{sys.version_info.minor})"  # a newer one may know it
    label = f"{cell}, " if len(cells) > 1 else ""
    where = f"{label}line {number}, `{line[:80]}`: " if line else ""
    return clean_text(f"{where}{kind}: {text}".removesuffix(": "))


def _public_names(line: str, source: str) -> set[str]:
    """The names and short texts of a line, and the parameters of the functions that it names."""
    words = {*re.findall(r"[^\W\d]\w*", line), *re.findall(r"'([^']*)'", line.replace('"', "'"))}
    definitions = re.findall(r"^[ \t]*(?:def|class)[ \t]+(\w+)(.*)", source, re.MULTILINE)
    return words.union(*(re.findall(r"[^\W\d]\w*", rest) for name, rest in definitions if name in words))


def _public_numbers(line: str, values: Mapping[str, Any]) -> set[str]:
    """The numbers of a line, and those of the shapes of a call's values."""
    numbers = set(re.findall(r"\d+", line))
    for value in values.values():
        numbers |= {str(number) for number in (*np.shape(value), np.size(value), np.ndim(value), 0, 1)}
    return numbers


def public_text(text: str, names: Container[str] = (), numbers: Container[str] | None = None) -> str:
    """A text of Python, NumPy or PyTorch with these names and numbers alone; `HIDDEN` for others.

    Before there are values of a call, all short `numbers` are shown.
    """
    match = next(filter(None, (pattern.fullmatch(text.strip()) for pattern in PATTERNS)), None)
    if match is None:
        return HIDDEN if text else ""

    def show(number: re.Match[str]) -> str:
        return number[0] if (len(number[0]) < 4 if numbers is None else number[0] in numbers) else HIDDEN

    shown = ""
    end = 0
    for i, part in enumerate(match.groups(), 1):
        is_own = part in _TYPES or all(piece in names for piece in part.split("."))
        is_strange = re.search(r"[^\W\d]", part) and not is_own and part not in names
        shown += match.string[end : match.start(i)] + (HIDDEN if is_strange else re.sub(r"\d+", show, part))
        end = match.end(i)
    return shown + match.string[end:]


def clean_text(text: str) -> str:
    """Shorten a submission's text, and make it safe for pages and XML."""
    return "".join(letter if letter.isprintable() else "?" for letter in one_line(text)[:300])
