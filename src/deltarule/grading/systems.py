"""The systems of classes: how they name what students hand in, and what they take back.

Each is a row of one table. Whoever adds a system adds a row, and its forms to the tests.
"""

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from deltarule.grading.record import GradeRecord, SubmissionResult

if TYPE_CHECKING:
    from deltarule.grading.roster import Person


@dataclass(frozen=True)
class System:
    """How a system delivers submissions, and what is uploaded to it.

    delivered  the names of files and folders; "file" is what the student called it
    feedback   the name of a student's page in the zip to upload, of the name as delivered and its parts
    columns    of the gradebook: by a roster's column of that name, or by what fills it; None: only with the roster's
    needs      the column of a roster that shows that it is this system's; "" where a gradebook is always written
    """

    delivered: re.Pattern[str] | None = None
    feedback: str = ""
    columns: Mapping[str, str | None] = field(default_factory=dict)
    needs: str = ""

    def is_known_by(self, columns: Collection[str]) -> bool:
        return not self.needs or self.needs in columns


SYSTEMS = {
    "canvas": System(
        re.compile(r"(?P<student>.+?)(?P<late>_LATE)?_(?P<id>\d+)_\d+_(?P<file>.+)"),
        "{stem}.html",  # with its numbers Canvas finds the student again
        {"Student": "name", "ID": "id", "SIS User ID": "", "SIS Login ID": "", "Section": "section", "": "points"},
    ),
    "moodle": System(
        re.compile(r"(?P<student>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<file>.*)"),
        "{student}_{id}_assignsubmission_file_/feedback.html",
        {"Identifier": "", "ID number": "id", "Full name": "name", "Email address": ""}
        | dict.fromkeys(("Status", "Maximum Grade", "Grade can be changed"))
        | dict.fromkeys(("Last modified (submission)", "Last modified (grade)", "Feedback comments"))
        | {"": "points"},
    ),
    "github": System(
        feedback="{name}/feedback.html",
        columns={"identifier": "id", "github_username": "", "points_awarded": "points", "points_available": "max"},
        needs="github_username",
    ),
    "nbgrader": System(
        feedback="{name}/{title}/feedback.html",
        columns={"assignment": "title", "student_id": "id", "last_name": "", "first_name": "", "email": ""}
        | {"raw_score": "raw", "late_submission_penalty": "lost", "score": "points", "max_score": "max"},
        needs="first_name",
    ),
    "browser": System(re.compile(r"(?P<student>(?P<file>.+?)) \(\d+\)")),
}


COMPUTED = ("points", "max", "lost", "raw")
"""What fills a column whatever the roster has in it."""


def format_number(points: float) -> str:
    """Points as people write them: 0.7 for 0.7000000000000001."""
    return f"{points:.10g}"


def csv_text(rows: Iterable[Sequence[str]], delimiter: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", delimiter=delimiter).writerows(rows)
    return text.getvalue()


def gradebooks(record: GradeRecord, people: Sequence["Person"]) -> Iterator[tuple[str, str]]:
    """The names and texts of the gradebook files to upload."""
    known = {key for person in people for key in person.row}
    values = _values_of_people(record, people)
    for name, system in SYSTEMS.items():
        if not system.columns or not system.is_known_by(known):
            continue
        points = _points_column(name, record.title, known)
        columns = {
            key or points: filler
            for key, filler in system.columns.items()
            if filler is not None or key.lower() in known
        }
        rows = [list(columns)]
        if name == "canvas":
            rows.append(["    Points Possible", *[""] * (len(columns) - 2), format_number(record.max_points)])
        for person, own in zip(people, values, strict=True):
            rows.append([_cell(key, filler or "", person, own) for key, filler in columns.items()])
        yield f"{name}.csv", csv_text(rows)


def _cell(column: str, filler: str, person: "Person", values: Mapping[str, str]) -> str:
    """What the roster has in a column, unless it is computed, else what fills it."""
    given = "" if filler in COMPUTED else person.row.get(column.lower(), "")
    return given or values.get(filler, "")


def _points_column(system: str, title: str, known: Collection[str]) -> str:
    """The gradebook's column of points, which Canvas gives a number."""
    if system != "canvas":
        return "Grade" if "grade" in known else title
    numbered = re.compile(rf"{re.escape(title.casefold())} (\(\d+\))")
    return next((f"{title} {match[1]}" for key in known if (match := numbered.fullmatch(key))), title)


def _values_of_people(record: GradeRecord, people: Sequence["Person"]) -> list[dict[str, str]]:
    """What fills the columns, for each person; without a submission there are no points."""
    results = {result.row: result for result in record.submissions}
    values = []
    for row, person in enumerate(people):
        about = {"name": person.name, "id": person.id, "section": person.section, "title": record.title}
        numbers = {"max": record.max_points}
        if result := results.get(row):
            numbers |= {"points": result.points, "lost": result.lost, "raw": result.earned}
        values.append(about | {key: format_number(number) for key, number in numbers.items()})
    return values


def feedback_zips(
    record: GradeRecord, pages: Mapping[str, str], people: Sequence["Person"]
) -> Iterator[tuple[str, bytes]]:
    """The names and contents of the zips of pages that systems give back to their students."""
    known = {key for person in people for key in person.row}
    for name, system in SYSTEMS.items():
        files: dict[str, str] = {}
        for result in record.submissions:
            target = _feedback_name(system, result, record.title) if system.is_known_by(known) else ""
            files |= {target: pages[result.student]} if target else {}
        if files:
            content = io.BytesIO()
            with ZipFile(content, "w", ZIP_DEFLATED) as archive:
                for target, page in sorted(files.items()):
                    archive.writestr(ZipInfo(target), page, ZIP_DEFLATED)  # with a fixed time: the same bytes again
            yield f"{name}-feedback.zip", content.getvalue()


def _feedback_name(system: System, result: SubmissionResult, title: str) -> str:
    parts: dict[str, Any] = {
        "name": result.entry,
        "stem": result.entry.rpartition(".")[0] or result.entry,
        "title": title,
    }
    if system.delivered is not None:
        match = system.delivered.fullmatch(result.entry)
        parts |= match.groupdict() if match else {}
    has_name = bool(result.entry) and (system.delivered is None or "student" in parts)
    return system.feedback.format(**parts) if has_name else ""
