"""How many threads the BLAS libraries of this process may use: NumPy's, SciPy's, our own, all at once."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import RLock, get_ident
from typing import Any

from deltarule import platforms

Before = list[tuple[Any, int]]
"""Libraries, each with the number of threads that it may use otherwise."""


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread: with two, the bits of a product depend on how it was divided.

    A process that is forked off while other threads hold it is held, too, until it has used this once itself.

    >>> with one_blas_thread():
    ...     blas_threads()
    1
    """
    me, mine = object(), Before()
    try:
        try:
            with _lock:
                libraries = _libraries()
                _hold([library for library in libraries if _has_a_limit_for_each_thread(library)], mine)
                # The other limits are for the whole process: of several threads the first sets them, the last to leave
                # lifts them.
                if not _holders:
                    _hold([library for library in libraries if not _has_a_limit_for_each_thread(library)], _before)
                _holders[me] = get_ident()
            yield
        finally:
            _leave(me, mine)
    except BaseException:
        _leave(me, mine)  # once more: Ctrl-C may have broken off the first one
        raise


def blas_threads() -> int:
    """The most threads that any BLAS of this process may use now."""
    return max((library.num_threads for library in _libraries()), default=1)


def look_again() -> None:
    """Notice a BLAS that was loaded by other means than an import."""
    _loaded_libraries.cache_clear()


def _forget_parent_threads() -> None:
    """Forget the threads that a process which was forked off has not.

    What they held stays, and `_before` knows it: OpenBLAS would begin threads anew, and may wait for ever for a lock of
    its own that a thread held which is not there. Who asks it for a product must take that on; who forks need not.
    """
    for one in [one for one, thread in _holders.items() if thread != get_ident()]:
        del _holders[one]


_lock = RLock()
_holders: dict[object, int] = {}
"""Who holds the limits of the whole process: its thread, each time that one does."""
_before = Before()
"""What the limits of the whole process were before; of two of one library the second counts, which a fork has left."""

platforms.forks_wait_for(_lock, _forget_parent_threads)


def _leave(me: object, mine: Before) -> None:
    """Lift what one that enters has set so far, if it has; a second time changes nothing."""
    with _lock:
        _holders.pop(me, None)
        _lift(mine)
        if not _holders:
            _lift(_before)
            _before.clear()


def _hold(libraries: list[Any], before: Before) -> None:
    for library in libraries:
        before.insert(0, (library, library.num_threads))  # known before it changes
        _set_limit(library, 1)


def _lift(before: Before) -> None:
    for library, threads in before:
        _set_limit(library, threads)


def _set_limit(library: Any, threads: int) -> None:
    """Set a limit from whichever thread.

    Since 3.8 threadpoolctl silently passes over every thread but the first that set OpenBLAS's limit, while that one
    lives; we count ourselves who holds it. Afterwards it is anybody's again.
    """
    take_over = getattr(library, "clear_controlling_thread", None) or _do_nothing
    take_over(force=True)
    library.set_num_threads(threads)
    take_over(force=True)


def _do_nothing(force: bool) -> None: ...


def _has_a_limit_for_each_thread(library: Any) -> bool:
    """Whether what a thread sets holds for it alone, as where OpenBLAS divides its work by OpenMP (not on Windows)."""
    return library.internal_api == "openblas" and library.threading_layer == "openmp" and not platforms.WINDOWS


def _libraries() -> list[Any]:
    """Every BLAS of this process: to ask each itself takes a fraction of the time of threadpoolctl's limit."""
    return _loaded_libraries(len(sys.modules))


@lru_cache(maxsize=1)
def _loaded_libraries(modules: int) -> list[Any]:
    """The same, looked for anew where modules were imported since: one of them may have brought a BLAS of its own."""
    from threadpoolctl import ThreadpoolController

    found: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    return found
