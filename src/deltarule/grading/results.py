"""The folder of pages and tables that is written of a record."""

import functools
import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from statistics import median
from typing import Any

from deltarule.checking.catalog import Mistake
from deltarule.errors import BadInput, count_of, one_line
from deltarule.files import make_folder, write_whole
from deltarule.grading.record import RECORD, GradeRecord, SubmissionResult, format_points
from deltarule.grading.roster import OVERRIDES, Person
from deltarule.grading.systems import csv_text, feedback_zips, format_number, gradebooks
from deltarule.json_files import read_json, write_json
from deltarule.reports.formatting import load_template

MIN_RARE_STATEMENTS = 4
"""Fewer that only two of a class have are accidents."""
_FAILURE = re.compile(r"line \d+(?:, `.*`)?: (\w+).*|; you have .*", re.DOTALL)
"""What differs between equal failures of several students: the line, the exception's message, what is there instead."""


def to_json(record: GradeRecord) -> dict[str, Any]:
    plain = {**asdict(record), "warning": record.warning}
    for result, full in zip(plain["submissions"], record.submissions, strict=True):
        result |= {"points": full.points, "max_points": record.max_points}
    return plain


def write_results(
    folder: Path, record: GradeRecord, people: Sequence[Person] = (), *, is_interrupted: bool = False
) -> list[str]:
    """Write the record first, so that nothing can take it, then the table and all else; what could not be written.

    Until everything is written the record is that of a grading that did not end; of one that `is_interrupted` the
    pages wait for the next.
    """
    make_folder(folder)
    write_json(folder / RECORD, to_json(replace(record, unfinished=record.unfinished or ())))
    problems: list[str] = []
    write = functools.partial(_try_to_write, problems)
    write(write_whole, folder / "grades.csv", grades_csv(record))
    if is_interrupted:
        return problems
    for name in ("students", "gradescope", "prairielearn"):
        write(make_folder, folder / name)
    if not (folder / OVERRIDES).exists():
        write(write_whole, folder / OVERRIDES, "student,points,reason\n")
    pages = {result.student: student_page(record, result) for result in record.submissions}
    for result in record.submissions:
        write(write_whole, folder / "students" / f"{result.student}.html", pages[result.student])
        write(write_json, folder / "gradescope" / f"{result.student}.json", gradescope_results(record, result))
        write(write_json, folder / "prairielearn" / f"{result.student}.json", prairielearn_results(record, result))
    write(write_whole, folder / "junit.xml", junit_xml(record))
    for name, text in gradebooks(record, people) if people else ():
        write(write_whole, folder / name, text)
    for name, content in feedback_zips(record, pages, people):
        write(write_whole, folder / name, content)
    write(write_whole, folder / "show.html", show_page(record))
    write(write_whole, folder / "class.html", class_page(record))
    if not problems:
        write_json(folder / RECORD, to_json(replace(record, unfinished=record.unfinished or None)))
    return problems


def _try_to_write(problems: list[str], write: Callable[..., object], *arguments: object) -> None:
    """Write a file; where one cannot be written, such as one that Excel has open, the others still are."""
    try:
        write(*arguments)
    except BadInput as error:
        problems.append(str(error))


def grades_csv(record: GradeRecord) -> str:
    labels = [f"{check}: {array.name}" for check, array in record.submissions[0].arrays]
    rows = [["student", "name", "id", "section", "points", "max_points", *labels, "remarks"]]
    for result in record.submissions:
        points = [array.points for _, array in result.arrays]
        person = map(text_cell, (result.student, result.name, result.roster_id or result.id, result.section))
        numbers = map(format_number, (result.points, record.max_points, *points))
        rows.append([*person, *numbers, text_cell(remarks(result))])
    return csv_text(rows)


def text_cell(text: str) -> str:
    text = one_line(text)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text  # no formula for spreadsheets


