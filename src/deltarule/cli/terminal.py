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
    """Stdout for CSV and JSON: UTF-8 unless it is a terminal, which keeps its own encoding.

    A path of undecodable bytes contains lone surrogates; their backslash form in Python is also valid in JSON.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        how: dict[str, Any] = {} if sys.stdout.isatty() else {"encoding": "utf-8", "newline": "\n"}
        sys.stdout.reconfigure(errors="backslashreplace", **how)
    return sys.stdout


AS_ASCII = {
    **dict(zip("\xa0\u202f−–─×·′‖", "  ---x*'|", strict=True)),
    **{"…": "...", "²": "^2", "ᵀ": "^T", "√": "sqrt", "½": "1/2", "±": "+/-", "≤": "<=", "≥": ">=", "←": "<-"},
    **{"Σ": "sum", "∂": "d", "Δ": "Delta", "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon"},
    **{"θ": "theta", "λ": "lambda", "ρ": "rho", "π": "pi", "η": "eta", "\u2068": "", "\u2069": ""},
}
"""ASCII for the other characters of our own texts and formulas."""
IN_ASCII = "deltarule.in_ascii"
"""Name under which `in_ascii` is registered as an error handler of codecs."""


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    r"""Replace characters that an encoding lacks: our own signs by ASCII, all others by their code points.

    >>> import codecs
    >>> codecs.register_error(IN_ASCII, in_ascii)
    >>> print("λ‖W‖² of '猫'".encode("cp1252", IN_ASCII).decode("cp1252"))
    lambda|W|² of '\u732b'
    """
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    text = "".join(AS_ASCII.get(one, one.encode("ascii", "backslashreplace").decode("ascii")) for one in lacking)
    return text, error.end


def as_written(text: str, errors: str | None = None) -> str:
    """Text as stdout will write it, so that a table's cell has the right width."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, errors or sys.stdout.errors or "strict").decode(encoding)


def name_as_written(name: str) -> str:
    """As `as_written` for a user's name: λ and lambda may be two names, so code points replace what is lacking."""
    return as_written(name, "backslashreplace")


def console(to_errors: bool = False) -> "Console":
    """The console of stdout, or of stderr for progress and for notes beside a JSON object."""
    from rich.console import Console

    screen = Console(stderr=to_errors, highlight=False, soft_wrap=False, markup=False, emoji=False)
    hook: Any = _OnlyText()
    screen.push_render_hook(hook)
    return screen


def is_watched(screen: "Console") -> bool:
    """Whether it is a real terminal: with FORCE_COLOR, rich takes any file for one."""
    return screen.is_terminal and screen.file.isatty()


class _OnlyText:
    """Render hook that removes control characters: names from files must not command the terminal."""

    def process_renderables(self, renderables: "list[ConsoleRenderable]") -> "list[ConsoleRenderable]":
        """Wrap what rich is about to print."""
        return [_Harmless(renderable) for renderable in renderables]


class _Harmless:
    def __init__(self, inner: "RenderableType") -> None:
        self.inner = inner

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.segment import Segment

        from deltarule.reports.formatting import visible

        for one in console.render(self.inner, options):
            yield one if one.control else Segment(visible(one.text), one.style)


def show_all(*renderables: "RenderableType | None") -> None:
    """Print renderables with a blank line between them, skipping None."""
    screen = console()
    for index, one in enumerate(renderable for renderable in renderables if renderable is not None):
        if index:
            screen.print()
        screen.print(one)
