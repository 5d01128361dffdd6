"""The record of a grading: results of arrays, calls, submissions and the class."""

import hashlib
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path

from deltarule.checking.catalog import Mistake
from deltarule.errors import BadInput, count_of, one_line
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


Owner = tuple[str, str]
"""Whose submission it is, whatever is handed in: the name and the id that a system gives."""


@dataclass(frozen=True)
class HandedIn:
    """Who handed something in, and when.

    student    the name of its results
    id         what the system calls the student, and `delivered` the name that it gives; "" where it says nothing
    email      by the system, in small letters
    entry      the name of a file or folder of it as the system delivered it
    time       when it was handed in, in seconds since 1970; 0 where that is unknown
    is_late    by the system; None where it does not say
    notes      for the teacher alone
    """

    student: str
    _: KW_ONLY
    id: str = ""
    delivered: str = ""
    email: str = ""
    entry: str = ""
    time: float = 0.0
    is_late: bool | None = None
    notes: tuple[str, ...] = ()

    @property
    def owner(self) -> Owner:
        return self.delivered, self.id


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
    digest        of all its files, and `solution` of the assignment with which it was graded; "" where nobody knows
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
    digest: str = ""
    solution: str = ""

    def of_partner(self) -> "SubmissionResult":
        """The same for another member of a group, whose code is no copy."""
        return replace(self, partner=self.student, fingerprint="", statements=(), digest="")

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
    many results are those of an earlier grading, and `weak` what the assignment's data cannot tell. `solution` is the
    digest of the assignment, and `unfinished` names those whose submissions are still to be graded, where a grading was
    interrupted or could not write all of its files; None after one that has ended.
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
    solution: str = ""
    unfinished: tuple[Owner, ...] | None = None

    @property
    def warning(self) -> str:
        """What no sandbox prevented, for the teacher; "" where there was one."""
        left = f" New in shared folders: {', '.join(self.left)}." if self.left else ""
        return f"No sandbox: submissions {OPEN}.{left}" if self.sandbox == LIMITS else ""


def with_partners(
    results: Sequence[SubmissionResult], partners: Mapping[str, Sequence[HandedIn]]
) -> tuple[SubmissionResult, ...]:
    """The results in order, of a group one for each of its members, by the name of who handed in."""
    complete = list(results)
    for result in results:
        for other in partners[result.student]:
            who = {name: getattr(other, name) for name in ("student", "delivered", "id", "email")}
            notes = (*result.notes, f"handed in with {result.student}")
            complete.append(replace(result.of_partner(), **who, notes=notes))
    return tuple(sorted(complete, key=lambda result: result.student))


def format_points(points: float) -> str:
    return f"{points:.4g}"


def read_record(
    folder: Path, title: str, max_points: Sequence[tuple[str, str, float]], owners: Collection[Owner]
) -> GradeRecord | None:
    """The record of an earlier grading in a folder, whose other results are kept; `BadInput` if they cannot be.

    `title` and `max_points` (of each array, with its check) are those of the assignment. The submissions of `owners`
    are graded anew.
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
    record = replace(record, submissions=tuple(map(_without_teacher, record.submissions)))
    arrays = [
        (check.name, array.name, array.max_points) for check in record.submissions[0].checks for array in check.arrays
    ]
    if arrays == list(max_points):
        return record
    if all(result.owner in owners for result in record.submissions if result.delivered):
        return None
    raise BadInput(f"{path} has other checks or points than '{title}' has now; grade the whole class again")


def _without_teacher(result: SubmissionResult) -> SubmissionResult:
    """A result without what the teacher's files say of it, which are read anew."""
    checks = tuple(check for check in result.checks if check.part != "manual")
    return replace(result, checks=checks, override=None, class_notes=())


def known_results(earlier: GradeRecord | None, solution: str) -> dict[str, SubmissionResult]:
    """What a grading by this solution has reached that did not end, by the digests of the submissions."""
    if earlier is None or earlier.unfinished is None:
        return {}
    graded = [result for result in earlier.submissions if result.digest and result.owner not in earlier.unfinished]
    return {result.digest: result for result in graded if result.solution == solution}


def merge_earlier(record: GradeRecord, earlier: GradeRecord | None, *, is_part: bool = True) -> GradeRecord:
    """The record with those results of an earlier one that were not graded anew.

    With `is_part` some of a class were graded, and what was unfinished before stays so.
    """
    if earlier is None:
        return record
    before = {result.owner: result for result in earlier.submissions}
    others = {result.student: owner for owner, result in before.items()}
    results = []
    for result in record.submissions:
        same = before.get(result.owner)
        student = same.student if same is not None else result.student
        if (
            same is not None and not result.time and same.digest == result.digest
        ):  # one file of a class whose times are known
            result = replace(result, time=same.time)
        if others.get(student, result.owner) != result.owner:  # another student of the same name
            student = f"{student}-{result.id or 2}"
        results.append(replace(result, student=student))
    new = {result.student for result in results}
    kept = [result for result in earlier.submissions if result.student not in new and result.delivered]
    submissions = sorted([*results, *kept], key=lambda result: result.student)
    unfinished = record.unfinished
    if is_part and earlier.unfinished is not None:
        graded = {result.owner for result in results}
        unfinished = (*(unfinished or ()), *(owner for owner in earlier.unfinished if owner not in graded))
    return replace(record, submissions=tuple(submissions), kept=len(kept), unfinished=unfinished or record.unfinished)


def note_other_solutions(record: GradeRecord) -> GradeRecord:
    """The record with a note on each result that was made with another solution than the last ones."""
    other = [result for result in record.submissions if result.solution not in ("", record.solution)]
    if not other:
        return record
    names = ", ".join(result.title for result in other[:5]) + (", …" if other[5:] else "")
    why = "by an earlier solution or assignment"
    noted = [
        replace(result, class_notes=(*result.class_notes, f"these points are {why}")) if result in other else result
        for result in record.submissions
    ]
    text = (
        f"{count_of(len(other), 'result')} by an earlier solution or assignment: {names}; grade the whole class again"
    )
    return replace(record, submissions=tuple(noted), uncertain=(text, *record.uncertain))


def safe_name(name: str) -> str:
    """A student's name as a line of text, and as the name of a file that stays in its folder."""
    raw = os.fsencode(name)
    name = _OUTSIDE.sub("_", one_line(raw.decode(errors="backslashreplace").replace("\\", "_")))
    is_long = len(name.encode()) > MAX_NAME_BYTES
    return f"{name[: MAX_NAME_BYTES // 8]}-{hashlib.sha256(raw).hexdigest()[:16]}" if is_long else name
