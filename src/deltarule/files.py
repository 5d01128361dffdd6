"""Write files atomically, and create output and temporary folders."""

import atexit
import contextlib
import os
import secrets
import shutil
import tempfile
from functools import cache
from pathlib import Path

from deltarule import platforms
from deltarule.errors import DISK_TROUBLE, FREE_SPACE, BadInput, RunFailed


def write_whole(path: str | Path, content: bytes | str) -> None:
    """Write a file atomically.

    Nothing is left behind after an error or Ctrl-C. The target of a symbolic link is written, and the link stays.
    Text is written as UTF-8, with line ends as given. An existing file keeps its permissions. Raises `BadInput` for a
    path that cannot be written, and `RunFailed` for a full or failing disk.
    """
    target = _destination(path)
    data = content.encode("utf-8") if isinstance(content, str) else content
    part = target.parent / f".deltarule-{secrets.token_hex(8)}.part"
    try:
        with part.open("xb") as file:
            if target.exists():
                shutil.copymode(target, part)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        platforms.replace(part, target)
    except BaseException as error:  # Ctrl-C too must leave nothing behind
        with contextlib.suppress(OSError):
            part.unlink()
        if isinstance(error, OSError):
            raise _cannot_write(path, error) from error
        raise


def check_can_write(path: str | Path) -> None:
    """Raise the error of `write_whole` before the content is computed."""
    target = _destination(path)
    if target.exists() and not os.access(target, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise BadInput(f"{path} may not be written; allow it, or choose another name")
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise _cannot_write(path, error) from error


def make_folder(path: str | Path) -> Path:
    """Create a writable output folder."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise _cannot_write(path, error) from error
    return path


def read_bytes(path: str | Path) -> bytes:
    check_is_file(path, "a file")
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}; check that it is a file you may read") from error


def check_is_file(path: str | Path, expected: str) -> None:
    """Raise `BadInput` unless a path leads to a file."""
    if not Path(path).exists():
        raise BadInput(f"{path} does not exist; check the name and the folder")
    if not Path(path).is_file():
        raise BadInput(f"{path} is not a file; name {expected}")


@cache
def temporary_folder() -> Path:
    """The temporary folder of this process, created on first use."""
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


def _destination(path: str | Path) -> Path:
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():  # a folder, or a device such as /dev/null
        raise BadInput(f"{path} is not a file, so nothing can be written there; name a file")
    return target


def _cannot_write(path: str | Path, error: OSError) -> BadInput | RunFailed:
    if error.errno in DISK_TROUBLE:
        return RunFailed(f"{path} could not be written: {error.strerror}; what was there before stays: {FREE_SPACE}")
    if platforms.WINDOWS and isinstance(error, PermissionError) and Path(path).is_file():
        return BadInput(f"{path} cannot be written: another program has it open; close it there, and start again")
    return BadInput(f"{path} cannot be written: {error.strerror}; choose a folder that exists and that you may write")
