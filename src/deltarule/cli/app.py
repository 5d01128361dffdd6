"""The program: register the commands, parse their arguments, and turn errors into sentences and exit statuses."""

import codecs
import functools
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from deltarule import platforms
from deltarule.cli import (
    bench,
    claims,
    data,
    doctor,
    evaluate,
    explain,
    export,
    gradcheck,
    grade,
    lr_range,
    play,
    predict,
    report,
    reproduce,
    run,
    show,
    studies,
    sweep,
    train,
    warm,
)
from deltarule.cli.options import how_to_resume, number, path, text, whole_number
from deltarule.cli.terminal import IN_ASCII, console, replace_unencodable
from deltarule.errors import (
    DISK_TROUBLE,
    FREE_SPACE,
    INTERRUPTED,
    BadInput,
    DeltaruleError,
    RunFailed,
    is_interruption,
    is_out_of_memory,
)

NO_TEMPORARY_FOLDER = "no folder for temporary files can be written; set TMPDIR to one that you may write"


def _with_early_end_message(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """Wrap a command: Ctrl-C and lack of memory raise `RunFailed` with how to resume, a call of exit `BadInput`."""

    @functools.wraps(command)
    def run_command(**arguments: Any) -> int | None:
        """Run the command, and raise an error with advice if it ends early."""
        try:
            return command(**arguments)
        except SystemExit as end:
            if isinstance(end.__context__, BrokenPipeError):  # from rich, when the reader of our output has gone
                raise
            # A user's code called exit: this must not look like our own status.
            raise BadInput("the code that was run ended the program; take the call of exit out of it") from None
        except (Exception, KeyboardInterrupt) as error:
            advice = how_to_resume(arguments.get("out"), "resume" in arguments)
            if is_interruption(error):  # Typer would end without a message
                raise RunFailed(f"interrupted; {advice}") from None
            if is_out_of_memory(error) and not isinstance(error, DeltaruleError):
                raise RunFailed(f"there is not enough memory for this; {advice}") from error
            if isinstance(error, RunFailed) and str(error).endswith(FREE_SPACE) and arguments.get("resume") is not None:
                raise RunFailed(f"{error}, or go on with --resume where there is a checkpoint") from error
            raise

    return run_command


PARSERS: dict[Any, Callable[[str], Any]] = {
    **{int: whole_number, float: number, Path: path},
    **{str: text, list[str]: text},
}
"""Parsers by type of an option or argument: Typer's own messages vary by version and do not always quote the word."""


def _use_own_parsers(command: Callable[..., int | None]) -> None:
    """Give every option and argument of a command the parser in `PARSERS` for its type."""
    for annotation in get_type_hints(command, include_extras=True).values():
        if get_origin(annotation) is Annotated:
            kind, info = get_args(annotation)
            info.parser = next((PARSERS[part] for part in (kind, *get_args(kind)) if part in PARSERS), None)


def _hide_types(parameters: list[Any]) -> list[Any]:
    """Hide the types of flags and arguments in --help, by changing the parameters, which are returned."""
    for parameter in parameters:
        if parameter.param_type_name == "argument" or parameter.is_flag:
            parameter.display_type_rich = lambda ctx: None
        if parameter.param_type_name == "argument":  # versions of Typer differ here
            shown = (parameter.metavar if parameter.required else f"[{parameter.metavar}]") + (
                "..." if parameter.nargs != 1 else ""
            )
            parameter.make_metavar = lambda *_, shown=shown, **__: shown
    return parameters


MIN_BOXES = 72
"""Columns of a screen below which the boxes of --help would cut options and their values."""


class _Command(TyperCommand):
    """A command whose --help shows no types and fits narrow screens."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _hide_types(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the --help text, without boxes on a narrow screen."""
        width = console().width
        if width < MIN_BOXES:
            self.rich_markup_mode, formatter.width = None, width
            formatter.write_dl = functools.partial(formatter.write_dl, col_max=0)  # descriptions go below the names
        super().format_help(ctx, formatter)


class _Group(TyperGroup):
    """The group of all commands, whose --help shows no types."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _hide_types(super().get_params(ctx))


app = typer.Typer(
    cls=_Group,
    help="Train, prove and see multi-layer perceptrons.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    studies.list_studies,
    show.show,
    run.run,
    sweep.sweep,
    explain.explain,
    play.play,
    train.train,
    predict.predict,
    evaluate.evaluate,
    export.export,
    claims.claims,
    reproduce.reproduce,
    report.report,
    gradcheck.gradcheck,
    grade.grade,
    lr_range.lr_range,
    data.data,
    bench.bench,
    doctor.doctor,
    warm.warm,
):
    _use_own_parsers(command)
    name = getattr(command, "command_name", command.__name__)
    app.command(name, cls=_Command)(_with_early_end_message(command))


def main() -> None:
    """Run the command line and end the process with its status: 0 done, 1 failed or interrupted, 2 bad use."""
    _replace_closed_streams()
    # Replace characters that the terminal's encoding lacks instead of failing.
    codecs.register_error(IN_ASCII, replace_unencodable)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=IN_ASCII)
    # Without a writable settings folder Matplotlib works, but would print two lines about it.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        with platforms.termination_as_ctrl_c():
            status = app(standalone_mode=False) or 0
            # Typer's status for a Ctrl-C that arrives in its own code.
            if status == 130:
                raise KeyboardInterrupt
            sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        status = _report_error(error)
    sys.exit(status)


def _replace_closed_streams() -> None:
    """Replace a closed stdout or stderr by the null device, so that files are still written."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))


def _report_error(error: Exception | KeyboardInterrupt) -> int:
    """Print an error that the user can fix as one sentence and return the exit status; raise anything else, a bug."""
    if isinstance(error, DeltaruleError):
        _print_error(error)
        return 2 if isinstance(error, BadInput) else 1
    if isinstance(error, typer.Abort) and isinstance(error.__cause__, EOFError):  # Typer raises Abort for any EOFError
        raise error.__cause__
    if isinstance(error, typer.Abort) or is_interruption(error):
        _print_error(INTERRUPTED)
        return 1
    if hasattr(error, "format_message"):  # a wrong option or argument; Typer does not export the base class
        context = getattr(error, "ctx", None)
        hint = f" (see '{context.command_path} --help')" if context else ""
        _print_error(f"{BadInput(_usage_message(error))}{hint}")
        return 2
    if isinstance(error, OSError) and (isinstance(error, BrokenPipeError) or error.errno in DISK_TROUBLE):
        # The reader has gone (`| head`) or the disk is full; Python would fail again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno in DISK_TROUBLE:
            where = error.filename or "the output"
            _print_error(f"{where} could not be written: {error.strerror}; {FREE_SPACE}")
        return 1
    if isinstance(error, OSError) and not _has_temporary_folder():  # from tempfile, or from Matplotlib's cache
        _print_error(NO_TEMPORARY_FOLDER)
        return 1
    raise error


def _print_error(sentence: object) -> None:
    """Print an error message: wrapped on a terminal, otherwise as one line."""
    text = f"deltarule: {sentence}"
    if sys.stderr.isatty():
        console(to_errors=True).print(text)
    else:
        print(text, file=sys.stderr)


def _usage_message(error: Any) -> str:
    """Describe what is wrong with an option or an argument."""
    if type(error) is not typer.BadParameter or error.param is None:
        text = " ".join(error.format_message().split()).rstrip(".")
        return "no command is given; give one, as in deltarule list" if text in ("", "Missing command") else text
    parameter = error.param.metavar if error.param.param_type_name == "argument" else error.param.opts[0]
    text = error.message.removeprefix("Value error, ").rstrip(".")  # pydantic's beginning, of a choice
    example = f", as {error.param.metavar}" if text.endswith("give one") and error.param.metavar != parameter else ""
    return f"{parameter} {text}{example}"


def _has_temporary_folder() -> bool:
    """Whether there is a folder for temporary files that can be written."""
    try:
        return bool(tempfile.gettempdir())
    except OSError:
        return False
