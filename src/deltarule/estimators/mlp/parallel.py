"""Divide NumPy work, which releases the interpreter's lock, among threads."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from deltarule import platforms
from deltarule.blas_threads import blas_threads, one_blas_thread
from deltarule.problem.problem import Floats
from deltarule.problem.validation import is_finite

T = TypeVar("T")

FINITE_CHECK_CHUNK_SIZE = 2**19
"""Numbers that a thread checks at a time: about half a millisecond."""


def parallel_for(work: Callable[[T], None], pieces: Iterable[T]) -> None:
    """Process each piece on as many threads as BLAS may use.

    A free thread takes the next piece, so a thread that wakes late delays nobody. An error ends the work.

    >>> squares = [0, 0, 0]
    >>> parallel_for(lambda n: squares.__setitem__(n, n * n), range(3))
    >>> squares
    [0, 1, 4]
    """
    remaining = deque(pieces)
    thread_count = min(blas_threads(), len(remaining))  # a limit on the threads of BLAS is a limit on ours

    def take_pieces() -> None:
        """Process pieces until none remains or one fails."""
        while True:
            try:
                piece = remaining.popleft()
            except IndexError:
                return
            try:
                work(piece)
            except BaseException:
                remaining.clear()
                raise

    with one_blas_thread():
        if thread_count < 2:
            take_pieces()
            return
        pool = platforms.thread_pool(platforms.processor_count(), "predict")
        helpers = [pool.submit(take_pieces) for _ in range(thread_count - 1)]
        take_pieces()
        for helper in helpers:
            if not helper.cancel():  # it has started
                helper.result()


def all_finite(x: Floats) -> bool:
    """Whether all numbers of the rows x [N, D] are finite.

    >>> import numpy as np
    >>> all_finite(np.zeros((3, 2))), all_finite(np.array([[1.0], [np.nan]]))
    (True, False)
    """
    size = max(1, FINITE_CHECK_CHUNK_SIZE // max(1, x.shape[1]))
    has_failed: list[bool] = []

    def check(start: int) -> None:
        if not has_failed and not is_finite(x[start : start + size]):
            has_failed.append(True)

    parallel_for(check, range(0, len(x), size))
    return not has_failed
