"""The people of a class: whose submission is whose, late points, and a teacher's own points.

A roster is a CSV file with the columns id, name, section, due and extension, or what Canvas, Moodle, Gradescope or
GitHub Classroom exports. Ids decide whose a submission is, and where there is none a name that one student alone has.
What remains uncertain is listed for the teacher, and never guessed.

`overrides.csv`, in the folder of a grading, has the columns student, points and reason, and is never written over.
"""

import csv
import functools
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from deltarule.errors import BadInput, count_of
from deltarule.files import read_bytes
from deltarule.grading.matching import match_people, name_keys
from deltarule.grading.record import (
    CheckResult,
    GradedArray,
    GradeRecord,
    SubmissionResult,
    format_points,
    safe_name,
)
from deltarule.grading.roster_columns import (
    FIRST_NAMES,
    GROUPS,
    IDS,
    LAST_NAMES,
    LOGINS,
    NAMES,
    PARTICIPANT,
    RosterRow,
    first_of,
    rows_of_students,
)
from deltarule.grading.source import decode

OVERRIDES = "overrides.csv"


@dataclass(frozen=True)
class Person:
    """A row of a roster.

    row      with its columns in small letters, for the gradebooks
    ids      and logins, in small letters
    keys     the letters of the name with its parts in any order
    due      the time until which a submission is in time, with the extension
    late_days  days that cost nothing
    group    of which each member has what one of them hands in
    """

    row: RosterRow
    name: str
    id: str
    section: str
    ids: frozenset[str]
    keys: frozenset[str]
    due: datetime | None
    late_days: int
    group: str = ""

    @property
    def title(self) -> str:
        return self.name or self.id


@dataclass(frozen=True)
class Override:
    """A teacher's own points; `time` is when the file was written."""

    student: str
    points: float
    reason: str
    time: float


def read_rows(path: Path) -> list[RosterRow]:
    """The rows of a CSV file that are not empty."""
    text = decode(read_bytes(path))
    lines = text.splitlines(keepends=True)
    delimiter = delimiter_of(text)
    try:
        rows = [
            {str(key).strip(): value.strip() for key, value in row.items() if isinstance(value, str)}
            for row in csv.DictReader(lines, delimiter=delimiter)
        ]
    except csv.Error as error:
        raise BadInput(f"{path} is no CSV file: {error}; correct it") from None
    return [row for row in rows if any(row.values())]


def delimiter_of(text: str) -> str:
    return max(",;\t", key=text.partition("\n")[0].count)


def read_table(path: Path) -> list[RosterRow]:
    """The rows of a CSV file, with their columns in small letters."""
    return [{key.lower(): value for key, value in row.items()} for row in read_rows(path)]


def read_roster(path: Path, groups: Path | None = None) -> list[Person]:
    """Read a roster; a date that is none is refused here, before anything is graded.

    `groups` is a file of its own, with the ids or names and the groups of people.
    """
    people = [_read_person(row) for row in rows_of_students(read_table(path))]
    if not any(person.name or person.ids for person in people):
        raise BadInput(f"{path} has no student; its columns are id, name, section, due and extension")
    for other in [_read_person(row) for row in rows_of_students(read_table(groups))] if groups is not None else ():
        same = [i for i, earlier in enumerate(people) if earlier.ids & other.ids]
        same = same or [i for i, earlier in enumerate(people) if earlier.keys & other.keys]
        if len(same) != 1:
            raise BadInput(f"{groups}: {other.title} is {len(same)} students of {path}; give the id of one of them")
        people[same[0]] = replace(people[same[0]], group=other.group)
    return people


def _read_person(row: RosterRow) -> Person:
    name = first_of(row, NAMES) or " ".join(filter(None, (first_of(row, FIRST_NAMES), first_of(row, LAST_NAMES))))
    ids = {row.get(column, "").casefold() for column in (*IDS, *LOGINS)}
    ids |= {text.partition("@")[0] for text in ids}
    ids |= {number[1] for text in ids if (number := PARTICIPANT.fullmatch(text))}
    try:
        due = _read_time(row["due"]) if row.get("due") else None
        if due and row.get("extension"):
            is_days = re.fullmatch(r"\d+", row["extension"])
            due = due + timedelta(int(row["extension"])) if is_days else _read_time(row["extension"])
        late_days = int(row.get("late days") or 0)
    except (ValueError, OverflowError) as error:
        raise BadInput(
            f"the roster's row of {name or first_of(row, IDS)}: {error}; write times as 2026-11-27 23:59"
        ) from None
    about = (
        row,
        name,
        first_of(row, IDS),
        row.get("section", ""),
        frozenset(ids - {""}),
        name_keys(name),
        due,
        late_days,
    )
    return Person(*about, first_of(row, GROUPS))


def _read_time(text: str) -> datetime:
    """The last moment of a day, minute or second."""
    time = datetime.fromisoformat(text)
    if not re.search(r":\d", text):
        return time + timedelta(days=1, microseconds=-1)
    return time if re.search(r":\d\d:\d", text) else time + timedelta(minutes=1, microseconds=-1)


