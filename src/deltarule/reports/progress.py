"""The progress of a training, and series as lines of bar characters."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deltarule.problem.problem import Floats

BARS = "▁▂▃▄▅▆▇█"
MAX_VALUES = 512
"""Maximum number of recorded values; beyond it every second one is dropped."""


def sparkline(values: Any, width: int) -> str:
    """Draw a series [T] as at most `width` bar characters.

    Values that are not finite leave a gap.

    >>> sparkline([8.0, 4.0, 2.0, 1.0], 4), sparkline([1.0, 0.1, 0.001], 3), sparkline([], 4)
    ('█▄▂▁', '█▆▁', '')
    """
    values = np.asarray(values, np.float64)
    indices = np.linspace(0, len(values) - 1, min(len(values), width)).round().astype(int)
    shown = np.where(np.isfinite(values), values, np.nan)[indices]
    if np.isnan(shown).all():
        return " " * len(shown)
    if np.nanmin(shown) > 0 and np.nanmax(shown) / 10 > np.nanmin(shown):
        shown = np.log(shown)
    low, high = np.nanmin(shown), np.nanmax(shown)
    return _bars(np.rint((shown - low) / (high - low or 1.0) * (len(BARS) - 1)))


def probability_bars(values: Floats, width: int) -> str:
    """Draw values from 0 to 1 [T] as `width` bar characters.

    >>> probability_bars(np.array([0.0, 0.5, 1.0]), 6)
    '▁▁▅▅██'
    """
    indices = np.linspace(0, len(values) - 1, width).round().astype(int)
    return _bars(np.floor(values[indices] * len(BARS)))


def _bars(heights: Floats) -> str:
    numbers = np.nan_to_num(heights.clip(0, len(BARS) - 1), nan=-1)
    return "".join(f"{BARS} "[int(number)] for number in numbers)


@dataclass
class ProgressHistory:
    """The objectives that a training has reported, with their steps.

    >>> history = ProgressHistory()
    >>> for step in range(1000):
    ...     history.add(step, 1 / (step + 1))
    >>> history.steps[:3], len(history.objectives) <= MAX_VALUES
    ([0, 4, 8], True)
    """

    steps: list[int] = field(default_factory=list)
    objectives: list[float] = field(default_factory=list)

    def add(self, step: int, objective: float) -> None:
        """Record the objective at a step; an earlier step starts a new training."""
        if self.steps and step <= self.steps[-1]:
            self.steps.clear()
            self.objectives.clear()
        self.steps.append(step)
        self.objectives.append(objective)
        if len(self.steps) > MAX_VALUES:
            del self.steps[1::2], self.objectives[1::2]


def describe_progress(progress: Any) -> str:
    """Describe the progress of a population in a few words.

    >>> from deltarule.training.train import Progress
    >>> progress = Progress(
    ...     step=1200, limit=3000, training=91, stopped=7, diverged=2, seconds=1.0, solved=7, objective=0.25
    ... )
    >>> describe_progress(progress)
    '0.25, step 1,200, 91 training, 7 solved, 2 diverged'
    """
    counts = {
        "solved": progress.solved,
        "stopped": progress.stopped - progress.solved,
        "diverged": progress.diverged,
    }
    ended = [f"{count:,} {word}" for word, count in counts.items() if count]
    objective = [] if math.isnan(progress.objective) else [f"{progress.objective:.3g}"]
    return ", ".join([*objective, f"step {progress.step:,}", f"{progress.training:,} training", *ended])
