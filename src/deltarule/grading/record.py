"""The record of a grading: results of arrays, calls, submissions and the class."""

from dataclasses import dataclass

from deltarule.checking.catalog import Mistake
from deltarule.grading.sandbox import LIMITS, OPEN


@dataclass(frozen=True)
class ArrayResult:
    """One array of a check, which is right, wrong or missing."""

    name: str
    verdict: str
    error: float | None
    points: float
    max_points: float
    message: str = ""


@dataclass(frozen=True)
class CheckResult:
    """The result of one call, the line that is wrong, and notes for the teacher."""

    name: str
    part: str
    message: str
    arrays: tuple[ArrayResult, ...]
    mistakes: tuple[Mistake, ...] = ()
    notes: tuple[str, ...] = ()
    line: str = ""

    @property
    def points(self) -> float:
        return sum(array.points for array in self.arrays)

    @property
    def max_points(self) -> float:
        return sum(array.max_points for array in self.arrays)


@dataclass(frozen=True)
class SubmissionResult:
    """The results of a submission.

    is_gradable   False for code that could not be loaded at all
    notes         for the teacher alone
    time          when it was handed in, in seconds since 1970; `is_late` is what the system says
    fingerprint   of the code but for its names and comments
    name          of the student by the roster, with `id` and `section`
    lost          points that it lost by being late
    override      the teacher's own points
    """

    student: str
    is_gradable: bool
    message: str
    checks: tuple[CheckResult, ...]
    notes: tuple[str, ...] = ()
    fingerprint: str = ""
    id: str = ""
    time: float = 0.0
    is_late: bool | None = None
    name: str = ""
    section: str = ""
    lost: float = 0.0
    override: float | None = None

    @property
    def title(self) -> str:
        return self.name or self.student

    @property
    def arrays(self) -> list[tuple[str, ArrayResult]]:
        return [(check.name, array) for check in self.checks for array in check.arrays]

    @property
    def points(self) -> float:
        earned = max(sum(array.points for _, array in self.arrays) - self.lost, 0.0)
        return earned if self.override is None else self.override


@dataclass(frozen=True)
class GradeRecord:
    """An assignment and the results of all its submissions.

    `sandbox` says how code was isolated, `left` what appeared in folders for everybody meanwhile, where no sandbox
    prevents it, `absent` who of the roster handed nothing in.
    """

    title: str
    hint: int
    visibility: str
    max_points: float
    submissions: tuple[SubmissionResult, ...]
    sandbox: str
    left: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def warning(self) -> str:
        """What no sandbox prevented, for the teacher; "" where there was one."""
        left = f" New in shared folders: {', '.join(self.left)}." if self.left else ""
        return f"No sandbox: submissions {OPEN}.{left}" if self.sandbox == LIMITS else ""
