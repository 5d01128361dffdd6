"""Choose how many updates an engine makes in one call."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

CHUNK_SECONDS = 0.2
MAX_SECONDS = 2.0
"""If the first chunk takes this long, a chunk of twice its size is tried once, not now and then."""
MIN_RELATIVE_SPREAD = 0.05
"""Below this share of its maximum, the spread of the chunk sizes does not determine the fixed time of a chunk."""


class ChunkSizer:
    """Chooses the number of updates in a chunk that takes about `CHUNK_SECONDS`.

    Where the part of the time that no size changes is large, chunks are longer, so that it is at most half of each.
    """

    def __init__(self) -> None:
        self.updates = 1
        self._sums = np.zeros(5)
        self._fixed_seconds, self._seconds_each = 0.0, np.inf

    @contextmanager
    def measure(self, n: int) -> Iterator[None]:
        """Time a chunk of n updates within this context and adjust `updates`."""
        started = time.perf_counter()
        yield
        seconds = max(time.perf_counter() - started, 1e-9)
        if 2 * n > self.updates or seconds > CHUNK_SECONDS:
            self.learn(n, seconds)

    def learn(self, n: int, seconds: float) -> None:
        """Set the size of the next chunk after a chunk of n updates took `seconds`.

        The model is seconds = fixed + each · n, fitted by least squares of the relative errors, recent chunks most.
        """
        is_first = not self._sums.any()
        # A chunk that takes twice as long as predicted invalidates the earlier observations.
        if seconds > 2.0 * (self._fixed_seconds + self._seconds_each * n):
            self._sums[:] = 0
        # An observation keeps this share of its weight after the next one.
        self._sums = 0.9 * self._sums + np.array([1, n, n * n, seconds, n * seconds]) / seconds**2
        ones, sizes, squares, times, products = self._sums.tolist()
        spread = 1 - sizes**2 / (ones * squares)
        if spread > MIN_RELATIVE_SPREAD:
            fixed = (times / ones - sizes * products / (ones * squares)) / spread
            self._fixed_seconds = min(max(fixed, 0.0), seconds)
            self._seconds_each = max((products - self._fixed_seconds * sizes) / squares, 0.0)
        else:
            self._seconds_each = max(seconds - self._fixed_seconds, 0.0) / n
        available = max(CHUNK_SECONDS, 2 * self._fixed_seconds) - self._fixed_seconds
        is_trial = spread <= MIN_RELATIVE_SPREAD and (is_first or seconds < MAX_SECONDS)
        is_doubled = is_trial or self._seconds_each * 2 * n <= available
        self.updates = 2 * n if is_doubled else max(1, int(available / self._seconds_each))
