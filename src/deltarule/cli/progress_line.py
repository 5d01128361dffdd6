"""Show the progress of a training or a sweep, or the elapsed time of a task, as one line on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deltarule.cli.terminal import console, is_watched

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress as ProgressLine

    from deltarule.reports.progress import ProgressHistory
    from deltarule.sweeps.sweep import SweepProgress
    from deltarule.training import train as training

CTRL_C = "^C "
"""A terminal echoes this beside the line; without room for it, it would start another line."""
MIN_BAR, MAX_TIME, GAPS = 4, len("0:00:00"), 4
"""Characters of the line for the shortest bar, the longest remaining time, and the gaps between its parts."""


@contextmanager
def show_progress(name: str) -> Iterator["Callable[[training.Progress | SweepProgress], None] | None"]:
    """Show the progress of a training or a sweep on stderr, if that is a terminal; yield a callback or None."""
    screen = console(to_errors=True)
    if not is_watched(screen):
        yield None
        return
    from deltarule.reports.formatting import visible
    from deltarule.reports.progress import ProgressHistory
    from deltarule.training.train import Progress as TrainingProgress

    with _progress_line(screen) as line:
        name, losses = visible(name), ProgressHistory()
        task = line.add_task(name, detail="", losses="")

        def show(progress: "training.Progress | SweepProgress") -> None:
            """Update the line: the finished rows of a sweep, or step, losses and description of a training."""
            if not isinstance(progress, TrainingProgress):
                rows = f"{progress.done:,} of {progress.rows:,} rows"
                completed = progress.done + progress.under_way
                line.update(task, total=progress.rows, completed=completed, detail=rows)
                return
            losses.add(progress.step, progress.objective)
            title, bars, text = _fit_progress(name, losses, progress, screen)
            line.update(
                task, total=progress.limit, completed=progress.step, description=title, losses=bars, detail=text
            )

        yield show


def _progress_line(screen: "Console") -> "ProgressLine":
    """Create the line: name, sparkline of the losses, progress bar, description, remaining time."""
    from rich.constrain import Constrain
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[losses]}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[detail]}", markup=False),
        TimeRemainingColumn(compact=True),
    )

    class Line(Progress):
        """Rich's progress line, narrower than the terminal by its echo of Ctrl-C."""

        def get_renderables(self) -> "Iterator[RenderableType]":
            """Yield the line, with room for the terminal's echo of Ctrl-C."""
            yield Constrain(self.make_tasks_table(self.tasks), screen.width - len(CTRL_C))

    return Line(*columns, console=screen, transient=True, expand=True)


def _fit_progress(
    name: str, losses: "ProgressHistory", progress: "training.Progress", screen: "Console"
) -> tuple[str, str, str]:
    """Name, sparkline of the losses and description of a training; what exceeds the screen is shortened or ""."""
    from deltarule.reports.progress import describe_progress

    text, bars = describe_progress(progress), losses.bars(ascii_only=not screen.encoding.lower().startswith("utf"))
    short = text.partition(f", {progress.training:,} training")[0]
    room = screen.width - len(CTRL_C) - MIN_BAR - MAX_TIME - GAPS
    choices = (name, bars, text), (name, "", text), (name, "", short), ("", "", short)
    return next((choice for choice in choices if sum(map(len, choice)) <= room), choices[-1])


@contextmanager
def show_elapsed_time(task: str) -> Iterator[None]:
    """Show the description of a task and its elapsed seconds on stderr, if that is a terminal."""
    screen = console(to_errors=True)
    if not is_watched(screen):
        yield
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from deltarule.reports.formatting import visible

    columns = (SpinnerColumn("line"), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as line:
        line.add_task(visible(task), total=None)
        yield
