"""Find each student's submission in a folder, and the file of it that is loaded."""

import contextlib
import itertools
import json
import os
import re
import shutil
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

from deltarule.errors import BadInput, one_line
from deltarule.grading.record import HandedIn, safe_name
from deltarule.grading.source import (
    Cell,
    NotCode,
    decode,
    defined_names,
    imported_modules,
    read_cells,
    unwritten_functions,
)
from deltarule.grading.submitted_files import (
    MAX_FILES,
    Content,
    archive_members,
    code_name,
    files_handed_in,
    is_foreign,
    reason_of,
)
from deltarule.grading.systems import SYSTEMS
from deltarule.platforms import interrupt_after

NOT_HANDED_IN = (".csv", ".yml", ".yaml", ".toml", ".ini", ".db")
"""What lies beside the submissions of a class, and is none, unless a system named it after a student."""
ABOUT_THE_FOLDER = ("readme", "license", "index", "__init__")
CODE = (".py", ".ipynb")
MAX_SUBMISSION_BYTES = 2**26
"""More is data sets or environments, which are left out."""
MAX_CODE_CHARACTERS = 2**20
READING_SECONDS = 30

_FROM_SYSTEMS = [pattern for system in SYSTEMS.values() if (pattern := system.delivered)]
"""Canvas, Moodle, then what browsers add."""
_COPY = re.compile(r"(?:-\d+| \(\d+\))(?=\.\w+$)")
"""What systems add to the name of a file that is handed in again."""
_NOT_THE_WORK = re.compile(
    r"(?:^|/)(?:test_[^/]*|[^/]*_test|conftest|setup|[^/]*(?:template|skeleton|starter)[^/]*)\.\w+$"
)
"""Tests, and what was handed out."""
_Students = tuple[tuple[str, str], ...]
"""Names and ids of those who handed something in together."""


@dataclass(frozen=True)
class Submission(HandedIn):
    """What a student handed in.

    file     the name of the file that is loaded; "" if there is none
    problem  why it cannot be graded; "" if it can
    cells    the code of the file that is loaded
    others   who handed it in too, with their names as results, as delivered, and ids
    salt     of hidden data, a digest of all files: what one version of a submission saw is of no use to the next
    """

    file: str
    files: Mapping[str, Content]
    problem: str = ""
    cells: Sequence[Cell] = ()
    others: tuple[tuple[str, str, str], ...] = ()
    salt: str = ""


def find_submissions(
    path: str | Path, preferred_file: str = "", is_single: bool = False, functions: Sequence[str] = ()
) -> list[Submission]:
    """Find the submissions in a folder, sorted by student.

    The path is a folder with a file or folder for each student, or one student's file or, if `is_single`, folder. Links
    are ignored, as they may lead to files of the teacher. Of several files, the one that defines the most of
    `functions` is loaded, then the latest.
    """
    path = Path(path)
    if not path.exists():
        raise BadInput(f"{path} does not exist; give a folder with a file or folder for each student")
    is_one = is_single or path.is_file()
    people = _gradescope_people((path.parent if is_one else path) / "submission_metadata.yml")
    entries = [path] if is_one else list(filter(_is_handed_in, path.iterdir()))
    by_student: dict[_Students, list[tuple[str, Path]]] = {}
    for entry in sorted(entries, key=lambda file: (_copy_number(file.name), file)):
        student, number, file = _split_name(entry)
        students = people[entry.name][0] if entry.name in people else ((student, number),)
        by_student.setdefault(students, []).append((file or entry.name, entry))
    if not by_student:
        raise BadInput(f"{path} holds no submission; put a .py or .ipynb file, or a folder, for each student there")
    submissions = []
    page_names: set[str] = set()
    for students, files in by_student.items():
        (name, delivered, number), *others = [(_page_name(*names, page_names), *names) for names in students]
        submission = _read_submission(name, files, preferred_file, functions)
        first = files[0][1].name
        time = people[first][1] if first in people else 0.0
        submission = replace(submission, time=time or submission.time, is_late=_is_late(files), entry=one_line(first))
        submissions.append(replace(submission, delivered=delivered, id=number, others=tuple(others)))
    return sorted(submissions, key=lambda submission: submission.student)


def _page_name(student: str, number: str, taken: set[str]) -> str:
    """Take a name for results that no other has, also where systems take names for equal."""
    name = safe_name(student)
    suffixes = itertools.chain([number] if number else [], (f"{name}-{i}" for i in itertools.count(2)))
    while (page := unicodedata.normalize("NFC", name).casefold()) in taken:
        name = f"{safe_name(student)}-{safe_name(next(suffixes))}"
    taken.add(page)
    return name


def _is_late(files: Sequence[tuple[str, Path]]) -> bool | None:
    """Whether Canvas says that one of the files is late; None for other systems."""
    matches = [match for _, entry in files if (match := _FROM_SYSTEMS[0].fullmatch(entry.name))]
    return any(match["late"] for match in matches) if matches else None


