"""The record of a grading: results of arrays, calls, submissions and the class."""

import hashlib
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path

from deltarule.checking.catalog import Mistake
from deltarule.errors import BadInput, one_line
from deltarule.grading.sandbox import LIMITS, OPEN
from deltarule.json_files import read_json

RECORD = "record.json"
MAX_NAME_BYTES = 200
"""Pages and results are named after students; with their endings, a file's name has at most 255 bytes."""
_OUTSIDE = re.compile(r"^[.\s]+|[/\\<>:\"|?*]")
"""What a file's name cannot hold, or begins with to be hidden or to leave its folder."""


@dataclass(frozen=True)
class GradedArray:
    """One array of a check, which is right, wrong or missing."""

    name: str
    verdict: str
    error: float | None
    points: float
    max_points: float
    message: str = ""


@dataclass(frozen=True)
class CheckResult:
    """The result of one call, the line that is wrong, the lines of its mistakes, and notes for the teacher.

    `right_lines` are the solution's, beside the lines of the mistakes.

    What a teacher marks is a result of the part "manual", whose arrays are its criteria.
    """

    name: str
    part: str
    message: str
    arrays: tuple[GradedArray, ...]
    mistakes: tuple[Mistake, ...] = ()
    notes: tuple[str, ...] = ()
    line: str = ""
    lines: tuple[str, ...] = ()
    bonus: bool = False
    right_lines: tuple[str, ...] = ()

    @property
    def points(self) -> float:
        return sum(array.points for array in self.arrays)

    @property
    def max_points(self) -> float:
        return sum(array.max_points for array in self.arrays)

    def with_arrays(self, arrays: tuple[GradedArray, ...]) -> "CheckResult":
        """The result with other verdicts; where all are right, no mistake is left."""
        result = replace(self, arrays=arrays, message="; ".join(array.message for array in arrays))
        is_right = all(array.verdict == "right" for array in arrays)
        return replace(result, mistakes=(), line="") if is_right else result


def wrong_arrays(arrays: Sequence[GradedArray]) -> list[str]:
    """The names of arrays that have the right shape and wrong values."""
    return [array.name for array in arrays if array.verdict == "wrong" and array.error is not None]


@dataclass(frozen=True)
class HandedIn:
    """Who handed something in, and when.

    student    the name of its results
    id         what the system calls the student, and `delivered` the name that it gives; "" where it says nothing
    entry      the name of a file or folder of it as the system delivered it
    time       when it was handed in, or its latest file changed, in seconds since 1970
    is_late    by the system; None where it does not say
    notes      for the teacher alone
    """

    student: str
    _: KW_ONLY
    id: str = ""
    delivered: str = ""
    entry: str = ""
    time: float = 0.0
    is_late: bool | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SubmissionResult(HandedIn):
    """The results of a submission.

    is_gradable   False for code that could not be loaded at all
    class_notes   what the roster and overrides add to the notes
    fingerprint   of the code but for its names and comments; `statements` those of its statements in any order
    name          of the student by the roster, with `roster_id` and `section`, of its `row`
    lost          points that it lost by being late
    override      the teacher's own points
    partner       whose submission it is too, in a group
    """

    is_gradable: bool
    message: str
    checks: tuple[CheckResult, ...]
    fingerprint: str = ""
    statements: tuple[str, ...] = ()
    class_notes: tuple[str, ...] = ()
    name: str = ""
    roster_id: str = ""
    section: str = ""
    row: int | None = None
    lost: float = 0.0
    override: float | None = None
    partner: str = ""

    def of_partner(self) -> "SubmissionResult":
        """The same for another member of a group, whose code is no copy."""
        return replace(self, partner=self.student, fingerprint="", statements=())

    @property
    def title(self) -> str:
        return self.name or self.student

    @property
    def arrays(self) -> list[tuple[str, GradedArray]]:
        return [(check.name, array) for check in self.checks for array in check.arrays]

    @property
    def earned(self) -> float:
        return sum(array.points for _, array in self.arrays)

    @property
    def points(self) -> float:
        return max(self.earned - self.lost, 0.0) if self.override is None else self.override


