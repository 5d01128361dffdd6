"""Check a training script as it is, in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from deltarule.checking.catalog import Correction, LineChange
from deltarule.checking.report import HINT_OF_KIND, MAX_HINT
from deltarule.checking.scripts.report import ScriptFindings, ScriptReport, make_report
from deltarule.checking.scripts.verdict import StepVerdict
from deltarule.errors import BadInput, RunFailed
from deltarule.platforms import WINDOWS

SECONDS = 30.0
"""How long a script may take by default."""
SECONDS_TO_CORRECT = 8.0
_GRACE_SECONDS = 10.0


class NoTraining(BadInput):
    """A file that runs, but updates nothing in a loop: it may define functions instead."""


def check_script(
    script: Path,
    loss: str | None = None,
    seconds: float = SECONDS,
    fork: bool = True,
    seconds_to_correct: float = SECONDS_TO_CORRECT,
) -> ScriptReport:
    """Run a script and check whether what it updates in its loop follows the gradient of a loss.

    Parameters
    ----------
    script : a Python file or a notebook.
    loss : the name of the variable that is the loss, if it is not found without.
    seconds : how long this may take.
    fork : whether the process may be forked at the update; otherwise the script runs again and again.
    seconds_to_correct : how long corrections of a wrong script are tried.

    Returns
    -------
    The report. A script that fails, or updates nothing, raises `BadInput`.
    """
    limits = {"seconds": seconds, "seconds_to_correct": seconds_to_correct}
    findings = _in_own_process(script, {**limits, "loss": loss, "fork": fork})
    if findings.problem:
        raise (BadInput if findings.is_failure else NoTraining)(findings.problem)
    return make_report(script, findings)


def check_training(path: Path, loss: str | None, seconds: float | None, hint: int = MAX_HINT) -> ScriptReport:
    """Check a script or notebook that trains; raises `NoTraining` where a file does something else."""
    if not path.is_file():
        raise BadInput(f"there is no file {path}")
    to_correct = SECONDS_TO_CORRECT if hint >= HINT_OF_KIND else 0.0
    report = check_script(path, loss, SECONDS if seconds is None else seconds, seconds_to_correct=to_correct)
    return report.limited(hint)


def _in_own_process(script: Path, settings: dict[str, Any]) -> ScriptFindings:
    environment = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")}
    environment["MPLBACKEND"] = "Agg"
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        result = Path(folder, "findings.json")
        words = [sys.executable, "-m", "deltarule.checking.scripts.check_script", str(script.resolve()), str(result)]
        process = subprocess.Popen(
            [*words, json.dumps(settings)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=not WINDOWS,
        )
        try:
            _, errors = process.communicate(timeout=settings["seconds"] + min(_GRACE_SECONDS, 2 + settings["seconds"]))
        except subprocess.TimeoutExpired:
            errors = b""
            if not result.is_file():  # or else only the search for a correction has not ended
                raise RunFailed(f"{script.name} was not checked within {settings['seconds']:g} seconds") from None
        finally:
            _end_process(process)
        if not result.is_file():
            last = (errors.decode(errors="replace").strip().splitlines() or [f"status {process.returncode}"])[-1]
            raise RunFailed(f"the process that ran {script.name} ended early: {last}")
        return _findings(json.loads(result.read_text(encoding="utf-8")))


def _end_process(process: subprocess.Popen) -> None:
    """End a process and what it started."""
    if sys.platform != "win32":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _findings(record: dict[str, Any]) -> ScriptFindings:
    verdicts = tuple(
        StepVerdict(**{**verdict, "loop": tuple(verdict["loop"]), "candidates": tuple(verdict["candidates"])})
        for verdict in record.pop("verdicts")
    )
    correction = record.pop("correction")
    if correction is not None:
        lines = {name: tuple(LineChange(**line) for line in correction[name]) for name in ("changes", "others")}
        correction = Correction(**{**correction, **lines})
    return ScriptFindings(verdicts, correction=correction, **record)


def _main(script: str, result: str, options: str) -> None:
    """Check a script in this process, and write into a file what is found, first without a correction."""
    from deltarule.checking.scripts.loop_search import search_loops  # which the process that waits does without

    settings = json.loads(options)
    deadline = time.monotonic() + settings.pop("seconds")
    for findings in search_loops(Path(script), deadline, **settings):
        new = Path(f"{result}.new")
        new.write_text(json.dumps(asdict(findings)), encoding="utf-8")
        new.replace(result)
    os._exit(0)  # without what the script registered for its end


if __name__ == "__main__":
    del sys.path[0]  # the folder from which we were started; the script's own comes in its place
    _main(*sys.argv[1:])
