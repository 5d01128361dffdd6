"""Grade submissions by comparing their results with the solution's.

Because every call gets the teacher's values, a mistake only costs the points of the arrays that it concerns: a wrong δ
of the output layer does not make the first layer's gradients wrong.
"""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from deltarule.checking.mistakes.catalog import Mistake, join_names
from deltarule.errors import BadInput, RunFailed, count_of
from deltarule.grading.assignment import Assignment, read_assignment
from deltarule.grading.checks import ArrayResult, Check, CheckResult, named_arrays, request_of
from deltarule.grading.diagnosis import name_mistakes, numerical_gradients, shared_method
from deltarule.grading.process import NUMPY_LOCK, Answer, Ended, Worker, clean_text, copy_files, start_worker
from deltarule.grading.sandbox import Road, find_road
from deltarule.grading.submissions import Submission
from deltarule.problem.problem import Floats

Sandbox = Literal["required", "auto", "off"]
DIFFERENCES_ERROR = (1e-12, 1e-5)
"""Gradients by numerical differences are off by rounding and curvature, typically 1e-10 to 1e-6 of an array's largest
entry; hand-derived ones in float64 by less than 1e-13 (tests/grading/test_cheating.py)."""
DIAGNOSIS_SECONDS = 5.0
"""After so long no further mistake of a submission is looked for, and its functions are called again no more."""
HELD = {
    "bubblewrap": "no network, no files but its own (bubblewrap)",
    "namespaces": "no network, no files but its own (namespaces)",
    "user": "another user, limits",
    "limits": "limits",
}
"""How code is held, by the name of the road."""
REACH = {
    HELD["limits"]: "could read and write files of this machine, such as the solution, and use the network",
    HELD["user"]: "could read what all users of this machine can, and use the network",
}
"""What code can do, by how it is held, where that is more than it should."""
RECORD_VERSION = 2
DATA = (".npz", ".npy", ".csv", ".json", ".py")
"""The files beside an assignment that make earlier results invalid when they change."""


@dataclass(frozen=True)
class SubmissionResult:
    """The results of a submission.

    is_gradable   False for code that could not be loaded at all
    message       why it could not, or what failed while it was loaded
    sandbox       how the code was isolated while it ran
    digest        the digest of all that the result depends on
    imported      the libraries that the code imported
    """

    student: str
    is_gradable: bool
    message: str
    checks: tuple[CheckResult, ...]
    sandbox: str
    digest: str
    imported: tuple[str, ...] = ()

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
        held = [result.sandbox for result in self.submissions]
        counts = [f"{count_of(held.count(one), 'submission')} {REACH[one]}" for one in REACH if one in held]
        return f"No sandbox: {'; '.join(counts)}." if counts else ""


