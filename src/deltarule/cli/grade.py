"""`deltarule grade`: grade the submissions of an assignment."""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from deltarule import platforms
from deltarule.cli.grade_output import MAX_COMMON, change_lines, foreseen_lines, grade_lines, unmatched_lines
from deltarule.cli.options import Json, argument, grouped, option
from deltarule.cli.output import Result, remark, show, show_shares
from deltarule.cli.output_paths import Output
from deltarule.errors import BadInput, count_of, one_line
from deltarule.files import make_folder
from deltarule.grading.codes import Worksheet, read_codes
from deltarule.reports.table import TableColumn, table

if TYPE_CHECKING:
    from deltarule.grading.assignment import Assignment
    from deltarule.grading.record import GradeRecord, SubmissionResult
    from deltarule.grading.roster import Person
    from deltarule.grading.submissions import Submission, Times

Submissions = Annotated[
    Path | None, argument("SUBMISSIONS", "A folder with a file or folder for each student, or one file.")
]
With = Annotated[Path | None, option("--with", "The assignment, a TOML file beside its solution.", "FILE")]
Out = Annotated[
    Path | None, option("--out", "Folder for pages, grades.csv and more.", "DIR"), Output("results", is_folder=True)
]
Roster = Annotated[Path | None, option("--roster", "The class, a CSV file: names, sections, due times.", "FILE")]
Groups = Annotated[Path | None, option("--groups", "Who works with whom, if the roster lacks it: a CSV file.", "FILE")]
HandInTimes = Annotated[
    Literal["system", "files"], option("--times", "Where no system says when: unknown, or when the files changed.")
]
SandboxMode = Annotated[Literal["required", "auto", "off"], option("--sandbox", "Keep code from network and files.")]
Container = Annotated[Literal["podman", "docker"] | None, option("--container", "Keep code in a container instead.")]
Only = Annotated[list[str] | None, option("--only", "Grade one student again, by name or id; repeatable.", "ID")]
Since = Annotated[Path | None, option("--since", "Say what changes since the grading in this folder.", "DIR")]
Single = Annotated[bool, option("--single", "SUBMISSIONS is the folder of one student.")]
DryRun = Annotated[bool, option("--dry-run", "Show what is taken from the files, and run nothing.")]
Codes = Annotated[Path | None, option("--codes", "List the codes of worksheets in this file, and end.", "FILE")]
Starter = Annotated[
    Path | None,
    option("--starter", "Write stubs, task and public checks for students, and end.", "DIR"),
    Output("starter", is_folder=True),
]
Gradescope = Annotated[
    Path | None, option("--gradescope", "Write the one result as results.json.", "FILE"), Output("result")
]
Zip = Annotated[
    Path | None,
    option("--gradescope-zip", "Write an autograder for Gradescope, and end.", "FILE"),
    Output("autograder"),
]


SAVE_SECONDS = 10.0
"""How often the results of a class are saved while others are still graded."""


@dataclass(frozen=True)
class RosterOptions:
    """The options that say who hands in, and when."""

    roster: Roster = None
    groups: Groups = None
    times: HandInTimes = "system"
    dry_run: DryRun = False

    def people(self) -> list["Person"]:
        from deltarule.grading.roster import read_roster

        if self.groups is not None and self.roster is None:
            raise BadInput("--groups needs --roster, whose students work together; give both")
        return read_roster(self.roster, self.groups) if self.roster is not None else []


@dataclass(frozen=True)
class PackingOptions:
    """The options with which something is written or listed, and nothing graded."""

    gradescope_zip: Zip = None
    starter: Starter = None
    codes: Codes = None


@grouped
def grade(
    *,
    with_: With = None,
    submissions: Submissions = None,
    out: Out = None,
    of_class: RosterOptions,
    sandbox: SandboxMode = "auto",
    container: Container = None,
    only: Only = None,
    since: Since = None,
    single: Single = False,
    gradescope: Gradescope = None,
    packing: PackingOptions,
    json: Json = False,
) -> Result:
    """Grade submissions by the teacher's values, and name the mistakes in them.

    Wrong or broken submissions get a line in their own result; the status is 0.
    """
    if packing.codes is not None:
        return _show_codes(packing.codes)
    if with_ is None:
        raise BadInput("give --with, the assignment, a TOML file beside its solution")
    from deltarule.grading.assignment import read_assignment

    assignment = read_assignment(with_)
    people = of_class.people()
    if packing.gradescope_zip is not None or packing.starter is not None:
        return _write_packed(assignment, packing)
    if submissions is None:
        raise BadInput("give SUBMISSIONS, a folder with a file or folder for each student")
    chosen = Chosen(submissions, of_class.times, single, only or [], container or sandbox, gradescope)
    if of_class.dry_run:
        return _foresee(assignment, people, chosen, out, of_class.roster)
    if out is None:
        return _grade(assignment, people, chosen, None, since)
    with _lock(make_folder(out)):
        return _grade(assignment, people, chosen, out, since)