def apply_roster(
    record: GradeRecord, people: Sequence[Person], late_percent: float, grace_minutes: float = 0.0
) -> GradeRecord:
    """The record with a roster's names, late points, who handed nothing in, and what is not certain."""
    matches = match_people(record.submissions, people)
    with_loss = functools.partial(
        _with_loss, percent=late_percent, grace_minutes=grace_minutes, max_points=record.max_points
    )
    results, uncertain, absent, undated = [], [], [], []
    by_group = defaultdict(list)
    for result, match in zip(record.submissions, matches, strict=True):
        result = replace(result, name="", roster_id="", section="", row=None, lost=0.0, class_notes=())
        if match.reason:
            results.append(replace(result, class_notes=(match.reason,)))
            uncertain.append(f"{result.student}: {match.reason}")
            continue
        person = people[match.rows[0]]
        undated += [person.title] if _is_undated(result, person) else []
        results.append(_of_person(with_loss(result, person), person, match.rows[0]))
        if person.group and not result.partner:
            by_group[person.group].append(results[-1])
    taken = {row for match in matches for row in match.rows}
    for row, person in enumerate(people):
        if row in taken:
            continue
        theirs = by_group.get(person.group, [])
        if len(theirs) == 1:
            results.append(_of_group(with_loss(theirs[0], person), person, row))
            continue
        absent.append(person.title)
        if theirs:
            uncertain.append(f"{person.title}: {len(theirs)} submissions of the group {person.group}")
    if undated:
        about = "is unknown and costs nothing; --times files takes the times of files"
        uncertain.append(f"when {count_of(len(undated), 'submission')} came {about}: {', '.join(undated)}")
    return replace(record, submissions=tuple(results), absent=tuple(absent), uncertain=tuple(uncertain))


def _is_undated(result: SubmissionResult, person: Person) -> bool:
    """Whether nobody knows if a submission is late: no system gives its time."""
    return person.due is not None and not result.time and result.is_late is not False


def _with_loss(
    result: SubmissionResult, person: Person, *, percent: float, grace_minutes: float, max_points: float
) -> SubmissionResult:
    """The result without the points that a person loses by being late."""
    days = _days_late(result, person, grace_minutes)
    notes: tuple[str, ...] = ("late, by its name",) if result.is_late else ()
    if _is_undated(result, person):
        notes += ("when it was handed in is unknown",)
    if days:
        free = f", {person.late_days} without loss" if person.late_days else ""
        notes = (f"{count_of(days, 'day')} late{free}",)
    lost = min(max(days - person.late_days, 0) * percent / 100, 1) * max_points
    return replace(result, lost=lost, class_notes=notes)


def _of_person(result: SubmissionResult, person: Person, row: int) -> SubmissionResult:
    return replace(result, name=person.title, roster_id=person.id, section=person.section, row=row)


def _of_group(result: SubmissionResult, person: Person, row: int) -> SubmissionResult:
    """The result of a person's group, for a person who handed nothing in."""
    notes = (*result.class_notes, f"handed in by {result.title}")
    own = replace(result.of_partner(), id=person.id, delivered="", time=0.0, class_notes=notes)
    return _of_person(replace(own, student=safe_name(f"{person.id or person.name} (group)")), person, row)


def _days_late(result: SubmissionResult, person: Person, grace_minutes: float) -> int:
    """The begun days after the due time; within the grace it is none."""
    if person.due is None or result.is_late is False or not result.time:
        return 0
    seconds = result.time - person.due.timestamp()
    return math.ceil(seconds / 86400) if seconds > 60 * grace_minutes else 0


def read_points(text: str) -> float:
    """Points as people write them; what is no number is NaN, which is in no range."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return math.nan


def read_overrides(path: Path) -> list[Override]:
    """Read a teacher's own points; what is no number is refused here, before anything is graded."""
    if not path.exists():
        return []
    overrides: dict[str, Override] = {}
    for row in read_table(path):
        if not {"student", "points"} <= row.keys():
            raise BadInput(f"{path} has the columns {', '.join(row)}; give it student, points and reason")
        student, text = row["student"], row["points"]
        points = read_points(text)
        if not 0 <= points < math.inf:
            raise BadInput(f"{path}: points must be a number from 0 up, got '{text}' for '{student}'")
        if student in overrides:
            raise BadInput(f"{path} has two rows of '{student}'; keep one")
        overrides[student] = Override(student, points, row.get("reason", ""), path.stat().st_mtime)
    return list(overrides.values())


def apply_overrides(record: GradeRecord, overrides: Sequence[Override], people: Sequence[Person] = ()) -> GradeRecord:
    """The record with a teacher's own points; those of somebody who handed nothing in make a row."""
    results, uncertain, absent = list(record.submissions), list(record.uncertain), list(record.absent)
    for override in overrides:
        student = override.student
        places = [
            i for i, sent in enumerate(results) if student in (sent.student, sent.name, sent.roster_id or sent.id)
        ]
        rows = [i for i, who in enumerate(people) if student in (who.name, who.id) or student.casefold() in who.ids]
        if not places and len(rows) == 1:
            results.append(_without_submission(results[0], people[rows[0]], rows[0]))
            absent = [name for name in absent if name != results[-1].title]
            places = [len(results) - 1]
        if len(places) != 1:
            uncertain.append(f"{OVERRIDES}: '{student}' is the name or id of {len(places)} submissions; not applied")
            continue
        result = replace(results[places[0]], override=None)
        note = f"your override: {override.reason or 'no reason'} (instead of {format_points(result.points)})"
        if result.time > override.time:
            note += ", written before this submission was handed in"
            uncertain.append(f"{result.title}: {note}")
        results[places[0]] = replace(result, override=override.points, class_notes=(*result.class_notes, note))
    return replace(record, submissions=tuple(results), uncertain=tuple(uncertain), absent=tuple(absent))


def _without_submission(other: SubmissionResult, person: Person, row: int) -> SubmissionResult:
    """The result of somebody without a submission of their own, with the checks of another one."""
    checks = []
    for check in other.checks:
        arrays = [GradedArray(array.name, "missing", None, 0.0, array.max_points) for array in check.arrays]
        checks.append(CheckResult(check.name, check.part, "", tuple(arrays)))
    student = safe_name(f"{person.id or person.name} (override)")
    return _of_person(SubmissionResult(student, True, "", tuple(checks)), person, row)
