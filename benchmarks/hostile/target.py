"""A target of the fuzzer (a parser with good files), and functions that write files to a temporary folder.

deltarule is imported within functions, here and in the other modules, so that atheris can instrument it.
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
    """A parser to fuzz: good files to start from, a function that reads one, and its share of all inputs.

    change   a function that changes the structure of a file, which changes of bytes rarely reach, or None
    """

    name: str
    good: Callable[[], list[bytes]]
    read: Callable[[bytes], object]
    share: int
    change: Change | None = None


@cache
def scratch() -> Path:
    """The temporary folder for the files of this process."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def write_scratch(name: str, content: bytes) -> Path:
    """Write a file with this name and content to the temporary folder, and return its path."""
    path = scratch() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def written_bytes(name: str, write: Callable[[Path], object]) -> bytes:
    """The content of the file that a function `write` writes to a path with this name."""
    path = scratch() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path)
    return path.read_bytes()


def check_refusal(error: BaseException) -> None:
    """Raise an error unless it is a proper refusal: a `DeltaruleError` whose message is one printable line."""
    from deltarule.errors import DeltaruleError, one_line

    if not isinstance(error, DeltaruleError):
        raise error
    message = str(error)
    if message != one_line(message) or not 0 < len(message) <= MAX_SENTENCE:
        raise AssertionError(f"no sentence for people: {message[:300]!r}") from error