@dataclass(frozen=True)
class Chosen:
    """Which submissions are graded, in which sandbox, and where Gradescope takes the one result."""

    submissions: Path
    times: "Times"
    single: bool
    only: list[str]
    sandbox: Any
    gradescope: Path | None

    def find(self, opened: Path, assignment: "Assignment") -> list["Submission"]:
        from deltarule.grading.submissions import find_submissions

        times: Times = "zip" if opened != self.submissions else self.times
        names = assignment.accepted_names
        return _choose(find_submissions(opened, assignment.submission, self.single, names, times), self.only)


def _foresee(
    assignment: "Assignment", people: list["Person"], chosen: Chosen, folder: Path | None, roster: Path | None
) -> Result:
    """Show whose each submission is, by what, and when it came."""
    from deltarule.grading.dry_run import facts, foresee
    from deltarule.grading.entries import opened_class
    from deltarule.grading.marks import TeachersPoints

    teacher = TeachersPoints.read(folder, assignment.manual)
    with opened_class(chosen.submissions, chosen.single) as opened:
        record, rows = foresee(assignment, chosen.find(opened, assignment), people, teacher)
        about = list(facts(opened, roster, people, record))
    plain = {"submissions": rows, "absent": record.absent, "uncertain": record.uncertain, "facts": about}
    return Result(plain, foreseen_lines(record, rows, iter(about)))


def _lock(folder: Path) -> AbstractContextManager[None]:
    """One grading at a time writes into a folder."""
    waiting = f"{one_line(folder)} is being written by another grading; this one begins when that has ended."
    return platforms.file_lock(folder / ".lock", lambda: remark([waiting]))


def _grade(
    assignment: "Assignment", people: list["Person"], chosen: Chosen, folder: Path | None, since: Path | None
) -> Result:
    from deltarule.grading.dry_run import foresee
    from deltarule.grading.entries import opened_class
    from deltarule.grading.marks import MARKS, TeachersPoints, apply_marks, match_marks, take_along, write_marks
    from deltarule.grading.record import RECORD, known_results, merge_earlier, note_other_solutions
    from deltarule.grading.results import gradescope_results, to_json, write_results
    from deltarule.grading.roster import apply_overrides, apply_roster
    from deltarule.json_files import write_json

    before = _book_before(since, folder, chosen.only)
    if since is not None and folder is not None:
        take_along(since, folder)
    teacher = TeachersPoints.read(
        folder or since, assignment.manual
    )  # what is wrong there is said before anything is graded
    with opened_class(chosen.submissions, chosen.single) as opened:
        is_part = bool(chosen.only) or chosen.single or opened.is_file()
        submissions = chosen.find(opened, assignment)
        if people and not is_part:
            remark(unmatched_lines(foresee(assignment, submissions, people, teacher)[1]))
        earlier = _read_earlier(folder, assignment, submissions, bool(people))
        _check_gradescope(chosen.gradescope, chosen.submissions, submissions)
        known = {} if is_part else known_results(earlier, assignment.digest)
        is_single = chosen.gradescope is not None

        def save(record: "GradeRecord") -> None:
            if folder is not None:  # as after Ctrl-C: the same command grades the others
                write_json(folder / RECORD, to_json(merge_earlier(record, earlier, is_part=is_part)))

        record = _grade_submissions(assignment, submissions, chosen.sandbox, is_single, known, save)
    is_interrupted = bool(record.unfinished)
    record = merge_earlier(record, earlier, is_part=is_part)
    if is_interrupted and (folder is None or not record.submissions):
        raise KeyboardInterrupt
    problems: list[str] = []
    with _kept(problems):  # what the teacher has written since
        teacher = TeachersPoints.read(folder or since, assignment.manual)
    named = apply_roster(record, people, assignment.late_percent) if people else record
    marks, strangers = match_marks(teacher.marks, named.submissions, record.submissions)
    if not is_single:  # with Gradescope, questions are marked on its own pages
        record = apply_marks(record, assignment.manual, marks)
    if people:
        record = apply_roster(record, people, assignment.late_percent, assignment.grace_minutes)
    record = note_other_solutions(apply_overrides(record, teacher.overrides, people))
    record = replace(record, uncertain=(*record.uncertain, *strangers))
    if folder is not None:
        if not is_interrupted:
            with _kept(problems):
                write_marks(folder / MARKS, record, assignment.manual)
        problems += write_results(folder, record, people, is_interrupted=is_interrupted)
    if chosen.gradescope is not None:
        write_json(chosen.gradescope, gradescope_results(record, record.submissions[0]))
    if is_interrupted:
        counts = f"{len(record.submissions) - record.kept} of {len(submissions)} submissions are graded"
        problems.append(f"interrupted: {counts} and kept in {folder}; the same command grades the others")
    show([f"deltarule: {one_line(problem)}" for problem in problems], to_errors=True)
    lines = [*grade_lines(record, folder, "grades.csv" if is_interrupted else "class.html")]
    lines += change_lines(before, record)
    return Result(to_json(record), lines, 1 if problems else 0)


