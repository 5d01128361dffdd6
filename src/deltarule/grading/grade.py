"""Grade the submissions of a class by comparing their results with the solution's.

Because every call gets the teacher's values, a mistake only costs the points of the arrays that it concerns: a wrong δ
of the output layer does not make the first layer's gradients wrong.
"""

import contextlib
import difflib
import functools
import multiprocessing.util
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from deltarule.checking.catalog import Mistake
from deltarule.errors import one_line
from deltarule.grading.assignment import Assignment, read_assignment
from deltarule.grading.checks import SolvedCheck, compare_array
from deltarule.grading.diagnosis import name_mistakes
from deltarule.grading.follow_on import call_check, follow_arrays, follow_functions, note_unmoved
from deltarule.grading.numeric import numeric_kinds
from deltarule.grading.pool import run_in_pool
from deltarule.grading.process import Failed, RunningCode, Worker, clean_text
from deltarule.grading.record import (
    CheckResult,
    GradedArray,
    GradeRecord,
    HandedIn,
    Owner,
    SubmissionResult,
    with_partners,
)
from deltarule.grading.sandbox import HELD, LIMITS, Sandbox, has_sandbox
from deltarule.grading.source import (
    defined_functions,
    defined_names,
    fingerprint,
    foreign_imports,
    line_of,
    read_cells,
    returned_expressions,
    statement_shapes,
    unusual_parts,
)
from deltarule.grading.submissions import Submission
from deltarule.grading.submitted_files import copy_files
from deltarule.platforms import interrupts

SHARED_FOLDERS = "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock", "/var/crash"
"""Folders in which everybody may write."""

EPSILON_TOLERANCE = 1e-4
"""The largest error of what a small number within a logarithm or a quotient explains."""
_EPSILON = re.compile(r"(?:[-+,]|=)\s*(?:1e-\d+|10\s*\*\*\s*-\s*\d+|eps\w*)", re.IGNORECASE)

Job = tuple[Submission, Path, SubmissionResult]
"""A submission without its files, which lie in the folder, and its result as long as nothing has run."""


def grade(
    assignment: Assignment,
    submissions: Sequence[Submission],
    *,
    sandbox: Sandbox = "auto",
    is_single: bool = False,
    known: Mapping[str, SubmissionResult] = MappingProxyType({}),
    observe: Callable[[GradeRecord], None] = lambda record: None,
) -> GradeRecord:
    """Grade submissions in separate processes.

    "auto" isolates the code where the system can, and raises `RunFailed` on Linux, or for a single submission beside
    its results, where it cannot; "required" does so everywhere; "off" limits time and memory alone. `known` are
    results that an interrupted grading has reached, by the digests of their submissions. After Ctrl-C the record has
    those that are graded, and names the others; so do the records that `observe` gets as results come.
    """
    isolation = has_sandbox(sandbox, is_required=is_single)
    held = {"": LIMITS, "landlock": HELD}.get(isolation, f"no network, no files but its own ({isolation})")
    multiprocessing.util.get_temp_dir()  # it would be made for our processes, and then be new
    before = _shared_files(isolation)
    with tempfile.TemporaryDirectory(prefix="deltarule-grade-", ignore_cleanup_errors=True) as folder:
        folders = (Path(folder) / str(number) for number in range(len(submissions)))
        jobs = [_prepare(assignment, *pair) for pair in zip(submissions, folders, strict=True)]
        about = assignment.title, assignment.hint, assignment.visibility, assignment.max_points

        def record(results: Sequence[SubmissionResult], unfinished: tuple[Owner, ...] | None) -> GradeRecord:
            complete = with_partners(results, {submission.student: submission.others for submission in submissions})
            return GradeRecord(*about, complete, held, solution=assignment.digest, unfinished=unfinished)

        graded = _grade_jobs(
            assignment, isolation, submissions, jobs, known, lambda *reached: observe(record(*reached))
        )
        ended = record(*graded)
    return replace(ended, left=tuple(sorted(map(one_line, _shared_files(isolation) - before))))


