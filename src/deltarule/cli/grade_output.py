"""What `deltarule grade` prints of a class."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltarule.cli.output import Shown
from deltarule.errors import count_of, one_line
from deltarule.reports.table import TableColumn, table

if TYPE_CHECKING:
    from deltarule.grading.dry_run import ForeseenSubmission
    from deltarule.grading.record import GradeRecord

MAX_ROWS, MAX_COMMON, MAX_CHARACTERS = 12, 5, 160
"""What is printed of a class; its page has all."""


def grade_lines(record: "GradeRecord", folder: Path | None, written: str) -> Shown:
    """Rows of submissions, or the distribution of many; then what several share."""
    from deltarule.grading.marks import MARKS, open_marks
    from deltarule.grading.record import format_points
    from deltarule.grading.results import class_summary, remarks

    count = len(record.submissions)
    summary = class_summary(record)
    yield f"{record.title}: {count_of(count, 'submission')}, {format_points(record.max_points)} points"
    if count <= MAX_ROWS:
        student, remark = (TableColumn(name, is_text=True) for name in ("student", "remarks"))
        columns = [student, TableColumn("points", is_text=False, format=format_points), remark]
        yield table(columns, [(result.title, result.points, remarks(result)) for result in record.submissions])
    else:
        yield f"{summary['full']} with all points; median {format_points(summary['median'])}"
        shares = (f"{number} from {format_points(points)}" for points, number in summary["histogram"] if number)
        yield f"submissions by points: {', '.join(shares)}"
    for common in [*summary["mistakes"][:MAX_COMMON], *summary["failures"][: MAX_COMMON - 2]]:
        yield one_line(f"{len(common.students)} of {count}: {common.text}")[:MAX_CHARACTERS]
    if unmarked := open_marks(record):
        where = "" if folder is None else f"; fill in {one_line(folder / MARKS)}"
        yield f"Not marked yet: {len(unmarked)} of {count}{where}"
    yield from _roster_lines(record)
    if groups := "; ".join(map(_shorten_group, summary["same"])):
        yield f"The same but for names and comments: {groups}"[: 2 * MAX_CHARACTERS]
    if record.warning:
        yield record.warning
    if folder is not None:
        yield f"Written: {one_line(folder / written)}"
    elif count > MAX_ROWS:
        yield "give --out DIR for each student's points"


def _shorten_group(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if names[4:] else "")


def _roster_lines(record: "GradeRecord") -> Iterator[str]:
    """What is not among the submissions, or not certain."""
    if record.kept:
        yield f"Kept from the last grading, as their submissions are not among these: {record.kept}"
    for text in record.uncertain[:MAX_COMMON]:
        yield f"For you to decide: {text}"[:MAX_CHARACTERS]
    if record.uncertain[MAX_COMMON:]:
        yield f"{len(record.uncertain) - MAX_COMMON} more for you to decide"
    if record.absent:
        yield f"Nothing handed in: {len(record.absent)}"


def change_lines(before: Any, record: "GradeRecord") -> list[str]:
    """What differs from earlier results, if there are any."""
    from deltarule.grading.results import changes

    if before is None:
        return []
    changed = changes(before, record)
    return ["", f"Changed since then: {len(changed)} of {len(record.submissions)}", *map(one_line, changed)]


def unmatched_lines(rows: Sequence["ForeseenSubmission"]) -> Shown:
    """The submissions that are nobody's in the roster, or of a student with several; nothing if there are none."""
    counts = Counter(row.student for row in rows)
    unmatched = [row for row in rows if not row.by or counts[row.student] > 1]
    if unmatched:
        yield f"{len(unmatched)} of {count_of(len(rows), 'submission')} are not one student's alone:"
        yield _foreseen_table(unmatched)


def _foreseen_table(rows: Sequence["ForeseenSubmission"]) -> Any:
    columns = [TableColumn(name, is_text=True) for name in ("delivered", "student", "by", "came", "file", "remarks")]
    return table(columns, [tuple(map(one_line, vars(row).values())) for row in rows])


def foreseen_lines(record: "GradeRecord", rows: Sequence["ForeseenSubmission"], facts: Iterator[str]) -> Shown:
    """What a grading would take from its files."""
    from deltarule.grading.record import format_points

    points = format_points(record.max_points)
    yield f"{record.title}: {count_of(len(rows), 'submission')}, {points} points; nothing is run or written"
    yield _foreseen_table(rows)
    yield from map(one_line, facts)
    yield from (f"For you to decide: {one_line(text)}" for text in record.uncertain)
    if record.absent:
        yield f"Nothing handed in: {'; '.join(map(one_line, record.absent))}"
