"""Grade the submissions of a class, each with processes of its own."""

import functools
import hashlib
import multiprocessing
import os
import queue
import sys
import tempfile
import threading
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

from deltarule.checking.catalog import join_names
from deltarule.errors import not_installed, one_line
from deltarule.grading.assignment import Assignment, read_assignment
from deltarule.grading.messages import clean_text
from deltarule.grading.one_submission import SubmissionGrading, missing_result
from deltarule.grading.record import RECORD_VERSION, GradeRecord, SubmissionResult
from deltarule.grading.sandbox import HELD, Road, Sandbox, choose_road
from deltarule.grading.source import as_module, foreign_imports, needs_ipython
from deltarule.grading.submissions import Submission, forbidden_copies

DIAGNOSIS_SECONDS = 5.0
"""After so long no further mistake of a submission is looked for."""
NO_DATA = ("roster.csv", "overrides.csv")
"""The files beside an assignment that leave earlier results valid when they change."""
SHARED_FOLDERS = "/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock", "/var/crash"
"""Folders in which everybody may write."""


def grade(
    assignment: Assignment,
    submissions: Sequence[Submission],
    *,
    sandbox: Sandbox = "auto",
    is_single: bool = False,
    workers: int = 2,
    known: Mapping[str, SubmissionResult] | None = None,
    after_submission: Callable[[SubmissionResult], None] | None = None,
) -> GradeRecord:
    """Grade submissions in separate processes, `workers` at a time.

    "auto" isolates the code where the system can, and raises `RunFailed` on Linux, or for a single submission beside
    its results, where it cannot; "required" does so everywhere; "off" limits time and memory alone. Results of `known`
    are used again if their digest has not changed.
    """
    road = choose_road(sandbox, is_required=is_single)
    if magics := [one.student for one in submissions if needs_ipython(one.cells)]:
        raise not_installed(f"the notebook of {join_names(magics[:3])}", "IPython", "notebook")
    before = _shared_files(road)
    source = _source_digest(assignment)
    processes = _Processes(min(workers, len(submissions)))

    def grade_submission(submission: Submission) -> SubmissionResult:
        result = _empty_result(assignment, submission, road)
        try:
            result = replace(result, digest=_result_digest(source, submission, road))
            earlier = (known or {}).get(submission.student)
            if earlier is not None and earlier.digest == result.digest:
                return replace(earlier, id=result.id, time=result.time, is_late=result.is_late)
            if not submission.problem:
                with tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as copy:
                    left_out = forbidden_copies(submission, tuple(assignment.forbid))
                    _copy_files(submission, Path(copy), left_out)
                    result = processes.grade(assignment, replace(submission, files={}), Path(copy), road, result)
                if left_out:
                    text = f"left out, as copies of forbidden modules: {len(left_out)} files such as "
                    result = replace(result, notes=(*result.notes, text + one_line(min(left_out))))
        except Exception as error:  # whatever one submission does, all others are graded
            message = f"it cannot be graded: {type(error).__name__}: {clean_text(str(error))}"
            result = replace(result, message=message)
        if after_submission is not None:
            after_submission(result)
        return result

    with tempfile.TemporaryDirectory(prefix="deltarule-grade-", ignore_cleanup_errors=True) as parent:
        Path(parent).chmod(0o711)  # each user finds its own folder, and no other
        with processes, ThreadPoolExecutor(workers) as threads:
            results = tuple(threads.map(grade_submission, submissions))
    left = tuple(sorted(map(one_line, _shared_files(road) - before)))
    return GradeRecord(assignment.title, assignment.hint, assignment.visibility, assignment.max_points, results, left)


def _empty_result(assignment: Assignment, submission: Submission, road: Road) -> SubmissionResult:
    """The result of a submission of which nothing has run."""
    imported = foreign_imports(submission.cells, submission.files)
    notes = filter(None, [submission.note, f"imports {', '.join(imported)}" if imported else ""])
    return SubmissionResult(
        submission.student,
        is_gradable=False,
        message=submission.problem,
        checks=tuple(missing_result(check, "not run") for check in assignment.checks),
        sandbox=HELD[road.name],
        digest="",
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


def _source_digest(assignment: Assignment) -> str:
    """The digest of an assignment's files, and of the data that lie beside them."""
    beside = (path for path in assignment.files[0].parent.iterdir() if path.is_file() and path.name not in NO_DATA)
    return "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in [*assignment.files, *sorted(beside)])


def _result_digest(source: str, submission: Submission, road: Road) -> str:
    digest = hashlib.sha256(f"{RECORD_VERSION} {source} {road.name} {submission.problem}".encode())
    digest.update(os.fsencode(submission.file))
    for name, path in sorted(submission.files.items()):
        digest.update(os.fsencode(name) + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _copy_files(submission: Submission, folder: Path, left_out: Container[str]) -> None:
    for target, path in submission.files.items():
        if target not in left_out:
            copy, content = folder / "submission" / target, path.read_bytes()
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(as_module(content) if target.endswith(".py") else content)
    (folder / "root").mkdir()
    folder.chmod(0o711)


class _Processes:
    """Processes that grade: a crash costs one submission its diagnosis at most."""

    def __init__(self, count: int) -> None:
        self._idle: queue.Queue[ProcessPoolExecutor] = queue.Queue()
        for _ in range(count):
            self._idle.put(_new_process())

    def __enter__(self) -> "_Processes":
        return self

    def __exit__(self, *_: object) -> None:
        while not self._idle.empty():
            self._idle.get().shutdown()

    def grade(
        self, assignment: Assignment, submission: Submission, folder: Path, road: Road, empty: SubmissionResult
    ) -> SubmissionResult:
        student = submission.student if assignment.hidden else ""
        process = self._idle.get()
        try:
            for seconds in (DIAGNOSIS_SECONDS, 0.0):  # once more without a diagnosis, which runs the solution
                job = assignment.files[0], student, submission, folder, road, seconds, empty
                try:
                    return process.submit(_grade_submission, *job).result()
                except BrokenProcessPool:
                    process = _new_process()
            return replace(empty, message="it cannot be graded: the grader's process ended")
        finally:
            self._idle.put(process)


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


_read_assignment = functools.lru_cache(maxsize=1)(read_assignment)
"""The assignment in a grading process; the main process has checked its solution."""


def _grade_submission(
    path: Path, student: str, submission: Submission, folder: Path, road: Road, seconds: float, empty: SubmissionResult
) -> SubmissionResult:
    assignment = _read_assignment(path, student, is_checked=True)
    return SubmissionGrading(assignment, submission, folder, road, seconds).run(empty)