def grade(
    assignment: Assignment,
    submissions: Sequence[Submission],
    *,
    sandbox: Sandbox = "auto",
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
    road = choose_road(sandbox)
    source = "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in _files_beside(assignment))

    with tempfile.TemporaryDirectory(prefix="deltarule-grade-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)  # each user finds its own folder, and no other

        def grade_submission(submission: Submission) -> SubmissionResult:
            """The known result of a submission if it is still valid, else a new one."""
            result = _empty_result(assignment, submission, road)
            try:
                result = replace(result, digest=_result_digest(source, submission, road))
                before = (known or {}).get(submission.student)
                if before is not None and before.digest == result.digest:
                    return before
                with tempfile.TemporaryDirectory(dir=name, ignore_cleanup_errors=True) as copy:
                    result = _Grading(assignment, submission, Path(copy), road).run(result)
            except Exception as error:  # whatever one submission does, all others are graded
                message = f"it cannot be graded: {type(error).__name__}: {clean_text(str(error))}"
                result = replace(result, message=message)
            if after_submission is not None:
                after_submission(result)
            return result

        with ThreadPoolExecutor(workers) as pool:
            results = tuple(pool.map(grade_submission, submissions))
    return GradeRecord(assignment.title, assignment.hint, assignment.visibility, assignment.max_points, results)


def choose_road(sandbox: Sandbox) -> Road:
    """How submissions are isolated; raises `RunFailed` without a "required" sandbox."""
    road = Road("limits") if sandbox == "off" else find_road()
    if sandbox == "required" and not road.has_namespaces:
        raise RunFailed(
            f"there is no sandbox here ({road.reason}); install bubblewrap or allow namespaces, or give --sandbox auto"
        )
    return road


def require_unreachable(road: Road, assignment: Assignment, results: Path) -> None:
    """Raise `RunFailed` if a submission could read the solution, or write the results."""
    folders = results.resolve().parent, assignment.files[0].parent
    if road.name == "limits" or road.can_reach([*assignment.files, folders[0]]):
        raise RunFailed(
            f"the submission could read the solution or write the results, without a sandbox ({road.reason}); grade as "
            f"root after 'chmod -R go= {folders[0]} {folders[1]}', or allow namespaces, or give --sandbox off"
        )


def _files_beside(assignment: Assignment) -> list[Path]:
    folder = assignment.files[0].parent
    return [*assignment.files, *sorted(path for path in folder.glob("*.*") if path.suffix in DATA and path.is_file())]


def _result_digest(source: str, submission: Submission, road: Road) -> str:
    digest = hashlib.sha256(f"{RECORD_VERSION} {source} {road.name} {submission.problem}".encode())
    for name, path in sorted(submission.files.items()):
        digest.update(os.fsencode(name) + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _empty_result(assignment: Assignment, submission: Submission, road: Road) -> SubmissionResult:
    checks = tuple(_missing_result(check, "not run") for check in assignment.checks)
    return SubmissionResult(submission.student, False, submission.problem, checks, HELD[road.name], "")


def _missing_result(check: Check, message: str) -> CheckResult:
    arrays = tuple(ArrayResult(name, "missing", None, 0.0, points) for name, points in check.points.items())
    return CheckResult(check.name, check.part, message, arrays)


class _Grading:
    """The grading of one submission, whose processes are replaced when they end."""

    def __init__(self, assignment: Assignment, submission: Submission, folder: Path, road: Road) -> None:
        self._submission, self._road, self._folder = submission, road, folder
        self._assignment = assignment
        self._running: Worker | None = None
        self._seconds_left = DIAGNOSIS_SECONDS
        self._imported: tuple[str, ...] = ()

    def run(self, empty: SubmissionResult) -> SubmissionResult:
        """Make all calls and compare what they return."""
        if self._submission.problem:
            return empty
        if self._assignment.hidden:
            with NUMPY_LOCK:
                self._assignment = read_assignment(self._assignment.files[0], self._submission.student)
        copy, root = self._folder / "submission", self._folder / "root"
        copy_files(self._submission.files, copy)
        root.mkdir()
        self._folder.chmod(0o711)
        results: list[CheckResult] = []
        problem = ""
        try:
            for check in self._assignment.checks:
                what = f"the submission cannot be loaded{' again' if results else ''}"
                try:
                    if self._running is None:
                        limits = self._assignment.memory_limit_mb, self._assignment.forbid
                        self._running = start_worker(copy / self._submission.file, root, self._road, *limits)
                        problem = self._running.problem
                    what = check.call
                    answer = self._running.ask(request_of(check), check.time_limit_seconds)
                except Ended as error:  # earlier checks still count, and later ones get a new process
                    if not results and what != check.call:
                        return replace(empty, message=f"{what}: {error}")
                    self._running = None
                    results.append(_missing_result(check, f"{what}: {error}"))
                    continue
                self._imported = answer.imported or self._imported
                results.append(self._grade_answer(check, answer))
                self._running = None if self._running.has_ended else self._running
        finally:
            if self._running is not None:
                self._running.end()
        message = f"while it was loaded: {problem}" if problem else ""
        return replace(empty, is_gradable=True, message=message, checks=tuple(results), imported=self._imported)

    def _grade_answer(self, check: Check, answer: Answer) -> CheckResult:
        """Compare an answer with the solution's results and name the mistakes."""
        if answer.problem:
            return _missing_result(check, answer.problem)
        found = named_arrays(answer.result, list(check.points))
        with NUMPY_LOCK:
            arrays = tuple(_compare_array(check, name, found.get(name)) for name in check.points)
            verdicts = {array.verdict for array in arrays}
            mistakes: tuple[Mistake, ...] = ()
            if "wrong" in verdicts and "missing" not in verdicts and self._seconds_left > 0:
                started = time.monotonic()
                mistakes = name_mistakes(
                    check, self._assignment.names, found, lambda upstream: self._call_again(check, found, upstream)
                )
                self._seconds_left -= time.monotonic() - started
            notes = _suspicions(check, self._assignment, arrays, found)
        return CheckResult(check.name, check.part, _describe_arrays(arrays), arrays, mistakes, notes)

    def _call_again(self, check: Check, first_arrays: Mapping[str, Floats], upstream: Floats) -> list[Floats]:
        """Call a function with another upstream gradient."""
        assert self._running is not None
        request = request_of(check)
        request["values"] = {**request["values"], check.upstream: upstream}
        seconds, started = min(self._seconds_left, check.time_limit_seconds), time.monotonic()
        try:
            found = named_arrays(self._running.ask(request, max(seconds, 0)).result, list(check.points))
            again = [np.asarray(found[name], float) for name in check.points]
        except (Ended, KeyError, TypeError, ValueError) as error:
            raise BadInput(f"{check.call} cannot be called again: {error}") from None
        finally:
            self._seconds_left -= time.monotonic() - started
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
        return result("missing", None, f"{name} is {kind}, not an array of numbers of the shape {expected.shape}")
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


def _suspicions(
    check: Check, assignment: Assignment, arrays: Sequence[ArrayResult], found: Mapping[str, Any]
) -> tuple[str, ...]:
    """Notes on signs that right gradients were not derived."""
    if check.part != "backward" or {array.verdict for array in arrays} != {"right"}:
        return ()
    if check.gradient_of and check.name not in assignment.numerical:
        assignment.numerical[check.name] = numerical_gradients(check, assignment.names)
    if method := shared_method(check, assignment.numerical.get(check.name, {}), found):
        return (f"equal to {method} up to their own error",)
    errors = [array.error or 0.0 for array in arrays]
    if all(DIFFERENCES_ERROR[0] < error < DIFFERENCES_ERROR[1] for error in errors):
        return (f"right but for errors of up to {max(errors):.1g}, as numerical differences or float32 leave them",)
    return ()
