"""What a command returns, and how it is shown."""

import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

from deltarule.errors import CONTROL_CHARACTERS, visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

    from deltarule.sweeps.sweep import SweepProgress
    from deltarule.training import train as training

IS_QUIET = ContextVar("IS_QUIET", default=False)
"""Whether a command was given `--quiet`: no progress and no remarks, and its result in one line."""

Shown: TypeAlias = "Iterable[RenderableType]"
"""Sentences, tables and blank lines."""


@dataclass(frozen=True)
class Result:
    """The result of a command.

    record   what `--json` prints
    shown    what is printed otherwise; an iterator is not used with `--json`
    status   the exit status
    verdict  the line that `--quiet` prints, where it is not the last one shown
    """

    record: Any
    shown: Shown = ()
    status: int = 0
    verdict: str | None = None


def show(shown: Shown, to_errors: bool = False) -> None:
    screen = console(to_errors)
    for part in shown:
        screen.print(part, soft_wrap=not is_watched(screen))


def remark(shown: Shown, to_errors: bool = True) -> None:
    """Show what is only said in passing, which `--quiet` leaves out."""
    if not IS_QUIET.get():
        show(shown, to_errors)


def show_last_line(shown: Shown) -> None:
    screen = console()
    with screen.capture() as capture:
        for part in shown:
            screen.print(part, soft_wrap=True)
    lines = [line for line in capture.get().splitlines() if line.strip()]
    show(lines[-1:])


def headline(name: str, text: str = "") -> "Text":
    from rich.text import Text

    return Text.assemble((name, "bold"), f"  {text}" if text else "")


def print_json(record: Any) -> None:
    from deltarule.json_files import to_jsonable

    out = data_output()
    text = json.dumps(to_jsonable(record), indent=2, ensure_ascii=False, allow_nan=False)
    # Control characters occur only within texts.
    out.write(re.sub(f"[{CONTROL_CHARACTERS}]", lambda match: f"\\u{ord(match[0]):04x}", text) + "\n")
    out.flush()


def data_output() -> TextIO:
    """Stdout, prepared for CSV and JSON.

    A path of undecodable bytes contains lone surrogates; their backslash form in Python is also valid in JSON.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        options: dict[str, Any] = {} if sys.stdout.isatty() else {"encoding": "utf-8", "newline": "\n"}
        sys.stdout.reconfigure(errors="backslashreplace", **options)
    return sys.stdout


def console(to_errors: bool = False) -> "Console":
    """A new Rich console for stdout or stderr that replaces control characters."""
    from rich.console import Console
    from rich.segment import Segment

    class Screen(Console):
        def render(self, *arguments: Any) -> Iterator[Segment]:
            for segment in super().render(*arguments):
                yield segment if segment.control else Segment(visible(segment.text), segment.style)

    return Screen(stderr=to_errors, highlight=False, soft_wrap=False, markup=False, emoji=False)


def is_watched(screen: "Console") -> bool:
    """Whether somebody follows what is shown, so that it may be wrapped and drawn again."""
    return screen.is_terminal and screen.file.isatty() and not IS_QUIET.get()


# --- progress ---------------------------------------------------------------------------------------------------------


@contextmanager
def show_progress(name: str) -> Iterator["Callable[..., None] | None"]:
    """Show the progress of a training or a sweep, and of which part it is, as a line on stderr."""
    from deltarule.reports.summaries import describe_progress
    from deltarule.training.train import Progress as TrainingProgress

    with show_shares(name) as show_share:
        if show_share is None:
            yield None
            return

        def update(progress: "training.Progress | SweepProgress", part: str = "") -> None:
            if isinstance(progress, TrainingProgress):
                text, share = describe_progress(progress), progress.step / max(progress.limit, 1)
            else:
                text = f"{progress.done:,} of {progress.rows:,} rows"
                share = (progress.done + progress.under_way) / max(progress.rows, 1)
            show_share(text, share, part)

        yield update


@contextmanager
def show_shares(name: str, total: float | None = 1.0) -> Iterator[Callable[..., None] | None]:
    """Show a bar on a terminal, moved by a function of a text, the share done and, in place of the name, the part.

    It only swings if the total is unknown.
    """
    screen = console(to_errors=True)
    if not is_watched(screen):
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.table import Column

    description, detail = (
        TextColumn(content, markup=False, table_column=Column(no_wrap=True, overflow="ellipsis"))
        for content in ("{task.description}", "{task.fields[detail]}")
    )
    bar = BarColumn(bar_width=None, table_column=Column(min_width=4, ratio=1))
    time = TimeElapsedColumn() if total is None else TimeRemainingColumn(compact=True)
    with Progress(description, bar, detail, time, console=screen, transient=True, expand=True) as line:
        task = line.add_task(visible(name), total=total, detail="")
        yield lambda text, share, part="": line.update(
            task, description=visible(part or name), detail=visible(text), completed=share
        )


@contextmanager
def show_elapsed_time(task: str) -> Iterator[None]:
    with show_shares(task, total=None):
        yield
