"""Start, ask and end the worker process of a submission, and describe its exceptions.

The text of an exception may be a submission's own. It is shown if it is one of Python's or NumPy's, listed in
`messages.txt`, and of its parts only short numbers and the names of the student's own line: so no value of a later
check reaches a page.
"""

import builtins
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltarule.errors import one_line
from deltarule.grading import launcher, worker
from deltarule.grading.assignment import Assignment
from deltarule.grading.sandbox import confined, limited, module_paths, own_user
from deltarule.grading.source import Cell
from deltarule.grading.submissions import Submission

_LONG_NUMBER = re.compile(r"\d{4,}")
"""No length of most arrays; such numbers could carry values."""
_SLOTS = {"n": r"(-?\d+)", "shape": r"(\(?\d[\d, ()]*\)?|\(\))", "name": r"([^\W\d][\w.]*)", "any": r"([^()]*)"}
_TYPES = {*vars(builtins), "numpy", "numpy.ndarray", "ndarray", "NoneType", "function", "module", "method"}
_TYPES |= {"LinAlgError", "AxisError", "UFuncTypeError", "TimeLimit", "float64", "numpy.float64"}


def _pattern(line: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", line)
    return re.compile("".join(_SLOTS[part] if i % 2 else re.escape(part) for i, part in enumerate(parts)))


PATTERNS = [*map(_pattern, Path(__file__).with_name("messages.txt").read_text(encoding="utf-8").splitlines())]


class Failed(Exception):
    """A call has no result; the message says why."""


@dataclass
class Worker:
    """The process of a submission, which is started again after its end.

    The submission is loaded from its copy in `folder`; after a restart its definitions alone, as its other statements
    may be what ended the process.
    """

    submission: Submission
    folder: Path
    assignment: Assignment
    is_closed: bool
    process: Any = None

    def load(self) -> str:
        """Load the submission; what failed meanwhile, or ""."""
        try:
            return self._start(10)  # for its own imports and statements
        except Failed as error:  # what is defined below a crash counts too
            return "; ".join(filter(None, [str(error), self._start(0)]))

    def call(self, request: Mapping[str, Any], timeout_seconds: float) -> Any:
        """What `worker.to_arrays` makes of the result of a call."""
        try:
            if self.process.returncode is not None:
                self._start(0)
            result, problem = self._ask(request, timeout_seconds)
        except Failed as error:
            raise Failed(f"{request['call']}: {error}") from None
        if problem:
            raise Failed(f"{request['call']} fails: {problem}")
        return result

    def _start(self, seconds: float) -> str:
        """Start a process; its statements run for so many seconds, after that definitions alone."""
        copy, private = self.folder / "submission", self.folder / "root"
        environment = {name: os.environ[name] for name in ("SYSTEMROOT", "PATH") if name in os.environ}
        environment |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        environment |= {"HOME": str(private), "TMPDIR": str(private), "MPLBACKEND": "agg", "USER": "nobody"}
        code = Path(worker.__file__).read_text(encoding="utf-8")
        self.process = subprocess.Popen(
            confined(code, copy, private, self.assignment.forbid) if self.is_closed else limited(code),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        begin = {
            "folder": str(copy),
            "file": self.submission.file,
            "cells": self.submission.cells,
            "seconds": seconds,
            "limits": {
                "AS": int(self.assignment.memory_limit_mb * 2**20),
                "CPU": 120,
                "FSIZE": 2**24,
                "NPROC": 64 if self.is_closed and own_user() else 4096,  # the latter with all others of the user
                "CORE": 0,
            },
            "forbidden": self.assignment.forbid,
            "hidden": () if self.is_closed else tuple(map(str, module_paths(tuple(self.assignment.forbid)))),
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
        reader.join(timeout_seconds)
        message = f"it did not end within {timeout_seconds:g} seconds"
        if lines:
            try:
                answer = worker.unpack(lines[0])
                errors = [describe_error(error, self.submission.cells, request) for error in answer["errors"]]
                return answer["result"], "; ".join(errors)
            except Exception:  # whatever a stranger's bytes raise
                message = "it wrote into the grader's pipe" if lines[0] else "it ended its process"
        self.close()
        raise Failed(message)

    def close(self) -> None:
        """Kill the process and everything that it started."""
        if self.process is None:
            return
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


def describe_error(error: Sequence[Any], cells: Sequence[Cell], request: Mapping[str, Any]) -> str:
    """An exception's line, type and, if it reveals nothing, text."""
    cell, number, kind, text = error
    lines = dict(cells).get(cell, "").split("\n")
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    source = "\n".join(code for _, code in cells)
    if kind not in _TYPES and not re.search(rf"\b{re.escape(kind)}\b", source):
        kind = "an exception"
    definitions = " ".join(re.findall(r"^[ \t]*(?:def|class)[ \t].*", source, re.MULTILINE))
    names = {*re.findall(r"[^\W\d]\w*", f"{line} {definitions} {request.get('call', '')}")}
    names |= {*re.findall(r"'([^']*)'", line.replace('"', "'"))}
    label = f"{cell}, " if len(cells) > 1 else ""
    shown = f", `{line[:80]}`" if line else ""
    where = f"{label}line {number}{shown}: " if line else ""
    return clean_text(f"{where}{kind}: {public_text(text, names)}".removesuffix(": "))


def public_text(text: str, names: Container[str] = ()) -> str:
    """A text of Python or NumPy with names and short numbers alone; "" for others."""
    match = next(filter(None, (pattern.fullmatch(text.strip()) for pattern in PATTERNS)), None)
    if match is None:
        return ""
    shown, end = "", 0
    for i, part in enumerate(match.groups(), 1):
        is_strange = re.search(r"[^\W\d]", part) and part not in names and part not in _TYPES
        shown += match.string[end : match.start(i)] + ("…" if is_strange else _LONG_NUMBER.sub("…", part))
        end = match.end(i)
    return shown + match.string[end:]


def clean_text(text: str) -> str:
    """Shorten a submission's text, and make it safe for pages and XML."""
    return "".join(letter if letter.isprintable() else "?" for letter in one_line(text)[:300])
