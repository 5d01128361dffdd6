"""Compiled programs on disk: a file for each, named by everything that decides what it does.

Numba keeps what it compiled beside a program's file, and does not notice when a function that the program calls has
changed. So a program is one flat file that calls nothing outside itself, and its name is a hash of its whole text, of
Numba, Python and the processor: an edited formula is another file.
"""

import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from deltarule.errors import DeltaruleError
from deltarule.files import write_whole


def load(text: str) -> Callable[..., Any]:
    """The function `advance` of a program, compiled now or read from the disk."""
    advance: Callable[..., Any] = load_module(text).advance
    return advance


@cache
def load_module(text: str) -> ModuleType:
    """A program as a module; its functions are compiled when they are called, or read from the disk."""
    name = f"deltarule_{digest(text)}"
    path = folder() / f"{name}.py"
    if not path.exists():
        write_whole(path, text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Numba looks a cached function's module up by its name
    spec.loader.exec_module(module)
    return module


def digest(text: str) -> str:
    """A name for a program: equal only for equal texts, compilers and processors."""
    import llvmlite
    import llvmlite.binding as llvm
    import numba
    import numpy

    made_by = (sys.version, numba.__version__, llvmlite.__version__, numpy.__version__)
    processor = (llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    return hashlib.sha256(repr((text, made_by, processor)).encode()).hexdigest()[:32]


@cache
def folder() -> Path:
    """The user's own folder for compiled programs: what Numba keeps there is code, so nobody else may write to it.

    Where that cannot be had, programs live in a temporary folder for as long as the process does.
    """
    import tempfile

    from platformdirs import user_cache_path

    try:
        path = user_cache_path("deltarule", appauthor=False) / "programs"
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.name != "nt":
            if path.stat().st_uid != os.getuid():
                raise PermissionError
            path.chmod(0o700)
        write_whole(path / ".writable", b"")
        return path
    except (OSError, DeltaruleError):
        return Path(tempfile.mkdtemp(prefix="deltarule-"))
