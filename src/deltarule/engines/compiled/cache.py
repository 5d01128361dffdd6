"""Files that a program is printed and compiled to once, for all processes of a computer."""

import hashlib
import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path

from deltarule import platforms
from deltarule.errors import DeltaruleError
from deltarule.files import temporary_folder, write_whole

DIGEST_BYTES = 32
MAX_BYTES = 2**28
"""Of all files: some three thousand programs, the text and machine code of each."""


@cache
def folder() -> Path:
    """Create and return the folder for programs, where only the user may write."""
    try:
        path = (platforms.cache_folder() / "programs").absolute()
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.chmod(0o700)
        write_whole(path / ".writable", b"")
        return path
    except (OSError, RuntimeError, DeltaruleError):  # RuntimeError where nobody knows the user's home
        return temporary_folder()


def once(name: str, make: Callable[[], bytes]) -> bytes:
    """Return what is kept under a name; if nothing is, or not as it was written, what `make` returns, and keep it.

    Processes that want it at once wait for the one that makes it. A full disk stops no training.
    """
    content = _kept(name)
    if content is None:
        number = hashlib.sha256(name.encode()).hexdigest()[0]
        with ExitStack() as stack:
            with suppress(OSError):  # where no file can be made
                stack.enter_context(platforms.file_lock(folder() / f".lock{number}", lambda: None))
            content = _kept(name)
            if content is None:
                content = make()
                _keep(name, content)
                if number == "0":  # looking at all files takes as long as a small program
                    with suppress(OSError):
                        remove_unused()
    return content


def _kept(name: str) -> bytes | None:
    path = folder() / name
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    with suppress(OSError):
        os.utime(path)  # so that what is used is removed last
    content = stored[DIGEST_BYTES:]
    return content if hashlib.sha256(content).digest() == stored[:DIGEST_BYTES] else None


def _keep(name: str, content: bytes) -> None:
    with suppress(OSError, DeltaruleError):
        write_whole(folder() / name, hashlib.sha256(content).digest() + content)


def remove_unused(limit: int = MAX_BYTES) -> None:
    """Remove the files that were used longest ago, until half of the limit is left, if all are larger than it."""
    files = [(entry.stat(), entry.path) for entry in os.scandir(folder()) if entry.name.startswith("deltarule_")]
    total = sum(status.st_size for status, _ in files)
    left = limit // 2 if total > limit else total
    for status, path in sorted(files, key=lambda file: file[0].st_mtime):
        if total <= left:
            break
        with suppress(OSError):  # removed by another process, or read by one on Windows
            Path(path).unlink()
        total -= status.st_size