@contextlib.contextmanager
def _kept(problems: list[str]) -> Iterator[None]:
    """Say what is wrong with a file in the end: what is graded is not lost for it."""
    try:
        yield
    except BadInput as error:
        problems.append(str(error))


def _check_gradescope(result: Path | None, path: Path, submissions: list["Submission"]) -> None:
    if result is not None and len(submissions) != 1:
        held = f"{path} holds {len(submissions)}"
        raise BadInput(f"--gradescope is for one submission; {held}; give --single, or --out")


def _grade_submissions(
    assignment: "Assignment",
    submissions: list["Submission"],
    sandbox: Any,
    is_single: bool,
    known: dict[str, "SubmissionResult"],
    save: Callable[["GradeRecord"], None],
) -> "GradeRecord":
    """Grade submissions, and say of a class's data which mistakes they would not show.

    What is graded is saved every `SAVE_SECONDS`.
    """
    from deltarule.grading.grade import grade as grade_submissions
    from deltarule.grading.weak_data import weak_data

    weak = () if is_single else weak_data(assignment)
    remark(f"{text}." for text in weak[:MAX_COMMON])
    if known:
        remark([f"{count_of(len(known), 'submission')} of the interrupted grading need not be graded again."])
    saved = -SAVE_SECONDS
    with show_shares("grading") as show_share:

        def observe(record: "GradeRecord") -> None:
            nonlocal saved
            if time.monotonic() - saved >= SAVE_SECONDS:
                save(record)
                saved = time.monotonic()
            if show_share is not None:
                graded = len(submissions) - len(record.unfinished or ())
                show_share(f"{graded:,} of {count_of(len(submissions), 'submission')}", graded / len(submissions))

        options = {"sandbox": sandbox, "is_single": is_single, "known": known, "observe": observe}
        record = grade_submissions(assignment, submissions, **options)
    return replace(record, weak=weak)


def _show_codes(file: Path) -> Result:
    """Read worksheets' codes into a table."""
    sheets = read_codes(file)
    columns = [TableColumn(field.name.replace("_", " "), is_text=field.type == "str") for field in fields(Worksheet)]
    rows = [tuple(vars(sheet).values()) for sheet in sheets]
    return Result([asdict(sheet) for sheet in sheets], [table(columns, rows)])


def _write_packed(assignment: "Assignment", packing: PackingOptions) -> Result:
    """Write what Gradescope, or what students, begin with."""
    if (path := packing.gradescope_zip) is not None:
        from deltarule.grading.assignment import write_gradescope_zip

        write_gradescope_zip(path, assignment)
        return Result({"written": str(path)}, [f"Written: {one_line(path)}"])
    from deltarule.grading.starter import write_starter

    assert packing.starter is not None
    files = write_starter(packing.starter, assignment)
    return Result({"written": files}, [f"Written: {one_line(packing.starter)} with {', '.join(map(one_line, files))}"])


def _book_before(since: Path | None, folder: Path | None, only: list[str] | None) -> Any:
    """The results that new ones are compared with, if there are any."""
    from deltarule.grading.record import RECORD
    from deltarule.grading.results import read_book

    if since is not None:
        return read_book(since)
    return read_book(folder) if only and folder is not None and (folder / RECORD).exists() else None


def _read_earlier(
    folder: Path | None, assignment: "Assignment", submissions: list["Submission"], has_roster: bool
) -> "GradeRecord | None":
    """The record of a folder, of which students that are graded again are left out."""
    from deltarule.grading.record import read_record

    if folder is None:
        return None
    max_points = [(check.name, *array) for check in assignment.checks for array in check.max_points.items()]
    owners = {who.owner for submission in submissions for who in (submission, *submission.others)}
    earlier = read_record(folder, assignment.title, max_points, owners)
    if earlier is not None and any(result.row is not None for result in earlier.submissions) and not has_roster:
        raise BadInput(f"{folder} was written with a roster; give --roster again")
    return earlier


def _choose(submissions: list["Submission"], wanted: list[str]) -> list["Submission"]:
    """The submissions of these students, by their names as results or as delivered, or by their ids; else all."""
    if not wanted:
        return submissions
    names = [{submission.student, submission.delivered, submission.id} for submission in submissions]
    for text in wanted:
        if sum(text in known for known in names) != 1:
            count = sum(text in known for known in names)
            raise BadInput(f"--only {text}: {count_of(count, 'submission')} fit it; name one as in grades.csv")
    return [submission for submission, known in zip(submissions, names, strict=True) if known & set(wanted)]
