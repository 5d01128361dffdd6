"""Check a training script as it is, in a process of its own."""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deltarule.checking.catalog import Correction, LineChange
from deltarule.checking.hints import MAX_HINT
from deltarule.checking.scripts.own_process import SECONDS, SECONDS_TO_CORRECT, checking_process, script_process
from deltarule.checking.scripts.report import ScriptFindings, ScriptReport, make_report
from deltarule.checking.scripts.verdict import StepVerdict
from deltarule.errors import BadInput


class NoTraining(BadInput):
    """A file that runs, but updates nothing in a loop: it may define functions instead."""


def check_script(
    script: Path,
    loss: str | None = None,
    seconds: float = SECONDS,
    fork: bool = True,
    seconds_to_correct: float = SECONDS_TO_CORRECT,
    arguments: Sequence[str] = (),
) -> ScriptReport:
    """Run a script and check whether what it updates in its loop follows the gradient of a loss.

    Parameters
    ----------
    script : a Python file or a notebook.
    loss : the name of the variable that is the loss, if it is not found without.
    seconds : how long this may take.
    fork : whether the process may be forked where a turn of the loop does not do the same when it is repeated in the
        process; otherwise the script runs again and again.
    seconds_to_correct : how long corrections of a wrong script are tried.
    arguments : what the script finds in `sys.argv` after its name.

    Returns
    -------
    The report. A script that fails, or updates nothing, raises `BadInput`.
    """
    settings = {"loss": loss, "fork": fork, "seconds_to_correct": seconds_to_correct, "arguments": list(arguments)}
    with script_process(script, seconds, **settings) as wait:
        return report_of(script, wait())


def check_training(path: Path, loss: str | None, seconds: float | None, hint: int = MAX_HINT) -> ScriptReport:
    """Check a script or notebook that trains; raises `NoTraining` where a file does something else."""
    with checking_process(path, loss, seconds, hint) as wait:
        return report_of(path, wait()).limited(hint)


def report_of(script: Path, found: dict[str, Any]) -> ScriptReport:
    """Make the report of what a process found in a script."""
    findings = _findings(found)
    if findings.problem:
        raise (BadInput if findings.is_failure else NoTraining)(findings.problem)
    return make_report(script, findings)


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
