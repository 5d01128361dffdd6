"""Write files atomically, create output folders, and find out what a path leads to."""

import atexit
import contextlib
import os
import secrets
import shutil
import stat
import tempfile
from functools import cache
from pathlib import Path

from deltarule import platforms
from deltarule.errors import DISK_TROUBLE, FREE_SPACE, BadInput, RunFailed

PART = ".deltarule-*.part"
"""Pattern of the names of partial files, which are renamed once they are complete."""
ABANDONED_SECONDS = 3600.0
"""A partial file that was not written to for this long was left by a killed process."""


def write_whole(path: str | Path, content: bytes | str) -> None:
    """Write a file atomically: readers see the old content or the new one, never a part.

    Parameters: `path`, in a folder that exists; `content`, bytes or text (written as UTF-8, line ends as given).
    A symbolic link stays, and its target is written; other hard links keep the old content. An existing file keeps its
    permissions and, where the system allows it, its owner and group.
    Errors: `BadInput` for a path that cannot be written; `RunFailed` for a full or failing disk. Either way, and
    after Ctrl-C, nothing is left behind.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder) / "note.txt", "δ = ∂J/∂z")
    ...     (Path(folder) / "note.txt").read_text(encoding="utf-8")
    'δ = ∂J/∂z'
    """
    named, path = path, _destination(path)
    data = content.encode("utf-8") if isinstance(content, str) else content
    part = path.parent / PART.replace("*", secrets.token_hex(8))
    try:
        with part.open("xb") as file:
            with contextlib.suppress(OSError):  # no file is there yet, or its disk knows no permissions
                platforms.keep_permissions(part, path.stat())
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        platforms.replace(part, path)
    except BaseException as error:  # Ctrl-C too must leave nothing behind
        with contextlib.suppress(OSError):
            part.unlink()
        if isinstance(error, OSError):
            raise _cannot_write(Path(named), error) from error
        raise


def check_can_write(path: str | Path) -> None:
    """Raise `BadInput` or `RunFailed` unless a file can be written, before the work that computes its content.

    Parameters: `path`.
    Errors: `BadInput` and `RunFailed` as `write_whole`; `BadInput` also for another user's file in a sticky folder, and
    for a read-only file, which `write_whole` would replace.

    >>> check_can_write("nowhere/model.safetensors")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: nowhere/model.safetensors cannot be written: No such file or directory; choose ...
    """
    named, path = path, _destination(path)
    if path.exists() and not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise BadInput(f"{named} may not be written; allow it, or choose another name")
    if path.exists() and not platforms.may_replace(path):
        text = f"{named} belongs to another user, and its folder is sticky: only the owner may replace it"
        raise BadInput(f"{text}; choose another name")
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise _cannot_write(Path(named), error) from error


