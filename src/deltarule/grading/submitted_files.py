"""The files that students handed in: in folders and archives, under safe names, and copies of forbidden modules."""

import contextlib
import functools
import hashlib
import itertools
import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from deltarule.errors import one_line
from deltarule.grading.sandbox import module_paths
from deltarule.grading.source import NotCode, as_module, read_cells

if TYPE_CHECKING:
    from deltarule.grading.submissions import Submission

FOREIGN_FOLDERS = ("__MACOSX", "__pycache__", "site-packages", "venv", "node_modules")
CODE = (".py", ".ipynb")
MAX_FILES = 1000
NO_DATE = (1980, 1, 1, 0, 0, 0)
"""What programs write into archives that give no date."""

_SAVED_AS = re.compile(r"(\.(?:py|ipynb))(?:\.(?:txt|json|download))+$", re.IGNORECASE)
"""What browsers add to the name of a file of code."""


@dataclass(frozen=True)
class ArchiveFile:
    """A file in an archive."""

    archive: Path
    info: zipfile.ZipInfo

    def read_bytes(self) -> bytes:
        return _open_archive(self.archive).read(self.info)


Content = Path | ArchiveFile
_open_archive = functools.lru_cache(maxsize=8)(zipfile.ZipFile)


def files_handed_in(
    handed_in: Sequence[tuple[str, Path]], problems: list[str]
) -> Iterator[tuple[str, Content, int, float]]:
    """The files in files, folders and archives, with their names, sizes and times."""
    for name, path in handed_in:
        if not (path.is_file() or path.is_dir()):
            raise OSError(None, "it is no file")
        for file in [path] if path.is_file() else sorted(itertools.islice(path.rglob("*"), 20 * MAX_FILES)):
            inner = PurePosixPath(name if file == path else file.relative_to(path).as_posix())
            if file.is_file() and not file.is_symlink() and (file == path or not is_foreign(inner)):
                try:
                    yield from _expand(str(inner), file)
                except Exception as error:  # of a damaged archive
                    problems.append(f"{one_line(str(inner))} cannot be read: {reason_of(error)}")


def _expand(name: str, path: Path) -> Iterator[tuple[str, Content, int, float]]:
    modified = path.stat().st_mtime
    if path.suffix.lower() not in (".zip", ".whl", ".egg"):
        yield _copied_name(name), path, path.stat().st_size, modified
        return
    for inner, info, time in archive_members(_open_archive(path)):
        yield _copied_name(f"{name[:-4]}/{inner}"), ArchiveFile(path, info), info.file_size, time or modified


def _copied_name(name: str) -> str:
    """The name of a file in the copy of a submission: of code in small letters at its end, and no part too long."""
    parts = [
        part if len(os.fsencode(part)) < 256 else f"{part[:20]}-{hashlib.sha256(os.fsencode(part)).hexdigest()[:16]}"
        for part in code_name(name).split("/")
    ]
    return re.sub(r"\.(py|ipynb)$", lambda match: match[0].lower(), "/".join(parts), flags=re.IGNORECASE)


def archive_members(archive: zipfile.ZipFile) -> Iterator[tuple[PurePosixPath, zipfile.ZipInfo, float]]:
    """The files that are taken from an archive, with their times; 0 for a date that does not exist or is not given."""
    for info in archive.infolist():
        name = PurePosixPath(info.filename.replace("\\", "/"))  # as some Windows programs write it
        is_link = info.external_attr >> 28 == 0xA
        if not (info.is_dir() or is_link or name.is_absolute() or is_foreign(name)):
            time = 0.0
            with contextlib.suppress(ValueError, OverflowError):
                time = datetime(*info.date_time).timestamp() if info.date_time > NO_DATE else 0.0
            yield name, info, time


def code_name(name: str) -> str:
    """The name of a file without what a browser added to that of code."""
    return _SAVED_AS.sub(r"\1", name)


def is_foreign(name: PurePosixPath) -> bool:
    """Whether a file is hidden, a system's, or named to lead out of its folder."""
    return any(part.startswith(".") or part in FOREIGN_FOLDERS for part in name.parts)


def reason_of(error: Exception) -> str:
    """Why a file cannot be read."""
    text = re.sub(r" <[^>]*>", "", getattr(error, "strerror", "") or str(error))  # Python's description of a member
    return one_line(text)[:200] or type(error).__name__


def copy_files(submission: "Submission", folder: Path, forbidden: tuple[str, ...]) -> tuple[str, list[str]]:
    """Copy a submission's files but for forbidden modules; returns their digest, and notes about what is left out."""
    notes = []
    left_out = []
    digest = hashlib.sha256(submission.student.encode())
    packages = _forbidden_packages(submission.files, forbidden)
    for target, file in submission.files.items():
        try:
            content = file.read_bytes()
            digest.update(f"{target} {len(content)} ".encode(errors="replace") + content)
            is_other_code = target.endswith(".py") and target != submission.file
            if target.startswith(packages) or (is_other_code and _is_forbidden_copy(content, forbidden)):
                left_out.append(target)
                continue
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            (folder / target).write_bytes(as_module(content) if target.endswith(".py") else content)
            if target.endswith(".ipynb") and f"{target[:-6]}.py" not in submission.files:
                _write_code_beside(folder / target, content)
        except Exception as error:  # of a damaged archive, or of names that exclude each other
            if not any(one_line(target) in said for said in submission.notes):
                notes.append(f"left out: {one_line(target)} cannot be read: {reason_of(error)}")
    if left_out:
        examples = f"{len(left_out)} files such as {one_line(min(left_out))}"
        notes.append(f"left out, as copies of forbidden modules: {examples}")
    return digest.hexdigest(), notes


def _write_code_beside(notebook: Path, content: bytes) -> None:
    """Write the code of a notebook beside it, for `%run other.ipynb`, and imports of notebooks."""
    with contextlib.suppress(NotCode):
        code = "\n\n".join(source for _, source in read_cells(notebook.name, content))
        notebook.with_suffix(".py").write_text(code, encoding="utf-8", errors="replace")


def _forbidden_packages(names: Iterable[str], forbidden: Sequence[str]) -> tuple[str, ...]:
    """The folders of forbidden packages that were handed in, with a slash at their end."""
    packages = {PurePosixPath(name).parent for name in names if name.endswith("/__init__.py")}
    return tuple(f"{package}/" for package in packages if package.name in forbidden)


def _is_forbidden_copy(content: bytes, forbidden: tuple[str, ...]) -> bool:
    """Whether the code of a file is a forbidden module's."""
    return _skeleton(content) in _skeletons(forbidden)


@functools.cache
def _skeletons(modules: tuple[str, ...]) -> set[bytes]:
    """Code of modules without names and comments, where enough is left."""
    files = (file for path in module_paths(modules) for file in ([path] if path.is_file() else path.rglob("*.py")))
    return {skeleton for skeleton in (_skeleton(file.read_bytes()) for file in files) if len(skeleton) > 200}


def _skeleton(content: bytes) -> bytes:
    return re.sub(rb"(?:#[^\n]*|[\w\s])+", b" ", content).strip()
