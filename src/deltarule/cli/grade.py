"""`deltarule grade`: grade the submissions of an assignment."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from deltarule.cli.options import Json
from deltarule.cli.progress_line import show_elapsed_time
from deltarule.cli.terminal import console, print_json
from deltarule.errors import BadInput, count_of, one_line
from deltarule.files import make_folder
from deltarule.grading.submissions import find_submissions, single_submission

Submissions = Annotated[
    Path,
    typer.Argument(
        metavar="SUBMISSIONS", help="A folder with a file, notebook or folder for each student, or one file."
    ),
]
With = Annotated[Path, typer.Option("--with", metavar="FILE", help="The assignment, a TOML file beside its solution.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder for pages, grades.csv, junit.xml and more.")
]
SandboxOption = Annotated[
    str,
    typer.Option("--sandbox", metavar="MODE", help="required, auto or off: keep code from the network and from files."),
]
Single = Annotated[bool, typer.Option("--single", help="SUBMISSIONS is the folder of one student.")]
Gradescope = Annotated[
    Path | None, typer.Option("--gradescope", metavar="FILE", help="Write the one result as Gradescope's results.json.")
]
Zip = Annotated[
    Path | None, typer.Option("--gradescope-zip", metavar="FILE", help="Write an autograder for Gradescope, and end.")
]
MODES: tuple[Literal["required", "auto", "off"], ...] = ("required", "auto", "off")


def grade(
    submissions: Submissions,
    with_: With,
    out: Out = None,
    sandbox: SandboxOption = "auto",
    single: Single = False,
    gradescope: Gradescope = None,
    gradescope_zip: Zip = None,
    json: Json = False,
) -> None:
    """Grade submissions: call each student's functions with the teacher's values, compare, and name the mistakes.

    Wrong or broken submissions get a line in their own result; the status is 0.
    """
    from deltarule.grading.assignment import read_assignment
    from deltarule.grading.classroom_formats import gradescope_results, write_gradescope_zip
    from deltarule.grading.grade import grade as grade_submissions
    from deltarule.grading.pages import count_mistakes, format_points, remarks
    from deltarule.grading.results import read_results, to_json, write_result, write_results
    from deltarule.json_files import write_json

    mode = next((mode for mode in MODES if mode == sandbox), None)
    if mode is None:
        raise BadInput(f"--sandbox is '{sandbox}'; give required, auto or off")
    assignment = read_assignment(with_)
    if gradescope_zip is not None:
        write_gradescope_zip(gradescope_zip, assignment, with_)
        console().print(f"Written: {one_line(gradescope_zip)}", markup=False, soft_wrap=True)
        return
    if single:
        all_submissions = [single_submission(submissions, assignment.submission)]
    else:
        all_submissions = find_submissions(submissions, assignment.submission)
    count = len(all_submissions)
    if gradescope is not None and count != 1:
        raise BadInput(f"--gradescope is for one submission; {submissions} holds {count}; give --single, or --out")
    folder = None if out is None else make_folder(out)
    hidden = [submissions, *([folder] if folder else [])]
    screen = console()

    write = None if folder is None else partial(write_result, folder)
    known = {} if folder is None else read_results(folder)
    with show_elapsed_time(f"{count_of(count, 'submission')} graded"):
        record = grade_submissions(
            assignment, all_submissions, sandbox=mode, hidden=hidden, known=known, after_submission=write
        )
    if folder is not None:
        write_results(folder, record)
    if gradescope is not None:
        write_json(gradescope, gradescope_results(record, record.submissions[0]))
    if json:
        print_json(to_json(record))
        return
    points = format_points(record.max_points)
    screen.print(f"{assignment.title}: {count_of(count, 'submission')}, {points} points", markup=False)
    for result in record.submissions:
        line = f"  {result.student:20} {format_points(result.points):>6}  {remarks(result)}"
        screen.print(line.rstrip(), markup=False, soft_wrap=True, highlight=False)
    for text, students in count_mistakes(record):
        screen.print(f"{students} of {count}: {text}", markup=False, soft_wrap=True)
    if record.warning:
        screen.print(record.warning, markup=False, soft_wrap=True)
    if folder is not None:
        screen.print(f"Written: {one_line(folder / 'class.html')}", markup=False, soft_wrap=True)
