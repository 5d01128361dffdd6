"""Grade submissions by comparing their results with the solution's.

Because every call gets the teacher's values, a mistake only costs the points of the arrays that it concerns: a wrong δ
of the output layer does not make the first layer's gradients wrong.
"""

import functools
import hashlib
import multiprocessing
import os
import queue
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.checking.mistakes.catalog import Mistake, join_names
from deltarule.errors import not_installed, one_line
from deltarule.grading.assignment import Assignment, read_assignment
from deltarule.grading.checks import Check, fit_arrays, long_lengths
from deltarule.grading.diagnosis import Arrays, name_mistakes, numerical_gradients, shared_method
from deltarule.grading.follow_on import follow_on_arrays
from deltarule.grading.messages import clean_text, describe_object, describe_shape
from deltarule.grading.namespaces import SHARED_FOLDERS
from deltarule.grading.process import FORGED, LOAD_LIMIT_SECONDS, Ended, Failed, Worker, start_worker
from deltarule.grading.record import RECORD_VERSION, ArrayResult, CheckResult, GradeRecord, SubmissionResult
from deltarule.grading.sandbox import ROADS, Road, Sandbox, choose_road
from deltarule.grading.source import as_module, fingerprint, line_of, needs_ipython
from deltarule.grading.submissions import Submission, forbidden_copies
from deltarule.problem.problem import Floats

DIFFERENCES_ERROR = (1e-12, 1e-5)
"""Gradients by numerical differences are off by rounding and curvature, typically 1e-10 to 1e-6 of an array's largest
entry; hand-derived ones in float64 by less than 1e-13 (tests/grading/test_cheating.py)."""
OTHER_ARRAYS = "returns other arrays than it should: those that it should were found by name or shape"
LEFT_OUT = "left out, as copies of forbidden modules: {} files such as {}"
DIAGNOSIS_SECONDS = 5.0
"""After so long no further mistake of a submission is looked for, and its functions are called again no more."""
NO_DATA = ("roster.csv", "overrides.csv")
"""The files beside an assignment that leave earlier results valid when they change."""


