"""Keep a script that is checked from doing what its user did not ask for: files, windows, waiting."""

import builtins
import hashlib
import io
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

_WRITING = set("wax+")
_REFUSED = ("remove", "unlink", "rmdir", "rename", "replace", "system", "startfile", "truncate")
"""Functions of `os` that do nothing while a script is checked, so that the user's folders stay as they are."""


@contextmanager
def quiet_script() -> Iterator[None]:
    """Run a script without a trace: what it writes goes to a temporary folder, from where it also reads it again.

    Pictures are not shown, sleeping takes no time, and generators that draw their seed from the system have a fixed
    one, so that two runs are the same.
    """
    os.environ["MPLBACKEND"] = "Agg"
    changed: list[tuple[Any, str, Any]] = []

    def put(owner: Any, name: str, new: Any) -> None:
        if hasattr(owner, name):
            changed.append((owner, name, getattr(owner, name)))
            setattr(owner, name, new)

    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
    ):
        opened = _opening_in(Path(folder))
        put(builtins, "open", opened)
        put(io, "open", opened)
        for name in _REFUSED:
            put(os, name, lambda *arguments, **options: 0)
        make, stat = _folders_made_in(Path(folder))
        put(os, "mkdir", make)
        put(os, "makedirs", make)
        put(os, "stat", stat)
        for name, is_kind in (("exists", bool), ("isdir", S_ISDIR), ("isfile", S_ISREG)):
            put(os.path, name, _question_by(stat, is_kind))
        put(shutil, "rmtree", lambda *arguments, **options: None)
        put(time, "sleep", lambda seconds: None)
        plain = np.random.default_rng
        put(np.random, "default_rng", lambda seed=None: plain(0 if seed is None else seed))
        put(sys, "stdout", nowhere)
        put(sys, "stderr", nowhere)
        try:
            yield
        finally:
            for owner, name, old in reversed(changed):
                setattr(owner, name, old)


def _folders_made_in(folder: Path) -> tuple[Any, Any]:
    """`mkdir`, which only notes what a script makes, and `stat`, for which it is there, with the files in it."""
    plain = os.stat
    made: set[Path] = set()

    def make(path: Any, *arguments: Any, **options: Any) -> None:
        own = _whole_path(path)
        made.update((own, *own.parents))

    def stat(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        try:
            return plain(path, *arguments, **options)
        except FileNotFoundError:
            if isinstance(path, int):
                raise
            own = _whole_path(path)
            instead = folder if own in made else _copy_of(own, folder)
            with suppress(FileNotFoundError):
                return plain(instead)
            raise

    return make, stat


def _question_by(stat: Any, is_kind: Callable[[int], bool]) -> Callable[[Any], bool]:
    """A function of `os.path` that asks `stat`, as those of Windows do not."""

    def ask(path: Any) -> bool:
        try:
            return is_kind(stat(path).st_mode)
        except (OSError, ValueError):
            return False

    return ask


def _whole_path(path: Any) -> Path:
    return Path(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100 - the file need not exist


def _copy_of(path: Path, folder: Path) -> Path:
    return folder / hashlib.sha256(os.fsencode(path)).hexdigest()


def _opening_in(folder: Path) -> Any:
    """`open`, which writes into a folder, and reads from there what was written."""
    plain = io.open

    def opened(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if isinstance(file, int) or not isinstance(file, str | os.PathLike | bytes):
            return plain(file, mode, *arguments, **options)
        path = _whole_path(file)
        copy = _copy_of(path, folder)
        if _WRITING & set(mode) and (path.is_file() or not path.exists()):
            if not copy.exists() and path.exists() and "w" not in mode:
                shutil.copyfile(path, copy)
            return plain(copy, mode, *arguments, **options)
        return plain(copy if copy.is_file() else file, mode, *arguments, **options)

    return opened
