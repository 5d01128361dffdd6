"""Output of the commands: tables on a terminal, JSON and CSV on stdout, in whatever encoding these have."""

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
    in_ascii = not (out.encoding or "utf-8").lower().startswith("utf")  # JSON's escapes have four digits
    text = json.dumps(to_jsonable(record), indent=2, ensure_ascii=in_ascii, allow_nan=False)
    # Control characters occur only within texts.
    out.write(re.sub(f"[{CONTROL_CHARACTERS}]", lambda match: f"\\u{ord(match[0]):04x}", text) + "\n")
    out.flush()


def data_output() -> TextIO:
    """Stdout, prepared for CSV and JSON: in UTF-8 unless it is a terminal, which keeps its own encoding.

    A path of undecodable bytes contains lone surrogates; their backslash form in Python is also valid in JSON.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        options: dict[str, Any] = {} if sys.stdout.isatty() else {"encoding": "utf-8", "newline": "\n"}
        sys.stdout.reconfigure(errors="backslashreplace", **options)
    return sys.stdout


AS_ASCII = {
    **dict(zip("\xa0\u202f−–─×·′‖", "  ---x*'|", strict=True)),
    **{"…": "...", "²": "^2", "ᵀ": "^T", "√": "sqrt", "½": "1/2", "±": "+/-", "≤": "<=", "≥": ">=", "←": "<-"},
    **{"Σ": "sum", "∂": "d", "Δ": "Delta", "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon"},
    **{"θ": "theta", "λ": "lambda", "ρ": "rho", "π": "pi", "η": "eta", "\u2068": "", "\u2069": ""},
}
"""ASCII for the other characters in our own texts and formulas."""
IN_ASCII = "deltarule.in_ascii"
"""Name under which `replace_unencodable` is registered as an error handler of codecs."""


def replace_unencodable(error: UnicodeError) -> tuple[str, int]:
    r"""Handle an encoding error: return ASCII (ours or code points) for the missing characters, and where to resume.

    >>> import codecs
    >>> codecs.register_error(IN_ASCII, replace_unencodable)
    >>> print("λ‖W‖² of '猫'".encode("cp1252", IN_ASCII).decode("cp1252"))
    lambda|W|² of '\u732b'
    """
    assert isinstance(error, UnicodeEncodeError)
    missing = error.object[error.start : error.end]
    replacements = (AS_ASCII.get(one, one.encode("ascii", "backslashreplace").decode("ascii")) for one in missing)
    return "".join(replacements), error.end


def as_written(text: str, error_handler: str | None = None) -> str:
    """Text as stdout will write it, with missing characters replaced, so that a table's cell has the right width."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, error_handler or sys.stdout.errors or "strict").decode(encoding)


def name_as_written(name: str) -> str:
    """A user's name as stdout will write it: with code points for missing characters, for λ and lambda can differ."""
    return as_written(name, "backslashreplace")


def console(to_errors: bool = False) -> "Console":
    """A new Rich console for stdout, or for stderr if `to_errors`, that replaces control characters in all output."""
    from rich.console import Console

    screen = Console(stderr=to_errors, highlight=False, soft_wrap=False, markup=False, emoji=False)
    hook: Any = _ControlCharacterFilter()
    screen.push_render_hook(hook)
    return screen


def is_watched(screen: "Console") -> bool:
    """Whether the console is a real terminal: with FORCE_COLOR, Rich takes any file for one."""
    return screen.is_terminal and screen.file.isatty()


class _ControlCharacterFilter:
    """Render hook that replaces control characters: names from files must not command the terminal."""

    def process_renderables(self, renderables: "list[ConsoleRenderable]") -> "list[ConsoleRenderable]":
        """Wrap what Rich is about to print."""
        return [_FilteredText(renderable) for renderable in renderables]


class _FilteredText:
    """A renderable whose text is printed without control characters."""

    def __init__(self, inner: "RenderableType") -> None:
        self.inner = inner

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        """Yield the segments of the renderable, with visible signs in place of control characters."""
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
