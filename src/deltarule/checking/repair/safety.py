"""Run edited code so that it can do no harm: a time limit, no writing, and the program's state restored."""

import ctypes
import operator
import random
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic, sleep
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from deltarule.checking.user_code.running_code import is_users

MAX_OBJECTS = 2000
MAX_BYTES = 50_000_000
"""Of the data that are restored after each edit; larger data would take longer to copy than to try an edit."""
_REFUSED_EVENTS = (
    *("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.system", "os.truncate", "os.exec", "os.posix_spawn"),
    *("os.link", "os.symlink", "os.chmod", "os.chown", "os.kill", "os.putenv", "subprocess.Popen"),
    *("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "shutil.rmtree", "shutil.move"),
)


_TICK_SECONDS, _AGAIN_SECONDS, _IDLE_SECONDS = 0.05, 0.5, 5.0


class TooLong(BaseException):
    """A run that does not end in time. No `Exception`, so that user code does not catch it."""


class _Watchdog:
    """Raises `TooLong` in a thread that runs past its deadline; one thread looks at the clock for all runs."""

    def __init__(self) -> None:
        self.deadline = float("inf")
        self.target = 0
        self.thread: threading.Thread | None = None
        self.last_run = 0.0

    def _watch(self) -> None:
        while monotonic() < self.last_run + _IDLE_SECONDS:
            sleep(_TICK_SECONDS)
            if monotonic() > self.deadline:
                self.deadline = monotonic() + _AGAIN_SECONDS  # some code ignores all exceptions
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.target), ctypes.py_object(TooLong))

    def run(self, call: Callable[[], Any], seconds: float) -> Any:
        self.last_run = monotonic()
        deadline = self.last_run + seconds
        self.deadline = deadline
        self.target = threading.get_ident()
        if self.thread is None or not self.thread.is_alive():
            self.thread = threading.Thread(target=self._watch, daemon=True, name="deltarule-time-limit")
            self.thread.start()
        try:
            return call()
        finally:
            is_late = monotonic() >= deadline
            self.deadline = float("inf")
            if is_late:  # the exception may still be on its way: it is met here, not later
                with suppress(TooLong):
                    sleep(2 * _TICK_SECONDS)


run_limited = _Watchdog().run
"""(call, seconds): the result of a call; raises `TooLong` where it takes longer."""
_guarded_threads: set[int] = set()
_hook_is_installed = False


def _refuse(event: str, args: tuple[Any, ...]) -> None:
    if not _guarded_threads or threading.get_ident() not in _guarded_threads:
        return
    if event == "open":
        mode = args[1] if len(args) > 1 else None
        is_writing = isinstance(mode, str) and any(letter in mode for letter in "wax+")
        flags = args[2] if len(args) > 2 and isinstance(args[2], int) else 0
        if is_writing or flags & 3:  # O_WRONLY or O_RDWR
            raise PermissionError("files are not written while edits are tried")
    elif event in _REFUSED_EVENTS:
        raise PermissionError(f"{event} is refused while edits are tried")


@contextmanager
def no_effects() -> Iterator[None]:
    """Refuse to write files, to start programs and to use the network, in this thread."""
    global _hook_is_installed
    if not _hook_is_installed:  # a hook stays for the life of the process, and does nothing outside of this block
        sys.addaudithook(_refuse)
        _hook_is_installed = True
    thread = threading.get_ident()
    _guarded_threads.add(thread)
    try:
        yield
    finally:
        _guarded_threads.discard(thread)


def _has_class_of_user(value: Any) -> bool:
    name = type(value).__module__
    path = getattr(sys.modules.get(name), "__file__", None)
    return name != "builtins" and (path is None or is_users(path))


class ProgramState:
    """The data of a program, to be restored after an edit ran: random generators, globals, objects and arrays."""

    def __init__(self, functions: list[FunctionType], roots: list[Any]) -> None:
        self._random, self._numpy = random.getstate(), np.random.get_state()
        self._arrays: list[tuple[np.ndarray, np.ndarray]] = []
        self._lists: list[tuple[list[Any], list[Any]]] = []
        self._dicts: list[tuple[dict[Any, Any], dict[Any, Any]]] = []
        namespaces = {id(f.__globals__): f.__globals__ for f in functions}.values()
        self._namespaces = [(d, {name: d[name] for name in d if not name.startswith("__")}) for d in namespaces]
        self._cells = [(cell, cell.cell_contents) for f in functions for cell in f.__closure__ or () if _is_full(cell)]
        self._seen: set[int] = set()
        self._bytes = 0
        waiting = deque(roots)  # what is near comes first
        waiting += [value for _, saved in self._namespaces for value in saved.values()]
        waiting += [content for _, content in self._cells]
        while waiting and len(self._seen) < MAX_OBJECTS:
            waiting += self._remember(waiting.popleft())

    def _remember(self, value: Any) -> list[Any]:
        """Save a value, and list what it holds."""
        if id(value) in self._seen or isinstance(value, str | bytes | int | float | type | ModuleType | FunctionType):
            return []
        self._seen.add(id(value))
        if issubclass(type(value), np.ndarray):  # no recorded one, which a closure of an earlier call may hold
            self._remember_array(value)
            return []
        if isinstance(value, list):
            self._lists.append((value, value[:]))
            return value[:50] if len(value) > 1000 else value[:]
        if isinstance(value, dict):
            self._dicts.append((value, dict(value)))
            return list(value.values())
        if isinstance(value, tuple):
            return list(value)
        if hasattr(value, "__dict__") and _has_class_of_user(value):
            return [value.__dict__]
        return [value.__self__] if hasattr(value, "__self__") and not isinstance(value.__self__, ModuleType) else []

    def _remember_array(self, array: np.ndarray) -> None:
        if array.flags.writeable and array.dtype.kind != "O" and self._bytes + array.nbytes < MAX_BYTES:
            self._bytes += array.nbytes
            self._arrays.append((array, array.copy()))

    def restore(self) -> None:
        random.setstate(self._random)
        np.random.set_state(self._numpy)
        for namespace, saved in self._namespaces:
            _restore_dict(namespace, saved)
        for cell, content in self._cells:
            if not _is_full(cell) or cell.cell_contents is not content:
                cell.cell_contents = content
        for items, before in self._lists:
            if len(items) != len(before) or any(map(operator.is_not, items, before)):
                items[:] = before
        for table, entries in self._dicts:
            _restore_dict(table, entries)
        for array, copy in self._arrays:
            array[...] = copy


def _is_full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _restore_dict(table: dict[Any, Any], saved: dict[Any, Any]) -> None:
    if len(table) != len(saved) or any(table.get(key, table) is not value for key, value in saved.items()):
        for key in [key for key in table if key not in saved and not str(key).startswith("__")]:
            del table[key]
        table.update(saved)
