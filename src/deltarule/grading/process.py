"""Start, ask and end the worker process of a submission."""

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltarule.checking.mistakes.catalog import join_names
from deltarule.grading import worker
from deltarule.grading.sandbox import Road

LOAD_LIMIT_SECONDS = 20.0
"""Time for Python, NumPy, and the submission's own imports and top-level statements."""
MAX_FILE_BYTES = 2**24
MAX_PROCESSES = 64
NUMPY_LOCK = threading.RLock()
"""The checker replaces functions of NumPy, for all threads, while it records a forward pass: so only one may run."""
CPU_LIMIT_SECONDS = 120
MAX_MESSAGE_CHARACTERS = 200
NUMBERS = re.compile(r"\[[-+\s\d.,eEj\[\]]*\d[-+\s\d.,eEj\[\]]*(?<!\s)|-?\d*\.\d{3,}(?:e[-+]?\d+)?")
"""Arrays and numbers of many digits in a text: what a submission could carry out of a call."""
FORGED = "it wrote into the grader's pipe"


class Failed(Exception):
    """A call has no result; the message says why."""


class Ended(Failed):
    """The process of a submission has ended or was ended."""


class NotLoaded(Failed):
    """A submission cannot be loaded."""


@dataclass
class Worker:
    """The process of a submission.

    problem   what failed while it was loaded, or ""
    imported  the libraries that it has imported until now
    """

    process: "subprocess.Popen[bytes]"
    road: Road
    problem: str = ""
    imported: tuple[str, ...] = ()

    def send(self, message: Any) -> None:
        """Send a message; a process that has ended is noticed when its answer is read."""
        with NUMPY_LOCK:
            line = worker.pack(message)
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.write(line)
            self.process.stdin.flush()

    def receive(self, timeout_seconds: float, max_bytes: int = worker.MAX_TEXT_BYTES) -> Any:
        """The next message of the worker."""
        lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read_line, args=(lines, max_bytes), daemon=True).start()
        try:
            line = lines.get(timeout=timeout_seconds)
        except queue.Empty:
            raise Ended(f"it did not end within {timeout_seconds:g} seconds") from None
        if not line:
            raise Ended(_describe_end(self.process))
        try:
            with NUMPY_LOCK:
                return worker.unpack(line)
        except Exception:  # whatever a stranger's bytes raise
            raise Ended(FORGED) from None

    def _read_line(self, lines: "queue.Queue[bytes]", max_bytes: int) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(OSError, ValueError):  # the process was ended meanwhile
            lines.put(self.process.stdout.readline(max_bytes))

    def ask(self, request: Mapping[str, Any], timeout_seconds: float) -> Any:
        """Send a request for a call and return its result, as `worker.to_arrays` gives it."""
        self.send(request)
        try:
            message = self.receive(timeout_seconds, worker.max_line_bytes(request))
            match message:
                case {"missing": [*names]} if all(isinstance(name, str) for name in names):
                    raise Failed(f"the submission does not define {join_names([*map(clean_text, names)])}")
                case {"error": str(error)}:
                    raise Failed(f"{request['call']} fails: {clean_text(error)}")
                case {"result": result, "imported": [*names]} if all(isinstance(name, str) for name in names):
                    self.imported = tuple(map(clean_text, names[:20]))
                    return result
            raise Ended(FORGED)
        except Ended as error:
            self.end()
            raise Ended(f"{request['call']}: {error}") from None

    @property
    def has_ended(self) -> bool:
        """Whether the process was ended, after a call that failed."""
        return self.process.returncode is not None

    def end(self) -> None:
        """Kill the process and everything that it started."""
        with contextlib.suppress(OSError):
            if self.road.name in ("namespaces", "user"):  # its first process is ours, and ends all others
                self.process.terminate()
            elif sys.platform == "win32":
                self.process.kill()
            else:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def clean_text(text: str) -> str:
    """Shorten a submission's text without arrays, and make it safe for pages and XML.

    >>> clean_text("ValueError: " + chr(0) + " in [[0.5 1.5]] and 0.70710678")
    'ValueError: ? in … and …'
    """
    text = NUMBERS.sub("…", text[: 10 * MAX_MESSAGE_CHARACTERS])[:MAX_MESSAGE_CHARACTERS]
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def _describe_end(process: "subprocess.Popen[bytes]") -> str:
    """Say why a process ended, or that it closed its pipe."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        status = process.wait(timeout=2)
        names = {-status, 256 - status, status - 128}  # signals, as the roads report them
        reasons = {
            "SIGXCPU": f"it used more than {CPU_LIMIT_SECONDS} seconds of processor time",
            "SIGKILL": "it was killed",
            "SIGSEGV": "it crashed",
        }
        for name, reason in reasons.items():
            if getattr(signal, name, None) in names:
                return reason
        return f"it ended its process with status {status}"
    return "it closed the grader's pipe"


def start_worker(file: Path, root: Path, road: Road, memory_limit_mb: float, forbidden: Sequence[str]) -> Worker:
    """Start a worker process in a sandbox and load a submission's `file`.

    root       an empty folder for the sandbox
    forbidden  modules that cannot be imported

    Raises `NotLoaded` for a file that cannot be loaded.
    """
    environment = {name: os.environ[name] for name in ("SYSTEMROOT", "PATH") if name in os.environ}
    environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    private = "/tmp" if road.name != "limits" else str(file.parent)
    environment |= {"HOME": private, "TMPDIR": private, "MPLBACKEND": "agg", "USER": "nobody"}
    process = subprocess.Popen(
        road.command(Path(worker.__file__).read_text(encoding="utf-8"), file.parent, root),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    running = Worker(process, road)
    limits = [int(memory_limit_mb * 2**20), CPU_LIMIT_SECONDS, MAX_FILE_BYTES, MAX_PROCESSES]
    running.send({"work": str(file.parent), "file": str(file), "limits": limits, "forbidden": list(forbidden)})
    reason = FORGED
    try:
        match running.receive(LOAD_LIMIT_SECONDS):
            case {"loaded": str(problem)}:
                running.problem = clean_text(problem)
                return running
            case {"not_loaded": str(text)}:
                reason = clean_text(text)
    except Ended as error:
        reason = str(error)
    running.end()
    raise NotLoaded(f"the submission cannot be loaded: {reason}")
