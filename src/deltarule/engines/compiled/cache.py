"""Compiled programs on disk: a file for each, named by everything that decides what it does.

Numba keeps what it compiled beside a program's file, and does not notice when a function that the program calls has
changed. So a program is one flat file that calls nothing outside itself, and its name is a hash of its whole text, of
Numba, Python and the processor: an edited formula is another file. Nor does Numba notice when what it kept is damaged:
that begins with a hash of its own.
"""

import hashlib
import importlib.util
import os
import stat
import sys
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
    """The function `advance` of a program, compiled now or read from the disk."""
    advance: Callable[..., Any] = load_module(text).advance
    return advance


@cache
def load_module(text: str) -> ModuleType:
    """A program as a module; its functions are compiled when they are called, or read from the disk.

    A program of which nothing can be written in the user's folder, as where the disk is full, goes to a temporary one.
    """
    name = f"deltarule_{digest(text)}"
    try:
        return _load(text, name, folder() / f"{name}.py")
    except (OSError, RuntimeError, DeltaruleError):
        return _load(text, name, temporary_folder() / f"{name}.py")


def _load(text: str, name: str, path: Path) -> ModuleType:
    if not path.exists() or path.read_bytes() != text.encode():
        write_whole(path, text)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Numba looks a cached function's module up by its name
    with _beside_the_program():  # the text itself: bytecode that Python keeps is run however damaged it is
        exec(compile(text, path, "exec"), module.__dict__)
    return module


@contextmanager
def _beside_the_program() -> Iterator[None]:
    """What Numba keeps of these programs it keeps beside them, also where NUMBA_CACHE_DIR names a folder for others:
    it is a pickle, and runs code when it is read. Nothing fails by what is kept."""
    import numba
    from numba.core import ccallback, dispatcher

    config: Any = numba.config
    users: tuple[Any, ...] = dispatcher, ccallback
    with _loading.current:
        before, kept = (config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES), users[0].FunctionCache
        config.CACHE_DIR = config.CACHE_LOCATOR_CLASSES = ""
        for user in users:
            user.FunctionCache = _fault_tolerant_cache()
        try:
            yield
        finally:
            config.CACHE_DIR, config.CACHE_LOCATOR_CLASSES = before
            for user in users:
                user.FunctionCache = kept


_loading = platforms.ForkSafeLock()
"""Held while Numba's settings are ours: another thread would take them for the user's, and put them back."""


@cache
def _fault_tolerant_cache() -> type:
    """How Numba keeps what it compiled, but that damaged files are compiled anew, and a full disk is done without."""
    from numba.core.caching import FunctionCache

    class Forgiving(FunctionCache):
        def __init__(self, function: Any) -> None:
            super().__init__(function)  # type: ignore[no-untyped-call]
            self._cache_file = _VerifiedIndex(Path(self.cache_path) / self._impl.filename_base)

        def load_overload(self, *of: Any) -> Any:
            with suppress(Exception):  # there is no such file, or none that can be read
                return super().load_overload(*of)  # type: ignore[no-untyped-call]

        def save_overload(self, *of: Any) -> None:
            with suppress(OSError, DeltaruleError):
                super().save_overload(*of)  # type: ignore[no-untyped-call]

    return Forgiving


class _VerifiedIndex:
    """What was compiled of a function: a file for each of its signatures, which begins with a hash of its name and of
    the rest. Of damaged machine code nothing else is noticed but a process that ends, or other numbers."""

    def __init__(self, base: Path) -> None:
        self.base = base

    def load(self, key: Any) -> Any:
        from numba.core.serialize import loads

        path = self._path(key)
        content = path.read_bytes()
        known, kept = content[:32], content[32:]
        return loads(kept) if known == _hash(path.name.encode() + kept) else None

    def save(self, key: Any, compiled: Any) -> None:
        from numba.core.serialize import dumps

        path, kept = self._path(key), dumps(compiled)  # type: ignore[no-untyped-call]
        write_whole(path, _hash(path.name.encode() + kept) + kept)

    def _path(self, key: Any) -> Path:
        return self.base.with_name(f"{self.base.name}.{_hash(repr(key).encode()).hex()[:16]}.nbc")


def _hash(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def digest(text: str) -> str:
    """A name for a program: equal only for equal texts, compilers and processors."""
    import llvmlite
    import llvmlite.binding as llvm
    import numba
    import numpy

    made_by = (sys.version, numba.__version__, llvmlite.__version__, numpy.__version__)
    processor = (llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    return hashlib.sha256(repr((text, made_by, processor)).encode()).hexdigest()[:32]


def is_private(path: Path) -> bool:
    """Whether nobody else can put a file in the place of one in a folder: it and all folders above it belong to this
    user or the system, and where others may write, as in /tmp, they cannot move what is not theirs.

    >>> is_private(Path("/"))
    True
    """
    if sys.platform != "win32":  # where the folders of a user are nobody else's
        for above in (path, *path.parents):
            found = above.stat()
            by_group = found.st_mode & stat.S_IWGRP and not _is_own_group(found.st_gid)
            by_others = by_group or found.st_mode & stat.S_IWOTH
            if found.st_uid not in (os.getuid(), 0) or (by_others and not found.st_mode & stat.S_ISVTX):
                return False
    return True


def _is_own_group(group: int) -> bool:
    """Whether a group is that of this user alone, as many systems give each one, which has the user's name."""
    if sys.platform != "win32":
        import grp
        import pwd

        with suppress(KeyError):
            return group == 0 or grp.getgrgid(group).gr_name == pwd.getpwuid(os.getuid()).pw_name
    return False


@cache
def folder() -> Path:
    """The user's own folder for compiled programs: what Numba keeps there is code, so nobody else may write to it.

    Where that cannot be had, programs live in a temporary folder for as long as the process does.
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
