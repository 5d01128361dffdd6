"""What is tried: a parser with good files to begin with, and the folder where they are written.

deltarule is imported where it is used, here and in the files beside: atheris watches what is imported under its eyes.
"""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

MAX_SENTENCE = 1000

Change = Callable[[bytes, Random], bytes]


@dataclass(frozen=True)
class Target:
    """A parser: good files to begin with, what reads one, and its share of the inputs.

    change   of the structure of a file, where it has one that bytes seldom reach
    """

    name: str
    good: Callable[[], list[bytes]]
    read: Callable[[bytes], object]
    share: int
    change: Change | None = None


@cache
def scratch() -> Path:
    """A folder for this process's files."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def written(name: str, content: bytes) -> Path:
    """A file with this content."""
    path = scratch() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def bytes_of(name: str, write: Callable[[Path], object]) -> bytes:
    """The content of the file that a function writes."""
    path = scratch() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path)
    return path.read_bytes()


def refused(error: BaseException) -> None:
    """Pass over a refusal as it should be; anything else is raised."""
    from deltarule.errors import DeltaruleError, one_line

    if not isinstance(error, DeltaruleError):
        raise error
    told = str(error)
    if told != one_line(told) or not 0 < len(told) <= MAX_SENTENCE:
        raise AssertionError(f"no sentence for people: {told[:300]!r}") from error
