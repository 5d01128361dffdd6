"""Find the submissions in a folder, one for each student."""

import hashlib
import itertools
import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deltarule.errors import BadInput, one_line

ENDINGS = (".py", ".ipynb")
MAX_SUBMISSION_BYTES = 2**26
"""Larger folders hold data sets or environments, not code."""
MAX_FILES = 1000
MAX_NAME_BYTES = 200
"""Pages and results are named after students; with their endings, a file's name has at most 255 bytes."""


@dataclass(frozen=True)
class Submission:
    """What a student handed in.

    file     the name of the file that is loaded; "" if there is none, or no single one
    problem  why it cannot be graded; "" if it can
    """

    student: str
    file: str
    files: Mapping[str, Path]
    problem: str = ""


def find_submissions(path: str | Path, preferred_file: str = "", is_single: bool = False) -> list[Submission]:
    """Find the submissions in a folder, sorted by student.

    The path is a folder with a file or folder for each student, or one student's file or, if `is_single`, folder. Links
    are ignored, as they may lead to files of the teacher.
    """
    path = Path(path)
    if not path.exists():
        raise BadInput(f"{path} does not exist; give a folder with a file or folder for each student")
    if is_single or path.is_file():
        return [_submission(_student_name(path), [path], preferred_file)]
    by_student: dict[str, list[Path]] = {}
    page_names: dict[str, str] = {}
    for entry in sorted(path.iterdir()):
        is_code = entry.is_dir() or entry.suffix in ENDINGS
        if is_code and not entry.is_symlink() and not entry.name.startswith((".", "__")):
            student = _student_name(entry)
            page = unicodedata.normalize("NFC", student).casefold()  # equal names of files on some systems
            if page_names.setdefault(page, student) != student:
                student = f"{student}-{hashlib.sha256(os.fsencode(student)).hexdigest()[:8]}"
            by_student.setdefault(student, []).append(entry)
    if not by_student:
        raise BadInput(f"{path} holds no submission; put a .py or .ipynb file, or a folder, for each student there")
    return [_submission(student, entries, preferred_file) for student, entries in by_student.items()]


def _student_name(path: Path) -> str:
    """The student after whom a file or folder is named, as a safe text."""
    raw = os.fsencode(path.name if path.is_dir() else path.stem)
    name = one_line(raw.decode(errors="backslashreplace"))
    is_long = len(name.encode()) > MAX_NAME_BYTES
    return f"{name[: MAX_NAME_BYTES // 8]}-{hashlib.sha256(raw).hexdigest()[:16]}" if is_long else name


def _submission(student: str, handed_in: Sequence[Path], preferred_file: str) -> Submission:
    path = handed_in[0]
    if len(handed_in) > 1:
        several = " and ".join(one_line(entry.name) for entry in handed_in)
        return Submission(student, "", {}, f"there are two submissions, {several}; hand in one")
    if path.is_file():
        return Submission(student, path.name, {path.name: path})
    try:
        entries = list(itertools.islice(path.rglob("*"), MAX_FILES + 1))
        paths = [file for file in sorted(entries) if file.is_file() and not file.is_symlink()]
        size = sum(file.stat().st_size for file in paths)
    except OSError as error:
        return Submission(student, "", {}, f"the folder cannot be read: {error.strerror}")
    if size > MAX_SUBMISSION_BYTES or len(entries) > MAX_FILES:
        limits = f"{MAX_FILES} files or {MAX_SUBMISSION_BYTES // 2**20} MB"
        return Submission(student, "", {}, f"the folder holds more than {limits}; hand in the code alone")
    files = {file.relative_to(path).as_posix(): file for file in paths}
    names = [name for name in files if name.endswith(ENDINGS) and "/" not in name]
    file = preferred_file if preferred_file in files else names[0] if len(names) == 1 else ""
    wanted = f"a file '{preferred_file}'" if preferred_file else "a single .py or .ipynb file"
    problem = f"the folder should hold {wanted}; there are {', '.join(map(one_line, names)) or 'none'}"
    return Submission(student, file, files, "" if file else problem)
