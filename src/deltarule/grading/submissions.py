"""Find each student's submission in a folder, and the file of it that is loaded."""

import functools
import hashlib
import itertools
import os
import re
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from deltarule.errors import BadInput, one_line
from deltarule.grading.sandbox import module_paths
from deltarule.grading.source import Cell, NotCode, defined_names, imported_modules, read_cells

NOT_HANDED_IN = (".csv", ".yml", ".yaml", ".toml", ".md", ".html", ".ini", ".db", ".json")
"""What lies beside the submissions of a class, and is none."""
FOREIGN_FOLDERS = ("__MACOSX", "__pycache__", "site-packages", "venv", "node_modules")
MAX_SUBMISSION_BYTES = 2**26
"""Larger folders hold data sets or environments, not code."""
MAX_FILES = 1000
MAX_NAME_BYTES = 200
"""Pages and results are named after students; with their endings, a file's name has at most 255 bytes."""


_FROM_SYSTEMS = [
    re.compile(r"(?P<student>[^_]+?)(?P<late>_LATE)?_(?P<id>\d+)_\d+_(?P<file>.+)"),  # Canvas
    re.compile(r"(?P<student>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<file>.*)"),  # Moodle
    re.compile(r"(?P<student>(?P<file>.+?)) \(\d+\)"),  # of a browser
]
"""Names of files and folders as systems deliver them; "file" is what the student called it."""
_COPY = re.compile(r"(?:-\d+| \(\d+\))(?=\.\w+$)")
"""What systems add to the name of a file that is handed in again."""
Content = Path | zipfile.Path


@dataclass(frozen=True)
class Submission:
    """What a student handed in.

    file     the name of the file that is loaded; "" if there is none
    problem  why it cannot be graded; "" if it can
    cells    the code of the file that is loaded
    id       what the system calls the student; "" where it says nothing
    time     when its latest file was changed, in seconds since 1970
    is_late  by the system; None where it does not say
    """

    student: str
    file: str
    files: Mapping[str, Content]
    problem: str = ""
    cells: Sequence[Cell] = ()
    id: str = ""
    time: float = 0.0
    is_late: bool | None = None


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
    if is_single or path.is_file():
        return [_submission(_student_name(path), [(path.name, path)], preferred_file, functions)]
    people = _gradescope_people(path / "submission_metadata.yml")
    by_student: dict[tuple[str, str], list[tuple[str, Path]]] = {}
    for entry in sorted(path.iterdir()):
        is_other = entry.suffix.lower() in NOT_HANDED_IN and not entry.is_dir()
        if not is_other and not entry.is_symlink() and not entry.name.startswith((".", "__")):
            student, number, file = people.get(entry.name) or _split(entry)
            by_student.setdefault((student, number), []).append((file or entry.name, entry))
    if not by_student:
        raise BadInput(f"{path} holds no submission; put a .py or .ipynb file, or a folder, for each student there")
    submissions = []
    page_names: set[str] = set()
    for (student, number), entries in by_student.items():
        name = student
        page = unicodedata.normalize("NFC", name).casefold()  # equal names of files on some systems
        if page in page_names:
            name = f"{name}-{number or hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"
        page_names.add(page)
        submission = _submission(name, entries, preferred_file, functions)
        canvas = [match for _, entry in entries if (match := _FROM_SYSTEMS[0].fullmatch(entry.name))]
        is_late = any(match["late"] for match in canvas) if canvas else None
        submissions.append(replace(submission, id=number, is_late=is_late))
    return submissions


def _split(entry: Path) -> tuple[str, str, str]:
    """Split a delivered name into the student, the number and the file's own name."""
    name = _student_name(entry)
    for match in filter(None, (pattern.fullmatch(name) for pattern in _FROM_SYSTEMS)):
        parts = match.groupdict()
        file = f"{parts['file']}{entry.suffix}" if parts["file"] and not entry.is_dir() else ""
        return parts["student"], parts.get("id") or "", _COPY.sub("", file)
    return name, "", ""


