"""How many updates the thread of a workbench makes before a page sees a newer state."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK_SECONDS = 0.03
"""How long the thread trains before a page sees a newer state: a frame of 30 a second."""
FREE_EVALUATION_SECONDS = 0.5
"""Evaluations that are not counted, so that curves begin densely."""
MAX_EVALUATION_SHARE = 0.05
"""The part of the time that evaluations for the curves may take."""


class TrainingPace:
    """How many updates the next chunk has, and whether there is time for a point of the curves.

    Evaluating all rows of a thousand members takes as long as many updates: it may take a twentieth of the time.
    """

    def __init__(self) -> None:
        self.updates = 1
        self._playing_seconds = self._evaluating_seconds = self._last_share = 0.0
        self._last_evaluation = time.perf_counter()
        self.restart()

    def restart(self) -> None:
        """Count the updates of a limited speed from now on."""
        self._started = self._last_end = time.perf_counter()
        self._done = 0

    @property
    def evaluates_too_often(self) -> bool:
        """Whether evaluations have taken more than a twentieth of the time so far, and the last one did."""
        is_over = self._evaluating_seconds > FREE_EVALUATION_SECONDS + MAX_EVALUATION_SHARE * self._playing_seconds
        return is_over and self._last_share > MAX_EVALUATION_SHARE

    def seconds_to_wait(self, updates_per_second: float) -> float:
        """The time until the next update is due at a limited speed; a chunk at most, as the limit may change."""
        due = self._started + (self._done + 1) / updates_per_second
        return min(due - time.perf_counter(), CHUNK_SECONDS)

    def updates_allowed(self, updates_per_second: float) -> float:
        """The most updates of the next chunk."""
        return min(self.updates, max(1, CHUNK_SECONDS * updates_per_second))

    @contextmanager
    def training(self, count: int) -> Iterator[int]:
        """Time a chunk of so many updates, and learn from it how many a chunk may have."""
        began = time.perf_counter()
        yield count
        end = time.perf_counter()
        seconds = end - began
        self._playing_seconds += end - self._last_end
        self._last_end = end
        self._done += count
        if count == self.updates or seconds > CHUNK_SECONDS:
            self.updates = max(1, int(count * min(2.0, CHUNK_SECONDS / max(seconds, 1e-6))))

    @contextmanager
    def time_evaluation(self) -> Iterator[None]:
        """Time an evaluation."""
        began = time.perf_counter()
        yield
        end = time.perf_counter()
        self._evaluating_seconds += end - began
        self._last_share = (end - began) / (end - self._last_evaluation)
        self._last_evaluation = end