def read_book(path: Path) -> list[dict[str, Any]]:
    """The submissions of an earlier grading's folder or record.json, which any version may have written."""
    file = path / RECORD if path.is_dir() else path
    try:
        submissions: list[dict[str, Any]] = read_json(file)["submissions"]
        for row in submissions:
            row["arrays"] = {
                (check["name"], array["name"]): array["verdict"] for check in row["checks"] for array in check["arrays"]
            }
            row["student"], row["points"] = str(row["student"]), float(row["points"])
    except (KeyError, TypeError, ValueError):
        raise BadInput(f"{file} is no record of a grading; give its folder") from None
    return submissions


def changes(earlier: Sequence[dict[str, Any]], record: GradeRecord) -> list[str]:
    """What changed since an earlier grading, a line for each student: points, and the arrays with another verdict."""
    own = {(row.get("delivered") or row["student"], row.get("id", "")): row for row in earlier}
    books = {row["student"]: row for row in earlier} | own
    lines = []
    for result in record.submissions:
        before = books.get((result.delivered or result.student, result.id)) or books.get(result.student)
        if before is None:
            lines.append(f"{result.title}: new, {format_number(result.points)}")
            continue
        verdicts = {(check, array.name): array.verdict for check, array in result.arrays}
        others = [
            f"{name} of {check} {before['arrays'].get((check, name), 'not checked')}, now {verdict}"
            for (check, name), verdict in verdicts.items()
            if before["arrays"].get((check, name)) != verdict
        ]
        if others or before["points"] != result.points:
            points = f"{format_number(before['points'])} before, {format_number(result.points)} now"
            lines.append(f"{result.title}: {points}{': ' if others else ''}{'; '.join(others)}")
    return lines


def gradescope_results(record: GradeRecord, result: SubmissionResult) -> dict[str, Any]:
    visibility = {"visibility": record.visibility}
    tests = [test | visibility for test in feedback(record, result, "score")]
    return {"score": result.points, "output": result.message, **visibility, "tests": tests}


def prairielearn_results(record: GradeRecord, result: SubmissionResult) -> dict[str, Any]:
    score = min(result.points / record.max_points, 1.0) if record.max_points else 0.0  # 1 is the most, with a bonus too
    tests = feedback(record, result, "points")
    return {"gradable": result.is_gradable, "score": score, "message": result.message, "tests": tests}


def feedback(record: GradeRecord, result: SubmissionResult, points: str) -> list[dict[str, Any]]:
    """What a student may read about each check, with the names that a system gives to points."""
    tests = []
    for check in result.checks:
        lines = [check.message] if record.hint >= 1 else []
        for mistake, line in zip_longest(check.mistakes if record.hint >= 2 else (), check.lines, fillvalue=""):
            if isinstance(mistake, Mistake):
                lines.append(f"likely mistake: {mistake.sentence}")
                lines += [str(line)] if record.hint >= 3 and line else []
                lines += [f"fix: {mistake.fix}"] if record.hint >= 4 and mistake.fix else []
        scores = {"name": check.name, points: check.points, f"max_{points}": check.max_points}
        tests.append(scores | {"output": "\n".join(lines)})
    return tests


def junit_xml(record: GradeRecord) -> str:
    return _render("junit.xml", record=record)


def student_page(record: GradeRecord, result: SubmissionResult) -> str:
    return _render("grading_student.html", title=f"{record.title}: {result.title}", record=record, result=result)


def class_page(record: GradeRecord) -> str:
    return _render("grading_class.html", title=record.title, record=record, **class_summary(record))


def show_page(record: GradeRecord) -> str:
    """What a teacher can show to a class: nobody is named."""
    return _render("grading_show.html", title=record.title, **class_summary(record))


