"""What a page may show of an exception, as its text may be a submission's own.

A text is shown if it is one of Python's or NumPy's, listed in `messages.txt`, and of its parts only short numbers and
the names of the student's own line: so no value of a later check reaches a page.
"""

import builtins
import re
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from deltarule.errors import one_line
from deltarule.grading.source import Cell

MAX_MESSAGE_CHARACTERS = 300
_LONG_NUMBER = re.compile(r"\d{4,}")
"""No length of most arrays; such numbers could carry values."""
MAX_LINE_CHARACTERS = 80
_SLOTS = {"n": r"(-?\d+)", "shape": r"(\(?\d[\d, ()]*\)?|\(\))", "name": r"([^\W\d][\w.]*)", "any": r"([^()]*)"}
_TYPES = {*vars(builtins), "numpy", "numpy.ndarray", "ndarray", "NoneType", "function", "module", "method"}
_TYPES |= {"LinAlgError", "AxisError", "UFuncTypeError", "TimeLimit", "float64", "numpy.float64"}


def _pattern(line: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", line)
    return re.compile("".join(_SLOTS[part] if i % 2 else re.escape(part) for i, part in enumerate(parts)))


PATTERNS = [*map(_pattern, Path(__file__).with_name("messages.txt").read_text(encoding="utf-8").splitlines())]


def describe_error(error: Sequence[Any], cells: Sequence[Cell], request: Mapping[str, Any]) -> str:
    """An exception's line, type and, if it reveals nothing, text."""
    cell, number, kind, text = error
    lines = dict(cells).get(cell, "").split("\n")
    line = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    source = "\n".join(code for _, code in cells)
    if kind not in _TYPES and not re.search(rf"\b{re.escape(kind)}\b", source):
        kind = "an exception"
    definitions = " ".join(re.findall(r"^[ \t]*(?:def|class)[ \t].*", source, re.MULTILINE))
    names = {*re.findall(r"[^\W\d]\w*", f"{line} {definitions} {request.get('call', '')}")}
    names |= {*re.findall(r"'([^']*)'", line.replace('"', "'"))}
    label = f"{cell}, " if len(cells) > 1 else ""
    shown = f", `{line[:MAX_LINE_CHARACTERS]}`" if line else ""
    where = f"{label}line {number}{shown}: " if line else ""
    return clean_text(f"{where}{kind}: {public_text(text, names)}".removesuffix(": "))


def public_text(text: str, names: Container[str] = ()) -> str:
    """A text of Python or NumPy with names and short numbers alone; "" for others."""
    match = next(filter(None, (pattern.fullmatch(text.strip()) for pattern in PATTERNS)), None)
    if match is None:
        return ""
    shown, end = "", 0
    for i, part in enumerate(match.groups(), 1):
        is_strange = re.search(r"[^\W\d]", part) and part not in names and part not in _TYPES
        shown += match.string[end : match.start(i)] + ("…" if is_strange else _LONG_NUMBER.sub("…", part))
        end = match.end(i)
    return shown + match.string[end:]


def describe_object(kind: Any) -> str:
    """What a submission returned instead of numbers, by the text of its worker."""
    return kind if kind in _TYPES else public_text(str(kind)) or "an object"


def describe_shape(shape: Sequence[int], expected: Sequence[int]) -> str:
    """A shape whose lengths are short, or those that are expected."""
    is_shown = all(length < 1000 or length in expected for length in shape)
    return f"the shape {tuple(shape)}" if is_shown else "another shape"


def clean_text(text: str) -> str:
    """Shorten a submission's text, and make it safe for pages and XML."""
    return "".join(letter if letter.isprintable() else "?" for letter in one_line(text)[:MAX_MESSAGE_CHARACTERS])
