"""Grade one submission by comparing its results with the solution's.

Because every call gets the teacher's values, a mistake only costs the points of the arrays that it concerns: a wrong δ
of the output layer does not make the first layer's gradients wrong.
"""

import functools
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from deltarule.checking.catalog import Mistake, join_names
from deltarule.grading.assignment import Assignment
from deltarule.grading.checks import Check
from deltarule.grading.diagnosis import Arrays, name_mistakes
from deltarule.grading.follow_on import follow_on_arrays
from deltarule.grading.messages import describe_object, describe_shape
from deltarule.grading.process import FORGED, LOAD_LIMIT_SECONDS, Ended, Failed, Worker, start_worker
from deltarule.grading.record import ArrayResult, CheckResult, SubmissionResult
from deltarule.grading.returned_arrays import fit_arrays, long_lengths
from deltarule.grading.sandbox import Road
from deltarule.grading.source import fingerprint, line_of
from deltarule.grading.submissions import Submission
from deltarule.problem.problem import Floats

DIFFERENCES_ERROR = (1e-12, 1e-5)
"""Gradients by numerical differences are off by rounding and curvature, typically 1e-10 to 1e-6 of an array's largest
entry; hand-derived ones in float64 by less than 1e-13 (tests/grading/test_cheating.py)."""
OTHER_ARRAYS = "returns other arrays than it should: those that it should were found by name or shape"


def missing_result(check: Check, message: str) -> CheckResult:
    """The result of a call that returned nothing."""
    arrays = tuple(ArrayResult(name, "missing", None, 0.0, points) for name, points in check.max_points.items())
    return CheckResult(check.name, check.part, message, arrays)


class SubmissionGrading:
    """Grade one submission; a process that ended is started again."""

    def __init__(
        self, assignment: Assignment, submission: Submission, folder: Path, road: Road, seconds: float
    ) -> None:
        """`folder` has a copy of the submission; so many `seconds` may pass in naming mistakes."""
        self._assignment, self._submission, self._folder, self._road = assignment, submission, folder, road
        self._running: Worker | None = None
        self._seconds_left = seconds
        self._seconds_to_load = LOAD_LIMIT_SECONDS

    def run(self, empty: SubmissionResult) -> SubmissionResult:
        """The `empty` result with what the calls gave."""
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
        is_loaded = not problem or any(array.verdict != "missing" for check in checks for array in check.arrays)
        message = f"while it was loaded: {problem}" if problem else ""
        digest = fingerprint(self._submission.cells)
        return replace(empty, is_gradable=is_loaded, message=message, checks=checks, fingerprint=digest)

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
            return missing_result(check, str(error))
        arrays = tuple(_compare_array(check, name, found.get(name)) for name in check.returns)
        if check.follow_on:
            arrays = _follow_on(check, self._assignment.names, found, arrays)
        notes: tuple[str, ...] = (OTHER_ARRAYS,) if is_other else ()
        verdicts = {array.verdict for array in arrays}
        mistakes: tuple[Mistake, ...] = ()
        if "wrong" in verdicts and "missing" not in verdicts and self._seconds_left > 0:
            started = time.monotonic()
            mistakes = name_mistakes(check, self._assignment.names, found)
            self._seconds_left -= time.monotonic() - started
        errors = [array.error or 0.0 for array in arrays]
        are_near = all(DIFFERENCES_ERROR[0] < error < DIFFERENCES_ERROR[1] for error in errors)
        if check.part == "backward" and verdicts == {"right"} and are_near:
            notes += (f"right but for errors of up to {max(errors):.1g}, as numerical differences leave them",)
        line = self._line_of_mistake(check, arrays, running.names)
        return CheckResult(check.name, check.part, _describe_arrays(arrays), arrays, mistakes, notes, line)

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


def _compare_array(check: Check, name: str, returned: Any) -> ArrayResult:
    expected, points = np.asarray(check.expected[name], float), check.max_points[name]
    missing = functools.partial(ArrayResult, name, "missing", None, 0.0, points)
    wrong = functools.partial(ArrayResult, name, "wrong", None, 0.0, points)
    if returned is None:
        return missing(f"{name} is not returned")
    if not isinstance(returned, np.ndarray) or returned.dtype.kind not in "fiub":
        kind = describe_object(returned.get("object") if isinstance(returned, dict) else type(returned).__name__)
        return missing(f"{name} is {kind}, not an array of numbers of the shape {expected.shape}")
    if long_lengths(returned) != long_lengths(expected):
        shape = describe_shape(returned.shape, expected.shape)
        return wrong(f"{name} has {shape}, and should have {expected.shape}")
    values: Floats = returned.astype(float).reshape(expected.shape)
    if not np.isfinite(values).all():
        return wrong(f"{name} holds NaN or infinity")
    error = float(np.abs(values - expected).max(initial=0)) / (float(np.abs(expected).max(initial=0)) or 1.0)
    is_right = error <= check.tolerance
    return ArrayResult(name, "right" if is_right else "wrong", error, points if is_right else 0.0, points)


def _follow_on(check: Check, names: Arrays, found: Arrays, arrays: tuple[ArrayResult, ...]) -> tuple[ArrayResult, ...]:
    """The results, with those right that follow from the student's own other arrays."""
    wrong = [array.name for array in arrays if array.verdict == "wrong" and array.error is not None]
    if len(wrong) < 2:
        return arrays
    own = {name: np.asarray(found[name], float).reshape(check.expected[name].shape) for name in wrong}
    following = check.model_copy(update={"expected": follow_on_arrays(check, names, own)})
    results = {array.name: array for array in arrays}
    for name in wrong:
        again = _compare_array(following, name, found[name])
        if again.verdict == "right":
            results[name] = replace(again, message=f"{name} is right after the wrong arrays before it")
    return tuple(results.values())


def _describe_arrays(arrays: Sequence[ArrayResult]) -> str:
    parts = []
    for verdict in ("right", "wrong"):
        names = [array.name for array in arrays if array.verdict == verdict and not array.message]
        if names:
            parts.append(f"{join_names(names)} {'is' if len(names) == 1 else 'are'} {verdict}")
    return "; ".join([*parts, *(array.message for array in arrays if array.message)])
