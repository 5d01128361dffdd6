"""Choose between all threads and one, by how long updates take now.

Threads that advance one network together wait for each other many times in an update. If other work takes one of their
processors, all wait for it, and one thread alone is faster. The result is the same.
"""

import math
import time
from collections.abc import Callable

TURN_SECONDS = 0.05
TURNS_ALONE = 10
"""After so many turns of one thread all are tried again, in a turn a tenth as long."""


class Pace:
    """The seconds of an update on all threads and on one, as they were last measured."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.seconds = {threads: 0.0, 1: 0.0}  # 0 before the first turn: each is tried
        self._alone = 0

    def run(self, n: int, advance: Callable[[int, int, int], None]) -> None:
        """Make n updates by calls of advance(updates done, updates, threads)."""
        done = 0
        while done < n:
            threads, seconds = self._next_turn()
            count = min(n - done, max(1, int(seconds / (self.seconds[threads] or math.inf))))
            began = time.perf_counter()
            advance(done, count, threads)
            self.seconds[threads] = (time.perf_counter() - began) / count
            done += count

    def _next_turn(self) -> tuple[int, float]:
        """The threads and the seconds of the next turn, by the speeds measured so far."""
        together, alone = self.seconds[self.threads], self.seconds[1]
        if together and not alone:
            return 1, TURN_SECONDS
        if together <= alone:
            self._alone = 0
            return self.threads, TURN_SECONDS
        self._alone += 1
        is_tried_again = self._alone % TURNS_ALONE == 0
        return (self.threads, TURN_SECONDS / 10) if is_tried_again else (1, TURN_SECONDS)
