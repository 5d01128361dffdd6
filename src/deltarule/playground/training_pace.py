"""Choose the number of updates in a chunk and the interval of evaluations."""

import time

import numpy as np

CHUNK_SECONDS = 0.03
"""The time of a chunk of updates, after which the page can draw a newer state: 30 frames a second."""
MAX_LATE_SECONDS = 0.2
"""How late an update may be before the pace starts anew."""
FREE_EVALUATION_SECONDS = 0.5
"""The time of evaluations that is not counted, so that curves have many points at the beginning."""
MAX_EVALUATION_SHARE = 0.05
"""The share of the time that evaluations for the curves may take; at limited speed, where training waits, a fourth."""


class TrainingPace:
    """Chooses chunk size and evaluation interval from measured durations.

    Evaluating all rows of a thousand members takes as long as many updates: it may take a twentieth of the time.
    """

    def __init__(self) -> None:
        self.updates = 1
        self._training_seconds = self._evaluating_seconds = self._last_share = 0.0
        self._last_evaluation = time.perf_counter()
        self.restart()

    def restart(self) -> None:
        self._started = time.perf_counter()
        self._done = 0

    def evaluates_too_often(self, updates_per_second: float) -> bool:
        limit = MAX_EVALUATION_SHARE if np.isinf(updates_per_second) else 0.25
        is_over = self._evaluating_seconds > FREE_EVALUATION_SECONDS + limit * self._training_seconds
        return is_over and self._last_share > limit

    def seconds_to_wait(self, updates_per_second: float) -> float:
        due = self._started + (self._done + 1) / updates_per_second
        if (late := time.perf_counter() - due) > MAX_LATE_SECONDS:
            self.restart()  # after a stall, updates are not made up for at once
        return min(-late, CHUNK_SECONDS)

    def add_chunk(self, count: int, began: float) -> None:
        """Count a chunk that ends now, and set the size of the next one."""
        seconds = time.perf_counter() - began
        self._done += count
        self._training_seconds += seconds
        if count == self.updates or seconds > CHUNK_SECONDS:
            self.updates = max(1, int(count * min(2.0, CHUNK_SECONDS / max(seconds, 1e-6))))

    def add_evaluation(self, began: float) -> None:
        end = time.perf_counter()
        self._evaluating_seconds += end - began
        self._last_share = (end - began) / (end - self._last_evaluation)
        self._last_evaluation = end
