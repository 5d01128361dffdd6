"""Record and describe the progress of a training, for a sparkline or a live plot."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from deltarule.reports.bars import ASCII_BARS, BARS, sparkline

MAX_VALUES = 512
"""Maximum number of recorded values; beyond it every second one is dropped."""
SPARKLINE_CHARACTERS = 16
"""Width of the sparkline."""


@dataclass
class ProgressHistory:
    """The objectives that a training has reported, with their steps.

    >>> history = ProgressHistory()
    >>> for step in range(1000):
    ...     history.add(step, 1 / (step + 1))
    >>> history.steps[:3], len(history.objectives) <= MAX_VALUES, history.bars()[0]
    ([0, 4, 8], True, '█')
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

    def bars(self, ascii_only: bool = False) -> str:
        """The objectives as a sparkline."""
        return sparkline(self.objectives, SPARKLINE_CHARACTERS, ASCII_BARS if ascii_only else BARS)


def describe_progress(progress: Any) -> str:
    """Describe the progress of a population in a few words.

    Parameters
    ----------
    progress : `deltarule.training.train.Progress`.

    >>> from deltarule.training.train import Progress
    >>> progress = Progress(
    ...     step=1200, limit=3000, training=91, stopped=7, diverged=2, seconds=1.0, solved=7, objective=0.25
    ... )
    >>> describe_progress(progress)
    '0.25, step 1,200, 91 training, 7 solved, 2 diverged'
    """
    words: Sequence[tuple[int, str]] = (
        (progress.solved, "solved"),
        (progress.stopped - progress.solved, "stopped"),
        (progress.diverged, "diverged"),
    )
    counts = [f"{count:,} {word}" for count, word in words if count]
    objective = [] if math.isnan(progress.objective) else [f"{progress.objective:.3g}"]
    return ", ".join([*objective, f"step {progress.step:,}", f"{progress.training:,} training", *counts])