def class_summary(record: GradeRecord) -> dict[str, Any]:
    """What the page and the terminal say about a class."""
    points = [result.points for result in record.submissions]
    steps = min(int(record.max_points) or 1, 10)
    heights = Counter(min(int(steps * score / (record.max_points or 1)), steps) for score in points)
    mistakes, failures = count_mistakes(record)
    same: dict[str, list[str]] = {}
    for result in record.submissions:
        same.setdefault(result.fingerprint or result.student, []).append(result.title)
    return {
        "full": sum(score >= record.max_points for score in points),
        "median": median(points),
        "histogram": [(record.max_points * i / steps, heights[i]) for i in range(steps + 1)],
        "mistakes": mistakes,
        "failures": failures,
        "same": sorted((names for names in same.values() if len(names) > 1), key=len),
        "similar": similar_code(record),
        "verdicts": Counter(
            (check, array.name, array.verdict) for result in record.submissions for check, array in result.arrays
        ),
    }


def similar_code(record: GradeRecord) -> list[tuple[float, list[str]]]:
    """Pairs of submissions that share rare statements, by the share of what they have; those that are equal are not."""
    counted = {result.title: Counter(result.statements) for result in record.submissions if result.statements}
    prints = {result.title: result.fingerprint for result in record.submissions}
    frequency = Counter(shape for shapes in counted.values() for shape in shapes)
    rare = max(2, len(counted) // 20)
    pairs = []
    for (name, shapes), (other, others) in itertools.combinations(counted.items(), 2):
        common, union = shapes & others, shapes | others
        own, both = (
            sum(count for shape, count in shares.items() if frequency[shape] <= rare) for shares in (common, union)
        )
        if own >= MIN_RARE_STATEMENTS and own > both / 2 and prints[name] != prints[other]:
            pairs.append((own / both, [name, other]))
    return sorted(pairs, key=lambda pair: (-pair[0], pair[1]))


@dataclass
class Common:
    """What several students did; `line` is an example of their code, `right` the solution's."""

    text: str
    line: str = ""
    right: str = ""
    students: list[str] = field(default_factory=list)


def count_mistakes(record: GradeRecord) -> tuple[list[Common], list[Common]]:
    """The mistakes and failures with their students, frequent ones first."""
    mistakes: dict[str, Common] = {}
    failures: dict[str, Common] = {}

    def count(commons: dict[str, Common], title: str, text: str, line: str = "", right: str = "") -> None:
        common = commons.setdefault(text, Common(text, line, right))
        if not (common.line and common.right):
            common.line, common.right = (line, right) if line else (common.line, common.right)
        common.students += [title] if title not in common.students else []

    for result in record.submissions:
        if not result.is_gradable:
            count(failures, result.title, "code that cannot be loaded")
            continue
        for check in result.checks:
            for mistake, line, right in zip_longest(check.mistakes, check.lines, check.right_lines, fillvalue=""):
                if isinstance(mistake, Mistake):
                    text = f"{mistake.code.replace('_', ' ')}: {mistake.fix}"
                    count(mistakes, result.title, text, str(line), str(right))
            if all(array.verdict == "missing" for array in check.arrays):
                count(failures, result.title, _FAILURE.sub(r"\1", check.message))
    frequent, failed = (
        sorted(commons.values(), key=lambda case: (-len(case.students), case.text)) for commons in (mistakes, failures)
    )
    return frequent, failed


def remarks(result: SubmissionResult) -> str:
    """The message and notes about a submission for the teacher, in one line."""
    notes = [*result.notes, *result.class_notes, *(note for check in result.checks for note in check.notes)]
    return "; ".join(filter(None, [result.message, *notes]))


def _anonymous_code(line: str) -> str:
    """A quoted line without its number, comments and texts, which may say whose it is."""
    return re.sub(r"""^(?:cell \d+, |[^:]*, )?line \d+: |\s*#.*|(?<==)\s*(["']).*?\1""", "", line).strip()


def _render(name: str, **values: Any) -> str:
    filters = {"code": _anonymous_code, "points": format_points, "counted": count_of, "remarks": remarks}
    return load_template(name, **filters).render(**values)
