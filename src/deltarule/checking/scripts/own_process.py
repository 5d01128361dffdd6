"""The process in which a script is run and checked, started before the rest is loaded here."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from deltarule.checking.hints import HINT_OF_KIND
from deltarule.errors import BadInput, RunFailed
from deltarule.platforms import WINDOWS

SECONDS = 30.0
"""How long a script may take by default."""
SECONDS_TO_CORRECT = 8.0
_GRACE_SECONDS = 10.0

Wait: TypeAlias = Callable[[], dict[str, Any]]
"""Waits for what a process finds in its script."""


def checking_process(
    path: Path, loss: str | None, seconds: float | None, hint: int, arguments: Sequence[str] = ()
) -> AbstractContextManager[Wait]:
    """Start the check of a script or notebook as `script_process` does; look for a correction if the hint shows it."""
    if not path.is_file():
        raise BadInput(f"there is no file {path}")
    to_correct = SECONDS_TO_CORRECT if hint >= HINT_OF_KIND else 0.0
    settings = {"loss": loss, "seconds_to_correct": to_correct, "arguments": list(arguments)}
    return script_process(path, SECONDS if seconds is None else seconds, **settings)


@contextmanager
def script_process(script: Path, seconds: float, **settings: Any) -> Iterator[Wait]:
    """Start the check of a script, and yield a function that waits for what it finds; the process ends with the block.

    Raises `RunFailed` where there is nothing within the seconds, or the process ends early.
    """
    environment = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")}
    environment |= {"MPLBACKEND": "Agg", "NUMBA_DISABLE_JIT": "1", "JAX_DISABLE_JIT": "1"}  # compiled code has no lines
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        result = Path(folder, "findings.json")
        words = [sys.executable, "-m", "deltarule.checking.scripts.check_script", str(script.resolve()), str(result)]
        process = subprocess.Popen(
            [*words, json.dumps({"seconds": seconds, **settings})],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=not WINDOWS,
        )

        def wait() -> dict[str, Any]:
            try:
                _, errors = process.communicate(timeout=seconds + min(_GRACE_SECONDS, 2 + seconds))
            except subprocess.TimeoutExpired:
                errors = b""
                if not result.is_file():  # or else only the search for a correction has not ended
                    raise RunFailed(f"{script.name} was not checked within {seconds:g} seconds") from None
            if not result.is_file():
                last = (errors.decode(errors="replace").strip().splitlines() or [f"status {process.returncode}"])[-1]
                raise RunFailed(f"the process that ran {script.name} ended early: {last}")
            return json.loads(result.read_text(encoding="utf-8"))

        try:
            yield wait
        finally:
            _end(process)


def _end(process: subprocess.Popen) -> None:
    """End a process and what it started."""
    if sys.platform != "win32":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