def grade(
    assignment: Assignment,
    submissions: Sequence[Submission],
    *,
    sandbox: Sandbox = "auto",
    results_path: Path | None = None,
    workers: int = 2,
    known: Mapping[str, SubmissionResult] | None = None,
    after_submission: Callable[[SubmissionResult], None] | None = None,
) -> GradeRecord:
    """Grade submissions in separate processes, `workers` at a time.

    "auto" isolates the code, "required" raises `RunFailed` where the system cannot, "off" limits time and memory alone.
    A single submission must not reach the assignment or `results_path`. Results of `known` are used again if their
    digest has not changed.
    """
    road = choose_road(sandbox, assignment.files, results_path)
    if magics := [one.student for one in submissions if needs_ipython(one.cells)]:
        raise not_installed(f"the notebook of {join_names(magics[:3])}", "IPython", "notebook")
    before = _shared_files(road)
    beside = sorted(
        path for path in assignment.files[0].parent.iterdir() if path.is_file() and path.name not in NO_DATA
    )
    files = [*assignment.files, *beside]
    source = "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)

    idle: queue.Queue[ProcessPoolExecutor] = queue.Queue()
    for _ in range(min(workers, len(submissions))):
        idle.put(_new_process())
    with tempfile.TemporaryDirectory(prefix="deltarule-grade-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)  # each user finds its own folder, and no other

        def grade_in_process(submission: Submission, copy: Path, empty: SubmissionResult) -> SubmissionResult:
            """Grade in a process of its own, so that a crash costs no other submission."""
            process = idle.get()
            try:
                for seconds in (DIAGNOSIS_SECONDS, 0.0):  # once more without a diagnosis, which runs the solution
                    student = submission.student if assignment.hidden else ""
                    job = assignment.files[0], student, submission, copy, road, seconds, empty
                    try:
                        return process.submit(_grade_submission, *job).result()
                    except BrokenProcessPool:
                        process = _new_process()
                return replace(empty, message="it cannot be graded: the grader's process ended")
            finally:
                idle.put(process)

        def grade_submission(submission: Submission) -> SubmissionResult:
            checks = tuple(_missing_result(check, "not run") for check in assignment.checks)
            described = ROADS[road.name][0]
            notes = (submission.note,) if submission.note else ()
            result = SubmissionResult(submission.student, False, submission.problem, checks, described, "", (), notes)
            handed_in: dict[str, Any] = {"id": submission.id, "time": submission.time, "is_late": submission.is_late}
            try:
                result = replace(result, digest=_result_digest(source, submission, road))
                earlier = (known or {}).get(submission.student)
                if earlier is not None and earlier.digest == result.digest:
                    return replace(earlier, **handed_in)
                if not submission.problem:
                    with tempfile.TemporaryDirectory(dir=name, ignore_cleanup_errors=True) as copy:
                        if copies := forbidden_copies(submission, tuple(assignment.forbid)):
                            result = replace(
                                result, notes=(*notes, LEFT_OUT.format(len(copies), one_line(min(copies))))
                            )
                        _copy_files(submission, Path(copy), copies)
                        result = grade_in_process(replace(submission, files={}), Path(copy), result)
            except Exception as error:  # whatever one submission does, all others are graded
                message = f"it cannot be graded: {type(error).__name__}: {clean_text(str(error))}"
                result = replace(result, message=message)
            if after_submission is not None:
                after_submission(result)
            return replace(result, **handed_in)

        with ThreadPoolExecutor(workers) as pool:
            results = tuple(pool.map(grade_submission, submissions))
    while not idle.empty():
        idle.get().shutdown()
    left = tuple(sorted(map(one_line, _shared_files(road) - before)))
    return GradeRecord(assignment.title, assignment.hint, assignment.visibility, assignment.max_points, results, left)


def _shared_files(road: Road) -> set[str]:
    """What lies in folders for everybody, where submissions could leave something."""
    folders = {tempfile.gettempdir(), *SHARED_FOLDERS} if road.name == "limits" else ()
    entries = (str(entry) for folder in map(Path, folders) if folder.is_dir() for entry in folder.iterdir())
    return {entry for entry in entries if "pymp-" not in entry}  # Python's own, for processes


def _result_digest(source: str, submission: Submission, road: Road) -> str:
    digest = hashlib.sha256(f"{RECORD_VERSION} {source} {road.name} {submission.problem}".encode())
    digest.update(os.fsencode(submission.file))
    for name, path in sorted(submission.files.items()):
        digest.update(os.fsencode(name) + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _new_process() -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    if sys.platform != "win32":
        context.set_forkserver_preload([__name__])  # so that a process starts at once
    return ProcessPoolExecutor(1, context, initializer=_end_with_grader)


def _end_with_grader() -> None:
    grader = multiprocessing.parent_process()

    def wait() -> None:
        if grader is not None:
            grader.join()
            os._exit(1)  # and what a submission has started ends with this process

    threading.Thread(target=wait, daemon=True).start()


def _copy_files(submission: Submission, folder: Path, left_out: Container[str]) -> None:
    for target, path in submission.files.items():
        if target in left_out:
            continue
        copy, content = folder / "submission" / target, path.read_bytes()
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(as_module(content) if target.endswith(".py") else content)
    (folder / "root").mkdir()
    folder.chmod(0o711)


_read_assignment = functools.lru_cache(maxsize=1)(read_assignment)
"""The assignment in a grading process; the main process has checked its solution."""


def _grade_submission(
    path: Path, student: str, submission: Submission, folder: Path, road: Road, seconds: float, empty: SubmissionResult
) -> SubmissionResult:
    assignment = _read_assignment(path, student, is_checked=True)
    return _Grading(assignment, submission, folder, road, seconds).run(empty)


def _missing_result(check: Check, message: str) -> CheckResult:
    arrays = tuple(ArrayResult(name, "missing", None, 0.0, points) for name, points in check.max_points.items())
    return CheckResult(check.name, check.part, message, arrays)


class _Grading:
    """The grading of one submission, whose processes are replaced when they end."""

    def __init__(
        self, assignment: Assignment, submission: Submission, folder: Path, road: Road, seconds: float
    ) -> None:
        self._assignment, self._submission, self._folder, self._road = assignment, submission, folder, road
        self._running: Worker | None = None
        self._seconds_left = seconds
        self._seconds_to_load = LOAD_LIMIT_SECONDS
        self._imported: tuple[str, ...] = ()

    def run(self, empty: SubmissionResult) -> SubmissionResult:
        try:
            try:
                problem = self._worker().problem
            except Ended as error:  # what is defined below a crash counts too
                if FORGED in str(error):
                    raise
                self._seconds_to_load = 0.0
                problem = f"{str(error).partition(': ')[2]}; {self._worker().problem}".removesuffix("; ")
            checks = tuple(map(self._grade_check, self._assignment.checks))
        except Failed as error:
            return replace(empty, message=str(error))
        finally:
            if self._running is not None:
                self._running.end()
        message = f"while it was loaded: {problem}" if problem else ""
        is_loaded = not problem or any(array.verdict != "missing" for check in checks for array in check.arrays)
        cells = self._submission.cells
        text = "\n".join(code for _, code in cells)
        imported = tuple(name for name in self._imported if re.search(rf"\b{re.escape(name)}\b", text))
        result = replace(empty, is_gradable=is_loaded, message=message, checks=checks, imported=imported)
        return replace(result, fingerprint=fingerprint(cells))

    def _worker(self) -> Worker:
        if self._running is None or self._running.process.returncode is not None:
            self._running, started = None, time.monotonic()
            how = self._road, self._assignment, self._seconds_to_load
            self._running = start_worker(self._submission, self._folder, *how)
            if time.monotonic() - started > LOAD_LIMIT_SECONDS:  # a process that replaces it loads definitions alone
                self._seconds_to_load = 0.0
        return self._running

    def _grade_check(self, check: Check) -> CheckResult:
        """Make a call, compare its result with the solution's and name the mistakes."""
        try:
            running = self._worker()
            result = running.ask(check.request(), check.time_limit_seconds)
            found, is_other = fit_arrays(result, running.names, check.expected)
        except Failed as error:  # earlier checks still count, and later ones get a new process
            return _missing_result(check, str(error))
        self._imported = running.imported
        arrays = tuple(_compare_array(check, name, found.get(name)) for name in check.returns)
        if check.follow_on:
            arrays = _follow_on(check, self._assignment.names, found, arrays)
        verdicts = {array.verdict for array in arrays}
        mistakes: tuple[Mistake, ...] = ()
        if "wrong" in verdicts and "missing" not in verdicts and self._seconds_left > 0:
            started = time.monotonic()
            again = functools.partial(_call_again, check, running, started + self._seconds_left)
            mistakes = name_mistakes(check, self._assignment.names, found, again)
            self._seconds_left -= time.monotonic() - started
        errors = [array.error or 0.0 for array in arrays]
        notes: tuple[str, ...] = (OTHER_ARRAYS,) if is_other else ()
        if verdicts == {"right"} and self._seconds_left > 0:
            notes += _suspicions(check, self._assignment, found, errors)
        message, line = _describe_arrays(arrays), self._line_of_mistake(check, arrays, running.names)
        return CheckResult(check.name, check.part, message, arrays, mistakes, notes, line)

    def _line_of_mistake(self, check: Check, arrays: Sequence[ArrayResult], names: Sequence[str]) -> str:
        """The line of the student's code on which what is wrong depends."""
        texts: dict[bool, list[str]] = {True: [], False: []}
        for array, text in zip(arrays, names if len(names) == len(arrays) else check.returns, strict=True):
            texts[array.verdict == "wrong"].append(text)
        if not texts[True]:
            return ""
        called = re.findall(r"(\w+)\s*\(", check.call)
        lines = (line_of(self._submission.cells, function, texts[True], texts[False]) for function in called)
        return next(filter(None, lines), "")


def _call_again(check: Check, running: Worker, end: float, upstream: Floats) -> list[Floats]:
    """Call a function with another upstream gradient, until the time `end` at most."""
    seconds = max(min(end - time.monotonic(), check.time_limit_seconds), 0)
    result = running.ask(check.request(**{check.upstream: upstream}), seconds)
    found, _ = fit_arrays(result, running.names, check.expected)
    return [np.asarray(found[name], float) for name in check.returns]


def _compare_array(check: Check, name: str, returned: Any) -> ArrayResult:
    expected, points = np.asarray(check.expected[name], float), check.max_points[name]

    def result(verdict: str, error: float | None, message: str = "") -> ArrayResult:
        return ArrayResult(name, verdict, error, points if verdict == "right" else 0.0, points, message)

    if not isinstance(returned, np.ndarray) or returned.dtype.kind not in "fiub":
        kind = describe_object(returned.get("object") if isinstance(returned, dict) else type(returned).__name__)
        needed = f"{kind}, not an array of numbers of the shape {expected.shape}"
        return result("missing", None, f"{name} is {'not returned' if returned is None else needed}")
    if long_lengths(returned) != long_lengths(expected):
        shape = describe_shape(returned.shape, expected.shape)
        return result("wrong", None, f"{name} has {shape}, and should have {expected.shape}")
    values: Floats = returned.astype(float).reshape(expected.shape)
    if not np.isfinite(values).all():
        return result("wrong", None, f"{name} holds NaN or infinity")
    largest = float(np.abs(expected).max(initial=0))
    error = float(np.abs(values - expected).max(initial=0)) / (largest or 1.0)
    return result("right" if error <= check.tolerance else "wrong", error)


def _follow_on(check: Check, names: Arrays, found: Arrays, arrays: tuple[ArrayResult, ...]) -> tuple[ArrayResult, ...]:
    """The results, with those right that follow from the student's own other arrays."""
    wrong = [array.name for array in arrays if array.verdict == "wrong" and array.error is not None]
    own = {name: np.asarray(found[name], float).reshape(check.expected[name].shape) for name in wrong}
    following = check.model_copy(update={"expected": follow_on_arrays(check, names, own) if len(own) > 1 else {}})
    again = {name: _compare_array(following, name, found[name]) for name in following.expected if name in own}
    text = "{} is right after the wrong arrays before it"
    return tuple(
        replace(again[one.name], message=text.format(one.name))
        if one.name in again and again[one.name].verdict == "right"
        else one
        for one in arrays
    )


def _describe_arrays(arrays: Sequence[ArrayResult]) -> str:
    parts = []
    for verdict in ("right", "wrong"):
        names = [array.name for array in arrays if array.verdict == verdict and not array.message]
        if names:
            parts.append(f"{join_names(names)} {'is' if len(names) == 1 else 'are'} {verdict}")
    return "; ".join([*parts, *(array.message for array in arrays if array.message)])


def _suspicions(check: Check, assignment: Assignment, found: Arrays, errors: Sequence[float]) -> tuple[str, ...]:
    """Notes on signs that right gradients were not derived."""
    if check.part != "backward":
        return ()
    if check.gradient_of and check.name not in assignment.numerical:
        assignment.numerical[check.name] = numerical_gradients(check, assignment.names)
    if method := shared_method(check, assignment.numerical.get(check.name, {}), found):
        return (f"equal to {method} up to their own error",)
    if all(DIFFERENCES_ERROR[0] < error < DIFFERENCES_ERROR[1] for error in errors):
        return (f"right but for errors of up to {max(errors):.1g}, as numerical differences or float32 leave them",)
    return ()
