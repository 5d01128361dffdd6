"""Files that a program is printed and compiled to once, for all processes of a computer."""

import hashlib
from contextlib import suppress
from functools import cache
from pathlib import Path

from deltarule import platforms
from deltarule.errors import DeltaruleError
from deltarule.files import temporary_folder, write_whole

DIGEST_BYTES = 32


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


def kept(name: str) -> bytes | None:
    """Return what was kept under a name, or None if nothing was, or not as it was written."""
    try:
        stored = (folder() / name).read_bytes()
    except OSError:
        return None
    content = stored[DIGEST_BYTES:]
    return content if hashlib.sha256(content).digest() == stored[:DIGEST_BYTES] else None


def keep(name: str, content: bytes) -> None:
    """Keep something under a name; a full disk stops no training."""
    with suppress(OSError, DeltaruleError):
        write_whole(folder() / name, hashlib.sha256(content).digest() + content)
