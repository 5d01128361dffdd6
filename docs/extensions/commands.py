"""A command's usage, help and options as the program itself reports them: ```` ```{command} run ```` of MyST."""

import re
from typing import TYPE_CHECKING, Any, get_args

import typer

from deltarule.cli.app import command_line

if TYPE_CHECKING:
    from sphinx.application import Sphinx

COMMANDS: dict[str, Any] = {
    name: command for name, command in typer.main.get_command(command_line()).commands.items() if not command.hidden
}
OF_EVERY_COMMAND = ["--help", "--quiet"]
OPTION = re.compile(r"(`[^`]+`)|(--[a-z][a-z-]*)")


def described(name: str) -> str:
    """A command as Markdown: what its help says, and a table with each argument and option.

    >>> print(described("report"))  # doctest: +ELLIPSIS
    Draw the figures, tables and claims of a folder as one page, report.html.
    <BLANKLINE>
    | argument or option | effect |
    |---|---|
    | `DIR` | Folder that ... |
    | `--json` | Print one JSON object ... |
    """
    command = COMMANDS[name]
    rows = [_row(parameter) for parameter in command.params if parameter.opts[0] not in OF_EVERY_COMMAND]
    rows.sort(key=lambda row: row.startswith("| `-"))  # arguments first
    text = "\n".join([command.help, "", "| argument or option | effect |", "|---|---|", *rows])
    return OPTION.sub(lambda found: found[1] or f"`{found[2]}`", text)  # as code, in which two hyphens stay two


def _row(parameter: Any) -> str:
    """What is typed, its values, what the program says about it, and its default."""
    is_argument = parameter.param_type_name == "argument"
    values = _choices(parameter.type_descriptor.annotation) or (parameter.metavar or "").split("|")
    written = ", ".join(f"`{value}`" for value in values if value)
    typed = written if is_argument else f"`{parameter.opts[0]}` {written}".rstrip()
    effect = parameter.help
    if parameter.default not in (None, False, "") and "efault" not in effect:
        effect = f"{effect.removesuffix('.')}; default: `{parameter.default}`."
    return f"| {typed} | {effect} |"


def _choices(annotation: Any) -> list[str]:
    """The allowed texts of a Literal, also within an Optional."""
    return [text for part in get_args(annotation) for text in ([part] if isinstance(part, str) else _choices(part))]


def setup(app: "Sphinx") -> dict[str, bool]:
    """Add the directive; tests read the descriptions without Sphinx."""
    from written import written_by

    app.add_directive("command", written_by(described))
    return {"parallel_read_safe": True}
