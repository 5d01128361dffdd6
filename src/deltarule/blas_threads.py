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


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS to one thread in a `with` block, for reproducible bits.

    The first user of several at once sets the limits, each sets them for its own thread, and the last restores them.
    """
    holder = object()
    try:
        try:
            with _lock:
                known = {library.filepath for library, _ in _limits}
                for library in _loaded_libraries(len(sys.modules)):
                    if library.filepath not in known:  # noted before it changes: Ctrl-C may come in between
                        _limits.append((library, library.num_threads))
                    _set_limit(library, 1)
                _holders.add(holder)
            yield
        finally:
            _release(holder)
    except BaseException:
        _release(holder)  # again: Ctrl-C may have interrupted the first call
        raise


def blas_threads() -> int:
    return max((library.num_threads for library in _loaded_libraries(len(sys.modules))), default=1)


_lock = RLock()
_holders: set[object] = set()
"""Who holds the limits, one entry for each `one_blas_thread`."""
_limits: list[tuple[Any, int]] = []
"""BLAS libraries, each with its number of threads before the limit."""


def _release(holder: object) -> None:
    with _lock:
        _holders.discard(holder)
        if not _holders:
            for library, threads in _limits:
                _set_limit(library, threads)
            _limits.clear()


def _set_limit(library: Any, threads: int) -> None:
    # Since 3.8 threadpoolctl ignores, without a message, every thread but the first that set OpenBLAS's limit, as long
    # as that thread lives. `_holders` counts who holds the limit, so any thread may set it.
    take_over = getattr(library, "clear_controlling_thread", lambda force: None)
    take_over(force=True)
    library.set_num_threads(threads)
    take_over(force=True)


@lru_cache(maxsize=1)
def _loaded_libraries(module_count: int) -> list[Any]:
    from threadpoolctl import ThreadpoolController

    libraries: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    return libraries
