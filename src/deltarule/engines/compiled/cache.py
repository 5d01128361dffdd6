"""Load a program from its source text, compiled once and cached on disk.

Numba caches machine code beside a program's file, and does not notice when a function that the program calls has
changed. So a program is one flat file that calls nothing outside itself, and its name is a hash of its whole text, of
Numba, Python, NumPy and the processor: an edited formula gives another file.
"""

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from deltarule import platforms
from deltarule.errors import DeltaruleError
from deltarule.files import temporary_folder, write_whole


@cache
def load(text: str) -> Callable[..., Any]:
    """Return the function `advance` of a program's source text."""
    advance: Any = load_module(text).advance
    save = advance._cache.save_overload

    def save_if_possible(*arguments: Any) -> None:
        with suppress(OSError):  # a full disk stops no training
            save(*arguments)

    advance._cache.save_overload = save_if_possible
    return advance  # type: ignore[no-any-return]


@cache
def load_module(text: str) -> ModuleType:
    """Return a program as a module, from a temporary folder if the user's fails."""
    name = f"deltarule_{program_digest(text)}"
    try:
        return _load_from_file(text, name, folder() / f"{name}.py")
    except (OSError, RuntimeError, DeltaruleError):
        return _load_from_file(text, name, temporary_folder() / f"{name}.py")


def _load_from_file(text: str, name: str, path: Path) -> ModuleType:
    if not path.exists() or path.read_bytes() != text.encode():
        write_whole(path, text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Numba looks a cached function's module up by its name
    exec(compile(text, path, "exec"), module.__dict__)  # without bytecode on disk, which would be written for each
    return module


def program_digest(text: str) -> str:
    """Return a hash of the text, the software versions and the processor."""
    import llvmlite
    import llvmlite.binding as llvm
    import numba
    import numpy

    versions = (sys.version, numba.__version__, llvmlite.__version__, numpy.__version__)
    processor = (llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    return hashlib.sha256(repr((text, versions, processor)).encode()).hexdigest()[:32]


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