def make_folder(path: str | Path) -> Path:
    """Create an output folder and its parents, check that it is writable, and remove killed processes' partial files.

    Parameters: `path`, the folder, which may exist already; partial files of killed processes are removed.
    Returns: the folder.
    Errors: `BadInput` when a file is in the way, the folder cannot be written or the system has no such names;
    `RunFailed` for a full disk.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     make_folder(Path(folder) / "results" / "encoder").is_dir()
    True
    """
    path = platforms.full_length(Path(path))
    _check_name(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:
            now = os.fstat(file.fileno()).st_mtime  # by the disk's clock, which may be another computer's
        _remove_abandoned(path, now)
    except OSError as error:
        raise _cannot_write(path, error) from error
    return path


def remove(path: str | Path) -> None:
    """Remove a file if it exists; of a symbolic link the target, not the link.

    Errors: `BadInput` for a file that cannot be removed.

    >>> remove("missing.json")
    """
    try:
        _destination(path).unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(Path(path), error) from error


def kind_of(path: str | Path) -> str:
    """The kind of thing that a path leads to: "file", "folder", "device" (also a pipe), or "" if it does not exist.

    Errors: `BadInput` if this is unknown: in a folder without access, or for a name that no file can have.

    >>> kind_of("missing.json")
    ''
    """
    try:
        return kind_or_error(path)
    except OSError as error:
        raise _cannot_use(path, error) from error


def kind_or_error(path: str | Path) -> str:
    """The same as `kind_of`, but raise the system's `OSError` if this is unknown, for callers with their own message.

    From Python 3.14 on (on Windows from 3.12) `Path.exists` returns False without access to the folder, and existing
    results would be started again.

    >>> kind_or_error(temporary_folder())
    'folder'
    """
    try:
        mode = platforms.full_length(Path(path)).stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last for a zero byte, which no name has
        return ""
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "device"


def check_is_file(path: str | Path, expected: str) -> None:
    """Raise `BadInput` unless a path leads to a plain file; the message asks for `expected` instead.

    Parameters: `expected`, what the message asks for instead, such as "a CSV file".
    Errors: `BadInput`.

    >>> check_is_file("missing.csv", "a CSV file")
    Traceback (most recent call last):
        ...
    deltarule.errors.BadInput: missing.csv does not exist; check the name and the folder
    """
    kind = kind_of(path)
    if not kind:
        raise BadInput(f"{path} does not exist; check the name and the folder")
    if kind == "folder":
        raise BadInput(f"{path} is a folder; name {expected} in it")
    if kind == "device":
        raise BadInput(f"{path} is a pipe or a device; save what comes from it as {expected}, and name that")


def is_same_file(first: str | Path, second: str | Path) -> bool:
    """Whether two paths lead to the same file, or would on a disk that ignores case once they are written.

    Two new files count as the same if their names differ only in case: many disks, on all systems, ignore case, and
    the second file would replace the first.

    Errors: `BadInput` as `kind_of`.

    >>> is_same_file("x.csv", "folder/../X.csv")
    True
    """
    kinds = kind_of(first), kind_of(second)
    if all(kinds):
        return Path(first).samefile(second)
    targets = [real_path(path) for path in (first, second)]
    if any(kinds) or not all(path.name for path in targets):  # a missing drive has no name
        return targets[0] == targets[1]
    names = [path.name.lower() for path in targets]
    return names[0] == names[1] and is_same_file(*(path.parent for path in targets))


def real_path(path: str | Path) -> Path:
    """The absolute path with all symbolic links resolved; the file need not exist.

    Errors: `BadInput` for a relative path if the current folder was removed, and in a folder without access.

    >>> real_path("folder/../x.csv") == Path.cwd().resolve() / "x.csv"
    True
    """
    try:
        return Path(os.path.realpath(path))
    except FileNotFoundError as error:
        text = "relative paths lead nowhere, because the current folder has been removed"
        raise BadInput(f"{text}; go to one that exists") from error
    except OSError as error:
        raise _cannot_use(path, error) from error


@cache
def temporary_folder() -> Path:
    """The temporary folder of this process, created on first use and deleted when the process ends.

    Errors: `RunFailed` if it cannot be created.

    >>> temporary_folder().is_dir(), temporary_folder() == temporary_folder()
    (True, True)
    """
    try:
        path, process = tempfile.mkdtemp(prefix="deltarule-"), os.getpid()
    except OSError as error:
        message = "neither the cache nor a folder for temporary files can be written"
        raise RunFailed(
            f"{message}; set {platforms.CACHE_VARIABLE} or TMPDIR to a folder that you may write"
        ) from error

    def remove() -> None:
        if os.getpid() == process:  # not in a forked process
            shutil.rmtree(path, ignore_errors=True)

    atexit.register(remove)
    return Path(path)


def _remove_abandoned(folder: Path, now: float) -> None:
    """Remove partial files older than an hour from a folder; `now` is the time in seconds by its disk's clock."""
    for part in folder.glob(PART):
        with contextlib.suppress(OSError):  # another process was quicker
            if part.stat().st_mtime < now - ABANDONED_SECONDS:
                part.unlink()


def _check_name(path: Path) -> None:
    """Refuse a name that the system does not allow, before minutes of work."""
    if "\0" in str(path):
        raise BadInput(f"{path} holds a zero byte, which no name can; choose another name")
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise BadInput(f"{path} holds half of a character, which no name can; choose another name") from error
    if not platforms.is_valid_name(path):
        text = f"{path} is no name that a file or a folder can have on Windows"
        raise BadInput(f'{text}; choose one without <>:"|?*, with no dot or space at its end, and of no device, as NUL')


def _destination(path: str | Path) -> Path:
    """The file to write: the target of a symbolic link, because os.replace would replace the link itself.

    Folders, devices (/dev/null) and open files of a process, which have names in /dev or /proc (/dev/stdout), are
    refused: a plain file would replace them.
    """
    named = path = platforms.full_length(Path(path))
    _check_name(path)
    kind = kind_of(path)  # which refuses links that lead in a circle
    while platforms.has_plain_files(real_path(path.parent)) and path.is_symlink():
        path = platforms.full_length(path.parent / path.readlink())
    if kind not in ("", "file") or not platforms.has_plain_files(real_path(path.parent)):
        raise BadInput(f"{named} is not a plain file, so nothing can be written there; name a file")
    return path


def _cannot_use(path: str | Path, error: OSError) -> BadInput:
    """The error for a path that cannot even be examined."""
    return BadInput(f"{path} cannot be used: {error.strerror}; check the name, and that you may enter its folder")


def _cannot_write(path: Path, error: OSError) -> BadInput | RunFailed:
    """The error for a file that cannot be written, with its likely cause: the disk, another program, or the path."""
    if error.errno in DISK_TROUBLE:
        return RunFailed(f"{path} could not be written: {error.strerror}; what was there before stays: {FREE_SPACE}")
    if platforms.WINDOWS and isinstance(error, PermissionError) and path.is_file():
        return BadInput(f"{path} cannot be written: another program has it open; close it there, and start again")
    return BadInput(f"{path} cannot be written: {error.strerror}; choose a folder that exists and that you may write")


def read_bytes(path: Path) -> bytes:
    """Read the content of a file; a missing file or a device is refused."""
    kind = kind_of(path)
    if not kind:
        raise BadInput(f"{path} does not exist; check the name and the folder")
    if kind == "device":
        raise BadInput(f"{path} is not a plain file, and may have no end; name a file")
    try:
        return platforms.full_length(path).read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}; check that it is a file you may read") from error
