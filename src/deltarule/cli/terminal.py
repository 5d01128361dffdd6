"""Output of the commands: tables on a terminal, JSON and CSV on stdout."""

import io
import json
import re
import sys
from typing import TYPE_CHECKING, Any, TextIO

from deltarule.errors import CONTROL_CHARACTERS

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderResult


def print_json(record: Any) -> None:
    """Print a record as one JSON object on stdout."""
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

    screen = Console(stderr=to_errors, highlight=False, soft_wrap=False, markup=False, emoji=False)
    hook: Any = _ControlCharacterFilter()
    screen.push_render_hook(hook)
    return screen


def is_watched(screen: "Console") -> bool:
    """Whether the console is a real terminal."""
    return screen.is_terminal and screen.file.isatty()


class _ControlCharacterFilter:
    """Render hook that replaces control characters."""

    def process_renderables(self, renderables: "list[ConsoleRenderable]") -> "list[ConsoleRenderable]":
        """Wrap what Rich is about to print."""
        return [_FilteredText(renderable) for renderable in renderables]


class _FilteredText:
    """A renderable whose text is printed without control characters."""

    def __init__(self, inner: "RenderableType") -> None:
        self.inner = inner

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Yield the segments of the renderable with visible control characters."""
        from rich.segment import Segment

        from deltarule.reports.formatting import visible

        for segment in console.render(self.inner, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def show_all(*renderables: "RenderableType | None") -> None:
    """Print renderables with a blank line between them, skipping None."""
    screen = console()
    for index, renderable in enumerate(one for one in renderables if one is not None):
        if index:
            screen.print()
        screen.print(renderable)