def _grade_jobs(
    assignment: Assignment,
    isolation: str,
    submissions: Sequence[Submission],
    jobs: Sequence[Job],
    known: Mapping[str, SubmissionResult],
    see: Callable[[list[SubmissionResult], tuple[Owner, ...]], None],
) -> tuple[list[SubmissionResult], tuple[Owner, ...] | None]:
    """The results, and the owners of submissions that Ctrl-C has left without one; None where it was not pressed.

    Whenever there are more results, `see` gets those and the owners of the others.
    """
    common = assignment.paths[0], assignment.hidden, isolation
    results, unfinished = [], []
    new = list[tuple[Submission, Job]]()
    for submission, job in zip(submissions, jobs, strict=True):
        if job[2].digest in known:
            about = {field.name: getattr(job[2], field.name) for field in fields(HandedIn)}
            results.append(replace(known[job[2].digest], **about))
        else:
            new.append((submission, job))
    seen = 0
    with interrupts() as is_stopped:

        def goes_on(futures: Sequence[Future[SubmissionResult]]) -> bool:
            nonlocal seen
            is_graded = [future.done() and future.exception() is None for future in futures]
            if seen < sum(is_graded) < len(new):
                seen = sum(is_graded)
                reached = [future.result() for future, graded in zip(futures, is_graded, strict=True) if graded]
                others = (pair[0].owner for pair, graded in zip(new, is_graded, strict=True) if not graded)
                see([*results, *reached], tuple(others))
            return not is_stopped()

        futures = run_in_pool(_grade_submission, [(*common, True, *job) for _, job in new], goes_on)
        for (submission, job), future in zip(new, futures, strict=True):
            for is_diagnosed in (True, False):  # the solution may end its process beside a student's arrays
                if isinstance(future.exception(), BrokenProcessPool) and not is_stopped():
                    copy = Path(f"{job[1]}-{is_diagnosed}")  # a run changes and removes its own
                    again = (*common, is_diagnosed, *_prepare(assignment, submission, copy))
                    [future] = run_in_pool(_grade_submission, [again], lambda _: not is_stopped())
            if not isinstance(future.exception(), BrokenProcessPool):
                results.append(future.result())
            elif is_stopped():
                unfinished.append(submission.owner)
            else:
                results.append(replace(job[2], message="it ends the grader's own process"))
        return results, tuple(unfinished) if is_stopped() else None


