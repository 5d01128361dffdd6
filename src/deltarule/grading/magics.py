"""The cells of notebooks as Python: magics, shell commands and questions become calls of `get_ipython()`.

A line is a command only where Python cannot read it, so one in a text or in brackets stays as it is. IPython is not
needed: a notebook is read in the same way on every computer.
"""

import ast
import re
import warnings

_CELL_MAGIC = re.compile(r"\s*%%(\w+)[ \t]*([^\n]*)\n?")
_RUN_HERE = ("time", "capture", "prun")
"""Magics that run their code as if they were not there; others run it elsewhere, or as no Python."""
_TIMED = re.compile(r"%(?:time|prun)\b[ \t]*(?=\S)")
_MAGIC = re.compile(r"([ \t]*(?:[\w., \[\]]+=[ \t]*)?)%(\w+)[ \t]*(.*)")
_SHELL = re.compile(r"([ \t]*(?:[\w., \[\]]+=[ \t]*)?)!!?[ \t]*(?=[^\s=])(.*)")
_QUESTION = re.compile(r"([ \t]*)(?:\?{1,2}[ \t]*[%\w.*]+|[%\w.*]+\?{1,2})[ \t]*;?[ \t]*")
MAX_COMMANDS = 200
"""In one cell; each is found by reading the cell again."""


def to_python(source: str) -> str:
    """A cell of a notebook as Python, with the same lines."""
    if magic := _CELL_MAGIC.match(source):
        name, options = magic.groups()
        rest = source[magic.end() :]
        if name not in _RUN_HERE:
            empty_lines = "\n" * source[: magic.start(1)].count("\n")
            return f"{empty_lines}get_ipython().run_cell_magic({name!r}, {options!r}, {rest!r})\n"
        source = "\n" * magic[0].count("\n") + rest
    lines = source.split("\n")
    for _ in range(MAX_COMMANDS):
        line = _unreadable_line(lines)
        if line is None:
            return "\n".join(lines)
        if not _replace_command(lines, line):
            break
    for i in range(len(lines)):  # of code that is cut off elsewhere, or of very many commands
        if re.match(r"[ \t]*[%!]\w", lines[i]):
            _replace_command(lines, i)
    return "\n".join(lines)


def _unreadable_line(lines: list[str]) -> int | None:
    """The index of the first line that is no Python, None where all are, and -1 where Python does not say."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse("\n".join(lines))
    except SyntaxError as error:
        return (error.lineno or 0) - 1
    except (ValueError, RecursionError, MemoryError):
        return -1
    return None


def _replace_command(lines: list[str], i: int) -> bool:
    """Replace the command of a line, and the lines that it goes on in, by a call; whether there is one."""
    if not 0 <= i < len(lines):
        return False
    last = i
    while lines[last].endswith("\\") and last + 1 < len(lines):
        last += 1
    text = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines[i : last + 1]))
    if question := _QUESTION.fullmatch(text):
        call = f"{question[1]}pass"
    elif magic := _MAGIC.fullmatch(text):
        before, name, options = magic.groups()
        is_timed = _TIMED.match(text, len(before))
        call = before + (text[is_timed.end() :] if is_timed else f"get_ipython().run_line_magic({name!r}, {options!r})")
    elif shell := _SHELL.fullmatch(text):
        before, command = shell.groups()
        call = f"{before}get_ipython().{'getoutput' if before.strip() else 'system'}({command!r})"
    else:
        return False
    lines[i : last + 1] = [call, *[""] * (last - i)]
    return True
