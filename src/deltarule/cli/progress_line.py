"""One line on stderr that shows how far a training or a sweep is."""

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


@contextmanager
def show_progress(what: str) -> Iterator["Callable[[training.Progress | SweepProgress], None] | None"]:
    """Show the progress of a training or a sweep on stderr, if it is a terminal; yields the callback or None."""
    screen = console(to_errors=True)
    if not is_watched(screen):
        yield None
        return
    from deltarule.reports.formatting import visible
    from deltarule.reports.progress import ProgressHistory
    from deltarule.training.train import Progress as TrainingProgress

    with _line(screen) as bar:
        name, losses = visible(what), ProgressHistory()
        task = bar.add_task(name, detail="", losses="")

        def tell(seen: "training.Progress | SweepProgress") -> None:
            if not isinstance(seen, TrainingProgress):
                rows = f"{seen.done:,} of {seen.rows:,} rows"
                bar.update(task, total=seen.rows, completed=seen.done + seen.under_way, detail=rows)
                return
            losses.add(seen.step, seen.objective)
            called, drawn, says = _fit_progress(name, losses, seen, screen)
            bar.update(task, total=seen.limit, completed=seen.step, description=called, losses=drawn, detail=says)

        yield tell


def _line(screen: "Console") -> "ProgressLine":
    """The line: name, bars of the losses, progress bar, description, remaining time."""
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
        def get_renderables(self) -> "Iterator[RenderableType]":
            yield Constrain(self.make_tasks_table(self.tasks), screen.width - len(CTRL_C))

    return Line(*columns, console=screen, transient=True, expand=True)


def _fit_progress(
    name: str, losses: "ProgressHistory", seen: "training.Progress", screen: "Console"
) -> tuple[str, str, str]:
    """Name, loss bars and description of a training, shortened to the width of the screen."""
    from deltarule.reports.progress import describe_progress

    text, line = describe_progress(seen), losses.bars(ascii_only=not screen.encoding.lower().startswith("utf"))
    short = text.partition(f", {seen.training:,} training")[0]
    room = screen.width - len(CTRL_C) - MIN_BAR - MAX_TIME - GAPS
    choices = (name, line, text), (name, "", text), (name, "", short), ("", "", short)
    return next((choice for choice in choices if sum(map(len, choice)) <= room), choices[-1])


@contextmanager
def show_elapsed_time(what: str) -> Iterator[None]:
    """Show a task with its elapsed seconds on stderr, if it is a terminal."""
    screen = console(to_errors=True)
    if not is_watched(screen):
        yield
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from deltarule.reports.formatting import visible

    columns = (SpinnerColumn("line"), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as line:
        line.add_task(visible(what), total=None)
        yield
