"""The program: its commands, and what becomes of errors."""

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
    predict,
    report,
    reproduce,
    run,
    show,
    studies,
    sweep,
    train,
)
from deltarule.cli.common import IN_ASCII, console, how_to_resume, in_ascii, number, path, text, whole_number
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
    """A command that says, where Ctrl-C ends it at once or memory runs out, what is left of it and how to go on."""

    @functools.wraps(command)
    def run_command(**given: Any) -> int | None:
        try:
            return command(**given)
        except SystemExit as end:
            if isinstance(end.__context__, BrokenPipeError):  # rich's, where whoever read our output has gone
                raise
            # Of somebody's code: it must not pass for our own end.
            raise BadInput("the code that was run ended the program; take the call of exit out of it") from None
        except (Exception, KeyboardInterrupt) as error:
            told = how_to_resume(given.get("out"), "resume" in given)
            if is_interruption(error):  # Typer would end without a word
                raise RunFailed(f"interrupted; {told}") from None
            if is_out_of_memory(error) and not isinstance(error, DeltaruleError):
                raise RunFailed(f"there is not enough memory for this; {told}") from error
            if isinstance(error, RunFailed) and str(error).endswith(FREE_SPACE) and given.get("resume") is not None:
                raise RunFailed(f"{error}, or go on with --resume where there is a checkpoint") from error
            raise

    return run_command


PARSERS: dict[Any, Callable[[str], Any]] = {int: whole_number, float: number, Path: path, str: text, list[str]: text}
"""What reads the words of the command line, by the type of an option or argument: Typer's own sentences about what it
cannot read differ by its version, and do not always tell the word."""


def _read_by_us(command: Callable[..., int | None]) -> None:
    for annotation in get_type_hints(command, include_extras=True).values():
        if get_origin(annotation) is Annotated:
            kind, info = get_args(annotation)
            info.parser = next((PARSERS[one] for one in (kind, *get_args(kind)) if one in PARSERS), None)


def _without_types(parameters: list[Any]) -> list[Any]:
    """Options and arguments of which --help tells no types: of a switch, which takes no value, Typer would tell <bool>,
    and of an argument more than its name, such as <list[str]>."""
    for parameter in parameters:
        if parameter.param_type_name == "argument" or parameter.is_flag:
            parameter.display_type_rich = lambda ctx: None
        if parameter.param_type_name == "argument":  # of which versions of Typer think differently
            shown = (parameter.metavar if parameter.required else f"[{parameter.metavar}]") + (
                "..." if parameter.nargs != 1 else ""
            )
            parameter.make_metavar = lambda *_, shown=shown, **__: shown
    return parameters


MIN_BOXES = 72
"""Characters of a screen: with fewer the boxes of --help would cut options and what they take."""


class _Command(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        width = console().width
        if width < MIN_BOXES:
            self.rich_markup_mode, formatter.width = None, width
            formatter.write_dl = functools.partial(formatter.write_dl, col_max=0)  # what is told of a name is below it
        super().format_help(ctx, formatter)


class _Group(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return _without_types(super().get_params(ctx))


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
):
    _read_by_us(command)
    called = getattr(command, "command_name", command.__name__)
    app.command(called, cls=_Command)(_with_early_end_message(command))


def main() -> None:
    """Run the command line and end the process with its status: 0 done, 1 failed or interrupted, 2 bad use."""
    _open_what_is_closed()
    # Characters that a terminal of another encoding lacks are written otherwise instead of ending the program.
    codecs.register_error(IN_ASCII, in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=IN_ASCII)
    # Where no settings of Matplotlib's can be kept it works all the same, and would begin with two lines about that.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        with platforms.endings_as_ctrl_c():
            status = app(standalone_mode=False) or 0
            # What Typer makes of a Ctrl-C that comes while it is at work itself.
            if status == 130:
                raise KeyboardInterrupt
            sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:
        status = _report_error(error)
    sys.exit(status)


def _open_what_is_closed() -> None:
    """Let what is printed go nowhere where somebody has closed stdout or stderr: files are written all the same."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))


def _report_error(error: Exception | KeyboardInterrupt) -> int:
    """Tell an error that a person can do something about in one sentence; anything else is a bug, and is raised."""
    if isinstance(error, DeltaruleError):
        _say(error)
        return 2 if isinstance(error, BadInput) else 1
    if isinstance(error, typer.Abort) and isinstance(error.__cause__, EOFError):  # Typer's, of whatever raised one
        raise error.__cause__
    if isinstance(error, typer.Abort) or is_interruption(error):
        _say(INTERRUPTED)
        return 1
    if hasattr(error, "format_message"):  # a wrong option or argument; Typer has a base class for these, without a name
        context = getattr(error, "ctx", None)
        hint = f" (see '{context.command_path} --help')" if context else ""
        _say(f"{BadInput(_told_of_words(error))}{hint}")
        return 2
    if isinstance(error, OSError) and (isinstance(error, BrokenPipeError) or error.errno in DISK_TROUBLE):
        # Whoever read our output has gone (`| head`), or it goes to a full disk; Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno in DISK_TROUBLE:
            where = error.filename or "the output"
            _say(f"{where} could not be written: {error.strerror}; {FREE_SPACE}")
        return 1
    if isinstance(error, OSError) and not _has_temporary_folder():  # tempfile's, or Matplotlib's of its own cache
        _say(NO_TEMPORARY_FOLDER)
        return 1
    raise error


def _say(sentence: object) -> None:
    """Print what went wrong, on a terminal in whole words, elsewhere in one line."""
    text = f"deltarule: {sentence}"
    if sys.stderr.isatty():
        console(to_errors=True).print(text)
    else:
        print(text, file=sys.stderr)


def _told_of_words(error: Any) -> str:
    """What is wrong with an option or an argument; without any words Typer shows its help, and says nothing."""
    if type(error) is not typer.BadParameter or error.param is None:
        text = " ".join(error.format_message().split()).rstrip(".")
        return "no command is given; give one, as in deltarule list" if text in ("", "Missing command") else text
    whose = error.param.metavar if error.param.param_type_name == "argument" else error.param.opts[0]
    text = error.message.removeprefix("Value error, ").rstrip(".")  # pydantic's beginning, of a choice
    example = f", as {error.param.metavar}" if text.endswith("give one") and error.param.metavar != whose else ""
    return f"{whose} {text}{example}"


def _has_temporary_folder() -> bool:
    try:
        return bool(tempfile.gettempdir())
    except OSError:
        return False
