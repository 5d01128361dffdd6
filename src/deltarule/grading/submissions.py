"""Find each student's submission in a folder, and the file of it that is loaded."""

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from deltarule.errors import BadInput, one_line
from deltarule.grading.entries import Entry, Student, read_entries
from deltarule.grading.record import HandedIn, Owner, safe_name
from deltarule.grading.source import (
    Cell,
    NotCode,
    defined_names,
    imported_modules,
    read_cells,
    unwritten_functions,
)
from deltarule.grading.submitted_files import CODE, MAX_FILES, Content, files_handed_in, reason_of
from deltarule.grading.times import UNKNOWN, time_of_commit, time_of_files, time_of_nbgrader
from deltarule.platforms import interrupt_after

MAX_SUBMISSION_BYTES = 2**26
"""More is data sets or environments, which are left out."""
MAX_CODE_CHARACTERS = 2**20
READING_SECONDS = 30

_NOT_THE_WORK = re.compile(
    r"(?:^|/)(?:test_[^/]*|[^/]*_test|conftest|setup|[^/]*(?:template|skeleton|starter)[^/]*)\.\w+$"
)
"""Tests, and what was handed out."""
Times = Literal["system", "files", "zip"]
"""Where a time comes from that no system has noted: from nowhere, from files, or from files as a system lists them."""


@dataclass(frozen=True)
class Submission(HandedIn):
    """What a student handed in.

    file     the name of the file that is loaded; "" if there is none
    problem  why it cannot be graded; "" if it can
    cells    the code of the file that is loaded
    others   who handed it in too
    salt     of hidden data, a digest of all files: what one version of a submission saw is of no use to the next
    """

    file: str
    files: Mapping[str, Content]
    problem: str = ""
    cells: Sequence[Cell] = ()
    others: tuple[HandedIn, ...] = ()
    salt: str = ""


def find_submissions(
    path: str | Path,
    preferred_file: str = "",
    is_single: bool = False,
    functions: Sequence[str] = (),
    times: Times = "system",
) -> list[Submission]:
    """Find the submissions in a folder, sorted by student.

    The path is a folder with a file or folder for each student, or one student's file or, if `is_single`, folder. Links
    are ignored, as they may lead to files of the teacher. Of several files, the one that defines the most of
    `functions` is loaded, then the latest.
    """
    path = Path(path)
    if not path.exists():
        raise BadInput(f"{path} does not exist; give a folder with a file or folder for each student")
    groups = read_entries(path, is_one=is_single or path.is_file())
    names = Counter(group[0].students for group in groups)
    submissions = []
    pages: set[str] = set()
    owners: set[Owner] = set()
    for group in groups:
        who, *others = (_take_name(student, group[0], pages, owners) for student in group[0].students)
        submission = _read_submission(who.student, group, preferred_file, functions, times)
        notes = submission.notes
        if names[group[0].students] > 1:
            notes += ("other submissions have its name; put what is one student's into one folder",)
        late = [entry.is_late for entry in group if entry.is_late is not None]
        about = {name: getattr(who, name) for name in ("delivered", "id", "email", "entry")}
        about |= {"is_late": any(late) if late else None, "notes": notes, "others": tuple(others)}
        submissions.append(replace(submission, **about))
    return sorted(submissions, key=lambda submission: submission.student)


def _take_name(student: Student, entry: Entry, pages: set[str], owners: set[Owner]) -> HandedIn:
    """Who is meant: by a name for results that no other has, and a name and id that no other has, for the roster."""
    name = entry.path.name
    delivered = student.name if (student.name, student.id) not in owners else f"{student.name} ({name})"
    owners.add((delivered, student.id))
    page = _page_name(student.name, student.id, pages)
    return HandedIn(page, delivered=delivered, id=student.id, email=student.email, entry=one_line(name))


def _page_name(student: str, number: str, taken: set[str]) -> str:
    """Take a name for results that no other has, also where systems take names for equal."""
    first = safe_name(student)
    with_number = [f"{first}-{safe_name(number)}"] if number else []
    for name in itertools.chain([first], with_number, (f"{first}-{i}" for i in itertools.count(2))):
        if (page := unicodedata.normalize("NFC", name).casefold()) not in taken:
            break
    taken.add(page)
    return name


def _read_submission(
    student: str, entries: Sequence[Entry], preferred_file: str, functions: Sequence[str], times: Times
) -> Submission:
    """Read a submission; whatever is wrong with it is its `problem`."""
    try:
        with interrupt_after(READING_SECONDS):
            return _read_files(student, entries, preferred_file, functions, times)
    except Exception as error:  # of a stranger's files
        return Submission(student, "", {}, f"it cannot be read: {reason_of(error)}", time=entries[0].time)


