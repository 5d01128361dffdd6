"""Differences between operating systems, and signals, in one place."""

import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

from deltarule.errors import RunFailed

WINDOWS = os.name == "nt"

RETRY_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Seconds between attempts to replace a file that another program has open."""

LOCK_POLL_SECONDS = 0.05

CACHE_VARIABLE = "WIN_PD_OVERRIDE_LOCAL_APPDATA" if WINDOWS else "XDG_CACHE_HOME"
"""The environment variable that moves the user's cache folder, as platformdirs reads it."""


def replace(part: Path, path: Path) -> None:
    """Replace the file at `path` by `part`, its new version, in one step.

    Windows refuses this while another program has the file open, as virus scanners and indexers do for moments, so
    there it is tried again for a second.
    """
    for seconds in RETRY_SECONDS if WINDOWS else ():
        try:
            os.replace(part, path)
        except PermissionError:
            time.sleep(seconds)
        else:
            return
    os.replace(part, path)


@contextmanager
def file_lock(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a file in a `with` block; while another process holds it, wait, after a call of `on_wait`.

    The system releases the lock when the process ends, in whatever way. On file systems without locks there is none.
    """
    with path.open("a+b") as file:
        if not _try_to_lock(file):
            on_wait()
            while not _try_to_lock(file):
                time.sleep(LOCK_POLL_SECONDS)
        yield


def _try_to_lock(file: BinaryIO) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return True


def cache_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("deltarule", appauthor=False)


@contextmanager
def termination_as_ctrl_c() -> Iterator[None]:
    """Handle termination signals like Ctrl-C in a `with` block.

    Signals that were ignored when the program started, as under `nohup`, stay ignored.
    """

    def handle_as_ctrl_c(number: int, frame: FrameType | None) -> None:
        ctrl_c = signal.getsignal(signal.SIGINT)
        if not callable(ctrl_c):  # ignored, as by a shell for background jobs
            raise KeyboardInterrupt
        ctrl_c(signal.SIGINT, frame)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    previous = {
        number: signal.signal(number, handle_as_ctrl_c)
        for number in _termination_signals()
        if signal.getsignal(number) == signal.SIG_DFL
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            if signal.getsignal(number) == handle_as_ctrl_c:  # not after `ignore_termination`
                signal.signal(number, handler)


def ignore_termination() -> None:
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, *_termination_signals()):
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Record the first Ctrl-C within this context instead of raising it.

    Yields a function that returns whether Ctrl-C was pressed. Training calls it between chunks, and once more after the
    last one, because Ctrl-C may come during that chunk.
    """
    is_requested = is_immediate = False

    def handle_signal(number: int, frame: Any) -> None:
        nonlocal is_requested, is_immediate
        if is_requested:
            is_immediate = True
            signal.signal(signal.SIGINT, before)  # now: the exception may cut the `finally` short
            raise KeyboardInterrupt
        is_requested = True

    # Only the main thread receives signals; and a handler that is not Python's could not be restored.
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is None:
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, handle_signal)
    try:
        yield lambda: is_requested
    except (RuntimeError, SystemError) as error:
        # Python could not raise it, for instance in a callback of a compiler, which failed with another error.
        if is_immediate and not isinstance(error, RunFailed):
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def interrupt_after(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` within this context after some seconds: in the main thread, but not on Windows."""
    is_main = threading.current_thread() is threading.main_thread()
    before: Any = None

    def stop(*_: object) -> None:
        raise TimeoutError(f"it took more than {seconds:g} seconds")

    if sys.platform != "win32" and is_main:
        before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        if sys.platform != "win32" and is_main:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def _termination_signals() -> list[signal.Signals]:
    return [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]


def processor_count() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_processors() -> int:
    """Return how many processors this process may use: fewer in a worker of joblib, which says so in a variable."""
    setting = os.environ.get("OMP_NUM_THREADS", "")
    return min(processor_count(), max(1, int(setting))) if setting.isdecimal() else processor_count()


def thread_pool(count: int, purpose: str) -> ThreadPoolExecutor:
    """The pool of `count` threads of this process for one purpose.

    Every pool of the library comes from here. Work that waits for other work needs its own purpose: in one pool
    both could wait forever.
    """
    return _thread_pool_of(count, purpose, os.getpid())


@cache
def _thread_pool_of(count: int, purpose: str, process_id: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix=f"deltarule-{purpose}")


def exit_with_parent(parent_id: int) -> None:
    """Start a thread that ends this process soon after its parent has ended."""
    threading.Thread(target=_exit_after, args=(parent_id,), daemon=True).start()


def _exit_after(parent_id: int) -> None:
    """Wait until the parent process has ended, then end this process."""
    if WINDOWS:  # where getppid still gives the number of an ended parent
        from multiprocessing import parent_process

        started_by = parent_process()
        if started_by is not None:
            started_by.join()
            os._exit(1)
        return
    while os.getppid() == parent_id:
        time.sleep(0.5)
    os._exit(1)
