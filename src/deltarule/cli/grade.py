"""`deltarule grade`: grade the submissions of an assignment."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from deltarule.cli.options import Json, argument, option
from deltarule.cli.output import Result, Shown, show_elapsed_time
from deltarule.errors import BadInput, count_of, one_line
from deltarule.files import make_folder
from deltarule.grading.sandbox import choose_road, require_unreachable
from deltarule.grading.submissions import find_submissions
from deltarule.reports.table import Column, table

if TYPE_CHECKING:
    from deltarule.grading.record import GradeRecord

Submissions = Annotated[Path, argument("SUBMISSIONS", "A folder with a file or folder for each student, or one file.")]
With = Annotated[Path, option("--with", "The assignment, a TOML file beside its solution.", "FILE")]
Out = Annotated[Path | None, option("--out", "Folder for pages, grades.csv, junit.xml and more.", "DIR")]
SandboxMode = Annotated[Literal["required", "auto", "off"], option("--sandbox", "Keep code from network and files.")]
Single = Annotated[bool, option("--single", "SUBMISSIONS is the folder of one student.")]
Gradescope = Annotated[Path | None, option("--gradescope", "Write the one result as results.json.", "FILE")]
Zip = Annotated[Path | None, option("--gradescope-zip", "Write an autograder for Gradescope, and end.", "FILE")]


def grade(
    submissions: Submissions,
    with_: With,
    out: Out = None,
    sandbox: SandboxMode = "auto",
    single: Single = False,
    gradescope: Gradescope = None,
    gradescope_zip: Zip = None,
    json: Json = False,
) -> Result:
    """Grade submissions by the teacher's values, and name the mistakes in them.

    Wrong or broken submissions get a line in their own result; the status is 0.
    """
    from deltarule.grading.assignment import read_assignment, write_gradescope_zip
    from deltarule.grading.grade import grade as grade_submissions
    from deltarule.grading.results import gradescope_results, read_results, to_json, write_result, write_results
    from deltarule.json_files import write_json

    assignment = read_assignment(with_)
    if gradescope_zip is not None:
        write_gradescope_zip(gradescope_zip, assignment)
        return Result({"written": str(gradescope_zip)}, [f"Written: {one_line(gradescope_zip)}"])
    all_submissions = find_submissions(submissions, assignment.submission, single, assignment.functions)
    count = len(all_submissions)
    if gradescope is not None and count != 1:
        raise BadInput(f"--gradescope is for one submission; {submissions} holds {count}; give --single, or --out")
    folder = None if out is None else make_folder(out)
    if gradescope is not None and sandbox != "off":
        require_unreachable(choose_road(sandbox), assignment.files, gradescope)
    write = None if folder is None else partial(write_result, folder)
    known = {} if folder is None else read_results(folder)
    with show_elapsed_time(f"{count_of(count, 'submission')} graded"):
        record = grade_submissions(assignment, all_submissions, sandbox=sandbox, known=known, after_submission=write)
    if folder is not None:
        write_results(folder, record)
    if gradescope is not None:
        write_json(gradescope, gradescope_results(record, record.submissions[0]))
    return Result(to_json(record), _grade_lines(record, folder))


def _grade_lines(record: "GradeRecord", folder: Path | None) -> Shown:
    """A row for each submission, then the mistakes of the class."""
    from deltarule.grading.results import count_mistakes, format_points, remarks

    count = len(record.submissions)
    yield f"{record.title}: {count_of(count, 'submission')}, {format_points(record.max_points)} points"
    student, remark = (Column(name, is_text=True) for name in ("student", "remarks"))
    columns = [student, Column("points", is_text=False, format=format_points), remark]
    yield table(columns, [(result.student, result.points, remarks(result)) for result in record.submissions])
    yield from (f"{len(students)} of {count}: {text}" for text, students in count_mistakes(record))
    if record.warning:
        yield record.warning
    if folder is not None:
        yield f"Written: {one_line(folder / 'class.html')}"
