"""What a grading takes from its files, before anything runs: whose each submission is, by what, and when it came."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path

from deltarule.grading.assignment import Assignment
from deltarule.grading.entries import unread_entries
from deltarule.grading.marks import TeachersPoints, apply_marks, match_marks
from deltarule.grading.matching import match_people
from deltarule.grading.record import GradeRecord, HandedIn, SubmissionResult, format_points
from deltarule.grading.roster import Person, apply_overrides, apply_roster, read_points, read_table
from deltarule.grading.roster_columns import RosterRow, describe_columns
from deltarule.grading.submissions import Submission


@dataclass(frozen=True)
class ForeseenSubmission:
    """A submission: the student of the roster, what decided, when it came, the file to grade, and what is wrong."""

    delivered: str
    student: str
    by: str
    came: str
    file: str
    remarks: str


def foresee(
    assignment: Assignment, submissions: Sequence[Submission], people: Sequence[Person], teacher: TeachersPoints
) -> tuple[GradeRecord, list[ForeseenSubmission]]:
    """The record of a class as if nothing had been run, and a row for each submission."""
    results = [_ungraded(submission, submission) for submission in submissions]
    for submission in submissions:
        results += [replace(_ungraded(submission, other), partner=submission.student) for other in submission.others]
    record = GradeRecord(
        assignment.title, assignment.hint, assignment.visibility, assignment.max_points, tuple(results), ""
    )
    record = apply_marks(record, assignment.manual, {})
    matches = match_people(results, people) if people else []
    if people:
        record = apply_roster(record, people, assignment.late_percent, assignment.grace_minutes)
    _, strangers = match_marks(teacher.marks, record.submissions, results)
    record = apply_overrides(record, teacher.overrides, people)
    files = {submission.student: submission.file for submission in submissions}
    rows = []
    for i, result in enumerate(record.submissions[: len(results)]):
        remarks = "; ".join(filter(None, [result.message, *result.class_notes]))
        came = datetime.fromtimestamp(result.time).strftime("%Y-%m-%d %H:%M") if result.time else "unknown"
        by = matches[i].by if matches else ""
        rows.append(ForeseenSubmission(result.entry, result.name, by, came, files.get(result.student, ""), remarks))
    return replace(record, uncertain=(*record.uncertain, *strangers)), rows


def _ungraded(submission: Submission, who: HandedIn) -> SubmissionResult:
    about = {field.name: getattr(submission, field.name) for field in fields(HandedIn)}
    about |= {name: getattr(who, name) for name in ("student", "delivered", "id", "email")}
    return SubmissionResult(**about, is_gradable=not submission.problem, message=submission.problem, checks=())


def facts(folder: Path, roster: Path | None, people: Sequence[Person], record: GradeRecord) -> Iterator[str]:
    """What else is taken from the files of a class: columns, due times and points of a roster, and what is not read."""
    if roster is not None:
        rows = read_table(roster)
        yield f"Columns of {roster.name}: {describe_columns(rows)}"
        yield from _points_of_roster(rows, record)
    if dues := sorted({person.due for person in people if person.due is not None}):
        first, last = (due.strftime("%Y-%m-%d %H:%M:%S") for due in (dues[0], dues[-1]))
        zone = dues[0].astimezone().strftime("%Z (UTC%z)")
        yield f"Due: {first if first == last else f'{first} to {last}'}, in {zone}"
    if unread := unread_entries(folder):
        yield f"Not read: {', '.join(unread)}"


def _points_of_roster(rows: Sequence[RosterRow], record: GradeRecord) -> Iterator[str]:
    """The maximum points that Moodle and Canvas have, where they are others than the assignment's."""
    points = [row for row in rows if any("points possible" in cell.lower() for cell in row.values())]
    title = re.compile(rf"{re.escape(record.title.lower())}(?: \(\d+\))?")
    columns = [column for column in rows[0] if title.fullmatch(column)] if rows else []
    if points and not columns:
        yield f"No column of the roster is named '{record.title}', as the assignment is: Canvas would add one"
    texts = [points[0].get(column, "") for column in columns] if points else []
    texts += [row["maximum grade"] for row in rows if row.get("maximum grade")]
    others = {text for text in texts if not math.isclose(read_points(text), record.max_points)}
    if others:
        has = f"the assignment has {format_points(record.max_points)} points"
        yield f"The roster's maximum is {', '.join(sorted(others))}, and {has}"
