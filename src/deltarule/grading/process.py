"""Start, ask and end the worker process of a submission."""

import contextlib
import os
import queue
import shutil
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deltarule.checking.mistakes.catalog import join_names
from deltarule.errors import RunFailed
from deltarule.grading import worker

Sandbox = Literal["required", "auto", "off"]
LOAD_LIMIT_SECONDS = 20.0
"""Time for Python, NumPy, and the submission's own imports and top-level statements."""
MAX_FILE_BYTES = 2**24
MAX_PROCESSES = 64
NUMPY_LOCK = threading.RLock()
"""The checker replaces functions of NumPy, for all threads, while it records a forward pass: so only one may run."""
CPU_LIMIT_SECONDS = 120
MAX_MESSAGE_CHARACTERS = 500
"""Largest length of a text from a process: that of the texts of `worker.describe`."""
FORGED = "it wrote into the grader's pipe"


class Ended(Exception):
    """The process of a submission ended or was ended; the message says why."""


@dataclass(frozen=True)
class Answer:
    """The validated answer of a process to one call.

    result   what the call returned, as `worker.to_arrays` gives it
    calls    how often it called the functions whose calls are counted
    problem  why there is no result, or ""
    """

    result: Any = None
    calls: int = 0
    problem: str = ""


@dataclass
class Worker:
    """The process of a submission."""

    process: "subprocess.Popen[bytes]"
    sandbox: str = ""
    problem: str = ""

    def __post_init__(self) -> None:
        self._answers: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=self._queue_answers, daemon=True).start()

    def _queue_answers(self) -> None:
        """Read messages from the process into a queue until it ends, and then None."""
        assert self.process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            while len(head := self.process.stdout.read(8)) == 8:
                size = struct.unpack("<Q", head)[0]
                if size > worker.MAX_MESSAGE_BYTES:
                    break
                self._answers.put(self.process.stdout.read(size))
        self._answers.put(None)

    def send(self, message: Any) -> None:
        """Send a message; a process that has ended is noticed when its answer is read."""
        with NUMPY_LOCK:
            data = worker.pack(message)
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(struct.pack("<Q", len(data)) + data)
            self.process.stdin.flush()

    def receive(self, timeout_seconds: float) -> Any:
        """The next message of the worker."""
        try:
            data = self._answers.get(timeout=timeout_seconds)
        except queue.Empty:
            raise Ended(f"it did not end within {timeout_seconds:g} seconds") from None
        if data is None:
            raise Ended(_describe_end(self.process))
        try:
            with NUMPY_LOCK:
                return worker.unpack(data)
        except Exception:  # whatever a stranger's bytes raise
            raise Ended(FORGED) from None

    def ask(self, request: Mapping[str, Any], timeout_seconds: float) -> Answer:
        """Send a request for a call and return its answer."""
        self.send(request)
        try:
            return _validate_answer(self.receive(timeout_seconds), request["call"])
        except Ended:
            self.end()
            raise

    @property
    def has_ended(self) -> bool:
        """Whether the process was ended, after a call that failed."""
        return self.process.returncode is not None

    def end(self) -> None:
        """Kill the process and everything that it started."""
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                self.process.kill()
            else:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def _validate_answer(message: Any, call: str) -> Answer:
    """Convert a worker's message to the answer to a call."""
    match message:
        case {"missing": [*names]} if all(isinstance(name, str) for name in names):
            return Answer(problem=f"the submission does not define {join_names([*map(clean_text, names)])}")
        case {"error": str(error)}:
            return Answer(problem=f"{call} fails: {clean_text(error)}")
        case {"result": result, "calls": int(calls)}:
            return Answer(result, calls)
    raise Ended(FORGED)


def clean_text(text: str) -> str:
    """Shorten a submission's text and make it safe for pages and XML.

    >>> clean_text("ValueError: " + chr(0) + " and " + chr(0xD800))
    'ValueError: ? and ?'
    """
    return "".join(
        letter if letter.isprintable() or letter == "\n" else "?" for letter in text[:MAX_MESSAGE_CHARACTERS]
    )


def _describe_end(process: "subprocess.Popen[bytes]") -> str:
    """Say why a process ended, or that it closed its pipe."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        status = process.wait(timeout=2)
        signals = {-signal.SIGSEGV: "it crashed"}
        if sys.platform != "win32":
            signals[128 + signal.SIGKILL] = "it was killed"
            signals[-signal.SIGXCPU] = f"it used more than {CPU_LIMIT_SECONDS} seconds of processor time"
        return signals.get(status, f"it ended its process with status {status}")
    return "it closed the grader's pipe"


def copy_files(files: Mapping[str, Path], folder: Path) -> None:
    """Copy a submission's files, by their paths in it, to a folder."""
    for target, path in files.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / target)


def start_worker(file: Path, sandbox: Sandbox, hidden: Sequence[Path], memory_limit_mb: float) -> Worker:
    """Start a worker process in a sandbox and load a submission's `file`.

    Raises `Ended` for one that cannot be loaded, and `RunFailed` without the sandbox that is "required".
    """
    environment = {name: os.environ[name] for name in ("SYSTEMROOT", "PATH") if name in os.environ}
    environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    environment |= {"HOME": str(file.parent), "TMPDIR": str(file.parent), "MPLBACKEND": "agg"}
    process = subprocess.Popen(
        [sys.executable, "-I", "-B", worker.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    running = Worker(process)
    try:
        limits = [int(memory_limit_mb * 2**20), CPU_LIMIT_SECONDS, MAX_FILE_BYTES, MAX_PROCESSES]
        paths = {"work": str(file.parent), "file": str(file), "hidden": [str(folder) for folder in hidden]}
        running.send({**paths, "sandbox": sandbox, "limits": limits})
        begun = running.receive(LOAD_LIMIT_SECONDS)
        if "refused" in begun:
            raise RunFailed(
                f"there is no sandbox here: {begun['refused']}; on Linux with user namespaces there is one, or give "
                "--sandbox auto"
            )
        running.sandbox = begun["sandbox"]
        match running.receive(LOAD_LIMIT_SECONDS):
            case {"not_loaded": str(reason)}:
                raise Ended(clean_text(reason))
            case {"loaded": str(problem)}:
                running.problem = clean_text(problem)
            case _:
                raise Ended(FORGED)
    except BaseException:
        running.end()
        raise
    return running
