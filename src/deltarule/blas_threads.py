"""Limit the BLAS libraries of this process to one thread.

What it buys is not speed but bits: a BLAS divides a product among its threads, and adds up the parts in an order that
depends on their number. With one thread a training has the same weights on any machine with the same libraries, and our
own threads, which divide members or blocks of rows, do not compete with those of a BLAS for the processors.

The limits are set again and again, around each call of an engine: other libraries may raise them in between.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import RLock
from typing import Any

from deltarule import platforms

ThreadLimits = list[tuple[Any, int]]
"""BLAS libraries, each with its number of threads before the limit."""


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread in a `with` block, for reproducible bits."""
    holder, own_limits = object(), ThreadLimits()
    try:
        try:
            with _lock:
                libraries = _libraries()
                _limit_to_one([library for library in libraries if _has_thread_local_limit(library)], own_limits)
                # The other limits hold for the whole process: the first user sets them, the last one restores them.
                shared = [library for library in libraries if not _has_thread_local_limit(library)]
                limited = {library.filepath for library, _ in _process_limits}
                _limit_to_one([library for library in shared if library.filepath not in limited], _process_limits)
                _holders.add(holder)
            yield
        finally:
            _release(holder, own_limits)
    except BaseException:
        _release(holder, own_limits)  # again: Ctrl-C may have interrupted the first call
        raise


def blas_threads() -> int:
    return max((library.num_threads for library in _libraries()), default=1)


_lock = RLock()
_holders: set[object] = set()
"""Who holds the limits of the whole process, one entry for each `one_blas_thread`."""
_process_limits = ThreadLimits()
"""The limits of the whole process to restore."""


def _release(holder: object, own_limits: ThreadLimits) -> None:
    """Restore the limits that one use of `one_blas_thread` has set."""
    with _lock:
        _holders.discard(holder)
        _restore(own_limits)
        if not _holders:
            _restore(_process_limits)
            _process_limits.clear()


def _limit_to_one(libraries: list[Any], limits: ThreadLimits) -> None:
    for library in libraries:
        limits.insert(0, (library, library.num_threads))  # before it changes: Ctrl-C may come in between
        _set_limit(library, 1)


def _restore(limits: ThreadLimits) -> None:
    for library, threads in limits:
        _set_limit(library, threads)


def _set_limit(library: Any, threads: int) -> None:
    # Since 3.8 threadpoolctl ignores, without a message, every thread but the first that set OpenBLAS's limit, as long
    # as that thread lives. `_holders` counts who holds the limit, so any thread may set it.
    take_over = getattr(library, "clear_controlling_thread", None) or _do_nothing
    take_over(force=True)
    library.set_num_threads(threads)
    take_over(force=True)


def _do_nothing(force: bool) -> None: ...


def _has_thread_local_limit(library: Any) -> bool:
    return library.internal_api == "openblas" and library.threading_layer == "openmp" and not platforms.WINDOWS


def _libraries() -> list[Any]:
    return _loaded_libraries(len(sys.modules))


@lru_cache(maxsize=1)
def _loaded_libraries(module_count: int) -> list[Any]:
    from threadpoolctl import ThreadpoolController

    libraries: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    return libraries
