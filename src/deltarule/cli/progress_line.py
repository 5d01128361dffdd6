"""Show progress as one line on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deltarule.cli.terminal import console, is_watched

if TYPE_CHECKING:
    from deltarule.sweeps.sweep import SweepProgress
    from deltarule.training import train as training

MIN_BARS_WIDTH = 100
"""Columns of a terminal from which the losses are shown as a sparkline."""


@contextmanager
def show_progress(name: str) -> Iterator["Callable[[training.Progress | SweepProgress], None] | None"]:
    """Show the progress of a training or a sweep on stderr."""
    screen = console(to_errors=True)
    if not is_watched(screen):
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    from deltarule.reports.formatting import visible
    from deltarule.reports.progress import ProgressHistory, describe_progress
    from deltarule.training.train import Progress as TrainingProgress

    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=None, table_column=Column(min_width=4, ratio=1)),
        TextColumn("{task.fields[detail]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=screen, transient=True, expand=True) as line:
        name, losses = visible(name), ProgressHistory()
        task = line.add_task(name, detail="")

        def show(progress: "training.Progress | SweepProgress") -> None:
            """Update the line."""
            if not isinstance(progress, TrainingProgress):
                completed, detail = progress.done + progress.under_way, f"{progress.done:,} of {progress.rows:,} rows"
                line.update(task, total=progress.rows, completed=completed, detail=detail)
                return
            losses.add(progress.step, progress.objective)
            title = f"{name} {losses.bars()}" if screen.width >= MIN_BARS_WIDTH else name
            detail = describe_progress(progress)
            line.update(task, total=progress.limit, completed=progress.step, description=title, detail=detail)

        yield show


@contextmanager
def show_elapsed_time(task: str) -> Iterator[None]:
    """Show the description of a task and its elapsed seconds on stderr."""
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
