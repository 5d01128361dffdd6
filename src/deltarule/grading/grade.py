"""Grade submissions by comparing their results with the solution's.

Because every call gets the teacher's values, a mistake only costs the points of the arrays that it concerns: a wrong δ
of the output layer does not make the first layer's gradients wrong.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.checking.mistakes.catalog import Mistake, join_names
from deltarule.errors import BadInput, RunFailed, count_of
from deltarule.grading import worker
from deltarule.grading.assignment import Assignment
from deltarule.grading.checks import ArrayResult, Check, CheckResult, named_arrays, request_of
from deltarule.grading.diagnosis import name_mistakes
from deltarule.grading.process import (
    NUMPY_LOCK,
    Answer,
    Ended,
    Sandbox,
    Worker,
    clean_text,
    copy_files,
    start_worker,
)
from deltarule.grading.submissions import Submission
from deltarule.problem.problem import Floats

DIFFERENCES_ERROR = (1e-12, 1e-5)
"""Gradients by numerical differences are off by rounding and curvature, typically 1e-10 to 1e-6 of an array's largest
entry; hand-derived ones in float64 by less than 1e-13 (tests/grading/test_cheating.py)."""
RECORD_VERSION = 1


@dataclass(frozen=True)
class SubmissionResult:
    """The results of a submission.

    is_gradable   False for code that could not be loaded at all
    message       why it could not, or what failed while it was loaded
    sandbox       how the code was isolated while it ran
    digest        the digest of all that the result depends on
    """

    student: str
    is_gradable: bool
    message: str
    checks: tuple[CheckResult, ...]
    sandbox: str
    digest: str

    @property
    def points(self) -> float:
        """The points of all checks."""
        return sum(check.points for check in self.checks)

    @property
    def max_points(self) -> float:
        """The points of a submission without mistakes."""
        return sum(check.max_points for check in self.checks)


@dataclass(frozen=True)
class GradeRecord:
    """An assignment and the results of all its submissions."""

    title: str
    hint: int
    visibility: str
    max_points: float
    submissions: tuple[SubmissionResult, ...]
    version: int = RECORD_VERSION

    @property
    def warning(self) -> str:
        """What no sandbox prevented, for the teacher; "" where there was one."""
        count = sum(result.sandbox == worker.LIMITS for result in self.submissions)
        if not count:
            return ""
        return (
            f"No sandbox: {count_of(count, 'submission')} could read files of this machine, such as the solution and "
            "other submissions, write files, and use the network."
        )


def grade(
    assignment: Assignment,
    submissions: Sequence[Submission],
    *,
    sandbox: Sandbox = "auto",
    hidden: Sequence[Path] = (),
    workers: int = 2,
    known: Mapping[str, SubmissionResult] | None = None,
    after_submission: Callable[[SubmissionResult], None] | None = None,
) -> GradeRecord:
    """Grade submissions in separate processes, `workers` at a time.

    Parameters
    ----------
    assignment : Assignment
    submissions : sequence of Submission
    sandbox : {"auto", "required", "off"}, default "auto"
        Whether the code is isolated from network and files, as far as the system can; time and memory are always
        limited.
    hidden : sequence of Path
        All submissions and results. The sandbox hides them, the assignment's folder and temporary files; a change of
        any other file in the assignment's folder makes earlier results invalid.
    workers : int, default 2
        Submissions that run at a time.
    known : mapping, optional
        Results of an earlier run by student, which are used again if their digest has not changed.
    after_submission : callable, optional
        Called with each new result.

    Returns
    -------
    GradeRecord

    Raises
    ------
    RunFailed
        Where `sandbox` is "required" and the system has none.
    """

    with tempfile.TemporaryDirectory(prefix="deltarule-grade-", ignore_cleanup_errors=True) as name:
        copies = Path(name).resolve()
        paths = [assignment.folder, Path(tempfile.gettempdir()), copies, *hidden]
        concealed = [part for path in paths for part in _hideable(path.resolve())]
        source = _folder_digest(assignment.folder, [path.resolve() for path in hidden])

        def grade_submission(submission: Submission) -> SubmissionResult:
            """The known result of a submission if it is still valid, else a new one."""
            try:
                digest = _result_digest(source, submission, sandbox)
                before = (known or {}).get(submission.student)
                if before is not None and before.digest == digest:
                    return before
                with tempfile.TemporaryDirectory(dir=copies, ignore_cleanup_errors=True) as copy:
                    result = _grade_submission(assignment, submission, Path(copy), sandbox, concealed, digest)
            except RunFailed:  # there is no sandbox, for any submission
                raise
            except Exception as error:  # whatever one submission does, all others are graded
                message = f"it cannot be graded: {type(error).__name__}: {clean_text(str(error))}"
                result = _ungradable_result(assignment, submission.student, message, "", "")
            if after_submission is not None:
                after_submission(result)
            return result

        with ThreadPoolExecutor(workers) as pool:
            results = tuple(pool.map(grade_submission, submissions))
    return GradeRecord(assignment.title, assignment.hint, assignment.visibility, assignment.max_points, results)


def _folder_digest(folder: Path, excluded: Sequence[Path]) -> str:
    """The digest of the files below a folder, without excluded and hidden ones."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        names = path.relative_to(folder).parts
        if any(name.startswith((".", "__pycache__")) for name in names) or not path.is_file():
            continue
        if not any(path.is_relative_to(one) for one in excluded):
            digest.update(os.fsencode(path.relative_to(folder)) + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _result_digest(source: str, submission: Submission, sandbox: str) -> str:
    digest = hashlib.sha256(f"{RECORD_VERSION} {source} {sandbox} {submission.problem}".encode())
    for name, path in sorted(submission.files.items()):
        digest.update(os.fsencode(name) + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _hideable(path: Path) -> list[Path]:
    """The parts of a path that can be hidden without hiding Python."""
    needed = [Path(one).resolve() for one in (sys.prefix, sys.base_prefix, Path(np.__file__).parents[1])]
    if not path.exists() or path in needed:
        return []
    if path.is_dir() and any(one.is_relative_to(path) for one in needed):
        return [part for child in path.iterdir() for part in _hideable(child) if not child.is_symlink()]
    return [path]


def _grade_submission(
    assignment: Assignment, submission: Submission, copy: Path, sandbox: Sandbox, hidden: Sequence[Path], digest: str
) -> SubmissionResult:
    """Run all checks of a submission in a worker process."""
    if submission.problem:
        return _ungradable_result(assignment, submission.student, submission.problem, "", digest)
    results: list[CheckResult] = []
    running: Worker | None = None
    problem = isolation = ""
    counted = {name for check in assignment.checks if check.part in ("forward", "loss") for name in check.functions}
    copy_files(submission.files, copy)
    try:
        for check in assignment.checks:
            try:
                if running is None:
                    what = f"the submission cannot be loaded{' again' if results else ''}"
                    running = start_worker(copy / submission.file, sandbox, hidden, assignment.memory_limit_mb)
                    problem, isolation = running.problem, running.sandbox
                what = check.call
                answer = running.ask(request_of(check, sorted(counted - {*check.functions})), check.time_limit_seconds)
            except Ended as error:  # earlier checks still count, and later ones get a new process
                if not results and what != check.call:
                    return _ungradable_result(assignment, submission.student, f"{what}: {error}", isolation, digest)
                running = None
                results.append(_missing_result(check, f"{what}: {error}"))
                continue
            with NUMPY_LOCK:
                results.append(_grade_answer(check, answer, assignment, running))
            running = None if running.has_ended else running
    finally:
        if running is not None:
            running.end()
    message = f"while it was loaded: {problem}" if problem else ""
    return SubmissionResult(submission.student, True, message, tuple(results), isolation, digest)


def _ungradable_result(
    assignment: Assignment, student: str, message: str, isolation: str, digest: str
) -> SubmissionResult:
    checks = tuple(_missing_result(check, "not run") for check in assignment.checks)
    return SubmissionResult(student, False, message, checks, isolation, digest)


def _missing_result(check: Check, message: str) -> CheckResult:
    arrays = tuple(ArrayResult(name, "missing", None, 0.0, points) for name, points in check.points.items())
    return CheckResult(check.name, check.part, message, arrays)


def _grade_answer(check: Check, answer: Answer, assignment: Assignment, running: Worker) -> CheckResult:
    """Compare an answer with the solution's results and name the mistakes."""
    if answer.problem:
        return _missing_result(check, answer.problem)
    found = named_arrays(answer.result, list(check.points))
    arrays = tuple(_compare_array(check, name, found.get(name)) for name in check.points)
    verdicts = {array.verdict for array in arrays}
    can_name = "wrong" in verdicts and "missing" not in verdicts
    mistakes: tuple[Mistake, ...] = ()
    if can_name:
        mistakes = name_mistakes(check, assignment.names, found, partial(_call_again, check, running, found))
    notes = _suspicions(check, arrays, answer.calls)
    return CheckResult(check.name, check.part, _describe_arrays(arrays), arrays, mistakes, notes)


def _call_again(check: Check, running: Worker, first_arrays: Mapping[str, Floats], upstream: Floats) -> list[Floats]:
    """Call a function with another upstream gradient."""
    request = request_of(check)
    request["values"] = {**request["values"], check.upstream: upstream}
    try:
        found = named_arrays(running.ask(request, check.time_limit_seconds).result, list(check.points))
        again = [np.asarray(found[name], float) for name in check.points]
    except (Ended, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{check.call} cannot be called again: {error}") from None
    if [array.shape for array in again] != [np.shape(first_arrays[name]) for name in check.points]:
        raise BadInput(f"{check.call} returns arrays of other shapes when it is called again")
    return again


def _compare_array(check: Check, name: str, returned: Any) -> ArrayResult:
    """Compare a returned array with the solution's array `name`."""
    expected, points = np.asarray(check.expected[name], float), check.points[name]

    def result(verdict: str, error: float | None, message: str = "") -> ArrayResult:
        return ArrayResult(name, verdict, error, points if verdict == "right" else 0.0, points, message)

    if returned is None:
        return result("missing", None, f"{name} is not returned")
    if not isinstance(returned, np.ndarray) or returned.dtype.kind not in "fiub":
        kind = returned.get("object") if isinstance(returned, dict) else None
        kind = clean_text(kind) if isinstance(kind, str) else type(returned).__name__
        return result("missing", None, f"{name} is {kind}, not an array of numbers")
    if not returned.size:
        return result("missing", None, f"{name} is an empty array")
    lengths = [[length for length in array.shape if length > 1] for array in (returned, expected)]
    if lengths[0] != lengths[1]:
        return result("wrong", None, f"{name} has the shape {returned.shape}, and should have {expected.shape}")
    values: Floats = returned.astype(float).reshape(expected.shape)
    if not np.isfinite(values).all():
        return result("wrong", None, f"{name} holds NaN or infinity")
    largest = float(np.abs(expected).max(initial=0))
    error = float(np.abs(values - expected).max(initial=0)) / (largest or 1.0)
    return result("right" if error <= check.tolerance else "wrong", error)


def _describe_arrays(arrays: Sequence[ArrayResult]) -> str:
    """Say which arrays are right, and which are not.

    >>> _describe_arrays([ArrayResult("dW", "right", 0.0, 1, 1), ArrayResult("db", "wrong", 0.5, 0, 1)])
    'dW is right; db is wrong'
    """
    special = [array.message for array in arrays if array.message]
    parts = []
    for verdict in ("right", "wrong"):
        names = [array.name for array in arrays if array.verdict == verdict and not array.message]
        if names:
            parts.append(f"{join_names(names)} {'is' if len(names) == 1 else 'are'} {verdict}")
    return "; ".join([*parts, *special])


def _suspicions(check: Check, arrays: Sequence[ArrayResult], call_count: int) -> tuple[str, ...]:
    """Notes on signs of numerical differentiation."""
    if check.part != "backward":
        return ()
    entries = sum(array.size for array in check.expected.values())
    errors = [array.error for array in arrays if array.verdict == "right" and array.error]
    notes = []
    if call_count >= max(4, entries):
        notes.append(
            f"the gradient called the loss or the forward pass {call_count} times, as numerical differences do"
        )
    if errors and len(errors) == len(arrays) and all(DIFFERENCES_ERROR[0] < e < DIFFERENCES_ERROR[1] for e in errors):
        notes.append(f"right but for errors of up to {max(errors):.1g}, as numerical differences or float32 leave them")
    return tuple(notes)
