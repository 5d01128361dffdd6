"""How many updates are made before somebody looks: Ctrl-C is to be heard soon, and looking is to cost little."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

STRETCH_SECONDS = 0.2
MAX_SECONDS = 2.0
"""Where a stretch takes so long, twice its updates are tried once, and not now and then."""
ALIKE = 0.05
"""Below this share of what it could be, the spread of the lengths says nothing."""


class Pace:
    """How many updates fit into a stretch, learned from the stretches before.

    Some of a stretch passes whatever its length. Where that is long stretches are, so that it is half of each at most.
    """

    def __init__(self) -> None:
        self.steps = 1
        self._sums = np.zeros(5)
        self._fixed, self._each = 0.0, np.inf

    @contextmanager
    def measure(self, n: int) -> Iterator[None]:
        """Time a stretch of n updates, and learn from it."""
        started = time.perf_counter()
        yield
        taken = max(time.perf_counter() - started, 1e-9)
        if n == self.steps or taken > STRETCH_SECONDS:
            self.learn(n, taken)

    def learn(self, n: int, taken: float) -> None:
        """Choose the next length, after n updates took so many seconds.

        Seconds are fixed + each · n, by least squares of their relative errors, of which the latest count most.

        >>> pace = Pace()
        >>> for _ in range(8):
        ...     pace.learn(pace.steps, 1.0 + 0.01 * pace.steps)  # a second passes whatever the length
        >>> 95 < pace.steps < 105
        True
        """
        is_first = not self._sums.any()
        # A stretch that takes so many times what was foretold says that nothing is as it was.
        if taken > 2.0 * (self._fixed + self._each * n):
            self._sums[:] = 0
        # What an observation still counts after the next one.
        self._sums = 0.9 * self._sums + np.array([1, n, n * n, taken, n * taken]) / taken**2
        ones, lengths, squares, times, products = self._sums.tolist()
        spread = 1 - lengths**2 / (ones * squares)
        if spread > ALIKE:
            fixed = (times / ones - lengths * products / (ones * squares)) / spread
            self._fixed = min(max(fixed, 0.0), taken)
            self._each = max((products - self._fixed * lengths) / squares, 0.0)
        else:
            self._each = max(taken - self._fixed, 0.0) / n
        room = max(STRETCH_SECONDS, 2 * self._fixed) - self._fixed
        is_try = spread <= ALIKE and (is_first or taken < MAX_SECONDS)
        self.steps = 2 * n if is_try or self._each * 2 * n <= room else max(1, int(room / self._each))
