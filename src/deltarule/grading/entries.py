"""The files and folders of a class, as systems name them: whose each is, and which belong together."""

import contextlib
import json
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from deltarule.errors import BadInput
from deltarule.grading.source import decode
from deltarule.grading.submitted_files import CODE, archive_members, code_name, is_foreign
from deltarule.grading.systems import SYSTEMS
from deltarule.grading.times import UNKNOWN, read_time

NOT_HANDED_IN = (".csv", ".yml", ".yaml", ".toml", ".ini", ".db")
"""What lies beside the submissions of a class, and is none, unless a system named it after a student."""
ABOUT_THE_FOLDER = ("readme", "license", "index", "__init__")
METADATA = "submission_metadata.yml"
"""Of Gradescope's export, beside its folders."""
_FROM_SYSTEMS = [pattern for system in SYSTEMS.values() if (pattern := system.delivered)]
"""Canvas, Moodle, then what browsers add."""
_COPY = re.compile(r"(?:-\d+| \(\d+\))(?=\.\w+$)")
"""What systems add to the name of a file that is handed in again."""


@dataclass(frozen=True)
class Student:
    """Who handed something in, by the system: a number is an identity, and so is an e-mail."""

    name: str
    id: str = ""
    email: str = ""


@dataclass(frozen=True)
class Entry:
    """A file or folder of a class.

    students  who handed it in, several where the system knows of a group
    file      how the student called it
    key       the same for what belongs together
    time      by the system
    is_late   by Canvas; None for other systems
    """

    path: Path
    students: tuple[Student, ...]
    file: str
    key: object
    time: float = UNKNOWN
    is_late: bool | None = None


def read_entries(path: Path, *, is_one: bool) -> list[list[Entry]]:
    """The entries of each submission in a folder, or of a single one.

    Those with one number of a system's belong together, and beside a file of code those that have its name and no code,
    such as a report. All others are submissions of their own: two people may have one name.
    """
    exported = _read_gradescope((path.parent if is_one else path) / METADATA)
    paths = [path] if is_one else list(filter(_is_handed_in, path.iterdir()))
    groups: dict[object, list[Entry]] = {}
    for each in sorted(paths, key=lambda each: (_copy_number(each.name), each)):
        entry = exported[each.name] if each.name in exported else _read_name(each)
        groups.setdefault(entry.key, []).append(entry)
    if not groups:
        raise BadInput(f"{path} holds no submission; put a .py or .ipynb file, or a folder, for each student there")
    separate: list[list[Entry]] = []
    for group in groups.values():
        is_alone = group[0].students[0].id or sum(_may_hold_code(entry.path) for entry in group) < 2
        separate += [group] if is_alone else [[entry] for entry in group]
    return separate


def unread_entries(path: Path) -> list[str]:
    """The names of what lies in the folder of a class and is no submission."""
    entries = path.iterdir() if path.is_dir() else ()
    return sorted(entry.name for entry in entries if not _is_handed_in(entry) and entry.name != METADATA)


def _may_hold_code(path: Path) -> bool:
    return path.is_dir() or code_name(path.name).lower().endswith((*CODE, ".zip"))


def _read_name(path: Path) -> Entry:
    """A file or folder by its name, as systems make it of a student, a number and the file's own name."""
    name, suffix = _student_name(path), Path(code_name(path.name)).suffix
    for pattern in _FROM_SYSTEMS:
        if match := pattern.fullmatch(name):
            parts = match.groupdict()
            file = _COPY.sub("", f"{parts['file']}{suffix}") if parts["file"] and not path.is_dir() else path.name
            student = Student(parts["student"], parts.get("id") or "")
            is_late = bool(parts["late"]) if "late" in parts else None
            return Entry(path, (student,), file, student if student.id else name, is_late=is_late)
    return Entry(path, (Student(name),), path.name, name)


@contextlib.contextmanager
def opened_class(path: Path, is_single: bool = False) -> Iterator[Path]:
    """The folder of a class: where a system's zip is given, that with its files and their times, 0 where unknown."""
    if is_single or path.suffix.lower() != ".zip" or not zipfile.is_zipfile(path):
        yield path
        return
    with zipfile.ZipFile(path) as archive:
        members = list(archive_members(archive))
        tops = {name.parts[0] for name, _, _ in members}
        is_export = any(name.name == METADATA for name, _, _ in members)
        if not is_export and not any(pattern.fullmatch(top) for pattern in _FROM_SYSTEMS[:2] for top in tops):
            yield path  # one student's
            return
        with tempfile.TemporaryDirectory(prefix="deltarule-class-", ignore_cleanup_errors=True) as folder:
            for name, info, time in members:
                target = Path(folder, *name.parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(zipfile.BadZipFile, RuntimeError, zlib.error):  # what could be read of it
                    with archive.open(info) as member, target.open("wb") as file:
                        shutil.copyfileobj(member, file)
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


def _read_gradescope(path: Path) -> dict[str, Entry]:
    """The folders of Gradescope's export: who handed each in, and when."""
    entries = {}
    text = decode(path.read_bytes()) if path.is_file() else ""
    for block in re.split(r"^(?=submission_\w+:)", text, flags=re.MULTILINE)[1:]:
        folder = path.with_name(block.partition(":")[0])
        listed = re.search(r"^ +:submitters: *\n((?: *- .*\n| {3,}[^-\s].*\n?)*)", block, re.MULTILINE)
        students = []
        for item in re.split(r"^ *- ", listed[1] if listed else "", flags=re.MULTILINE):
            name, number, email = (_yaml_value(key, item) for key in ("name", "sid", "email"))
            if name:  # without a number the e-mail is one, and without either nobody else's folder has this name
                students.append(Student(name, number or email.casefold() or folder.name, email.casefold()))
        if students:
            time = read_time(_yaml_value("created_at", block))
            entries[folder.name] = Entry(folder, tuple(students), folder.name, folder.name, time)
    return entries


def _yaml_value(key: str, text: str) -> str:
    """The first value of a key; "" for none."""
    match = re.search(rf":{key}:[ \t]*(.+)", text)
    value = match[1].strip() if match else ""
    if value.startswith('"'):
        with contextlib.suppress(ValueError):
            return str(json.loads(value))
    if len(value) > 1 and value[0] == value[-1] == "'":
        return value[1:-1].replace("''", "'")
    return "" if value in ("~", "null") else value


def _student_name(path: Path) -> str:
    """The student after whom a file or folder is named."""
    return path.name if path.is_dir() else Path(code_name(path.name)).stem.removesuffix(".tar")
