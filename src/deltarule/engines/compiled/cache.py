"""The folder in which machine code is kept."""

from functools import cache
from pathlib import Path

from deltarule import platforms
from deltarule.errors import DeltaruleError
from deltarule.files import temporary_folder, write_whole


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