def _gradescope_people(path: Path) -> dict[str, tuple[str, str, str]]:
    """Who handed in which folder of Gradescope's export."""
    if not path.is_file():
        return {}
    people = {}
    for block in re.split(r"^(?=submission_)", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
        name, number = (re.search(rf":{key}: *['\"]?([^'\"\n]+)", block) for key in ("name", "sid"))
        if name:
            people[block.partition(":")[0]] = one_line(name[1].strip()), number[1].strip() if number else "", ""
    return people


def _student_name(path: Path) -> str:
    """The student after whom a file or folder is named, as a safe text."""
    raw = os.fsencode(path.name if path.is_dir() else path.stem)
    name = one_line(raw.decode(errors="backslashreplace"))
    is_long = len(name.encode()) > MAX_NAME_BYTES
    return f"{name[: MAX_NAME_BYTES // 8]}-{hashlib.sha256(raw).hexdigest()[:16]}" if is_long else name


def _submission(
    student: str, handed_in: Sequence[tuple[str, Path]], preferred_file: str, functions: Sequence[str]
) -> Submission:
    files: dict[str, Content] = {}
    times: dict[str, float] = {}
    code, problems = {}, []
    try:
        contents = list(_contents(handed_in))
        if len(contents) > MAX_FILES or sum(size for _, _, size, _ in contents) > MAX_SUBMISSION_BYTES:
            raise OSError(None, f"more than {MAX_FILES} files or {MAX_SUBMISSION_BYTES // 2**20} MB")
        for name, content, _, modified in contents:
            if modified >= times.get(name, 0):  # the latest of several
                files[name], times[name] = content, modified
        for name, content in files.items():
            if name.lower().endswith((".py", ".ipynb")):
                try:
                    code[name] = read_cells(name, content.read_bytes())
                except NotCode as error:
                    problems.append(one_line(str(error)))
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:  # RuntimeError: encrypted
        return Submission(student, "", {}, f"it cannot be read: {getattr(error, 'strerror', '') or error}")
    if not code:
        listed = ", ".join(map(one_line, itertools.islice(files, 5)))
        problem = "; ".join(problems) or f"there is no .py or .ipynb file in it, but {listed or 'no file'}"
        return Submission(student, "", files, problem)
    file = _main_file(code, times, preferred_file, functions)
    return Submission(student, file, files, "", code[file], time=max(times.values()))


def _contents(handed_in: Sequence[tuple[str, Path]]) -> Iterator[tuple[str, Content, int, float]]:
    """The files in files, folders and archives, with their names, sizes and times."""
    for name, path in handed_in:
        if not (path.is_file() or path.is_dir()):
            raise OSError(None, "it is no file")
        for file in [path] if path.is_file() else sorted(itertools.islice(path.rglob("*"), MAX_FILES + 1)):
            inner = PurePosixPath(name if file == path else file.relative_to(path).as_posix())
            if file.is_file() and not file.is_symlink() and not _is_foreign(inner):
                yield from _expanded(str(inner), file)


def _expanded(name: str, path: Path) -> Iterator[tuple[str, Content, int, float]]:
    modified = path.stat().st_mtime
    if path.suffix.lower() not in (".zip", ".whl", ".egg"):
        yield name, path, path.stat().st_size, modified
        return
    archive = zipfile.ZipFile(path)
    for info in archive.infolist():
        inner = PurePosixPath(info.filename)
        is_link = info.external_attr >> 28 == 0xA
        if not (info.is_dir() or is_link or inner.is_absolute() or _is_foreign(inner)):
            yield f"{name[:-4]}/{inner}", zipfile.Path(archive, info.filename), info.file_size, modified


def forbidden_copies(submission: Submission, forbidden: tuple[str, ...]) -> set[str]:
    """The files of forbidden modules handed in, by package name or by content."""
    packages = {PurePosixPath(name).parent for name in submission.files if name.endswith("/__init__.py")}
    named = tuple(f"{package}/" for package in packages if package.name in forbidden)
    return {
        name
        for name, path in submission.files.items()
        if name.startswith(named)
        or (name != submission.file and name.endswith(".py") and _skeleton(path.read_bytes()) in _skeletons(forbidden))
    }


@functools.cache
def _skeletons(modules: tuple[str, ...]) -> set[bytes]:
    """Code of modules without names and comments, where enough is left."""
    files = (file for path in module_paths(modules) for file in ([path] if path.is_file() else path.rglob("*.py")))
    return {skeleton for skeleton in (_skeleton(file.read_bytes()) for file in files) if len(skeleton) > 200}


def _skeleton(content: bytes) -> bytes:
    return re.sub(rb"(?:#[^\n]*|[\w\s])+", b" ", content).strip()


def _is_foreign(name: PurePosixPath) -> bool:
    """Whether a file is hidden, a system's, or named to lead out of its folder."""
    return any(part.startswith(".") or part in FOREIGN_FOLDERS for part in name.parts)


def _main_file(
    code: Mapping[str, Sequence[Cell]], times: Mapping[str, float], preferred_file: str, functions: Sequence[str]
) -> str:
    """The file that defines or imports the most of the functions, then the latest."""
    preferred = [name for name in code if PurePosixPath(name).name == preferred_file]
    tests = {name for name in code if re.search(r"(?:^|/)(?:test_[^/]*|[^/]*_test|conftest|setup)\.py$", name)}
    needed = set(functions)

    def available(name: str, depth: int = 3) -> set[str]:
        names = defined_names(code[name])
        for module in imported_modules(code[name]) if depth else ():
            sibling = str(PurePosixPath(name).with_name(f"{module}.py"))
            if sibling in code:
                names |= available(sibling, depth - 1)
        return names

    def rank(name: str) -> tuple[object, ...]:
        own = needed & defined_names(code[name])
        return len(needed & available(name)), name not in tests, len(own), -name.count("/"), times[name]

    return max(preferred or sorted(code, reverse=True), key=rank)