@dataclass(frozen=True)
class GradeRecord:
    """An assignment and the results of all its submissions.

    `sandbox` says how code was isolated, `left` what appeared in folders for everybody meanwhile, where no sandbox
    prevents it, `absent` who of the roster handed nothing in, `uncertain` what a teacher has to decide, `kept` how
    many results are those of an earlier grading, and `weak` what the assignment's data cannot tell.
    """

    title: str
    hint: int
    visibility: str
    max_points: float
    submissions: tuple[SubmissionResult, ...]
    sandbox: str
    left: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()
    kept: int = 0
    weak: tuple[str, ...] = ()

    @property
    def warning(self) -> str:
        """What no sandbox prevented, for the teacher; "" where there was one."""
        left = f" New in shared folders: {', '.join(self.left)}." if self.left else ""
        return f"No sandbox: submissions {OPEN}.{left}" if self.sandbox == LIMITS else ""


def format_points(points: float) -> str:
    return f"{points:.4g}"


def read_record(
    folder: Path, title: str, max_points: Sequence[tuple[str, str, float]], students: Collection[tuple[str, str]]
) -> GradeRecord | None:
    """The record of an earlier grading in a folder, whose other results are kept; `BadInput` if they cannot be.

    `title` and `max_points` (of each array, with its check) are those of the assignment. `students` are graded anew, by
    their names and ids as delivered.
    """
    from pydantic import TypeAdapter, ValidationError

    path = folder / RECORD
    if not path.exists():
        return None
    try:
        record = TypeAdapter(GradeRecord).validate_python(read_json(path))
    except ValidationError:
        raise BadInput(f"{path} was not written by this version of grade; give another --out") from None
    if record.title != title:
        raise BadInput(f"{folder} holds the grades of '{record.title}'; give another --out for '{title}'")
    record = replace(record, submissions=tuple(_without_marks(result) for result in record.submissions))
    arrays = [
        (check.name, array.name, array.max_points) for check in record.submissions[0].checks for array in check.arrays
    ]
    if arrays == list(max_points):
        return record
    if all((result.delivered, result.id) in students for result in record.submissions if result.time):
        return None
    raise BadInput(f"{path} has other checks or points than '{title}' has now; grade the whole class again")


def _without_marks(result: SubmissionResult) -> SubmissionResult:
    """A result without what the teacher marked, which is read anew."""
    return replace(result, checks=tuple(check for check in result.checks if check.part != "manual"))


def merge_earlier(record: GradeRecord, earlier: GradeRecord | None) -> GradeRecord:
    """The record with those results of an earlier one that were not graded anew."""
    if earlier is None:
        return record
    known = {(result.delivered, result.id): result.student for result in earlier.submissions}
    others = {student: owner for owner, student in known.items()}
    results = []
    for result in record.submissions:
        owner = result.delivered, result.id
        student = known.get(owner, result.student)
        if others.get(student, owner) != owner:  # another student of the same name
            student = f"{student}-{result.id or 2}"
        results.append(replace(result, student=student))
    new = {result.student for result in results}
    kept = [result for result in earlier.submissions if result.student not in new and result.time]
    submissions = sorted([*results, *kept], key=lambda result: result.student)
    return replace(record, submissions=tuple(submissions), kept=len(kept))


def safe_name(name: str) -> str:
    """A student's name as a line of text, and as the name of a file that stays in its folder."""
    raw = os.fsencode(name)
    name = _OUTSIDE.sub("_", one_line(raw.decode(errors="backslashreplace").replace("\\", "_")))
    is_long = len(name.encode()) > MAX_NAME_BYTES
    return f"{name[: MAX_NAME_BYTES // 8]}-{hashlib.sha256(raw).hexdigest()[:16]}" if is_long else name
