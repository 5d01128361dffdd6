"""Load a program from its source text: compiled once, and cached on disk in a file that is named by a hash.

Numba caches machine code beside a program's file, and does not notice when a function that the program calls has
changed. So a program is one flat file that calls nothing outside itself, and its name is a hash of its whole text, of
Numba, Python, NumPy and the processor: an edited formula gives another file. Nor does Numba notice when its cached
code is damaged: each of these files begins with a hash of its own.
"""

import hashlib
import importlib.util
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from deltarule import platforms
from deltarule.errors import DeltaruleError
from deltarule.files import temporary_folder, write_whole


def load(text: str) -> Callable[..., Any]:
    """Return the function `advance` of a program's source text; its first call compiles it or reads the disk cache."""
    advance: Callable[..., Any] = load_module(text).advance
    return advance


@cache
def load_module(text: str) -> ModuleType:
    """Return a program's source text as a module, written to the cache folder; a function compiles when first called.

    If the program cannot be written to the user's folder, for instance because the disk is full, it goes to a temporary
    one.
    """
    name = f"deltarule_{program_digest(text)}"
    try:
        return _load_from_file(text, name, folder() / f"{name}.py")
    except (OSError, RuntimeError, DeltaruleError):
        return _load_from_file(text, name, temporary_folder() / f"{name}.py")


def _load_from_file(text: str, name: str, path: Path) -> ModuleType:
    """Write a program's text to the file `path` unless it is there, and return it as a module with this name."""
    if not path.exists() or path.read_bytes() != text.encode():
        write_whole(path, text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Numba looks a cached function's module up by its name
    with _numba_cache_beside_program():  # the text itself: Python runs cached bytecode however damaged it is
        exec(compile(text, path, "exec"), module.__dict__)
    return module


@contextmanager
def _numba_cache_beside_program() -> Iterator[None]:
    """Make Numba cache machine code beside the program's file, even if NUMBA_CACHE_DIR names another folder.

    That folder may belong to others, and the cached code is a pickle, which runs code when it is read. A damaged cache
    raises nothing.
    """
    import numba
    from numba.core import ccallback, dispatcher

    config: Any = numba.config
    users: tuple[Any, ...] = dispatcher, ccallback
    with _loading:
        before, function_cache = (config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES), users[0].FunctionCache
        config.CACHE_DIR = config.CACHE_LOCATOR_CLASSES = ""
        for user in users:
            user.FunctionCache = _fault_tolerant_cache()
        try:
            yield
        finally:
            config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES = before
            for user in users:
                user.FunctionCache = function_cache


_loading = threading.RLock()
"""Held while Numba's settings are ours: another thread would take them for the user's, and restore them later."""


@cache
def _fault_tolerant_cache() -> type:
    """Return a subclass of Numba's cache of compiled functions that survives damaged files and a full disk."""
    from numba.core.caching import FunctionCache

    class Forgiving(FunctionCache):
        """Numba's cache of a function's compiled code, in which a file that cannot be used raises no error."""

        def __init__(self, function: Any) -> None:
            super().__init__(function)  # type: ignore[no-untyped-call]
            self._cache_file = _VerifiedIndex(Path(self.cache_path) / self._impl.filename_base)

        def load_overload(self, *arguments: Any) -> Any:
            """Return a compiled function, or None if there is no file that can be read."""
            with suppress(Exception):
                return super().load_overload(*arguments)  # type: ignore[no-untyped-call]

        def save_overload(self, *arguments: Any) -> None:
            """Write a compiled function if that is possible."""
            with suppress(OSError, DeltaruleError):
                super().save_overload(*arguments)  # type: ignore[no-untyped-call]

    return Forgiving


class _VerifiedIndex:
    """The cache files of a compiled function, one a signature; each begins with a hash of its name and content.

    Without the hash, damaged machine code would show only as a process that crashes, or as other numbers.
    """

    def __init__(self, base: Path) -> None:
        self.base = base

    def load(self, key: Any) -> Any:
        """Return the compiled code of the signature `key`; None if its file is damaged, `OSError` if there is none."""
        from numba.core.serialize import loads

        path = self._path(key)
        content = path.read_bytes()
        stored_hash, pickled = content[:32], content[32:]
        return loads(pickled) if stored_hash == _hash(path.name.encode() + pickled) else None

    def save(self, key: Any, compiled: Any) -> None:
        """Write the file with the compiled code of the signature `key`."""
        from numba.core.serialize import dumps

        path, pickled = self._path(key), dumps(compiled)  # type: ignore[no-untyped-call]
        write_whole(path, _hash(path.name.encode() + pickled) + pickled)

    def _path(self, key: Any) -> Path:
        return self.base.with_name(f"{self.base.name}.{_hash(repr(key).encode()).hex()[:16]}.nbc")


def _hash(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def program_digest(text: str) -> str:
    """Return 32 hexadecimal digits: a hash of the text, the versions of Python, Numba and NumPy, and the processor."""
    import llvmlite
    import llvmlite.binding as llvm
    import numba
    import numpy

    versions = (sys.version, numba.__version__, llvmlite.__version__, numpy.__version__)
    processor = (llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    return hashlib.sha256(repr((text, versions, processor)).encode()).hexdigest()[:32]


def is_private(path: Path) -> bool:
    """Whether no other user can replace a file in the folder `path`; always True on Windows.

    The folder and all above it belong to this user or the system, and where others may write, as in /tmp, they cannot
    move files that are not theirs.

    >>> is_private(Path("/"))
    True
    """
    if sys.platform != "win32":  # on Windows a user's folders are private
        for above in (path, *path.parents):
            status = above.stat()
            by_group = status.st_mode & stat.S_IWGRP and not _is_own_group(status.st_gid)
            by_others = by_group or status.st_mode & stat.S_IWOTH
            if status.st_uid not in (os.getuid(), 0) or (by_others and not status.st_mode & stat.S_ISVTX):
                return False
    return True


def _is_own_group(group: int) -> bool:
    """Whether a group id is the system's, or that of this user alone: many systems have a group for each user."""
    if sys.platform != "win32":
        import grp
        import pwd

        with suppress(KeyError):
            return group == 0 or grp.getgrgid(group).gr_name == pwd.getpwuid(os.getuid()).pw_name
    return False


@cache
def folder() -> Path:
    """Create and return the user's folder for compiled programs; a temporary folder if others may write to that one.

    Numba caches code there, which this process runs. The temporary folder lasts as long as the process; it is taken,
    too, if the user's folder cannot be written.
    """
    try:
        path = (platforms.cache_folder() / "programs").absolute()
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = path.resolve()
        if sys.platform != "win32":
            if path.stat().st_uid != os.getuid():
                raise PermissionError
            path.chmod(0o700)
            if not is_private(path):
                raise PermissionError
        write_whole(path / ".writable", b"")
        return path
    except (OSError, RuntimeError, DeltaruleError):  # RuntimeError where nobody knows the user's home
        return temporary_folder()
