"""Work divided among threads: for what NumPy does without the interpreter's lock."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from deltarule import platforms
from deltarule.blas_threads import blas_threads, one_blas_thread
from deltarule.problem.problem import Floats
from deltarule.problem.validation import is_finite

T = TypeVar("T")

LOOKED_AT_ONCE = 2**19
"""Numbers that a thread looks at before it asks for more: about half a millisecond's."""


def parallel_for(work: Callable[[T], None], pieces: Iterable[T]) -> None:
    """Do the work for each piece, on as many threads as BLAS may use, whose own threads rest.

    Whoever is free takes the next piece: a thread that has to be woken first delays nobody. An error ends the work.

    >>> squares = [0, 0, 0]
    >>> parallel_for(lambda n: squares.__setitem__(n, n * n), range(3))
    >>> squares
    [0, 1, 4]
    """
    left = deque(pieces)
    threads = min(blas_threads(), len(left))  # whoever limits the threads of BLAS means ours too

    def take() -> None:
        while True:
            try:
                piece = left.popleft()
            except IndexError:
                return
            try:
                work(piece)
            except BaseException:
                left.clear()
                raise

    with one_blas_thread():
        if threads < 2:
            take()
        else:
            _with_others(take, threads - 1)


def all_finite(x: Floats) -> bool:
    """Whether all numbers of the rows of x [N, D] are finite; several threads look, as fast as the memory brings them.

    >>> import numpy as np
    >>> all_finite(np.zeros((3, 2))), all_finite(np.array([[1.0], [np.nan]]))
    (True, False)
    """
    size = max(1, LOOKED_AT_ONCE // max(1, x.shape[1]))
    odd: list[int] = []

    def look(start: int) -> None:
        if not odd and not is_finite(x[start : start + size]):
            odd.append(start)

    parallel_for(look, range(0, len(x), size))
    return not odd


def _with_others(take: Callable[[], None], threads: int) -> None:
    """Do the work, together with other threads from when they have woken."""
    pool, numbers = _threads(os.getpid())
    others = [pool.submit(take) for _ in range(threads)]
    with platforms.apart_from(numbers):
        take()
        for other in others:
            if not other.cancel():  # it has begun
                other.result()


@cache
def _threads(process: int) -> tuple[ThreadPoolExecutor, list[int]]:
    """The threads of a process, and the system's numbers of them: one that was forked off has none of its parent's."""
    numbers: list[int] = []

    def note() -> None:
        numbers.append(threading.get_native_id())

    return ThreadPoolExecutor(platforms.processors(), thread_name_prefix="deltarule", initializer=note), numbers