def _read_files(
    student: str, entries: Sequence[Entry], preferred_file: str, functions: Sequence[str], times: Times
) -> Submission:
    notes: list[str] = []
    files, modified, left_out = _latest_files(files_handed_in([(entry.file, entry.path) for entry in entries], notes))
    code = _read_code(files, notes)
    if left_out:
        examples = ", ".join(left_out[:5])
        notes.append(f"left out, beyond {MAX_SUBMISSION_BYTES // 2**20} MB or {MAX_FILES} files: {examples}")
    if not code:
        listed = ", ".join(map(one_line, itertools.islice(files, 5)))
        problem = "; ".join(notes) or f"there is no .py or .ipynb file in it, but {listed or 'no file'}"
        return Submission(student, "", files, problem, time=_time_of(entries, "", files, modified, times))
    file, parts, rivals = _main_file(code, modified, preferred_file, functions)
    if parts:
        notes.append(f"its functions are in several files: {', '.join(map(one_line, [file, *parts][:8]))}")
    cells = [cell for name in (*parts, file) for cell in code[name]]
    if rivals:
        notes.append(f"{file} is graded; {', '.join(map(one_line, rivals[:5]))} defines the same functions")
    time = _time_of(entries, file, files, modified, times)
    return Submission(student, file, files, "", cells, time=time, notes=tuple(notes))


def _time_of(
    entries: Sequence[Entry], file: str, files: Mapping[str, Content], modified: Mapping[str, float], times: Times
) -> float:
    """When a submission was handed in: by what its system has noted, or else as `times` says."""
    has_number = bool(entries[0].students[0].id)  # by another system, to which such notes could be handed in
    folders = [entry.path for entry in entries if entry.path.is_dir() and not has_number]
    by_system = max(entry.time for entry in entries) or (time_of_nbgrader(file, files) if folders else UNKNOWN)
    for folder in folders:
        by_system = by_system or time_of_commit(folder, [name for name in files if name.endswith(CODE)])
    if by_system or times == "system":
        return by_system
    if times == "zip":  # of one assignment
        paths = [path for entry in entries for path in (entry.path, *entry.path.rglob("*")) if path.is_file()]
        return max((path.stat().st_mtime for path in paths), default=UNKNOWN)
    return time_of_files(file, files, modified)


def _latest_files(
    contents: Iterable[tuple[str, Content, int, float]],
) -> tuple[dict[str, Content], dict[str, float], list[str]]:
    """The latest file of each name, and its time, code before small files; and the names of those beyond the limits."""
    files: dict[str, Content] = {}
    times: dict[str, float] = {}
    left_out: list[str] = []
    used_bytes = 0
    for name, content, size, modified in sorted(contents, key=lambda row: 0 if row[0].endswith(CODE) else 1 + row[2]):
        if used_bytes + size > MAX_SUBMISSION_BYTES or len(files) == MAX_FILES:
            left_out.append(one_line(name))
        elif modified >= times.get(name, 0):
            used_bytes += size
            files[name], times[name] = content, modified
    return files, times, left_out


def _read_code(files: Mapping[str, Content], problems: list[str]) -> dict[str, Sequence[Cell]]:
    """The cells of the files of code; what cannot be read is added to the problems."""
    code: dict[str, Sequence[Cell]] = {}
    for name, content in files.items():
        if not name.endswith(CODE):
            continue
        try:
            cells = read_cells(name, content.read_bytes())
        except NotCode as error:
            problems.append(one_line(str(error)))
        except Exception as error:  # of a damaged member of an archive
            problems.append(f"{one_line(name)} cannot be read: {reason_of(error)}")
        else:
            if sum(len(source) for _, source in cells) <= MAX_CODE_CHARACTERS:
                code[name] = cells
            else:
                problems.append(one_line(f"{name} has more than {MAX_CODE_CHARACTERS} characters of code"))
    return code


def _main_file(
    code: Mapping[str, Sequence[Cell]], times: Mapping[str, float], preferred_file: str, functions: Sequence[str]
) -> tuple[str, list[str], list[str]]:
    """The file that defines or imports the most of the functions, then the latest.

    Also those with the functions that it lacks, and those that are its equals.
    """
    preferred = [name for name in code if PurePosixPath(name).name == preferred_file]
    needed = set(functions)

    def rank(name: str) -> tuple[object, ...]:
        own = needed & defined_names(code[name])
        is_other = _NOT_THE_WORK.search(name) is not None
        return len(needed & _available_names(code, name)), not is_other, len(own), -name.count("/"), times[name]

    ranks = {name: rank(name) for name in preferred or sorted(code, reverse=True)}
    file = max(ranks, key=ranks.__getitem__)
    if preferred:
        return file, [], []
    parts = []
    missing = needed - _available_names(code, file)
    for name in sorted(ranks, key=ranks.__getitem__, reverse=True):  # as where each function has a file of its own
        own = _available_names(code, name, depth=0)
        if missing & own and not _NOT_THE_WORK.search(name):
            parts.append(name)
            missing -= own
    rivals = [name for name in ranks if name != file and ranks[name] == ranks[file] and code[name] != code[file]]
    return file, parts, [name for name in rivals if name not in parts]


def _available_names(code: Mapping[str, Sequence[Cell]], name: str, depth: int = 3) -> set[str]:
    """What a file defines with code, or imports from its siblings."""
    names = defined_names(code[name]) - unwritten_functions(code[name])
    for module in imported_modules(code[name]) if depth else ():
        for sibling in (str(PurePosixPath(name).with_name(f"{module}{ending}")) for ending in CODE):
            if sibling in code:
                names |= _available_names(code, sibling, depth - 1)
    return names
