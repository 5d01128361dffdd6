"""Grade the submissions of a class, each with processes of its own."""

import contextlib
import multiprocessing
import os
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

from deltarule.checking.catalog import join_names
from deltarule.errors import not_installed, one_line
from deltarule.grading.assignment import Assignment, read_assignment
from deltarule.grading.messages import clean_text
from deltarule.grading.one_submission import SubmissionGrading, missing_result
from deltarule.grading.record import GradeRecord, SubmissionResult
from deltarule.grading.sandbox import HELD, Road, Sandbox, choose_road
from deltarule.grading.source import as_module, foreign_imports, needs_ipython
from deltarule.grading.submissions import Submission, forbidden_copies

DIAGNOSIS_SECONDS = 5.0
"""After so long no further mistake of a submission is looked for."""
GRADED_AT_ONCE = 2
SHARED_FOLDERS = "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock", "/var/crash"
"""Folders in which everybody may write."""


def grade(
    assignment: Assignment, submissions: Sequence[Submission], *, sandbox: Sandbox = "auto", is_single: bool = False
) -> GradeRecord:
    """Grade submissions in separate processes.

    "auto" isolates the code where the system can, and raises `RunFailed` on Linux, or for a single submission beside
    its results, where it cannot; "required" does so everywhere; "off" limits time and memory alone.
    """
    road = choose_road(sandbox, is_required=is_single)
    if magics := [one.student for one in submissions if needs_ipython(one.cells)]:
        raise not_installed(f"the notebook of {join_names(magics[:3])}", "IPython", "notebook")
    before = _shared_files(road)

    def grade_submission(submission: Submission) -> SubmissionResult:
        result = _empty_result(assignment, submission)
        if submission.problem:
            return result
        try:
            left_out = forbidden_copies(submission, tuple(assignment.forbid))
            if left_out:
                text = f"left out, as copies of forbidden modules: {len(left_out)} files such as "
                result = replace(result, notes=(*result.notes, text + one_line(min(left_out))))
            with tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as name:
                folder = Path(name)
                for target, path in submission.files.items():
                    if target not in left_out:
                        copy, content = folder / "submission" / target, path.read_bytes()
                        copy.parent.mkdir(parents=True, exist_ok=True)
                        copy.write_bytes(as_module(content) if target.endswith(".py") else content)
                (folder / "root").mkdir()
                folder.chmod(0o711)
                return _grade_apart(assignment, replace(submission, files={}), folder, road, result)
        except Exception as error:  # whatever one submission does, all others are graded
            message = f"it cannot be graded: {type(error).__name__}: {clean_text(str(error))}"
            return replace(result, message=message)

    with tempfile.TemporaryDirectory(prefix="deltarule-grade-", ignore_cleanup_errors=True) as parent:
        Path(parent).chmod(0o711)  # each user finds its own folder, and no other
        with ThreadPoolExecutor(GRADED_AT_ONCE) as threads:
            results = tuple(threads.map(grade_submission, submissions))
    left = tuple(sorted(map(one_line, _shared_files(road) - before)))
    about = assignment.title, assignment.hint, assignment.visibility, assignment.max_points
    return GradeRecord(*about, results, HELD[road.name], left)


def _empty_result(assignment: Assignment, submission: Submission) -> SubmissionResult:
    """The result of a submission of which nothing has run."""
    imported = foreign_imports(submission.cells, submission.files)
    notes = filter(None, [submission.note, f"imports {', '.join(imported)}" if imported else ""])
    return SubmissionResult(
        submission.student,
        is_gradable=False,
        message=submission.problem,
        checks=tuple(missing_result(check, "not run") for check in assignment.checks),
        notes=tuple(notes),
        id=submission.id,
        time=submission.time,
        is_late=submission.is_late,
    )


def _shared_files(road: Road) -> set[str]:
    """What lies in folders for everybody, where submissions could leave something."""
    folders = () if road.is_closed else {tempfile.gettempdir(), *SHARED_FOLDERS}
    entries = (str(entry) for folder in map(Path, folders) if folder.is_dir() for entry in folder.iterdir())
    return {entry for entry in entries if "pymp-" not in entry}  # Python's own, for processes


def _grade_apart(
    assignment: Assignment, submission: Submission, folder: Path, road: Road, empty: SubmissionResult
) -> SubmissionResult:
    """Grade in a process of its own, whose crash costs one submission its diagnosis."""
    context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    if sys.platform != "win32":
        context.set_forkserver_preload([__name__])  # so that a process starts at once
    student = submission.student if assignment.hidden else ""
    for seconds in (DIAGNOSIS_SECONDS, 0.0):  # once more without a diagnosis, which runs the solution
        job = assignment.files[0], student, submission, folder, road, seconds, empty
        with ProcessPoolExecutor(1, context, _end_with_grader) as process, contextlib.suppress(BrokenProcessPool):
            return process.submit(_grade_submission, *job).result()
    return replace(empty, message="it cannot be graded: the grader's process ended")


def _end_with_grader() -> None:
    """End this process, and so what a submission has started, when the grader ends."""

    def wait() -> None:
        if grader := multiprocessing.parent_process():
            grader.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _grade_submission(
    path: Path, student: str, submission: Submission, folder: Path, road: Road, seconds: float, empty: SubmissionResult
) -> SubmissionResult:
    assignment = read_assignment(path, student, is_checked=True)
    return SubmissionGrading(assignment, submission, folder, road, seconds).run(empty)
