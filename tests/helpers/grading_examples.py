"""An assignment about a linear layer for tests, and its submissions."""

import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from deltarule.grading.assignment import Assignment, read_assignment
from deltarule.grading.grade import grade
from deltarule.grading.record import CheckResult, GradedArray, GradeRecord, SubmissionResult
from deltarule.grading.roster import Person, read_roster
from deltarule.grading.sandbox import Sandbox
from deltarule.grading.submissions import find_submissions

ASSIGNMENT = """
title = "A linear layer"
hint = 4
time_limit_seconds = 5

[[checks]]
part = "forward"
call = "linear_forward(x, W, b)"
returns = ["z"]

[[checks]]
part = "loss"
call = "loss(x, W, b, y)"
returns = ["J"]

[[checks]]
part = "backward"
call = "linear_backward(dz, x, W)"
returns = ["dx", "dW", "db"]
points = [1, 2, 1]
gradient_of = "linear_forward(x, W, b)"
by = ["x", "W", "b"]
upstream = "dz"

[[checks]]
part = "update"
call = "step(W, dW, 0.1)"
returns = ["W"]
"""
SOLUTION = """
import numpy as np

draws = np.random.default_rng(20)
x, W, b = draws.normal(size=(5, 3)), draws.normal(size=(3, 2)), draws.normal(size=2)
y, dz, dW = draws.normal(size=(5, 2)), draws.normal(size=(5, 2)), draws.normal(size=(3, 2))


def linear_forward(x, W, b):
    return x @ W + b


def loss(x, W, b, y):
    return np.mean((linear_forward(x, W, b) - y) ** 2)


def linear_backward(dz, x, W):
    return dz @ W.T, x.T @ dz, dz.sum(axis=0)


def step(W, dW, rate):
    W -= rate * dW
"""
NEEDED = "import numpy as np\n" + SOLUTION[SOLUTION.index("\n\ndef linear_forward") :]
"""A correct submission: only the functions of the solution."""
BACKWARD = "return dz @ W.T, x.T @ dz, dz.sum(axis=0)"
FORWARD = "return x @ W + b"


def write_assignment(folder: Path, text: str = ASSIGNMENT, solution: str = SOLUTION) -> Path:
    """Write the assignment and its solution; returns the assignment's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "solution.py").write_text(solution, encoding="utf-8")
    (folder / "assignment.toml").write_text(text, encoding="utf-8")
    return folder / "assignment.toml"


def linear_assignment(folder: Path, text: str = ASSIGNMENT) -> Assignment:
    """Write the assignment about a linear layer, and read it."""
    return read_assignment(write_assignment(folder, text))


def edited(right: str, wrong: str, source: str = NEEDED) -> str:
    """A correct submission with the text `right` replaced by `wrong`."""
    assert right in source
    return source.replace(right, wrong)


Content = str | bytes | Mapping[str, str | bytes]
"""A file's, or the files of a folder by their names."""


def write_files(folder: Path, files: Mapping[str, Content]) -> None:
    for name, content in files.items():
        path = folder / name
        if isinstance(content, str | bytes):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        else:
            write_files(path, content)


def grade_files(
    folder: Path,
    files: Mapping[str, Content],
    text: str = ASSIGNMENT,
    sandbox: Sandbox = "auto",
    solution: str = SOLUTION,
) -> GradeRecord:
    """Grade a class of files and folders, by their names; `text` is the assignment."""
    write_files(folder / "submissions", files)
    assignment = read_assignment(write_assignment(folder / "assignment", text, solution))
    submissions = find_submissions(folder / "submissions", functions=assignment.functions)
    return grade(assignment, submissions, sandbox=sandbox)


def grade_texts(
    folder: Path,
    sources: Mapping[str, str],
    text: str = ASSIGNMENT,
    sandbox: Sandbox = "auto",
    solution: str = SOLUTION,
) -> dict[str, SubmissionResult]:
    """Grade sources; the results by student."""
    files = {f"{name}.py": source for name, source in sources.items()}
    return by_student(grade_files(folder, files, text, sandbox, solution))


def by_student(record: GradeRecord) -> dict[str, SubmissionResult]:
    return {result.student: result for result in record.submissions}


def grade_one(folder: Path, source: str, text: str = ASSIGNMENT, sandbox: Sandbox = "auto") -> SubmissionResult:
    """Grade one submission, given as text; `text` is the assignment."""
    return grade_texts(folder, {"student": source}, text, sandbox)["student"]


def verdicts(result: SubmissionResult) -> dict[str, str]:
    """The verdicts of all arrays, by name."""
    return {array.name: array.verdict for check in result.checks for array in check.arrays}


def wait_for_end(word: str) -> None:
    """Wait until no process has this word on its command line, for a minute at most."""
    limit = time.monotonic() + 60
    while any(word in " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])):
        assert time.monotonic() < limit, f"a process with {word} is left"
        time.sleep(0.05)


def record_of(*results: SubmissionResult) -> GradeRecord:
    return GradeRecord("HW 3", 2, "visible", 10.0, results, "")


def roster(folder: Path, text: str) -> list[Person]:
    (folder / "roster.csv").write_text(text, encoding="utf-8")
    return read_roster(folder / "roster.csv")


def graded(student: str, points: float = 10.0, **fields: object) -> SubmissionResult:
    check = CheckResult("f(x)", "forward", "", (GradedArray("z", "right", 0.0, points, 10.0),))
    return SubmissionResult(student, True, "", (check,), **fields)  # type: ignore[arg-type]