def _prepare(assignment: Assignment, submission: Submission, folder: Path) -> Job:
    """Copy a submission's files into a folder of its own; its result as long as nothing has run."""
    for name in ("submission", "root"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    notes = list(submission.notes)
    if imported := foreign_imports(submission.cells, {*submission.files, *assignment.shared}):
        notes.append(f"imports {', '.join(imported)}")
    if unusual := unusual_parts(submission.cells):
        notes.append(f"has what homework seldom needs: {', '.join(map(one_line, unusual[:8]))}")
    digest, problems = copy_files(submission, folder / "submission", tuple(assignment.forbid))
    replaced = []
    for target, path in assignment.shared.items():
        copy = (folder / "submission" / submission.file).parent / target
        with contextlib.suppress(OSError):  # where a student's file has the name of the folder
            if copy.is_file() and copy.read_bytes().splitlines() != path.read_bytes().splitlines():
                replaced.append(one_line(target))
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    about = {field.name: getattr(submission, field.name) for field in fields(HandedIn)}
    about["notes"] = (*notes, *problems)
    checks = tuple(missing_result(check, "not run") for check in assignment.checks)
    message = f"graded with the assignment's {', '.join(replaced)}, not with yours" if replaced else ""
    result = SubmissionResult(**about, is_gradable=False, message=submission.problem or message, checks=checks)
    result = replace(result, digest=digest, solution=assignment.digest)
    return replace(submission, files={}, salt=digest), folder, result


_read_assignment = functools.lru_cache(maxsize=1)(functools.partial(read_assignment, is_checked=True))
"""The assignment in a process, with a submission's own data if they are hidden; the grader has checked the solution."""


def _grade_submission(
    path: Path,
    is_hidden: bool,
    isolation: str,
    is_diagnosed: bool,
    submission: Submission,
    folder: Path,
    result: SubmissionResult,
) -> SubmissionResult:
    if submission.problem:
        return result
    try:
        own = _read_assignment(path, submission.salt if is_hidden else "")
        result = replace(result, solution=own.digest)
        with contextlib.closing(Worker(submission, folder, own, isolation)) as running:
            problem = running.load()
            checks = tuple(grade_check(check, own, running, is_diagnosed) for check in own.checks)
            if is_diagnosed:
                with contextlib.suppress(Failed):
                    checks = follow_functions(own.checks, checks, own.names, running)
                pairs = zip(own.checks, checks, strict=True)
                checks = tuple(note_unmoved(check, result, own.names, running) for check, result in pairs)
    except Failed as error:
        return replace(result, message=str(error))
    except Exception as error:  # whatever one submission does, all others are graded
        message = f"it cannot be graded: {type(error).__name__}: {clean_text(str(error))}"
        return replace(result, message=message)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    is_gradable = not problem or any(array.verdict != "missing" for check in checks for array in check.arrays)
    message = f"while it was loaded: {problem}" if problem else ""
    message = "; ".join(filter(None, [result.message, message]))
    result = replace(result, is_gradable=is_gradable, message=message, checks=checks)
    shapes = statement_shapes(submission.cells)
    return replace(result, fingerprint=fingerprint(submission.cells), statements=shapes)


def _shared_files(isolation: str) -> set[str]:
    """What lies in folders for everybody, where submissions could leave something."""
    folders = () if isolation else {tempfile.gettempdir(), *SHARED_FOLDERS}
    return {str(entry) for folder in map(Path, folders) if folder.is_dir() for entry in folder.iterdir()}


def missing_result(check: SolvedCheck, message: str, *notes: str) -> CheckResult:
    """The result of a call that returned nothing."""
    arrays = tuple(GradedArray(name, "missing", None, 0.0, points) for name, points in check.max_points.items())
    return CheckResult(check.name, check.part, message, arrays, notes=notes, bonus=check.bonus)


def _why_not_defined(check: SolvedCheck, message: str, running: RunningCode) -> str:
    """Why a function is not defined that stands in the submission, as for a wrong statement within it; or ""."""
    missing = re.search(r"NameError: name '(\w+)' is not defined$", message)
    names = {*check.functions} & defined_names(running.submission.cells)
    if missing is None or missing[1] not in names or not running.problem:
        return ""
    return f"{missing[1]} cannot be run: {running.problem}"


def _what_is_there(check: SolvedCheck, assignment: Assignment, submission: Submission) -> str:
    """The functions that a submission has instead of one that it lacks."""
    missing = set(check.functions) - defined_names(submission.cells)
    others = [name for name in defined_functions(submission.cells) if name not in assignment.functions]
    if not missing or not others:
        return ""
    close = difflib.get_close_matches(min(missing), others, 3, 0.4) or others[:3]
    return f"; you have {', '.join(close)}"


def _without_epsilon(
    check: SolvedCheck, submission: Submission, arrays: tuple[GradedArray, ...]
) -> tuple[GradedArray, ...]:
    """The results, with what is right but for a small number that avoids log(0) or a division by it."""
    code = "\n".join(source for _, source in submission.cells)
    if check.part not in ("forward", "loss") or not _EPSILON.search(code):
        return arrays
    return tuple(
        replace(array, verdict="right", points=array.max_points, message=f"{array.name} is right but for an epsilon")
        if array.verdict == "wrong" and array.error is not None and array.error <= EPSILON_TOLERANCE
        else array
        for array in arrays
    )


def _line_of_solution(assignment: Assignment, check: SolvedCheck, mistake: Mistake) -> str:
    """The line with which the solution computes the arrays of a mistake; "" where it does not say."""
    if "paths" not in vars(assignment):  # public checks have no solution
        return ""
    cells = read_cells("solution.py", assignment.paths[1].read_bytes())
    texts = returned_expressions(cells, check.call)
    if len(texts) != len(check.by):
        return ""
    concerned = {texts[check.by.index(name)] for name in mistake.where if name in check.by}
    return line_of(cells, check.call, sorted(concerned), sorted({*texts} - concerned))


def grade_check(
    check: SolvedCheck, assignment: Assignment, running: RunningCode, is_diagnosed: bool = True
) -> CheckResult:
    """Make a call, compare its result with the solution's and name the mistakes.

    With `is_diagnosed` the solution runs beside the student's arrays.
    """
    started = time.monotonic()
    try:
        outputs, is_other = call_check(check, running)
    except Failed as error:  # earlier checks still count, and later ones get a new process
        message = _why_not_defined(check, str(error), running) or str(error)
        message += _what_is_there(check, assignment, running.submission)
        return missing_result(check, message, *filter(None, [error.note]))
    names = returned_expressions(running.submission.cells, check.call)
    arrays = tuple(compare_array(check, name, outputs.get(name)) for name in check.returns)
    arrays = _without_epsilon(check, running.submission, arrays)
    mistakes: tuple[Mistake, ...] = ()
    if is_diagnosed:
        if check.follow_on:
            arrays = follow_arrays(check, assignment.names, running, outputs, arrays)
        if {array.verdict for array in arrays} in ({"wrong"}, {"right", "wrong"}):
            mistakes = name_mistakes(check, assignment.names, outputs)
    numeric, problem = numeric_kinds(check, assignment, running, outputs, time.monotonic() - started)
    if numeric and assignment.numeric == "forbid":
        why = f"is taken by {' and '.join(numeric)}, which this assignment does not allow"
        without_points = functools.partial(replace, points=0.0, verdict="wrong", error=None)
        arrays = tuple(without_points(array, message=f"{array.name} {why}") for array in arrays)
    texts = names if len(names) == len(arrays) else list(check.returns)
    line, lines, right_lines = _lines(check, assignment, running, arrays, mistakes, texts)
    notes = _notes(check, outputs, numeric, problem)
    if is_other:
        notes.append("returns other arrays than it should: those that it should were found by name or shape")
    message = "; ".join(array.message for array in arrays)
    about = check.name, check.part, message, arrays, mistakes, tuple(notes)
    return CheckResult(*about, line, tuple(lines), check.bonus, tuple(right_lines))


def _lines(
    check: SolvedCheck,
    assignment: Assignment,
    running: RunningCode,
    arrays: tuple[GradedArray, ...],
    mistakes: tuple[Mistake, ...],
    texts: list[str],
) -> tuple[str, list[str], list[str]]:
    """The line with what is wrong, and for each mistake that of the submission and that of the solution."""
    cells = running.submission.cells
    lines, right_lines = list[str](), list[str]()
    is_wrong = [array.verdict == "wrong" for array in arrays]
    wrong, right = ([text for text, bad in zip(texts, is_wrong, strict=True) if bad == kind] for kind in (True, False))
    with contextlib.suppress(Exception):  # a line is a help; whatever a stranger's code is, the points stand
        for mistake in mistakes:
            concerned = {texts[check.by.index(name)] for name in mistake.where if name in check.by} or set(wrong)
            lines.append(line_of(cells, check.call, sorted(concerned), sorted({*texts} - concerned)))
            right_lines.append(_line_of_solution(assignment, check, mistake))
        first = line_of(cells, check.call, wrong, right) if right and not lines else ""
        return (lines or [first])[0], lines, right_lines
    return "", lines, right_lines


def _notes(check: SolvedCheck, outputs: dict[str, Any], numeric: list[str], problem: str) -> list[str]:
    """What is to be said of a check beside its arrays: derivatives by differences, and what is no array."""
    notes = [f"{check.call} takes derivatives by {' and '.join(numeric)}"] if numeric else []
    if problem:
        notes.append(f"whether {check.call} takes derivatives by differences is not known: {problem}")
    if any(value is not None and (not isinstance(value, np.ndarray) or not value.size) for value in outputs.values()):
        notes.append(f"{check.call} returns what is no array, or an array without entries")
    return notes
