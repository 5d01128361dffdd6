"""The seconds that a fit may take, and the report of its progress."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

PRESETS = ("default", "fast")
SEARCH_SHARE = 0.4
"""Share of a limit of seconds after which no further settings are tried."""


@dataclass
class Budget:
    """What a fit may cost, and whom it tells what it is doing.

    preset    "default", or "fast" for fewer settings and networks
    seconds   the limit that the user gave
    progress  a function of a text and of the share that is done
    """

    preset: str = "default"
    seconds: float = math.inf
    progress: Callable[[str, float], None] = lambda text, share: None
    started: float = field(default_factory=perf_counter)
    done: float = 0.0
    total: float = 1.0

    @property
    def seconds_left(self) -> float:
        return self.seconds - (perf_counter() - self.started)

    @property
    def may_search(self) -> bool:
        """Whether there is time to try further settings."""
        return self.seconds_left >= (1 - SEARCH_SHARE) * self.seconds

    def begin(self, text: str, work: float) -> None:
        """Report that a part begins that is so much of the `total` work."""
        self.progress(text, min(self.done / self.total, 1.0))
        self.done += work

    def affordable(self, members: int, seconds_each: float) -> int:
        """How many networks can be trained twice (to score, to keep) in the time left."""
        if math.isinf(self.seconds) or not seconds_each:
            return members
        return max(1, min(members, int(self.seconds_left / (2 * seconds_each))))