@contextlib.contextmanager
def opened_class(path: Path, is_single: bool = False) -> Iterator[Path]:
    """The folder of a class: where a system's zip is given, that with its files and their times."""
    if is_single or path.suffix.lower() != ".zip" or not zipfile.is_zipfile(path):
        yield path
        return
    with zipfile.ZipFile(path) as archive:
        members = list(archive_members(archive))
        tops = {name.parts[0] for name, _, _ in members}
        is_export = any(name.name == "submission_metadata.yml" for name, _, _ in members)
        if not is_export and not any(system.fullmatch(top) for system in _FROM_SYSTEMS[:2] for top in tops):
            yield path  # one student's
            return
        with tempfile.TemporaryDirectory(prefix="deltarule-class-", ignore_cleanup_errors=True) as folder:
            for name, info, time in members:
                target = Path(folder, *name.parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(zipfile.BadZipFile, RuntimeError, zlib.error):  # what could be read of it
                    with archive.open(info) as member, target.open("wb") as file:
                        shutil.copyfileobj(member, file)
                if time:
                    os.utime(target, (time, time))
            yield Path(folder, *tops) if is_export and len(tops) == 1 else Path(folder)


def _copy_number(name: str) -> int:
    """The number of a file that is handed in again, as `hw3-2.py`."""
    match = _COPY.search(name)
    return int(re.sub(r"\D", "", match[0])) if match else 0


def _is_handed_in(entry: Path) -> bool:
    """Whether what lies in the folder of a class is a student's."""
    if entry.is_symlink() or (entry.is_dir() and is_foreign(PurePosixPath(entry.name))):
        return False
    if entry.is_dir() or any(pattern.fullmatch(entry.stem) for pattern in _FROM_SYSTEMS[:2]):
        return True
    is_hidden = entry.name.startswith(".") and entry.suffix.lower() not in CODE
    is_other = entry.suffix.lower() in NOT_HANDED_IN or entry.stem.lower() in ABOUT_THE_FOLDER
    return not is_hidden and not is_other


def _split_name(entry: Path) -> tuple[str, str, str]:
    """Split a delivered name into the student, the number and the file's own name."""
    name, suffix = _student_name(entry), Path(code_name(entry.name)).suffix
    for match in filter(None, (pattern.fullmatch(name) for pattern in _FROM_SYSTEMS)):
        parts = match.groupdict()
        file = f"{parts['file']}{suffix}" if parts["file"] and not entry.is_dir() else ""
        return parts["student"], parts.get("id") or "", _COPY.sub("", file)
    return name, "", ""


def _gradescope_people(path: Path) -> dict[str, tuple[_Students, float]]:
    """Who handed in which folder of Gradescope's export, and when."""
    people = {}
    for block in re.split(r"^(?=submission_)", decode(path.read_bytes()) if path.is_file() else "", flags=re.MULTILINE):
        students = []
        for item in re.split(r"^ *- ", block, flags=re.MULTILINE):
            name, number = (re.search(rf":{key}: *(.+)", item) for key in ("name", "sid"))
            if name:
                students.append((_yaml_text(name[1]), _yaml_text(number[1]) if number else ""))
        created = re.search(r":created_at: *'?(\d{4}-\d\d-\d\d).(\d\d:\d\d:\d\d)", block)  # in UTC
        if students:
            time = datetime.fromisoformat(f"{created[1]}T{created[2]}+00:00").timestamp() if created else 0.0
            people[block.partition(":")[0]] = tuple(students), time
    return people


def _yaml_text(text: str) -> str:
    text = text.strip()
    if text.startswith('"'):
        with contextlib.suppress(ValueError):
            return str(json.loads(text))
    return text[1:-1].replace("''", "'") if len(text) > 1 and text[0] == text[-1] == "'" else text


def _student_name(path: Path) -> str:
    """The student after whom a file or folder is named."""
    return path.name if path.is_dir() else Path(code_name(path.name)).stem.removesuffix(".tar")


def _read_submission(
    student: str, handed_in: Sequence[tuple[str, Path]], preferred_file: str, functions: Sequence[str]
) -> Submission:
    """Read a submission; whatever is wrong with it is its `problem`."""
    try:
        with interrupt_after(READING_SECONDS):
            return _read_files(student, handed_in, preferred_file, functions)
    except Exception as error:  # of a stranger's files
        return Submission(student, "", {}, f"it cannot be read: {reason_of(error)}")


def _read_files(
    student: str, handed_in: Sequence[tuple[str, Path]], preferred_file: str, functions: Sequence[str]
) -> Submission:
    notes: list[str] = []
    files, times, left_out = _latest_files(files_handed_in(handed_in, notes))
    code = _read_code(files, notes)
    if left_out:
        examples = ", ".join(left_out[:5])
        notes.append(f"left out, beyond {MAX_SUBMISSION_BYTES // 2**20} MB or {MAX_FILES} files: {examples}")
    given = [path for _, path in handed_in if not (files and path.is_dir())]  # a folder's time is when it was unpacked
    unpacked = [modified for name, modified in times.items() if isinstance(files[name], Path)]
    time = max([0.0, *(path.stat().st_mtime for path in given), *unpacked])
    if not code:
        listed = ", ".join(map(one_line, itertools.islice(files, 5)))
        problem = "; ".join(notes) or f"there is no .py or .ipynb file in it, but {listed or 'no file'}"
        return Submission(student, "", files, problem, time=time)
    file, parts, rivals = _main_file(code, times, preferred_file, functions)
    if parts:
        notes.append(f"its functions are in several files: {', '.join(map(one_line, [file, *parts][:8]))}")
    cells = [cell for name in (*parts, file) for cell in code[name]]
    if rivals:
        notes.append(f"{file} is graded; {', '.join(map(one_line, rivals[:5]))} defines the same functions")
    return Submission(student, file, files, "", cells, time=time, notes=tuple(notes))


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
